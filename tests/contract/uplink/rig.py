"""A journal, a store, an agent and a receiver, with time that a test owns."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiosqlite
from aiohttp import web

from edge import epochs
from edge.events import Draft, Fact, ReviewSettled, WorkPaused, decode
from edge.ids import uuid7
from edge.journal import Journal, Reader
from edge.masterdata.store import MASTERDATA, MasterStore
from edge.readings import ClockQuality, Moment
from sync.agent import Agent
from sync.http import HttpUplink
from sync.metrics import Metrics
from sync.settings import HttpSettings
from sync.status import UplinkStatus, Waiting, load_quarantine, load_status
from sync.store import Store
from tests.contract.uplink.receiver import Receiver
from tests.patience import PATIENCE_S

START_MS = 1_795_000_000_000


@dataclass
class Time:
    """A clock that moves only when something sleeps; sleeping takes no time."""

    now_ms: int = START_MS
    slept_s: list[float] = field(default_factory=list)
    clock: ClockQuality = "synced"

    def now(self) -> Moment:
        return Moment(self.now_ms, self.now_ms - START_MS, "boot", self.clock)

    async def sleep(self, delay_s: float) -> None:
        self.slept_s.append(delay_s)
        self.now_ms += round(1000 * delay_s)
        await asyncio.sleep(0)


class WatchedStore(Store):
    """Tells a test of each commit, so that it need not poll."""

    began: asyncio.Event
    committed: asyncio.Condition

    async def _transact(self, work: Callable[[aiosqlite.Connection], Awaitable[None]]) -> None:
        self.began.set()
        await super()._transact(work)
        async with self.committed:
            self.committed.notify_all()


@dataclass
class Rig:
    """What a test holds."""

    folder: Path
    time: Time
    receiver: Receiver
    journal: Journal
    store: WatchedStore
    held: MasterStore
    settings: HttpSettings
    metrics: Metrics = field(default_factory=Metrics)
    task: "asyncio.Task[None] | None" = None
    uplink: HttpUplink | None = None
    agent: Agent | None = None

    async def append(self, *facts: Fact) -> list[str]:
        """Commit facts; their ids."""
        drafts = [
            Draft(uuid7(START_MS + number, hash(fact) & 0xFFFF), START_MS, fact)
            for number, fact in enumerate(facts, self.journal.head)
        ]
        return [event.id for event in await self.journal.append(drafts)]

    async def review(self, how: Any, ids: Sequence[str], note: str | None = None) -> None:
        """A person decides."""
        await self.append(ReviewSettled(settles=tuple(ids), how=how, person="chief", note=note))

    def start(self, **changed: Any) -> None:
        """Start an agent with these settings."""
        self.settings = self.settings.model_copy(update=changed)
        self.uplink = HttpUplink("erp", self.settings, self.time)
        self.agent = Agent(
            self.uplink,
            self.store,
            self.folder / "journal.db",
            self.time,
            self.metrics,
            sleep=self.time.sleep,
            chance=lambda: 0.5,
        )
        self.task = asyncio.create_task(self.agent.run(), name="agent")

    async def stop(self) -> None:
        """Cancel the agent; raises what it died of."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])
        if self.uplink is not None:
            await self.uplink.close()
        ended, self.task, self.uplink = self.task, None, None
        if ended is not None and not ended.cancelled():
            ended.result()

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait for a commit after which something holds."""
        async with asyncio.timeout(PATIENCE_S), self.store.committed:
            while not reached():
                assert self.task is None or not self.task.done(), self.task
                await self.store.committed.wait()

    async def drained(self) -> None:
        """Wait until everything is settled."""
        await self.until(lambda: self.seq == self.journal.head)

    async def deliver(self, **changed: Any) -> None:
        """Start, drain, stop."""
        self.start(**changed)
        await self.drained()
        await self.stop()

    @property
    def status(self) -> UplinkStatus | None:
        return next(iter(load_status(self.store.path).uplinks), None)

    @property
    def seq(self) -> int:
        return self.status.seq if self.status else -1

    @property
    def quarantine(self) -> list[Waiting]:
        return load_quarantine(self.store.path)

    def alerts(self, standing: bool = True) -> list[str]:
        found = load_status(self.store.path).alerts
        return [alert.key for alert in found if (alert.cleared_ms is None) == standing]

    def epochs(self) -> list[Path]:
        """The journals, oldest first."""
        return [one.path for one in epochs.listed(self.folder / "journal.db")]

    async def expected(self, path: Path | None = None) -> list[tuple[int, str]]:
        """(seq, id) of a whole journal; the current one, where none is named."""
        async with await Reader.open(path or self.journal.path) as reader:
            rows = await reader.read_after(0, 1_000_000)
        return [(seq, decode(body).id) for seq, body in rows]


def facts(count: int, order: str = "4711", first: int = 0) -> list[Fact]:
    """Facts that all differ."""
    return [
        WorkPaused(reason=f"{number:05d}", work_order=order, operation="0010")
        for number in range(first, first + count)
    ]


async def watched(path: Path) -> WatchedStore:
    """The store of a rig."""
    store = await WatchedStore.open(path)
    assert isinstance(store, WatchedStore)
    store.began, store.committed = asyncio.Event(), asyncio.Condition()
    return store


@asynccontextmanager
async def rigged(folder: Path, count: int = 20, **settings: Any) -> AsyncIterator[Rig]:
    """A rig whose journal holds `count` events, journal.opened included."""
    receiver, time = Receiver(), Time()
    runner = web.AppRunner(receiver.app(), access_log=None, auto_decompress=False, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
    given = HttpSettings.model_validate({"kind": "http", "url": receiver.url, **settings})
    store = await watched(folder / "sync.db")
    held = await MasterStore.open(folder / MASTERDATA)
    async with await Journal.open(folder / "journal.db", "site", "edge", time) as journal:
        rig = Rig(folder, time, receiver, journal, store, held, given)
        if count > 1:
            await rig.append(*facts(count - 1))
        try:
            yield rig
        finally:
            await rig.stop()
            await rig.journal.close()  # a later one, where this one was set aside
            await rig.store.close()
            await held.close()
            await runner.cleanup()
