"""A station: its scanners, and what its machine counts and says."""

from datetime import date
from decimal import Decimal
from string import Formatter
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from edge.settings.checks import StationChecks
from edge.settings.parts import Name, Part

_LOT_VALUES = {
    "production_date": date(2026, 1, 31),
    "shift": "day",
    "station": "OP20",
    "work_center": "WC-1",
    "work_order": "1",
    "operation": "0010",
}


def lot_by(pattern: str, **values: object) -> str:
    """The lot that a pattern of `output_lot` makes of its values."""
    return pattern.format(**values)


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


class Station(Part):
    """Where people work: scanners, counters and signals bound to one work center.

    `output_lot` makes the lot of what comes out where none is scanned: `{production_date:%y%m%d}{shift}`
    for one; further values are `station`, `work_center`, `work_order` and `operation`.
    `job_shares` says how the open jobs of a `concurrent` station share what its counters count.
    """

    work_center: Name
    equipment: Name | None = None
    scanners: tuple[str, ...] = ()
    concurrent: bool = False
    job_shares: Literal["equal", "planned", "selected"] = "equal"  # by planned quantity; the selected one's
    counters: dict[Name, Counter] = Field({})
    meters: dict[Name, Meter] = Field({})
    signals: Signals = Signals()
    automatic: Automatic = Automatic()
    checks: StationChecks = StationChecks()
    output_lot: Annotated[str, Field(max_length=100), AfterValidator(_lot_pattern)] | None = None

    @model_validator(mode="after")
    def _shares_need_several_jobs(self) -> "Station":
        if "job_shares" in self.model_fields_set and not self.concurrent:
            raise ValueError(f'job_shares = "{self.job_shares}" needs concurrent = true')
        return self

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
