"""Counters that jump: what of them a person must decide on is recorded at once, but not each jump for ever.

Two registers that a device mixes up make a counter jump with every reading. The first jumps are facts of
their own; those of a counter that goes on are gathered, and recorded together with what moves beside them, at
every boundary, when it stands still again, and every quarter of an hour. They add up: no jump is lost.
"""

from decimal import Decimal

from msgspec.structs import replace

from edge.readings import Moment
from edge.station import counters
from edge.station.live import Held, LiveCounter
from edge.station.state import ZERO

SOON_MS = 60_000  # jumps so close on each other are one trouble
ALONE = 3  # so many of them are recorded one by one
REST_MS = 30_000  # a counter that did not jump for so long stands still again
TOGETHER_MS = 900_000


def held(live: LiveCounter, moved: counters.Move, raw: Decimal, now: Moment) -> LiveCounter:
    """The counter with a movement more that is held; its raw value is still the one before."""
    before = live.held
    soon = live.jumped_at is not None and now.since(live.jumped_at) < SOON_MS
    one = Held(
        kind="implausible" if moved.kind == "implausible" else "backwards",
        from_=live.raw,
        delta=raw - live.raw,
        doubted=moved.doubted,
        jumps=1,
        since=now,
    )
    both = one if before is None else _both(before, one)
    return replace(live, held=both, jumps=live.jumps + 1 if soon else 1, jumped_at=now)


def counted(live: LiveCounter, moved: counters.Move, raw: Decimal) -> LiveCounter:
    """The counter with a movement that counts; its raw value is still the one before."""
    gathered, delta = live.held, moved.delta or ZERO
    if gathered is not None and abs(raw - live.raw) != delta:
        # It came back by a reset, a rollover or a refill: how far it had jumped forward is no quantity.
        gathered = replace(gathered, doubted=None)
    return replace(live, delta=live.delta + delta, held=gathered)


def goes_on(live: LiveCounter) -> bool:
    """Whether a counter jumps again and again."""
    return live.jumps > ALONE


def due(live: LiveCounter, now: Moment) -> bool:
    """Whether what was gathered is to be recorded."""
    if live.held is None or live.jumped_at is None:
        return False
    return now.since(live.jumped_at) >= REST_MS or now.since(live.held.since) >= TOGETHER_MS


def _both(before: Held, one: Held) -> Held:
    whole = None if before.doubted is None or one.doubted is None else before.doubted + one.doubted
    return replace(
        before,
        kind="backwards" if "backwards" in (before.kind, one.kind) else "implausible",
        delta=before.delta + one.delta,
        doubted=whole,
        jumps=before.jumps + 1,
    )
