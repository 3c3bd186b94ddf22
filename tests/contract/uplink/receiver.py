"""A receiver on loopback that keeps the contract, and is as rude within it as a test asks for."""

import asyncio
import gzip
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import zstandard
from aiohttp import web

Events = list[dict[str, Any]]
Mood = Callable[["Receiver", web.Request, Events], Awaitable[web.StreamResponse | None]]


@dataclass
class Call:
    """What one call to the events endpoint brought."""

    seqs: list[int]
    encoding: str
    key: str
    authorization: str | None


@dataclass
class Receiver:
    """Posts each id once; `moods` answer the first calls instead, `poison` seqs are always rejected."""

    moods: deque[Mood] = field(default_factory=deque)
    always: Mood | None = None
    poison: set[int] = field(default_factory=set)
    problem: dict[str, Any] = field(default_factory=lambda: {"type": "about:blank", "title": "bad fact"})
    posted: list[tuple[int, str]] = field(default_factory=list)  # in the order of posting
    calls: list[Call] = field(default_factory=list)
    masterdata: Callable[[web.Request], web.Response] | None = None
    reconciliations: list[dict[str, Any]] = field(default_factory=list)
    reconciliation: dict[str, Any] | None = None
    mute_from: set[int] = field(default_factory=set)  # ranges from here are not compared: 503
    reconciling: Callable[[], web.Response] | None = None  # answers instead
    url: str = ""

    def post(self, events: Events) -> list[dict[str, Any]]:
        """Commit the events; the results in their order."""
        return [self._one(event) for event in events]

    def _one(self, event: dict[str, Any]) -> dict[str, Any]:
        seq, known = int(event["sequence"]), {id_ for _, id_ in self.posted}
        if seq in self.poison:
            return {"id": event["id"], "status": "rejected", "problem": self.problem}
        if event["id"] in known:
            return {"id": event["id"], "status": "duplicate", "document": f"D{seq}"}
        self.posted.append((seq, event["id"]))
        return {"id": event["id"], "status": "accepted", "document": f"D{seq}"}

    async def _events(self, request: web.Request) -> web.StreamResponse:
        encoding = request.headers.get("Content-Encoding", "identity")
        events: Events = json.loads(decoded(await request.read(), encoding))
        self.calls.append(
            Call(
                [int(event["sequence"]) for event in events],
                encoding,
                request.headers["Idempotency-Key"],
                request.headers.get("Authorization"),
            )
        )
        mood = self.moods.popleft() if self.moods else self.always
        answer = await mood(self, request, events) if mood is not None else None
        return answer or web.json_response({"results": self.post(events)})

    async def _reconciliation(self, request: web.Request) -> web.Response:
        if self.reconciling is not None:
            return self.reconciling()
        if self.reconciliation is None:
            return web.Response(status=404)
        self.reconciliations.append(await request.json())
        if self.reconciliations[-1]["from_seq"] in self.mute_from:
            return web.Response(status=503)
        return web.json_response(self.reconciliation)

    async def _masterdata(self, request: web.Request) -> web.Response:
        return self.masterdata(request) if self.masterdata else web.Response(status=404)

    def app(self) -> web.Application:
        """The endpoint."""
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_post("/events", self._events)
        app.router.add_post("/events/reconciliation", self._reconciliation)
        app.router.add_get("/events/masterdata", self._masterdata)
        return app


def says(status: int, body: str = "", **headers: str) -> Mood:
    """Answers so, and posts nothing."""

    async def mood(_: Receiver, __: web.Request, ___: Events) -> web.Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text=body, headers=names)

    return mood


def results(change: Callable[[list[dict[str, Any]]], Any]) -> Mood:
    """Posts everything, and answers 200 with what `change` makes of the results."""

    async def mood(receiver: Receiver, _: web.Request, events: Events) -> web.Response:
        return web.json_response(change(receiver.post(events)))

    return mood


def overwhelmed_by_more_than(count: int) -> Mood:
    """A call is one transaction; that of a larger one is not done before the caller hangs up."""

    async def mood(_: Receiver, __: web.Request, events: Events) -> None:
        if len(events) > count:
            await asyncio.sleep(3600)

    return mood


async def loses_answer(receiver: Receiver, request: web.Request, events: Events) -> web.StreamResponse:
    """Posts everything, then resets the connection."""
    receiver.post(events)
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def breaks_off(receiver: Receiver, request: web.Request, events: Events) -> web.StreamResponse:
    """Posts everything, sends half an answer, then resets the connection."""
    whole = json.dumps({"results": receiver.post(events)}).encode()
    response = web.StreamResponse()
    response.content_length = len(whole)
    await response.prepare(request)
    await response.write(whole[: len(whole) // 2])
    assert request.transport is not None
    request.transport.abort()
    return response


async def drips(receiver: Receiver, request: web.Request, events: Events) -> web.StreamResponse:
    """Posts everything, then answers a byte at a time and never ends."""
    receiver.post(events)
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(200):
        await response.write(b" ")
        await asyncio.sleep(0.02)
    return response


async def floods(receiver: Receiver, request: web.Request, events: Events) -> web.StreamResponse:
    """Posts everything, then answers without end."""
    receiver.post(events)
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(20):
        await response.write(b" " * 1024 * 1024)
    return response


async def lies_about_encoding(_: Receiver, __: web.Request, ___: Events) -> web.StreamResponse:
    """Says gzip over what is none."""
    return web.Response(body=b"not gzip at all", headers={"Content-Encoding": "gzip"})


def takes_only(*encodings: str, otherwise: int) -> Mood:
    """Answers `otherwise` to other encodings."""

    async def mood(_: Receiver, request: web.Request, __: Events) -> web.Response | None:
        encoding = request.headers.get("Content-Encoding", "identity")
        return None if encoding in encodings else web.Response(status=otherwise)

    return mood


def refuses_with(*seqs: int, status: int = 422) -> Mood:
    """Refuses every call that holds one of the seqs, as a whole."""

    async def mood(_: Receiver, __: web.Request, events: Events) -> web.Response | None:
        if not {int(event["sequence"]) for event in events} & set(seqs):
            return None
        problem = {"type": "about:blank", "title": "cannot read a fact", "status": status}
        return web.json_response(problem, status=status, content_type="application/problem+json")

    return mood


def limited_to(bytes_max: int) -> Mood:
    """413 to every larger call."""

    async def mood(_: Receiver, request: web.Request, events: Events) -> web.Response | None:
        return None if len(json.dumps(events)) <= bytes_max else web.Response(status=413)

    return mood


def puts_off(*seqs: int, posts_behind: bool = False) -> Mood:
    """Answers retry for these seqs; what is behind is posted, or put off with them."""

    async def mood(receiver: Receiver, _: web.Request, events: Events) -> web.Response:
        found: list[dict[str, Any]] = []
        off = False
        for event in events:
            off = int(event["sequence"]) in seqs or (off and not posts_behind)
            found += [{"id": event["id"], "status": "retry"}] if off else receiver.post([event])
        return web.json_response({"results": found})

    return mood


def decoded(body: bytes, encoding: str) -> bytes:
    """What was sent, without its encoding."""
    if encoding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    return gzip.decompress(body) if encoding == "gzip" else body
