"""Stopped at any point and started again: exactly once at a receiver that tells by the ids."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.contract.uplink import receiver as rude
from tests.contract.uplink.receiver import Receiver
from tests.contract.uplink.rig import Rig, facts, rigged
from tests.patience import PATIENCE_S

EVENTS = 60


async def cut_short(rig: Rig, chance: random.Random) -> None:
    """Start an agent and cancel it after a random number of steps of the loop."""
    rig.start()
    if chance.random() < 0.5:
        for _ in range(chance.randrange(200)):
            await asyncio.sleep(0)
    else:
        await asyncio.sleep(chance.random() * 0.02)
    await rig.stop()


@pytest.mark.parametrize("seed", range(12))
async def test_cancelled_anywhere_everything_is_posted_once_in_order(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    async with rigged(tmp_path, EVENTS, batch_events=chance.choice((1, 3, 7))) as rig:
        moods = [rude.loses_answer, rude.breaks_off, rude.says(503), rude.says(409), rude.puts_off(9, 30)]
        for round_ in range(40):
            if chance.random() < 0.3:
                rig.receiver.moods.append(chance.choice(moods))
            await cut_short(rig, chance)
            settled = rig.seq
            posted = [seq for seq, _ in rig.receiver.posted]
            assert settled <= (posted[-1] if posted else 0), "the cursor stands ahead of what was settled"
            if round_ % 10 == 0:
                await rig.append(*facts(2, first=1000 + round_))
        rig.receiver.moods.clear()
        await rig.deliver()
        assert rig.receiver.posted == await rig.expected()
        assert rig.quarantine == []


@pytest.mark.parametrize("seed", range(6))
async def test_cancelled_anywhere_rejected_facts_wait_and_come_back_once(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    policy = chance.choice(("continue", "hold_order", "halt"))
    async with rigged(tmp_path, EVENTS, batch_events=5, on_reject=policy) as rig:
        rig.receiver.poison = {7, 23, 24, 41}
        for _ in range(60):
            await cut_short(rig, chance)
            waiting = [waits.id for waits in rig.quarantine if waits.state == "waiting"]
            if waiting and chance.random() < 0.4:
                rig.receiver.poison.discard(min(rig.receiver.poison, default=0))
                await rig.review("retried", waiting)
        rig.receiver.poison = set()
        rig.start()
        while (
            waiting := [waits.id for waits in rig.quarantine if waits.state == "waiting"]
            or rig.seq < rig.journal.head
        ):
            if isinstance(waiting, list):
                await rig.review("retried", waiting)
            before = rig.quarantine, rig.seq
            await rig.until(lambda before=before: (rig.quarantine, rig.seq) != before)  # type: ignore[misc]
        await rig.until(lambda: not rig.quarantine and rig.seq == rig.journal.head)
        assert sorted(rig.receiver.posted) == await rig.expected()
        assert rig.alerts() == []


async def test_a_commit_under_way_is_finished_when_cancelled(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        answered = asyncio.Event()

        async def tells(receiver: Receiver, _: web.Request, events: Any) -> web.Response:
            rig.store.began.clear()
            answered.set()
            return web.json_response({"results": receiver.post(events)})

        rig.receiver.always = tells
        rig.start()
        await answered.wait()
        await rig.store.began.wait()
        await rig.stop()
        assert rig.seq == 20, "the transaction was begun and must have been carried to its end"


async def test_a_full_disk_settles_nothing_and_loses_nothing(tmp_path: Path) -> None:
    from edge.faults import StorageFault

    async with rigged(tmp_path) as rig:
        await rig.deliver()
        rows = await rig.store.rows("PRAGMA page_count")
        await rig.store.rows(f"PRAGMA max_page_count = {rows[0][0]}")
        rig.receiver.poison = set(range(21, 200))  # bodies in quarantine need pages
        await rig.append(*[facts(1)[0].__class__(reason=f"{n:04d}" * 500) for n in range(60)])  # type: ignore[call-arg]
        rig.start()
        assert rig.task is not None
        await asyncio.wait([rig.task], timeout=PATIENCE_S)
        with pytest.raises(StorageFault, match="full"):
            await rig.stop()
        assert rig.seq == 20 and rig.quarantine == []
        await rig.store.rows("PRAGMA max_page_count = 1000000")
        await rig.deliver()
        assert len(rig.quarantine) == 60
