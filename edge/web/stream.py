"""Server-sent events: a station's screen on every change and at least every 2 s: silence means stale."""

import asyncio

from aiohttp import web

from edge.web.news import News
from edge.web.problems import problem

NEWS_S = 2.0
_PAUSE_S = 0.05  # between two screens: a burst of changes is one
_WRITE_S = 10.0  # a browser that takes nothing for so long is gone
_RETRY = b"retry: 1000\n\n"  # ms until a browser comes again


async def stream(request: web.Request, station: str, news: News) -> web.StreamResponse:
    """Send the screens of `station` until the browser goes or the server closes."""
    with news.watched() as room:
        if not room:
            return problem(503, "Too many pages", "Too many pages are open. Close some of them.")
        headers = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        response = web.StreamResponse(headers=headers)
        try:
            await response.prepare(request)
            await response.write(_RETRY)
            await _send(response, station, news)
        except (ConnectionError, TimeoutError):
            pass  # the browser is gone; it comes again by itself
    return response


async def _send(response: web.StreamResponse, station: str, news: News) -> None:
    clock = asyncio.get_running_loop()
    sent, due_s = b"", 0.0
    while not news.ended:
        number = news.number
        shown = await news.screen(station)
        if shown != sent or clock.time() >= due_s:
            async with asyncio.timeout(_WRITE_S):
                await response.write(b"id: %d\ndata: %b\n\n" % (number, shown))
            sent, due_s = shown, clock.time() + NEWS_S
            await asyncio.sleep(_PAUSE_S)
        await news.beyond(number, due_s - clock.time())
