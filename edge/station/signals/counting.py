"""What a counter's or meter's reading moves, by the delta rule (edge/station/counters.py)."""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import partial

from msgspec.structs import replace

from edge.events import plain
from edge.readings import Moment, Quality, Reading
from edge.station import counters
from edge.station.live import LiveCounter
from edge.station.signals import jumping, recording, sharing
from edge.station.state import ZERO
from edge.station.work import Work

Moves = Callable[[Decimal, Decimal, int], counters.Move]
_WATT_HOUR = Decimal("0.001")
_ENERGY_SLACK_KWH = Decimal("0.1")
_PIECES_SLACK = Decimal(2)
_UNHEARD_MS = 120_000  # what moves may be recorded so much later: a record's interval, and a slow poll's
_ABSURD = Decimal(10**18)  # beyond what a fact can say


def count(work: Work, name: str, reading: Reading) -> None:
    """Gather what counter `name` (or the meter `energy`) moved; hold what a person must decide."""
    rule = _energy_rule(work) if name == "energy" else _piece_rule(work, name)
    moved = take(
        work, name, reading, partial(counters.move, rule), _grain(work) if name == "energy" else None
    )
    if moved and name != "energy":
        work.live = replace(work.live, moved_at=work.now)


def take(
    work: Work, name: str, reading: Reading, move: Moves, grain: Decimal | None = None
) -> Decimal | None:
    """Gather what a reading moves by a rule; returns the movement, None where there is none to tell.

    The rule is given raw value before and now, and the milliseconds between them at least.
    """
    live = work.live.counters.get(name)
    raw = raw_of(reading, grain)
    if raw is None:
        if live is not None:
            recording.keep(work, name, replace(live, good=False))
        return None
    before = live or _recorded(work, name)
    if before is None:
        recording.keep(work, name, LiveCounter(raw, reading.earliest))
        recording.draft(work, name, raw, ZERO)  # the baseline counts nothing, but a restart goes on from it
        return None
    moved = move(before.raw, raw, _at_least_ms(work, reading.received, before.at))
    if moved.delta is None:
        recording.keep(work, name, before)
        _hold(work, name, raw, reading, moved)
        return None
    live = jumping.counted(before, moved, raw)
    recording.keep(work, name, replace(live, raw=raw, at=reading.earliest, good=True))
    end_silence(work, name)
    return moved.delta


def end_silence(work: Work, name: str) -> None:
    """The device answers again: what it moved meanwhile is recorded."""
    recorded = work.station.counters.get(name)
    if recorded is not None and recorded.silent:
        # At once: only what moved during the silence may belong to somebody else.
        recording.record_counter(work, name, always=True)


def _piece_rule(work: Work, name: str) -> counters.Rule:
    counter = work.settings.counters[name]
    modulus = None if counter.modulus is None else Decimal(counter.modulus)
    return counters.Rule(counter.max_rate_per_min / 60, _PIECES_SLACK, modulus, counter.reset)


def _energy_rule(work: Work) -> counters.Rule:
    """In steps of the meter: all that hangs on it may draw its rated power."""
    signals = work.settings.signals
    kwh = signals.energy_multiplier
    per_s = sharing.rated_kw_on_meter(work) / 3600
    return counters.Rule(per_s / kwh, _ENERGY_SLACK_KWH / kwh, signals.energy_modulus, reset=False)


def _at_least_ms(work: Work, now: Moment, earlier: Moment) -> int:
    """How long the counter had to move; over a boot that nobody timed at least as long as this boot lasts."""
    elapsed_ms = replace(now, sound=work.now.sound).elapsed(earlier)
    return now.monotonic_ms if elapsed_ms is None else elapsed_ms


def _grain(work: Work) -> Decimal:
    """What the meter is read to: a watt-hour, in its steps; finer figures of a float are noise."""
    coarser = max(0, work.settings.signals.energy_multiplier.adjusted())
    return _WATT_HOUR.scaleb(-min(coarser, 3))


def raw_of(reading: Reading, grain: Decimal | None = None) -> Decimal | None:
    """The raw value as a decimal; None where it cannot be trusted."""
    if reading.quality is not Quality.good or isinstance(reading.value, bool | str) or reading.value is None:
        return None
    try:
        value = plain(Decimal(repr(reading.value)))
        if abs(value) >= _ABSURD:  # a word order read wrong, for one
            return None
        return value if grain is None else value.quantize(grain)
    except (InvalidOperation, ValueError):
        return None


def _recorded(work: Work, name: str) -> LiveCounter | None:
    """After a restart the counter goes on from its last recorded value.

    What moves is recorded, so that a counter stood there up to the last fact: it had no longer to move than
    since then. Else one that stood for hours might jump by hours of work, or fall back and pass for reset.
    """
    counter = work.station.counters.get(name)
    if counter is None:
        return None
    resumed = work.live.resumed
    if counter.silent or resumed is None:
        return LiveCounter(counter.raw, counter.at)
    wall_ms, monotonic_ms = resumed.wall_ms - _UNHEARD_MS, resumed.monotonic_ms - _UNHEARD_MS
    heard = replace(resumed, wall_ms=wall_ms, monotonic_ms=monotonic_ms)
    earlier = heard.boot_id == counter.at.boot_id and heard.monotonic_ms < counter.at.monotonic_ms
    return LiveCounter(counter.raw, counter.at if earlier else heard)


def _hold(work: Work, name: str, raw: Decimal, reading: Reading, moved: counters.Move) -> None:
    """Leave a movement to a person: at once, but together with more of a counter that goes on jumping."""
    if work.live.counters[name].held is None:
        recording.record_counter(work, name)  # what moved before is in no doubt
    live = jumping.held(work.live.counters[name], moved, raw, work.now)
    recording.keep(work, name, replace(live, raw=raw, at=reading.earliest, good=True))
    if not jumping.goes_on(live):
        recording.record_held(work, name)
