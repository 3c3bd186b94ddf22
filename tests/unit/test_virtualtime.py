"""The made-up time keeps the order of the true one, takes none of it, and never hangs."""

import asyncio
import time

import pytest

from tests.virtualtime import run


def test_a_day_passes_at_once_in_the_order_of_the_timers() -> None:
    came: list[str] = []

    async def sleeper(name: str, s: float) -> None:
        await asyncio.sleep(s)
        came.append(name)

    async def day() -> float:
        await asyncio.gather(sleeper("last", 86400), sleeper("first", 0.001), sleeper("middle", 3600))
        return asyncio.get_running_loop().time()

    begun_s = time.process_time()
    assert run(day()) == pytest.approx(86400)
    assert came == ["first", "middle", "last"]
    assert time.process_time() - begun_s < 5


def test_a_timeout_comes_before_what_is_later_and_after_what_is_sooner() -> None:
    async def within(s: float) -> bool:
        try:
            async with asyncio.timeout(1):
                await asyncio.sleep(s)
        except TimeoutError:
            return False
        return True

    assert run(within(0.999))
    assert not run(within(1.001))


def test_what_would_wait_for_ever_fails() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="nothing is to come"):
        run(forever())


def test_a_connection_in_memory_carries_bytes_both_ways_and_ends_for_both() -> None:
    class Echo(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(data.upper())
            self.transport.close()

    async def told() -> bytes:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"lsw1")
        got = await reader.read()
        server.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        return got

    assert run(told()) == b"LSW1"
