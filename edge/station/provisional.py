"""Orders that the master data does not know, where the site lets them begin (`checks.unknown_order`).

Product, plan and BOM are unknown then, and every fact of the job says so. Pieces are counted as pieces. When
the order is delivered, a `work.started` of the same job brings what was unknown, and what follows is whole.
"""

from msgspec.structs import replace

from edge.events import WorkStarted
from edge.masterdata import WorkOrder
from edge.station.grammar import Order
from edge.station.state import ZERO, Job, JobKey
from edge.station.work import Refused, Work


def allowed(work: Work, scan: Order) -> JobKey | None:
    """The job of an order that was never delivered; None where the site refuses it. Raises Refused.

    Which of its operations runs here nobody can tell, so the scan must.
    """
    if work.site.checks.unknown_order != "provisional":
        return None
    if scan.operation is None:
        raise Refused("provisional_operation", order=scan.work_order)
    return scan.work_order, scan.operation


def job(work: Work, key: JobKey) -> Job:
    """The job, without what the order would say."""
    return Job(
        work_order=key[0],
        order_line=None,
        operation=key[1],
        product="",
        unit="",
        planned=ZERO,
        since=work.now,
        provisional=True,
    )


def arrive(work: Work) -> None:
    """Take up the orders of provisional jobs that were delivered meanwhile."""
    for one in work.station.jobs:
        found = work.master.orders.get(one.work_order) if one.provisional else None
        if found is not None:
            _arrived(work, one, found)


def _arrived(work: Work, job: Job, found: WorkOrder) -> None:
    whole = replace(job, order_line=found.line, refs=dict(found.refs) or None, provisional=False)
    work.emit(
        WorkStarted,
        job=whole,
        origin="signal",
        phase=job.phase,
        planned_quantity=found.quantity,
        product=found.product,
        unit=found.unit,
    )
