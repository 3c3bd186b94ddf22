"""Evidence of what was scanned and read: gathered in memory, written to samples.db every ten seconds.

Every scan with its verdict; of readings only what changed, for eMMC wears: a switch or a quality at once, a
number as one row for each minute in which it moved. Nothing of this may hold up or fault the line: what
cannot be written is dropped with one log line and counted.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import structlog
from prometheus_client import Counter as Metric

from edge.alerts import Alerts
from edge.readings import Reading, Scan, Unreadable, Value
from edge.ring import Ring, Sample

log = structlog.get_logger()

FLUSH_S = 10.0
SPAN_FLUSHES = 6  # a moving number is one row a minute
REPLACED = "samples.replaced"
_SCANS = 2000  # waiting for the disk; full: the oldest goes
_READINGS = 8000  # the same; apart, so that a fluttering switch costs no scan
_TEXT = 1000  # characters kept of a text
_INT64 = range(-(2**63), 2**63)

DROPPED = Metric("lineside_samples_dropped", "Raw scans and readings that were not kept")


class _Span:
    """What a tag did since the last row of it. One for each configured tag."""

    __slots__ = ("count", "from_ms", "high", "low", "moved", "quality", "until_ms", "value")

    def __init__(self, reading: Reading) -> None:
        self.quality = reading.quality
        self.begin(reading.value, reading.received.wall_ms)

    def begin(self, value: Value | None, at_ms: int) -> None:
        self.value = self.low = self.high = value
        self.from_ms = self.until_ms = at_ms
        self.count, self.moved = 0, False

    def move(self, value: int | float, at_ms: int) -> None:
        """A number moved: keep the lowest, the highest and the last."""
        if not self.moved:
            self.from_ms, self.moved = at_ms, True
        self.low, self.high = min(self.low, value), max(self.high, value)  # type: ignore[type-var]
        self.value, self.until_ms = value, at_ms
        self.count += 1


class Samples:
    """Takes samples on the event loop, writes them in a thread."""

    def __init__(self, path: Path, limit_bytes: int, alerts: Alerts) -> None:
        self._ring = Ring(path, limit_bytes)
        self._alerts = alerts
        self._scans: deque[Sample] = deque(maxlen=_SCANS)
        self._readings: deque[Sample] = deque(maxlen=_READINGS)
        self._spans: dict[tuple[str, str], _Span] = {}
        self._writes = True
        self._failed = False
        self._flushes = 0

    # What the collector calls

    def readings(self, batch: Sequence[Reading]) -> None:
        """Keep what changed."""
        for reading in batch:
            key = (reading.device, reading.tag)
            span = self._spans.get(key)
            if span is None:
                self._begin(key, reading)
            elif reading.value == span.value and reading.quality is span.quality:
                continue  # as nearly always
            elif reading.quality is span.quality and _number(reading.value):
                span.move(reading.value, reading.received.wall_ms)  # type: ignore[arg-type]
            else:
                self._close(key, span)
                self._begin(key, reading)

    def answered(self, station: str, given: Scan | Unreadable, verdict: str) -> None:
        """Keep a scan and what it was answered."""
        at_ms = given.received.wall_ms
        if isinstance(given, Scan):
            sample = Sample(at_ms, "scan", given.device, station, _kept(given.text), verdict)
        else:
            sample = Sample(at_ms, "unreadable", given.device, station, given.raw, given.reason)
        self._put(self._scans, sample)

    # What the composition root calls

    def allow(self, writes: bool) -> None:
        """Whether there is room for samples; while there is none, they are dropped."""
        self._writes = writes

    async def run(self) -> None:
        """Write every ten seconds until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_S)
            await self.flush()

    async def flush(self, last: bool = False) -> None:
        """Write what waits as one transaction; `last`: with the numbers of the minute that is not over."""
        self._flushes += 1
        if last or self._flushes % SPAN_FLUSHES == 0:
            for key, span in self._spans.items():
                self._close(key, span)
        samples = [*self._scans, *self._readings]
        self._scans.clear()
        self._readings.clear()
        if samples:
            samples.sort(key=lambda sample: sample.at_ms)
            await self._write(samples)
        await self._tell()

    async def close(self) -> None:
        """Write the rest and let go of the file."""
        await self.flush(last=True)
        await asyncio.to_thread(self._ring.close)

    # Inside

    async def _write(self, samples: list[Sample]) -> None:
        if not self._writes:
            DROPPED.inc(len(samples))
            return
        try:
            await asyncio.to_thread(self._ring.write, samples)
        except (sqlite3.Error, OSError) as error:
            DROPPED.inc(len(samples))
            if not self._failed:
                hint = "Facts are not touched by this; check the disk and the rights on data_dir"
                log.warning("raw scans and readings are not kept", error=str(error), hint=hint)
            self._failed = True
            return
        if self._failed:
            log.info("raw scans and readings are kept again")
        self._failed = False

    async def _tell(self) -> None:
        """An alert stands as long as a file that was set aside is there."""
        if why := self._ring.replaced:
            self._ring.replaced = ""
            text = f"samples.db could not be used ({why}): raw scans and readings before now are set aside"
            hint = f"No fact is touched. Look at {self._ring.aside} or delete it"
            await self._alerts.stand(REPLACED, text, hint)
        elif REPLACED in self._alerts.standing and not self._ring.aside.exists():
            await self._alerts.clear(REPLACED)

    def _begin(self, key: tuple[str, str], reading: Reading) -> None:
        self._spans[key] = _Span(reading)
        at_ms, value = reading.received.wall_ms, _kept(reading.value)
        sample = Sample(at_ms, "edge", reading.device, reading.tag, value, str(reading.quality))
        self._put(self._readings, sample)

    def _close(self, key: tuple[str, str], span: _Span) -> None:
        """End a span; one that did not move leaves no row."""
        if not span.moved:
            return
        value, low, high = _kept(span.value), _kept(span.low), _kept(span.high)
        device, tag = key
        quality = str(span.quality)
        sample = Sample(
            span.from_ms, "span", device, tag, value, quality, span.until_ms, low, high, span.count
        )
        self._put(self._readings, sample)
        span.begin(span.value, span.until_ms)

    @staticmethod
    def _put(waiting: deque[Sample], sample: Sample) -> None:
        if len(waiting) == waiting.maxlen:
            DROPPED.inc()
        waiting.append(sample)


def _number(value: Value | None) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _kept(value: Value | None) -> int | float | str | None:
    """A value as SQLite takes it: whole numbers of 64 bits, text that is Unicode and not endless."""
    if isinstance(value, str):
        return value[:_TEXT].encode("utf-8", "replace").decode()
    if isinstance(value, int) and value not in _INT64:
        return str(value)
    return value
