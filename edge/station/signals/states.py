"""The machine's state by its signals: communication lost > fault > set-up > running > idle.

A signal counts as on after it stood for 1 s, as off after 3 s (facts: machine signals). Machine time is not
debounced: it runs while the signals say "running" and neither fault nor set-up.
"""

from typing import Literal

from msgspec.structs import replace

from edge.readings import Moment, Quality, Reading
from edge.settings import Signals
from edge.station.live import Live, LiveSignal
from edge.station.work import Work

Word = Literal["fault", "setup", "running"]
State = Literal["lost", "idle"] | Word
STEADY_MS = {True: 1_000, False: 3_000}  # how long a signal stands before its change counts
_WORDS: tuple[Word, ...] = ("fault", "setup", "running")  # by priority


def concerns(signals: Signals, tag: str) -> bool:
    """Whether a tag says something about the machine's state."""
    return tag in (signals.running, signals.fault, signals.setup, signals.state and signals.state.tag)


def take(work: Work, reading: Reading) -> None:
    """Remember what a reading says about the signals."""
    signals = work.settings.signals
    found: dict[Word, bool | None] = {}
    for word in _WORDS:
        if signals.state is not None:
            values = (str(value) for value in getattr(signals.state, word))
            found[word] = None if _silent(reading) else _value(reading) in values
        elif getattr(signals, word) == reading.name:
            on_off = not _silent(reading) and reading.value in (0, 1)
            found[word] = bool(reading.value) if on_off else None
    told = {word: _told(work.live.signals.get(word), on, work.now) for word, on in found.items()}
    changes = {word: live for word, live in told.items() if live is not None}
    work.live = replace(work.live, signals={**work.live.signals, **changes})


def runs(work: Work) -> bool | None:
    """Whether machine time runs by what was read last; None while a signal is not known."""
    words = _configured(work.settings.signals)
    known = [work.live.signals.get(word) for word in words]
    if "running" not in words or any(one is None or not one.good for one in known):
        return None
    on = {word for word, one in zip(words, known, strict=True) if one and one.on}
    return on == {"running"}


def state(signals: Signals, live: Live, now: Moment) -> State | None:
    """The machine's state at a moment; None where no signal says it."""
    words = _configured(signals)
    if not words:
        return None
    known = {word: live.signals.get(word) for word in words}
    if any(one is None or not one.good for one in known.values()):
        return "lost"
    for word in _WORDS:
        one = known.get(word)
        if one is not None and _steady(one, now):
            return word
    return "idle"


def _configured(signals: Signals) -> tuple[Word, ...]:
    return tuple(word for word in _WORDS if signals.state is not None or getattr(signals, word) is not None)


def _silent(reading: Reading) -> bool:
    return reading.quality is not Quality.good or reading.value is None


def _value(reading: Reading) -> str:
    """A state as the configuration names it: a whole number without a point."""
    value = reading.value
    whole = isinstance(value, bool | int) or (isinstance(value, float) and value.is_integer())
    return str(int(value)) if whole and value is not None else str(value)


def _told(held: LiveSignal | None, on: bool | None, now: Moment) -> LiveSignal | None:
    if on is None:
        return replace(held, good=False) if held else None
    if held is None or not held.good:
        return LiveSignal(on, now, on)  # first seen: nothing to wait for
    if held.on == on:
        return held
    return LiveSignal(on, now, _steady(held, now))


def _steady(signal: LiveSignal, now: Moment) -> bool:
    """What a signal counts as: a change only after it has stood."""
    return signal.on if now.since(signal.since) >= STEADY_MS[signal.on] else signal.was
