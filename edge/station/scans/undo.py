"""Undo: an operator takes back their own last fact in the same shift, by a new fact that names it."""

from edge.events import MaterialConsumed, WorkCompleted, WorkCorrected, WorkReported, WorkStarted
from edge.station import signals
from edge.station.evolve import original
from edge.station.state import Last, PendingUndo
from edge.station.texts import Text, say
from edge.station.work import Refused, Work, number


def propose(work: Work) -> Text:
    """LSCUNDO: show what would be undone."""
    last = _undoable(work)
    work.wait_for(PendingUndo(last.id))
    return say("undo_shows", what=_what(last))


def confirm(work: Work, pending: PendingUndo) -> Text:
    """OK after LSCUNDO."""
    last = _undoable(work)
    if last.id != pending.id:
        raise Refused("gone")
    work.end_wait()
    fact = original(last)
    signals.boundary(work)
    station = work.station
    job = station.find((fact.work_order or "", fact.operation or "")) or station.closed
    person = work.actor or last.actor
    work.emit(WorkCorrected, job=job, corrects=last.id, reason="did_not_occur", person=person)
    return say("undone", what=_what(last))


def _undoable(work: Work) -> Last:
    """The last fact, if this shift's crew made it and nothing stands on it."""
    station, last = work.station, work.station.last
    day = work.site.calendar.day(work.now.wall_ms)
    if last is None or last.actor not in station.crew:
        raise Refused("nothing_to_undo")
    if (last.shift, last.production_date) != (day.shift, day.production_date):
        raise Refused("nothing_to_undo")
    fact = original(last)
    job = station.find((fact.work_order or "", fact.operation or ""))
    if isinstance(fact, WorkStarted) and (job is None or job.good or job.scrap or job.rework or job.consumed):
        raise Refused("nothing_to_undo")
    if isinstance(fact, WorkCompleted) and station.job is not None and not work.settings.concurrent:
        raise Refused("nothing_to_undo")
    return last


def _what(last: Last) -> str:
    match original(last):
        case MaterialConsumed() as fact:
            return f"{fact.material} {fact.lot or ''} {number(fact.quantity)} {fact.unit}"
        case WorkReported() as fact:
            outputs = ", ".join(f"{one.disposition} {number(one.quantity)}" for one in fact.outputs)
            return f"{fact.work_order} {outputs or fact.type}"
        case fact:
            return f"{fact.work_order}/{fact.operation}"
