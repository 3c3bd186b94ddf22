"""How long to wait before the next try: exponential, capped, with full jitter. Pure; chance is injected.

Full jitter (a uniform share of the step) keeps many edges that lost the same receiver from coming back in
step.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

_FIRST_S = 1.0
_STEPS_MAX = 30  # 2**30 s lies beyond every cap; more would only overflow
WISH_MAX_S = 900.0  # a receiver may ask for no more than this


@dataclass(frozen=True)
class Backoff:
    """Delays in seconds, at most `cap_s` unless the receiver asks for longer."""

    cap_s: float
    chance: Callable[[], float] = random.random  # 0 <= chance < 1

    def delay_s(self, attempt: int, wish_s: float | None = None) -> float:
        """The delay after failed attempt 0, 1, 2 …; never shorter than what the receiver asked for."""
        step = min(self.cap_s, _FIRST_S * (1 << min(attempt, _STEPS_MAX)))
        return max(self.chance() * step, min(wish_s or 0.0, WISH_MAX_S))
