"""What facts are made of: quantities and their words, and the records that stand within `data`."""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

DECIMAL_PATTERN = r"^-?[0-9]{1,18}(\.[0-9]{1,9})?$"
Quantity = Annotated[Decimal, msgspec.Meta(extra_json_schema={"pattern": DECIMAL_PATTERN})]
Phase = Literal["setup", "run"]
Disposition = Literal["good", "concession", "rework", "scrap"]
Origin = Literal["scan", "signal", "manual", "backflush"]
Method = Literal["scanned", "backflushed", "metered", "manual"]
Counts = Literal["all", "good", "scrap", "material", "energy"]


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a fact: immutable, keys without a value are absent."""


class Output(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A quantity that came out, as an increment."""

    material: str | None = None  # of a provisional order's main output: the order's product, unknown here
    role: Literal["main", "co", "by"]
    disposition: Disposition
    reason: str | None = None
    cause: Literal["process", "material", "setup"] | None = None  # 工废, 料废, set-up
    quantity: Quantity
    unit: str
    lot: str | None = None
    serials: tuple[str, ...] = ()
    warehouse: str | None = None
    counter: str | None = None  # the scrap counter that says so


class Labour(Record, frozen=True, kw_only=True):
    """A person's share of time in a phase, in seconds."""

    operator: str
    phase: Phase
    s: Quantity


class Activity(Record, frozen=True, kw_only=True):
    """Any further resource, compressed air for one."""

    activity: str
    quantity: Quantity
    unit: str


class Resources(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Absent: another report carries it. Null: unknown. Never 0 for unknown."""

    setup_s: Quantity | UnsetType | None = UNSET
    machine_s: Quantity | UnsetType | None = UNSET  # run only
    labour: tuple[Labour, ...] | UnsetType | None = UNSET
    energy_kwh: Quantity | UnsetType | None = UNSET
    other: tuple[Activity, ...] | UnsetType = UNSET
    basis: dict[str, Literal["measured", "confirmed", "standard"]] | UnsetType = UNSET


class Interval(Record, frozen=True, kw_only=True, rename={"from_": "from"}):
    """RFC 3339 UTC, start and end."""

    from_: str
    to: str


class Entered(Record, frozen=True, kw_only=True):
    """What the person entered, before conversion."""

    quantity: Quantity
    unit: str


class Standard(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What the ERP planned when the job began: `setup_s` for the order, the others per unit of product."""

    setup_s: Quantity | None = None
    machine_s: Quantity | None = None
    labour_s: Quantity | None = None


class Need(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What a backflushed BOM line asks for a report's output, to nine places, in the BOM's own unit.

    What is consumed is the sum over the job's reports, rounded.
    """

    bom_line: str
    quantity: Quantity
    unit: str
    fixed: bool = False  # once per order, whatever its output


class Reworks(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A job and the pieces that were set aside there as rework; of any operation where none is named."""

    work_order: str
    operation: str | None = None


class Claim(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a held movement as it would have been counted: whose it is, how much of what.

    Without a work order it is nobody's. All else is as in `count.recorded`.
    """

    work_order: str | None = None
    operation: str | None = None
    quantity: Quantity
    unit: str | None = None
    units_per_count: Quantity | None = None
    material: str | None = None
    role: Literal["co", "by"] | None = None
    share: Quantity | None = None
    carried: Quantity | None = None  # by how much what the job's next movement brings would have changed
    phase: Phase | None = None
    bom_line: str | None = None


class ToolShare(Record, frozen=True, kw_only=True):
    """How much of a tool's output is which material."""

    material: str
    share: Quantity


class Blocked(Record, frozen=True, kw_only=True, omit_defaults=True):
    """Cavities of a tool that give nothing; `material` where the tool makes several."""

    material: str | None = None
    cavities: Quantity


class OpenedPart(Record, frozen=True, kw_only=True, omit_defaults=True):
    """A fact that another one caused, whole."""

    id: str
    original: str  # its data as JSON
