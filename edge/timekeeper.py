"""Watches the wall clock for the collector: records each step of it, and dates what was recorded before.

The clock is looked at before every input: what comes after a step is recorded after its `clock.stepped`. A
commit that fails leaves the step to be seen again.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress

import msgspec
import structlog
from msgspec.structs import replace

from edge.alerts import Alerts
from edge.calendar import Calendar
from edge.events import ClockStepped, Draft, instant
from edge.ids import new_id
from edge.journal import Log
from edge.masterdata import Period
from edge.masterdata.periods import open_date
from edge.ports import Clock
from edge.readings import Moment
from edge.redating import BY_HAND, Redating, stamps, stepped
from edge.schema import unusable
from edge.wallclock import EARLIEST_MS, STEP_MS, Wall, ahead, judged, known_ms, offset_ms

log = structlog.get_logger()

BEHIND = "clock.behind"
_READ_EVENTS = 1000
Commit = Callable[[Sequence[Draft]], Awaitable[object]]


class JudgedClock:
    """The clock with what the journal knows of it: `wall` is what its facts say now."""

    def __init__(self, clock: Clock, calendar: Calendar, wall: Callable[[], Wall]) -> None:
        self._clock = clock
        self._calendar = calendar
        self._wall = wall

    def now(self) -> Moment:
        """This moment: whether its clock can be right, and whether it was set."""
        return judged(self._wall(), self._clock.now(), self._calendar)


class Timekeeper:
    """Holds where the clock stood at the last look."""

    def __init__(
        self,
        journal: Log,
        clock: Clock,
        calendar: Calendar,
        alerts: Alerts,
        periods: Callable[[], Collection[Period]] = tuple,
    ) -> None:
        """`periods`: the ERP's posting periods as they are known now."""
        self._periods = periods
        self._journal = journal
        self._clock = clock
        self._calendar = calendar
        self._alerts = alerts
        self._offset_ms: int | None = None  # at the last look; slewing moves it, a step waits to be recorded

    def look(self, wall: Wall) -> Moment | None:
        """This moment; None where the clock has something to say first: call `settle`."""
        now = self._clock.now()
        if self._step_ms(wall, now) or (wall.undated and judged(wall, now, self._calendar).sound):
            return None
        self._offset_ms = offset_ms(now)
        return now

    async def settle(self, wall: Wall, commit: Commit) -> None:
        """Record what the clock did since the last look. `wall` is the journal's. Raises StorageFault."""
        now = judged(wall, self._clock.now(), self._calendar)
        facts: list[ClockStepped] = []
        if self._offset_ms is None:
            facts += await self._begin(wall, now)
        await self._warn(wall, now)
        step_ms = self._step_ms(wall, now)
        if step_ms or (wall.undated and now.sound):
            facts += await self._looked_back(wall, now, step_ms)
            log.warning("the clock was set", offset_s=step_ms / 1000, now=instant(now.wall_ms))
        if facts:
            await commit([Draft(new_id(now.wall_ms), now.wall_ms, fact) for fact in facts])
        self._offset_ms = offset_ms(now)

    def _step_ms(self, wall: Wall, now: Moment) -> int:
        before_ms = self._offset_ms
        if before_ms is None:
            before_ms = wall.offset_ms if wall.boot_id == now.boot_id else offset_ms(now)
        moved_ms = offset_ms(now) - before_ms
        return moved_ms if abs(moved_ms) > STEP_MS else 0

    async def _begin(self, wall: Wall, now: Moment) -> list[ClockStepped]:
        """At the start: say that the time zone changed, and what of the dates before nobody will correct."""
        if wall.left and wall.seq == 1:
            first, last = wall.left
            await self._alerts.stand(
                self._key("undated.before", first, last),
                f"Nobody knows the posting date of seq {first} to {last} of the journal before this one: the"
                " clock was wrong, and was not set before that journal ended",
                BY_HAND,
            )
        if ahead(wall, now, self._calendar):
            await self._alerts.stand(
                self._key("ahead", wall.seq),
                f"Facts up to seq {wall.seq} bear posting dates up to {wall.believed_date}; the clock, now"
                f" synchronised, shows {instant(now.wall_ms)}",
                "The clock was ahead before this start: check the dates of the last facts with finance",
            )
        zone = self._calendar.day(wall.last_ms).utc_offset
        if wall.utc_offset is None or wall.utc_offset == zone:
            return []
        log.warning(
            "the time zone changed: dates follow the new one from here", before=wall.utc_offset, now=zone
        )
        return [stepped(self._calendar, now, 0)]

    async def _warn(self, wall: Wall, now: Moment) -> None:
        """An alert stands while the clock cannot be right."""
        if now.sound:
            await self._alerts.clear(BEHIND)
            return
        await self._alerts.stand(
            BEHIND,
            f"The clock shows {instant(now.wall_ms)}, which cannot be right: the true time is later than"
            f" {instant(max(known_ms(wall, now), EARLIEST_MS))}. What is recorded now has no posting date",
            "Set the clock, or let it reach its time server (timedatectl): the dates follow then",
        )

    async def _looked_back(self, wall: Wall, now: Moment, step_ms: int) -> Sequence[ClockStepped]:
        """The facts that follow from what was recorded before; alerts for what nobody can tell."""
        work = Redating(wall, now, step_ms, self._calendar)
        after = work.first - 1
        while 0 <= after < wall.seq and (rows := await self._read_after(after)):
            for _, body in rows:
                with suppress(msgspec.DecodeError):  # damaged: it is in a run with its neighbours
                    work.take(stamps.decode(body))
            after = rows[-1][0]
        found = work.findings()
        for notice in found.notices:  # first: an alert too many can be read, one that is lost cannot
            key = self._key(notice.kind, notice.first, notice.last)
            await self._alerts.stand(key, notice.text, notice.hint)
        return [self._posted(step) for step in found.steps]

    def _posted(self, step: ClockStepped) -> ClockStepped:
        """The date that it gives, or the first open one where finance has locked that meanwhile."""
        if step.posting_date is None:
            return step
        return replace(step, posting_date=open_date(self._periods(), step.posting_date))

    def _key(self, kind: str, *seqs: int) -> str:
        """The key of an alert about facts: by their journal too, for the next one counts from 1 again."""
        return f"clock.{kind}.{self._journal.epoch}.{'-'.join(map(str, seqs))}"

    async def _read_after(self, seq: int) -> list[tuple[int, bytes]]:
        try:
            return await self._journal.read_after(seq, _READ_EVENTS)
        except sqlite3.Error as error:
            raise unusable(self._journal.path, error) from error
