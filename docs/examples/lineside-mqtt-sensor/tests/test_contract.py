"""What every driver of lineside promises, kept by this one against a real broker."""

import pytest
from broker import Sensors
from lineside_mqtt_sensor.driver import SensorDriver
from lineside_mqtt_sensor.settings import SensorSettings

from edge.clock import SystemClock
from edge.ports import Clock, Driver
from tests.contract.observing import Recorder
from tests.contract.suite import DriverContract, Rig

TAGS = {
    "temperature": {"topic": "plant/oven1/state", "field": "sensor.temperature", "unit": "Cel"},
    "door": {"topic": "plant/oven1/state", "field": "door"},
    "pressure": {"topic": "plant/pump1/pressure"},
}


def driver(sensors: Sensors, clock: Clock | None = None, **more: object) -> SensorDriver:
    table = {"driver": "mqtt-sensor", "host": sensors.host, "port": sensors.port, "timeout_s": 30}
    table |= {"tags": TAGS, "reconnect_min_s": 0.05, "reconnect_max_s": 0.05}
    return SensorDriver("oven1", SensorSettings.model_validate(table | more), clock or SystemClock())


class SensorRig:
    """The broker is what goes and comes: a sensor behind it cannot be told from a silent one."""

    tags = frozenset(TAGS)

    def __init__(self, sensors: Sensors) -> None:
        self._sensors = sensors

    def driver(self) -> Driver:
        return driver(self._sensors)

    async def go(self) -> None:
        await self._sensors.go()

    async def come(self) -> None:
        await self._sensors.come()

    async def say(self) -> None:
        await self._sensors.publish("plant/oven1/state", '{"sensor": {"temperature": 181.5}, "door": false}')

    def heard(self, recorder: Recorder) -> bool:
        return recorder.values.get("temperature") == 181.5 and recorder.values.get("door") is False


@pytest.fixture
def rig(sensors: Sensors) -> Rig:
    return SensorRig(sensors)


class TestSensorDriver(DriverContract):
    """The suite, unchanged."""
