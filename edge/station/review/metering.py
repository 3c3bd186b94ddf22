"""Material that a meter measured and a person gives to an order: consumed on the line that is metered."""

from decimal import Decimal
from fractions import Fraction
from typing import Literal

from edge.events import MaterialConsumed
from edge.masterdata.measures import convert
from edge.station import backflush
from edge.station.review.desk import Booking, Desk, Target
from edge.station.review.rights import Authority
from edge.station.review.waiting import Waiting
from edge.station.review.words import Unsettled
from edge.station.state import Job
from edge.station.units import factor


def measures(desk: Desk, one: Waiting) -> bool:
    """Whether what waits was said by a meter of material; of an older fact the configuration says so."""
    settings = desk.site.stations.get(one.station)
    meters = settings.meters if settings else {}
    return one.counts == "material" if one.counts else one.counter in meters


def unit_of(desk: Desk, one: Waiting) -> str | None:
    """In which unit the figure of an entry is given."""
    settings = desk.site.stations.get(one.station)
    meter = settings.meters.get(one.counter or "") if settings else None
    return one.unit or (meter.unit if meter else None)


def material_of(desk: Desk, one: Waiting) -> str:
    """Which material the meter measures."""
    settings = desk.site.stations.get(one.station)
    meter = settings.meters.get(one.counter or "") if settings else None
    claimed = next((claim.material for claim in one.claims), None)
    return one.subject or claimed or (meter.material if meter else "")


def consume(
    desk: Desk,
    who: Authority,
    one: Waiting,
    target: Target,
    quantity: Decimal,
    unit: str,
    *,
    lot: str | None,
    earlier_run: bool = False,
) -> None:
    """Draft the consumption, of a lot or of those that stand at the station. Raises Unsettled."""
    material = material_of(desk, one)
    job = desk.job(one.station, target, earlier_run=earlier_run)
    order = desk.master.orders.get(target.work_order)
    line = backflush.metered_line(order, job, material) if order else None
    if line is None:
        raise Unsettled("not_metered", order=target.work_order, material=material)
    base = backflush.unit_of(desk.master, line)
    by = factor(desk.master, line.material, base, unit)
    if by is None:
        raise Unsettled("unit_unknown", material=line.material, unit=unit)
    due = convert(quantity, Fraction(by))
    at_ms = one.to_ms if one.dated else desk.now.wall_ms
    booking = Booking(desk, who, one.station, at_ms, None, target.key if earlier_run else None)
    if lot is None:
        backflush.consume(booking, job, line, "metered", due, use=_use(job))
        return
    booking.emit(
        MaterialConsumed, job=job, material=material, lot=lot, quantity=due, unit=base, bom_line=line.line,
        warehouse=line.warehouse, method="metered", posted_by=line.posted_by, use=_use(job),
    )  # fmt: skip


def _use(job: Job) -> Literal["rework", "production"]:
    return "rework" if job.reworks else "production"
