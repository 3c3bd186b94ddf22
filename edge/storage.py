"""Watches the disk of `data_dir`: raises alerts at the marks, keeps the ballast, lets the line come back.

The ballast is a file that holds room without using it. At 95 % it is given back, so that facts go on being
recorded while people make space; it grows again in small steps once there is plenty. What to do is decided in
`edge/watermarks.py`; this module measures and carries it out. While the journal cannot be written it is tried
every two seconds, so that nobody has to scan to find out that there is room again.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import structlog
from prometheus_client import Gauge

from edge.alerts import Alerts
from edge.faults import StorageFault
from edge.settings import Storage
from edge.watermarks import MIB, Level, Usage, decide

log = structlog.get_logger()

BALLAST = "ballast"
LOOK_S = 2.0
USED = Gauge("lineside_data_dir_used_ratio", "How full the disk of data_dir is, as df counts it")
FULL = "storage.full"


class Recorder(Protocol):
    """Who records facts: the collector."""

    alerts: Alerts
    storage_fault: StorageFault | None

    async def probe(self) -> None:
        """Try a durable write; `storage_fault` is None where it succeeded."""


class Ballast:
    """A file of allocated blocks. Its methods may take a while: call them in a thread."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def held(self) -> int:
        """Bytes on the disk. Raises OSError."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return 0
        return min(found.st_size, found.st_blocks * 512)

    def fit(self, size: int) -> None:
        """Hold so many bytes, really allocated; nothing at 0. Raises OSError."""
        if size == 0:
            self._path.unlink(missing_ok=True)
            return
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            if size < os.fstat(handle).st_size:
                os.ftruncate(handle, size)
            # No fsync: after a power cut it is measured and made again.
            os.posix_fallocate(handle, 0, size)
        finally:
            os.close(handle)


class DiskWatch:
    """Looks at the disk every two seconds until cancelled."""

    def __init__(
        self, data_dir: Path, settings: Storage, recorder: Recorder, samples: Callable[[bool], None]
    ) -> None:
        self.level = Level.FREE
        self._data_dir = data_dir
        self._wished = settings.ballast_mib * MIB
        self._recorder = recorder
        self._samples = samples  # told whether samples are written
        self._ballast = Ballast(data_dir / BALLAST)
        self._troubled = False

    async def run(self) -> None:
        """Look, act, wait; for ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Measure once and do what follows."""
        try:
            usage, held = measured(self._data_dir), self._ballast.held()
        except OSError as error:
            self._complain(error)
        else:
            USED.set(usage.share)
            decision = decide(usage, self.level, held, self._wished)
            self.level = decision.level
            self._samples(decision.samples)
            await self._fit(held, decision.ballast_bytes)
            await self._say(usage)
        await self._try_again()

    async def _fit(self, held: int, wanted: int) -> None:
        """Give the ballast its size."""
        if wanted != held:
            try:
                await asyncio.to_thread(self._ballast.fit, wanted)
            except OSError as error:
                self._complain(error)
                return
            if not wanted:
                log.warning("the ballast is given back", mib=round(held / MIB, 1))
        self._troubled = False

    async def _say(self, usage: Usage) -> None:
        """Raise the alerts of the marks that are reached, clear the others."""
        figures = (
            f"The disk of {self._data_dir} is {usage.share * 100:.0f} % full:"
            f" {usage.free / MIB:,.0f} MiB of {usage.total / MIB:,.0f} MiB are free"
        )
        for mark, (key, what, hint) in _ALERTS.items():
            if self.level >= mark:
                await self._recorder.alerts.stand(key, figures + what, hint)
            else:
                await self._recorder.alerts.clear(key)

    async def _try_again(self) -> None:
        """While the journal could not be written, try it without waiting for somebody's scan."""
        alerts = self._recorder.alerts
        if fault := self._recorder.storage_fault:
            await alerts.stand(FULL, f"NOT RECORDED: {fault.message}", fault.hint)
            await self._recorder.probe()
        if self._recorder.storage_fault is None:
            await alerts.clear(FULL)

    def _complain(self, error: OSError) -> None:
        if not self._troubled:
            hint = "Check the disk and the rights on data_dir; facts are recorded all the same"
            log.warning("the disk cannot be watched or its ballast kept", error=str(error), hint=hint)
        self._troubled = True


def measured(path: Path) -> Usage:
    """What the file system of `path` holds. Raises OSError."""
    found = os.statvfs(path)
    used = found.f_blocks - found.f_bfree
    return Usage(used * found.f_frsize, found.f_bavail * found.f_frsize)


def make_way(data_dir: Path) -> None:
    """Give the ballast back before files are opened on a disk that filled up while lineside was down."""
    ballast = Ballast(data_dir / BALLAST)
    try:
        if ballast.held() and measured(data_dir).share >= Level.CRITICAL / 100:
            ballast.fit(0)
            log.warning("the ballast is given back: the disk is nearly full")
    except OSError as error:
        log.warning("the ballast cannot be given back", error=str(error))


_FREE_SPACE = (
    "Free space on this disk: `du -xh --max-depth=2 / | sort -h | tail` shows what takes it. Delete nothing"
    " in the data folder"
)
_ALERTS = {
    Level.FILLING: ("storage.filling", "", _FREE_SPACE),
    Level.SCANT: (
        "storage.samples",
        ". Raw scans and readings are not kept any more; facts are",
        _FREE_SPACE,
    ),
    Level.CRITICAL: (
        "storage.ballast",
        ". The reserve is given back; when that is used up too, no scan can be recorded",
        f"Now: {_FREE_SPACE[0].lower()}{_FREE_SPACE[1:]}",
    ),
}
