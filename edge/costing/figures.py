"""The figures of a cost sheet, and the arithmetic that keeps them exact."""

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Literal

import msgspec

Element = Literal["material", "labour", "machine", "energy", "other"]
ELEMENTS: tuple[Element, ...] = ("material", "labour", "machine", "energy", "other")
GapKind = Literal[
    "order",
    "setup_time",
    "machine_time",
    "labour_time",
    "energy",
    "consumption",
    "lot",
    "price",
    "rate",
    "unit",
    "standard",
    "posted_by_erp",
]
DELIVERABLE = frozenset(("good", "concession"))
ZERO = Decimal(0)
HOUR_S = Decimal(3600)
EXACT = Context(prec=250, rounding=ROUND_HALF_EVEN)  # above the digits of any product of four figures
GRAIN = Decimal(1).scaleb(-18)


class Amount(msgspec.Struct, frozen=True):
    """Money; `at_least` where something that belongs to it is unknown."""

    value: Decimal
    at_least: bool = False


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A quantity at a price, with the events that carried it."""

    element: Element
    subject: str  # material, operator, work center or activity
    operation: str
    work_center: str
    lot: str  # empty: unknown, or no material
    detail: str  # a material's use (returns net against production), a time's phase
    basis: str  # measured, confirmed, standard; empty: not stated
    unit: str  # the material's base unit, SEC, KWH or the activity's own
    quantity: Decimal
    price: Decimal | None
    price_per: Decimal  # 3600 for a rate per hour
    amount: Decimal | None
    events: tuple[str, ...]


class OutputLine(msgspec.Struct, frozen=True, kw_only=True):
    """What came out of an operation, per disposition, reclassifications included."""

    operation: str
    material: str
    role: str
    disposition: str
    unit: str
    quantity: Decimal
    events: tuple[str, ...]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Actual against standard; + is unfavourable. None where the data do not allow it."""

    element: Element
    subject: str  # the planned material, or the work center
    operation: str
    unit: str
    quantity: Decimal
    standard_quantity: Decimal | None
    actual: Amount
    standard: Decimal | None
    price: Decimal | None = None  # price or rate variance: a substitute, another work center
    usage: Decimal | None = None  # usage or efficiency variance
    yield_: Decimal | None = msgspec.field(default=None, name="yield")  # standard cost of output not good


class UnitCost(msgspec.Struct, frozen=True, kw_only=True):
    """Cost absorbed by the good units of a product: by-products deducted, then the joint cost's share."""

    material: str
    unit: str
    good: Decimal
    share: Decimal | None
    amount: Amount | None
    each: Amount | None


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Something incomplete. `element` names the sum that is "at least" for it, where there is one."""

    kind: GapKind
    subject: str
    element: Element | None
    text: str
    events: tuple[str, ...] = ()


class CostSheet(msgspec.Struct, frozen=True, kw_only=True):
    """The estimate of one work order."""

    work_order: str
    product: str | None
    unit: str | None
    planned: Decimal | None
    completed: bool
    currency: str | None
    price_source: str | None  # etag of the master data
    price_dates: tuple[str, ...]  # of the materials' prices, oldest first
    lines: tuple[Line, ...]
    outputs: tuple[OutputLine, ...]
    comparisons: tuple[Comparison, ...]
    unit_costs: tuple[UnitCost, ...]
    totals: dict[Element, Amount]
    total: Amount
    standard: Decimal | None  # of the comparisons that have all variances
    variance: Decimal | None
    gaps: tuple[Gap, ...]
    estimate: Literal[True] = True

    def of(self, element: Element) -> tuple[Line, ...]:
        """The lines of one element."""
        return tuple(line for line in self.lines if line.element == element)


def tidy(value: Decimal) -> Decimal:
    """The same number without trailing zeros and without an exponent."""
    return Decimal(format(value.normalize(EXACT), "f"))


def quotient(value: Decimal, by: Decimal) -> Decimal:
    """The only step that rounds: 18 places, half to even."""
    return tidy(EXACT.divide(value, by).quantize(GRAIN, context=EXACT))


def sum_of(lines: Iterable[Line], unknown: bool) -> Amount:
    """What the lines amount to; at least that where an amount or a quantity is unknown."""
    amounts = [line.amount for line in lines]
    return Amount(tidy(sum((amount or ZERO for amount in amounts), ZERO)), unknown or None in amounts)


def add(amounts: Iterable[Amount]) -> Amount:
    """The sum; at least that where one of them is at least."""
    held = tuple(amounts)
    return Amount(tidy(sum((amount.value for amount in held), ZERO)), any(amount.at_least for amount in held))
