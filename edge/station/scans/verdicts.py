"""What becomes of pieces in rework: they turn good, or quality accepts them as they are (concession).

The figure proposed is all that is in rework; LSQ gives another. OK turns them good; a concession is granted
by the badge of a person with the role `quality`, who does not join the crew by it.
"""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from edge.events import OutputReclassified, plain
from edge.station import aside
from edge.station.grammar import Amount, Badge
from edge.station.pending import PendingVerdict
from edge.station.scans import beside, people
from edge.station.scans.reasons import check_reason
from edge.station.texts import Text, disposition, say
from edge.station.units import converted
from edge.station.work import Doubted, Refused, Work, number

GRANTS = "quality"  # the role


def turned_good(work: Work) -> Text:
    """LSCGOOD: propose that the pieces in rework are good now."""
    return _proposed(work, PendingVerdict(to="good", reason=None, quantity=_in_rework(work)))


def concession(work: Work, reason: str) -> Text:
    """LSCCONCESSION: propose that the pieces in rework are accepted as they are."""
    check_reason(work, "concession", reason)
    return _proposed(work, PendingVerdict(to="concession", reason=reason, quantity=_in_rework(work)))


def requantify(work: Work, pending: PendingVerdict, amount: Amount) -> Text:
    """LSQ: that many of them."""
    job = work.job
    of = job.product or job.work_order
    quantity = converted(work.master, of, job.unit, amount.quantity, amount.unit or job.unit)
    if quantity <= 0:
        raise Refused("quantity_zero")
    if quantity > (held := _in_rework(work)):
        raise _doubted(work, pending, "beyond_rework", quantity=number(quantity), rework=number(held))
    return _proposed(work, replace(pending, quantity=quantity))


def confirm(work: Work, pending: PendingVerdict) -> Text:
    """OK: they are good. It grants no concession."""
    if pending.to == "concession":
        raise _doubted(work, pending, "quality_needed")
    return _record(work, pending, None)


def grant(work: Work, pending: PendingVerdict, scan: Badge) -> Text:
    """A badge while a concession waits: quality grants it."""
    person = people.person(work, scan.badge)
    known = work.master.badges.get(scan.badge)
    if work.master.document.people is not None and GRANTS not in (known.roles if known else ()):
        raise _doubted(work, pending, "not_quality", operator=person)
    return _record(work, pending, person)


def _proposed(work: Work, pending: PendingVerdict) -> Text:
    if not work.job.product:
        raise Refused("verdict_unplanned", order=work.job.work_order)
    if _in_rework(work) <= 0:
        raise Refused("no_rework")
    work.wait_for(pending)
    return say("verdict", quantity=number(pending.quantity), to=disposition(pending.to))


def _in_rework(work: Work) -> Decimal:
    """The job's pieces in rework: at most what waits, for a rework job elsewhere may have had its pieces."""
    return min(work.job.rework, aside.at(work.line, work.name, work.job.key))


def _doubted(work: Work, pending: PendingVerdict, key: str, **values: Any) -> Doubted:
    """What waits goes on, for another 60 s."""
    work.wait_for(replace(pending))
    return Doubted(key, **values)


def _record(work: Work, pending: PendingVerdict, person: str | None) -> Text:
    job = work.job
    if pending.quantity > _in_rework(work):
        raise Refused("gone")
    work.end_wait()
    work.emit(
        OutputReclassified,
        job=job,
        material=job.product,
        lot=beside.output_lot(work, job),
        quantity=plain(pending.quantity),
        unit=job.unit,
        from_="rework",
        to=pending.to,
        reason=pending.reason,
        person=person,
    )
    return say("verdict_recorded", quantity=number(pending.quantity), to=disposition(pending.to))
