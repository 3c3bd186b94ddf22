"""What each Idempotency-Key was answered, so that a scan sent again is not a second scan.

A repeated key gets the first one's answer, also while that is still outstanding, and also where it was a
refusal: a doubtful quantity counts as confirmed when a person enters it again, not when a browser does.
Only "storage" is forgotten, for then nothing happened. Keys live as long as the collector; a browser asks
for one life of it with If-Match and is told when it speaks to the next.
"""

import asyncio

from aiohttp import web

from edge.collector import Collector, Result

_KEYS = 1000  # the oldest is forgotten


class KeyReused(Exception):
    """The key came before, with another scan."""


class Answers:
    """Hands scans to the collector, each key once."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._known: dict[tuple[str, str], tuple[str, asyncio.Task[Result]]] = {}

    async def scan(self, station: str, text: str, key: str | None) -> Result:
        """The answer to a scan. Raises KeyError, KeyReused."""
        if key is None:
            return await self._collector.typed(station, text)
        known = self._known.get((station, key))
        if known is None:
            # A task of its own: the browser may hang up, its retry finds the same answer.
            task = asyncio.create_task(self._typed(station, text, key), name=f"scan-{station}")
            self._known[station, key] = known = text, task
            if len(self._known) > _KEYS:
                del self._known[next(iter(self._known))]
        if known[0] != text:
            raise KeyReused(key)
        return await asyncio.shield(known[1])

    async def end(self, _: web.Application) -> None:
        """Stop waiting for answers; what was handed in is recorded all the same."""
        tasks = [task for _, task in self._known.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _typed(self, station: str, text: str, key: str) -> Result:
        try:
            result = await self._collector.typed(station, text)
        except BaseException:
            self._known.pop((station, key), None)
            raise
        if result.result == "storage":
            self._known.pop((station, key), None)
        return result
