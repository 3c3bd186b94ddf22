"""What people see of the last facts, and which one may be undone."""

import msgspec
from msgspec.structs import replace

from edge import events
from edge.events import Draft, Fact
from edge.readings import Moment
from edge.station.changes import key_of
from edge.station.state import Last, Noted, Station

NOTED = 3
UNDOABLE = (events.MaterialConsumed, events.WorkReported, events.WorkStarted, events.OutputReclassified)


def noted(before: Station, station: Station, draft: Draft, at: Moment) -> Station:
    """The station with a fact among the last ones; one that a person may take back becomes the last."""
    fact = draft.data
    if isinstance(fact, events.CountRecorded | events.CrewRecorded):
        return station
    line = Noted(draft.time_ms, fact.type, detail(fact))
    station = replace(station, noted=(line, *station.noted)[:NOTED])
    if _caused(station.last, fact):
        assert station.last is not None
        last = station.last
        if isinstance(fact, events.OutputReclassified):
            return replace(station, last=replace(last, moved=(*last.moved, _stored(fact))))
        return replace(station, last=replace(last, caused=(*last.caused, _stored(fact))))
    phase_change = isinstance(fact, events.WorkStarted) and before.find(key_of(fact)) is not None
    if isinstance(fact, UNDOABLE) and not phase_change and fact.origin == "scan" and fact.actor:
        last = Last(draft.id, fact.type, fact.actor, fact.shift, fact.production_date, at, _stored(fact))
        return replace(station, last=last)
    return station


def _caused(last: Last | None, fact: Fact) -> bool:
    """Whether the fact goes when the last one is undone."""
    if not isinstance(fact, events.MaterialConsumed | events.OutputReclassified):
        return False
    return last is not None and fact.caused_by == last.id


def _stored(fact: Fact) -> str:
    return msgspec.json.encode(fact, order="sorted").decode()


def detail(fact: Fact) -> str:
    """The part of a fact that a person recognises, in no language."""
    match fact:
        case events.MaterialConsumed():
            pieces = fact.unit == "C62"
            return f"{fact.lot or fact.material} {fact.quantity}" + ("" if pieces else f" {fact.unit}")
        case events.WorkReported():
            outputs = (*fact.outputs, *fact.reworked)
            return ", ".join(f"{one.disposition} {one.quantity}" for one in outputs)
        case events.OperatorSignedOn() | events.OperatorSignedOff() | events.OperatorDoubted():
            return fact.operator
        case events.TimeUnassigned() | events.BreakTaken():
            return f"{fact.operator or fact.equipment or ''} {fact.s} s"
        case events.ShiftChanged():
            return fact.shift or ""
        case events.LotMounted():
            return fact.lot
        case events.ToolMounted():
            return fact.tool or ""
        case events.OutputReclassified():
            return f"{fact.from_} → {fact.to} {fact.quantity}"
        case events.OutputIdentified():
            return " ".join(one for one in (fact.lot, fact.serial) if one)
        case events.MeterReplaced():
            return fact.counter
        case events.CountRecorded():
            added = f"+{fact.delta}" if fact.delta is not None else f"{fact.material} +{fact.quantity}"
            moved = added if fact.held is None else f"held: {fact.held}"
            return f"{fact.counter} {fact.to} {moved}"
        case _:
            return fact.work_order or ""
