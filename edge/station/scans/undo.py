"""Undo: an operator takes back their own last fact in the same shift, by a new fact that names it."""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from edge.events import (
    MaterialConsumed,
    OutputReclassified,
    TimeUnassigned,
    WorkCompleted,
    WorkCorrected,
    WorkReported,
    WorkStarted,
    seconds,
)
from edge.station import aside, signals
from edge.station.changes import original
from edge.station.pending import PendingUndo
from edge.station.state import ZERO, Job, Last
from edge.station.texts import Text, disposition, say, unit
from edge.station.work import Refused, Work, number


def propose(work: Work) -> Text:
    """LSCUNDO: show what would be undone."""
    signals.boundary(work)
    last = _undoable(work)
    work.wait_for(PendingUndo(last.id))
    return say("undo_shows", what=_what(last))


def confirm(work: Work, pending: PendingUndo) -> Text:
    """OK after LSCUNDO."""
    signals.boundary(work)
    last = _undoable(work)
    if last.id != pending.id:
        raise Refused("gone")
    work.end_wait()
    fact = original(last)
    station = work.station
    job = station.find((fact.work_order or "", fact.operation or "")) or station.closed
    person = work.actor or last.actor
    if isinstance(fact, WorkStarted) and job is not None:
        _release_time(work, work.with_time(job))
    work.emit(WorkCorrected, job=job, corrects=last.id, reason="did_not_occur", person=person)
    return say("undone", what=_what(last))


def _undoable(work: Work) -> Last:
    """The last fact, if this shift's crew made it and nothing stands on it."""
    station, last = work.station, work.station.last
    day = work.day
    if last is None:
        raise Refused("nothing_to_undo")
    if last.actor != work.actor:
        raise Refused("undo_others", operator=last.actor)
    if (last.shift, last.production_date) != (day.shift, day.production_date):
        raise Refused("nothing_to_undo")
    fact = original(last)
    job = station.find((fact.work_order or "", fact.operation or ""))
    if isinstance(fact, WorkStarted) and (job is None or _used(job)):
        raise Refused("undo_used")
    back = aside.set_aside(fact)
    if back > max(ZERO, aside.at(work.line, work.name, (fact.work_order or "", fact.operation or ""))):
        raise Refused("undo_reworked", quantity=number(back))
    if isinstance(fact, WorkCompleted) and station.job is not None and not work.settings.concurrent:
        raise Refused("nothing_to_undo")
    return last


def _used(job: Job) -> bool:
    """Whether something stands on the start of this job: it can be completed, not undone."""
    reported = job.good, job.scrap, job.rework, job.concession, job.setup_scrap
    counted = *job.counted.values(), *job.setup_counted.values()
    side = (count for one in job.side.values() for count in (one.counted, one.setup_counted))
    beside = any(any(count.values()) for count in side)
    return any(reported) or any(counted) or beside or any(job.consumed.values()) or any(job.metered.values())


def _release_time(work: Work, job: Job) -> None:
    """The time that went into a job which never was belongs to no job."""
    for held in job.labour:
        work.emit(TimeUnassigned, operator=held.operator, category="undone", s=seconds(held.ms))
    if job.machine_s:
        work.emit(TimeUnassigned, equipment=_equipment(work), category="undone", s=job.machine_s)
    if job.setup_ms:
        work.emit(TimeUnassigned, equipment=_equipment(work), category="undone", s=seconds(job.setup_ms))


def _equipment(work: Work) -> str:
    return work.settings.equipment or work.settings.work_center


def _what(last: Last) -> Text:
    match original(last):
        case MaterialConsumed() as fact if last.caused and fact.use != "return":
            return say("undo_kit", kit=fact.lot, lots=1 + len(last.caused))
        case MaterialConsumed() as fact:
            return say(
                "undo_lot",
                lot=fact.lot or fact.material,
                quantity=number(fact.quantity + sum(_caused(last), ZERO)),
                unit=unit(fact.unit),
            )
        case WorkCompleted() as fact:
            return say("undo_completion", order=fact.work_order, outputs=_outputs(fact))
        case WorkReported() as fact:
            return say("undo_report", order=fact.work_order, outputs=_outputs(fact))
        case OutputReclassified() as fact:
            return say("undo_verdict", quantity=number(fact.quantity), to=disposition(fact.to))
        case fact:
            return say("undo_start", order=fact.work_order)


def _caused(last: Last) -> Iterator[Decimal]:
    """The other parts of a return that was posted in several."""
    for data in last.caused:
        yield msgspec.json.decode(data, type=MaterialConsumed).quantity


def _outputs(fact: WorkReported) -> Text:
    shown = Text("", "")
    for one in (*fact.outputs, *fact.reworked):
        shown = shown + say(
            "undo_output", disposition=disposition(one.disposition), quantity=number(one.quantity)
        )
    return shown
