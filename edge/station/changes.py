"""How each fact changes the station that it is of."""

from collections.abc import Callable
from functools import partial

import msgspec
from msgspec.structs import replace

from edge import events
from edge.events import Fact, parse_instant
from edge.readings import Moment
from edge.station import known, lots, quantities, resources
from edge.station.state import SWITCHED, ZERO, Counter, Job, JobKey, Last, Station, Tool

PIECES = "C62"  # what counters and people count in while nobody says otherwise
FINISHED = 64


def _changed(station: Station, key: JobKey | None, change: Callable[[Job], Job]) -> Station:
    jobs = tuple(change(job) if job.key == key else job for job in station.jobs)
    return replace(station, jobs=jobs)


def key_of(fact: Fact) -> JobKey:
    """The job that a fact is of."""
    return fact.work_order or "", fact.operation or ""


def _signed_on(station: Station, fact: events.OperatorSignedOn, *_: object) -> Station:
    return replace(station, crew=(*(p for p in station.crew if p != fact.operator), fact.operator))


def _signed_off(station: Station, fact: events.OperatorSignedOff, *_: object) -> Station:
    return replace(station, crew=tuple(p for p in station.crew if p != fact.operator))


def _started(station: Station, fact: events.WorkStarted, _id: str, at: Moment) -> Station:
    key = key_of(fact)
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
    job = station.find(key_of(fact))
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
    return replace(_changed(station, key_of(fact), pause), selected=key_of(fact))


def _resumed(station: Station, fact: events.WorkResumed, *_: object) -> Station:
    resume = partial(replace, paused=None, paused_labour=False, paused_machine=False, paused_by_signal=False)
    return replace(_changed(station, key_of(fact), resume), selected=key_of(fact))


def _reported(station: Station, fact: events.WorkReported, _id: str, at: Moment) -> Station:
    def report(job: Job) -> Job:
        since = at if fact.resources else job.since
        due = fact.origin == "signal" if fact.resources else job.due
        job = lots.asked(quantities.with_outputs(job, fact, 1), fact)
        job = resources.carried(job, fact.resources)
        # Nothing is known yet of the time that follows: not nought.
        machine_s, energy_kwh = job.machine_s or None, job.energy_kwh or None
        return replace(job, since=since, machine_s=machine_s, energy_kwh=energy_kwh, due=due)

    if fact.origin == "scan":
        station = lots.cleared(station)
    return known.made(_changed(station, key_of(fact), report), fact)


def _identified(station: Station, fact: events.OutputIdentified, *_: object) -> Station:
    def identify(job: Job) -> Job:
        serials = (*job.serials, fact.serial) if fact.serial else job.serials
        return replace(job, output_lot=fact.lot or job.output_lot, serials=serials)

    return _changed(station, key_of(fact), identify)


def _reclassified(station: Station, *_: object) -> Station:
    return station  # its pieces may be another station's: aside.after() moves them


def _completed(station: Station, fact: events.WorkCompleted, id_: str, at: Moment) -> Station:
    station = _reported(station, fact, id_, at)
    jobs = tuple(job for job in station.jobs if job.key != key_of(fact))
    following = next((job.key for job in jobs if job.paused is None), None)
    finished = (*(key for key in station.finished if key != key_of(fact)), key_of(fact))[-FINISHED:]
    closed = station.find(key_of(fact))
    return replace(station, jobs=jobs, selected=following, closed=closed, finished=finished)


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
        case events.WorkCompleted() as done if station.closed and station.closed.key == key_of(done):
            job = _unreported(station.closed, done, last.at)
            finished = tuple(key for key in station.finished if key != job.key)
            jobs = (*station.jobs, job)
            station = known.made(station, done, -1)
            return replace(station, jobs=jobs, selected=job.key, closed=None, finished=finished)
        case events.WorkReported() as report:
            station = known.made(station, report, -1)
            return _changed(station, key_of(report), lambda job: _unreported(job, report, last.at))
        case events.MaterialConsumed() as consumed:
            return lots.consumed(station, consumed, -1)
        case events.WorkStarted() as started:
            jobs = tuple(job for job in station.jobs if job.key != key_of(started))
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
    return replace(resources.carried(job, report.resources, -1), since=since)


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
        station = _changed(station, key_of(fact), partial(replace, machine_gap=True))
    if not fact.work_order or quantity is None or (fact.incomplete and not quantity):
        return station  # a silent device says nothing of its time: not nought

    return _changed(station, key_of(fact), lambda job: quantities.accepted(job, fact, quantity))


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


APPLY: dict[type[Fact], Callable[..., Station]] = {
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
