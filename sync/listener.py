"""Health, metrics and status of the sync process, on a loopback address of its own."""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec
from aiohttp import web

from edge.faults import AddressInUse


@dataclass(frozen=True)
class Views:
    """What the pages show; each is computed when asked for."""

    ready: Callable[[], bool]
    metrics: Callable[[], Awaitable[bytes]]
    status: Callable[[], Awaitable[object]]


class Listener:
    """Serves `/livez`, `/readyz`, `/metrics` and `/status` until cancelled."""

    def __init__(self, listen: str, views: Views) -> None:
        self._host, _, port = listen.rpartition(":")
        self._port = int(port)
        self._views = views
        self.address: tuple[str, int] | None = None  # once it listens
        self.listening = asyncio.Event()

    async def run(self) -> None:
        """Serve. Raises AddressInUse."""
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._host, self._port)
            try:
                await site.start()
            except OSError as error:
                raise self._fault(error) from error
            self.address = runner.addresses[0][:2]
            self.listening.set()
            await asyncio.Event().wait()
        finally:
            self.listening.clear()
            await runner.cleanup()

    def _fault(self, error: OSError) -> AddressInUse:
        taken = error.errno == errno.EADDRINUSE
        reason = "the address is in use" if taken else error.strerror or str(error)
        return AddressInUse(
            f"sync cannot listen on {self._host}:{self._port}: {reason}",
            hint="Give sync.listen another address, or stop what holds this one",
        )

    def _app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/livez", self._live)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/status", self._status)
        return app

    async def _live(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _ready(self, _: web.Request) -> web.Response:
        ready = self._views.ready()
        return web.Response(text="ready\n" if ready else "starting\n", status=200 if ready else 503)

    async def _metrics(self, _: web.Request) -> web.Response:
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=await self._views.metrics(), headers=headers)

    async def _status(self, _: web.Request) -> web.Response:
        body = msgspec.json.encode(await self._views.status())
        return web.Response(body=body, content_type="application/json")
