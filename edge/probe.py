"""Tries devices out: each driver runs for a bounded time, and what it told is the finding. Records nothing.

Invariants:
- Each device has its own bound: a dead one delays no other.
- A finding is complete with the first Link (down), or with a Link (up) and a reading of every tag asked for.
- When `probed` or `watched` ends, however it ends, every driver has ended and closed what it had opened.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from edge.faults import Fault
from edge.ports import Clock, Driver
from edge.readings import Link, Quality, Reading, Scan, Unreadable, Value

WITHIN_S = 5.0
_WAITING_CHANGES = 10_000  # a terminal that is slower than its devices loses the oldest, and says how many


@runtime_checkable
class Refusing(Protocol):
    """A driver that knows why its device refuses a tag."""

    @property
    def refusals(self) -> Mapping[str, str]: ...


@dataclass(frozen=True)
class TagFound:
    """What a device said about one tag."""

    value: Value | None
    quality: Quality | None  # None: nothing came within the time
    unit: str | None = None
    reason: str = ""  # why there is no good value; empty where there is one
    round_trip_ms: int | None = None  # from asking to the answer, where the driver tells both

    @property
    def fine(self) -> bool:
        return self.quality is not None and self.quality is not Quality.bad


@dataclass(frozen=True)
class Found:
    """What trying a device out showed."""

    device: str
    reachable: bool
    detail: str  # what happened, in words
    hint: str  # what to do; empty where the device answers
    tags: Mapping[str, TagFound]

    @property
    def fine(self) -> bool:
        return self.reachable and all(tag.fine for tag in self.tags.values())

    @property
    def round_trip_ms(self) -> int | None:
        """The longest of its tags."""
        return max((t.round_trip_ms for t in self.tags.values() if t.round_trip_ms is not None), default=None)


@dataclass(frozen=True)
class Change:
    """A tag has another value or quality, or a device came or went."""

    device: str
    reading: Reading | None = None
    link: Link | None = None


@dataclass(frozen=True)
class Probe:
    """A driver to try, and the tags that are asked for: none where it is a scanner's."""

    driver: Driver
    tags: Collection[str] = field(default_factory=frozenset)


async def probed(probes: Sequence[Probe], clock: Clock, within_s: float = WITHIN_S) -> list[Found]:
    """What each device is, all asked at once, none for longer than `within_s`."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_probed(one, clock, within_s), name=f"probe {one.driver.name}")
            for one in probes
        ]
    return [task.result() for task in tasks]


@asynccontextmanager
async def watched(probes: Sequence[Probe], clock: Clock) -> AsyncIterator["Watch"]:
    """The devices served, and what changes at them, until the block ends."""
    watch = Watch({probe.driver.name: frozenset(probe.tags) for probe in probes})
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_served(probe.driver, watch, clock), name=f"watch {probe.driver.name}")
            for probe in probes
        ]
        try:
            yield watch
        finally:
            for task in tasks:
                task.cancel()


class Watch:
    """Holds what changed until it is taken."""

    def __init__(self, tags: Mapping[str, Collection[str]]) -> None:
        self.lost = 0  # changes given up because nobody took them in time
        self._tags = tags
        self._last: dict[str, tuple[Value | None, Quality]] = {}
        self._changes: deque[Change] = deque()  # full: the oldest goes
        self._news = asyncio.Event()

    async def changes(self) -> list[Change]:
        """What changed since the last call; waits until something has."""
        await self._news.wait()
        self._news.clear()
        taken, self._changes = list(self._changes), deque()
        return taken

    def readings(self, batch: Sequence[Reading]) -> None:
        for reading in batch:
            said = (reading.value, reading.quality)
            if reading.tag in self._tags[reading.device] and self._last.get(reading.name) != said:
                self._last[reading.name] = said
                self._put(Change(reading.device, reading=reading))

    def link(self, link: Link) -> None:
        self._put(Change(link.device, link=link))

    def scan(self, scan: Scan) -> None:
        """Scans belong to the running collector; here nobody would answer the gun."""

    def unreadable(self, unreadable: Unreadable) -> None:
        """The same."""

    def _put(self, change: Change) -> None:
        if len(self._changes) >= _WAITING_CHANGES:
            self._changes.popleft()
            self.lost += 1
        self._changes.append(change)
        self._news.set()


class _Trial:
    """The observer of one device that is tried."""

    def __init__(self, tags: Collection[str]) -> None:
        self._awaited = set(tags)
        self.last: dict[str, Reading] = {}
        self.heard: Link | None = None
        self.complete = asyncio.Event()

    def readings(self, batch: Sequence[Reading]) -> None:
        for reading in batch:
            self.last[reading.tag] = reading
        self._look()

    def link(self, link: Link) -> None:
        self.heard = link
        self._look()

    def scan(self, scan: Scan) -> None:
        """What is scanned meanwhile shows only that the port is open, which the link says."""

    def unreadable(self, unreadable: Unreadable) -> None:
        """The same."""

    def _look(self) -> None:
        if self.heard is not None and (not self.heard.up or self._awaited <= self.last.keys()):
            self.complete.set()


async def _probed(probe: Probe, clock: Clock, within_s: float) -> Found:
    driver, trial = probe.driver, _Trial(probe.tags)
    serving = asyncio.create_task(_served(driver, trial, clock), name=f"device {driver.name}")
    complete = asyncio.create_task(trial.complete.wait(), name=f"finding of {driver.name}")
    try:
        await asyncio.wait({serving, complete}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        # Before the end: a driver that has ended refuses nothing any more.
        refusals = dict(driver.refusals) if isinstance(driver, Refusing) else {}
    finally:
        for task in (serving, complete):
            task.cancel()
        await asyncio.wait({serving, complete})
    if not serving.cancelled():
        serving.result()  # raises what was no Fault
    return _found(probe, trial, refusals, within_s)


async def _served(driver: Driver, observer: "_Trial | Watch", clock: Clock) -> None:
    """Run a driver; a Fault that ends it is told as the loss that it is."""
    try:
        await driver.run(observer)
    except Fault as fault:
        observer.link(Link(driver.name, False, fault.message, fault.hint, clock.now()))


def _found(probe: Probe, trial: _Trial, refusals: Mapping[str, str], within_s: float) -> Found:
    heard = trial.heard
    up = heard is not None and heard.up
    detail = heard.detail if heard else f"no answer within {within_s:g} s"
    hint = heard.hint if heard else "Check its power, its cable and its address; a slow one needs more time"
    silent = f"nothing came within {within_s:g} s" if up else "the device does not answer"
    tags = {tag: _tag(trial.last.get(tag), up, refusals.get(tag, ""), silent) for tag in sorted(probe.tags)}
    return Found(probe.driver.name, up, detail, hint, tags)


def _tag(reading: Reading | None, up: bool, refusal: str, silent: str) -> TagFound:
    if refusal:
        reason = f"refused: {refusal}"
    elif reading is None or not up:
        reason = silent
    elif reading.quality is Quality.bad:
        reason = "no good value: check the sensor behind it, and the tag's type"
    else:
        reason = "uncertain, says the device" if reading.quality is Quality.uncertain else ""
    if reading is None:
        return TagFound(None, None, reason=reason)
    trip_ms = None if reading.asked is None else reading.received.since(reading.asked)
    return TagFound(reading.value, reading.quality, reading.unit, reason, trip_ms)
