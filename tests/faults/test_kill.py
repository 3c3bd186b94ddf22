"""kill -9 at any moment: what the gun acknowledged is in the journal and at the ERP, once and in order.

Each acknowledged fact is known by itself: the operator takes 0.000001, 0.000002, ... kg of a lot, so that a
lost one, a doubled one and two that changed places can be told apart. The power cuts are in
test_power_cut.py: here the page cache stays, but real processes die and are started again.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pytest

from edge.events import CountRecorded, CountUnattributed, Event, MaterialConsumed
from edge.journal import Reader, verify
from tests.faults.survival import Record
from tests.faults.table import Row
from tests.line.plant import Line, facts, line, until
from tests.patience import PATIENCE_S

ORDER = "10045678"
FIRST_COUNT = 2**32 - 40  # rolls over on the way
STEP = Decimal("0.000001")
Killed = Literal["collect", "sync", "both"]
KINDS: tuple[Killed, ...] = ("collect", "sync", "both")


class Operator:
    """Takes material, again and again, and keeps what the gun acknowledged."""

    def __init__(self, floor: Line) -> None:
        self.floor = floor
        self.attempted = 0
        self.acknowledged: list[int] = []
        self.gone = asyncio.Event()  # the collector is dead
        self.aside = asyncio.Event()  # nothing is being scanned
        self.ready = asyncio.Event()
        self.ready.set()
        self.task: asyncio.Task[None] | None = None

    async def stands_aside(self) -> None:
        """Wait for the end of the scan that is under way; raises what ended the work."""
        aside = asyncio.create_task(self.aside.wait())
        assert self.task is not None
        await asyncio.wait([aside, self.task], return_when=asyncio.FIRST_COMPLETED)
        aside.cancel()
        if self.task.done():
            self.task.result()

    async def work(self) -> None:
        while True:
            self.aside.set()
            await self.ready.wait()
            self.aside.clear()
            if await self._scan("LSL A2207") != "good":
                continue
            self.attempted += 1
            number = self.attempted
            if await self._scan(f"LSQ{number // 10**6}D{number % 10**6:06d}") == "good":
                self.acknowledged.append(number)

    async def _scan(self, text: str) -> str | None:
        """The gun's beep; None where the collector died before it."""
        gun = self.floor.gun
        gun.heard = b""
        await gun.scan(text)
        beep = asyncio.create_task(gun.verdict(PATIENCE_S))
        gone = asyncio.create_task(self.gone.wait())
        try:
            await asyncio.wait([beep, gone], return_when=asyncio.FIRST_COMPLETED)
            if not beep.done():
                await asyncio.wait([beep], timeout=0.1)  # it may be in the line already
            return await beep if beep.done() else None
        finally:
            beep.cancel()
            gone.cancel()
            await asyncio.gather(beep, gone, return_exceptions=True)


async def killed(floor: Line, operator: Operator, what: Killed) -> None:
    """Kill one process or both at the same moment, and start again, as systemd would."""
    names = ("collect", "sync") if what == "both" else (what,)
    await asyncio.gather(*(floor.children[name].kill() for name in names))
    if "collect" in names:
        operator.ready.clear()
        operator.gone.set()
        await operator.stands_aside()
        operator.gone.clear()
    if "sync" in names:
        await floor.start("sync", wait=False)
    if "collect" in names:
        await floor.start("collect")
        await until(lambda: floor.hears, "the gun being opened")
        operator.ready.set()


async def shift(folder: Path, kills: Sequence[Killed], seed: int, record: Record) -> list[Row]:
    """Work through the kills; hand in a row for each kind of them."""
    chance = random.Random(seed)
    killed_at: list[int] = []  # how much had been acknowledged before each kill
    async with line(folder, first_count=FIRST_COUNT, cycle_s=0.05) as floor:
        floor.configure(**{"max_rate_per_min = 400": "max_rate_per_min = 3000"})
        await floor.start("collect")
        await floor.start("sync")
        await floor.sign_on()
        await floor.masterdata()
        await floor.scans(f"LSW{ORDER}")
        operator = Operator(floor)
        operator.task = work = asyncio.create_task(operator.work())
        floor.press.start()
        try:
            for what in kills:
                await asyncio.sleep(chance.uniform(0, 1.2))
                killed_at.append(len(operator.acknowledged))
                await killed(floor, operator, what)
                before = len(operator.acknowledged)
                await until(lambda before=before: len(operator.acknowledged) > before, "work going on")  # type: ignore[misc]
                assert not work.done()
        finally:
            operator.ready.clear()
            await operator.stands_aside()
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        floor.press.stop()
        await floor.scans("LSCDONE")  # a boundary: what moved is recorded
        await floor.posted()
        events = floor.events()
        taken = [one.data for one in facts(events, "material.consumed")]
        numbers = [int(one.quantity / STEP) for one in taken if isinstance(one, MaterialConsumed)]
        rows = outcome(operator, numbers, kills, killed_at)
        record(*rows)
        await sound(floor, operator, events, numbers)
        return rows


def outcome(
    operator: Operator, numbers: list[int], kills: Sequence[Killed], killed_at: Sequence[int]
) -> list[Row]:
    """What became of what was acknowledged: a row for each kind of kill."""
    times = Counter(numbers)
    rows = {what: Row("kill -9", what) for what in KINDS if what in kills}
    begin = 0
    # A kill answers for what was acknowledged since the one before it; the last one for the rest too.
    for what, end in zip(kills, [*killed_at[:-1], len(operator.acknowledged)], strict=True):
        own = operator.acknowledged[begin:end]
        lost = sum(1 for number in own if not times[number])
        rows[what] += Row("kill -9", what, 1, len(own), lost)
        begin = end
    doubled = sum(number - 1 for number in times.values())
    rows[kills[0]] += Row("kill -9", doubled=doubled)  # whichever kill it was
    return list(rows.values())


async def sound(floor: Line, operator: Operator, events: list[Event], numbers: list[int]) -> None:
    """Order, gaps, chain, the ERP's books and the press's strokes agree."""
    assert numbers == sorted(numbers)
    assert set(numbers) <= set(range(1, operator.attempted + 1))

    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert await floor.at_erp() == [(event.id, event.seq, "accepted") for event in events]
    async with await Reader.open(floor.journal) as reader:
        assert not (await verify(reader)).problems

    moves = [one.data for one in facts(events, "count.recorded", "count.unattributed")]
    counts = [one for one in moves if isinstance(one, CountRecorded | CountUnattributed)]
    strokes = (floor.press.count - FIRST_COUNT) % 2**32
    assert sum(one.delta or 0 for one in counts if one.counter == "good") == strokes
    assert not [one for one in counts if getattr(one, "held", None)]  # nothing of it was implausible


def drawn(kills: int, seed: int) -> list[Killed]:
    """So many kills, each kind about as often, in any order."""
    found = [KINDS[number % len(KINDS)] for number in range(kills)]
    random.Random(seed).shuffle(found)
    return found


async def test_six_kills_lose_and_double_nothing(tmp_path: Path, record: Record) -> None:
    rows = await shift(tmp_path, drawn(6, 20261122), 20261122, record)
    assert sum(row.acknowledged for row in rows) >= 6
    assert [(row.kind, row.tried) for row in rows] == [(kind, 2) for kind in KINDS]


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(4))
async def test_fifty_kills_lose_and_double_nothing(tmp_path: Path, seed: int, record: Record) -> None:
    rows = await shift(tmp_path, drawn(50, seed), seed, record)
    assert sum(row.tried for row in rows) == 50
