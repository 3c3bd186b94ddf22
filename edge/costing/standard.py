"""What it should have cost: the standard for the actual output, and the variances of each row.

Standard follows the good output of each operation: per-unit quantities × good, plus what the routing and the
BOM give once per order (set-up, fixed lines). One person is taken to set up. For every row that has them,
price + usage + yield variance = actual − standard, exactly; + is unfavourable. Good here is good and
concession: what can be delivered. The yield variance is the standard cost of the output that is not.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

import msgspec

from edge.costing.book import Book, Price
from edge.costing.figures import DELIVERABLE, ZERO, Comparison, Element, Line, OutputLine, sum_of, tidy
from edge.events import Event
from edge.masterdata import BomLine, Operation


class _Made(NamedTuple):
    """Main product of an operation in the order's unit: what can be delivered, and all first-pass output."""

    good: Decimal
    total: Decimal


def _made(operation: str, outputs: Iterable[OutputLine], book: Book) -> _Made | None:
    good = total = ZERO
    for line in outputs:
        if line.operation != operation or line.role != "main":
            continue
        quantity = book.to_order_unit(line.material, line.quantity, line.unit)
        if quantity is None:
            text = f"{line.material}: {line.unit} cannot be converted to the order's unit"
            book.gap("unit", line.material, None, text, *line.events)
            return None
        total += quantity
        good += quantity if line.disposition in DELIVERABLE else ZERO
    return _Made(good, total)


def comparisons_of(
    events: Iterable[Event], lines: tuple[Line, ...], outputs: tuple[OutputLine, ...], book: Book
) -> Iterator[Comparison]:
    """A row per planned or used material, and labour and machine per operation that was worked on."""
    if book.order is None:
        return
    touched = {book.operation_of(event.data) for event in events}
    for operation in sorted(touched - book.operations.keys() - {""}):
        book.gap("standard", operation, None, f"Operation {operation} is not in the routing: no standard")
    made = {name: _made(name, outputs, book) for name in book.operations}
    yield from _material_rows(touched, lines, made, book)
    for name, planned in book.operations.items():
        if name in touched:
            yield _time_row("labour", planned, planned.labour_s, lines, made[name], book)
            yield _time_row("machine", planned, planned.machine_s, lines, made[name], book)


def _time_row(
    element: Element,
    planned: Operation,
    per_unit_s: Decimal | None,
    lines: Iterable[Line],
    made: _Made | None,
    book: Book,
) -> Comparison:
    mine = [line for line in lines if line.element == element and line.operation == planned.operation]
    needed = None
    if per_unit_s is None:
        text = f"Operation {planned.operation}: no standard {element} time"
        book.gap("standard", planned.operation, None, text)
    elif made is not None:
        once = planned.setup_s or ZERO
        needed = _Made(once + per_unit_s * made.good, once + per_unit_s * made.total)
    return _compared(
        Comparison(
            element=element,
            subject=planned.work_center,
            operation=planned.operation,
            unit="SEC",
            quantity=tidy(sum((line.quantity for line in mine), ZERO)),
            standard_quantity=tidy(needed.good) if needed else None,
            actual=sum_of(mine, book.open(element, planned.operation)),
            standard=None,
        ),
        needed,
        book.price(element, "", planned.work_center),
    )


def _material_rows(
    touched: set[str], lines: Iterable[Line], made: dict[str, _Made | None], book: Book
) -> Iterator[Comparison]:
    planned = _planned_materials(touched, book)
    stands_for = {other: name for name, bom in planned.items() for line in bom for other in line.substitutes}
    grouped: dict[str, list[Line]] = {name: [] for name in planned}
    for line in lines:
        if line.element == "material":
            name = line.subject if line.subject in planned else stands_for.get(line.subject, line.subject)
            grouped.setdefault(name, []).append(line)
    for name, mine in grouped.items():
        unit = book.unit_of(name) or next((line.unit for line in mine), "")
        mixed = any(line.unit != unit for line in mine)
        needed = None if mixed else _needed(planned.get(name, ()), made, book)
        if not mine and needed is not None and needed.total > 0:
            book.gap("consumption", name, "material", f"{name} is in the BOM, and none was consumed")
        yield _compared(
            Comparison(
                element="material",
                subject=name,
                operation=next((line.operation or "" for line in planned.get(name, ())), ""),
                unit=unit,
                quantity=tidy(sum((line.quantity for line in mine if line.unit == unit), ZERO)),
                standard_quantity=tidy(needed.good) if needed else None,
                actual=sum_of(mine, book.open("material", name)),
                standard=None,
            ),
            needed,
            book.price("material", name, ""),
        )


def _planned_materials(touched: set[str], book: Book) -> dict[str, list[BomLine]]:
    planned: dict[str, list[BomLine]] = {}
    for line in book.order.bom if book.order and touched else ():
        if line.operation and line.operation not in touched:
            continue
        if line.posted_by == "erp":
            text = f"{line.material} is posted by the ERP itself and is not in this sheet"
            book.gap("posted_by_erp", line.material, "material", text)
        else:
            planned.setdefault(line.material, []).append(line)
    return planned


def _needed(bom: Iterable[BomLine], made: dict[str, _Made | None], book: Book) -> _Made | None:
    """Standard quantity in the base unit for good and for all output; a line without operation goes by the
    first one. None where a unit cannot be converted."""
    good = total = ZERO
    for line in bom:
        output = made.get(line.operation or next(iter(made), ""))
        base = book.to_base(line.material, line.quantity, line.unit)
        if output is None or base is None:
            return None
        good += base[0] * (output.good if line.basis == "per_unit" else 1)
        total += base[0] * (output.total if line.basis == "per_unit" else 1)
    return _Made(good, total)


def _compared(row: Comparison, needed: _Made | None, price: Price | None) -> Comparison:
    """With standard and variances. Usage takes what is left, so that the sum holds to the last digit; it
    differs from (quantity − standard quantity for all output) × price by less than 10^-17."""
    if needed is None or price is None:
        return row
    standard = price.of(needed.good)
    if row.actual.at_least:
        return msgspec.structs.replace(row, standard=standard)
    rate = row.actual.value - price.of(row.quantity)
    lost = price.of(needed.total) - standard
    return msgspec.structs.replace(
        row,
        standard=standard,
        price=tidy(rate),
        usage=tidy(row.actual.value - standard - rate - lost),
        yield_=tidy(lost),
    )
