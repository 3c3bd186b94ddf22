"""One thing done to a journal in a process of its own; prints as JSON what it took.

`python -m tests.soak.child <work> <folder> <events>`. Memory is the largest that the process ever held in RAM
(VmHWM): it began with every module loaded.
"""

import json
import sqlite3
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path

import uvloop

from edge.alerts import Alerts
from edge.cli.app import app
from edge.demo.plant import free_port
from edge.journal import Journal, Reader
from edge.salvage import salvage
from edge.upkeep import Upkeep
from tests.bench.large import opened, write
from tests.bench.scan import CONFIG
from tests.soak.memory import resident
from tests.unit.clocks import HeldClock

PAGE = 500


def append(path: Path, events: int) -> None:
    uvloop.run(write(path, events))


def read_after(path: Path, events: int) -> None:
    async def read(reader: Reader) -> None:
        seq = 0
        while rows := await reader.read_after(seq, PAGE):
            seq = rows[-1][0]
        assert seq == events + 1  # journal.opened is the first

    _with_reader(path, read)


def hoard(path: Path, events: int) -> None:
    """The control: a reader that keeps what it read."""

    async def read(reader: Reader) -> None:
        kept: list[tuple[int, bytes]] = []
        while rows := await reader.read_after(len(kept), PAGE):
            kept += rows
        assert len(kept) == events + 1

    _with_reader(path, read)


def verify(path: Path, events: int) -> None:
    """As people do it, with the progress bar."""
    config = path.parent.parent / "lineside.toml"
    config.write_text(CONFIG.format(gun="gun1", port=free_port()))
    app(["events", "verify", "--config", str(config)], standalone_mode=False)


def salvaged(path: Path, events: int) -> None:
    """With a look at the room that it needs meanwhile."""
    target = path.with_name("proven.db")
    scratch = target.with_name(target.name + ".scratch")
    largest = 0
    ended = threading.Event()

    def watch() -> None:
        nonlocal largest
        while not ended.wait(0.01):
            with suppress(FileNotFoundError):
                largest = max(largest, scratch.stat().st_size)

    watcher = threading.Thread(target=watch)
    watcher.start()
    proven = salvage(path, target)
    ended.set()
    watcher.join()
    assert 0 < largest < 1.5 * path.stat().st_size
    assert proven is not None
    assert (proven.first, proven.last, proven.missing) == (1, events + 1, "")
    target.unlink()


def prune(path: Path, events: int) -> None:
    """Everything is settled and old enough; without the pauses."""

    async def forget() -> None:
        async with await opened(path) as journal:
            await _keeper(journal).forget()
            assert events - 1000 < await journal.first() <= journal.head, "something stayed"

    uvloop.run(forget())
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM events").fetchone()[0] <= 1000


def _keeper(journal: Journal) -> Upkeep:
    async def no_pause(_: float) -> None: ...

    head = journal.head
    clock = HeldClock()
    alerts = Alerts(journal, clock)
    return Upkeep(
        journal, clock, 0, alerts, lambda: head, lambda found: {one.epoch: head for one in found}, no_pause
    )


def _with_reader(path: Path, use: Callable[[Reader], Awaitable[None]]) -> None:
    async def run() -> None:
        async with await Reader.open(path) as reader:
            await use(reader)

    uvloop.run(run())


WORKS = {
    "append": append, "read_after": read_after, "verify": verify, "salvage": salvaged, "prune": prune,
    "hoard": hoard,
}  # fmt: skip


def main(work: str, folder: str, events: str) -> None:
    path = Path(folder) / "data" / "journal.db"
    path.parent.mkdir(exist_ok=True)
    began_mb, began_s, cpu_s = resident("VmRSS"), time.perf_counter(), time.process_time()
    WORKS[work](path, int(events))
    print(
        json.dumps(
            {
                "took_s": time.perf_counter() - began_s,
                "cpu_s": time.process_time() - cpu_s,
                "began_mb": began_mb,
                "most_mb": resident("VmHWM"),
                "disk_mb": path.stat().st_size / 1e6,
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
