"""Health, metrics and status of the sync process, on a loopback address of its own; comparing when asked.

A comparison changes no fact. A browser cannot ask for one from another site: it must come as JSON.
"""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec
from aiohttp import web

from edge.faults import AddressInUse, UplinkFault
from sync.reconciler import Outcome


@dataclass(frozen=True)
class Views:
    """What the pages show; each is computed when asked for."""

    ready: Callable[[], bool]
    metrics: Callable[[], Awaitable[bytes]]
    status: Callable[[], Awaitable[object]]
    reconciled: Callable[[str], Awaitable[Outcome | None]]  # raises UplinkFault


class Listener:
    """Serves `/livez`, `/readyz`, `/metrics`, `/status` and reconciliations until cancelled."""

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
        app.router.add_post("/api/v1/reconciliations", self._reconcile)
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

    async def _reconcile(self, request: web.Request) -> web.Response:
        """Compare with one receiver now: `{"uplink": "erp"}`."""
        if request.content_type != "application/json":
            return _problem(415, "Wrong content type", 'Send application/json: {"uplink": "erp"}')
        try:
            asked = msgspec.json.decode(await request.read(), type=_Asked)
        except msgspec.DecodeError as error:
            return _problem(400, "Malformed body", f"{error}. Nothing was compared")
        try:
            outcome = await self._views.reconciled(asked.uplink)
        except UplinkFault as fault:
            return _problem(502, "The receiver gives no answer", str(fault))
        if outcome is None:
            return _problem(404, "No such uplink", "None of this name is compared over HTTP")
        return web.Response(body=msgspec.json.encode(Compared.of(outcome)), content_type="application/json")


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    uplink: str


class Compared(msgspec.Struct):
    """What came of a comparison: certificates are named by their numbers, newest last."""

    match: bool
    offered: bool
    waiting: int
    certificates: list[int]
    unproven: int  # ranges
    discarded: int  # facts of the compared ranges that stay away by a person's decision

    @classmethod
    def of(cls, outcome: Outcome) -> "Compared":
        numbers = [one.id for one in outcome.certificates]
        return cls(
            outcome.match, outcome.offered, outcome.waiting, numbers, outcome.unproven, outcome.discarded
        )


def _problem(status: int, title: str, detail: str) -> web.Response:
    """A refusal (RFC 9457)."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return web.json_response(body, status=status, content_type="application/problem+json")
