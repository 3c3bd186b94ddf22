"""Backflush (倒冲): what a report consumes by the bill of material, from the lots that stand at the station.

The base is everything that a report brings for the first time: good, concession, rework and scrap. A report
says what that asks of each backflushed line (`needs`); what is consumed is the sum over the job's reports,
rounded once, so that many small reports consume what one large one would. Lots are used in the order in
which they were mounted; beyond them `lot` is null and a person must say which it was. What meters said is
consumed with the next report that carries time, from the same lots. A line is scanned, backflushed or
metered, never two of them; where the ERP posts it itself (`posted_by`), the facts are evidence only.
"""

from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import Any, NamedTuple

from edge.events import Draft, MaterialConsumed, Method, Need, Output, WorkReported, plain
from edge.masterdata import BomLine, MasterData, WorkOrder
from edge.settings import Meter
from edge.station.booking import Booking
from edge.station.lots import first_pass, once
from edge.station.state import ZERO, Job, Mounted
from edge.station.texts import Text, say, unit
from edge.station.units import factor

PLACES = 6  # of a quantity where the site says nothing else: what facts carry
_FINEST = Decimal("1E-9")


def asked(work: Booking, job: Job, outputs: Sequence[Output]) -> dict[str, Any]:
    """What a report with these outputs says of the bill: the keys `needs`, `needs_for`, `bill_unknown`."""
    base = first_pass(outputs)
    if not base or job.provisional:
        return {}
    order = work.master.orders.get(job.work_order)
    share = _of_product(work.master, order, job) if order else None
    if order is None or share is None:
        return {"bill_unknown": True}
    billed = base + job.unbilled
    pieces = billed * share
    needs = (_need(work, job, line, pieces) for line in lines(order, job) if line.method == "backflushed")
    said: dict[str, Any] = {"needs": tuple(one for one in needs if one is not None)}
    return said | {"needs_for": billed} if job.unbilled else said


def follow(work: Booking, job: Job, id_: str, report: WorkReported) -> None:
    """Draft what a report consumes, once it is folded in."""
    order = work.master.orders.get(job.work_order)
    bill = lines(order, job) if order else ()
    outputs = (*report.outputs, *report.reworked)
    in_setup = all(one.cause == "setup" for one in outputs) and bool(outputs)
    use = "setup" if in_setup else "rework" if job.reworks else "production"
    asking = {need.bom_line for need in report.needs}
    output_lot = next((one.lot for one in outputs if one.role == "main"), None)
    how: dict[str, Any] = {"caused_by": id_, "use": use, "output_lot": output_lot}
    for line in bill:
        if line.method == "backflushed" and line.line in asking:
            consume(work, job, line, "backflushed", _due(work, job, line), **how)
        if line.method == "metered" and report.resources is not None:
            metered = _present(work, job).metered.get(line.line, ZERO)
            consume(work, job, line, "metered", metered, **how)


def lines(order: WorkOrder, job: Job) -> tuple[BomLine, ...]:
    """A job's BOM lines. One of no operation may be scanned at each, else it is the first one's."""
    first = order.operations[0].operation if order.operations else job.operation

    def here(line: BomLine) -> bool:
        if line.operation is None and line.method == "scanned":
            return True
        return (line.operation or first) == job.operation

    return tuple(filter(here, order.bom))


class Measured(NamedTuple):
    """The BOM line for which a meter measures."""

    job: Job
    bom_line: str
    unit: str  # the material's own
    per_step: Fraction  # of the meter's tag, in that unit


def metered(work: Booking, job: Job | None, meter: Meter) -> Measured | None:
    """What a meter measures for a job; None where no line of its bill is metered by it."""
    order = work.master.orders.get(job.work_order) if job else None
    line = metered_line(order, job, meter.material) if order and job else None
    if line is None or job is None:
        return None
    unit_ = unit_of(work.master, line)
    by = factor(work.master, line.material, unit_, meter.unit)
    return None if by is None else Measured(job, line.line, unit_, by * Fraction(meter.multiplier))


def metered_line(order: WorkOrder, job: Job, material: str) -> BomLine | None:
    """The line of a job's bill for which a meter of that material measures."""
    metered = (line for line in lines(order, job) if line.method == "metered")
    return next((line for line in metered if material in (line.material, *line.substitutes)), None)


def warned(drafts: Sequence[Draft]) -> Text:
    """What the operator must hear of lots that are used up; nothing where there were enough."""
    text = Text("", "")
    for draft in drafts:
        fact = draft.data
        if isinstance(fact, MaterialConsumed) and fact.lot_missing:
            quantity = format(fact.quantity.normalize(), "f")
            text = text + say("lot_missing", material=fact.material, quantity=quantity, unit=unit(fact.unit))
    return text


def _need(work: Booking, job: Job, line: BomLine, pieces: Decimal) -> Need | None:
    """What a line asks for; None where that is nothing, or a fixed quantity that was consumed already."""
    if line.quantity <= 0:
        return None
    fixed = line.basis == "fixed"
    if fixed and once(job.work_order, line.line) in work.line.fixed:
        return None
    with localcontext() as context:
        context.prec = 60
        exact = line.quantity if fixed else line.quantity * pieces
        places = exact.as_tuple().exponent
        assert isinstance(places, int)
        quantity = exact.quantize(_FINEST) if places < -9 else exact
    return Need(bom_line=line.line, quantity=quantity, unit=line.unit, fixed=fixed) if quantity else None


def _of_product(master: MasterData, order: WorkOrder, job: Job) -> Decimal | None:
    """Units of product in one unit that the job is counted in; None where nobody knows."""
    if job.unit == order.unit:
        return Decimal(1)
    known = factor(master, order.product, order.unit, job.unit)
    return None if known is None else Decimal(known.numerator) / Decimal(known.denominator)


def _due(work: Booking, job: Job, line: BomLine) -> Decimal:
    """What the line asked for so far and was not consumed; nothing where an earlier report was taken back."""
    held = _present(work, job)
    base = unit_of(work.master, line)
    asked = Fraction(0)
    for one in held.required:
        if one.bom_line == line.line:
            by = factor(work.master, line.material, base, one.unit)
            asked += Fraction(one.quantity) * (by or 0)
    places = work.site.consumption.decimals.get(base, PLACES)
    consumed = (one for one in held.used if (one.bom_line, one.method) == (line.line, "backflushed"))
    return max(ZERO, _rounded(asked, places) - sum((one.quantity for one in consumed), ZERO))


def consume(work: Booking, job: Job, line: BomLine, method: Method, quantity: Decimal, **fields: Any) -> None:
    """Draft a consumption in the line's own unit, split over the lots that stand at the station."""
    base, materials = unit_of(work.master, line), (line.material, *line.substitutes)
    standing = [lot for lot in work.station.mounted if lot.material in materials]
    of_lots = bool(standing) or any(
        one.lot is not None and one.bom_line == line.line for one in _present(work, job).used
    )
    for lot, share in drawn([lot for lot in standing if lot.unit == base], quantity):
        work.emit(
            MaterialConsumed,
            job=job,
            origin="backflush",
            material=lot.material if lot else line.material,
            lot=lot.lot if lot else None,
            quantity=plain(share),
            unit=base,
            bom_line=line.line,
            warehouse=line.warehouse,
            method=method,
            posted_by=line.posted_by,
            lot_missing=lot is None and line.posted_by == "edge" and (line.lot_required or of_lots),
            **fields,
        )


def drawn(lots: Sequence[Mounted], quantity: Decimal) -> Iterator[tuple[Mounted | None, Decimal]]:
    """A quantity split over lots in their order; None: beyond all of them."""
    for lot in lots:
        share = quantity if lot.quantity is None else min(quantity, lot.quantity)
        if share > 0:
            yield lot, share
        quantity -= share
    if quantity > 0:
        yield None, quantity


def _present(work: Booking, job: Job) -> Job:
    """The job as it is now; a report may just have closed it."""
    return work.station.held(job.key) or job


def unit_of(master: MasterData, line: BomLine) -> str:
    """The unit in which a line is consumed: its material's own; the bill's where nobody can convert it."""
    known = master.materials.get(line.material)
    own = known.unit if known else line.unit
    return line.unit if factor(master, line.material, own, line.unit) is None else own


def _rounded(value: Fraction, places: int) -> Decimal:
    with localcontext() as context:
        context.prec = 60
        exact = Decimal(value.numerator) / Decimal(value.denominator)
        return exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
