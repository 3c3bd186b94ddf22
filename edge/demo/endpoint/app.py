"""The HTTP contract: events, reconciliation, master data; and the pages beside it.

Every refusal is a problem document (RFC 9457). Only the contract's paths ask for the token: the pages are
for people on this machine.
"""

import hmac
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import ETag, hdrs, web

from edge.demo.endpoint import wire
from edge.demo.endpoint.examine import examine
from edge.demo.endpoint.ledger import Ledger
from edge.demo.endpoint.masterfile import MasterFile
from edge.demo.endpoint.pages import Pages
from edge.demo.endpoint.problems import CONTENT_TYPE, Refused
from edge.demo.endpoint.reconcile import Claim, reconcile

EVENTS = "/costing/events"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Options:
    """How this endpoint behaves. `batch_bytes` counts before compression."""

    token: str | None = None  # None: no one is asked
    encodings: frozenset[str] = frozenset(("zstd", "gzip", "identity"))
    batch_events: int = 500
    batch_bytes: int = 1 << 20
    claim_bytes: int = 16 << 20


def application(ledger: Ledger, masterdata: MasterFile, options: Options) -> web.Application:
    """The application. Its server must run with `auto_decompress=False`: sizes are checked here."""
    contract = _Contract(ledger, masterdata, options)
    app = web.Application(middlewares=[_problems], client_max_size=options.claim_bytes)
    app.router.add_post(EVENTS, contract.events)
    app.router.add_post(f"{EVENTS}/reconciliation", contract.reconciliation)
    app.router.add_get(f"{EVENTS}/masterdata", contract.masterdata)
    Pages(ledger, masterdata).add_to(app)
    return app


class _Contract:
    def __init__(self, ledger: Ledger, masterdata: MasterFile, options: Options) -> None:
        self._ledger = ledger
        self._masterdata = masterdata
        self._options = options

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Take a batch: answered after COMMIT, one result per event, in order."""
        self._authorize(request)
        if request.content_type != wire.BATCH_TYPE:
            raise Refused(415, "Unsupported media type", f"Send {wire.BATCH_TYPE}.", Accept=wire.BATCH_TYPE)
        plain = await self._body(request, self._options.batch_bytes)
        items = [examine(event) for event in wire.events_of(plain, self._options.batch_events)]
        prices = self._masterdata.current().masterdata
        try:
            results = await self._ledger.run(self._ledger.take, items, prices)
        except sqlite3.OperationalError as error:
            raise Refused(503, "Storage failed", f"Nothing was posted: {error}. Send it again.") from error
        return web.json_response({"results": results}, dumps=_dumps)

    async def reconciliation(self, request: web.Request) -> web.StreamResponse:
        """Compare the sender's figures with the books."""
        self._authorize(request)
        plain = await self._body(request, self._options.claim_bytes)
        try:
            claim = msgspec.json.decode(plain, type=Claim)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Refused(400, "Malformed body", f"This is no reconciliation: {error}.") from error
        return web.json_response(await self._ledger.run(reconcile, claim, self._ledger), dumps=_dumps)

    async def masterdata(self, request: web.Request) -> web.StreamResponse:
        """The document, or 304 where the sender has it."""
        self._authorize(request)
        offer = self._masterdata.current()
        known = any(tag.value in (offer.etag, "*") for tag in request.if_none_match or ())
        answer = web.Response(status=304) if known else web.Response(body=offer.body)
        if not known:
            answer.content_type = "application/json"
        answer.etag = ETag(offer.etag)
        return answer

    async def _body(self, request: web.Request, limit_bytes: int) -> bytes:
        encoding = request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower()
        if (request.content_length or 0) > limit_bytes:
            raise Refused(413, "Too large", f"At most {limit_bytes} bytes a call; send fewer events.")
        return wire.unpack(await request.read(), encoding, limit_bytes, self._options.encodings)

    def _authorize(self, request: web.Request) -> None:
        token = self._options.token
        given = request.headers.get(hdrs.AUTHORIZATION, "")
        if token is not None and not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise Refused(
                401,
                "Not authorized",
                "The bearer token is missing or wrong. Nothing was recorded; check the uplink's token_file.",
                WWW_Authenticate="Bearer",
            )


def _dumps(value: Any) -> str:
    return msgspec.json.encode(value).decode()


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every refusal as a problem document, those of the router included."""
    try:
        return await handler(request)
    except Refused as refused:
        body, status, headers = refused.problem, refused.status, refused.headers
    except web.HTTPError as error:
        status = error.status
        body = {"type": "about:blank", "title": error.reason, "status": status, "detail": error.text}
        headers = {name: value for name, value in error.headers.items() if name == hdrs.ALLOW}
    return web.json_response(body, status=status, headers=headers, content_type=CONTENT_TYPE, dumps=_dumps)
