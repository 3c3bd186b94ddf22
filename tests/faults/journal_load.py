"""A child: the real journal under many producers, snapshots and alerts; it tells a file what it was promised.

`hand <id>...` before an append, `ack <seq>:<id>...` right after it returned; `opened <epoch>`, `snapshot
<seq>`, `alert <key>` and `clear <key>` after the call that wrote it, `change <key>` before. Run it as a
module, see `main`.
"""

import asyncio
import os
import random
import sys
from pathlib import Path

from edge.alerts import Alerts
from edge.clock import SystemClock
from edge.events import Draft, WorkPaused
from edge.ids import new_id
from edge.journal import Journal, Snapshot

SITE, EDGE = "suzhou", "L3-IPC1"
PRODUCERS = 64
_SNAPSHOT_EVENTS = 150


def state(seq: int) -> bytes:
    """A snapshot's content, known from its seq; up to 55 pages."""
    return (f"{seq:08d} " * (1 + seq * 7919 % 25_000)).encode()


class Load:
    """One life of a journal."""

    def __init__(self, journal: Journal, told: int, seed: int, events: int) -> None:
        self._journal = journal
        self._told = told
        self._chance = random.Random(seed)
        self._wanted = events
        self._clock = SystemClock()
        self._alerts = Alerts(journal, self._clock)
        self._snapshot_seq = journal.head
        self._changing = (
            asyncio.Lock()
        )  # alerts change one at a time, as in the collector, which is one actor

    async def run(self) -> None:
        """Append so many events, all producers at once."""
        await self._alerts.load()
        async with asyncio.TaskGroup() as tasks:
            for number in range(PRODUCERS):
                tasks.create_task(self._produce(number), name=f"producer-{number}")

    async def _produce(self, number: int) -> None:
        await asyncio.sleep(0.002 * number)  # the first commits are small
        while self._wanted > 0:
            drafts = [self._draft(number) for _ in range(self._chance.choice((1, 1, 1, 2, 3)))]
            self._wanted -= len(drafts)
            self._tell("hand", *(draft.id for draft in drafts))
            events = await self._journal.append(drafts)
            self._tell("ack", *(f"{event.seq}:{event.id}" for event in events))
            if events[-1].seq - self._snapshot_seq >= _SNAPSHOT_EVENTS:
                await self._keep_snapshot(events[-1].seq)
            if self._chance.random() < 0.02:
                await self._raise_or_clear(f"producer.{number}")

    def _draft(self, number: int) -> Draft:
        now_ms = self._clock.now().wall_ms
        note = "x" * self._chance.choice((0, 10, 200, 1500))
        return Draft(new_id(now_ms), now_ms, WorkPaused(reason=f"{number}{note}", work_order="4711"))

    async def _keep_snapshot(self, seq: int) -> None:
        self._snapshot_seq = seq
        await self._journal.save_snapshot(Snapshot(seq, "1", state(seq)))
        self._tell("snapshot", seq)

    async def _raise_or_clear(self, key: str) -> None:
        async with self._changing:
            await self._change(key)

    async def _change(self, key: str) -> None:
        self._tell("change", key)
        if key in self._alerts.standing:
            await self._alerts.clear(key)
            self._tell("clear", key)
        else:
            await self._alerts.stand(key, "something waits", "look at it")
            self._tell("alert", key)

    def _tell(self, *words: object) -> None:
        os.write(self._told, (" ".join(map(str, words)) + "\n").encode())


async def main(folder: Path, told: Path, seed: int, events: int, synchronous: str, end: str) -> None:
    """One life; it ends by `close`, or by `die` as a killed process does."""
    handle = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    async with await Journal.open(folder / "journal.db", SITE, EDGE, SystemClock()) as journal:
        os.write(handle, f"opened {journal.epoch}\n".encode())
        await journal.note(f"PRAGMA synchronous = {synchronous}")
        await Load(journal, handle, seed, events).run()
        if end == "die":
            os._exit(0)


if __name__ == "__main__":
    given = sys.argv[1:]
    asyncio.run(main(Path(given[0]), Path(given[1]), int(given[2]), int(given[3]), given[4], given[5]))
