"""A journal of 10^6 facts: how collect starts from its snapshot, and what upkeep costs those who append.

The journal is written by the real Journal and its snapshot by the collector itself, which folds every fact at
its first start. The first facts lie some days back, as far apart as those of a busy line.
"""

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvloop

from edge.alerts import Alerts
from edge.clock import SystemClock
from edge.events import Draft
from edge.ids import new_id
from edge.journal import Journal
from edge.upkeep import Upkeep
from tests.bench import start
from tests.bench.drain import realistic
from tests.bench.table import Row
from tests.unit.clocks import HeldClock

EVENTS = 1_000_000
APART_MS = 730  # from one fact to the next, as in `realistic`
FRAMES = 990  # in the WAL of a killed collector: SQLite empties it at a thousand
STARTS = 5
KILLS = 3
BESIDE_S = 20.0
APPEND_EVERY_S = 0.003
TARGET_S, TARGET_P99_MS = 2.0, 20.0


async def write(path: Path, events: int) -> None:
    """Make a journal, a thousand facts a commit."""
    async with await opened(path) as journal:
        began_ms = time.time_ns() // 10**6 - events * APART_MS
        for first in range(0, events, 1000):
            times = ((n, began_ms + n * APART_MS) for n in range(first, min(first + 1000, events)))
            await journal.append([Draft(new_id(at_ms), at_ms, realistic(n)) for n, at_ms in times])


async def opened(path: Path) -> Journal:
    """The journal of the edge that tests.bench.start configures."""
    return await Journal.open(path, "bench", "bench", SystemClock())


async def append_and_die(path: Path) -> None:
    """One fact a commit until the WAL is nearly full, then SIGKILL to this process."""
    log = path.with_name(path.name + "-wal")
    async with await opened(path) as journal:
        while log.stat().st_size < FRAMES * 4120:
            now_ms = time.time_ns() // 10**6
            await journal.append([Draft(new_id(now_ms), now_ms, realistic(journal.head))])
        os.kill(os.getpid(), signal.SIGKILL)


async def beside(path: Path, upkeep: Callable[[Upkeep], Coroutine[Any, Any, None]] | None) -> list[float]:
    """Milliseconds of single appends, some hundred a second, while upkeep is at work with its own pauses."""
    took = []
    async with await opened(path) as journal:
        settled = journal.head
        clock = HeldClock()
        keeper = Upkeep(
            journal,
            clock,
            0,
            Alerts(journal, clock),
            lambda: settled,
            lambda found: {one.epoch: settled for one in found},
        )
        task = asyncio.create_task(upkeep(keeper)) if upkeep else None
        await asyncio.sleep(0.2)
        until_s = time.monotonic() + BESIDE_S
        while time.monotonic() < until_s:
            now_ms = time.time_ns() // 10**6
            draft = Draft(new_id(now_ms), now_ms, realistic(journal.head))
            await asyncio.sleep(APPEND_EVERY_S)
            began_s = time.perf_counter()
            await journal.append([draft])
            took.append((time.perf_counter() - began_s) * 1000)
        if task is not None:
            assert not task.done(), "upkeep ended before the measurement did"
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    return took


def measure(folder: Path, events: int = EVENTS) -> list[Row]:
    """Starts without a snapshot, with it and after a kill; then appends beside upkeep."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        home = Path(name)
        path = home / "full" / "data" / "journal.db"
        path.parent.mkdir(parents=True)
        uvloop.run(write(path, events))
        folded_s, _ = start.once(home / "full", timeout_s=600)
        starts = [(start.once(home / "empty")[0], *start.once(home / "full")) for _ in range(STARTS)]
        killed = [_killed(home / "full", path) for _ in range(KILLS)]
        empty_s, took_s, memory = (statistics.median(one) for one in zip(*starts, strict=True))
        raw = f"empty journal {empty_s:.2f} s"
        after_s = statistics.median(killed)
        return [
            Row(
                f"start to READY, {events:,} events", f"{took_s:.2f} s, {memory:.0f} MB", raw,
                took_s / empty_s, f"≤ {TARGET_S:g} s", took_s <= TARGET_S,
            ),
            Row(
                f"the same after SIGKILL, {FRAMES} frames in the WAL", f"{after_s:.2f} s", raw,
                after_s / empty_s, f"≤ {TARGET_S:g} s", after_s <= TARGET_S,
            ),
            Row(
                "the same without a snapshot: every fact folded", f"{folded_s:.1f} s", raw,
                folded_s / empty_s, "", None,
            ),
            *_beside(path),
        ]  # fmt: skip


def _killed(home: Path, path: Path) -> float:
    died = subprocess.run([sys.executable, "-m", "tests.bench.large", str(path)])
    assert died.returncode == -signal.SIGKILL
    return start.once(home)[0]


def _beside(path: Path) -> list[Row]:
    alone = _p99(uvloop.run(beside(path, None)))
    rows = []
    for what, upkeep in (("verified", Upkeep.prove), ("pruned", Upkeep.forget)):
        took = uvloop.run(beside(path, upkeep))
        p99 = _p99(took)
        rows.append(
            Row(
                f"durable append while the journal is {what}, p99",
                f"{p99:.1f} ms, longest {max(took):.1f} ms",
                f"alone: {alone:.1f} ms",
                p99 / alone,
                f"≤ {TARGET_P99_MS:g} ms",
                p99 <= TARGET_P99_MS,
            )
        )
    return rows


def _p99(took: list[float]) -> float:
    return statistics.quantiles(took, n=100)[98]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        uvloop.run(append_and_die(Path(sys.argv[1])))
    for row in measure(Path.cwd()):
        print(row)
