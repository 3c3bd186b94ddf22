"""The rule by which a raw machine counter becomes a delta (facts: machine signals).

With `cap = rate × elapsed × 1.2 + slack`:
`0 ≤ d ≤ cap` counts d; `d < 0 and d + modulus ≤ cap` is a rollover; `d < 0` where a reset is allowed and the
current value is at most `cap` is a reset and counts the current value; anything else is held for a person and
counts nothing. A reset need not be seen at zero: polling misses it.
"""

from decimal import Decimal
from typing import Literal

import msgspec

_MARGIN = Decimal("1.2")
Kind = Literal["counted", "rollover", "reset", "implausible", "backwards"]


class Rule(msgspec.Struct, frozen=True):
    """What bounds a counter."""

    per_s: Decimal  # the most it may move in a second
    slack: Decimal  # what it may move at once, for jitter between polls
    modulus: Decimal | None = None
    reset: bool = True


class Move(msgspec.Struct, frozen=True):
    """What the counter did; `delta` is None where a person must decide."""

    kind: Kind
    delta: Decimal | None
    doubted: Decimal | None = None  # what it would be then, had it been plausible; None: no quantity


def move(rule: Rule, before: Decimal, current: Decimal, elapsed_ms: int) -> Move:
    """The move from `before` to `current` within `elapsed_ms`."""
    cap = rule.per_s * elapsed_ms / 1000 * _MARGIN + rule.slack
    delta = current - before
    if 0 <= delta <= cap:
        return Move("counted", delta)
    if delta > 0:
        return Move("implausible", None, delta)
    if rule.modulus is not None and 0 <= delta + rule.modulus <= cap:
        return Move("rollover", delta + rule.modulus)
    if rule.reset and 0 <= current <= cap:
        return Move("reset", current)
    return Move("backwards", None)
