"""kill -9 at any moment: what the gun acknowledged is in the journal and at the ERP, once and in order.

Each acknowledged fact is known by itself: the operator takes 0.000001, 0.000002, ... kg of a lot, so that a
lost one, a doubled one and two that changed places can be told apart.
"""

import asyncio
import random
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from edge.events import MaterialConsumed
from edge.journal import Reader, verify
from tests.line.plant import Line, facts, line, until

ORDER = "10045678"
FIRST_COUNT = 2**32 - 40  # rolls over on the way
STEP = Decimal("0.000001")


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
        beep = asyncio.create_task(gun.verdict(20))
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


async def killed(floor: Line, operator: Operator, what: str) -> None:
    """Kill one process and start it again, as systemd would."""
    if what == "sync":
        await floor.children["sync"].kill()
        await floor.start("sync", wait=False)
        return
    await floor.children["collect"].kill()
    operator.ready.clear()
    operator.gone.set()
    await operator.aside.wait()
    operator.gone.clear()
    await floor.start("collect")
    await until(lambda: "gun1" in _open_files(floor), "the gun being opened")
    operator.ready.set()


def _open_files(floor: Line) -> str:
    """`gun1` where the collector holds the gun's port open."""
    device = floor.gun.link.resolve()
    folder = Path(f"/proc/{floor.children['collect'].pid}/fd")
    try:
        return "gun1" if any(one.readlink() == device for one in folder.iterdir()) else ""
    except OSError:
        return ""


async def shift(folder: Path, kills: int, seed: int) -> list[tuple[str, int]]:
    """Work through so many kills; the table of what came of it."""
    chance = random.Random(seed)
    done: Counter[str] = Counter()
    async with line(folder, first_count=FIRST_COUNT, cycle_s=0.05) as floor:
        floor.configure(**{"max_rate_per_min = 400": "max_rate_per_min = 3000"})
        await floor.start("collect")
        await floor.start("sync")
        await floor.sign_on()
        await floor.masterdata()
        await floor.scans(f"LSW{ORDER}")
        operator = Operator(floor)
        work = asyncio.create_task(operator.work())
        floor.press.start()
        try:
            for _ in range(kills):
                await asyncio.sleep(chance.uniform(0, 1.2))
                what = chance.choice(("collect", "collect", "sync"))
                done[what] += 1
                await killed(floor, operator, what)
                before = len(operator.acknowledged)
                await until(lambda before=before: len(operator.acknowledged) > before, "work going on")  # type: ignore[misc]
                assert not work.done()
        finally:
            operator.ready.clear()
            await operator.aside.wait()
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        floor.press.stop()
        await floor.scans("LSCDONE")  # a boundary: what moved is recorded
        await floor.posted()
        return [*done.items(), *await outcome(floor, operator)]


async def outcome(floor: Line, operator: Operator) -> list[tuple[str, int]]:
    events = floor.events()
    taken = [one.data for one in facts(events, "material.consumed")]
    numbers = [int(one.quantity / STEP) for one in taken if isinstance(one, MaterialConsumed)]
    lost = set(operator.acknowledged) - set(numbers)
    doubled = [number for number, times in Counter(numbers).items() if times > 1]
    assert not lost
    assert not doubled
    assert numbers == sorted(numbers)
    assert set(numbers) <= set(range(1, operator.attempted + 1))

    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert await floor.at_erp() == [(event.id, event.seq, "accepted") for event in events]
    async with await Reader.open(floor.journal) as reader:
        assert not (await verify(reader)).problems

    moves = facts(events, "count.recorded", "count.unattributed")
    counted = sum(one.data.delta for one in moves if one.data.counter == "good")  # type: ignore[union-attr]
    strokes = (floor.press.count - FIRST_COUNT) % 2**32
    assert counted == strokes
    assert not [one for one in moves if getattr(one.data, "held", None)]  # nothing of it was implausible
    return [
        ("attempted", operator.attempted), ("acknowledged", len(operator.acknowledged)), ("lost", len(lost)),
        ("doubled", len(doubled)), ("recorded without a beep", len(numbers) - len(operator.acknowledged)),
        ("events", len(events)), ("strokes", strokes), ("strokes counted", int(counted)),
    ]  # fmt: skip


async def test_eight_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    table = await shift(tmp_path, 8, seed=20261122)
    assert dict(table)["acknowledged"] >= 8


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(4))
async def test_fifty_kills_lose_and_double_nothing(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    table = await shift(tmp_path, 50, seed)
    with capsys.disabled():
        print(f"\nseed {seed}")
        for what, number in table:
            print(f"  {what:<24}{number:>8}")
