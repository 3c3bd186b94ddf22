"""The disk watch on a disk whose figures the test gives: alerts, samples, ballast, and the way back."""

from pathlib import Path

import pytest

from edge import storage
from edge.alerts import Alerts
from edge.faults import StorageFault
from edge.settings import Storage
from edge.storage import BALLAST, FULL, Ballast, DiskWatch, make_way, measured
from edge.watermarks import MIB, Level, Usage
from tests.unit.clocks import ManualClock
from tests.unit.test_alerts import opened

TOTAL = 1000 * MIB


class Recorder:
    """A collector whose storage the test breaks."""

    def __init__(self, alerts: Alerts) -> None:
        self.alerts = alerts
        self.storage_fault: StorageFault | None = None
        self.room = True
        self.probes = 0

    async def probe(self) -> None:
        self.probes += 1
        if self.room:
            self.storage_fault = None


class Rig:
    def __init__(self, folder: Path, recorder: Recorder) -> None:
        self.folder = folder
        self.recorder = recorder
        self.percent = 10.0
        self.samples: list[bool] = []
        self.watch = DiskWatch(folder, Storage(ballast_mib=20), recorder, self.samples.append)

    def measured(self, path: Path) -> Usage:
        """What others use, and the ballast, which is really there."""
        used = round(TOTAL * self.percent / 100) + Ballast(self.folder / BALLAST).held()
        return Usage(used, TOTAL - used)

    async def look(self, percent: float, times: int = 3) -> list[str]:
        """The keys of the alerts that stand after some looks at such a disk."""
        self.percent = percent
        for _ in range(times):
            await self.watch.look()
        return list(self.recorder.alerts.standing)

    @property
    def ballast(self) -> int:
        path = self.folder / BALLAST
        return path.stat().st_blocks * 512 if path.exists() else 0


@pytest.fixture
async def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    async with await opened(tmp_path) as journal:
        made = Rig(tmp_path, Recorder(Alerts(journal, ManualClock())))
        monkeypatch.setattr(storage, "measured", made.measured)
        yield made


async def test_a_disk_that_fills_and_empties_raises_and_clears_each_alert(rig: Rig) -> None:
    assert await rig.look(10) == []
    assert rig.ballast == 10 * MIB  # one hundredth of the disk; 20 are set
    assert await rig.look(80) == ["storage.filling"]
    assert rig.samples[-1]
    assert await rig.look(89.5) == ["storage.filling", "storage.samples"]
    assert not rig.samples[-1]
    assert rig.ballast == 10 * MIB
    assert await rig.look(94.5) == ["storage.filling", "storage.samples", "storage.ballast"]
    assert rig.ballast == 0
    assert await rig.look(93.5) == ["storage.filling", "storage.samples", "storage.ballast"]
    assert rig.ballast == 0
    assert await rig.look(87) == ["storage.filling"]
    assert rig.samples[-1] and rig.ballast == 0  # it would reach 88 %
    assert await rig.look(50) == []
    assert rig.ballast == 10 * MIB


async def test_an_alert_gives_figures_and_says_what_to_do(rig: Rig) -> None:
    await rig.look(96)
    alert = rig.recorder.alerts.standing["storage.ballast"]
    assert "96 % full: 40 MiB of 1,000 MiB are free" in alert.text
    assert "Free" in alert.hint or "free" in alert.hint


async def test_storage_that_failed_is_tried_at_each_look_until_it_takes_a_write(rig: Rig) -> None:
    rig.recorder.storage_fault = StorageFault("disk is full", hint="Free space")
    rig.recorder.room = False
    assert FULL in await rig.look(100)
    assert rig.recorder.probes == 3
    rig.recorder.room = True
    assert FULL not in await rig.look(50, times=1)
    await rig.look(50)
    assert rig.recorder.probes == 4


async def test_a_ballast_that_cannot_be_made_hides_no_alert(rig: Rig) -> None:
    (rig.folder / BALLAST).mkdir()
    (rig.folder / BALLAST / "file").touch()
    assert await rig.look(96) == ["storage.filling", "storage.samples", "storage.ballast"]
    assert rig.watch.level is Level.CRITICAL


async def test_a_disk_that_cannot_be_measured_still_lets_the_line_come_back(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(path: Path) -> Usage:
        raise FileNotFoundError(2, "gone")

    monkeypatch.setattr(storage, "measured", gone)
    rig.recorder.storage_fault = StorageFault("disk is full")
    assert await rig.look(50) == []
    assert rig.recorder.storage_fault is None


def test_the_ballast_is_allocated_and_grows_and_shrinks(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / BALLAST)
    assert ballast.held() == 0
    for size in (3 * MIB, 5 * MIB, 2 * MIB):
        ballast.fit(size)
        assert ballast.held() == size == (tmp_path / BALLAST).stat().st_size
    ballast.fit(0)
    assert ballast.held() == 0 and not (tmp_path / BALLAST).exists()


@pytest.mark.parametrize(("percent", "kept"), [(94.0, True), (95.0, False)])
def test_a_start_on_a_full_disk_gives_the_ballast_back_first(
    percent: float, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Ballast(tmp_path / BALLAST).fit(MIB)
    used = round(TOTAL * percent / 100)
    monkeypatch.setattr(storage, "measured", lambda _: Usage(used, TOTAL - used))
    make_way(tmp_path)
    assert (tmp_path / BALLAST).exists() is kept


def test_usage_is_counted_as_df_does(tmp_path: Path) -> None:
    found = measured(tmp_path)
    assert 0 < found.share < 1 and found.total > found.free > 0
