"""The fold of what a person entered later or corrected: facts of a time that is past.

No time is shared out by them and no clock told; their resources never were a job's unreported ones. A
correction takes back what its original did, as the open list keeps it, on a job that is open, or completed
and not forgotten (`closing`): pieces, the time spent on them, what the bill asked, lots, made and drawn
amounts; a completion that did not occur opens its job again. What counters said meanwhile stays. An order
that was completed and began anew since is another job: its figures stay.
"""

from collections.abc import Callable
from functools import partial

import msgspec
from msgspec.structs import replace

from edge.events import (
    CountRecorded,
    Draft,
    Fact,
    MaterialConsumed,
    Need,
    OutputReclassified,
    ReviewSettled,
    WorkCompleted,
    WorkCorrected,
    WorkReported,
)
from edge.station import aside, closing, known, lots, quantities, resources, serials
from edge.station.changes import key_of
from edge.station.review import waiting
from edge.station.review.waiting import Waiting
from edge.station.state import ZERO, Job, Line, Station


def after(line: Line, draft: Draft) -> Line:
    """The line after such a fact."""
    fact = draft.data
    if fact.station is None:
        return line
    if isinstance(fact, WorkCorrected):
        entry = next((one for one in line.waiting.values() if fact.corrects in one.ids), None)
        correct = partial(_corrected, entry=entry, correction=fact)
        return _apart(line, fact, correct) if entry and entry.earlier_run else correct(line)
    if isinstance(fact, WorkReported | MaterialConsumed) and fact.earlier_run:
        return _apart(line, fact, partial(_entered, fact=fact))
    return _entered(line, fact)


def _entered(line: Line, fact: Fact) -> Line:
    """The line with what happened, of a time that is past."""
    name = fact.station or ""
    line = aside.after(line, fact)
    station = line.station(name)
    match fact:
        case WorkReported():
            line, station = serials.reported(line, fact), _with_report(station, fact)
        case MaterialConsumed():
            station = lots.consumed(_not_to_be_undone(station, fact.caused_by), fact)
        case CountRecorded() if fact.quantity is not None:
            accepted = partial(quantities.accepted, fact=fact, quantity=fact.quantity)
            station = station.with_held(key_of(fact), accepted)
    return _with(line, name, station)


def settled(line: Line, fact: ReviewSettled) -> Line:
    """The line after a settlement: a remainder of a completion that somebody decided on is the job's no more.

    The completion is not undone any more; where it is reversed, its job does not propose these pieces.
    """
    for one in line.waiting.values():
        if one.kind == "count" and one.caused_by is not None and set(one.ids).intersection(fact.settles):
            station = _not_to_be_undone(line.station(one.station), one.caused_by)
            line = _with(line, one.station, _without_rest(line, station, one))
    return line


def _without_rest(line: Line, station: Station, rest: Waiting) -> Station:
    """The station whose completed job has not counted a remainder, where its completion may be reversed."""
    entry = next((one for one in line.waiting.values() if rest.caused_by in one.ids), None)
    name, quantity = rest.counter, rest.quantity
    if entry is None or entry.job is None or entry.earlier_run or name is None or quantity is None:
        return station

    def less(job: Job) -> Job:
        return replace(job, counted={**job.counted, name: job.counted.get(name, ZERO) - quantity})

    return station.with_held(entry.job, less)


def _apart(line: Line, fact: Fact, change: Callable[[Line], Line]) -> Line:
    """The line after a fact of an earlier run of an order: the job that began anew has no part in it."""
    name = fact.station or ""
    before = line.station(name)
    line = change(_with(line, name, before.without(key_of(fact))))
    after = line.station(name)
    restored = replace(
        after,
        jobs=tuple(after.find(job.key) or job for job in before.jobs),
        closed=before.closed if after.closed is None else after.closed,
        doubted=tuple(after.held(job.key) or job for job in before.doubted),
    )
    return _with(line, name, restored)


def _with_report(station: Station, fact: WorkReported, sign: int = 1) -> Station:
    def booked(job: Job) -> Job:
        job = lots.asked(quantities.with_outputs(job, fact, sign), fact, sign)
        job = resources.spent(job, fact.resources, sign)
        sums = {name: job.counted.get(name, ZERO) + sign * more for name, more in fact.counted.items()}
        return replace(job, counted={**job.counted, **sums}) if sums else job

    return known.made(station.with_held(key_of(fact), booked), fact, sign)


def _corrected(line: Line, entry: Waiting | None, correction: WorkCorrected) -> Line:
    original = waiting.original(entry) if entry else None
    name = correction.station or ""
    station = _not_to_be_undone(line.station(name), correction.corrects)
    if entry is None or original is None:
        return _with(line, name, station)
    if isinstance(original, MaterialConsumed):
        station = _not_to_be_undone(station, original.caused_by)
    consumed = [original, *(msgspec.json.decode(one, type=MaterialConsumed) for _, one in entry.caused)]
    for fact in consumed:
        if isinstance(fact, MaterialConsumed):
            station = lots.consumed(station, fact, -1)
            if correction.reason == "did_not_occur" and fact is original:
                station = _not_asked_again(station, fact)
    if isinstance(original, WorkReported):
        station = _with_report(station, original, -1)
    if isinstance(original, WorkCompleted) and correction.reason == "did_not_occur":
        station = closing.reopened(station, key_of(original))
    line = _with(line, name, station)
    moved = [msgspec.json.decode(one, type=OutputReclassified) for _, one in entry.moved]
    return serials.taken_back(aside.taken_back(line, original, moved), original)


def _not_asked_again(station: Station, fact: MaterialConsumed) -> Station:
    """The station whose job does not consume with its next report what was said not to have been used."""
    line_ = fact.bom_line
    if line_ is None or fact.method != "backflushed":
        return station

    need = Need(bom_line=line_, quantity=fact.quantity, unit=fact.unit)

    def less(job: Job) -> Job:
        return replace(job, required=lots.with_need(job.required, need, -1))

    return station.with_held(key_of(fact), less)


def _not_to_be_undone(station: Station, id_: str | None) -> Station:
    """The station where a fact is no more to be undone: it was cancelled, or part of what it caused."""
    last = station.last
    return replace(station, last=None) if last is not None and last.id == id_ else station


def _with(line: Line, name: str, station: Station) -> Line:
    return replace(line, stations={**line.stations, name: station})
