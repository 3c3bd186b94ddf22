"""The line to a scanner, whatever carries it: bytes come in, scans and flaws go to the observer.

Invariant: silence is judged after the operating system was asked for bytes. On a busy machine a timer can be
due while the rest of a code already waits in a buffer, and half a code would go out as a code.
"""

import asyncio
from collections.abc import Callable

import structlog

from drivers.barcode.framing import EVIDENCE, Flaw
from drivers.barcode.settings import ReaderSettings
from edge.codes import content, symbology
from edge.ports import Clock, Observer
from edge.readings import Moment, Scan, Unreadable

log = structlog.get_logger()

_LOOK_S = 0.002  # one turn of the event loop, in which bytes that wait are read


class Silence:
    """Calls back when nothing has begun it anew for so long."""

    def __init__(self, after_s: float, told: Callable[[], None]) -> None:
        self._after_s = after_s
        self._told = told
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        self.stop()
        self._timer = self._loop.call_later(self._after_s, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = self._loop.call_later(_LOOK_S, self._told)


class Line(asyncio.Protocol):
    """One connection, from its opening to its loss. `lost` holds what ended it."""

    def __init__(self, name: str, settings: ReaderSettings, clock: Clock, observer: Observer) -> None:
        self._name = name
        self._clock = clock
        self._observer = observer
        self._framer = settings.framer()
        self._silence = Silence(settings.silence_s, self._silent)
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self._silence.stop()
        for found in self._framer.feed(data):
            self._tell(found)
        if self._framer.pending:
            self._silence.begin()

    def connection_lost(self, error: Exception | None) -> None:
        self._silence.stop()
        self._tell(self._framer.lost())
        if not self.lost.done():
            self.lost.set_result(error)

    def _silent(self) -> None:
        self._tell(self._framer.silence())

    def _tell(self, found: str | Flaw | None) -> None:
        if found is not None:
            report(self._observer, self._name, found, self._clock.now(), kept=True)


def report(observer: Observer, name: str, found: str | Flaw, now: Moment, *, kept: bool) -> None:
    """Tell what a scanner read: a scan without its symbology identifier, or why it is none.

    `kept`: see edge/codes/content.py.
    """
    if isinstance(found, Flaw):
        observer.unreadable(Unreadable(name, found.reason, found.raw, now))
        return
    kind, text = symbology.split(found)
    raw = found.encode("utf-8", "replace")[:EVIDENCE]
    if why := content.told_apart(text, kind, kept=kept):
        log.warning("ambiguous code", device=name, why=why)
        observer.unreadable(Unreadable(name, "ambiguous", raw, now))
    elif text:
        observer.scan(Scan(name, text, now, kind))
    else:
        observer.unreadable(Unreadable(name, "incomplete", raw, now))
