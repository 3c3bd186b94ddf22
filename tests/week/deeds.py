"""What people and machines do: one deed each, at a whole second since Monday's midnight, local time."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

MONDAY = date(2026, 11, 23)
MINUTE, HOUR, DAY = 60, 3600, 86_400
BEGIN_S = 5 * HOUR + 50 * MINUTE + 1
END_S = 7 * DAY + 6 * HOUR + 20 * MINUTE
SHIFTS_S = tuple(6 * HOUR + 8 * HOUR * number for number in range(22))  # when they begin; the last: the end
# The breaks of every day, and whether they are paid.
BREAKS = (
    (2 * HOUR, 2 * HOUR + 1800, False),
    (10 * HOUR, 10 * HOUR + 1800, False),
    (18 * HOUR, 18 * HOUR + 1800, False),
    (20 * HOUR, 20 * HOUR + 600, True),
)
EDGES_S = tuple(
    sorted({*SHIFTS_S, *(day * DAY + at for day in range(8) for a, b, _ in BREAKS for at in (a, b))})
)
What = Literal[
    "sign on", "sign off", "hand over", "confirm",
    "start", "switch", "set up", "go", "pause", "resume", "report", "done", "undo report", "undo start",
    "scrap", "rework", "regain", "use", "bring back", "mount", "unmount",
    "run", "rest", "strokes", "reset", "jump", "outage", "kill", "power cut", "stop",
    "reassign count", "split count", "reverse held", "reassign held", "make up",
]  # fmt: skip


@dataclass(frozen=True)
class Deed:
    """Its time is that of its last scan, with which it takes effect."""

    at_s: int
    place: str  # the station; empty: lineside itself
    what: What
    who: str = ""
    order: str = ""
    number: int = 0  # pieces or strokes; the total where a person enters one
    until_s: int = 0  # of what lasts
    kwh: Decimal = Decimal(0)
    lot: str = ""
    quantity: Decimal = Decimal(0)
    unit: str = ""
    reason: str = ""
    total: int = 0  # what a person types where no counter counts

    @property
    def over_s(self) -> int:
        """When it is over."""
        return max(self.at_s, self.until_s)


def posting_date(at_s: int) -> int:
    """The number of the day on which the shift of that moment began."""
    return (at_s - 6 * HOUR) // DAY


def shift(at_s: int) -> int:
    """The number of the shift of that moment, from Monday's early one."""
    return (at_s - 6 * HOUR) // (8 * HOUR)


def resting(at_s: int) -> str:
    """Whether all are on a break then: empty, `paid` or `unpaid`."""
    for begins, ends, paid in BREAKS:
        if begins <= at_s % DAY < ends:
            return "paid" if paid else "unpaid"
    return ""
