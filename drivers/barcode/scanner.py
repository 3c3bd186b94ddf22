"""What every scanner driver does beside its port: come back after a loss, tell links on change only.

Invariants:
- `signal` neither waits nor fails, whatever the scanner does.
- What was scanned while the connection was down is gone, without a good beep.
"""

import asyncio
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import structlog

from drivers.barcode.settings import PRESETS, ReaderSettings
from edge.faults import DeviceFault
from edge.ports import Clock, Observer, Verdict
from edge.readings import Link
from edge.settings import DeviceSettings

log = structlog.get_logger()

REOPEN_MIN_S = 0.5
REOPEN_MAX_S = 2.0
DEAF_MS = 60_000

S = TypeVar("S", bound=DeviceSettings)


class Scanner(ABC, Generic[S]):
    """One scanner; a kind adds how it is connected and how bytes are sent to it."""

    def __init__(self, name: str, settings: S, clock: Clock) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._feedback = settings.feedback if isinstance(settings, ReaderSettings) else PRESETS["none"]
        self._up: bool | None = None  # None: not known yet
        self._deaf_until_ms = -1  # until then a verdict that could not be sent is no news

    @property
    def name(self) -> str:
        return self._name

    async def run(self, observer: Observer) -> None:
        """Serve the scanner until cancelled."""
        pause_s = REOPEN_MIN_S
        try:
            while True:
                try:
                    await self._connection(observer)
                except DeviceFault as fault:
                    if self._up:
                        pause_s = REOPEN_MIN_S
                    self._link(observer, False, fault.message, fault.hint)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, REOPEN_MAX_S)
        finally:
            self._up = None

    async def refresh(self) -> None:
        """A scanner has no tags."""

    def signal(self, verdict: Verdict) -> None:
        """Make the scanner beep good or bad; nothing happens while it is not there."""
        data = self._feedback.good if verdict == "good" else self._feedback.bad
        if data:
            self._send(data)

    @abstractmethod
    async def _connection(self, observer: Observer) -> None:
        """One connection from its opening to its loss, which always raises DeviceFault."""

    @abstractmethod
    def _send(self, data: bytes) -> None:
        """Send without waiting; nothing while there is no connection. Never raises."""

    def _deaf(self, place: str) -> None:
        """What was sent is not taken: tell once."""
        # A full line takes a few bytes now and then: one that was full within the minute still is.
        now_ms = self._clock.now().monotonic_ms
        if now_ms > self._deaf_until_ms:
            log.warning("scanner takes no feedback", device=self._name, port=place)
        self._deaf_until_ms = now_ms + DEAF_MS

    def _link(self, observer: Observer, up: bool, detail: str, hint: str) -> None:
        if self._up is not up:
            self._up = up
            observer.link(Link(self._name, up, detail, hint, self._clock.now()))
