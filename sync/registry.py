"""Which kinds of uplink there are, and how one is made.

A kind is a settings class and an uplink that takes it. Settings are what the configuration loader needs and
import nothing heavy; an uplink with its protocol library is imported only when one is built. To add a kind,
add its two functions and one line in `_KINDS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.ports import Clock
from edge.settings import UplinkSettings
from sync.uplink import Uplink

# Each uplink takes its own settings class; the kind that chose the class chooses the uplink too.
Factory = Callable[[str, Any, Clock], Uplink]


@dataclass(frozen=True)
class Kind:
    """A kind of uplink; both parts are imported when first asked for."""

    settings: Callable[[], type[UplinkSettings]]
    uplink: Callable[[], Factory] | None  # None: receivers pull, sync.mqtt.Bus serves them


def _http_settings() -> type[UplinkSettings]:
    from sync.settings import HttpSettings

    return HttpSettings


def _http_uplink() -> Factory:
    from sync.http import HttpUplink

    return HttpUplink


def _mqtt_settings() -> type[UplinkSettings]:
    from sync.mqtt.settings import MqttSettings

    return MqttSettings


_KINDS: Mapping[str, Kind] = {
    "http": Kind(_http_settings, _http_uplink),
    "mqtt": Kind(_mqtt_settings, None),
}

KINDS: Mapping[str, Callable[[], type[UplinkSettings]]] = {
    name: kind.settings for name, kind in _KINDS.items()
}


def build(name: str, given: Any, folder: Path, credentials: Path | None, clock: Clock) -> Uplink | None:
    """The uplink `name`; None where its receivers pull. Secrets are sought in `credentials`, else in
    `folder`. Connects to nothing.
    """
    uplink = _KINDS[given.kind].uplink
    return uplink()(name, given.located(folder, credentials), clock) if uplink is not None else None
