"""A child: the real delivery to a receiver that is rude now and then; it tells a file what was settled.

`settled <uplink> <epoch>:<seq>` when the receiver has decided on everything through seq and before delivery
knows, `kept <uplink> <epoch>:<seq>` when the store has returned from settling. Run it as a module.
"""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from edge.events import Draft, Fact, ReviewSettled, WorkPaused
from edge.ids import new_id
from edge.journal import Journal, Reader
from sync.agent import Agent
from sync.http import HttpUplink
from sync.metrics import Metrics
from sync.settings import HttpSettings
from sync.settlement import Settlement
from sync.store import Store
from tests.contract.uplink.receiver import Events, Receiver, loses_answer
from tests.contract.uplink.rig import START_MS, Time

UPLINK = "erp"
_REJECT_EVERY, _DECIDED_AFTER = 23, 60


@dataclass(frozen=True)
class Plan:
    """A journal to deliver: which seqs the receiver rejects, and what people decide about them where."""

    events: int

    @property
    def rejected(self) -> frozenset[int]:
        return frozenset(range(_REJECT_EVERY, self.events + 1, _REJECT_EVERY)) - frozenset(self.decisions)

    @property
    def decisions(self) -> dict[int, tuple[Any, int]]:
        """By the decision's own seq: what, about which seq. A retried one is rejected again."""
        found: dict[int, tuple[Any, int]] = {}
        for number, seq in enumerate(range(_REJECT_EVERY, self.events - _DECIDED_AFTER, _REJECT_EVERY)):
            if number % 3 and seq not in found:
                found[seq + _DECIDED_AFTER] = ("discarded" if number % 3 == 1 else "retried", seq)
        return found

    def discarded(self, through: int) -> set[int]:
        """The rejected ones that were given up by decisions up to a seq."""
        return {of for at, (how, of) in self.decisions.items() if how == "discarded" and at <= through}


async def journal_made(path: Path, plan: Plan) -> None:
    """Write the journal that is delivered."""
    time, decisions = Time(), plan.decisions
    ids = {seq: new_id(START_MS + seq) for seq in range(2, plan.events + 1)}
    drafts = []
    for seq, id_ in ids.items():
        fact: Fact = WorkPaused(reason=f"{seq:05d}", work_order="4711", operation="0010")
        if seq in decisions:
            how, of = decisions[seq]
            fact = ReviewSettled(settles=(ids[of],), how=how, person="chief")
        drafts.append(Draft(id_, START_MS, fact))
    async with await Journal.open(path, "site", "edge", time) as journal:
        await journal.append(drafts)


@asynccontextmanager
async def delivering(
    receiver: Receiver, store: Store, journal: Path, batch_events: int
) -> AsyncIterator[Agent]:
    """An agent at work on a receiver that is served."""
    time = Time()
    runner = web.AppRunner(receiver.app(), access_log=None, auto_decompress=False, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/events"
    given = {"kind": "http", "url": receiver.url, "batch_events": batch_events}
    uplink = HttpUplink(UPLINK, HttpSettings.model_validate(given), time)
    agent = Agent(uplink, store, journal, time, Metrics(), sleep=time.sleep)
    task = asyncio.create_task(agent.run(), name="agent")
    try:
        yield agent
    finally:
        task.cancel()
        await asyncio.wait([task])
        await uplink.close()
        await runner.cleanup()


async def drained(store: Store, agent: Agent, head: int) -> None:
    """Wait until everything is settled and nothing released waits."""
    await asyncio.sleep(0)
    while True:
        assert agent.running
        cursor, standing = await store.cursor(UPLINK), await store.standing(UPLINK)
        if cursor is not None and cursor.seq >= head and not standing.retrying:
            return
        await asyncio.sleep(0.01)


class ToldReceiver(Receiver):
    """Says what it has decided before anybody can know."""

    told: int
    epoch: str

    def post(self, events: Events) -> list[dict[str, Any]]:
        results = super().post(events)
        _tell(self.told, "settled", self.epoch, max(int(event["sequence"]) for event in events))
        return results


class ToldStore(Store):
    """Says what it has kept; dies where it is told to, as a killed process does."""

    told: int
    dies_at: int

    async def settle(
        self, uplink: str, settlement: Settlement, state: str, at_ms: int, recovered: bool = False
    ) -> None:
        await super().settle(uplink, settlement, state, at_ms, recovered)
        if settlement.cursor is not None:
            _tell(self.told, "kept", settlement.epoch, settlement.cursor)
            if settlement.cursor >= self.dies_at:
                os._exit(0)


def _tell(told: int, word: str, epoch: str, seq: int) -> None:
    os.write(told, f"{word} {UPLINK} {epoch}:{seq}\n".encode())


def rude(chance: random.Random) -> Any:
    """Loses an answer now and then, or has no time."""

    async def mood(receiver: Receiver, request: web.Request, events: Events) -> web.StreamResponse | None:
        drawn = chance.random()
        if drawn < 0.05:
            return await loses_answer(receiver, request, events)
        return web.Response(status=503) if drawn < 0.1 else None

    return mood


async def main(folder: Path, journal: Path, told: Path, seed: int, plan: Plan, dies_at: int) -> None:
    """One life: to the end, or to where it dies."""
    handle = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    receiver = ToldReceiver(always=rude(random.Random(seed)), poison=set(plan.rejected))
    async with await Reader.open(journal) as reader:
        receiver.told, receiver.epoch, head = handle, reader.epoch, await reader.head()
    async with await ToldStore.open(folder / "sync.db") as store:
        assert isinstance(store, ToldStore)
        store.told, store.dies_at = handle, dies_at
        async with delivering(receiver, store, journal, batch_events=10) as agent:
            await drained(store, agent, head)


def arguments(*given: object) -> Sequence[object]:
    """The command line of a life; as `main` takes it."""
    return [sys.executable, "-m", __name__, *given]


if __name__ == "__main__":
    folder, journal, told, seed, events, dies_at = sys.argv[1:]
    asyncio.run(main(Path(folder), Path(journal), Path(told), int(seed), Plan(int(events)), int(dies_at)))
