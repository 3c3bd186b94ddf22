"""The seams: what the collector asks of drivers and clocks. Implementations meet these in edge/main.py."""

from collections.abc import Sequence
from typing import Literal, Protocol

from edge.readings import Link, Moment, Reading, Scan, Unreadable

Verdict = Literal["good", "bad"]


class Clock(Protocol):
    """Where `now` comes from."""

    def now(self) -> Moment: ...


class Observer(Protocol):
    """Takes what drivers observe. Never blocks; called on the event loop."""

    def readings(self, batch: Sequence[Reading]) -> None: ...
    def scan(self, scan: Scan) -> None: ...
    def unreadable(self, unreadable: Unreadable) -> None: ...
    def link(self, link: Link) -> None: ...


class Driver(Protocol):
    """One device.

    `run` serves it until cancelled: it connects, observes, and after a fault of the device reconnects by
    itself. When the device is lost it emits a `Link` (down) and each tag once with quality bad.
    Cancellation ends it within 1 s with every handle closed.
    """

    @property
    def name(self) -> str: ...

    async def run(self, observer: Observer) -> None: ...

    async def refresh(self) -> None:
        """Read the device's tags now and emit them before returning; returns early if it does not answer.

        Used for the boundary value at an order-change scan. Callers bound the wait.
        """

    def signal(self, verdict: Verdict) -> None:
        """Tell the person at the device: recorded, or not. Never waits, never raises; may do nothing."""


class Evidence(Protocol):
    """Keeps what was observed and how it was answered. Never blocks, never raises; may keep nothing."""

    def readings(self, batch: Sequence[Reading]) -> None: ...
    def answered(self, station: str, given: Scan | Unreadable, verdict: str) -> None: ...
