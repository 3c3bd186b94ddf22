"""The whole sheet: lines, comparison with the standard, totals, unit cost, and what is incomplete."""

from collections.abc import Iterable, Iterator
from decimal import Decimal, localcontext

from edge.costing.actual import effective, expect_times, lines_of, outputs_of
from edge.costing.book import Book
from edge.costing.figures import (
    DELIVERABLE,
    ELEMENTS,
    EXACT,
    ZERO,
    Amount,
    Comparison,
    CostSheet,
    Line,
    OutputLine,
    UnitCost,
    add,
    quotient,
    sum_of,
    tidy,
)
from edge.costing.standard import comparisons_of
from edge.events import Event, WorkCompleted
from edge.masterdata import MasterData


def cost_sheet(work_order: str, events: Iterable[Event], masterdata: MasterData) -> CostSheet:
    """The estimate for one work order; other orders' events are left out, corrections may be anywhere."""
    with localcontext(EXACT):
        book = Book(work_order, masterdata)
        mine = [event for event in effective(events) if event.data.work_order == work_order]
        outputs = tuple(outputs_of(mine, book))
        lines = tuple(lines_of(mine, book))
        expect_times(mine, lines, book)
        comparisons = tuple(comparisons_of(mine, lines, outputs, book))
        return _sheet(mine, lines, outputs, comparisons, book)


def _sheet(
    events: list[Event],
    lines: tuple[Line, ...],
    outputs: tuple[OutputLine, ...],
    comparisons: tuple[Comparison, ...],
    book: Book,
) -> CostSheet:
    totals = {
        element: sum_of(
            [line for line in lines if line.element == element],
            any(gap.element == element for gap in book.gaps()),
        )
        for element in ELEMENTS
    }
    total = add(totals.values())
    whole = [row for row in comparisons if row.standard is not None and row.usage is not None]
    order, last = book.order, book.last
    used = {line.subject for line in lines if line.element == "material"}
    dates = {m.price_date for m in book.masterdata.document.materials or () if m.material in used}
    return CostSheet(
        work_order=book.work_order,
        product=order.product if order else None,
        unit=order.unit if order else None,
        planned=order.quantity if order else None,
        completed=any(
            isinstance(event.data, WorkCompleted) and book.operation_of(event.data) == last
            for event in events
        ),
        currency=book.currency,
        price_source=book.masterdata.etag,
        price_dates=tuple(sorted(date for date in dates if date)),
        lines=lines,
        outputs=outputs,
        comparisons=comparisons,
        unit_costs=tuple(_unit_costs(total, outputs, last, book)),
        totals=totals,
        total=total,
        standard=tidy(sum((row.standard or ZERO for row in whole), ZERO)) if whole else None,
        variance=tidy(sum((row.actual.value - (row.standard or ZERO) for row in whole), ZERO))
        if whole
        else None,
        gaps=book.gaps(),
    )


def _unit_costs(
    total: Amount, outputs: tuple[OutputLine, ...], last: str | None, book: Book
) -> Iterator[UnitCost]:
    if book.order is None:
        return
    credit = _credit(outputs, book)
    shares = {o.material: o.cost_share for o in book.order.outputs if o.role != "by"}
    if len(shares) < 2:
        shares = {next(iter(shares), book.order.product): Decimal(1)}
    for material, share in shares.items():
        mine = [o for o in outputs if (o.operation, o.material) == (last, material)]
        good = [
            book.to_order_unit(material, o.quantity, o.unit) for o in mine if o.disposition in DELIVERABLE
        ]
        quantity = sum((q for q in good if q is not None), ZERO)
        amount = None
        if share is not None and credit is not None:
            amount = Amount(tidy((total.value - credit) * share), total.at_least)
        absorbed = amount is not None and quantity > 0 and None not in good
        yield UnitCost(
            material=material,
            unit=book.order.unit,
            good=tidy(quantity),
            share=share,
            amount=amount,
            each=Amount(quotient(amount.value, quantity), amount.at_least) if amount and absorbed else None,
        )


def _credit(outputs: Iterable[OutputLine], book: Book) -> Decimal | None:
    """The value of by-products; None where one has no price."""
    credit = ZERO
    for line in outputs:
        if line.role == "by" and line.disposition in DELIVERABLE:
            base = book.to_base(line.material, line.quantity, line.unit)
            price = book.price("material", line.material, "")
            if base is None or price is None:
                text = f"{line.material}: no price for the by-product, unit cost unknown"
                book.gap("price", line.material, None, text, *line.events)
                return None
            credit += price.of(base[0])
    return credit
