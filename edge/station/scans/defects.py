"""Scrap and rework: one piece at once, more by the quantity that follows; more than was made only with OK."""

from decimal import Decimal
from typing import Literal

from msgspec.structs import replace

from edge.events import Disposition, Output, WorkCorrected, WorkReported, plain
from edge.masterdata import Reason
from edge.station import checks
from edge.station.changes import original
from edge.station.grammar import Amount
from edge.station.pending import PendingDefect
from edge.station.scans import beside
from edge.station.scans.reasons import check_reason, reason_text
from edge.station.signals import sharing
from edge.station.state import ZERO, Job
from edge.station.texts import Text, say
from edge.station.texts import disposition as named
from edge.station.units import converted
from edge.station.work import Doubted, Refused, Work, number

_UNDER_WAY = Decimal(2)  # pieces that the counter may not have shown yet when somebody has them in hand


def scrap(
    work: Work, disposition: Literal["scrap", "rework"], reason: str, at_hand: str | None = None
) -> Text:
    """LSCSCRAP, LSCREWORK: one piece, at once; LSQ as the next scan makes it that many.

    `at_hand`: the serial number of the piece, scanned just before.
    """
    if disposition == "rework" and work.job.reworks is not None:
        raise Refused("rework_again")
    check_reason(work, disposition, reason)
    serials = (at_hand,) if at_hand in work.job.serials and at_hand else ()
    defect = PendingDefect(disposition=disposition, reason=reason, quantity=Decimal(1), serials=serials)
    return _taken(work, defect)


def amend(work: Work, amount: Amount) -> Text:
    """LSQ right after a scrap scan: the fact is cancelled and recorded again with the right quantity."""
    last = work.station.last
    if last is None or last.id != work.live.amend:
        raise Refused("quantity_alone")
    report = original(last)
    assert isinstance(report, WorkReported)
    output = (*report.outputs, *report.reworked)[0]
    defect = PendingDefect(
        disposition=output.disposition,
        reason=output.reason or "",
        quantity=_quantity(work, amount),
        replaces=last.id,
        serials=output.serials,
    )
    return _taken(work, defect)


def requantify(work: Work, pending: PendingDefect, amount: Amount) -> Text:
    """LSQ while a defect waits for OK: that many."""
    return _taken(work, replace(pending, quantity=_quantity(work, amount)))


def confirm(work: Work, pending: PendingDefect) -> Text:
    """OK: it is more than the counter knows of, and right."""
    last = work.station.last
    if pending.replaces is not None and (last is None or last.id != pending.replaces):
        raise Refused("gone")
    return _record(work, pending)


def _taken(work: Work, defect: PendingDefect) -> Text:
    """Record a defect, or ask for OK where it is more than was made. Raises Doubted."""
    job = sharing.with_movement(work, work.job)
    checks.rework_left(work, job, _moved_by(work, defect), "scrap")
    made = _made(work, job)
    if made is not None and _with(work, job, defect) > made + _UNDER_WAY:
        work.wait_for(defect)
        raise Doubted(
            "scrap_exceeds",
            disposition=named(defect.disposition),
            quantity=number(defect.quantity),
            made=number(made),
        )
    return _record(work, defect)


def _moved_by(work: Work, defect: PendingDefect) -> Decimal:
    """How many pieces more than before would be scrap with it."""
    return defect.quantity - _replaced(work, defect)


def _record(work: Work, defect: PendingDefect) -> Text:
    job, reason, kind = work.job, defect.reason, defect.disposition
    work.end_wait()
    if defect.replaces is not None:
        last = work.station.last
        person = work.actor or (last.actor if last else "")
        work.emit(WorkCorrected, job=job, corrects=defect.replaces, reason="incorrect_data", person=person)
    output = Output(
        material=job.product or None,
        role="main",
        disposition=kind,
        reason=reason,
        cause=_cause(job, kind, work.master.reasons.get((kind, reason))),
        quantity=plain(defect.quantity),
        unit=job.unit,
        lot=beside.output_lot(work, job),
        serials=defect.serials,
    )
    id_ = work.emit(WorkReported, job=job, outputs=(output,), replaces=defect.replaces)
    amendable = defect.replaces is None and defect.quantity == 1
    work.live = replace(work.live, amend=id_ if amendable else None)
    text = reason_text(work, kind, reason)
    return say(f"{kind}_recorded", quantity=number(defect.quantity), reason=text)


def _quantity(work: Work, amount: Amount) -> Decimal:
    job = work.job
    of = job.product or job.work_order
    quantity = converted(work.master, of, job.unit, amount.quantity, amount.unit or job.unit)
    if quantity <= 0:
        raise Refused("quantity_zero")
    return quantity


def _made(work: Work, job: Job) -> Decimal | None:
    """Pieces that the counter of all pieces saw in this phase; None where none counts them."""
    name = work.counter
    if name is None or work.settings.counters[name].counts != "all" or name not in work.station.counters:
        return None
    return (job.setup_counted if job.phase == "setup" else job.counted).get(name, ZERO)


def _with(work: Work, job: Job, defect: PendingDefect) -> Decimal:
    """All that would be scrap and rework of this phase then."""
    replaced = _replaced(work, defect)
    if job.phase == "setup":
        return job.setup_scrap + job.setup_rework - replaced + defect.quantity
    rejected = (one.quantity for one in beside.counted(work, job) if one.counter and not one.material)
    return job.of_run + sum(rejected, ZERO) - replaced + defect.quantity


def _replaced(work: Work, defect: PendingDefect) -> Decimal:
    """The quantity of the fact that it amends."""
    last = work.station.last
    if defect.replaces is None or last is None or last.id != defect.replaces:
        return ZERO
    report = original(last)
    assert isinstance(report, WorkReported)
    return (*report.outputs, *report.reworked)[0].quantity


def _cause(
    job: Job, disposition: Disposition, known: Reason | None
) -> Literal["process", "material", "setup"] | None:
    """Why a piece is scrap, or whose rework it is: in set-up it is set-up's, for its stroke is."""
    if job.phase == "setup":
        return "setup"
    if disposition != "scrap":
        return None
    return known.cause if known and known.cause else "process"
