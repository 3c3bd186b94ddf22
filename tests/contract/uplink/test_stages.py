"""Connecting, sending and being answered have their own limits, and a person reads which of them it was."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from edge.faults import UplinkFault
from sync.settings import HttpSettings
from sync.wire import Late, Wire

_MIB = 1024 * 1024
Half = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def receiver(half: Half) -> AsyncIterator[int]:
    """A port behind which each connection is served by `half`, then held open."""
    released = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await half(reader, writer)
            await released.wait()
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        released.set()
        server.close()
        await server.wait_closed()


async def says_nothing(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """Neither reads nor answers."""


async def takes_all(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Reads what comes and never answers."""
    while await reader.read(_MIB):
        pass


async def begins_to_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await writer.drain()
    await takes_all(reader, writer)


async def called(port: int, size: int | None, scheme: str = "http", **changed: Any) -> UplinkFault:
    """The fault of a call with a body of so many bytes that cannot be compressed."""
    limits = {"connect_timeout_s": 30, "send_timeout_s": 30, "answer_timeout_s": 30, **changed}
    url = f"{scheme}://127.0.0.1:{port}/events"
    wire = Wire(HttpSettings.model_validate({"kind": "http", "url": url, **limits}))
    body = None if size is None else os.urandom(size)
    begun_s = time.monotonic()
    try:
        with pytest.raises(UplinkFault) as fault:
            await wire.call("GET" if body is None else "POST", url, body, {}, _MIB)
    finally:
        await wire.close()
    assert time.monotonic() - begun_s < 25, "another stage's limit ended it"
    assert "unless it lasts" in fault.value.hint
    return fault.value


async def test_a_connection_that_does_not_come_about_is_no_slow_receiver() -> None:
    async with receiver(says_nothing) as port:  # which never answers the TLS handshake
        fault = await called(port, 10, "https", connect_timeout_s=0.3)
    assert "no connection within 0.3 s" in fault.message and "connect_timeout_s" in fault.hint
    assert not isinstance(fault, Late)


async def test_a_body_that_nobody_reads_is_not_sent_whole() -> None:
    async with receiver(says_nothing) as port:
        fault = await called(port, 32 * _MIB, send_timeout_s=0.5)
    assert "the call was not sent whole within 0.5 s" in fault.message and "send_timeout_s" in fault.hint
    assert isinstance(fault, Late)


@pytest.mark.parametrize("size", [None, 0, 10, 4 * _MIB])
async def test_no_answer_to_what_was_sent_is_said_so(size: int | None) -> None:
    async with receiver(takes_all) as port:
        fault = await called(port, size, answer_timeout_s=0.5)
    assert "no whole answer within 0.5 s" in fault.message and "answer_timeout_s" in fault.hint
    assert isinstance(fault, Late)


async def test_half_an_answer_is_waited_for_no_longer_than_a_whole_one() -> None:
    async with receiver(begins_to_answer) as port:
        fault = await called(port, 10, answer_timeout_s=0.5)
    assert "no whole answer within 0.5 s" in fault.message


async def test_an_answer_before_the_body_is_sent_counts() -> None:
    async with receiver(begins_to_answer) as port:
        fault = await called(port, 32 * _MIB, answer_timeout_s=0.5)
    assert "no whole answer within 0.5 s" in fault.message
