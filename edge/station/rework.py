"""Rework jobs (返工): an operation or order that takes pieces set aside elsewhere, and makes none of its own.

What comes out of one is no production: its reports carry `reworked` instead of `outputs`, and each causes
`output.reclassified` of the job at which the pieces were set aside, the oldest first. Time and material post
to the rework job. Of a rework order with several operations the last one turns pieces good; any may scrap.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from edge.events import Output, OutputReclassified, Reworks, WorkReported, plain
from edge.masterdata import Operation, WorkOrder
from edge.station import aside
from edge.station.booking import Booking
from edge.station.state import ZERO, Job, Line, SetAside


def taken_from(order: WorkOrder, operation: str) -> tuple[str, str | None] | None:
    """The order and operation (None: any) whose pieces an operation takes; None where it makes its own."""
    found = next((one for one in order.operations if one.operation == operation), None)
    source = found.reworks if found else None
    if order.use == "rework" and order.reworks:
        return order.reworks, source
    return (order.work_order, source) if found is not None and found.use == "rework" else None


def producing(order: WorkOrder) -> tuple[Operation, ...]:
    """The operations that make pieces, in their order; of a rework order all."""
    return tuple(one for one in order.operations if order.use == "rework" or one.use == "production")


def planned(line: Line, order: WorkOrder, source: tuple[str, str | None]) -> Decimal:
    """How many pieces a rework job is for: what a rework order says, else what waits now."""
    return order.quantity if order.use == "rework" else max(ZERO, waiting(line, source))


def waiting(line: Line, source: tuple[str, str | None]) -> Decimal:
    """How many pieces wait there, as far as this edge knows."""
    return sum((one.quantity for one in aside.of(line, *source)), ZERO)


def known(line: Line, source: tuple[str, str | None]) -> bool:
    """Whether this edge saw any piece set aside there."""
    return bool(aside.of(line, *source))


def carried(job: Job, outputs: Iterable[Output]) -> dict[str, tuple[Output, ...]]:
    """A report's outputs under the key that says whether they are new."""
    if job.reworks is None:
        return {"outputs": tuple(outputs)}
    outputs = tuple(outputs)
    return {
        "outputs": tuple(one for one in outputs if one.role != "main"),
        "reworked": tuple(one for one in outputs if one.role == "main"),
    }


def follow(work: Booking, job: Job, id_: str, report: WorkReported) -> None:
    """Draft what becomes of the pieces that a rework job's report is about."""
    for output in report.reworked:
        if not moves(work, job, output.disposition):
            continue
        for place, quantity in _drawn(work, job, output):
            work.emit(
                OutputReclassified, job=_source(job, place), **_fields(job, output, place, quantity, id_)
            )


def moves(work: Booking, job: Job, disposition: str) -> bool:
    """Whether a job's pieces leave rework with this disposition; good ones pass on to the next operation."""
    if disposition not in ("good", "concession"):
        return True
    order = work.master.orders.get(job.work_order)
    if order is None or order.use != "rework" or not order.operations:
        return True
    return order.operations[-1].operation == job.operation


def _drawn(work: Booking, job: Job, output: Output) -> Iterator[tuple[SetAside | None, Decimal]]:
    """From where so many pieces come; None: from nowhere that is known."""
    assert job.reworks is not None
    left = output.quantity
    for place in aside.of(work.line, *job.reworks):
        share = min(left, place.quantity)
        if share > 0:
            yield place, share
            left -= share
    if left > 0:
        yield None, left


def _source(job: Job, place: SetAside | None) -> Job:
    """The job that set pieces aside, as a fact names it."""
    assert job.reworks is not None
    order, operation = place.job if place else (job.reworks[0], job.reworks[1] or "")
    return Job(
        work_order=order,
        order_line=place.order_line if place else None,
        operation=operation,
        product=job.product,
        unit=job.unit,
        planned=ZERO,
        refs=place.refs if place else None,
        since=None,
    )


def _fields(job: Job, output: Output, place: SetAside | None, quantity: Decimal, id_: str) -> dict[str, Any]:
    return {
        "material": (place.material if place else None) or job.product,
        "lot": place.lot if place else None,
        "quantity": plain(quantity),
        "unit": place.unit if place else output.unit,
        "from_": "rework",
        "to": output.disposition,
        "reason": output.reason,
        "cause": output.cause,
        "reworked_by": Reworks(work_order=job.work_order, operation=job.operation),
        "from_station": place.station if place else None,
        "caused_by": id_,
    }
