"""Whose people's time is, as far as facts tell: to the millisecond, nothing lost and nothing given twice.

Between two facts each person present has the time that passed. It is their job's; where they work on several
jobs, edge-wide, it gathers in a pool, which is divided when one of these jobs is reported: by the standard
hours of what came out of each meanwhile where that is known of all of them, else equally. Whoever works on
nothing, is on a break, or was signed on for so long that the badge was asked for, has idle time. Over a boot
of which nobody knows how long it took, or that took longer than a shift, nobody is given anything: the jobs'
time has a gap then.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate, pairwise
from math import ceil

from msgspec.structs import replace

from edge.events import CountRecorded, Output, Phase, TimeUnassigned, WorkReported
from edge.readings import Moment
from edge.station.state import (
    MACHINE,
    SWITCHED,
    ZERO,
    Idle,
    Job,
    JobKey,
    Labour,
    Line,
    Person,
    Pool,
    Share,
    Station,
)

LONGEST_ABSENCE_MS = 12 * 3_600_000
UNPAID = "unpaid"  # the idle time of an unpaid break; `break.taken` carries it
_REPORTED = ""  # among a share's counters: what reports said came out

Gains = dict[str, dict[JobKey, list[Labour]]]


def passed(line: Line, at: Moment, *, known: bool = True) -> Line:
    """Give the time since the last fact to whom it belongs; `known`: whether people did as facts say."""
    elapsed_ms = _elapsed_ms(line, at) if known else None
    if elapsed_ms is None:
        stations = {name: _with_gap(station) for name, station in line.stations.items()}
        return replace(line, stations=stations, at=at)
    if not elapsed_ms or line.at is None:
        return line if line.at and line.at.boot_id == at.boot_id else replace(line, at=at)
    gains: Gains = {}
    idle: list[Idle] = []
    pools = {(pool.operator, pool.places): pool for pool in line.pools}
    for operator, places in _present(line).items():
        rests = _rests(line, operator, places)
        if rests:
            idle.append(Idle(operator, *rests, elapsed_ms))
        elif len(places) == 1:
            name, job = places[0]
            gained = Labour(operator, job.phase, elapsed_ms)
            gains.setdefault(name, {}).setdefault(job.key, []).append(gained)
        else:
            key = operator, _keys(places)
            pool = pools.get(key) or Pool(operator, tuple(Share(*place) for place in key[1]), line.at)
            pools[key] = replace(pool, ms=pool.ms + elapsed_ms)
    stations = {
        name: _with_time(station, gains.get(name, {}), 0 if _on_break(line) else elapsed_ms)
        for name, station in line.stations.items()
    }
    return replace(line, stations=stations, at=at, pools=tuple(pools.values()), idle=_idled(line.idle, idle))


def timed(line: Line, at: Moment) -> bool:
    """Whether somebody knows how long it took from the last fact to this moment."""
    return _elapsed_ms(line, at) is not None


def divided(line: Line, station: str, key: JobKey, outputs: Iterable[Output] = ()) -> Line:
    """Give each job its part of the pools that a report of one of them, with these outputs, ends."""
    line = _made(line, station, key, _REPORTED, _quantity(outputs))
    ended = [pool for pool in line.pools if any((s.station, s.job) == (station, key) for s in pool.shares)]
    if not ended:
        return line
    gains: Gains = {}
    for pool in ended:
        for share, ms in zip(pool.shares, parts(pool.ms, _weights(line, pool, (station, key))), strict=True):
            gained = Labour(pool.operator, share.phase, ms)
            gains.setdefault(share.station, {}).setdefault(share.job, []).append(gained)
    stations = {
        name: _with_time(one, gains[name], 0) if name in gains else one for name, one in line.stations.items()
    }
    return replace(line, stations=stations, pools=tuple(pool for pool in line.pools if pool not in ended))


def reported(line: Line, station: str, key: JobKey, fact: WorkReported) -> Line:
    """The pools after a report: one with resources divides them."""
    if not line.pools:
        return line
    outputs = (*fact.outputs, *fact.reworked)
    if fact.resources is None:
        return _made(line, station, key, _REPORTED, _quantity(outputs))
    return divided(line, station, key, outputs)


def counted(line: Line, station: str, key: JobKey, fact: CountRecorded) -> Line:
    """The pools after a counter moved: what came out while somebody worked on several jobs."""
    if not line.pools or fact.counter in MACHINE or fact.phase == "setup" or not fact.quantity:
        return line
    if fact.bom_line is not None:
        return line  # material that went in
    return _made(line, station, key, fact.counter, fact.quantity, only_now=True)


def told(line: Line, operator: str, category: str, reason: str | None, ms: int) -> Line:
    """Idle time that a fact carries now."""
    held = next(
        (i for i in line.idle if (i.operator, i.category, i.reason) == (operator, category, reason)), None
    )
    if held is None:
        return line
    rest = replace(held, ms=held.ms - ms)
    kept = tuple(rest if one is held else one for one in line.idle)
    return replace(line, idle=tuple(one for one in kept if one.ms))


def unassigned(line: Line, fact: TimeUnassigned) -> Line:
    """The same for a `time.unassigned` fact."""
    return told(line, fact.operator or "", fact.category, fact.reason, int(fact.s * 1000))


def joined(line: Line, operator: str, at: Moment) -> Line:
    """Somebody's badge was scanned to sign on, here or at a further station."""
    return replace(line, people={**line.people, operator: Person(at)})


def left(line: Line, operator: str) -> Line:
    """Somebody signed off at a station; present is who is signed on at any."""
    if any(operator in station.crew for station in line.stations.values()):
        return line
    return replace(line, people={name: one for name, one in line.people.items() if name != operator})


def doubted(line: Line, operator: str) -> Line:
    """Somebody is asked for their badge: from here their time is no job's."""
    person = line.people.get(operator)
    if person is None:
        return line
    return replace(line, people={**line.people, operator: replace(person, doubted=True)})


def summed(held: tuple[Labour, ...], more: Iterable[Labour], sign: int = 1) -> tuple[Labour, ...]:
    """Labour by person and phase, more of it or less."""
    sums: dict[tuple[str, Phase], int] = {(one.operator, one.phase): one.ms for one in held}
    for one in more:
        sums[one.operator, one.phase] = sums.get((one.operator, one.phase), 0) + sign * one.ms
    return tuple(Labour(operator, phase, ms) for (operator, phase), ms in sums.items() if ms)


def _elapsed_ms(line: Line, at: Moment) -> int | None:
    if line.at is None:
        return 0
    elapsed_ms = at.elapsed(line.at)
    if elapsed_ms is None or line.at.boot_id == at.boot_id:
        return elapsed_ms
    return elapsed_ms if elapsed_ms <= LONGEST_ABSENCE_MS else None


def _present(line: Line) -> dict[str, list[tuple[str, Job]]]:
    """Who is signed on anywhere, and on which jobs they work, edge-wide."""
    present: dict[str, list[tuple[str, Job]]] = {}
    for name, station in line.stations.items():
        working = [(name, job) for job in station.jobs if job.working]
        for operator in station.crew:
            present.setdefault(operator, []).extend(working)
    return present


def _on_break(line: Line) -> bool:
    return line.period is not None and line.period.on_break is not None


def _rests(line: Line, operator: str, places: Sequence[object]) -> tuple[str, str | None] | None:
    """Category and reason of a person's time that no job has; None while they work."""
    person = line.people.get(operator)
    if person is not None and person.doubted:
        return "unconfirmed", None
    if line.period is not None and line.period.on_break is not None:
        return "break" if line.period.on_break == "paid" else UNPAID, None
    if places:
        return None
    theirs = (station for station in line.stations.values() if operator in station.crew)
    reasons = (job.paused for station in theirs for job in station.jobs)
    paused = next((reason for reason in reasons if reason not in (None, SWITCHED)), None)
    return ("paused", paused) if paused else ("waiting", None)


def _keys(places: Iterable[tuple[str, Job]]) -> tuple[tuple[str, JobKey, Phase], ...]:
    return tuple((name, job.key, job.phase) for name, job in places)


def _idled(held: tuple[Idle, ...], more: list[Idle]) -> tuple[Idle, ...]:
    if not more:
        return held
    sums = {(one.operator, one.category, one.reason): one.ms for one in held}
    for one in more:
        key = one.operator, one.category, one.reason
        sums[key] = sums.get(key, 0) + one.ms
    return tuple(Idle(*key, ms) for key, ms in sums.items())


def _with_time(station: Station, gains: dict[JobKey, list[Labour]], setup_ms: int) -> Station:
    def gained(job: Job) -> Job:
        labour = summed(job.labour, gains[job.key]) if job.key in gains else job.labour
        in_setup = job.phase == "setup" and job.paused is None
        return replace(job, labour=labour, setup_ms=job.setup_ms + (setup_ms if in_setup else 0))

    return replace(station, jobs=tuple(map(gained, station.jobs))) if station.jobs else station


def _with_gap(station: Station) -> Station:
    """The station after a stretch of unknown length."""
    jobs = tuple(
        replace(job, gap=job.gap or job.phase == "setup" or bool(station.crew)) if job.working else job
        for job in station.jobs
    )
    return replace(station, jobs=jobs)


def _made(
    line: Line, station: str, key: JobKey, counter: str, quantity: Decimal, *, only_now: bool = False
) -> Line:
    """Note in the pools what came out of a job; `only_now`: in those that time goes into at present."""
    if not line.pools or not quantity:
        return line
    present = {operator: _keys(places) for operator, places in _present(line).items()} if only_now else {}

    def noted(share: Share) -> Share:
        if (share.station, share.job) != (station, key):
            return share
        return replace(share, made={**share.made, counter: share.made.get(counter, ZERO) + quantity})

    pools = tuple(
        pool
        if only_now and present.get(pool.operator) != pool.places
        else replace(pool, shares=tuple(map(noted, pool.shares)))
        for pool in line.pools
    )
    return replace(line, pools=pools)


def _quantity(outputs: Iterable[Output]) -> Decimal:
    return sum((one.quantity for one in outputs if one.role == "main"), ZERO)


def _weights(line: Line, pool: Pool, reported: tuple[str, JobKey]) -> list[Decimal]:
    """The standard hours that came out of each job meanwhile; all alike where one of them is unknown."""
    weights = [_standard(line, pool, share, reported) for share in pool.shares]
    known = [weight for weight in weights if weight is not None]
    return known if len(known) == len(weights) and sum(known) > 0 else [Decimal(1)] * len(weights)


def _standard(line: Line, pool: Pool, share: Share, reported: tuple[str, JobKey]) -> Decimal | None:
    """The standard time of a share's output, in s; None where the standard or the output is not known.

    Without a counter only the report that divides the pool says what came out, if it began with the pool.
    """
    station = line.station(share.station)
    job = station.find(share.job)
    if job is None or job.labour_s is None or share.phase == "setup":
        return None
    if any(counter not in MACHINE for counter in station.counters):
        made = max((share.made[counter] for counter in share.made if counter != _REPORTED), default=ZERO)
    elif (share.station, share.job) == reported and job.since and _not_before(job.since, pool.since):
        made = share.made.get(_REPORTED, ZERO)
    else:
        return None
    return max(made, ZERO) * job.labour_s


def _not_before(one: Moment, other: Moment) -> bool:
    return one.boot_id == other.boot_id and one.monotonic_ms >= other.monotonic_ms


def parts(ms: int, weights: Sequence[Decimal]) -> list[int]:
    """Whole milliseconds in proportion; their sum is exact, and what is odd goes to the first."""
    total = Fraction(sum(weights, ZERO))
    ends = [ceil(ms * Fraction(reached) / total) for reached in accumulate(weights)]
    return [end - begin for begin, end in pairwise([0, *ends])]
