"""The collector on a real journal: answered only after the commit, and nothing lost where the disk fails."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from edge import masterdata, settings
from edge.collector import REFRESH_S, SNAPSHOT_EVENTS, Collector
from edge.events import CountRecorded, Event, decode
from edge.faults import RestartNeeded
from edge.journal import Journal, Snapshot
from edge.masterdata import MasterData
from edge.ports import Observer, Verdict
from edge.readings import Quality, Reading, Scan, Unreadable
from edge.station.state import STATE_VERSION, Line, Station
from tests.deliveries import delivered
from tests.patience import PATIENCE_S, best_of
from tests.unit.clocks import ManualClock
from tests.unit.station.floor import MASTER, Floor


class Device:
    """A driver that is only what the collector sees of one: verdicts are kept, refreshes are the test's."""

    def __init__(self, name: str, on_verdict: Callable[[Verdict], None] = lambda _: None) -> None:
        self.name = name
        self.verdicts: list[Verdict] = []
        self.refreshed = 0
        self.on_refresh: Callable[[], None] = lambda: None
        self.silent = False  # refresh never returns
        self.broken = False  # refresh raises
        self._on_verdict = on_verdict
        self._news = asyncio.Event()

    async def run(self, observer: Observer) -> None:
        await asyncio.Event().wait()

    async def refresh(self) -> None:
        self.refreshed += 1
        if self.silent:
            await asyncio.Event().wait()
        if self.broken:
            raise RuntimeError("the driver broke")
        self.on_refresh()

    def signal(self, verdict: Verdict) -> None:
        self._on_verdict(verdict)
        self.verdicts.append(verdict)
        self._news.set()

    async def verdict(self, number: int) -> Verdict:
        """The verdict of that number, from 1, once it is given."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.verdicts) < number:
                self._news.clear()
                await self._news.wait()
        return self.verdicts[number - 1]


class Rig:
    """A collector at work, with two guns and a press."""

    def __init__(self, folder: Path, journal: Journal, clock: ManualClock, collector: Collector) -> None:
        self.folder = folder
        self.journal = journal
        self.clock = clock
        self.collector = collector
        self.gun = Device("gun1")
        self.press = Device("press1")
        self.task: asyncio.Task[None] | None = None
        self._scans = 0

    async def scan(self, *texts: str, device: str = "gun1") -> Verdict:
        """Scan codes 3 s apart, each after the answer to the one before; the last verdict."""
        verdict: Verdict = "bad"
        for text in texts:
            self.clock.advance(3)
            number = len(self.gun.verdicts) + 1
            self.collector.scan(Scan(device, text, self.clock.now()))
            verdict = await self.gun.verdict(number)
        return verdict

    def read(self, cycles: int, running: bool = True) -> None:
        now = self.clock.now()
        self.collector.readings(
            [
                Reading("press1", "cycles", cycles, Quality.good, now),
                Reading("press1", "running", running, Quality.good, now),
            ]
        )

    async def settled(self) -> None:
        """Everything handed in so far is worked off: a scan behind it has its answer."""
        await self.collector.typed("OP30", "no code of ours")

    async def fill_disk(self) -> None:
        """From now on SQLite has no page left: a real SQLITE_FULL at the next commit that needs one."""
        await self._pragma(f"max_page_count = {await self._pragma('page_count')}")

    async def free_disk(self) -> None:
        await self._pragma("max_page_count = 1000000")

    async def fails(self) -> None:
        """Scan until the full disk is met: the last page may still have room for a few facts."""
        await self.fill_disk()
        for number in range(100):
            if await self.scan("LSE1043", "LSCOUT", "LSE1043") == "bad" and number:
                return
            if self.collector.storage_fault is not None:
                return
        raise AssertionError("the disk did not fill")

    async def _pragma(self, text: str) -> int:
        async with self.journal._connection.execute(f"PRAGMA {text}") as cursor:
            row = await cursor.fetchone()
        assert row is not None
        return int(row[0])


@asynccontextmanager
async def rigged(folder: Path, *, master: bool = True, start: bool = True) -> AsyncIterator[Rig]:
    clock = ManualClock()
    async with await Journal.open(folder / "journal.db", "site", "edge", clock) as journal:
        collector = Collector(Floor().site, journal, clock, folder / "masterdata.db")
        rig = Rig(folder, journal, clock, collector)
        if master:
            fetch(folder, MASTER)
        await collector.restore()
        collector.attach({"gun1": rig.gun, "press1": rig.press})
        if start:
            rig.task = asyncio.create_task(collector.run(), name="collector")
        try:
            yield rig
        finally:
            if rig.task is not None:
                rig.task.cancel()
                await asyncio.gather(rig.task, return_exceptions=True)


def fetch(folder: Path, document: object, etag: str = "etag-1", at_ms: int = 1) -> None:
    """Put a delivery of master data where sync does."""
    with ThreadPoolExecutor(1) as beside:  # a test may be within a loop of its own
        beside.submit(delivered, folder / "masterdata.db", document, etag, at_ms).result()


def committed(folder: Path) -> list[Event]:
    """The journal as another process reads it now."""
    connection = sqlite3.connect(f"file:{folder / 'journal.db'}?mode=ro", uri=True)
    connection.text_factory = bytes
    try:
        return [decode(body) for (body,) in connection.execute("SELECT body FROM events ORDER BY seq")]
    finally:
        connection.close()


def types(events: Sequence[Event]) -> list[str]:
    return [event.type.removeprefix("lineside.").removesuffix(".v1") for event in events]


async def until(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < deadline, f"{what} did not come"
        await asyncio.sleep(0.01)


# Acknowledged means durable


async def test_at_the_moment_of_the_good_beep_another_process_already_reads_the_fact(tmp_path: Path) -> None:
    seen: list[list[str]] = []
    async with rigged(tmp_path) as rig:
        rig.gun._on_verdict = lambda _: seen.append(types(committed(tmp_path)))
        await rig.scan("LSE1042", "LSW100", "LSL A1", "LSQ2", "LSCSCRAP04")
    assert rig.gun.verdicts == ["good"] * 5
    assert seen[0][-1] == "operator.signed_on"
    assert seen[1][-1] == "work.started"
    assert seen[2] == seen[1]  # the lot waits for its quantity: good, and nothing committed
    assert seen[3][-1] == "material.consumed"
    assert seen[4][-1] == "work.reported"


async def test_the_answer_of_the_api_names_the_committed_events(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        answer = await rig.collector.typed("OP20", "LSE1042")
        (event,) = answer.events
        held = {one.id: one for one in committed(tmp_path)}
    assert answer.result == "recorded"
    assert (held[event.id].seq, held[event.id].type) == (event.seq, event.type)


async def test_what_a_keyboard_scanner_types_into_the_page_keeps_its_kind_but_no_separators(
    tmp_path: Path,
) -> None:
    async with rigged(tmp_path) as rig:
        assert (await rig.collector.typed("OP20", "]C0LSE1042")).result == "recorded"
        assert (await rig.collector.typed("OP20", "LSW100")).result == "recorded"
        lost = await rig.collector.typed("OP20", "]C1010690123456789210A13010")
        assert (lost.result, "separators" in lost.message.en) == ("refused", True)
        whole = await rig.collector.typed("OP20", "]C1010690123456789210A1\x1d3010")
        assert (whole.result, "belongs to no material" in whole.message.en) == ("refused", True)


async def test_scans_that_come_together_are_answered_in_order_each_with_its_own_verdict(
    tmp_path: Path,
) -> None:
    async with rigged(tmp_path) as rig:
        texts = ["LSE1042", "LSW100", "LSW100000", "LSQ5", "LSL A1", "LSQ5", "rubbish", "LSCSCRAP04"]
        for text in texts:
            rig.collector.scan(Scan("gun1", text, rig.clock.now()))
        await rig.gun.verdict(len(texts))
    assert rig.gun.verdicts == ["good", "good", "bad", "bad", "good", "good", "bad", "good"]
    facts = [one for one in types(committed(tmp_path)) if not one.startswith(("count", "journal"))]
    assert facts == ["operator.signed_on", "work.started", "material.consumed", "work.reported"]


async def test_what_the_gun_could_not_read_is_answered_bad_and_not_recorded(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        for reason in ("garbage", "too_long", "incomplete", "ambiguous"):
            rig.collector.unreadable(Unreadable("gun1", reason, b"LSW1", rig.clock.now()))  # type: ignore[arg-type]
        await rig.gun.verdict(4)
    assert rig.gun.verdicts == ["bad"] * 4
    assert types(committed(tmp_path)) == ["journal.opened"]


async def test_a_code_that_lost_its_separators_is_not_to_be_scanned_again_and_half_a_code_is(
    tmp_path: Path,
) -> None:
    said = {}
    async with rigged(tmp_path) as rig:
        for reason in ("incomplete", "ambiguous"):
            rig.collector.unreadable(Unreadable("gun1", reason, b"10A1", rig.clock.now()))  # type: ignore[arg-type]
            await rig.gun.verdict(len(said) + 1)
            said[reason] = rig.collector.view("OP20").message
    half, ambiguous = said["incomplete"], said["ambiguous"]
    assert half is not None and half.en.endswith("Scan again") and half.zh.endswith("请重扫")
    assert ambiguous is not None
    assert "Not recorded" in ambiguous.en and "another label" in ambiguous.en and "technician" in ambiguous.en
    assert "未记录" in ambiguous.zh and "其他标签" in ambiguous.zh and "技术员" in ambiguous.zh
    assert "Scan again" not in ambiguous.en and "请重扫" not in ambiguous.zh


async def test_an_entry_that_expires_makes_the_gun_sound_bad(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042", "LSW100", "LSL A1")
        rig.clock.advance(61)
        assert await rig.gun.verdict(4) == "bad"
        assert "Not confirmed within 60 s" in (rig.collector.view("OP20").message or "").en  # type: ignore[union-attr]
    assert "material.consumed" not in types(committed(tmp_path))


# Storage failure


async def test_a_full_disk_answers_bad_and_leaves_state_and_journal_as_they_were(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042", "LSW100")
        await rig.fails()
        line, lives, head = rig.collector.line, dict(rig.collector.lives), rig.journal.head
        assert await rig.scan("LSCSCRAP04") == "bad"
        answer = await rig.collector.typed("OP20", "LSCSCRAP05")
        assert (answer.result, answer.events) == ("storage", ())
        assert "NOT RECORDED" in answer.message.en
        assert rig.collector.line == line
        assert {name: live.pending for name, live in rig.collector.lives.items()} == {
            name: live.pending for name, live in lives.items()
        }
        assert rig.journal.head == head == len(committed(tmp_path))


async def test_recording_goes_on_by_itself_once_there_is_room(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042", "LSW100")
        await rig.fails()
        assert await rig.scan("LSCSCRAP04") == "bad"
        await rig.free_disk()
        assert await rig.scan("LSCSCRAP05") == "good"
        assert rig.collector.storage_fault is None
        reports = [event for event in committed(tmp_path) if event.type.startswith("lineside.work.reported")]
        assert [output.reason for event in reports for output in event.data.outputs] == ["05"]  # type: ignore[union-attr]
        assert rig.collector.line.station("OP20").job.scrap == 1  # type: ignore[union-attr]


async def test_the_storage_fault_stands_until_something_was_really_written(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042", "LSW100")
        await rig.fails()
        assert await rig.scan("LSCSCRAP04") == "bad"
        with capture_logs() as logs:
            assert await rig.scan("LSL A1") == "good"  # waits for its quantity: no commit was tried
            await rig.settled()
            assert rig.collector.storage_fault is not None
        assert "the journal can be written again" not in [line["event"] for line in logs]


async def test_a_probe_ends_the_storage_fault_without_a_scan_once_there_is_room(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042", "LSW100")
        await rig.fails()
        # The snapshot is to need pages that are not there: a real SQLITE_FULL.
        long = {f"{number:050}": Station(crew=("x" * 50,)) for number in range(200)}
        rig.collector.line = replace(rig.collector.line, stations={**rig.collector.line.stations, **long})
        await rig.collector.probe()
        assert rig.collector.storage_fault is not None
        await rig.free_disk()
        head = rig.journal.head
        await rig.collector.probe()
        assert rig.collector.storage_fault is None
        assert rig.journal.head == head


async def test_each_scan_is_kept_as_evidence_with_what_it_was_answered(tmp_path: Path) -> None:
    class Evidence:
        def __init__(self) -> None:
            self.scans: list[tuple[str, object, str]] = []
            self.read = 0

        def readings(self, batch: Sequence[Reading]) -> None:
            self.read += len(batch)

        def answered(self, station: str, given: Scan | Unreadable, verdict: str) -> None:
            self.scans.append((station, given.text if isinstance(given, Scan) else given.raw, verdict))

    async with rigged(tmp_path) as rig:
        evidence = Evidence()
        rig.collector.attach({"gun1": rig.gun, "press1": rig.press}, evidence)
        await rig.scan("LSE1042", "LSW100", "LSWnone")
        rig.collector.scan(Scan("gun9", "LSE1042", rig.clock.now()))
        rig.read(100)
        await rig.fails()
        await rig.collector.typed("OP20", "LSCSCRAP04")
        assert evidence.scans[:4] == [
            ("OP20", "LSE1042", "recorded"), ("OP20", "LSW100", "recorded"), ("OP20", "LSWnone", "refused"),
            ("", "LSE1042", "no_station"),
        ]  # fmt: skip
        assert evidence.scans[-1] == ("OP20", "LSCSCRAP04", "storage")
        assert evidence.read == 2


async def test_strokes_during_a_full_disk_are_counted_afterwards(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.read(100)
        await rig.scan("LSE1042", "LSW100")
        await rig.fails()
        for count in range(101, 111):
            rig.clock.advance(3)
            rig.read(count)
        await rig.settled()
        await rig.free_disk()
        rig.clock.advance(3)
        rig.read(111)
        assert await rig.scan("LSCDONE") == "good"
        assert rig.collector.view("OP20").good == "11"


# Restored is what it was


async def test_after_a_kill_the_state_is_what_it_was(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.read(10)
        await rig.scan("LSE1042", "LSW100", "LSL A1", "LSQ2")
        rig.clock.advance(31)
        rig.read(14)
        await rig.scan("LSCSCRAP04", "LSQ3", "LSCPAUSE21", "LSCGO")
        before = rig.collector.line  # and no close: the objects are dropped
    async with rigged(tmp_path, start=False) as rig:
        assert rig.collector.line == before


async def test_a_snapshot_and_the_events_behind_it_give_the_same_state_as_all_events(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.read(10)
        await rig.scan("LSE1042", "LSW100", "LSL A1", "LSQ2")
        await rig.collector.close()
        await rig.scan("LSCSCRAP04", "LSQ3", "LSCPAUSE21", "LSCGO")
        before = rig.collector.line
        snapshot = await rig.journal.snapshot()
        assert snapshot is not None
        assert 0 < snapshot.seq < rig.journal.head
    async with rigged(tmp_path, start=False) as rig:
        assert rig.collector.line == before
    connection = sqlite3.connect(tmp_path / "journal.db")
    with connection:
        connection.execute("DELETE FROM snapshot")
    connection.close()
    async with rigged(tmp_path, start=False) as rig:
        assert rig.collector.line == before


async def test_a_snapshot_is_kept_now_and_then_without_a_stop(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042", "LSW100")
        for number in range(SNAPSHOT_EVENTS + 1):
            rig.clock.advance(3)
            rig.collector.scan(Scan("gun1", f"LSCSCRAP0{4 + number % 2}", rig.clock.now()))
            if len(rig.collector._inbox) > 200:
                await rig.settled()
        await rig.gun.verdict(SNAPSHOT_EVENTS + 3)
        await rig.settled()
        snapshot = await rig.journal.snapshot()
        assert snapshot is not None
        assert snapshot.seq >= SNAPSHOT_EVENTS


@pytest.mark.parametrize("state", [b"{}}", b'{"stations": 3}', b""])
async def test_a_snapshot_that_cannot_be_read_costs_time_and_no_state(tmp_path: Path, state: bytes) -> None:
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042", "LSW100")
        before = rig.collector.line
        await rig.journal.save_snapshot(Snapshot(rig.journal.head, STATE_VERSION, state))
    async with rigged(tmp_path, start=False) as rig:
        assert rig.collector.line == before


async def stopped_within(rig: Rig, code: str) -> None:
    """Scan on a disk that is slow for a moment, and stop as the supervisor does before that is committed."""
    free = threading.Event()
    slow = asyncio.ensure_future(rig.journal._connection._execute(free.wait))  # type: ignore[no-untyped-call]
    rig.clock.advance(3)
    rig.collector.scan(Scan("gun1", code, rig.clock.now()))
    await until(lambda: rig.journal._connection._tx.qsize() > 0, "the commit that waits")
    assert rig.task is not None
    rig.task.cancel()
    asyncio.get_running_loop().call_later(0.1, free.set)
    await asyncio.gather(rig.task, return_exceptions=True)
    await rig.collector.close()
    await slow


async def test_a_stop_in_the_middle_of_a_commit_counts_no_stroke_twice(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.read(1000)
        rig.clock.advance(60)
        rig.read(1020)
        await rig.scan("LSE1042")
        await stopped_within(rig, "LSW100")
    counts = [event.data for event in committed(tmp_path) if isinstance(event.data, CountRecorded)]
    moves = [(one.from_, one.to, one.delta) for one in counts if one.counter == "good"]
    assert moves == [(None, 1000, 0), (1000, 1020, 20)]


async def test_a_scan_that_a_stop_meets_is_answered_after_its_commit(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042", "LSW100")
        await stopped_within(rig, "LSCSCRAP04")
        assert rig.gun.verdicts == ["good", "good", "good"]


async def test_a_stop_in_the_middle_of_a_commit_neither_doubles_nor_loses_its_facts(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042", "LSW100")
        await stopped_within(rig, "LSCSCRAP04")
    events = committed(tmp_path)
    scrapped = types(events).count("work.reported")
    async with rigged(tmp_path, start=False) as rig:
        job = rig.collector.line.station("OP20").job
        assert job is not None
        assert job.scrap == scrapped


async def test_pending_entries_end_at_a_restart_and_the_screen_says_so(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042", "LSW100", "LSL A1")
    async with rigged(tmp_path) as rig:
        await rig.settled()
        shown = rig.collector.view("OP20")
        assert shown.message is not None
        assert "Restarted. What was not confirmed was not recorded" in shown.message.en
        assert await rig.scan("LSQ2") == "bad"
        assert rig.collector.line.station("OP20").job.consumed == {}  # type: ignore[union-attr]


# Idempotency keys


# Boundaries


@pytest.mark.parametrize("code", ["LSCDONE", "[)>\x1e06\x1dZDONE\x1e\x04"])
async def test_the_boundary_is_the_value_read_at_the_scan(tmp_path: Path, code: str) -> None:
    async with rigged(tmp_path) as rig:
        rig.read(100)
        await rig.scan("LSE1042", "LSW100")

        def stroked() -> None:
            rig.press.on_refresh = lambda: None
            rig.read(102)

        rig.press.on_refresh = stroked
        assert await rig.scan(code) == "good"
        assert rig.press.refreshed
        assert rig.collector.view("OP20").good == "2"


async def test_scans_that_move_no_boundary_ask_the_machine_nothing(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042", "LSL A1", "LSQ2", "rubbish", "LSCSCRAP04")
    assert rig.press.refreshed == 0


@pytest.mark.parametrize("trouble", ["silent", "broken"])
async def test_a_machine_that_does_not_answer_holds_a_scan_200_ms_at_most(
    tmp_path: Path, trouble: str
) -> None:
    async with rigged(tmp_path) as rig:
        rig.read(100)
        await rig.scan("LSE1042")
        setattr(rig.press, trouble, True)
        orders = iter(("LSW100", "LSW200", "LSW100"))

        async def started() -> float:
            began = time.monotonic()
            assert await rig.scan(next(orders)) == "good"
            return time.monotonic() - began

        assert await best_of(started, REFRESH_S + 0.3) < REFRESH_S + 0.3


async def test_a_silent_machine_delays_the_other_stations_no_longer_than_its_own(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042")
        rig.press.silent = True
        orders = iter(("LSW100", "LSW200", "LSW100"))
        badges = iter(range(1042, 1048))

        async def answered() -> float:
            began = time.monotonic()
            rig.collector.scan(Scan("gun1", next(orders), rig.clock.now()))
            await asyncio.sleep(0)
            answers = [await rig.collector.typed("OP30", f"LSE{next(badges)}") for _ in range(2)]
            assert [one.result for one in answers] == ["recorded"] * 2
            return time.monotonic() - began

        assert await best_of(answered, REFRESH_S + 0.3) < REFRESH_S + 0.3


async def test_a_boundary_scan_that_comes_while_another_machine_is_asked_asks_its_own(tmp_path: Path) -> None:
    async with rigged(tmp_path, start=False) as rig:
        table = {"work_center": "WC-PRESS-1", "counters": {"good": {"tag": "press2.cycles"}}}
        stations = {**rig.collector.site.stations, "OP30": settings.Station.model_validate(table)}
        rig.collector = Collector(
            replace(rig.collector.site, stations=stations), rig.journal, rig.clock, tmp_path
        )
        rig.collector.masterdata.now = MasterData(masterdata.parse(msgspec.json.encode(MASTER)))
        second = Device("press2")
        rig.collector.attach({"gun1": rig.gun, "press1": rig.press, "press2": second})
        rig.task = asyncio.create_task(rig.collector.run(), name="collector")
        await rig.scan("LSE1042")
        rig.press.silent = True
        rig.collector.scan(Scan("gun1", "LSW100", rig.clock.now()))
        await until(lambda: rig.press.refreshed > 0, "the first press being asked")
        await rig.collector.typed("OP30", "LSE1043")
        rig.collector.scan(Scan("gun1", "LSCPAUSE21", rig.clock.now()))
        await until(lambda: rig.press.refreshed > 1, "the first press being asked again")
        await rig.collector.typed("OP30", "LSW200")
        assert second.refreshed == 1


# Master data


async def test_master_data_is_taken_up_when_sync_has_fetched_it(tmp_path: Path) -> None:
    async with rigged(tmp_path, master=False) as rig:
        watch = asyncio.create_task(rig.collector.masterdata.run())
        await rig.scan("LSE1042")
        assert await rig.scan("LSW100") == "bad"
        fetch(tmp_path, MASTER)
        await until(lambda: "100" in rig.collector.master.orders, "the order")
        assert await rig.scan("LSW100") == "good"
        fetch(tmp_path, {"work_orders": []}, "etag-2", 2)
        await until(lambda: rig.collector.master.etag == "etag-2", "the second delivery")
        assert rig.collector.master.orders == {}
        assert rig.collector.master.materials  # an absent list leaves the old one
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def test_stations_start_without_sync_having_ever_run(tmp_path: Path) -> None:
    async with rigged(tmp_path, master=False) as rig:
        assert await rig.scan("LSE1042") == "good"


async def test_what_time_brings_ends_the_process_where_the_journal_is_no_more(tmp_path: Path) -> None:
    """Nobody scans at a shift's end, and what follows would be acknowledged into a file without a name."""
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042", "LSW100")
        (tmp_path / "journal.db").unlink()
        rig.clock.advance(11 * 3600)
        rig.collector.tick()
        assert rig.task is not None
        with pytest.raises(
            RestartNeeded, match=r"deleted, moved or replaced.*next start goes on with what is"
        ):
            await asyncio.wait_for(rig.task, 10)


async def test_a_start_on_a_journal_that_is_no_more_ends_with_its_first_round(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042", "LSW100")
    async with rigged(tmp_path, start=False) as rig:
        rig.clock.advance(11 * 3600)
        (tmp_path / "journal.db").unlink()
        await rig.collector.restore()
        with pytest.raises(RestartNeeded, match="deleted, moved or replaced"):
            await asyncio.wait_for(rig.collector.run(), 10)


def _not_a_database(folder: Path) -> None:
    for file in folder.glob("masterdata.db-*"):
        file.unlink()
    (folder / "masterdata.db").write_bytes(b"this is no database, but somebody's notes" * 200)


def _another_form(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "masterdata.db")) as db, db:
        assert db.execute("UPDATE records SET body = ? WHERE list = 'people'", (b'{"order": 1}',)).rowcount


@pytest.mark.parametrize("damage", [_not_a_database, _another_form])
async def test_damaged_master_data_stops_no_station_from_starting(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    fetch(tmp_path, MASTER)
    damage(tmp_path)
    async with rigged(tmp_path, master=False) as rig:
        assert await rig.scan("LSE1042") == "good"


async def test_while_masterdata_db_cannot_be_opened_what_is_held_stays_in_use(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        (tmp_path / "masterdata.db").rename(tmp_path / "away.db")
        (tmp_path / "masterdata.db").mkdir()
        await rig.collector.masterdata.look()
        assert "100" in rig.collector.master.orders


async def test_a_record_that_cannot_be_read_costs_the_scan_nothing_but_the_check(tmp_path: Path) -> None:
    async with rigged(tmp_path, master=False) as rig:
        fetch(tmp_path, MASTER)
        with closing(sqlite3.connect(tmp_path / "masterdata.db")) as db, db:
            assert db.execute("UPDATE records SET body = x'7b' WHERE list = 'work_orders'").rowcount
        await rig.collector.masterdata.look()
        assert await rig.scan("LSE1042") == "good"
        assert await rig.scan("LSW100") == "bad"  # as if no order had ever been received
        said = rig.collector.view("OP20").message
        assert said is not None and "No work orders were received" in said.en
        await rig.collector.masterdata.look()
        assert list(rig.collector.alerts.standing) == ["masterdata.unreadable"]
        assert await rig.scan("LSE1043") == "good"
        fetch(tmp_path, MASTER | {"work_orders": [{**MASTER["work_orders"][0], "quantity": "11"}]}, "e2", 2)
        await rig.collector.masterdata.look()
        assert await rig.scan("LSW100") == "good"
        assert not rig.collector.alerts.standing


# What comes from nowhere, and too much at once


async def test_a_gun_of_no_station_hears_bad_and_nothing_is_recorded(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        stray = Device("gun9")
        rig.collector.attach({"gun1": rig.gun, "gun9": stray})
        with capture_logs() as logs:
            rig.collector.scan(Scan("gun9", "LSE1042", rig.clock.now()))
            await rig.settled()
        assert [line["event"] for line in logs] == ["scan at a scanner without station"]
        assert types(committed(tmp_path)) == ["journal.opened"]
        assert stray.verdicts == ["bad"]


async def test_a_full_queue_refuses_scans_at_once_and_gives_up_old_readings_first(tmp_path: Path) -> None:
    async with rigged(tmp_path, start=False) as rig:
        collector = rig.collector
        collector._inbox.take()
        for count in range(600):
            rig.read(count)
        for number in range(1000):
            collector.scan(Scan("gun1", f"LSX{number}", rig.clock.now()))
        # 600 readings gave their places to scans one by one, none is left, and no scan was refused.
        assert rig.gun.verdicts == []
        assert len(collector._inbox.scans()) == len(collector._inbox) == 1000
        collector.scan(Scan("gun1", "LSE1042", rig.clock.now()))
        assert rig.gun.verdicts == ["bad"]
        answer = await collector.typed("OP20", "LSE1042")
        assert answer.result == "storage"
        assert "NOT RECORDED" in answer.message.en


async def test_time_that_passes_during_a_slow_commit_waits_once(tmp_path: Path) -> None:
    async with rigged(tmp_path, start=False) as rig:
        await rig.collector.turn()
        for _ in range(60):
            rig.collector.tick()
        assert len(rig.collector._inbox) == len(rig.collector.site.stations)


async def test_readings_never_push_out_a_scan(tmp_path: Path) -> None:
    async with rigged(tmp_path, start=False) as rig:
        rig.collector.scan(Scan("gun1", "LSE1042", rig.clock.now()))
        for count in range(3000):
            rig.read(count)
        rig.task = asyncio.create_task(rig.collector.run())
        assert await rig.gun.verdict(1) == "good"
    assert "operator.signed_on" in types(committed(tmp_path))


async def test_two_stations_keep_their_own_pending_entries(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042", "LSW100", "LSL A1")
        answer = await rig.collector.typed("OP30", "LSQ2")
        assert answer.result == "refused"
        assert await rig.scan("LSQ2") == "good"


def test_the_state_is_the_same_after_json(tmp_path: Path) -> None:
    floor = Floor()
    floor.read(5, True, 1.5)
    floor.scan("LSE1042", "LSW100", "LSL A1", "LSQ0D5", "LSCSCRAP04", "LSQ2", "LSCPART", "LSQ3", "LSCOK")
    encoded = msgspec.json.encode(floor.line)
    assert msgspec.json.decode(encoded, type=Line) == floor.line
