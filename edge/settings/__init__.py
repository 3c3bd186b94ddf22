"""The configuration: one TOML file becomes frozen objects, or one error that lists every problem.

Drivers and uplinks own their settings classes; the composition root passes them in as `kinds`, so that this
package knows no driver. Each problem names file, key, value and what is allowed.
"""

from edge.settings.checks import Checks, Level, StationChecks
from edge.settings.crossing import FOLDER, PAGE
from edge.settings.file import DEFAULT_PATH, DeviceKinds, Settings, UplinkKinds, json_schema, load
from edge.settings.kinds import AlertAfter, DeviceSettings, Factor, ReconnectingSettings, UplinkSettings
from edge.settings.parts import Address, Exposure, Name, Part, Seconds, is_loopback
from edge.settings.services import MasterDataSettings, Storage, Webhook
from edge.settings.site import (
    Break,
    Consumption,
    Crew,
    Edge,
    OwnCode,
    Pause,
    Posting,
    Reminders,
    Review,
    Shift,
)
from edge.settings.station import Automatic, Counter, Meter, Signals, StateWord, Station, lot_by

__all__ = [
    "DEFAULT_PATH",
    "FOLDER",
    "PAGE",
    "Address",
    "AlertAfter",
    "Automatic",
    "Break",
    "Checks",
    "Consumption",
    "Counter",
    "Crew",
    "DeviceKinds",
    "DeviceSettings",
    "Edge",
    "Exposure",
    "Factor",
    "Level",
    "MasterDataSettings",
    "Meter",
    "Name",
    "OwnCode",
    "Part",
    "Pause",
    "Posting",
    "ReconnectingSettings",
    "Reminders",
    "Review",
    "Seconds",
    "Settings",
    "Shift",
    "Signals",
    "StateWord",
    "Station",
    "StationChecks",
    "Storage",
    "UplinkKinds",
    "UplinkSettings",
    "Webhook",
    "is_loopback",
    "json_schema",
    "load",
    "lot_by",
]
