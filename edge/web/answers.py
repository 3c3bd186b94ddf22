"""What each Idempotency-Key was answered, so that a scan sent again is not a second scan.

A repeated key gets the first one's answer, also while that is still outstanding, and also where it was a
refusal: a doubtful quantity counts as confirmed when a person enters it again, not when a browser does.
Only "storage" is forgotten, for then nothing happened. Keys live as long as the collector; a browser asks
for one life of it with If-Match and is told when it speaks to the next.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from aiohttp import web

from edge.collector import Collector
from edge.inbox import Result
from edge.station.review.requests import Asked

_KEYS = 1000  # the oldest is forgotten
_SETTLEMENTS = "/settlements"  # beside the stations' names
_Ask = Callable[[], Coroutine[Any, Any, Result]]


class KeyReused(Exception):
    """The key came before, with something else."""


class Answers:
    """Hands scans and settlements to the collector, each key once."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._known: dict[tuple[str, str], tuple[str, asyncio.Task[Result]]] = {}

    async def scan(self, station: str, text: str, key: str | None) -> Result:
        """The answer to a scan. Raises KeyError, KeyReused."""
        return await self._once(station, text, key, lambda: self._collector.typed(station, text))

    async def settle(self, asked: Asked, key: str | None) -> Result:
        """The answer to a settlement. Raises KeyReused."""
        said = msgspec.json.encode(asked).decode()
        return await self._once(_SETTLEMENTS, said, key, lambda: self._collector.settle(asked))

    async def end(self, _: web.Application) -> None:
        """Stop waiting for answers; what was handed in is recorded all the same."""
        tasks = [task for _, task in self._known.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _once(self, place: str, said: str, key: str | None, ask: _Ask) -> Result:
        if key is None:
            return await ask()
        known = self._known.get((place, key))
        if known is None:
            # A task of its own: the browser may hang up, its retry finds the same answer.
            task = asyncio.create_task(self._asked(place, key, ask), name=f"answer-{place}")
            self._known[place, key] = known = said, task
            if len(self._known) > _KEYS:
                del self._known[next(iter(self._known))]
        if known[0] != said:
            raise KeyReused(key)
        return await asyncio.shield(known[1])

    async def _asked(self, place: str, key: str, ask: _Ask) -> Result:
        try:
            result = await ask()
        except BaseException:
            self._known.pop((place, key), None)
            raise
        if result.result == "storage":
            self._known.pop((place, key), None)
        return result
