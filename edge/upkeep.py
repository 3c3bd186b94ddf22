"""Looks after the journal while the line runs: proves all of it, and forgets what nobody needs any more.

Both go in small portions with pauses between them: a scan waits for one portion at most. The file does not
shrink (VACUUM would hold up scans); what is freed is used again.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import structlog
from prometheus_client import Gauge

from edge import bygone, epochs, uptime
from edge.alerts import Alerts
from edge.epochs import Epoch
from edge.events import instant
from edge.faults import Damaged, RestartNeeded, StorageFault
from edge.journal import DATED, Journal, Reader, verify
from edge.ports import Clock
from edge.readings import Moment
from edge.schema import read_only, unusable
from edge.station.state import Line
from edge.wallclock import EARLIEST_MS

log = structlog.get_logger()

FIRST_S = 30.0  # after the start, which must not be slowed down
INTERVAL_S = 3600.0
VERIFY_S = 86_400.0
PORTION = 50  # events that one transaction forgets
PAUSE_S = 0.1
_LOOK = 1000  # events that are looked through at a time for one that has a date
_DAY_MS = 86_400_000
FIRST_SEQ = Gauge("lineside_journal_first", "The first seq that is not forgotten")


class Age:
    """What is old enough to go: by a clock that a time server holds, else by how long the edge ran."""

    def __init__(self, now: Moment, line: Line, keep_days: int) -> None:
        self.certain = now.sound and now.clock == "synced"
        self.now_ms = now.wall_ms
        self.before_ms = now.wall_ms - keep_days * _DAY_MS
        self.now, self.before = instant(now.wall_ms), instant(max(0, self.before_ms))
        ran = 0 if self.certain else uptime.older(line.uptime, keep_days)
        self.ran = ran > 0  # so long that all journals before this one may go
        undated, _ = line.wall.undated or (ran + 1, ran)  # they get their dates when the clock is set
        self.through = min(ran, undated - 1)  # by the time that it ran, with what is before


@dataclass(frozen=True)
class Upkeep:
    """What looks after one journal."""

    journal: Journal
    clock: Clock  # as the journal judges it
    keep_days: int
    alerts: Alerts
    snapshot_seq: Callable[[], int]
    done: Callable[[Sequence[Epoch]], Mapping[str, int]]  # by epoch what every receiver is done with
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    line: Callable[[], Line] = Line  # as the journal's facts say

    async def run(self) -> None:
        """Until cancelled. Raises RestartNeeded where the journal does not prove what it holds."""
        await self.sleep(FIRST_S)
        verified_ms: int | None = None
        while True:
            now_ms = self.clock.now().monotonic_ms
            if verified_ms is None or now_ms - verified_ms >= VERIFY_S * 1000:
                await self.prove()
                verified_ms = now_ms
            await self.forget()
            await self.sleep(INTERVAL_S)

    async def prove(self) -> None:
        """Check every event; a damaged journal is set aside by the next start. Raises RestartNeeded."""
        try:
            async with await Reader.open(self.journal.path) as reader:
                found = await verify(reader, pause=lambda: self.sleep(PAUSE_S))
            problems = found.problems
        except Damaged as fault:
            problems = (fault.message,)
        if problems:
            why = "; ".join(problems[:3])
            self.journal.suspect(why)
            raise RestartNeeded(f"{self.journal.path} is damaged: {why}. The next start sets it aside")
        log.info("journal is sound", events=found.events, first=found.first, last=found.last)

    async def forget(self) -> None:
        """Prune what is settled everywhere and older than `keep_days`; clear the alerts about it.

        No clock that might be wrong lets anything go: what is forgotten does not come back when it is set
        right. Where no time server holds it, `keep_days` are days that the edge ran.
        """
        path = self.journal.path
        try:
            kept = await asyncio.to_thread(epochs.listed, path)
            done = await asyncio.to_thread(self.done, kept)
        except StorageFault as fault:
            log.warning("nothing is forgotten now", error=fault.message, hint=fault.hint)
            return
        age = Age(self.clock.now(), self.line(), self.keep_days)
        await self._prune(min(done.get(self.journal.epoch, 0), self.snapshot_seq()), age)
        for one in kept[:-1]:
            if done.get(one.epoch, 0) >= one.head:
                await asyncio.to_thread(_remove, one, age, before=one.ordinal < kept[-1].ordinal)
        for alert in tuple(self.alerts.standing.values()):
            if bygone.over(alert, kept, done, age.before_ms if age.certain else 0, age.ran):
                await self.alerts.clear(alert.key)

    async def _prune(self, limit: int, age: Age) -> None:
        first = began = await self.journal.first()
        witness = 0
        while (through := first + PORTION) <= limit:
            if through > age.through + 1 and not (witness := await self._old(through, witness, age)):
                break
            await self.journal.prune(through)
            first = through
            await self.sleep(PAUSE_S)
        FIRST_SEQ.set(first)
        if first > began:
            log.info("settled facts forgotten", first=first, days=self.keep_days)

    async def _old(self, through: int, witness: int, age: Age) -> int:
        """A fact that shows by the clock that all before `through` is old enough; 0 where there is none yet.

        What stands behind it was recorded before it, under whatever clock. So one fact of a wrong clock
        neither ages the others nor keeps them.
        """
        if not age.certain:
            return 0
        if witness >= through - 1:
            return witness
        for seq in range(through - 1, self.journal.head + 1, _LOOK):
            if found := await self.journal.dated(seq, _LOOK, age.now):
                return found[0] if found[1] < age.before else 0
            await self.sleep(PAUSE_S)
        return 0


def _remove(one: Epoch, age: Age, *, before: bool) -> None:
    """Delete a journal that was set aside, once it is old enough; `before`: it ended when this one began."""
    if (before and age.ran) or (age.certain and _dated_before(one, age)):
        one.path.unlink()
        log.info("a journal set aside is settled and old: deleted", path=str(one.path))


def _dated_before(one: Epoch, age: Age) -> bool:
    """Whether the journal is old enough by what dates it; one that nothing dates is not."""
    written_ms = one.path.stat().st_mtime * 1000
    dates = [instant(int(written_ms))] if EARLIEST_MS <= written_ms <= age.now_ms else []
    given = (one.head - _LOOK, one.head + 1, age.now)
    try:
        with closing(sqlite3.connect(read_only(one.path), uri=True, timeout=5)) as db:
            dates += (recorded for _, recorded in db.execute(DATED, given))
    except sqlite3.Error as error:
        fault = unusable(one.path, error)
        log.warning("a journal set aside stays", error=fault.message, hint=fault.hint)
        return False
    return bool(dates) and max(dates) < age.before
