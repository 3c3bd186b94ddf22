"""How long the edge ran since a fact, whatever the wall clock did meanwhile. Pure.

Nobody sets the time since boot. Between two facts of one boot it is what really passed; over a boot it says
nothing, which counts as nothing. So what was recorded so many days of running ago is at least so many days
old, also beside a clock that no time server holds. One span counts as a day at most: a kernel that wakes up
adds what the battery clock says, and that may be wrong.
"""

import msgspec

from edge.readings import Moment

DAYS_MAX = 3660  # of running that are told apart
_DAY_MS = 86_400_000


class Uptime(msgspec.Struct, frozen=True, kw_only=True):
    """What the facts of one journal say of how long the edge ran."""

    seq: int = 0  # of the last fact with a time since boot, like the next two
    boot_id: str | None = None
    monotonic_ms: int = 0
    ran_ms: int = 0  # since the last whole day of running
    days: tuple[int, ...] = ()  # for each whole day the last fact before its end, the newest day last


def after(known: Uptime, seq: int, at: Moment | None) -> Uptime:
    """The same after fact `seq`; `at` is None for one without time since boot."""
    if at is None:
        return known
    monotonic_ms, ran_ms, days = at.monotonic_ms, known.ran_ms, known.days
    if at.boot_id == known.boot_id:
        monotonic_ms = max(monotonic_ms, known.monotonic_ms)
        ran_ms += min(monotonic_ms - known.monotonic_ms, _DAY_MS)
    if ran_ms >= _DAY_MS:
        ran_ms -= _DAY_MS
        days = (*days, known.seq)[-DAYS_MAX:]
    return Uptime(seq=seq, boot_id=at.boot_id, monotonic_ms=monotonic_ms, ran_ms=ran_ms, days=days)


def older(known: Uptime, days: int) -> int:
    """The last seq of which the facts up to there are older than so many days; 0 where none is known to be.

    What came before the journal is older where this is not 0.
    """
    return known.days[-days - 1] if len(known.days) > days else 0
