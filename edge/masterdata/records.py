"""The records of master data: orders, materials, lots, people, rates (DESIGN, section 6).

Each record has a `key` within its list, and the large lists `names`: what else it is looked up by. A record
that contradicts itself is refused where it is read.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

import msgspec

from edge.events import plain
from edge.masterdata import measures

Key = Annotated[str, msgspec.Meta(pattern=r"^[ -~]{1,64}$")]


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A record, or a part of one. Decimals are finite, below 10^15, with at most nine places."""

    dates: ClassVar[tuple[str, ...]] = ()  # fields that hold a day

    @property
    def key(self) -> str:
        """What no other record of the list has."""
        return str(getattr(self, self.__struct_fields__[0]))

    @property
    def names(self) -> Iterator[str]:
        """What else it is looked up by; others may have the same."""
        return iter(())

    def __post_init__(self) -> None:
        for name in self.dates:
            _check_day(name, getattr(self, name))
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, Decimal):
                exponent = value.as_tuple().exponent
                if not isinstance(exponent, int) or exponent < -9 or value.adjusted() > 14:
                    raise ValueError(
                        f"`{name}` is {value}: a decimal below 10^15 with at most 9 places is needed"
                    )
                if exponent > 0:
                    msgspec.structs.force_setattr(self, name, plain(value))


def compound(*parts: str) -> str:
    """A key of several parts."""
    return "\x1f".join(parts)


def _check_day(name: str, value: str | None) -> None:
    if value is None:
        return
    try:
        if date.fromisoformat(value).isoformat() == value:
            return
    except ValueError:
        pass
    raise ValueError(f"`{name}` is {value!r}: a day as YYYY-MM-DD is needed")


class OrderOutput(Row, frozen=True, kw_only=True, omit_defaults=True):
    """What an order brings forth; `cost_share` splits the joint cost."""

    material: str
    role: Literal["main", "co", "by"] = "main"
    cost_share: Decimal | None = None


class Operation(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A step of an order. `setup_s` per order, `machine_s` and `labour_s` per unit.

    One with `use` `rework` makes nothing: it takes pieces that were set aside at operation `reworks` of the
    order, or at any where that is not said.
    """

    operation: str
    work_center: str
    alternatives: tuple[str, ...] = ()
    description: str = ""
    setup_s: Decimal | None = None
    machine_s: Decimal | None = None
    labour_s: Decimal | None = None
    confirmed_quantity: Decimal | None = None  # good pieces of it that the ERP holds
    use: Literal["production", "rework"] = "production"
    reworks: str | None = None


class BomLine(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A component. `quantity` is per unit of product (`per_unit`) or per order (`fixed`)."""

    line: str
    operation: str | None = None
    material: str
    quantity: Decimal
    basis: Literal["per_unit", "fixed"] = "per_unit"
    unit: str
    method: Literal["scanned", "backflushed", "metered"] = "scanned"
    posted_by: Literal["edge", "erp"] = "edge"
    warehouse: str | None = None
    lot_required: bool = False
    scrap_allowance: Decimal | None = None
    substitutes: tuple[str, ...] = ()


class WorkOrder(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A production order as the ERP released it.

    One with `use` `rework` makes nothing: its operations take pieces that order `reworks` set aside.
    """

    work_order: str
    line: str | None = None
    product: str
    quantity: Decimal
    confirmed_quantity: Decimal | None = None
    unit: str
    status: Literal["released", "held", "closed"] = "released"
    due: str | None = None
    refs: dict[Key, str] = {}
    outputs: tuple[OrderOutput, ...] = ()
    operations: tuple[Operation, ...] = ()
    bom: tuple[BomLine, ...] = ()
    use: Literal["production", "rework"] = "production"
    reworks: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.use == "rework" and self.reworks in (None, "", self.work_order):
            raise ValueError("`reworks` must name the work order whose pieces a rework order takes")

    @property
    def names(self) -> Iterator[str]:
        """The work centers that it may run at."""
        centers = (center for one in self.operations for center in (one.work_center, *one.alternatives))
        yield from dict.fromkeys(centers)


class AlternativeUnit(Row, frozen=True, kw_only=True):
    """1 `unit` = numerator / denominator of the material's base unit."""

    unit: str
    numerator: Decimal
    denominator: Decimal

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.numerator <= 0 or self.denominator <= 0:
            raise ValueError("numerator and denominator must be above 0")


class Material(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A material; `price` is per `price_per` base units. No price means unknown, never 0."""

    material: str
    description: str = ""
    unit: str
    units: tuple[AlternativeUnit, ...] = ()
    gtin: str | None = None
    supplier_parts: tuple[str, ...] = ()
    price: Decimal | None = None
    price_per: Decimal = Decimal(1)
    currency: str | None = None
    price_date: str | None = None
    dates = ("price_date",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if wrong := measures.contradiction(self.unit, self.units):
            raise ValueError(f"{self.material}: {wrong}")

    @property
    def names(self) -> Iterator[str]:
        """Its GTIN of 14 digits and the suppliers' part numbers, `<part>` or `<supplier>/<part>`."""
        yield from dict.fromkeys((*([self.gtin.zfill(14)] if self.gtin else []), *self.supplier_parts))


class Lot(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A lot of a material with what is left of it, in base units."""

    material: str
    lot: str
    status: Literal["released", "blocked", "quarantine"] = "released"
    expiry: str | None = None  # the last day on which it may be used
    quantity: Decimal | None = None
    dates = ("expiry",)

    @property
    def key(self) -> str:
        """A lot number may stand for several materials."""
        return compound(self.lot, self.material)

    @property
    def names(self) -> Iterator[str]:
        """Its number."""
        yield self.lot


class Person(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A person, with the badges that name them."""

    person: str
    name: str = ""
    badges: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    qualifications: tuple[str, ...] = ()


class WorkCenter(Row, frozen=True, kw_only=True, omit_defaults=True):
    """Rates per hour, energy tariff per kWh."""

    work_center: str
    machine_rate: Decimal | None = None
    labour_rate: Decimal | None = None
    currency: str | None = None
    energy_tariff: Decimal | None = None


class ToolShare(Row, frozen=True, kw_only=True):
    """How much of a tool's output is which material."""

    material: str
    share: Decimal

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.share <= 0:
            raise ValueError("`share` must be above 0")


class Tool(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A tool and what one count of the machine brings with it mounted."""

    tool: str
    units_per_count: Decimal | None = None
    shares: tuple[ToolShare, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.units_per_count is not None and self.units_per_count <= 0:
            raise ValueError("`units_per_count` must be above 0")
        materials = [one.material for one in self.shares]
        if len(set(materials)) < len(materials):
            raise ValueError("`shares` names a material twice")


class ActivityRate(Row, frozen=True, kw_only=True, omit_defaults=True):
    """The rate of a further resource at a work center."""

    work_center: str
    activity: str
    unit: str
    rate: Decimal | None = None

    @property
    def key(self) -> str:
        """A work center's activity in a unit."""
        return compound(self.work_center, self.activity, self.unit)


class Reason(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A reason code for scrap, rework or a pause, with its text per language."""

    reason: str
    kind: str
    text: dict[str, str] = {}
    cause: Literal["process", "material"] | None = None

    @property
    def key(self) -> str:
        """A code may be a reason of several kinds."""
        return compound(self.kind, self.reason)


class Period(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A posting period, dates inclusive."""

    from_: str = msgspec.field(name="from")
    to: str
    open: bool = True
    dates = ("from_", "to")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.from_ > self.to:
            raise ValueError(f"the period from {self.from_} ends before it begins, on {self.to}")
