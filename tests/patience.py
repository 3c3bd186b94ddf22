"""How tests look at time on a machine that others share and that stands still for seconds now and then.

Waiting for what must come has one limit, which tells a hang from a slow machine and promises nothing. A
promise about time is held against the best of a few attempts: what else goes on can only add.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

PATIENCE_S = 60.0
ATTEMPTS = 3
_SLICE_S = 0.05


async def best_of(attempt: Callable[[], Awaitable[float]], enough_s: float) -> float:
    """The shortest of a few attempts, in seconds; the first one that is short enough ends them."""
    best_s = float("inf")
    for _ in range(ATTEMPTS):
        best_s = min(best_s, await attempt())
        if best_s < enough_s:
            break
    return best_s


async def ends(task: "asyncio.Task[Any]", within_s: float) -> bool:
    """Whether a task ends within so long, in slices: one in which the machine stands still counts once."""
    for _ in range(round(within_s / _SLICE_S)):
        if (await asyncio.wait([task], timeout=_SLICE_S))[0]:
            return True
    return False
