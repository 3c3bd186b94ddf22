"""A backlog delivered through a proxy that spoils calls, to an endpoint that is rude; what came of it."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from edge.events import Draft, WorkPaused, decode
from edge.ids import new_id
from edge.journal import Journal, Reader
from sync.agent import Agent
from sync.http import HttpUplink
from sync.metrics import Metrics
from sync.settings import HttpSettings
from sync.status import load_quarantine
from sync.store import Store
from sync.uplink import Uplink
from tests.contract.uplink.foreign import Foreign, Posted, Rudeness
from tests.contract.uplink.rig import START_MS, Time
from tests.faults.chaos_proxy import ChaosProxy
from tests.faults.table import Row

UPLINK = "erp"
ORDERS = 7
_APPENDED = 1000

MadeUplink = Callable[[HttpSettings, Time], Uplink]


@dataclass(frozen=True)
class Backlog:
    """A journal that waits to be delivered."""

    path: Path
    ids: dict[int, str]  # by seq
    orders: dict[int, str | None]


async def backlog_made(folder: Path, events: int) -> Backlog:
    """Facts of several work orders, intertwined."""
    folder.mkdir(parents=True, exist_ok=True)
    path, chance = folder / "journal.db", random.Random(events)
    orders: dict[int, str | None] = {1: None}
    async with await Journal.open(path, "site", "edge", Time()) as journal:
        ids = {1: (await _first(path))}
        while len(ids) < events:
            drafts = []
            for seq in range(len(ids) + 1, min(events, len(ids) + _APPENDED) + 1):
                orders[seq] = f"10045{chance.randrange(ORDERS)}"
                fact = WorkPaused(reason=f"{seq:06d}", work_order=orders[seq], operation="0010")
                drafts.append(Draft(new_id(START_MS + seq), START_MS + seq, fact))
            for event in await journal.append(drafts):
                ids[event.seq] = event.id
    return Backlog(path, ids, orders)


async def _first(path: Path) -> str:
    async with await Reader.open(path) as reader:
        return decode((await reader.read_after(0, 1))[0][1]).id


def shipped(settings: HttpSettings, time: Time) -> Uplink:
    """The uplink as it is shipped."""
    return HttpUplink(UPLINK, settings, time)


@dataclass(frozen=True)
class Plan:
    """What a delivery has to go through."""

    faults: tuple[str, ...] = ()
    share: float = 0.2  # of the calls
    rudeness: float = 0.0  # share of the calls that the endpoint answers rudely
    rejects_every: int = 0  # 0: none
    remembers: bool = True
    batch_events: int = 100
    seed: int = 20261122


@dataclass(frozen=True)
class Delivered:
    """What came of a delivery."""

    posted: Sequence[Posted]
    quarantined: frozenset[str]
    met: Counter[str]  # faults and rudenesses, how often
    refused: int
    virtual_s: float


async def delivered(
    folder: Path, backlog: Backlog, plan: Plan, made: MadeUplink = shipped, within_s: float = 600
) -> Delivered:
    """Deliver everything: until the cursor stands at the head."""
    folder.mkdir(parents=True, exist_ok=True)
    time, head = Time(), max(backlog.ids)
    rejected = (lambda seq: seq % plan.rejects_every == 0) if plan.rejects_every else (lambda seq: False)
    rudeness = Rudeness(plan.seed, plan.rudeness, rejects=rejected, remembers=plan.remembers)
    with Foreign(folder / "erp.db", rudeness) as erp:
        share = plan.share if plan.faults else 0.0
        async with (
            ChaosProxy(target=erp.port, time=time, faults=plan.faults, share=share, seed=plan.seed) as proxy,
            await Store.open(folder / "sync.db") as store,
        ):
            url = f"http://127.0.0.1:{proxy.port}/erp/events"
            given = {"batch_events": plan.batch_events, "connect_timeout_s": 0.1, "answer_timeout_s": 0.3}
            uplink = made(HttpSettings.model_validate({"kind": "http", "url": url, **given}), time)
            chance = random.Random(plan.seed).random
            agent = Agent(uplink, store, backlog.path, time, Metrics(), sleep=time.sleep, chance=chance)
            task = asyncio.create_task(agent.run(), name="agent")
            try:
                async with asyncio.timeout(within_s):
                    await _at(store, head, task)
            finally:
                task.cancel()
                await asyncio.wait([task])
                await uplink.close()
                await proxy.settled()
            waiting = frozenset(one.id for one in load_quarantine(store.path, limit=10**6))
            met = proxy.met + rudeness.met
            return Delivered(erp.posted(), waiting, met, proxy.refused, sum(time.slept_s))


async def _at(store: Store, head: int, agent: "asyncio.Task[None]") -> None:
    """Wait until the cursor stands at the head."""
    while True:
        cursor = await store.cursor(UPLINK)
        if cursor is not None and cursor.seq >= head:
            return
        assert not agent.done(), agent
        await asyncio.wait([agent], timeout=0.05)


def judged(
    fault: str, kind: str, backlog: Backlog, found: Delivered, tried: int, control: bool = False
) -> Row:
    """Identity and order of all that was acknowledged, against what the endpoint holds."""
    held = Counter(one.id for one in found.posted)
    known = set(backlog.ids.values())
    assert held.keys() <= known, "the endpoint holds what was never recorded"
    lost = len(known - held.keys() - found.quarantined)
    doubled = sum(times - 1 for times in held.values())
    return Row(
        fault, kind, tried, len(known), lost, doubled, control=control, disordered=disordered(found.posted)
    )


def disordered(posted: Sequence[Posted]) -> int:
    """How many facts were first posted behind a later one of their work order."""
    by_order: dict[str | None, dict[int, None]] = {}
    for one in posted:
        by_order.setdefault(one.work_order, {}).setdefault(one.seq)
    return sum(a > b for seqs in by_order.values() for a, b in pairwise(seqs))
