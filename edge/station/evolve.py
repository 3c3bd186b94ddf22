"""The fold: how each fact changes the state of the line. Deterministic, from the fact alone.

People's time is given away at every fact (`hours.py`), but not at a clock's step: by the time as it is set
now, a shift may have ended before it.
"""

from msgspec.structs import replace

from edge import events, uptime, wallclock
from edge.calendar import Period
from edge.events import Draft, Event, Fact, parse_instant
from edge.readings import Moment
from edge.station import aside, belated, closing, hours, lots, serials
from edge.station.changes import APPLY, key_of, original
from edge.station.handover import taken_over
from edge.station.noting import NOTED, detail, noted
from edge.station.owning import crossed
from edge.station.review import waiting
from edge.station.state import Line, Noted, Station
from edge.uptime import Uptime

FIXED = 4096  # kept of orders that are not open
_UNSEEN = (
    events.ReviewSettled,
    events.ReviewOpened,
    events.CountRecorded,
)  # among what is shown of a time that is past


def evolve(line: Line, draft: Draft) -> Line:
    """The line after a fact."""
    changed = _evolved(line, draft)
    open_ = waiting.after(line, changed, draft)
    return changed if open_ is line.waiting else replace(changed, waiting=open_)


def _evolved(line: Line, draft: Draft) -> Line:
    fact = draft.data
    at = _moment(draft)
    wall = wallclock.after(line.wall, fact, at)
    line = replace(line, wall=wall, uptime=uptime.after(line.uptime, wall.seq, at))
    if isinstance(fact, events.JournalOpened):
        return replace(taken_over(line, fact), uptime=Uptime())
    if at is None:
        return _belated(line, draft) if fact.origin == "manual" else line
    if isinstance(fact, events.ClockStepped) and hours.timed(line, at):
        return line
    line = hours.passed(line, at, known=not (isinstance(fact, events.ShiftChanged) and fact.incomplete))
    line = _with_people(_in_period(line, fact, at), fact, at)
    if isinstance(fact, events.ReviewSettled):
        line = belated.settled(line, fact)
    line = serials.after(aside.after(_with_fixed(line, fact, draft.id), fact), fact)
    apply = APPLY.get(type(fact))
    if apply is not None and fact.station is not None:
        before = line.station(fact.station)
        station = crossed(before, apply(before, fact, draft.id, at))
        if isinstance(fact, events.WorkCompleted):
            station = replace(station, doubted=closing.kept(line, fact.station, key_of(fact)))
        station = noted(before, station, draft, at)
        line = replace(line, stations={**line.stations, fact.station: station})
    return hours.left(line, fact.operator) if isinstance(fact, events.OperatorSignedOff) else line


def _belated(line: Line, draft: Draft) -> Line:
    """The line after a fact of a time that is past."""
    fact = draft.data
    after = belated.after(_with_fixed(line, fact, draft.id), draft)
    if fact.station is None or after is line or isinstance(fact, _UNSEEN):
        return after
    noted = Noted(draft.time_ms, fact.type, detail(fact))
    station = after.station(fact.station)
    station = replace(station, noted=(noted, *station.noted)[:NOTED])
    return replace(after, stations={**after.stations, fact.station: station})


def _in_period(line: Line, fact: Fact, at: Moment) -> Line:
    """The line in the period that a fact bears."""
    if fact.posting_date is None or isinstance(fact, events.ClockStepped):
        return line
    before = line.period
    on_break = before.on_break if before else None
    if isinstance(fact, events.ShiftChanged):
        on_break = fact.on_break
    period = Period(fact.shift, fact.production_date, fact.posting_date, on_break)
    if period == before:
        return line
    if before is not None and period.dates != before.dates:
        stations = {name: _settled(station, at) for name, station in line.stations.items()}
        line = replace(line, stations=stations)
    return replace(line, period=period)


def _settled(station: Station, at: Moment) -> Station:
    """The station after a shift: time that was reported in it, or a start, is no more to be undone."""
    fact = original(station.last) if station.last else None
    timed = isinstance(fact, events.WorkReported) and fact.resources is not None
    jobs = tuple(replace(job, since=at) for job in station.jobs)
    last = None if timed or isinstance(fact, events.WorkStarted) else station.last
    return replace(station, jobs=jobs, last=last)


def _with_people(line: Line, fact: Fact, at: Moment) -> Line:
    """What a fact says of people's time, beyond its station."""
    match fact:
        case events.OperatorSignedOn(operator=operator):
            return hours.joined(line, operator, at)
        case events.OperatorDoubted(operator=operator):
            return hours.doubted(line, operator)
        case events.TimeUnassigned():
            return hours.unassigned(line, fact)
        case events.BreakTaken(operator=operator, s=s):
            return hours.told(line, operator, hours.UNPAID, None, int(s * 1000))
        case events.CountRecorded(station=str(station)) if fact.work_order:
            return hours.counted(line, station, key_of(fact), fact)
        case events.WorkReported(station=str(station)):
            return hours.reported(line, station, key_of(fact), fact)
        case events.WorkCorrected(station=str(station)):
            last = line.station(station).last
            if last is not None and last.id == fact.corrects and last.type == events.WorkStarted.type:
                return hours.divided(line, station, key_of(fact))
    return line


def _with_fixed(line: Line, fact: Fact, id_: str) -> Line:
    """The line with what is consumed once per order, at any station; a correction makes it due again."""
    if isinstance(fact, events.WorkCorrected):
        kept = {line_: report for line_, report in line.fixed.items() if report != fact.corrects}
        return line if len(kept) == len(line.fixed) else replace(line, fixed=kept)
    if not isinstance(fact, events.WorkReported):
        return line
    asked = {lots.once(fact.work_order or "", need.bom_line): id_ for need in fact.needs if need.fixed}
    if not asked:
        return line
    return replace(line, fixed=_kept(line, line.fixed | asked))


def _kept(line: Line, fixed: dict[str, str]) -> dict[str, str]:
    """All of open orders, and the newest of others: one that comes back after so many asks once more."""
    if len(fixed) <= FIXED:
        return fixed
    open_ = {job.work_order for station in line.stations.values() for job in station.jobs}
    ended = [key for key in fixed if lots.order_of(key) not in open_]
    gone = set(ended[: max(len(ended) - FIXED, 0)])
    return {key: id_ for key, id_ in fixed.items() if key not in gone}


def fold(line: Line, event: Event) -> Line:
    """The line after a committed event."""
    wall = wallclock.renumbered(line.wall, event.seq - 1)
    return evolve(replace(line, wall=wall), Draft(event.id, parse_instant(event.time), event.data))


def _moment(draft: Draft) -> Moment | None:
    """When a fact was recorded; None where it has no time since boot: the opening of a journal, for one."""
    fact = draft.data
    if fact.boot_id is None or fact.monotonic_s is None:
        return None
    monotonic_ms, clock = int(fact.monotonic_s * 1000), fact.clock or "synced"
    return Moment(draft.time_ms, monotonic_ms, fact.boot_id, clock, wallclock.sound(fact))
