"""What wakes the event streams, and the screen that they send.

Nothing is queued for a browser: a stream that is late sends the screen as it is then (the latest wins), so a
slow or gone browser costs the collector nothing. Delivery is read in a thread, at most every 1.5 s and only
while somebody looks; a read that hangs shows what was known before.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import msgspec
from aiohttp import web

from edge.collector import Collector
from edge.faults import StorageFault
from edge.web.delivery import Delivery
from edge.web.screen import screen

DELIVERY_S = 1.5  # how old the footer may be
_PATIENCE_S = 0.5  # how long a screen waits for a fresh footer
_STREAMS = 64  # the most at a time; beyond it a browser is told to come again


class News:
    """Counts the changes that pages show; `number` is that of the last one."""

    def __init__(self, collector: Collector, load: Callable[[], Delivery]) -> None:
        self.instance = secrets.token_hex(8)  # a life of the collector: keys are remembered within it
        self.number = 0
        self.ended = False
        self._collector = collector
        self._load = load
        self._turn = asyncio.Event()
        self._streams = 0
        self._delivery = Delivery(fault="not read yet")
        self._due_s = 0.0
        self._loading: asyncio.Task[None] | None = None

    async def following(self, _: web.Application) -> AsyncIterator[None]:
        """Follow the collector while the application runs."""
        task = asyncio.create_task(self._follow(), name="page-news")
        yield
        tasks = [task, *([self._loading] if self._loading else [])]
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def end(self, _: web.Application) -> None:
        """End the streams: the server is about to close."""
        self.ended = True
        self._advance()

    @contextmanager
    def watched(self) -> Iterator[bool]:
        """Count one stream; says whether there is room for it."""
        room = self._streams < _STREAMS
        self._streams += room
        try:
            yield room
        finally:
            self._streams -= room

    async def beyond(self, number: int, timeout_s: float) -> None:
        """Return when there is a change behind `number`, or the time is up."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.number == number and not self.ended:
                    await self._turn.wait()

    async def screen(self, station: str) -> bytes:
        """The station's screen now, as JSON. Raises KeyError."""
        delivery = await self.delivered()
        shown: dict[str, Any] = screen(self._collector, station, delivery, self.instance)
        return msgspec.json.encode(shown)

    async def _follow(self) -> None:
        while True:
            await self._collector.change()
            self._advance()

    def _advance(self) -> None:
        self.number += 1
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()

    async def delivered(self) -> Delivery:
        """How delivery stands, at most 1.5 s old where reading it takes no longer."""
        if self._loading is None and asyncio.get_running_loop().time() >= self._due_s:
            self._loading = asyncio.create_task(self._reload(), name="page-delivery")
        if self._loading is not None:
            await asyncio.wait({self._loading}, timeout=_PATIENCE_S)
        return self._delivery

    async def _reload(self) -> None:
        try:
            self._delivery = await asyncio.to_thread(self._load)
        except StorageFault as fault:
            self._delivery = Delivery(fault=str(fault))
        finally:
            self._loading = None
            self._due_s = asyncio.get_running_loop().time() + DELIVERY_S
