"""What a driver told, to wait for and to look at; and a driver served for the length of a test.

Waiting is for what was told, never for time: `until` wakes at each report and has a deadline.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from edge.ports import Driver
from edge.readings import Link, Moment, Quality, Reading, Scan, Unreadable, Value
from tests.patience import PATIENCE_S, ends


class TestClock:
    """The machine's clock, except that no two moments are the same."""

    __test__ = False

    def __init__(self) -> None:
        self.told = 0

    def now(self) -> Moment:
        self.told += 1
        return Moment(wall_ms=time.time_ns() // 1_000_000, monotonic_ms=self.told, boot_id="boot")


class Recorder:
    """An observer that keeps everything."""

    def __init__(self) -> None:
        self.batches: list[list[Reading]] = []
        self.scans: list[Scan] = []
        self.flaws: list[Unreadable] = []
        self.links: list[Link] = []
        self._news = asyncio.Event()

    def readings(self, batch: Sequence[Reading]) -> None:
        self.batches.append(list(batch))
        self._news.set()

    def scan(self, scan: Scan) -> None:
        self.scans.append(scan)
        self._news.set()

    def unreadable(self, unreadable: Unreadable) -> None:
        self.flaws.append(unreadable)
        self._news.set()

    def link(self, link: Link) -> None:
        self.links.append(link)
        self._news.set()

    @property
    def ups(self) -> list[bool]:
        """The links' directions, in order."""
        return [link.up for link in self.links]

    @property
    def texts(self) -> list[str]:
        return [scan.text for scan in self.scans]

    @property
    def values(self) -> dict[str, Value | None]:
        """Each tag's last value."""
        return {reading.tag: reading.value for batch in self.batches for reading in batch}

    @property
    def qualities(self) -> dict[str, Quality]:
        """Each tag's last quality."""
        return {reading.tag: reading.quality for batch in self.batches for reading in batch}

    async def until(self, reached: Callable[[], bool], what: str = "what was waited for") -> None:
        """Wait until something told makes `reached` true."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not reached():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(
                f"{what} did not come within {PATIENCE_S} s; links {self.links}, last {self.batches[-2:]}"
            ) from None

    async def until_up(self, times: int = 1) -> None:
        await self.until(lambda: self.ups.count(True) >= times, f"link up number {times}")

    async def until_down(self, times: int = 1) -> None:
        await self.until(lambda: self.ups.count(False) >= times, f"link down number {times}")

    async def polls(self, more: int) -> None:
        """Wait for so many further batches."""
        wanted = len(self.batches) + more
        await self.until(lambda: len(self.batches) >= wanted, f"batch {wanted}")


async def eventually(reached: Callable[[], bool]) -> None:
    """Wait for something that nobody announces."""
    for _ in range(int(PATIENCE_S / 0.005)):
        if reached():
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"not reached within {PATIENCE_S} s")


_SIMULATED = ("press", "oven", "reader")  # tasks of simulators outlive a driver


@asynccontextmanager
async def serving(driver: Driver) -> AsyncIterator[Recorder]:
    """The driver running and what it tells. At the end it must stop within 1 s and leave no task."""
    before = asyncio.all_tasks()
    recorder = Recorder()
    task = asyncio.create_task(driver.run(recorder), name=f"driver {driver.name}")
    try:
        yield recorder
    finally:
        await cancelled(task)
        began = asyncio.all_tasks() - before
        left = {other for other in began if not other.get_name().startswith(_SIMULATED)}
        # pymodbus's server ends a request in a task of its own.
        if left:
            await asyncio.wait(left, timeout=1)
        assert not {other for other in left if not other.done()}, left


async def cancelled(task: "asyncio.Task[None]") -> None:
    """Cancel a driver's task; it must end as cancelled within 1 s."""
    task.cancel()
    assert await ends(task, 1), "the driver did not end within 1 s of its cancellation"
    assert task.cancelled(), f"the driver ended by itself: {task.exception()!r}"
