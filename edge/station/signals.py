"""Signals of the machine: counters, the running signal and the energy meter, as evidence and figures.

Movement gathers in `Live` and is recorded every 30 s while there is any, at every boundary (start, phase,
pause, report, completion), and when the machine has begun to run or come to rest: after a crash only what
the journal knows can show that it ran on both sides. What nobody owns becomes `count.unattributed`. Machine
time and energy without a job are recorded without one. A gap in the running signal of at most 60 s with the
machine running on both sides counts as running; a longer one is not counted and marks the record incomplete.
"""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from msgspec.structs import replace

from edge.events import CountRecorded, CountUnattributed, plain, seconds
from edge.readings import Moment, Quality, Reading
from edge.station import counters
from edge.station.evolve import owner
from edge.station.state import ZERO, LiveCounter, LiveRunning, PendingReport, PendingSetup
from edge.station.work import Work

RECORD_MS = 30_000
GAP_MS = 60_000
STEADY_MS = {True: 1_000, False: 3_000}  # how long the running signal stands before its change is recorded
_WATT_HOUR = Decimal("0.001")
_ENERGY_SLACK_KWH = Decimal("0.1")
_PIECES_SLACK = Decimal(2)
_ABSURD = Decimal(10**18)  # beyond what a fact can say


def observe(work: Work, readings: Sequence[Reading]) -> None:
    """Take what the devices said about this station's tags."""
    for reading in readings:
        tag = reading.name
        for name, counter in work.settings.counters.items():
            if tag == counter.tag:
                _count(work, name, reading, _piece_rule(work, name))
        if tag == work.settings.signals.running:
            _run(work, reading)
        if tag == work.settings.signals.energy:
            _count(work, "energy", reading, _energy_rule(work))


def tick(work: Work) -> None:
    """Record movement that has waited long enough."""
    if figure_shown(work):
        return
    due = work.live.recorded_at is None or work.now.since(work.live.recorded_at) >= RECORD_MS
    turned = _turned(work)
    if (due and _moving(work)) or turned:
        if work.live.running and work.live.running.good:
            _run_on(work)
        record(work, turned=turned)


def stopping(work: Work) -> None:
    """Record what moved before the process ends; counters that answer lose nothing by it."""
    if work.live.running and work.live.running.good:
        _run_on(work)
    record(work, turned=True)


def boundary(work: Work, *, pieces: bool = True) -> None:
    """Record the counters' values now, before the station changes hands or reports.

    Without `pieces` their movement waits: it belongs to what comes after.
    """
    _run_on(work)
    record(work, pieces=pieces, at_boundary=True, turned=True)


def record(work: Work, *, pieces: bool = True, at_boundary: bool = False, turned: bool = False) -> None:
    """Draft `count.recorded` for what moved; at a boundary also for counters that are silent."""
    for name in [*(work.settings.counters if pieces else ()), "energy"]:
        _record_counter(work, name, at_boundary=at_boundary)
    _record_running(work, turned)
    work.live = replace(work.live, recorded_at=work.now)


def record_late_pieces(work: Work) -> None:
    """Draft what the piece counters moved after the figure that was shown: it is nobody's."""
    for name in work.settings.counters:
        _record_counter(work, name, late=True)


def known(work: Work, name: str) -> bool:
    """Whether the device of `running` or `energy` answers now: standing still is then a measured nought."""
    live = work.live.running if name == "running" else work.live.counters.get(name)
    return live is not None and live.good


def figure_shown(work: Work) -> bool:
    """Whether a total waits for OK: what the counter moves from then on is not in it."""
    pending = work.live.pending
    late = (
        isinstance(pending, PendingReport)
        and pending.kind in ("done", "switch")
        and pending.total is not None
    )
    return late or isinstance(pending, PendingSetup)


def _piece_rule(work: Work, name: str) -> counters.Rule:
    counter = work.settings.counters[name]
    modulus = None if counter.modulus is None else Decimal(counter.modulus)
    return counters.Rule(counter.max_rate_per_min / 60, _PIECES_SLACK, modulus, counter.reset)


def _energy_rule(work: Work) -> counters.Rule:
    signals = work.settings.signals
    return counters.Rule(signals.rated_kw / 3600, _ENERGY_SLACK_KWH, signals.energy_modulus, reset=False)


def _moving(work: Work) -> bool:
    running = work.live.running
    return any(live.delta for live in work.live.counters.values()) or bool(running and running.ms)


def _turned(work: Work) -> bool:
    """Whether the machine began to run, or came to rest, and the journal does not know it yet."""
    live, recorded = work.live.running, work.station.counters.get("running")
    if live is None or not live.good or (recorded is not None and (recorded.raw == 1) == live.on):
        return False
    return work.now.since(live.since) >= STEADY_MS[live.on]


def _count(work: Work, name: str, reading: Reading, rule: counters.Rule) -> None:
    live = work.live.counters.get(name)
    raw = _raw(reading, name)
    if raw is None:
        if live is not None:
            _set(work, name, replace(live, good=False))
        return
    before = live or _recorded(work, name)
    if before is None:
        _set(work, name, LiveCounter(raw, reading.earliest))
        _draft(work, name, raw, ZERO)  # the baseline counts nothing, but a restart goes on from it
        return
    move = counters.move(rule, before.raw, raw, _at_least_ms(work, reading.received, before.at))
    if move.delta is None:
        _set(work, name, before)
        _record_counter(work, name)
        _hold(work, name, before.raw, raw, move.kind)
        _set(work, name, LiveCounter(raw, reading.earliest))
        return
    _set(work, name, LiveCounter(raw, reading.earliest, before.delta + move.delta))
    recorded = work.station.counters.get(name)
    if recorded is not None and recorded.silent:
        # At once: only what moved during the silence may belong to somebody else.
        _record_counter(work, name, always=True)


def _at_least_ms(work: Work, now: Moment, earlier: Moment) -> int:
    """How long the counter had to move; over a boot that nobody timed at least as long as this boot lasts."""
    elapsed_ms = replace(now, sound=work.now.sound).elapsed(earlier)
    return now.monotonic_ms if elapsed_ms is None else elapsed_ms


def _raw(reading: Reading, name: str) -> Decimal | None:
    """The raw value as a decimal; None where it cannot be trusted."""
    if reading.quality is not Quality.good or isinstance(reading.value, bool | str) or reading.value is None:
        return None
    try:
        value = plain(Decimal(repr(reading.value)))
        if abs(value) >= _ABSURD:  # a word order read wrong, for one
            return None
        return value.quantize(_WATT_HOUR) if name == "energy" else value
    except (InvalidOperation, ValueError):
        return None


def _recorded(work: Work, name: str) -> LiveCounter | None:
    """After a restart the counter goes on from its last recorded value."""
    counter = work.station.counters.get(name)
    return LiveCounter(counter.raw, counter.at) if counter else None


def _set(work: Work, name: str, live: LiveCounter) -> None:
    work.live = replace(work.live, counters={**work.live.counters, name: live})


def _record_counter(
    work: Work, name: str, *, at_boundary: bool = False, always: bool = False, late: bool = False
) -> None:
    live, recorded = work.live.counters.get(name), work.station.counters.get(name)
    if live is None:
        if at_boundary and recorded is not None and not recorded.silent:
            # Not read since the restart: what it moved before this boundary cannot be told from what comes.
            _draft(work, name, recorded.raw, ZERO, silent=True)
        return
    silent = at_boundary and not live.good
    news = always or (silent and recorded is not None and not recorded.silent)
    if live.delta or news:
        _draft(work, name, live.raw, live.delta, silent=silent, late=late)
        _set(work, name, replace(live, delta=ZERO))


def _draft(
    work: Work, name: str, to: Decimal, delta: Decimal, *, silent: bool = False, late: bool = False
) -> None:
    recorded = work.station.counters.get(name)
    energy = name == "energy"
    crossed = recorded is not None and recorded.crossed
    owned = owner(work.station, name)
    late = late or (figure_shown(work) and not energy and not silent and bool(delta))
    job = work.station.find(owned) if owned and not crossed and not late else None
    units = Decimal(1) if energy else work.settings.counters[name].units_per_count
    work.emit(
        CountUnattributed if delta and job is None and not energy else CountRecorded,
        job=job,
        origin="signal",
        counter=name,
        from_=recorded.raw if recorded else None,
        to=to,
        delta=delta,
        quantity=plain(delta * units),
        unit="KWH" if energy else job.unit if job else None,
        phase=job.phase if job else None,
        incomplete=silent,
    )


def _hold(work: Work, name: str, before: Decimal, to: Decimal, kind: counters.Kind) -> None:
    work.emit(
        CountUnattributed,
        origin="signal",
        counter=name,
        from_=before,
        to=to,
        delta=to - before,
        held=kind,
    )


def _run(work: Work, reading: Reading) -> None:
    live = work.live.running or _recorded_running(work)
    if reading.quality is not Quality.good or reading.value not in (0, 1):
        work.live = replace(work.live, running=replace(live, good=False) if live else None)
        return
    on, at = bool(reading.value), reading.received
    if live is not None and at.boot_id == live.at.boot_id and at.monotonic_ms < live.at.monotonic_ms:
        at = live.at  # a reading that waited behind a slow commit: its time is counted already
    if live is None:
        work.live = replace(work.live, running=LiveRunning(on, at, at))
        return
    ms, incomplete = _ran(live, on, replace(at, sound=work.now.sound))
    since = live.since if live.on == on and live.since.boot_id == at.boot_id else at
    running = LiveRunning(on, at, since, live.ms + ms, True, live.incomplete or incomplete)
    work.live = replace(work.live, running=running)


def _ran(live: LiveRunning, on: bool, at: Moment) -> tuple[int, bool]:
    """Running time since the signal was last seen, and whether some is missing."""
    gap_ms = at.elapsed(live.at)
    allowed_ms = GAP_MS + (RECORD_MS if live.restored else 0)
    if not live.on:
        return 0, not live.good and (gap_ms is None or gap_ms > allowed_ms)
    counts = gap_ms is not None and (live.good or on) and gap_ms <= allowed_ms
    return (gap_ms or 0, False) if counts else (0, True)


def _recorded_running(work: Work) -> LiveRunning | None:
    recorded = work.station.counters.get("running")
    # Not good: the collector did not see the machine since.
    if recorded is None:
        return None
    return LiveRunning(recorded.raw == 1, recorded.at, recorded.at, good=False, restored=True)


def _run_on(work: Work) -> None:
    """Bring running time up to this moment, so that each side of a boundary gets its own."""
    live = work.live.running
    if live is None or (live.at.boot_id == work.now.boot_id and live.at.monotonic_ms > work.now.monotonic_ms):
        return
    if live.good:
        ms = work.now.since(live.at) if live.on and work.now.since(live.at) <= GAP_MS else 0
        work.live = replace(work.live, running=replace(live, at=work.now, ms=live.ms + ms))
    else:
        # What the silent machine did cannot be told apart on the two sides.
        work.live = replace(work.live, running=replace(live, on=False, at=work.now, incomplete=live.on))


def _record_running(work: Work, turned: bool) -> None:
    live, before = work.live.running, work.station.counters.get("running")
    if live is None:
        return
    unknown = before is None or (before.raw == 1) != live.on
    if not (live.ms or live.incomplete or (turned and live.good and unknown)):
        return
    owned = owner(work.station, "running")
    job = work.station.find(owned) if owned else None
    work.emit(
        CountRecorded,
        job=job,
        origin="signal",
        counter="running",
        from_=before.raw if before else None,
        to=Decimal(int(live.on)),
        delta=seconds(live.ms),
        quantity=seconds(live.ms),
        unit="SEC",
        phase=job.phase if job else None,
        incomplete=live.incomplete,
    )
    work.live = replace(work.live, running=replace(live, ms=0, incomplete=False))
