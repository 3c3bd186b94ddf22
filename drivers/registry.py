"""Which kinds of device there are, and how one is made.

A kind is a folder with its settings class, its driver and a README. Settings are what the configuration
loader needs and import nothing heavy; a driver with its protocol library is imported only when one is built.
To add a kind, add its two functions and one line in `_KINDS`. Kinds from elsewhere are entry points of the
group `lineside.drivers`: the name is the kind, the object a `Kind`. One that is broken or offered twice is a
problem of the configuration that names it, and of no other.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeVar

from edge.faults import SettingsFault
from edge.ports import Clock, Driver
from edge.settings import DeviceKinds, DeviceSettings

GROUP = "lineside.drivers"

# What importing foreign code may raise where it is broken: a library that is missing, another Python, a typo.
_BROKEN = (
    ImportError, AttributeError, NameError, SyntaxError, TypeError, ValueError, LookupError, OSError,
    RuntimeError,
)  # fmt: skip
T = TypeVar("T")

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


def _modbus_rtu_settings() -> type[DeviceSettings]:
    from drivers.modbus.settings import RtuSettings

    return RtuSettings


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


def _tcp_scanner_settings() -> type[DeviceSettings]:
    from drivers.barcode.settings import TcpScannerSettings

    return TcpScannerSettings


def _tcp_scanner_driver() -> Factory:
    from drivers.barcode.tcp import TcpScannerDriver

    return TcpScannerDriver


def _hid_scanner_settings() -> type[DeviceSettings]:
    from drivers.barcode.settings import HidScannerSettings

    return HidScannerSettings


def _hid_scanner_driver() -> Factory:
    from drivers.barcode.hid import HidScannerDriver

    return HidScannerDriver


_KINDS: Mapping[str, Kind] = {
    "modbus-tcp": Kind(_modbus_settings, _modbus_driver),
    "modbus-rtu": Kind(_modbus_rtu_settings, _modbus_driver),
    "opcua": Kind(_opcua_settings, _opcua_driver),
    "scanner-serial": Kind(_scanner_settings, _scanner_driver),
    "scanner-hid": Kind(_hid_scanner_settings, _hid_scanner_driver),
    "scanner-tcp": Kind(_tcp_scanner_settings, _tcp_scanner_driver),
}

KINDS: DeviceKinds = {name: kind.settings for name, kind in _KINDS.items()}


@dataclass(frozen=True)
class Offer:
    """A kind as a person finds it."""

    kind: str
    origin: str  # the distribution that brings it
    readme: str  # where it says how to configure it
    problem: str = ""  # why it cannot be used; empty where nothing speaks against it


def kinds() -> DeviceKinds:
    """Every kind that a configuration may name, by name. A plug-in is imported only when its kind is asked
    for; asking for one that cannot be used raises SettingsFault.
    """
    return {**KINDS, **{kind: partial(_settings, kind, found) for kind, found in _plugins().items()}}


def offers() -> list[Offer]:
    """All kinds that are installed. Imports no plug-in."""
    found = _plugins()
    own = [
        Offer(name, "lineside", str(Path(inspect.getfile(kind.settings())).with_name("README.md")))
        for name, kind in _KINDS.items()
    ]
    return own + [
        Offer(kind, _origin(one), _homepage(one), _clash(kind, found[kind]))
        for kind in sorted(found)
        for one in found[kind]
    ]


def build(name: str, settings: DeviceSettings, clock: Clock) -> Driver:
    """The driver of the device `name`. Opens nothing; `run` does. Raises SettingsFault for a broken one."""
    own = _KINDS.get(settings.driver)
    return (own.driver() if own else _driver(settings.driver))(name, settings, clock)


def _plugins() -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for one in entry_points(group=GROUP):
        found.setdefault(one.name, []).append(one)
    return found


def _settings(kind: str, found: Sequence[EntryPoint]) -> type[DeviceSettings]:
    chosen, (one, *_) = _loaded(kind, found), found
    settings = _tried(kind, one, chosen.settings)
    if not (isinstance(settings, type) and issubclass(settings, DeviceSettings)):
        raise _unusable(kind, one, "its settings are no subclass of edge.settings.DeviceSettings")
    return settings


def _driver(kind: str) -> Factory:
    found = _plugins().get(kind)
    if not found:
        raise SettingsFault(
            [f"device kind {kind!r}: the distribution that offered it is gone. Install it again"]
        )
    return _tried(kind, found[0], _loaded(kind, found).driver)


def _loaded(kind: str, found: Sequence[EntryPoint]) -> Kind:
    if clash := _clash(kind, found):
        raise SettingsFault([clash])
    loaded = _tried(kind, found[0], found[0].load)
    if not isinstance(loaded, Kind):
        raise _unusable(kind, found[0], f"{found[0].value} is no drivers.registry.Kind")
    return loaded


def _clash(kind: str, found: Sequence[EntryPoint]) -> str:
    """That several offer a kind: which one is meant, nobody can tell."""
    origins = [*(["lineside itself"] if kind in _KINDS else []), *(_origin(one) for one in found)]
    if len(origins) == 1:
        return ""
    return (
        f"device kind {kind!r} is offered by {' and by '.join(origins)}. Uninstall all plug-ins of it but one"
    )


def _tried(kind: str, one: EntryPoint, make: Callable[[], T]) -> T:
    """What foreign code makes. Raises SettingsFault in place of what it raises."""
    try:
        return make()
    except _BROKEN as error:
        raise _unusable(kind, one, f"{type(error).__name__}: {error}") from error


def _unusable(kind: str, one: EntryPoint, why: str) -> SettingsFault:
    return SettingsFault(
        [f"device kind {kind!r} of {_origin(one)} cannot be used: {why}. Update, repair or uninstall it"]
    )


def _origin(one: EntryPoint) -> str:
    return f"{one.dist.name} {one.dist.version}" if one.dist else one.value


def _homepage(one: EntryPoint) -> str:
    """Where a distribution says that its documentation is."""
    if one.dist is None:
        return ""
    links = [str(link).partition(", ") for link in one.dist.metadata.get_all("Project-URL") or ()]
    named = {name.lower(): url for name, _, url in links}
    for name in ("documentation", "homepage", "source", "repository"):
        if name in named:
            return named[name]
    return f"the README of {one.dist.name}"
