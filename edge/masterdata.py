"""What the ERP sends down: orders, materials, lots, people, rates. Kept in sync.db, usable offline for weeks.

A list that was never received is `None`: its checks only warn. A document replaces the lists it names and
leaves the others (DESIGN, section 6); unknown keys are ignored.
"""

from decimal import Decimal
from functools import cached_property
from typing import Annotated, Literal

import msgspec

from edge.events import plain
from edge.faults import MasterDataInvalid

Key = Annotated[str, msgspec.Meta(pattern=r"^[ -~]{1,64}$")]


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A record of master data. Decimals are finite, below 10^15, with at most nine places."""

    def __post_init__(self) -> None:
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


class OrderOutput(Row, frozen=True, kw_only=True, omit_defaults=True):
    """What an order brings forth; `cost_share` splits the joint cost."""

    material: str
    role: Literal["main", "co", "by"] = "main"
    cost_share: Decimal | None = None


class Operation(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A step of an order. `setup_s` per order, `machine_s` and `labour_s` per unit."""

    operation: str
    work_center: str
    alternatives: tuple[str, ...] = ()
    description: str = ""
    setup_s: Decimal | None = None
    machine_s: Decimal | None = None
    labour_s: Decimal | None = None


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
    """A production order as the ERP released it."""

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


class Lot(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A lot of a material with what is left of it, in base units."""

    material: str
    lot: str
    status: Literal["released", "blocked", "quarantine"] = "released"
    expiry: str | None = None
    quantity: Decimal | None = None


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


class Tool(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A tool and what one count of the machine brings with it mounted."""

    tool: str
    units_per_count: Decimal | None = None
    shares: tuple[ToolShare, ...] = ()


class ActivityRate(Row, frozen=True, kw_only=True, omit_defaults=True):
    """The rate of a further resource at a work center."""

    work_center: str
    activity: str
    unit: str
    rate: Decimal | None = None


class Reason(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A reason code for scrap, rework or a pause, with its text per language."""

    reason: str
    kind: str
    text: dict[str, str] = {}
    cause: Literal["process", "material"] | None = None


class Period(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A posting period, dates inclusive."""

    from_: str = msgspec.field(name="from")
    to: str
    open: bool = True


class Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One delivery of master data. An absent list leaves the old one, an empty one empties it."""

    work_orders: tuple[WorkOrder, ...] | None = None
    materials: tuple[Material, ...] | None = None
    lots: tuple[Lot, ...] | None = None
    people: tuple[Person, ...] | None = None
    work_centers: tuple[WorkCenter, ...] | None = None
    tools: tuple[Tool, ...] | None = None
    activities: tuple[ActivityRate, ...] | None = None
    reasons: tuple[Reason, ...] | None = None
    periods: tuple[Period, ...] | None = None


NOTHING = Document()
LISTS = Document.__struct_fields__


def parse(body: bytes) -> Document:
    """A document from its JSON. Raises MasterDataInvalid naming the place; nothing is taken then."""
    try:
        return msgspec.json.decode(body, type=Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MasterDataInvalid(
            f"the master data was not taken: {error}",
            hint="The data held before stays in use; correct it in the ERP",
        ) from error


class MasterData:
    """What is held now, indexed for stations. `etag` names the delivery."""

    def __init__(self, document: Document = NOTHING, etag: str | None = None, fetched_ms: int | None = None):
        self.document = document
        self.etag = etag
        self.fetched_ms = fetched_ms

    @cached_property
    def orders(self) -> dict[str, WorkOrder]:
        return {order.work_order: order for order in self.document.work_orders or ()}

    @cached_property
    def materials(self) -> dict[str, Material]:
        return {material.material: material for material in self.document.materials or ()}

    @cached_property
    def lots(self) -> dict[str, tuple[Lot, ...]]:
        """Lots by their number; a number may stand for several materials."""
        found: dict[str, list[Lot]] = {}
        for lot in self.document.lots or ():
            found.setdefault(lot.lot, []).append(lot)
        return {number: tuple(lots) for number, lots in found.items()}

    @cached_property
    def badges(self) -> dict[str, Person]:
        """People by badge; a person's own number counts as one."""
        people = self.document.people or ()
        return {person.person: person for person in people} | {
            badge: person for person in people for badge in person.badges
        }

    @cached_property
    def work_centers(self) -> dict[str, WorkCenter]:
        return {center.work_center: center for center in self.document.work_centers or ()}

    @cached_property
    def reasons(self) -> dict[tuple[str, str], Reason]:
        """Reasons by (kind, code)."""
        return {(reason.kind, reason.reason): reason for reason in self.document.reasons or ()}
