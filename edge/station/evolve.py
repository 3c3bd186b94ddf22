"""The fold: how each fact changes the state of the line. Deterministic, from the fact alone.

People's time is given away at every fact (`hours.py`), but not at a clock's step: by the time as it is set
now, a shift may have ended before it.
"""

from collections.abc import Callable
from decimal import Decimal
from functools import partial

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from edge import events, wallclock
from edge.calendar import Period
from edge.events import Draft, Event, Fact, Resources, parse_instant
from edge.readings import Moment
from edge.station import aside, belated, hours, known, lots, quantities, serials
from edge.station.review import waiting
from edge.station.state import (
    MACHINE,
    STATE_VERSION,
    SWITCHED,
    ZERO,
    Counter,
    Job,
    JobKey,
    Labour,
    Last,
    Line,
    Noted,
    Station,
    Tool,
)

NOTED = 3
FIXED = 1024
PIECES = "C62"  # what counters and people count in while nobody says otherwise
FINISHED = 64
UNDOABLE = (events.MaterialConsumed, events.WorkReported, events.WorkStarted, events.OutputReclassified)


def evolve(line: Line, draft: Draft) -> Line:
    """The line after a fact."""
    changed = _evolved(line, draft)
    open_ = waiting.after(line, changed, draft)
    return changed if open_ is line.waiting else replace(changed, waiting=open_)


def _evolved(line: Line, draft: Draft) -> Line:
    fact = draft.data
    at = _moment(draft)
    line = replace(line, wall=wallclock.after(line.wall, fact, at))
    if isinstance(fact, events.JournalOpened):
        return _taken_over(line, fact)
    if at is None:
        return _belated(line, draft) if fact.origin == "manual" else line
    if isinstance(fact, events.ClockStepped) and hours.timed(line, at):
        return line
    line = hours.passed(line, at, known=not (isinstance(fact, events.ShiftChanged) and fact.incomplete))
    line = _with_people(_in_period(line, fact, at), fact, at)
    if isinstance(fact, events.ReviewSettled):
        line = belated.settled(line, fact)
    line = serials.after(aside.after(_with_fixed(line, fact, draft.id), fact), fact)
    apply = _APPLY.get(type(fact))
    if apply is not None and fact.station is not None:
        before = line.station(fact.station)
        station = _crossed(before, apply(before, fact, draft.id, at))
        station = _noted(before, station, draft, at)
        line = replace(line, stations={**line.stations, fact.station: station})
    return hours.left(line, fact.operator) if isinstance(fact, events.OperatorSignedOff) else line


def _belated(line: Line, draft: Draft) -> Line:
    """The line after a fact of a time that is past."""
    fact = draft.data
    after = belated.after(_with_fixed(line, fact, draft.id), draft)
    if fact.station is None or after is line or isinstance(fact, events.ReviewSettled):
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
            return hours.counted(line, station, _key(fact), fact)
        case events.WorkReported(station=str(station)):
            return hours.reported(line, station, _key(fact), fact)
        case events.WorkCorrected(station=str(station)):
            last = line.station(station).last
            if last is not None and last.id == fact.corrects and last.type == events.WorkStarted.type:
                return hours.divided(line, station, _key(fact))
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
    return replace(line, fixed=dict([*line.fixed.items(), *asked.items()][-FIXED:]))


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


def carried(line: Line) -> str:
    """The state as `journal.opened` carries it into the next journal."""
    return msgspec.json.encode({"version": STATE_VERSION, "line": line}).decode()


def posted_unknown(line: Line) -> Line:
    """The state where receivers may hold facts that were lost here: nothing is to be posted twice.

    Time, energy and metered material that no report carries become unknown, a counter's next movement is
    nobody's, and nobody knows whether the machine ran.
    """

    def job(one: Job) -> Job:
        return replace(one, setup_ms=0, machine_s=None, energy_kwh=None, labour=(), metered={})

    def station(one: Station) -> Station:
        counters = {
            name: replace(counter, silent=True, crossed=True)
            for name, counter in one.counters.items()
            if name != "running"
        }
        return replace(one, jobs=tuple(map(job, one.jobs)), counters=counters, last=None)

    stations = {name: station(one) for name, one in line.stations.items()}
    return replace(line, stations=stations, at=None, pools=(), idle=())


def _taken_over(line: Line, fact: events.JournalOpened) -> Line:
    """The state that the journal before ended with."""
    if fact.state is None:
        return line
    try:
        line = msgspec.json.decode(fact.state, type=_Carried).line
        return replace(line, wall=wallclock.taken_over(line.wall))
    except msgspec.DecodeError:
        return line  # of a version whose state has another form


class _Carried(msgspec.Struct):
    line: Line


def _crossed(before: Station, after: Station) -> Station:
    """Mark counters that were silent while the station changed hands: their next movement is nobody's.

    What other counters moved before is recorded by then (facts: machine signals).
    """
    counters = {
        name: replace(counter, crossed=True)
        if counter.silent and _hands(before, name) != _hands(after, name)
        else counter
        for name, counter in after.counters.items()
    }
    return replace(after, counters=counters) if counters else after


def _hands(station: Station, counter: str) -> tuple[object, ...]:
    """In whose hands a counter is: the job and its phase; for pieces also by which tool."""
    job = station.job
    held = owner(station, counter), job.phase if job else None
    if counter in MACHINE:
        return (*held, *(one.key for one in at_work(station)))
    sharing = station.jobs if station.tool and station.tool.shares else at_work(station)
    return (*held, station.tool, *((one.key, one.phase) for one in sharing))


def at_work(station: Station) -> tuple[Job, ...]:
    """The open jobs that share a counter of pieces: those in the run phase, else those in set-up.

    A paused job has no part in it; where all are paused, the selected one has all.
    """
    working = tuple(job for job in station.jobs if job.paused is None)
    running = tuple(job for job in working if job.phase == "run")
    return running or working or ((station.job,) if station.job else ())


def owner(station: Station, counter: str) -> JobKey | None:
    """Whose a counter's movement is: pieces are the selected job's, machine time not while it is paused."""
    job = station.job
    if job is None or (counter in MACHINE and job.paused and not job.paused_machine):
        return None
    return job.key


def _noted(before: Station, station: Station, draft: Draft, at: Moment) -> Station:
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
    phase_change = isinstance(fact, events.WorkStarted) and before.find(_key(fact)) is not None
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


def _changed(station: Station, key: JobKey | None, change: Callable[[Job], Job]) -> Station:
    jobs = tuple(change(job) if job.key == key else job for job in station.jobs)
    return replace(station, jobs=jobs)


def _key(fact: Fact) -> JobKey:
    return fact.work_order or "", fact.operation or ""


def _signed_on(station: Station, fact: events.OperatorSignedOn, *_: object) -> Station:
    return replace(station, crew=(*(p for p in station.crew if p != fact.operator), fact.operator))


def _signed_off(station: Station, fact: events.OperatorSignedOff, *_: object) -> Station:
    return replace(station, crew=tuple(p for p in station.crew if p != fact.operator))


def _started(station: Station, fact: events.WorkStarted, _id: str, at: Moment) -> Station:
    key = _key(fact)
    if station.find(key):
        changed = _changed(station, key, lambda job: replace(_known(job, fact), phase=fact.phase))
        return replace(changed, selected=key if not _arrived(station, fact) else station.selected)
    job = Job(
        work_order=key[0],
        order_line=fact.order_line,
        operation=key[1],
        product=fact.product or "",
        unit=fact.unit or PIECES,
        planned=fact.planned_quantity or ZERO,
        refs=fact.refs,
        reworks=(fact.reworks.work_order, fact.reworks.operation) if fact.reworks else None,
        labour_s=fact.standard.labour_s if fact.standard else None,
        phase=fact.phase,
        since=at,
        provisional=fact.provisional,
    )
    return replace(station, jobs=(*station.jobs, job), selected=key)


def _arrived(station: Station, fact: events.WorkStarted) -> bool:
    """Whether the fact says that the order of a provisional job is known now."""
    job = station.find(_key(fact))
    return job is not None and job.provisional and not fact.provisional


def _known(job: Job, fact: events.WorkStarted) -> Job:
    """The job with what its order says, where that was unknown. What was reported stays as it was counted."""
    if not job.provisional or fact.provisional:
        return job
    reported = job.good or job.scrap or job.rework or job.concession or job.setup_scrap
    return replace(
        job,
        order_line=fact.order_line,
        product=fact.product or "",
        unit=job.unit if reported else fact.unit or PIECES,
        planned=fact.planned_quantity or ZERO,
        refs=fact.refs,
        provisional=False,
    )


def _paused(station: Station, fact: events.WorkPaused, *_: object) -> Station:
    pause = partial(
        replace,
        paused=fact.reason,
        paused_labour=fact.labour_goes_on,
        paused_machine=fact.machine_goes_on,
        paused_by_signal=fact.origin == "signal",
    )
    return replace(_changed(station, _key(fact), pause), selected=_key(fact))


def _resumed(station: Station, fact: events.WorkResumed, *_: object) -> Station:
    resume = partial(replace, paused=None, paused_labour=False, paused_machine=False, paused_by_signal=False)
    return replace(_changed(station, _key(fact), resume), selected=_key(fact))


def _reported(station: Station, fact: events.WorkReported, _id: str, at: Moment) -> Station:
    def report(job: Job) -> Job:
        since = at if fact.resources else job.since
        due = fact.origin == "signal" if fact.resources else job.due
        job = lots.asked(quantities.with_outputs(job, fact, 1), fact)
        job = _with_resources(job, fact.resources, -1)
        # Nothing is known yet of the time that follows: not nought.
        machine_s, energy_kwh = job.machine_s or None, job.energy_kwh or None
        return replace(job, since=since, machine_s=machine_s, energy_kwh=energy_kwh, due=due)

    if fact.origin == "scan":
        station = lots.cleared(station)
    return known.made(_changed(station, _key(fact), report), fact)


def _identified(station: Station, fact: events.OutputIdentified, *_: object) -> Station:
    def identify(job: Job) -> Job:
        serials = (*job.serials, fact.serial) if fact.serial else job.serials
        return replace(job, output_lot=fact.lot or job.output_lot, serials=serials)

    return _changed(station, _key(fact), identify)


def _reclassified(station: Station, *_: object) -> Station:
    return station  # its pieces may be another station's: aside.after() moves them


def _completed(station: Station, fact: events.WorkCompleted, id_: str, at: Moment) -> Station:
    station = _reported(station, fact, id_, at)
    jobs = tuple(job for job in station.jobs if job.key != _key(fact))
    following = next((job.key for job in jobs if job.paused is None), None)
    finished = (*(key for key in station.finished if key != _key(fact)), _key(fact))[-FINISHED:]
    closed = station.find(_key(fact))
    return replace(station, jobs=jobs, selected=following, closed=closed, finished=finished)


def _with_resources(job: Job, resources: Resources | None, sign: int) -> Job:
    """What is not reported yet, less (or again with) what a report carries."""
    if resources is None:
        return job
    if isinstance(resources.setup_s, Decimal):
        job = replace(job, setup_ms=job.setup_ms + sign * int(resources.setup_s * 1000))
    if isinstance(resources.machine_s, Decimal):
        spent_s = job.spent_machine_s - sign * resources.machine_s
        machine_s = (job.machine_s or ZERO) + sign * resources.machine_s
        job = replace(job, machine_s=machine_s, spent_machine_s=spent_s)
    unmeasured = resources.machine_s is not UNSET and "machine_s" not in (resources.basis or {})
    job = replace(job, machine_gap=sign > 0 and (job.machine_gap or unmeasured))
    if isinstance(resources.energy_kwh, Decimal):
        job = replace(job, energy_kwh=(job.energy_kwh or ZERO) + sign * resources.energy_kwh)
    job = replace(job, gap=sign > 0 and (job.gap or "labour" not in (resources.basis or {})))
    if isinstance(resources.labour, tuple):
        shares = [Labour(one.operator, one.phase, int(one.s * 1000)) for one in resources.labour]
        run = [one for one in resources.labour if one.phase == "run"]
        spent_s = job.spent_labour_s - sign * sum((one.s for one in run), ZERO)
        job = replace(job, labour=hours.summed(job.labour, shares, sign), spent_labour_s=spent_s)
    return job


def _consumed(station: Station, fact: events.MaterialConsumed, *_: object) -> Station:
    return lots.consumed(station, fact)


def _corrected(station: Station, fact: events.WorkCorrected, *_: object) -> Station:
    """Take the last fact back. What the counters said meanwhile stays."""
    last = station.last
    if last is None or last.id != fact.corrects:
        return station
    station = replace(station, last=None)
    for data in reversed(last.caused):
        consumed = msgspec.json.decode(data, type=events.MaterialConsumed)
        station = lots.consumed(station, consumed, -1)
    match original(last):
        case events.WorkCompleted() as done if station.closed and station.closed.key == _key(done):
            job = _unreported(station.closed, done, last.at)
            finished = tuple(key for key in station.finished if key != job.key)
            jobs = (*station.jobs, job)
            station = known.made(station, done, -1)
            return replace(station, jobs=jobs, selected=job.key, closed=None, finished=finished)
        case events.WorkReported() as report:
            station = known.made(station, report, -1)
            return _changed(station, _key(report), lambda job: _unreported(job, report, last.at))
        case events.MaterialConsumed() as consumed:
            return lots.consumed(station, consumed, -1)
        case events.WorkStarted() as started:
            jobs = tuple(job for job in station.jobs if job.key != _key(started))
            # One that was set aside goes on with a scan of its order only: until then strokes are nobody's.
            following = next((job.key for job in reversed(jobs) if job.paused != SWITCHED), None)
            return replace(station, jobs=jobs, selected=following)
    return station


def _unreported(job: Job, report: events.WorkReported, at: Moment) -> Job:
    """The job as if the report, made at that moment, had not been."""
    since = job.since
    if report.resources:
        since = _began(report.interval, at) if report.interval else None
    job = lots.asked(quantities.with_outputs(job, report, -1), report, -1)
    return replace(_with_resources(job, report.resources, 1), since=since)


def _began(interval: events.Interval, at: Moment) -> Moment:
    """The beginning of an interval that ended at this moment."""
    wall_ms = parse_instant(interval.from_)
    lasted_ms = parse_instant(interval.to) - wall_ms
    return replace(at, wall_ms=wall_ms, monotonic_ms=at.monotonic_ms - lasted_ms)


def original(last: Last) -> Fact:
    """The fact that may be undone."""
    return msgspec.json.decode(last.data, type=events.FACTS[f"lineside.{last.type}.v1"])


def _counted(station: Station, fact: events.CountRecorded, _id: str, at: Moment) -> Station:
    if fact.to is not None:
        held = station.counters.get(fact.counter)
        crossed = held is not None and held.crossed and fact.incomplete
        # A silent device was not read now: what bounds its next movement is the time since it was.
        read_at = held.at if held is not None and fact.incomplete else at
        counter = Counter(fact.to, read_at, fact.incomplete, crossed)
        station = replace(station, counters={**station.counters, fact.counter: counter})
    quantity = fact.quantity
    if fact.counter == "running" and fact.incomplete and fact.phase == "run":
        station = _changed(station, _key(fact), partial(replace, machine_gap=True))
    if not fact.work_order or quantity is None or (fact.incomplete and not quantity):
        return station  # a silent device says nothing of its time: not nought

    station = _changed(station, _key(fact), lambda job: quantities.with_count(job, fact, quantity))
    if fact.carried is None:
        return station
    carried = {fact.counter: fact.carried}
    return _changed(station, _key(fact), lambda job: replace(job, carried={**job.carried, **carried}))


def _tool_mounted(station: Station, fact: events.ToolMounted, *_: object) -> Station:
    if fact.tool is None:
        return station
    tool = Tool(
        tool=fact.tool, units_per_count=fact.units_per_count, shares=fact.shares, blocked=fact.blocked
    )
    return replace(station, tool=tool)


def _tool_unmounted(station: Station, *_: object) -> Station:
    return replace(station, tool=None)


def _meter_replaced(station: Station, fact: events.MeterReplaced, *_: object) -> Station:
    counters = {name: held for name, held in station.counters.items() if name != fact.counter}
    return replace(station, counters=counters)


def _mounted(station: Station, fact: events.LotMounted, *_: object) -> Station:
    return lots.mounted(station, fact)


def _unmounted(station: Station, fact: events.LotMounted, *_: object) -> Station:
    return lots.unmounted(station, fact)


_APPLY: dict[type[Fact], Callable[..., Station]] = {
    events.OperatorSignedOn: _signed_on,
    events.OperatorSignedOff: _signed_off,
    events.WorkStarted: _started,
    events.WorkPaused: _paused,
    events.WorkResumed: _resumed,
    events.WorkReported: _reported,
    events.WorkCompleted: _completed,
    events.OutputIdentified: _identified,
    events.OutputReclassified: _reclassified,
    events.MaterialConsumed: _consumed,
    events.WorkCorrected: _corrected,
    events.CountRecorded: _counted,
    events.CountUnattributed: _counted,
    events.LotMounted: _mounted,
    events.LotUnmounted: _unmounted,
    events.ToolMounted: _tool_mounted,
    events.ToolUnmounted: _tool_unmounted,
    events.MeterReplaced: _meter_replaced,
}
