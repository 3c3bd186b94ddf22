"""Looks after the journal while the line runs: proves all of it, and forgets what nobody needs any more.

Both go in small portions with pauses between them: a scan waits for one portion at most. The file does not
shrink (VACUUM would hold up scans); what is freed is used again.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
from prometheus_client import Gauge

from edge import bygone, epochs
from edge.alerts import Alerts
from edge.epochs import Epoch
from edge.events import instant
from edge.faults import Damaged, RestartNeeded, StorageFault
from edge.journal import Journal, Reader, verify
from edge.ports import Clock
from edge.schema import unusable

log = structlog.get_logger()

FIRST_S = 30.0  # after the start, which must not be slowed down
INTERVAL_S = 3600.0
VERIFY_S = 86_400.0
PORTION = 50  # events that one transaction forgets
PAUSE_S = 0.1
_DAY_MS = 86_400_000
FIRST_SEQ = Gauge("lineside_journal_first", "The first seq that is not forgotten")


@dataclass(frozen=True)
class Upkeep:
    """What looks after one journal."""

    journal: Journal
    clock: Clock
    keep_days: int
    alerts: Alerts
    snapshot_seq: Callable[[], int]
    done: Callable[[Sequence[Epoch]], Mapping[str, int]]  # by epoch what every receiver is done with
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

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
        except sqlite3.Error as error:
            told = unusable(self.journal.path, error)
            if not isinstance(told, Damaged):
                raise told from error
            problems = (told.message,)
        if problems:
            why = "; ".join(problems[:3])
            self.journal.suspect(why)
            raise RestartNeeded(f"{self.journal.path} is damaged: {why}. The next start sets it aside")
        log.info("journal is sound", events=found.events, first=found.first, last=found.last)

    async def forget(self) -> None:
        """Prune what is settled everywhere and older than `keep_days`; clear the alerts about it."""
        path = self.journal.path
        try:
            kept = await asyncio.to_thread(epochs.listed, path)
            done = await asyncio.to_thread(self.done, kept)
        except StorageFault as fault:
            log.warning("nothing is forgotten now", error=fault.message, hint=fault.hint)
            return
        before_ms = self.clock.now().wall_ms - self.keep_days * _DAY_MS
        await self._prune(
            min(done.get(self.journal.epoch, 0), self.snapshot_seq()), instant(max(0, before_ms))
        )
        for one in kept:
            if one.path != path and done.get(one.epoch, 0) >= one.head:
                await asyncio.to_thread(_remove, one.path, before_ms)
        for alert in tuple(self.alerts.standing.values()):
            if bygone.over(alert, kept, done, before_ms):
                await self.alerts.clear(alert.key)

    async def _prune(self, limit: int, before: str) -> None:
        first = await self.journal.first()
        began = first
        while (through := first + PORTION) <= limit and await self.journal.recorded_before(through, before):
            await self.journal.prune(through)
            first = through
            await self.sleep(PAUSE_S)
        FIRST_SEQ.set(first)
        if first > began:
            log.info("settled facts forgotten", first=first, days=self.keep_days)


def _remove(path: Path, before_ms: int) -> None:
    """Delete a journal that was set aside, once it is old enough."""
    if path.stat().st_mtime * 1000 < before_ms:
        path.unlink()
        log.info("a journal set aside is settled and old: deleted", path=str(path))
