"""The watched clock on a real journal: no fact falls between a step and its annotation."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from edge import clock as clock_module
from edge.clock import SystemClock
from edge.collector import Collector
from edge.events import ClockStepped, Draft, Event, JournalOpened, parse_instant
from edge.journal import Beginning, Journal
from edge.readings import ClockQuality, Scan
from edge.station.handover import carried
from edge.timekeeper import BEHIND
from tests.unit.clocks import ManualClock
from tests.unit.station.floor import Floor
from tests.unit.test_collector import committed, rigged, types

HOURS_BACK = -3 * 3600


def set_clock(clock: ManualClock, seconds: float, quality: ClockQuality = "unsynced") -> None:
    moment = clock.moment
    clock.moment = replace(moment, wall_ms=moment.wall_ms + round(seconds * 1000), clock=quality)


def offsets(events: Sequence[Event]) -> list[int]:
    """Wall clock minus time since boot of each event, in seconds."""
    return [
        (parse_instant(event.time) - int(event.data.monotonic_s * 1000)) // 1000
        for event in events
        if event.data.monotonic_s is not None
    ]


@pytest.mark.parametrize("number", range(1, 8))
async def test_a_step_at_any_moment_of_a_round_is_recorded_between_its_facts(
    tmp_path: Path, number: int
) -> None:
    async with rigged(tmp_path, start=False) as rig:
        rig.collector.scan(Scan("gun1", "LSE1042", rig.clock.now()))
        await rig.collector._work_off(rig.collector._inbox.take())
        for text in ("LSW100", "LSCSCRAP04", "LSCSCRAP05", "LSE1043"):
            rig.collector.scan(Scan("gun1", text, rig.clock.now()))
        calls = 0

        def now() -> object:
            nonlocal calls
            calls += 1
            if calls == number:
                set_clock(rig.clock, HOURS_BACK)
            return ManualClock.now(rig.clock)

        rig.clock.now = now  # type: ignore[method-assign, assignment]
        await rig.collector._work_off(rig.collector._inbox.take())
        await rig.collector._timekeeper.settle(rig.collector.line.wall, rig.collector._record)
        assert rig.gun.verdicts == ["good"] * 5
        assert calls >= 7, "every look at the clock had its turn"
    events = committed(tmp_path)
    (step,) = [event for event in events if isinstance(event.data, ClockStepped)]
    old, new = offsets(events[: step.seq - 1]), offsets(events[step.seq - 1 :])
    assert len(set(old)) == len(set(new)) == 1
    assert new[0] - old[0] == HOURS_BACK
    dated = [event.data.posting_date is not None for event in events[1:] if event is not step]
    assert dated == [event.seq < step.seq for event in events[1:] if event is not step]
    assert len(events) == 1 + 5 + 1
    assert (step.data.from_seq, step.data.to_seq) == (f"{2:020d}", f"{step.seq - 1:020d}")  # type: ignore[union-attr]


async def test_a_step_that_cannot_be_written_is_written_once_there_is_room(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042", "LSW100")
        await rig.fails()
        set_clock(rig.clock, 3600)
        assert await rig.scan("LSCSCRAP04") == "bad"
        assert await rig.scan("LSCSCRAP04") == "bad"
        await rig.free_disk()
        assert await rig.scan("LSCSCRAP05") == "good"
    found = types(committed(tmp_path))
    assert found.count("clock.stepped") == 1
    assert found[-2:] == ["clock.stepped", "work.reported"]


async def test_a_start_with_a_set_clock_and_a_full_disk_is_a_start_all_the_same(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042", "LSW100")
        await rig.fails()
        set_clock(rig.clock, 3600)
        again = Collector(Floor().site, rig.journal, rig.clock, tmp_path / "masterdata.db")
        await again.restore()
        assert again.storage_fault is not None
        await rig.free_disk()
        await again._work_off([])
        await again.close()
    assert types(committed(tmp_path))[-1] == "clock.stepped"


async def test_what_waits_for_a_date_is_kept_in_the_snapshot(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042", "LSW100")
        set_clock(rig.clock, HOURS_BACK)
        await rig.scan("LSCSCRAP04", "LSCSCRAP05")
        text = rig.collector.alerts.standing[BEHIND].text
        assert re.search(
            r"^The clock shows \S+, which cannot be right: the true time is later than \S+\. ", text
        )
        moment = rig.clock.moment
    async with await Journal.open(tmp_path / "journal.db", "site", "edge", rig.clock) as journal:
        collector = Collector(Floor().site, journal, rig.clock, tmp_path / "masterdata.db")
        await collector.restore()
        await collector.close()
        assert collector.line.wall.undated == (5, 6)
        collector = Collector(Floor().site, journal, rig.clock, tmp_path / "masterdata.db")
        set_clock(rig.clock, -HOURS_BACK)
        await collector.restore()
        assert collector.line.wall.undated is None
        assert BEHIND not in collector.alerts.standing
        cleared = await journal._connection.execute_fetchall(
            "SELECT count(*) FROM alerts WHERE key = ? AND cleared_ms IS NOT NULL", (BEHIND,)
        )
        assert [row[0] for row in cleared] == [1]
    step = committed(tmp_path)[-1].data
    assert isinstance(step, ClockStepped)
    assert (step.from_seq, step.to_seq) == (f"{5:020d}", f"{6:020d}")
    assert (step.posting_date, step.boot_id) == ("2026-11-22", moment.boot_id)


async def test_what_still_waits_for_a_date_when_a_journal_ends_is_named_and_dates_nothing_in_the_next(
    tmp_path: Path,
) -> None:
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042", "LSW100")
        set_clock(rig.clock, HOURS_BACK)
        await rig.scan("LSCSCRAP04", "LSCSCRAP05")
        waiting = rig.collector.line.wall.undated
        state = carried(rig.collector.line)
    set_clock(rig.clock, -HOURS_BACK)
    begin = Beginning(JournalOpened(cause="renamed", follows="0:6", state=state), 2)
    path = tmp_path / "next" / "journal.db"
    path.parent.mkdir()
    async with await Journal.open(path, "site", "edge", rig.clock, begin=begin) as journal:
        collector = Collector(Floor().site, journal, rig.clock, tmp_path / "masterdata.db")
        await collector.restore()
        await collector.close()
        assert collector.line.wall.undated is None
        keys, epoch = list(collector.alerts.standing), journal.epoch
    assert waiting == (5, 6)
    assert keys == [f"clock.undated.before.{epoch}.5-6"]
    _, step = committed(path.parent)
    assert isinstance(step.data, ClockStepped)
    assert (step.data.from_seq, step.data.to_seq) == (None, None)


async def test_who_is_signed_off_at_a_start_in_1970_gets_no_date_of_1970(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042")
        rig.clock.moment = replace(rig.clock.moment, wall_ms=90_000, boot_id="boot-2", clock="unsynced")
    site = Floor().site
    without = replace(site, stations={"OP30": site.stations["OP30"]})
    async with await Journal.open(tmp_path / "journal.db", "site", "edge", rig.clock) as journal:
        await Collector(without, journal, rig.clock, tmp_path / "masterdata.db").restore()
    left = committed(tmp_path)[-1]
    assert left.type == "lineside.operator.signed_off.v1"
    assert (left.data.posting_date, left.data.shift, left.data.clock) == (None, None, "unsynced")


async def test_a_long_look_back_reads_every_page(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.scan("LSE1042", "LSW100")
        set_clock(rig.clock, HOURS_BACK)
        await rig.scan("LSCSCRAP04")
        template = committed(tmp_path)[-1]
        for number in range(0, 2500, 500):
            ids = (f"{number + one:036d}" for one in range(500))
            at_ms = parse_instant(template.time)
            await rig.collector._record([Draft(id_, at_ms, template.data) for id_ in ids])
        set_clock(rig.clock, -HOURS_BACK + 24 * 3600)
        await rig.settled()
    steps = [one for one in committed(tmp_path) if isinstance(one.data, ClockStepped)]
    assert steps[-1].seq > 2500
    assert [(one.data.posting_date, int(one.data.to_seq or 0)) for one in steps] == [
        (None, 3),
        ("2026-11-23", steps[-1].seq - 1),
    ]


def test_the_kernel_is_asked_at_once_after_the_clock_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    wall_ns, asked = [10**18], []

    def quality() -> ClockQuality:
        asked.append(wall_ns[0])
        return "unsynced"

    class Time:
        CLOCK_BOOTTIME = 7

        @staticmethod
        def clock_gettime_ns(_: int) -> int:
            return 5 * 10**9

        @staticmethod
        def time_ns() -> int:
            return wall_ns[0]

    monkeypatch.setattr(clock_module, "time", Time)
    monkeypatch.setattr(clock_module, "kernel_quality", quality)
    clock = SystemClock()
    clock.now(), clock.now()
    assert len(asked) == 1
    wall_ns[0] += 10**9
    clock.now(), clock.now()
    assert len(asked) == 2
