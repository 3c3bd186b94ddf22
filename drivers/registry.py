"""Which kinds of device there are, and how one is made.

A kind is a folder with its settings class, its driver and a README. Settings are what the configuration
loader needs and import nothing heavy; a driver with its protocol library is imported only when one is built.
To add a kind, add its two functions and one line in `_KINDS`; kinds from elsewhere would join here too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge.ports import Clock, Driver
from edge.settings import DeviceSettings

# Each driver takes its own settings class; the name that chose the class chooses the driver too.
Factory = Callable[[str, Any, Clock], Driver]


@dataclass(frozen=True)
class Kind:
    """A kind of device; both parts are imported when first asked for."""

    settings: Callable[[], type[DeviceSettings]]
    driver: Callable[[], Factory]


def _modbus_settings() -> type[DeviceSettings]:
    from drivers.modbus.settings import ModbusSettings

    return ModbusSettings


def _modbus_driver() -> Factory:
    from drivers.modbus.driver import ModbusDriver

    return ModbusDriver


def _opcua_settings() -> type[DeviceSettings]:
    from drivers.opcua.settings import OpcUaSettings

    return OpcUaSettings


def _opcua_driver() -> Factory:
    from drivers.opcua.driver import OpcUaDriver

    return OpcUaDriver


def _scanner_settings() -> type[DeviceSettings]:
    from drivers.barcode.settings import ScannerSettings

    return ScannerSettings


def _scanner_driver() -> Factory:
    from drivers.barcode.driver import ScannerDriver

    return ScannerDriver


_KINDS: Mapping[str, Kind] = {
    "modbus-tcp": Kind(_modbus_settings, _modbus_driver),
    "opcua": Kind(_opcua_settings, _opcua_driver),
    "scanner-serial": Kind(_scanner_settings, _scanner_driver),
}

KINDS: Mapping[str, Callable[[], type[DeviceSettings]]] = {
    name: kind.settings for name, kind in _KINDS.items()
}


def build(name: str, settings: DeviceSettings, clock: Clock) -> Driver:
    """The driver of the device `name`. Opens nothing; `run` does."""
    return _KINDS[settings.driver].driver()(name, settings, clock)
