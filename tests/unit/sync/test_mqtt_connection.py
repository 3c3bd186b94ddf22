"""A connection to a broker that takes its time."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

from edge.faults import UplinkFault
from sync.mqtt.connection import Connection
from sync.mqtt.packets import Outgoing
from sync.mqtt.settings import MqttSettings
from tests.patience import PATIENCE_S

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
_CONNACK, _PUBACK = b"\x20\x03\x00\x00\x00", b"\x40\x02"
_WILL = Outgoing("status", b"gone")


async def packet(reader: asyncio.StreamReader) -> bytes:
    """The next packet without its fixed header (MQTT 5, 2.1)."""
    await reader.readexactly(1)
    length, shift = 0, 0
    while (byte := (await reader.readexactly(1))[0]) & 0x80:
        length, shift = length | (byte & 0x7F) << shift, shift + 7
    return await reader.readexactly(length | byte << shift)


async def broker(serve: Serve) -> tuple[asyncio.Server, MqttSettings]:
    """A server that answers CONNECT and leaves the rest to `serve`, and settings that lead there."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await packet(reader)
        writer.write(_CONNACK)
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0, limit=1 << 16)
    given = {"kind": "mqtt", "host": "127.0.0.1", "port": server.sockets[0].getsockname()[1], "tls": False}
    return server, MqttSettings.model_validate({**given, "consumers": ["erp"]})


def opened(settings: MqttSettings) -> Coroutine[Any, Any, Connection]:
    return Connection.open(settings, "edge", _WILL, lambda _: None)


def patience() -> AbstractAsyncContextManager[Any]:
    return asyncio.timeout(PATIENCE_S)


async def test_what_the_socket_does_not_take_at_once_arrives_whole_and_in_order() -> None:
    bodies = [bytes([65 + number]) * 6_000_000 for number in range(3)]
    arrived: list[bytes] = []
    reading = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reading.wait()
        for body in bodies:
            found = await packet(reader)
            arrived.append(found[-len(body) :])
            mid = found[len("answer") + 2 :][:2]
            writer.write(_PUBACK + mid)
        await reader.read()  # until the other side parts

    server, settings = await broker(slow)
    async with server, patience():
        connection = await opened(settings)
        sending = [asyncio.create_task(connection.publish(Outgoing("answer", body))) for body in bodies]
        for _ in range(10):
            await asyncio.sleep(0)
        assert connection._full
        reading.set()
        assert [str(code) for code in await asyncio.gather(*sending)] == ["Success"] * 3
        assert arrived == bodies
        assert not connection._full, "the loop watches a socket that has nothing to send"
        await connection.close()


async def test_whoever_waits_for_the_brokers_word_hears_that_the_connection_ended() -> None:
    async def deaf(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await packet(reader)
        await packet(reader)

    server, settings = await broker(deaf)
    async with server, patience():
        connection = await opened(settings)
        found = await asyncio.gather(
            *(connection.publish(Outgoing("answer", b"page")) for _ in range(2)), return_exceptions=True
        )
        assert [type(one) for one in found] == [UplinkFault] * 2
        assert "ended" in str(found[0])
        await connection.close()


async def test_a_broker_that_acknowledges_nothing_ends_the_connection() -> None:
    async def mute(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    server, settings = await broker(mute)
    async with server, patience():
        connection = await opened(settings)
        connection._patience_s = 0.05
        found = await asyncio.gather(
            *(connection.publish(Outgoing("answer", b"page")) for _ in range(2)), return_exceptions=True
        )
        assert [type(one) for one in found] == [UplinkFault] * 2
        assert "acknowledged nothing" in await connection.lost()
        await connection.close()
