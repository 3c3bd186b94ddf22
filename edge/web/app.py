"""The collect process's web application and how it listens.

Pages, the local API, health and metrics. Closing ends open event streams at once and everything within 1 s.
"""

import errno
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from edge.collector import Collector
from edge.faults import AddressInUse
from edge.web import guard, problems
from edge.web.answers import Answers
from edge.web.api import StationApi
from edge.web.delivery import Delivery
from edge.web.news import News
from edge.web.pages import Pages
from edge.web.review import ReviewApi
from edge.web.shifts import ShiftsApi

_GRACE_S = 0.5  # for calls under way when the server closes


def application(
    collector: Collector,
    *,
    language: str,
    journal: Path,
    delivery: Callable[[], Delivery],
    ready: Callable[[], bool],
    alive: Callable[[], bool],
) -> web.Application:
    """The application. `delivery` runs in a thread and may raise StorageFault."""
    news, answers = News(collector, delivery), Answers(collector)
    app = web.Application(middlewares=[problems.worded, guard.same_site], client_max_size=problems.BODY_BYTES)
    app.add_routes(StationApi(collector, news, answers, language).routes())
    app.add_routes(ReviewApi(collector, news, answers, language).routes())
    app.add_routes(ShiftsApi(collector, journal).routes())
    app.add_routes(Pages(collector, language).routes())
    app.add_routes([web.get("/livez", _verdict(alive)), web.get("/readyz", _verdict(ready))])
    app.add_routes([web.get("/metrics", _metrics)])
    app.on_response_prepare.append(guard.headers)
    app.cleanup_ctx.append(news.following)
    app.on_shutdown.append(news.end)
    app.on_cleanup.append(answers.end)
    return app


class Listener:
    """A server that listens; `async with` closes it."""

    def __init__(self, runner: web.AppRunner, host: str) -> None:
        self._runner = runner
        port = runner.addresses[0][1]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def close(self) -> None:
        """Stop listening and end what is open, within 1 s. Twice is harmless."""
        await self._runner.cleanup()

    async def __aenter__(self) -> "Listener":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def listen(app: web.Application, address: str) -> Listener:
    """Serve `app` at `<host>:<port>`; port 0 takes a free one. Raises AddressInUse."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_GRACE_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, int(port)).start()
    except OSError as error:
        await runner.cleanup()
        raise _fault(address, error) from error
    except BaseException:
        await runner.cleanup()
        raise
    return Listener(runner, host)


def _fault(address: str, error: OSError) -> AddressInUse:
    """What kept the pages from listening, and what to do about it."""
    if error.errno == errno.EADDRINUSE:
        return AddressInUse(
            f"the pages cannot listen on {address}: another program does",
            hint="Stop that program (`ss -ltnp` names it), or give web.listen another port",
        )
    if error.errno == errno.EACCES:
        return AddressInUse(
            f"the pages may not listen on {address}", hint="Give web.listen a port above 1023"
        )
    return AddressInUse(
        f"the pages cannot listen on {address}: {error.strerror or error}",
        hint="Give web.listen an address of this machine, for example 127.0.0.1:8700",
    )


def _verdict(holds: Callable[[], bool]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        held = holds()
        return web.Response(text="ok\n" if held else "not now\n", status=200 if held else 503)

    return answer


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
