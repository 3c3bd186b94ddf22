"""Material as facts say it: which lots stand at a station, and what a job asked for and took.

Each function takes a fact once, or with `sign=-1` back again.
"""

from collections.abc import Iterable
from decimal import Decimal

from msgspec.structs import replace

from edge.events import LotMounted, MaterialConsumed, Need, Output, WorkReported
from edge.station import known
from edge.station.state import ZERO, Job, Mounted, Required, Station, Used


def first_pass(outputs: Iterable[Output]) -> Decimal:
    """Pieces of the main product that a job brings for the first time, whatever became of them."""
    return sum((one.quantity for one in outputs if one.role == "main"), ZERO)


def once(work_order: str, bom_line: str) -> str:
    """The key of a BOM line that is consumed once per order."""
    return f"{work_order}\x1f{bom_line}"


def order_of(once: str) -> str:
    """The order of such a key."""
    return once.partition("\x1f")[0]


def asked(job: Job, report: WorkReported, sign: int = 1) -> Job:
    """The job with what a report asks of its bill."""
    base = first_pass((*report.outputs, *report.reworked))
    if report.provisional or report.bill_unknown:
        unbilled = base
    else:
        unbilled = ZERO if report.needs_for is None else base - report.needs_for
    required = job.required
    for need in report.needs:
        required = with_need(required, need, sign)
    return replace(job, required=required, unbilled=job.unbilled + sign * unbilled)


def with_need(held: tuple[Required, ...], need: Need, sign: int) -> tuple[Required, ...]:
    """What a job's reports asked for, with one need more or less."""
    place = need.bom_line, need.unit
    before = next((one.quantity for one in held if (one.bom_line, one.unit) == place), ZERO)
    others = tuple(one for one in held if (one.bom_line, one.unit) != place)
    after = before + sign * need.quantity
    return (*others, Required(*place, after)) if after else others


def used(job: Job, fact: MaterialConsumed, sign: int = 1) -> Job:
    """The job with what it took of a lot."""
    quantity = sign * fact.quantity
    if fact.bom_line is not None:
        of_line = job.consumed.get(fact.bom_line, ZERO) + quantity
        job = replace(job, consumed={**job.consumed, fact.bom_line: of_line})
        if fact.method == "metered" and fact.caused_by is not None:  # else it waited for a person, not here
            waiting = job.metered.get(fact.bom_line, ZERO) - quantity
            job = replace(job, metered={**job.metered, fact.bom_line: waiting})
    more = Used(
        fact.bom_line, fact.material, fact.lot, fact.method, fact.unit, quantity, posted_by=fact.posted_by
    )
    before = next((one.quantity for one in job.used if one.place == more.place), ZERO)
    others = tuple(one for one in job.used if one.place != more.place)
    after = before + quantity
    return replace(job, used=(*others, replace(more, quantity=after)) if after else others)


def consumed(station: Station, fact: MaterialConsumed, sign: int = 1) -> Station:
    """The station with a consumption: of its lots, and of the job, which may be completed."""
    station = taken(known.drawn(station, fact, sign), fact, sign)
    key = fact.work_order or "", fact.operation or ""
    return station.with_held(key, lambda job: used(job, fact, sign))


def taken(station: Station, fact: MaterialConsumed, sign: int = 1) -> Station:
    """The station with what was taken from a lot that stands there.

    A lot that is used up stays until the next report, so that an undo finds it.
    """

    def less(lot: Mounted) -> Mounted:
        if (lot.material, lot.lot) != (fact.material, fact.lot) or lot.quantity is None:
            return lot
        return replace(lot, quantity=max(ZERO, lot.quantity - sign * fact.quantity))

    return replace(station, mounted=tuple(map(less, station.mounted))) if station.mounted else station


def cleared(station: Station) -> Station:
    """The station without lots that are used up."""
    return replace(station, mounted=tuple(lot for lot in station.mounted if lot.quantity != 0))


def mounted(station: Station, fact: LotMounted) -> Station:
    """The station with a lot: behind the others, or in its place where it stands there already."""
    lot = Mounted(fact.material, fact.lot, fact.quantity, fact.unit)
    if any(_same(one, fact) and one.quantity != 0 for one in station.mounted):
        lots = tuple(lot if _same(one, fact) else one for one in station.mounted)
        return replace(station, mounted=lots)
    return replace(station, mounted=(*unmounted(station, fact).mounted, lot))


def unmounted(station: Station, fact: LotMounted) -> Station:
    """The station without a lot."""
    return replace(station, mounted=tuple(one for one in station.mounted if not _same(one, fact)))


def _same(lot: Mounted, fact: LotMounted) -> bool:
    return (lot.material, lot.lot) == (fact.material, fact.lot)
