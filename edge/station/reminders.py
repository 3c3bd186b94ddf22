"""What the people at a station are reminded of: reports overdue, orders without people or pieces, material,
counters that cannot be relied on.

Pure. A look finds what holds now; a `Watch` remembers since when, and dies with the process. What a look
cannot know (a device is silent, lineside has just begun) is neither raised nor cleared.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from edge.masterdata import BomLine
from edge.readings import Moment
from edge.station.scans import beside
from edge.station.signals import jumping, sharing
from edge.station.state import ZERO, Job
from edge.station.texts import Text, say
from edge.station.texts import unit as named_unit
from edge.station.units import converted
from edge.station.work import Refused, Work, number

PREFIX = "station."
_MINUTE_MS = 60_000
_QUIET_MS = 10 * _MINUTE_MS  # a counter that stood for so long without a job is at rest
_CYCLES = 5  # a counter may stand for so many cycles of the standard
_DAY_MS = 86_400_000  # material that lasts so long is no reason to go and fetch more


class Reminder(msgspec.Struct, frozen=True):
    """What happened, and what to do."""

    text: Text
    hint: Text


class Stray(msgspec.Struct, frozen=True):
    """Movement of counters without a job, from the first to the last that was seen."""

    first: Moment
    last: Moment


class Watch(msgspec.Struct, frozen=True):
    """What was seen of a station up to now."""

    since: dict[str, Moment] = {}  # by what was found, since when it holds
    stray: Stray | None = None
    moved_at: Moment | None = None  # the last movement that is not looked at again


class Look(msgspec.Struct, frozen=True):
    """What a look found, by the key of its alert."""

    watch: Watch
    due: dict[str, Reminder]
    open: frozenset[str]  # what of it stands already stays: it holds, or nobody can tell


class _Found(msgspec.Struct, frozen=True):
    """A condition; without a reminder nobody can tell whether it holds."""

    key: str
    reminder: Reminder | None = None
    after_ms: int = 0


def look(work: Work, watch: Watch) -> Look:
    """What holds at a station now, and what of it has lasted long enough to be said."""
    watch = _strayed(work, watch)
    found = [
        _Found(f"{PREFIX}{work.name}.{one.key}", one.reminder, one.after_ms) for one in _all(work, watch)
    ]
    began = {one.key: watch.since.get(one.key, work.now) for one in found if one.reminder is not None}
    began |= {key: watch.since.get(key, work.now) for key in _stretches(work)}
    due = {
        one.key: one.reminder
        for one in found
        if one.reminder is not None and work.now.since(began[one.key]) >= one.after_ms
    }
    return Look(replace(watch, since=began), due, frozenset(one.key for one in found))


def _all(work: Work, watch: Watch) -> Iterator[_Found]:
    for job in work.station.jobs:
        yield from _report(work, job)
        yield from _crew(work, job)
        yield from _material(work, job)
    yield from _no_counts(work, watch)
    yield from _no_job(work, watch)
    yield from _jumping(work, watch)


def _report(work: Work, job: Job) -> Iterator[_Found]:
    """A figure is overdue: the quantity is made, the standard is used up, or a shift ended."""
    key, after_min = f"report.{_named(job)}", work.site.reminders.report_after_min
    if not after_min:
        return
    if job.paused is not None:
        yield _Found(key)
    elif text := _overdue(work, job):
        yield _Found(key, Reminder(text, say("remind_report_hint")), after_min * _MINUTE_MS)


def _overdue(work: Work, job: Job) -> Text | None:
    moved = sharing.with_movement(work, job)
    made = beside.good_by_counter(work, moved)
    made = job.good if made is None else made
    values = {"order": job.work_order, "operation": job.operation, "station": work.name}
    if not job.provisional and 0 < job.planned <= made:
        return say("remind_reached", made=number(made), planned=number(job.planned), **values)
    if not job.provisional and _beyond_standard(work, job):
        return say("remind_standard", percent=work.site.reminders.report_over_percent, **values)
    return say("remind_shift", **values) if job.due else None


def _beyond_standard(work: Work, job: Job) -> bool:
    """Whether people or machine have spent more on what is not reported than the standard of all of it."""
    operation = work.planned(job.key)
    left = job.planned - job.good - job.concession - job.scrap - job.rework
    if operation is None or left <= 0:
        return False
    allowed = left * (100 + work.site.reminders.report_over_percent) / 100
    labour_ms = sum(one.ms for one in work.with_time(job).labour if one.phase == "run")
    spent = ((operation.machine_s, job.machine_s), (operation.labour_s, Decimal(labour_ms) / 1000))
    return any(per and used is not None and used > per * allowed for per, used in spent)


def _crew(work: Work, job: Job) -> Iterator[_Found]:
    """A job is open and nobody is signed on."""
    after_min = work.site.reminders.no_operator_after_min
    if after_min and job.paused is None and not work.station.crew:
        text = say("remind_no_operator", order=job.work_order, operation=job.operation, station=work.name)
        reminder = Reminder(text, say("remind_no_operator_hint"))
        yield _Found(f"no_operator.{_named(job)}", reminder, after_min * _MINUTE_MS)


def _no_job(work: Work, watch: Watch) -> Iterator[_Found]:
    """Counters move, and no order is open that the pieces belong to."""
    after_min = work.site.reminders.no_job_after_min
    if not after_min or work.station.job is not None or not work.settings.main_counter:
        return
    stray = watch.stray
    if stray is None:
        began = watch.since.get(_idle_key(work), work.now)
        if work.now.since(began) < _QUIET_MS:
            yield _Found("no_job")
    elif stray.last.since(stray.first) >= after_min * _MINUTE_MS:
        reminder = Reminder(say("remind_no_job", station=work.name), say("remind_no_job_hint"))
        yield _Found("no_job", reminder)
    else:
        yield _Found("no_job")


def _jumping(work: Work, watch: Watch) -> Iterator[_Found]:
    """A counter or meter jumps again and again: what it says is not to be relied on."""
    for name in _counters(work):
        key, live = f"jumps.{name}", work.live.counters.get(name)
        if live is not None and live.jumped_at is not None:
            if jumping.goes_on(live) and work.now.since(live.jumped_at) < _QUIET_MS:
                text = say("remind_jumps", station=work.name, counter=name)
                yield _Found(key, Reminder(text, say("remind_jumps_hint")))
        elif work.now.since(watch.since.get(_steady_key(name), work.now)) < _QUIET_MS:
            yield _Found(key)


def _counters(work: Work) -> tuple[str, ...]:
    """All counters and meters of a station."""
    energy = ("energy",) if work.settings.signals.energy else ()
    return (*work.settings.counters, *work.settings.meters, *energy)


def _strayed(work: Work, watch: Watch) -> Watch:
    """The watch with what counters moved without a job."""
    moved_at = work.live.moved_at
    if work.station.job is not None:
        return replace(watch, stray=None, moved_at=moved_at)
    stray = watch.stray
    if moved_at is not None and moved_at != watch.moved_at:
        stray = Stray(stray.first if stray else moved_at, moved_at)
    if stray is not None and work.now.since(stray.last) >= _QUIET_MS:
        stray = None
    return replace(watch, stray=stray, moved_at=moved_at)


def _no_counts(work: Work, watch: Watch) -> Iterator[_Found]:
    """An order runs, and its counter stands."""
    after_min, name, job = work.site.reminders.no_counts_after_min, work.counter, work.station.job
    if not after_min or name is None or job is None or job.paused is not None or job.phase != "run":
        return
    key, live = f"no_counts.{_named(job)}", work.live.counters.get(name)
    began = watch.since.get(_run_key(work, job), work.now)
    moved_at = work.live.moved_at
    rest = began if moved_at is None or began.monotonic_ms > moved_at.monotonic_ms else moved_at
    if work.now.since(rest) >= max(after_min * _MINUTE_MS, _patience_ms(work, job, name)):
        values = {"order": job.work_order, "operation": job.operation, "station": work.name}
        minutes = work.now.since(rest) // _MINUTE_MS
        text = say("remind_no_counts", minutes=minutes, **values)
        silent = live is None or not live.good or work.day.on_break is not None
        yield _Found(key) if silent else _Found(key, Reminder(text, say("remind_no_counts_hint")))
    elif moved_at is None or work.day.on_break is not None:
        yield _Found(key)


def _patience_ms(work: Work, job: Job, name: str) -> int:
    """How long a slow machine may show no count."""
    operation = work.planned(job.key)
    cycle_s = (operation.machine_s if operation else None) or ZERO
    return int(cycle_s * sharing.units_per_count(work, name) * _CYCLES * 1000)


def _stretches(work: Work) -> Iterator[str]:
    """What a look must know the beginning of, though nobody is reminded of it."""
    yield from map(_steady_key, _counters(work))
    job = work.station.job
    if job is None:
        yield _idle_key(work)
    elif job.paused is None and job.phase == "run" and work.day.on_break is None:
        yield _run_key(work, job)


def _material(work: Work, job: Job) -> Iterator[_Found]:
    """What is mounted of a BOM line lasts for less than the time it takes to fetch more."""
    ahead_min = work.site.reminders.material_ahead_min
    if not ahead_min or job.paused is not None or job.provisional:
        return
    for line in _mountable(work, job):
        left = _lasting(work, job, line)
        if left is None:
            continue
        pieces, needed = left
        lasts_ms = pieces * _pace_ms(work, job)
        if pieces < needed and lasts_ms < ahead_min * _MINUTE_MS:
            yield _Found(f"material.{_named(job)}.{line.line}", _running_out(work, job, line, pieces))


def _mountable(work: Work, job: Job) -> Iterator[BomLine]:
    order = work.master.orders.get(job.work_order)
    for line in order.bom if order else ():
        if line.operation in (None, job.operation) and line.method != "scanned" and line.basis == "per_unit":
            yield line


def _lasting(work: Work, job: Job, line: BomLine) -> tuple[Decimal, Decimal] | None:
    """For how many pieces the mounted lots of a BOM line last, and how many are to be made still.

    None where nothing is mounted, or nobody knows how much.
    """
    lots = [lot for lot in work.station.mounted if lot.material in (line.material, *line.substitutes)]
    units = {lot.unit for lot in lots}
    (unit,) = units if len(units) == 1 else (None,)
    quantities = [lot.quantity for lot in lots if lot.quantity is not None]
    if unit is None or len(quantities) < len(lots) or line.quantity <= 0:
        return None
    try:
        each = converted(work.master, line.material, unit, line.quantity, line.unit)
    except Refused:  # the material does not have this unit: who mounts it is told
        return None
    made = _made(work, sharing.with_movement(work, job))
    pieces = sum(quantities, ZERO) / each - (made - _reported(job))
    return max(pieces, ZERO), job.planned - made


def _made(work: Work, job: Job) -> Decimal:
    """Pieces of all dispositions so far."""
    good = beside.good_by_counter(work, job)
    return _reported(job) if good is None else max(_reported(job), good + job.scrap + job.rework)


def _reported(job: Job) -> Decimal:
    return job.good + job.concession + job.scrap + job.rework


def _pace_ms(work: Work, job: Job) -> Decimal:
    """What a piece takes by the standard; a day where there is none: then only nothing left is a reason."""
    operation = work.planned(job.key)
    standards = (operation.machine_s, operation.labour_s) if operation else ()
    slowest = max((one for one in standards if one), default=None)
    return Decimal(_DAY_MS) if slowest is None else slowest * 1000


def _running_out(work: Work, job: Job, line: BomLine, pieces: Decimal) -> Reminder:
    text = say(
        "remind_material",
        material=line.material,
        station=work.name,
        pieces=number(pieces.to_integral_value(rounding="ROUND_FLOOR")),
        unit=named_unit(job.unit),
        order=job.work_order,
    )
    return Reminder(text, say("remind_material_hint", material=line.material))


def _named(job: Job) -> str:
    return f"{job.work_order}/{job.operation}"


def _idle_key(work: Work) -> str:
    return f"idle.{work.name}"


def _steady_key(counter: str) -> str:
    return f"steady.{counter}"


def _run_key(work: Work, job: Job) -> str:
    return f"run.{_named(job)}"
