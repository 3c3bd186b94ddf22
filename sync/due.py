"""When a receiver's figures are compared: at the end of each shift and of each posting date. Pure."""

from dataclasses import dataclass
from typing import Literal

from edge.calendar import Calendar

_DAY_MS = 86_400_000
_BACK_MS = 2 * _DAY_MS  # within it lies an end of something, whatever the calendar
_BACK_MAX_MS = 400 * _DAY_MS  # what a clock that leapt may have us catch up with
_AT_ONCE = 200

When = Literal["shift", "day", "off"]


@dataclass(frozen=True)
class Due:
    """The end of a shift or day."""

    at_ms: int  # UTC
    occasion: str  # "shift night 2026-11-22", "day 2026-11-22"


def due(calendar: Calendar, when: When, after_ms: int | None, through_ms: int) -> list[Due]:
    """What ended later than the one moment and not later than the other, oldest first.

    Without `after_ms`, or where it lies ahead because the clock was set back, only the last that ended.
    """
    if when == "off":
        return []
    if after_ms is None or after_ms > through_ms:
        return _ended(calendar, when, through_ms - _BACK_MS, through_ms)[-1:]
    return _ended(calendar, when, max(after_ms, through_ms - _BACK_MAX_MS), through_ms)[-_AT_ONCE:]


def _ended(calendar: Calendar, when: When, after_ms: int, through_ms: int) -> list[Due]:
    found = []
    for edge in calendar.edges(after_ms, through_ms):
        before, behind = calendar.day(edge - 1), calendar.day(edge)
        shifts = (before.shift, before.production_date), (behind.shift, behind.production_date)
        if when == "shift" and before.shift is not None and shifts[0] != shifts[1]:
            found.append(Due(edge, f"shift {before.shift} {before.production_date}"))
        elif before.posting_date != behind.posting_date:
            found.append(Due(edge, f"day {before.posting_date}"))
    return found
