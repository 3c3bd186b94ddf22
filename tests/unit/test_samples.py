"""Evidence: every scan, of readings what changed; bounded in memory and on the disk; never a fault."""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge import samples as module
from edge.alerts import Alerts
from edge.readings import Quality, Reading, Scan, Unreadable, Value
from edge.ring import ASIDE, SAMPLES, Ring, Sample, last_samples
from edge.samples import REPLACED, SPAN_FLUSHES, Samples
from edge.watermarks import MIB
from tests.unit.clocks import ManualClock
from tests.unit.test_alerts import opened


class Rig:
    def __init__(self, folder: Path, alerts: Alerts) -> None:
        self.clock = ManualClock()
        self.path = folder / SAMPLES
        self.alerts = alerts
        self.samples = Samples(self.path, MIB, alerts)

    def read(self, *values: Value | None, tag: str = "cycles", quality: Quality = Quality.good) -> None:
        """One reading a second."""
        for value in values:
            self.clock.advance(1)
            self.samples.readings([Reading("press1", tag, value, quality, self.clock.now())])

    def scan(self, text: str, result: str = "recorded") -> None:
        self.clock.advance(1)
        self.samples.answered("OP20", Scan("gun1", text, self.clock.now()), result)

    async def kept(self, spans: bool = False) -> Sequence[Sample]:
        for _ in range(SPAN_FLUSHES if spans else 1):
            await self.samples.flush()
        return last_samples(self.path, 1000)


@pytest.fixture
async def rig(tmp_path: Path) -> object:
    async with await opened(tmp_path) as journal:
        made = Rig(tmp_path, Alerts(journal, ManualClock()))
        yield made
        await made.samples.close()


def scan(number: int, text: str = "") -> Sample:
    return Sample(number, "scan", "gun1", "OP20", text or f"LSQ{number}", "recorded")


async def test_every_scan_is_kept_with_its_answer(rig: Rig) -> None:
    rig.scan("LSE1042")
    rig.scan("LSW9", "refused")
    rig.samples.answered("OP20", Unreadable("gun1", "garbage", b"\xff\x00", rig.clock.now()), "refused")
    rows = [(one.kind, one.device, one.name, one.value, one.verdict) for one in await rig.kept()]
    assert rows == [
        ("scan", "gun1", "OP20", "LSE1042", "recorded"),
        ("scan", "gun1", "OP20", "LSW9", "refused"),
        ("unreadable", "gun1", "OP20", b"\xff\x00", "garbage"),
    ]


async def test_a_switch_is_kept_when_it_changes_and_a_quality_too(rig: Rig) -> None:
    rig.read(False, False, True, True, False, tag="running")
    rig.read(None, None, tag="running", quality=Quality.bad)
    rig.read(False, tag="running")
    rows = [(one.kind, one.value, one.verdict) for one in await rig.kept(spans=True)]
    assert rows == [
        ("edge", 0, "good"), ("edge", 1, "good"), ("edge", 0, "good"), ("edge", None, "bad"),
        ("edge", 0, "good"),
    ]  # fmt: skip


async def test_a_number_is_one_row_for_what_it_did_in_a_minute(rig: Rig) -> None:
    rig.read(10, 10, 12, 12, 9, 11)
    first, span = await rig.kept(spans=True)
    assert (first.kind, first.value) == ("edge", 10)
    assert (span.kind, span.low, span.high, span.value, span.reads) == ("span", 9, 12, 11, 3)
    assert span.until_ms is not None and (span.until_ms - span.at_ms, span.at_ms - first.at_ms) == (
        3000,
        2000,
    )
    rig.read(11, 11, 11)
    assert len(await rig.kept(spans=True)) == 2


async def test_what_a_number_did_before_its_device_was_lost_is_kept(rig: Rig) -> None:
    rig.read(1, 2, 3)
    rig.read(None, quality=Quality.bad)
    rig.read(7, 8)
    await rig.samples.close()
    rows = [(one.kind, one.value, one.verdict) for one in last_samples(rig.path, 10)]
    assert rows == [
        ("edge", 1, "good"), ("span", 3, "good"), ("edge", None, "bad"), ("edge", 7, "good"),
        ("span", 8, "good"),
    ]  # fmt: skip


async def test_nothing_new_writes_nothing(rig: Rig) -> None:
    rig.read(1, True, tag="other")
    await rig.kept()
    written = rig.path.with_name("samples.db-wal").stat().st_mtime_ns
    rig.read(*[1] * 100, tag="other2")
    await rig.kept()
    before = rig.path.with_name("samples.db-wal").stat().st_mtime_ns
    rig.read(*[1] * 100, tag="other2")
    await rig.kept(spans=True)
    assert rig.path.with_name("samples.db-wal").stat().st_mtime_ns == before > written


@pytest.mark.parametrize("value", [2**64, -(2**70), "\ud800", "x" * 5000, float("nan"), 1e400])
async def test_whatever_a_device_says_can_be_kept(rig: Rig, value: Value) -> None:
    rig.read(0 if not isinstance(value, str) else "", value)
    rig.scan(str(value))
    with capture_logs() as logs:
        assert len(await rig.kept(spans=True)) == 3
    assert logs == []


async def test_a_full_queue_gives_up_its_oldest_and_readings_cost_no_scan(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.scan("first")
    for number in range(module._READINGS + 5):
        rig.read(bool(number % 2), tag="running")
    for number in range(module._SCANS - 1):
        rig.scan(f"LSQ{number}")
    assert len(rig.samples._readings) == module._READINGS
    assert rig.samples._scans[0].value == "first"
    rig.scan("one too many")
    assert (rig.samples._scans[0].value, rig.samples._scans[-1].value) == ("LSQ0", "one too many")


async def test_without_room_samples_are_dropped_and_taken_up_again(rig: Rig) -> None:
    rig.scan("LSE1")
    await rig.kept()
    rig.samples.allow(False)
    rig.scan("LSE2")
    await rig.kept()
    rig.samples.allow(True)
    rig.scan("LSE3")
    assert [one.value for one in await rig.kept()] == ["LSE1", "LSE3"]


async def test_a_disk_that_takes_no_samples_is_one_line_in_the_log(rig: Rig) -> None:
    rig.path.mkdir()
    with capture_logs() as logs:
        for _ in range(3):
            rig.scan("LSE1")
            await rig.samples.flush()
        rig.path.rmdir()
        rig.scan("LSE2")
        await rig.samples.flush()
    assert [line["event"] for line in logs] == [
        "raw scans and readings are not kept",
        "raw scans and readings are kept again",
    ]
    assert [one.value for one in last_samples(rig.path, 10)] == ["LSE2"]


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE other (x)")
    db.close()


def garbage(path: Path) -> None:
    path.write_bytes(b"no database at all" * 1000)


def torn(path: Path) -> None:
    ring = Ring(path, 10 * MIB)
    ring.write([scan(number, "x" * 900) for number in range(2000)])
    ring.close()
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"\x5a" * (len(content) - 8192))


@pytest.mark.parametrize("break_it", [foreign, garbage, torn])
async def test_a_file_that_is_damaged_or_not_ours_is_set_aside_with_an_alert(
    rig: Rig, break_it: object
) -> None:
    break_it(rig.path)  # type: ignore[operator]
    before = rig.path.read_bytes()
    rig.scan("LSE1")
    assert [one.value for one in await rig.kept()] == ["LSE1"]
    aside = rig.path.with_name(ASIDE)
    assert aside.read_bytes() == before
    assert REPLACED in rig.alerts.standing
    aside.unlink()
    await rig.samples.flush()
    assert REPLACED not in rig.alerts.standing


async def test_stopping_in_the_middle_of_a_write_loses_and_doubles_nothing(rig: Rig) -> None:
    for number in range(1500):
        rig.scan(f"LSQ{number}")
    flush = asyncio.create_task(rig.samples.flush())
    await asyncio.sleep(0)
    flush.cancel()
    await asyncio.gather(flush, return_exceptions=True)
    rig.scan("last")
    await rig.samples.close()
    values = [one.value for one in last_samples(rig.path, 9999)]
    assert values[-1] == "last" and len(values) == len(set(values))


def test_the_ring_stays_within_its_bytes_and_keeps_the_newest(tmp_path: Path) -> None:
    path, limit = tmp_path / SAMPLES, 2 * MIB
    ring = Ring(path, limit)
    number = 0
    for _ in range(60):
        ring.write([scan(number := number + 1, f"{number:0300}") for _ in range(300)])
        assert path.stat().st_size <= limit
    ring.close()
    assert path.stat().st_size <= limit
    kept = [one.at_ms for one in last_samples(path, 100_000)]
    assert kept == list(range(kept[0], 60 * 300 + 1))
    assert 1000 < len(kept) < 60 * 300


def test_a_limit_that_was_lowered_gives_its_room_back_to_the_disk(tmp_path: Path) -> None:
    path = tmp_path / SAMPLES
    ring = Ring(path, 8 * MIB)
    for number in range(30):
        ring.write([scan(number * 1000 + one, "x" * 200) for one in range(1000)])
    ring.close()
    assert path.stat().st_size > 4 * MIB
    ring = Ring(path, 2 * MIB)
    for number in range(10):
        ring.write([scan(100_000 + number)])
    ring.close()
    assert path.stat().st_size <= 2 * MIB
    assert last_samples(path, 1)[0].at_ms == 100_009


def test_the_reader_looks_for_one_device_and_bears_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / SAMPLES
    assert last_samples(path, 5) == []
    ring = Ring(path, MIB)
    ring.write([scan(1), scan(2)._replace(device="gun2"), scan(3)])
    ring.close()
    assert [one.at_ms for one in last_samples(path, 5, "gun1")] == [1, 3]
    assert [one.at_ms for one in last_samples(path, 1)] == [3]
