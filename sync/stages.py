"""What a call is doing, and how long each of it may take: connecting, sending, being answered.

Connecting ends where there is a connection, TLS and proxy included; sending where the system has taken the
last of the body, 64 KiB of it or less aside; the answer is there with its last byte.
"""

import asyncio
import io
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Literal

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.connector import Connection

from sync.settings import HttpSettings

_PIECE_BYTES = 1024 * 1024
Stage = Literal["connect", "send", "answer"]


class Stages:
    """The stages of one call, within an `asyncio.timeout`; each has its own time from its beginning."""

    def __init__(self, settings: HttpSettings, limit: asyncio.Timeout, *, sends: bool) -> None:
        self._limit = limit
        self._sends = sends
        self._limits_s: dict[Stage, float] = {
            "connect": settings.connect_timeout_s,
            "send": settings.send_timeout_s,
            "answer": settings.answer_timeout_s,
        }
        self.now: Stage = "connect"
        self._begin("connect")

    @property
    def over(self) -> bool:
        """Whether the present stage took longer than it may."""
        return self._limit.expired()

    @property
    def limit_s(self) -> float:
        """What the present stage may take."""
        return self._limits_s[self.now]

    def connected(self) -> None:
        """There is a connection."""
        self._begin("send" if self._sends else "answer")

    def sent(self) -> None:
        """The body is gone, or is not waited for: an answer is coming."""
        if self.now != "answer":
            self._begin("answer")

    def _begin(self, stage: Stage) -> None:
        self.now = stage
        self._limit.reschedule(asyncio.get_running_loop().time() + self.limit_s)


class Connector(aiohttp.TCPConnector):
    """Tells the stages of the call that asks for it that there is a connection.

    aiohttp's own tracing tells it too, and costs every call more.
    """

    async def connect(self, *given: Any, **named: Any) -> Connection:
        """As aiohttp asks for it, in the task of the call."""
        connection = await super().connect(*given, **named)
        of_call.get().connected()
        return connection


of_call: ContextVar[Stages] = ContextVar("of_call")


class _Short(aiohttp.payload.BytesPayload):
    """A body that goes out in one piece, and tells when it has."""

    sent: Callable[[], None]

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """As aiohttp asks for it."""
        await super().write_with_length(writer, content_length)
        self.sent()


class _Long(aiohttp.payload.BytesIOPayload):
    """The same in pieces, between which others have their turn."""

    sent: Callable[[], None]

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """As aiohttp asks for it."""
        await super().write_with_length(writer, content_length)
        self.sent()


def body_of(given: bytes, sent: Callable[[], None]) -> _Short | _Long:
    """A body that tells when it is sent."""
    body = _Short(given) if len(given) <= _PIECE_BYTES else _Long(io.BytesIO(given))
    body.sent = sent
    return body
