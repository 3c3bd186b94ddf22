"""The master data as one order sees it: prices, units, routing; and the gaps found while reading."""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from edge.costing.figures import HOUR_S, Element, Gap, GapKind, quotient
from edge.events import Fact
from edge.masterdata import MasterData, Operation, WorkOrder


class Price(NamedTuple):
    """Money per `per` units; 3600 for a rate per hour."""

    value: Decimal
    per: Decimal
    currency: str | None

    def of(self, quantity: Decimal) -> Decimal:
        """What a quantity costs."""
        return quotient(quantity * self.value, self.per)


class Book:
    """The master data as one order sees it, and the gaps found while reading."""

    def __init__(self, work_order: str, masterdata: MasterData) -> None:
        self.work_order = work_order
        self.masterdata = masterdata
        self.order: WorkOrder | None = masterdata.orders.get(work_order)
        self.currency = next(self._currencies(), None)
        self._gaps: dict[tuple[GapKind, str, Element | None, str], list[str]] = {}
        if self.order is None:
            self.gap("order", work_order, None, f"Work order {work_order} is not in the master data")

    def _currencies(self) -> Iterator[str]:
        for operation in self.order.operations if self.order else ():
            center = self.masterdata.work_centers.get(operation.work_center)
            if center and center.currency:
                yield center.currency
        yield from (m.currency for m in self.masterdata.document.materials or () if m.currency)

    @property
    def operations(self) -> dict[str, Operation]:
        """The routing, in its order."""
        return {operation.operation: operation for operation in (self.order.operations if self.order else ())}

    @property
    def last(self) -> str | None:
        """The last operation that makes pieces; rework makes none."""
        names = [one.operation for one in self.operations.values() if one.use == "production"]
        return names[-1] if names else None

    def operation_of(self, fact: Fact) -> str:
        """The fact's operation; the only one of the routing where the fact names none."""
        return fact.operation or (next(iter(self.operations)) if len(self.operations) == 1 else "")

    def role_of(self, material: str) -> str:
        """What an output is to the order; the main product where nothing else is said."""
        outputs = self.order.outputs if self.order else ()
        return next((output.role for output in outputs if output.material == material), "main")

    def unit_of(self, material: str) -> str | None:
        """The base unit; None for a material that is not in the master data."""
        held = self.masterdata.materials.get(material)
        return held.unit if held else None

    def gap(self, kind: GapKind, subject: str, element: Element | None, text: str, *events: str) -> None:
        """Note something incomplete; the same gap of several events is one."""
        self._gaps.setdefault((kind, subject, element, text), []).extend(events)

    def gaps(self) -> tuple[Gap, ...]:
        """The gaps, each with its events once."""
        return tuple(
            Gap(kind=kind, subject=subject, element=element, text=text, events=tuple(dict.fromkeys(events)))
            for (kind, subject, element, text), events in self._gaps.items()
        )

    def open(self, element: Element, *subjects: str) -> bool:
        """Whether an unknown quantity belongs to these operations or materials of an element."""
        return any(held == element and subject in subjects for _, subject, held, _ in self._gaps)

    def price(self, element: Element, subject: str, work_center: str, unit: str = "") -> Price | None:
        """The price or rate; None where it is unknown or in a currency that cannot be added to the others."""
        found = self._price(element, subject, work_center, unit)
        foreign = found and found.currency and self.currency and found.currency != self.currency
        return None if foreign else found

    def _price(self, element: Element, subject: str, work_center: str, unit: str) -> Price | None:
        center = self.masterdata.work_centers.get(work_center)
        value, per, currency = None, Decimal(1), center.currency if center else None
        if element == "material":
            if material := self.masterdata.materials.get(subject):
                value, per, currency = material.price, material.price_per, material.currency
        elif element == "other":
            rates = self.masterdata.document.activities or ()
            wanted = (work_center, subject, unit)
            value = next((r.rate for r in rates if (r.work_center, r.activity, r.unit) == wanted), None)
        elif center:
            value = {"labour": center.labour_rate, "machine": center.machine_rate}.get(
                element, center.energy_tariff
            )
            per = Decimal(1) if element == "energy" else HOUR_S
        return None if value is None or per <= 0 else Price(value, per, currency)

    def factor(self, material: str, unit: str) -> tuple[Decimal, Decimal] | None:
        """Numerator and denominator from a unit to the material's base unit."""
        held = self.masterdata.materials.get(material)
        if held is None:
            return None
        ways = {other.unit: (other.numerator, other.denominator) for other in held.units}
        return (Decimal(1), Decimal(1)) if unit == held.unit else ways.get(unit)

    def to_base(self, material: str, quantity: Decimal, unit: str) -> tuple[Decimal, str] | None:
        """A quantity in the material's base unit."""
        ratio = self.factor(material, unit)
        if ratio is None:
            return None
        return quotient(quantity * ratio[0], ratio[1]), self.masterdata.materials[material].unit

    def to_order_unit(self, material: str, quantity: Decimal, unit: str) -> Decimal | None:
        """A quantity of product in the order's unit, which the BOM and the routing count in."""
        wanted = self.order.unit if self.order else unit
        there, back = self.factor(material, unit), self.factor(material, wanted)
        if unit == wanted:
            return quantity
        return quotient(quantity * there[0] * back[1], there[1] * back[0]) if there and back else None
