"""The configuration: one TOML file becomes frozen objects, or one error that lists every problem.

Drivers and uplinks own their settings classes; the composition root passes them in as `kinds`, so that this
module knows no driver. Each problem names file, key, value and what is allowed.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from string import Formatter
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, Union, get_args, get_origin
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from edge.codes.automaton import Automaton
from edge.codes.patterns import PatternError
from edge.codes.rules import Rule, shared
from edge.faults import SettingsFault

PAGE = "page"  # where a scan comes from that was typed
_MOST_STATES = 2000  # of all own codes together: what reading takes grows with it
DEFAULT_PATH = Path("/etc/lineside/lineside.toml")
FOLDER = "folder"  # the source of master data that is no uplink
NAME = r"^[A-Za-z0-9._-]+$"
Name = Annotated[str, Field(pattern=NAME, max_length=64)]
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


def _address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("must be <host>:<port>, for example 127.0.0.1:8700")
    return value


def lot_by(pattern: str, **values: object) -> str:
    """The lot that a pattern of `output_lot` makes of its values."""
    return pattern.format(**values)


_LOT_VALUES = {
    "production_date": date(2026, 1, 31),
    "shift": "day",
    "station": "OP20",
    "work_center": "WC-1",
    "work_order": "1",
    "operation": "0010",
}


def _lot_pattern(value: str) -> str:
    allowed = f"allowed: text and {', '.join('{' + name + '}' for name in _LOT_VALUES)}"
    try:
        names = [name for _, name, _, _ in Formatter().parse(value) if name is not None]
        unknown = [name for name in names if name not in _LOT_VALUES]
        made = "" if unknown else lot_by(value, **_LOT_VALUES)
    except (ValueError, KeyError, IndexError):
        raise ValueError(f"is no pattern; {allowed}") from None
    if unknown:
        raise ValueError(f"knows no {{{unknown[0]}}}; {allowed}")
    if not made or not made.isprintable() or len(made) > 40:
        raise ValueError(f"makes {made!r}; a lot has 1 to 40 printable characters")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            "is no time zone; allowed: IANA names such as Asia/Shanghai or Europe/Berlin"
        ) from None
    return value


def _face(value: object) -> object:
    if not isinstance(value, str | time):
        raise ValueError('must be a time of day, for example "08:00"')
    return value


def _minute(value: time) -> time:
    if value.tzinfo is not None or value.second or value.microsecond:
        raise ValueError('must be hours and minutes without a time zone, for example "08:00"')
    return value


def _path(value: Path) -> Path:
    if "\0" in str(value):
        raise ValueError("is no path: it holds a NUL character")
    return value


def _webhook_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http or https address")
    if parts.username or parts.password or parts.query or parts.fragment:
        # The message must not show what may be a secret; pydantic would show the value beside it.
        raise ValueError("must hold no user, password, query or fragment; put such an address into url_file")
    return value


Address = Annotated[str, AfterValidator(_address)]
TimeOfDay = Annotated[time, BeforeValidator(_face), AfterValidator(_minute)]


class Part(BaseModel):
    """A part of the configuration: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Edge(Part):
    """Who this collector is. site and id are part of every event's source: changing them starts an epoch."""

    id: Name
    enterprise: Name = "enterprise"
    site: Name
    area: Name = "area"
    line: Name
    timezone: Annotated[str, AfterValidator(_zone)]
    language: Literal["en", "zh-CN"] = "en"
    data_dir: Annotated[Path, AfterValidator(_path)] = Path("/var/lib/lineside")

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class DeviceSettings(Part):
    """What every driver's settings have. `tags` is overridden by drivers that read tags."""

    scans: ClassVar[bool] = False  # whether the device is a scanner
    driver: str
    alert_after_s: Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)] = (
        300  # lost so long; 0: never
    )

    @property
    def tag_names(self) -> frozenset[str]:
        return frozenset(getattr(self, "tags", ()))

    @property
    def place(self) -> str:
        """Where the device is, as people look for it; a driver with other words for it overrides this."""
        parts = [str(part) for key in ("host", "port") if (part := getattr(self, key, None)) is not None]
        places = (getattr(self, key, None) for key in ("endpoint", "url", "path"))
        return ":".join(parts) or next((str(_masked(str(one))) for one in places if one is not None), "")

    @property
    def claim(self) -> tuple[str, str] | None:
        """The port or address of this machine that the device is served at, and the bus there.

        Devices on one bus share it; with the bus "" it is for one device alone. None: nothing is claimed.
        """
        return None

    def located(self, folder: Path, credentials: Path | None, data_dir: Path) -> "DeviceSettings":
        """The same with absolute paths of its files: `folder` is the configuration's."""
        return self


class ReconnectingSettings(DeviceSettings):
    """What a device has that is asked again and again while it is lost, less and less often."""

    reconnect_min_s: Annotated[Seconds, Field(ge=0.05, le=60)] = 0.5
    reconnect_max_s: Annotated[Seconds, Field(ge=0.05, le=60)] = 10.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.reconnect_max_s < self.reconnect_min_s:
            raise ValueError(
                f"reconnect_max_s = {self.reconnect_max_s} is shorter than reconnect_min_s; "
                f"allowed: {self.reconnect_min_s} to 60"
            )
        return self


class UplinkSettings(Part):
    """What every uplink's settings have."""

    kind: str

    @property
    def delivers_masterdata(self) -> bool:
        """Whether the receiver is asked for master data."""
        return False

    def receivers(self, name: str) -> tuple[str, ...]:
        """Who has a cursor of its own, where this is the uplink `name`: itself, or who pulls over it."""
        return (name,)

    def located(self, folder: Path, credentials: Path | None) -> "UplinkSettings":
        """The same with absolute paths of its files: `folder` is the configuration's."""
        return self


class Counter(Part):
    """A machine's piece counter (facts: cap = rate × elapsed × 1.2 + 2)."""

    tag: str
    counts: Literal["all", "good", "scrap"] = "all"
    reason: str | None = None  # why its pieces are scrap, where it counts scrap
    units_per_count: Annotated[Decimal, Field(gt=0, le=100000)] = Decimal(1)
    by_tool: bool | None = None  # a mounted tool says the units per count; not given: unless it counts scrap
    max_rate_per_min: Annotated[Decimal, Field(gt=0, le=1000000)] = Decimal(120)
    modulus: Annotated[int, Field(gt=1)] | None = None  # raw value at which it starts again from 0
    reset: bool = True  # whether the machine may set it back, at an order change for one

    @property
    def follows_tool(self) -> bool:
        return self.by_tool if self.by_tool is not None else self.counts != "scrap"

    @model_validator(mode="after")
    def _scrap_has_a_reason(self) -> "Counter":
        if (self.counts == "scrap") != (self.reason is not None):
            raise ValueError(
                '`reason` belongs to a counter with counts = "scrap", and such a counter needs one'
            )
        return self


class Meter(Part):
    """What measures a material as it is used: an ever-growing flow counter, or the weight of what is left.

    One step of the tag is `multiplier` units. What a weight wavers by, below `tolerance` in steps, is noise.
    """

    tag: str
    material: Annotated[str, Field(pattern=r"^[ -~]{1,64}$")]
    unit: Annotated[str, Field(pattern=r"^[A-Z0-9]{1,3}$")]  # UN/ECE Rec 20
    measures: Literal["flow", "weight"] = "flow"
    multiplier: Annotated[Decimal, Field(gt=0, le=1000000)] = Decimal(1)
    max_rate_per_min: Annotated[Decimal, Field(gt=0, le=1000000)]  # units; faster is no use of material
    tolerance: Annotated[Decimal, Field(ge=0, le=1000000)] = Decimal(0)
    modulus: Annotated[Decimal, Field(gt=0)] | None = None  # raw value at which a flow counter starts again
    reset: bool = True  # whether a flow counter may be set back

    @model_validator(mode="after")
    def _each_rule_where_it_means_something(self) -> "Meter":
        if self.measures == "weight" and self.modulus is not None:
            raise ValueError("`modulus` belongs to a flow counter; a weight does not start again")
        if self.measures == "weight" and not self.tolerance:
            raise ValueError("`tolerance` is missing; a weight wavers, and noise must not add up as use")
        if self.measures == "flow" and self.tolerance:
            raise ValueError("`tolerance` belongs to a weight; a flow counter does not fall")
        return self


class StateWord(Part):
    """A tag that says the state as a number or word (PackML: 6 runs); a value in no list is idle."""

    tag: str
    running: Annotated[tuple[int | str, ...], Field(min_length=1)]
    fault: tuple[int | str, ...] = ()
    setup: tuple[int | str, ...] = ()

    @model_validator(mode="after")
    def _each_value_once(self) -> "StateWord":
        values = [str(value) for value in (*self.running, *self.fault, *self.setup)]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} stands for two states; a value may be in one list only")
        return self


class Signals(Part):
    """Further signals of the machine, as tags. `fault`, `setup` and `running` are on or off."""

    running: str | None = None
    fault: str | None = None
    setup: str | None = None
    state: StateWord | None = None  # instead of the three above
    tool: str | None = None  # names the mounted tool; 0 or empty: none
    micro_stop_s: Annotated[int, Field(ge=0, le=3600)] = (
        60  # a shorter stop is a micro-stop; 0: there are none
    )
    micro_stops_run: bool = False  # whether micro-stops are machine time
    energy: str | None = None  # an ever-growing meter in kWh; one for several stations is split by `rated_kw`
    energy_multiplier: Annotated[Decimal, Field(gt=0, le=1000000)] = Decimal(
        1
    )  # kWh of one step of the meter
    rated_kw: Annotated[Decimal, Field(gt=0)] = Decimal(1000)  # bounds what the meter may show
    energy_modulus: Annotated[Decimal, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one_source_of_states(self) -> "Signals":
        if self.state is not None and (self.running or self.fault or self.setup):
            raise ValueError(
                "`state` already says what `running`, `fault` and `setup` would; give one or the other"
            )
        return self

    @property
    def says_running(self) -> bool:
        """Whether a tag says that the machine runs."""
        return self.running is not None or self.state is not None

    @property
    def tags(self) -> dict[str, str]:
        """Tags by the key under which they stand."""
        given = {key: getattr(self, key) for key in ("running", "fault", "setup", "tool", "energy")}
        if self.state is not None:
            given["state.tag"] = self.state.tag
        return {key: tag for key, tag in given.items() if tag is not None}


class Automatic(Part):
    """What the machine's movement may do by itself: nothing, propose it, or do it."""

    start: Literal["off", "propose", "on"] = "propose"  # the next released order, when nothing is open
    pause: Literal["off", "propose", "on"] = "off"  # when the machine stands for so long:
    pause_after_s: Annotated[int, Field(ge=10, le=86400)] = 300
    pause_reason: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,40}$")] = "standstill"


Level = Literal["off", "warn", "confirm", "block"]
Tolerance = Annotated[Decimal, Field(ge=0, le=100)]


class StationChecks(Part):
    """What of `checks` is different at a station; what is not given is as the site has it."""

    order_elsewhere: Level | None = None
    order_status: Level | None = None
    sequence: Level | None = None
    ahead: Level | None = None
    material: Level | None = None
    lot_unknown: Level | None = None
    lot_status: Level | None = None
    lot_expired: Level | None = None
    lot_consumed: Level | None = None
    missing_lot: Level | None = None
    usage: Level | None = None
    usage_tolerance: Tolerance | None = None
    output: Level | None = None
    output_tolerance: Tolerance | None = None
    time: Level | None = None
    time_tolerance: Tolerance | None = None
    qualification: Level | None = None


class Checks(StationChecks):
    """What is checked (docs/checks.md): `off`: not at all; `warn`: recorded, and said; `confirm`: only with
    OK; `block`: refused. Tolerances are shares of the standard: 0.1 is a tenth more.

    `unknown_order`: an order that the master data does not know is refused, or begins provisionally, with
    product and unit unknown until it is delivered.
    """

    unknown_order: Literal["block", "provisional"] = "block"
    order_elsewhere: Level = "block"  # of another work center
    order_status: Level = "block"  # held or closed
    sequence: Level = "warn"  # the operation before has reported nothing
    ahead: Level = "warn"  # more pieces than the operation before reported
    material: Level = "block"  # not on the operation's BOM
    lot_unknown: Level = "block"
    lot_status: Level = "block"  # blocked or in quarantine
    lot_expired: Level = "block"
    lot_consumed: Level = "warn"  # more than is left of the lot
    missing_lot: Level = "warn"  # completion without a lot that the BOM asks for
    usage: Level = "warn"  # more of a material than the BOM asks for the whole order
    usage_tolerance: Tolerance = Decimal("0.1")
    output: Level = "off"  # more pieces than planned: completion says so anyway
    output_tolerance: Tolerance = Decimal("0.1")
    time: Level = "off"  # more time than the standard
    time_tolerance: Tolerance = Decimal("0.5")
    qualification: Level = "warn"  # a person without the work center's

    def at(self, station: StationChecks) -> "Checks":
        """The checks as they are at a station."""
        own = {
            key: value for key in StationChecks.model_fields if (value := getattr(station, key)) is not None
        }
        return self.model_copy(update=own) if own else self


class Station(Part):
    """Where people work: scanners, counters and signals bound to one work center.

    `output_lot` makes the lot of what comes out where none is scanned: `{production_date:%y%m%d}{shift}`
    for one; further values are `station`, `work_center`, `work_order` and `operation`.
    """

    work_center: Name
    equipment: Name | None = None
    scanners: tuple[str, ...] = ()
    concurrent: bool = False
    counters: dict[Name, Counter] = {}
    meters: dict[Name, Meter] = {}
    signals: Signals = Signals()
    automatic: Automatic = Automatic()
    checks: StationChecks = StationChecks()
    output_lot: Annotated[str, Field(max_length=100), AfterValidator(_lot_pattern)] | None = None

    @model_validator(mode="after")
    def _a_pause_needs_a_signal(self) -> "Station":
        if self.automatic.pause != "off" and not (self.signals.says_running or self.counters):
            raise ValueError(
                f'automatic.pause = "{self.automatic.pause}" needs something that says whether '
                "the machine stands: signals.running, signals.state or a counter"
            )
        return self

    @property
    def main_counter(self) -> str | None:
        """The counter that proposes quantities: the first that counts no scrap."""
        return next((name for name, counter in self.counters.items() if counter.counts != "scrap"), None)

    @property
    def scrap_counters(self) -> dict[str, Counter]:
        return {name: counter for name, counter in self.counters.items() if counter.counts == "scrap"}

    @property
    def tags(self) -> dict[str, str]:
        """Tags by the key under which they stand."""
        counters = {f"counters.{name}.tag": counter.tag for name, counter in self.counters.items()}
        meters = {f"meters.{name}.tag": meter.tag for name, meter in self.meters.items()}
        return counters | meters | {f"signals.{key}": tag for key, tag in self.signals.tags.items()}


class Pause(Part):
    """Whether time goes on while paused for this reason."""

    labour: bool = False
    machine: bool = False


class Break(Part):
    """A break of everybody in the shift: people's time goes into no job; paid or not."""

    start: TimeOfDay
    end: TimeOfDay
    paid: bool = False


class Shift(Part):
    """A shift; one whose start equals its end lasts 24 h."""

    name: Name
    start: TimeOfDay
    end: TimeOfDay
    breaks: tuple[Break, ...] = ()


class Crew(Part):
    """People at the stations. Whoever is signed on for `confirm_after_h` (0: never asked) is asked for their
    badge again: until it is scanned their time is no job's.
    """

    confirm_after_h: Annotated[float, Field(ge=0, le=168, allow_inf_nan=False)] = 14


class OwnCode(Part):
    """A code of the site's own (docs/grammar.md). `pattern` stands for the whole code, its groups for values.

    `scanners`: where it holds; none: everywhere, `page` for what is typed. `command`: what it stands for, as
    behind LSC, such as "DONE" or "PAUSE21". `unit` (UN/ECE Rec 20) and `decimals` belong to its quantity:
    with 2, `125` is 1.25.
    """

    name: Name
    pattern: Annotated[str, Field(min_length=1, max_length=500)]
    scanners: tuple[str, ...] = ()
    command: Annotated[str, Field(pattern=r"^[A-Z0-9._-]{1,40}$")] | None = None
    unit: Annotated[str, Field(pattern=r"^[A-Z0-9]{2,3}$")] | None = None
    decimals: Annotated[int, Field(ge=0, le=6)] = 0

    @model_validator(mode="after")
    def _sound(self) -> "OwnCode":
        try:
            _ = self.rule
        except PatternError as error:
            raise ValueError(f"pattern {self.pattern!r}: {error}") from error
        return self

    @cached_property
    def rule(self) -> Rule:
        """The same as it reads."""
        pattern = Automaton(self.pattern)
        return Rule(self.name, pattern, self.scanners, self.command, self.unit, self.decimals)


class Posting(Part):
    """Which date a fact is posted on: the day the shift began, or the calendar day."""

    date: Literal["production", "calendar"] = "production"


class Web(Part):
    """Where the pages and the local API listen."""

    listen: Address = "127.0.0.1:8700"


class Sync(Part):
    """Where sync's health and metrics listen."""

    listen: Address = "127.0.0.1:8701"


class Storage(Part):
    """What data_dir may hold beside the facts. `ballast_mib` (0: none) is room given back at 95 %, at most
    1 % of the disk; `samples_mib` (0: none) bounds samples.db; `keep_days` is how long delivered facts stay.
    """

    ballast_mib: Annotated[int, Field(ge=0, le=65536)] = 64
    samples_mib: Annotated[int, Field(ge=0, le=65536)] = 256
    keep_days: Annotated[int, Field(ge=1, le=36500)] = 90


class MasterDataSettings(Part):
    """Where master data comes from. `folder` holds CSV and JSON files, beside this one unless absolute.
    `source` names the one that counts where there are several: an uplink, or "folder". `stale_after_h` (0:
    never) is the age that becomes an alert; by default 24 for an uplink's, never for a folder's.
    """

    folder: Annotated[Path, AfterValidator(_path)] | None = None
    source: Name | None = None
    stale_after_h: Annotated[float, Field(ge=0, le=8760, allow_inf_nan=False)] | None = None


class Review(Part):
    """Which of the ERP's roles may settle what waits for a person, enter later what nobody recorded, and
    grant a concession. Whoever may by roles of `four_eyes` alone needs a second person's badge. An entry lies
    at most `make_up_days` back; time without an order is listed from `unassigned_s` on.
    """

    settle: tuple[Name, ...] = ("shift_leader",)
    make_up: tuple[Name, ...] = ("operator", "shift_leader")
    concession: tuple[Name, ...] = ("quality",)
    four_eyes: tuple[Name, ...] = ("operator",)
    make_up_days: Annotated[int, Field(ge=1, le=366)] = 31
    unassigned_s: Annotated[int, Field(ge=900, le=86400)] = 1800


class Consumption(Part):
    """How backflushed material is rounded: decimal places by unit of measure (UN/ECE Rec 20), six where a
    unit is not named. What is rounded is the sum over an order's reports.
    """

    decimals: dict[Annotated[str, Field(pattern=r"^[A-Z0-9]{1,3}$")], Annotated[int, Field(ge=0, le=6)]] = {}


class Reminders(Part):
    """What people are reminded of, each after so many minutes (0: never). A report is overdue when the
    ordered quantity is made, a shift ended, or `report_over_percent` more time than the standard of all that
    is left went by; material, when what is mounted lasts less than `material_ahead_min` by the standard.
    """

    report_after_min: Annotated[int, Field(ge=0, le=1440)] = 15
    report_over_percent: Annotated[int, Field(ge=0, le=1000)] = 20
    no_operator_after_min: Annotated[int, Field(ge=0, le=1440)] = 15
    no_job_after_min: Annotated[int, Field(ge=0, le=1440)] = 5
    no_counts_after_min: Annotated[int, Field(ge=0, le=1440)] = 20
    material_ahead_min: Annotated[int, Field(ge=0, le=1440)] = 30


class Webhook(Part):
    """Who hears of alerts over HTTP: those whose keys fit `alerts`, once they stand for `after_min`. The body
    is the kind's Jinja2 template, or that in `template_file`. An address that is a secret stands in
    `url_file`; `secret_file` signs (dingtalk, feishu), `token_file` is a bearer's (json). `to`: who it is.
    """

    name: Name
    kind: Literal["json", "wecom", "dingtalk", "feishu"] = "json"
    url: Annotated[str, AfterValidator(_webhook_url)] | None = None
    url_file: str | None = None
    token_file: str | None = None
    secret_file: str | None = None
    ca_file: str | None = None
    template_file: str | None = None
    alerts: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
    after_min: Annotated[int, Field(ge=0, le=10080)] = 0
    cleared: bool = True  # whether it hears that an alert of which it heard is over
    to: Annotated[str, Field(max_length=100)] = ""
    backoff_max_s: Seconds = 300.0
    answer_timeout_s: Seconds = 15.0

    @model_validator(mode="after")
    def _fitting(self) -> "Webhook":
        if (self.url is None) == (self.url_file is None):
            raise ValueError("give one of url and url_file")
        if self.secret_file is not None and self.kind not in ("dingtalk", "feishu"):
            raise ValueError('secret_file signs with kind = "dingtalk" or "feishu" only; see token_file')
        if self.token_file is not None and self.kind != "json":
            raise ValueError('token_file belongs to kind = "json"; the others carry theirs in url_file')
        return self

    def located(self, folder: Path, credentials: Path | None) -> "Webhook":
        """The same with absolute paths: secrets beside systemd's credentials, the rest beside the TOML."""
        secrets = credentials or folder
        places = dict.fromkeys(("url_file", "token_file", "secret_file"), secrets)
        places |= dict.fromkeys(("ca_file", "template_file"), folder)
        found = {key: str(place / given) for key, place in places.items() if (given := getattr(self, key))}
        return self.model_copy(update=found)


class _File(Part):
    edge: Edge
    devices: dict[Name, dict[str, Any]] = {}
    stations: dict[Name, Station] = {}
    shifts: tuple[Shift, ...] = ()
    crew: Crew = Crew()
    pauses: dict[str, Pause] = {}
    posting: Posting = Posting()
    grammar: Annotated[tuple[OwnCode, ...], Field(max_length=50)] = ()
    uplinks: dict[Name, dict[str, Any]] = {}
    web: Web = Web()
    sync: Sync = Sync()
    storage: Storage = Storage()
    masterdata: MasterDataSettings = MasterDataSettings()
    checks: Checks = Checks()
    review: Review = Review()
    consumption: Consumption = Consumption()
    reminders: Reminders = Reminders()
    webhooks: tuple[Webhook, ...] = ()


@dataclass(frozen=True)
class Settings:
    """The whole configuration."""

    path: Path
    edge: Edge
    devices: Mapping[str, DeviceSettings]
    stations: Mapping[str, Station]
    shifts: tuple[Shift, ...]
    crew: Crew
    pauses: Mapping[str, Pause]
    posting: Posting
    rules: tuple[Rule, ...]
    uplinks: Mapping[str, UplinkSettings]
    web: Web
    sync: Sync
    storage: Storage
    masterdata: MasterDataSettings
    checks: Checks
    review: Review
    consumption: Consumption
    reminders: Reminders
    webhooks: tuple[Webhook, ...]

    @property
    def receivers(self) -> tuple[str, ...]:
        """Everybody who has a cursor of his own."""
        return tuple(one for name, uplink in self.uplinks.items() for one in uplink.receivers(name))

    @property
    def masterdata_source(self) -> str | None:
        """Who delivers master data: an uplink's name, FOLDER, or None where nobody does."""
        return next(iter(_sources(self.masterdata, self.uplinks)), None)

    @property
    def masterdata_folder(self) -> Path | None:
        """The folder with master data, where that is the source."""
        folder = self.masterdata.folder
        if folder is None or self.masterdata_source != FOLDER:
            return None
        return self.path.parent.absolute() / folder


DeviceKinds = Mapping[str, Callable[[], type[DeviceSettings]]]
UplinkKinds = Mapping[str, Callable[[], type[UplinkSettings]]]


def load(path: Path, devices: DeviceKinds, uplinks: UplinkKinds) -> Settings:
    """The configuration at `path`. Raises SettingsFault with every problem found."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsFault([f"{path}: no such file. `lineside init` writes one to start from"]) from None
    except OSError as error:
        raise SettingsFault([f"{path}: could not be read: {error.strerror}"]) from error
    except RecursionError:
        raise SettingsFault([f"{path}: is nested too deeply to be a configuration"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsFault([f"{path}: is no valid TOML: {error}"]) from error

    problems: list[str] = []
    file = _validate(_File, document, path, (), problems)
    # Kinds are checked even where other parts are wrong: a person wants all problems at once.
    chosen_devices = _kinds(document, "devices", "driver", devices, path, problems)
    chosen_uplinks = _kinds(document, "uplinks", "kind", uplinks, path, problems)
    parts = file or _whole_parts(document)
    problems += [f"{path}: {problem}" for problem in _crossed(parts, chosen_devices)]
    if file is not None:
        problems += [f"{path}: {problem}" for problem in _named_twice(file.webhooks)]
        problems += [f"{path}: {problem}" for problem in _contested(file.masterdata, chosen_uplinks)]
    if problems or file is None:
        raise SettingsFault(problems)
    data_dir = file.edge.data_dir
    return Settings(
        path=path,
        edge=file.edge.model_copy(update={"data_dir": path.parent.absolute() / data_dir}),
        devices=chosen_devices,
        stations=file.stations,
        shifts=file.shifts,
        crew=file.crew,
        pauses=file.pauses,
        posting=file.posting,
        rules=tuple(one.rule for one in file.grammar),
        uplinks=chosen_uplinks,
        web=file.web,
        sync=file.sync,
        storage=file.storage,
        masterdata=file.masterdata,
        checks=file.checks,
        review=file.review,
        consumption=file.consumption,
        reminders=file.reminders,
        webhooks=file.webhooks,
    )


def json_schema(devices: DeviceKinds, uplinks: UplinkKinds) -> dict[str, Any]:
    """The configuration's JSON Schema, for editors; each table entry by its kind."""
    schema = _File.model_json_schema()
    parts = schema["$defs"]
    for table, kinds in (("devices", devices), ("uplinks", uplinks)):
        choices = []
        for name, kind in kinds.items():
            within = f"{table}.{name}"  # two kinds may have parts of one name
            one = kind().model_json_schema(ref_template=f"#/$defs/{within}.{{model}}")
            parts |= {f"{within}.{part}": form for part, form in one.pop("$defs", {}).items()}
            parts[within] = one
            choices.append({"$ref": f"#/$defs/{table}.{name}"})
        schema["properties"][table] |= {
            "patternProperties": {NAME: {"oneOf": choices}},
            "additionalProperties": False,
        }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "lineside.toml"} | {
        key: value for key, value in schema.items() if key != "title"
    }


M = TypeVar("M", bound=Part)


@dataclass(frozen=True)
class _Parts:
    """What is right by itself in a file that is not: enough to check that names point somewhere."""

    devices: Mapping[str, Any]
    stations: Mapping[str, Station]
    shifts: tuple[Shift, ...]
    grammar: tuple[OwnCode, ...]


def _whole_parts(document: dict[str, Any]) -> _Parts:
    def valid(model: type[M], one: Any) -> M | None:
        try:
            return model.model_validate(one)
        except ValidationError:
            return None

    def table(name: str) -> dict[str, Any]:
        found = document.get(name)
        return found if isinstance(found, dict) else {}

    stations = {name: valid(Station, one) for name, one in table("stations").items()}

    def entries(name: str, model: type[M]) -> tuple[M, ...]:
        found = document.get(name)
        each = [valid(model, one) for one in found] if isinstance(found, list) else []
        return tuple(one for one in each if one is not None)

    return _Parts(
        devices=table("devices"),
        stations={name: one for name, one in stations.items() if one is not None},
        shifts=entries("shifts", Shift),
        grammar=entries("grammar", OwnCode),
    )


def _kinds(
    document: dict[str, Any],
    table: str,
    key: str,
    kinds: Mapping[str, Callable[[], type[M]]],
    path: Path,
    problems: list[str],
) -> dict[str, M]:
    """Each entry of a table, validated by the settings class that its `key` chooses."""
    chosen: dict[str, M] = {}
    entries = document.get(table)
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        if not isinstance(entry, dict):
            continue  # reported by _File
        kind = entry.get(key)
        if not isinstance(kind, str) or kind not in kinds:
            value = "is missing" if kind is None else f"= {kind!r}: unknown{_meant(str(kind), kinds)}"
            problems.append(f"{path}: {table}.{name}.{key} {value}; allowed: {', '.join(sorted(kinds))}")
            continue
        try:
            model = kinds[kind]()
        except SettingsFault as fault:  # a plug-in that cannot be used
            problems += [f"{path}: {table}.{name}.{key} = {kind!r}: {one}" for one in fault.problems]
            continue
        found = _validate(model, entry, path, (table, name), problems)
        if found is not None:
            chosen[name] = found
    return chosen


def _validate(
    model: type[M], document: dict[str, Any], path: Path, at: tuple[str, ...], problems: list[str]
) -> M | None:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        problems += [f"{path}: {_worded(model, at, dict(one))}" for one in error.errors(include_url=False)]
        return None


def _worded(model: type[BaseModel], at: tuple[str, ...], error: dict[str, Any]) -> str:
    """One pydantic error as `key = value: what is wrong; what is allowed`."""
    location = tuple(str(part) for part in error["loc"])
    key = ".".join(at + location)
    if error["type"] == "missing":
        return f"{key} is missing; it must be given"
    if error["type"] == "extra_forbidden":
        allowed = sorted(_fields_at(model, location[:-1]))
        return f"{key} is no known key{_meant(location[-1], allowed)}; allowed: {', '.join(allowed)}"
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "string_pattern_mismatch" and error["ctx"]["pattern"] == NAME:
        message = "only letters, digits, dot, underscore and hyphen are allowed"
    value = error["input"]
    shown = f" = {_masked(value)!r}" if isinstance(value, str | int | float | bool) else ""
    return f"{key}{shown}: {message[0].lower()}{message[1:]}"


def _masked(value: str | float) -> str | float:
    """A value as it may be shown: what an address may carry of secrets is left out."""
    if not isinstance(value, str) or "://" not in value:
        return value
    return re.sub(r"\?.*", "?…", re.sub(r"//[^/@]*@", "//…@", value))


def _fields_at(model: type[BaseModel], location: Iterable[str]) -> list[str]:
    """The keys allowed at a place, through tables of named entries."""
    current: Any = model
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel):
            current = current.model_fields[part].annotation if part in current.model_fields else None
        elif get_origin(current) in (dict, tuple):
            current = next((arg for arg in reversed(get_args(current)) if arg is not Ellipsis), None)
        while get_origin(current) in (Union, UnionType, Annotated):
            current = get_args(current)[0]
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def _meant(value: str, allowed: Iterable[str]) -> str:
    near = difflib.get_close_matches(value, list(allowed), 1)
    return f" (did you mean {near[0]}?)" if near else ""


def _crossed(file: _File | _Parts, devices: Mapping[str, DeviceSettings]) -> Iterable[str]:
    """What is wrong between the parts: names that point nowhere, tags and scanners claimed twice."""
    claimed: dict[str, str] = {}
    counted: dict[str, str] = {}
    for name, station in file.stations.items():
        for counter in {"running", "energy"} & set(station.counters):
            yield f"stations.{name}.counters.{counter}: this name is taken by the signal; choose another"
        for meter in {"running", "energy", *station.counters} & set(station.meters):
            yield f"stations.{name}.meters.{meter}: a counter or signal has this name; choose another"
        for index, scanner in enumerate(station.scanners):
            key = f"stations.{name}.scanners.{index} = {scanner!r}"
            if scanner not in file.devices:
                yield f"{key}: there is no such device; allowed: {_listed(_scanners(devices))}"
            elif scanner in devices and not devices[scanner].scans:
                yield f"{key}: this device is no scanner; allowed: {_listed(_scanners(devices))}"
            elif scanner in claimed:
                yield f"{key}: already belongs to {claimed[scanner]}; a scanner serves one station"
            claimed[scanner] = f"stations.{name}"
        for part, tag in station.tags.items():
            key = f"stations.{name}.{part} = {tag!r}"
            device = tag.partition(".")[0]
            known = [f"{d}.{t}" for d, entry in devices.items() for t in sorted(entry.tag_names)]
            if tag not in known and (device in devices or device not in file.devices):
                yield f"{key}: there is no such tag; allowed: {_listed(known)}"
            if part.startswith(("counters.", "meters.")):
                if tag in counted:
                    yield f"{key}: already counts for {counted[tag]}; what it counts would count twice"
                counted[tag] = f"stations.{name}"
    yield from _taken(devices)
    yield from _meters(file.stations)
    yield from _shifts(file.shifts)
    yield from _own_codes(file.grammar, _scanners(devices))


def _sources(settings: MasterDataSettings, uplinks: Mapping[str, UplinkSettings]) -> list[str]:
    """Who delivers master data: the one that is named, else all that would."""
    found = [name for name, one in uplinks.items() if one.delivers_masterdata]
    found += [FOLDER] if settings.folder is not None else []
    return [settings.source] if settings.source in found else found


def _contested(settings: MasterDataSettings, uplinks: Mapping[str, UplinkSettings]) -> Iterable[str]:
    """What is wrong with who delivers master data: of two, each would undo what the other said."""
    found = _sources(settings, uplinks)
    if settings.folder is not None and FOLDER in uplinks:
        yield f"uplinks.{FOLDER}: this name stands for masterdata.folder; choose another"
    elif settings.source is not None and settings.source not in found:
        key = f"masterdata.source = {settings.source!r}"
        yield f"{key}: does not deliver master data; allowed: {_listed(found)}"
    elif len(found) > 1:
        yield (
            f"masterdata.source is missing: {' and '.join(found)} would all deliver master data; name one,"
            " or set masterdata_interval_s = 0 for the uplinks that do not"
        )


def _named_twice(webhooks: Iterable[Webhook]) -> Iterable[str]:
    """What a webhook took is kept under its name."""
    names: dict[str, int] = {}
    for index, one in enumerate(webhooks):
        if names.setdefault(one.name, index) != index:
            yield f"webhooks.{index}.name = {one.name!r}: webhooks.{names[one.name]} has this name already"


def _taken(devices: Mapping[str, DeviceSettings]) -> Iterable[str]:
    """Ports and addresses that two devices want and cannot both have."""
    first: dict[str, tuple[str, str]] = {}
    for name, device in devices.items():
        if device.claim is None:
            continue
        place, bus = device.claim
        other, its = first.setdefault(place, (name, bus))
        if other != name and not (bus and bus == its):
            yield (
                f"devices.{name} ({device.driver}) and devices.{other} ({devices[other].driver}) both claim "
                f"{place}, which serves one of them only; give each its own"
            )


def _meters(stations: Mapping[str, Station]) -> Iterable[str]:
    """A meter that several stations name is split by their rated power, which each must then say."""
    sharing: dict[str, list[str]] = {}
    for name, station in stations.items():
        if station.signals.energy is not None:
            sharing.setdefault(station.signals.energy, []).append(name)
    for tag, names in sharing.items():
        for name in names if len(names) > 1 else ():
            if "rated_kw" not in stations[name].signals.model_fields_set:
                others = ", ".join(f"stations.{other}" for other in names if other != name)
                yield (
                    f"stations.{name}.signals.rated_kw is missing; it must be given: "
                    f"the meter {tag!r} is shared with {others} and split by rated power"
                )


def _scanners(devices: Mapping[str, DeviceSettings]) -> list[str]:
    return [name for name, entry in devices.items() if entry.scans]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none is configured"


def _shifts(shifts: tuple[Shift, ...]) -> Iterable[str]:
    """Shifts of one day may not overlap: a moment belongs to one shift at most."""
    minutes: dict[int, str] = {}
    for index, shift in enumerate(shifts):
        start = _minutes(shift.start)
        length = _length(shift.start, shift.end)
        for minute in range(start, start + length):
            other = minutes.setdefault(minute % 1440, shift.name)
            if other != shift.name:
                yield f"shifts.{index} ({shift.name}): overlaps shift {other} at {_shown_minute(minute)}"
                break
        yield from _breaks(f"shifts.{index}", shift)


def _breaks(at: str, shift: Shift) -> Iterable[str]:
    """A break lies wholly within its shift, and beside the other breaks."""
    taken: dict[int, int] = {}
    for index, one in enumerate(shift.breaks):
        key = f"{at}.breaks.{index} ({one.start:%H:%M} to {one.end:%H:%M})"
        begins, length = _length(shift.start, one.start) % 1440, _length(one.start, one.end)
        if one.start == one.end:
            yield f"{key}: has no length; it must end later than it starts"
        elif begins + length > _length(shift.start, shift.end):
            yield f"{key}: must lie within shift {shift.name}, {shift.start:%H:%M} to {shift.end:%H:%M}"
        elif others := [taken[minute] for minute in range(begins, begins + length) if minute in taken]:
            yield f"{key}: overlaps breaks.{others[0]} of the same shift"
        taken |= dict.fromkeys(range(begins, begins + length), index)


def _minutes(face: time) -> int:
    return face.hour * 60 + face.minute


def _length(start: time, end: time) -> int:
    """Minutes from one time of day to another, up to a whole day."""
    return (_minutes(end) - _minutes(start)) % 1440 or 1440


def _shown_minute(minute: int) -> str:
    return f"{minute % 1440 // 60:02d}:{minute % 60:02d}"


def _own_codes(codes: tuple[OwnCode, ...], scanners: list[str]) -> Iterable[str]:
    """A rule's scanners are there; a name and a code stand for one rule only."""
    names: dict[str, int] = {}
    for index, code in enumerate(codes):
        if code.name in names:
            yield f"grammar.{index}.name = {code.name!r}: grammar.{names[code.name]} has this name already"
        names.setdefault(code.name, index)
        for scanner in code.scanners:
            if scanner not in (*scanners, PAGE):
                allowed = _listed([*scanners, PAGE])
                yield f"grammar.{index}.scanners = {scanner!r}: is no scanner; allowed: {allowed}"
    if (size := sum(code.rule.pattern.size for code in codes)) > _MOST_STATES:
        yield f"grammar: counted out, its patterns have {size} characters; {_MOST_STATES} are the most"
        return
    for first, second, text in shared([code.rule for code in codes]):
        other = f"grammar.{first} ({codes[first].name})"
        yield f"grammar.{second} ({codes[second].name}): {text!r} fits {other} too; a code has one meaning"
