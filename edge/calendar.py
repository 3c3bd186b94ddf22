"""Which shift, break, production date and posting date a moment belongs to.

The production date is the day on which the shift began. Shifts and breaks are given in the site's local
time. Each begins when the local clock first shows its time on that day: of an hour that comes twice the first
counts, in one that is left out it begins at the change. So a night shift across a change of daylight-saving
time has 7 or 9 hours, and no moment belongs to two shifts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from edge.settings import Break, Posting, Shift

_DAY = timedelta(days=1)
OnBreak = Literal["paid", "unpaid"]


class Period(msgspec.Struct, frozen=True):
    """A stretch of the calendar: what no report may reach across, and whether it is a break."""

    shift: str | None
    production_date: str | None  # YYYY-MM-DD
    posting_date: str | None
    on_break: OnBreak | None = None

    @property
    def dates(self) -> tuple[str | None, str | None, str | None]:
        """What a report bears: the same before and after a break."""
        return self.shift, self.production_date, self.posting_date


@dataclass(frozen=True)
class Day:
    """The dates that a moment belongs to; of a clock that cannot be right they are unknown."""

    shift: str | None
    production_date: str | None  # YYYY-MM-DD
    posting_date: str | None
    utc_offset: str  # "+08:00"
    on_break: OnBreak | None = None

    @property
    def period(self) -> Period:
        return Period(self.shift, self.production_date, self.posting_date, self.on_break)


@dataclass(frozen=True)
class _Run:
    """One shift of one day, UTC ms."""

    name: str
    day: date
    begins_ms: int
    ends_ms: int
    breaks: tuple[tuple[int, int, OnBreak], ...]


class Calendar:
    """The site's time zone, shifts and posting rule."""

    def __init__(
        self, zone: ZoneInfo, shifts: tuple[Shift, ...] = (), posting: Posting | None = None
    ) -> None:
        self._zone = zone
        self._shifts = shifts
        self._posting = posting or Posting()
        self._known: tuple[int, Day] | None = None
        self._steady = (0, 0)  # a stretch without an edge behind its first ms
        self._runs = lru_cache(16)(self._runs_of)

    def day(self, wall_ms: int) -> Day:
        """The dates of a UTC millisecond. Outside every shift the calendar day counts."""
        minute = wall_ms // 60_000
        if self._known is None or self._known[0] != minute:
            self._known = minute, self._of(wall_ms)
        return self._known[1]

    def local(self, wall_ms: int) -> datetime:
        """A UTC millisecond on the site's clock."""
        return datetime.fromtimestamp(wall_ms / 1000, UTC).astimezone(self._zone)

    def edges(self, after_ms: int, through_ms: int) -> list[int]:
        """The moments later than the one and not later than the other at which a period begins, in order."""
        found: set[int] = set()
        day, last = self.local(after_ms).date() - _DAY, self.local(through_ms).date() + _DAY
        while day <= last:
            found.add(self._first(day, time()))
            for run in self._runs(day):
                found |= {run.begins_ms, run.ends_ms}
                found |= {edge for begins, ends, _ in run.breaks for edge in (begins, ends)}
            day += _DAY
        within = sorted(edge for edge in found if after_ms < edge <= through_ms)
        return [edge for edge in within if self.day(edge - 1).period != self.day(edge).period]

    def steady(self, after_ms: int, through_ms: int) -> bool:
        """Whether no period begins later than the one moment and not later than the other."""
        begins, ends = self._steady
        if not begins <= after_ms < ends:
            end = after_ms + 86_400_000
            begins, ends = self._steady = after_ms, next(iter(self.edges(after_ms, end)), end)
        return through_ms < ends

    def _of(self, wall_ms: int) -> Day:
        local = self.local(wall_ms)
        run = next(
            (run for run in self._around(local.date()) if run.begins_ms <= wall_ms < run.ends_ms), None
        )
        calendar = local.date().isoformat()
        production = run.day.isoformat() if run else calendar
        offset = local.strftime("%z")
        breaks = run.breaks if run else ()
        return Day(
            shift=run.name if run else None,
            production_date=production,
            posting_date=production if self._posting.date == "production" else calendar,
            utc_offset=f"{offset[:3]}:{offset[3:5]}",
            on_break=next((kind for begins, ends, kind in breaks if begins <= wall_ms < ends), None),
        )

    def _around(self, day: date) -> Iterator[_Run]:
        yield from self._runs(day)
        yield from self._runs(day - _DAY)

    def _runs_of(self, day: date) -> tuple[_Run, ...]:
        """The shifts that begin on a day."""
        return tuple(self._run(shift, day) for shift in self._shifts)

    def _run(self, shift: Shift, day: date) -> _Run:
        def first(face: time, *, after: time) -> int:
            return self._first(day if face > after else day + _DAY, face)

        def rest(one: Break) -> tuple[int, int, OnBreak]:
            begins = day if one.start >= shift.start else day + _DAY
            ends = begins if one.end > one.start else begins + _DAY
            kind: OnBreak = "paid" if one.paid else "unpaid"
            return self._first(begins, one.start), self._first(ends, one.end), kind

        return _Run(
            shift.name,
            day,
            self._first(day, shift.start),
            first(shift.end, after=shift.start),
            tuple(map(rest, shift.breaks)),
        )

    def _first(self, day: date, face: time) -> int:
        """The UTC ms at which the local clock first shows a time of that day, or one later than it."""
        naive = datetime.combine(day, face)
        early, late = (naive.replace(tzinfo=self._zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if early.astimezone(self._zone).replace(tzinfo=None) == naive:
            return _ms(early)
        # The time was left out: between the two readings of it (PEP 495) lies the change.
        before, after = _ms(late), _ms(early)
        while after - before > 1:
            middle = (before + after) // 2
            if self.local(middle).replace(tzinfo=None) < naive:
                before = middle
            else:
                after = middle
        return after


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
