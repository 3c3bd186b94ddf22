"""A disk that is really full: nobody is told "recorded" who is not, delivery goes on, the line comes back.

As in the kills each acknowledged fact is known by itself: 0.000001, 0.000002, ... kg of a lot.
"""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from edge.clock import SystemClock
from edge.events import Draft, JournalOpened, MaterialConsumed, OperatorSignedOn, decode
from edge.faults import StorageFault
from edge.ids import new_id
from edge.journal import Journal, Reader, verify
from edge.opening import Ground, opened
from edge.recovery import state_of
from edge.ring import SAMPLES, last_samples
from edge.storage import BALLAST, FULL
from edge.watermarks import MIB
from sync.reserve import PAGES, Reserve
from sync.status import load_alerts, load_status
from sync.store import Store
from tests.faults.disk import Disk, mounted
from tests.faults.survival import Record
from tests.faults.table import Row
from tests.line.plant import Line, facts, invoke, line, until
from tests.patience import PATIENCE_S
from tests.unit.test_opening import ids_of, killed, put, start

DISK_MIB = 160
ORDER = "10045678"
STEP = Decimal("0.000001")
SHORT = "LSCSCRAP04"  # its fact is shorter than one of material


@dataclass
class Tally:
    """What came of one fault."""

    fault: str
    tried: int = 0
    acknowledged: list[int] = field(default_factory=list)
    lost: int = 0
    doubled: int = 0

    @property
    def row(self) -> Row:
        return Row("full disk", self.fault, 1, len(self.acknowledged), self.lost, self.doubled)


class Operator:
    """Takes material one by one, and keeps what the gun acknowledged."""

    def __init__(self, floor: Line, fault: str) -> None:
        self.floor = floor
        self.tally = Tally(fault)

    async def take(self) -> str:
        """Once; the beep of the scan that records."""
        if await self._scan("LSL A2207") != "good":
            return "bad"
        self.tally.tried += 1
        number = self.tally.tried
        verdict = await self._scan(f"LSQ{number // 10**6}D{number % 10**6:06d}")
        if verdict == "good":
            self.tally.acknowledged.append(number)
        return verdict

    async def until(self, wanted: str, within: int = 2000) -> None:
        """Take on until the gun says so. The journal's log has blocks of its own, for some hundred facts."""
        for _ in range(within):
            if await self.take() == wanted:
                return
        raise AssertionError(f"no {wanted} beep in {within} scans")

    async def until_nothing_fits(self, within: int = 2000) -> None:
        """Take on until all is refused: where a long commit has no room, a shorter one may have."""
        for _ in range(within):
            if await self.take() == "bad":
                status, answer = await self.floor.typed(SHORT)
                if (status, answer["result"]) == (503, "storage"):
                    return
        raise AssertionError(f"something is still recorded after {within} scans")

    async def _scan(self, text: str) -> str:
        self.floor.gun.heard = b""
        await self.floor.gun.scan(text)
        return await self.floor.gun.verdict(PATIENCE_S)


async def ready(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/readyz") as answer:
        return answer.status


def cursor(data_dir: Path) -> int:
    """How far sync has settled, as it stands on the disk."""
    return load_status(data_dir / "sync.db").uplinks[0].seq


def standing(data_dir: Path) -> set[str]:
    return {one.key for one in load_alerts(data_dir / "journal.db") if one.cleared_ms is None}


async def told_by_status(floor: Line) -> bool:
    """Whether `lineside status` says what the gun and the page say."""
    code, told, _ = await invoke("status", "--config", floor.config)
    first, _, rest = told.partition("Stations")
    assert code == 1
    assert "NOT RECORDED. Write on paper, call supervisor: " in first
    assert "NOT RECORDED" in rest.partition("Receivers")[0]
    _, told, _ = await invoke("status", "--json", "--config", floor.config)
    return FULL in {one["key"] for one in json.loads(told)["alerts"]}


async def full_round(floor: Line, disk: Disk, operator: Operator, backlog: int = 8) -> bool:
    """Work, lose the network, lose the disk, have the network back, have the disk back.

    Whether status said so with an alert that no disk took: a shorter commit may still have found room.
    """
    data_dir = disk.mount
    await floor.posted()
    await floor.erp.cut()
    for _ in range(backlog):
        assert await operator.take() == "good"
    held_back = cursor(data_dir)
    hog = asyncio.create_task(disk.keep_full())
    try:
        # What it gives back later would be room for a few facts more.
        await until(lambda: not (data_dir / "ballast").exists(), "the ballast given back")
        await operator.until_nothing_fits()
        # Red for whoever looks, and for whoever monitors.
        screen = await floor.screen()
        assert screen["storage"]["text"]["en"].startswith("NOT RECORDED")
        assert "full" in screen["storage"]["message"]
        assert await ready(floor.url) == 503
        status, answer = await floor.typed(SHORT)
        assert (status, answer["result"]) == (503, "storage")
        await until(lambda: told_by_status(floor), "status says that nothing is recorded")
        unwritten = FULL not in standing(data_dir)
        # Delivery goes on all the same: everything arrives, and the cursor is on the disk.
        head = floor.head()
        assert head >= held_back + backlog
        await floor.erp.restore()
        await floor.posted()
        await until(lambda: cursor(data_dir) >= head, "the cursor at the head")
        assert await operator.take() == "bad"
        assert disk.share > 0.999
    finally:
        hog.cancel()
        await asyncio.gather(hog, return_exceptions=True)
    # Nobody scans: the line comes back by itself.
    disk.free()

    async def back() -> bool:
        return await ready(floor.url) == 200

    await until(back, "the line by itself")
    assert (await floor.screen())["storage"] is None
    assert await operator.take() == "good"
    await until(lambda: FULL not in standing(data_dir), "the alert cleared")
    return unwritten


async def reconciled(floor: Line, tally: Tally, record: Record) -> None:
    """What was acknowledged is in the journal and at the ERP, once and in order."""
    await floor.posted()
    events = floor.events()
    taken = [one.data for one in facts(events, "material.consumed")]
    numbers = [int(one.quantity / STEP) for one in taken if isinstance(one, MaterialConsumed)]
    tally.lost = len(set(tally.acknowledged) - set(numbers))
    tally.doubled = sum(times > 1 for times in Counter(numbers).values())
    record(tally.row)
    assert numbers == tally.acknowledged  # and what was refused was not recorded
    assert await floor.at_erp() == [(event.id, event.seq, "accepted") for event in events]
    async with await Reader.open(floor.journal) as reader:
        assert not (await verify(reader)).problems


async def begin(floor: Line, disk: Disk) -> None:
    await floor.start("collect")
    await floor.start("sync")
    await floor.sign_on()
    await floor.masterdata()
    await floor.scans(f"LSW{ORDER}")
    floor.press.start()
    wal = disk.mount / "sync.db-wal"
    await until(lambda: wal.exists() and wal.stat().st_size >= PAGES * 4096, "sync's reserve")


async def test_a_full_disk_loses_nothing_acknowledged_and_stops_no_delivery(
    tmp_path: Path, record: Record
) -> None:
    with mounted(tmp_path, tmp_path / "data", DISK_MIB) as disk:
        async with line(tmp_path, cycle_s=0.2) as floor:
            await begin(floor, disk)
            operator = Operator(floor, "once")
            assert await full_round(floor, disk, operator)
            await reconciled(floor, operator.tally, record)


async def test_the_marks_raise_alerts_stop_samples_and_give_the_ballast_back(
    tmp_path: Path, record: Record
) -> None:
    with mounted(tmp_path, tmp_path / "data", DISK_MIB) as disk:
        ballast = disk.mount / BALLAST
        async with line(tmp_path) as floor:
            await begin(floor, disk)
            operator = Operator(floor, "filled to 96 %")
            await until(ballast.exists, "the ballast")
            assert MIB < ballast.stat().st_blocks * 512 <= DISK_MIB * MIB / 100
            disk.fill_to(0.85)
            await until(lambda: standing(disk.mount) == {"storage.filling"}, "the first alert")
            assert ballast.exists()
            disk.fill_to(0.965)
            marks = {"storage.filling", "storage.samples", "storage.ballast"}
            await until(lambda: standing(disk.mount) == marks, "the other alerts")
            assert not ballast.exists()
            assert await operator.take() == "good"
            assert await ready(floor.url) == 200
            disk.free()
            await until(lambda: not standing(disk.mount), "the alerts cleared")
            await until(ballast.exists, "the ballast made again")
            assert await operator.take() == "good"
            await floor.children["collect"].stop()
            kept = [one for one in last_samples(disk.mount / SAMPLES, 1000) if one.kind == "scan"]
            assert kept[-1].value == f"LSQ0D{operator.tally.tried:06d}"
            await reconciled(floor, operator.tally, record)


@pytest.mark.parametrize("reserved", [True, False])
async def test_it_is_the_reserve_that_lets_the_cursor_move_on_a_full_disk(
    reserved: bool, tmp_path: Path
) -> None:
    with mounted(tmp_path, tmp_path / "data", 64) as disk:
        async with await Store.open(disk.mount / "sync.db") as store:
            await store.begin("erp", "0123456789abcdef", 0, 1)
            if reserved:
                assert await Reserve(store).look()
            disk.fill_up()
            moved = 0
            try:
                # A settlement with its receipt: some 20 KiB of document numbers.
                for moved in range(1, 301):
                    disk.fill_up()
                    await store.raise_alert(f"receipt.{moved}", "x" * 20_000, "", moved)
                    await store.begin("erp", "0123456789abcdef", moved, moved)
            except StorageFault as fault:
                assert "full" in fault.message
            at = await store.cursor("erp")
            assert at is not None
            if reserved:
                assert at.seq == 300
            else:
                assert at.seq < moved < 10
            disk.free()
            await store.begin("erp", "0123456789abcdef", 1000, 1)


async def test_a_checkpoint_that_finds_no_room_makes_no_commit_doubtful(tmp_path: Path) -> None:
    """The WAL still has blocks of its own where journal.db cannot grow: what was committed stays so."""
    with mounted(tmp_path, tmp_path / "data", 64) as disk:
        clock = SystemClock()
        path = disk.mount / "journal.db"
        seqs: list[int] = []

        async def append(journal: Journal, times: int) -> int:
            """How many of them failed."""
            failed = 0
            for _ in range(times):
                try:
                    draft = Draft(new_id(clock.now().wall_ms), 0, OperatorSignedOn(operator="x" * 6000))
                    seqs.extend(event.seq for event in await journal.append([draft]))
                except StorageFault:
                    failed += 1
            return failed

        async with await Journal.open(path, "site", "edge", clock) as journal:
            assert await append(journal, 700) == 0  # more than one checkpoint: the WAL has its length
            disk.fill_up()
            before = path.stat().st_size
            recorded = len(seqs)
            assert await append(journal, 700) > 0
            assert len(seqs) > recorded + 10  # the WAL's own blocks took some
            assert path.stat().st_size - before < MIB
            disk.free()
            assert await append(journal, 50) == 0
        assert seqs == list(range(2, len(seqs) + 2))
        async with await Reader.open(path) as reader:
            found = await verify(reader)
        assert (found.problems, found.last) == ((), seqs[-1])


async def test_a_start_on_a_full_disk_goes_on_with_a_log_that_cannot_be_emptied(tmp_path: Path) -> None:
    with mounted(tmp_path, tmp_path / "data", 64) as disk:
        epoch, ids = killed(disk.mount, 600)
        disk.fill_up()
        journal, notice = await start(disk.mount)
        async with journal:
            assert (journal.epoch, notice, journal.head) == (epoch, None, 600)
            disk.free()
            ids += await put(journal, 601, 650)
        assert list((await ids_of(disk.mount / "journal.db")).values())[1:] == ids
        journal, notice = await start(disk.mount)
        async with journal:
            assert (journal.epoch, notice, journal.head) == (epoch, None, 650)


async def test_a_damaged_journal_waits_for_the_room_that_its_rescue_needs(tmp_path: Path) -> None:
    with mounted(tmp_path, tmp_path / "data", 64) as disk:
        path = disk.mount / "journal.db"
        clock = SystemClock()
        async with await Journal.open(path, "site", "edge", clock) as journal:
            drafts = [Draft(new_id(n), 0, OperatorSignedOn(operator=f"{n:06d}" * 200)) for n in range(4000)]
            await journal.append(drafts)
            journal.suspect("a test says so")
        disk.fill_to(0.8)
        before = path.read_bytes()

        async def started() -> Journal:
            return (await opened(Ground(path, "site", "edge", {}), clock, state_of))[0]

        with pytest.raises(StorageFault, match=r"\d+ MiB are needed on its disk, \d+ MiB are free"):
            await started()
        assert path.read_bytes() == before
        assert not list(disk.mount.glob("journal*.proven*"))
        disk.free()
        async with await started() as journal:
            (event,) = [decode(body) for _, body in await journal.read_after(0, 10)]
        assert isinstance(event.data, JournalOpened)
        assert (event.data.cause, event.data.missing) == ("damaged", None)
        assert event.data.follows is not None and event.data.follows.endswith(":4001")


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_filled_and_freed_again_and_again(tmp_path: Path, record: Record) -> None:
    with mounted(tmp_path, tmp_path / "data", DISK_MIB) as disk:
        async with line(tmp_path, cycle_s=0.2) as floor:
            await begin(floor, disk)
            operator = Operator(floor, "12 times")
            unwritten = [await full_round(floor, disk, operator, backlog=40) for _ in range(12)]
            assert any(unwritten)
            await reconciled(floor, operator.tally, record)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("orderly", [True, False])
async def test_switched_off_and_on_while_the_disk_is_full(
    orderly: bool, tmp_path: Path, record: Record
) -> None:
    """What people do who see red. What SQLite lets go of at the end is enough for it to begin again."""
    with mounted(tmp_path, tmp_path / "data", DISK_MIB) as disk:
        async with line(tmp_path) as floor:
            await begin(floor, disk)
            operator = Operator(floor, f"restart after a {'stop' if orderly else 'kill'}")
            await until((disk.mount / BALLAST).exists, "the ballast")
            await floor.posted()
            await floor.erp.cut()
            disk.fill_up()
            await operator.until("bad")
            for name in ("collect", "sync"):
                child = floor.children[name]
                await (child.stop() if orderly else child.kill())
                await floor.start(name)
            head = floor.head()
            await floor.erp.restore()
            await until(lambda: cursor(disk.mount) >= head, "the backlog delivered")
            await until(lambda: floor.hears, "the gun being opened")
            disk.free()
            await operator.until("good", 3)
            await reconciled(floor, operator.tally, record)
