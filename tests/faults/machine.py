"""A machine whose clock, boot and NTP are what files in a folder say.

`python -m tests.faults.machine <folder> collect …` runs `lineside collect …` on it. Only what the kernel
would answer is replaced, below `edge.clock.SystemClock`: the shipped code runs as it is.
"""

import runpy
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from edge import clock
from edge.readings import ClockQuality

START = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)  # 10:00 in Shanghai, where the line stands


class Machine:
    """The test's hand on the machine. Times are milliseconds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.module = ("tests.faults.machine", str(folder))

    def begin(self) -> None:
        """The first boot: the clock is right, and nothing holds it."""
        self.folder.mkdir()
        self._put("true", round(START.timestamp() * 1000) - time.time_ns() // 1_000_000)
        self._put("boot", 0)
        self.reboot()

    def reboot(self, off_s: float = 0, wall_ms: int | None = None, ntp: ClockQuality = "unsynced") -> None:
        """Power was away; the clock is right after it, or shows `wall_ms`. Its processes must be dead."""
        self._put("true", self._get("true") + round(off_s * 1000))
        self._put("boot", self._get("boot") + 1)
        self._put("up", 20_000 - _up_ms())
        (self.folder / "boot_id").write_text(f"boot-{self._get('boot')}\n")
        self.ntp(ntp)
        self.set(self.true_ms if wall_ms is None else wall_ms)

    def set(self, wall_ms: int) -> None:
        """Set the clock, as settimeofday(2) would."""
        self._put("wall", wall_ms - time.time_ns() // 1_000_000)

    def step(self, seconds: float) -> None:
        self.set(self.wall_ms + round(seconds * 1000))

    def correct(self, ntp: ClockQuality = "synced") -> None:
        """Set it right."""
        self.ntp(ntp)
        self.set(self.true_ms)

    def ntp(self, quality: ClockQuality) -> None:
        """What the kernel says of its synchronisation."""
        (self.folder / "ntp.new").write_text(quality)
        (self.folder / "ntp.new").replace(self.folder / "ntp")

    def pass_(self, seconds: float) -> None:
        """Let time pass on every clock at once, as a suspended machine does."""
        for name in ("true", "wall", "up"):
            self._put(name, self._get(name) + round(seconds * 1000))

    @property
    def true_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self._get("true")

    @property
    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self._get("wall")

    def _put(self, name: str, value: int) -> None:
        (self.folder / "new").write_text(str(value))
        (self.folder / "new").replace(self.folder / name)

    def _get(self, name: str) -> int:
        return int((self.folder / name).read_text())


def _up_ms() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def _live_on(folder: Path) -> None:
    """Give this process the machine's clock."""

    def number(name: str) -> int:
        return int((folder / name).read_text()) * 1_000_000

    class Time:
        CLOCK_BOOTTIME = time.CLOCK_BOOTTIME
        time_ns: Callable[[], int] = staticmethod(lambda: time.time_ns() + number("wall"))
        clock_gettime_ns: Callable[[int], int] = staticmethod(
            lambda which: time.clock_gettime_ns(which) + number("up")
        )

    def quality() -> ClockQuality:
        return "synced" if (folder / "ntp").read_text() == "synced" else "unsynced"

    clock.time = Time  # type: ignore[assignment]
    clock.Path = lambda _: folder / "boot_id"  # type: ignore[assignment, misc]
    clock.kernel_quality = quality


if __name__ == "__main__":
    _live_on(Path(sys.argv.pop(1)))
    runpy.run_module("edge", run_name="__main__", alter_sys=True)
