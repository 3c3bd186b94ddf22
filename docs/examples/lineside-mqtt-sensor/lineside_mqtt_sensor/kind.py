"""What lineside finds through the entry point. Both parts are imported when first asked for.

Checking a configuration takes the settings alone: no MQTT library is loaded for it.
"""

from drivers.registry import Factory, Kind
from edge.settings import DeviceSettings


def _settings() -> type[DeviceSettings]:
    from lineside_mqtt_sensor.settings import SensorSettings

    return SensorSettings


def _driver() -> Factory:
    from lineside_mqtt_sensor.driver import SensorDriver

    return SensorDriver


KIND = Kind(_settings, _driver)
