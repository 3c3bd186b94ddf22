"""A proxy before a receiver that does to calls what networks do, and tells how often it did.

It understands just enough HTTP/1.1 to know where a call and an answer end, so that each fault strikes at
its own place: before the receiver saw the call, in the middle of it, or after it posted.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from tests.contract.uplink.rig import Time
from tests.faults.proxying import Proxy, sever

_HOUR_MS = 3_600_000
_NO_ANSWERS = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 25\r\n\r\n<html>please sign in</htm",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\xff\xfe\x00\x01\x02\x80\x81\x82\x83",
    b"HTTP/1.1 999 \r\nContent-Length: -3\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
    b"220 mail.example ESMTP\r\n",
)


@dataclass
class Exchange:
    """One call on its way: whole, and not yet seen by the receiver."""

    proxy: "ChaosProxy"
    call: bytes
    client: asyncio.StreamWriter

    async def answer(self) -> bytes:
        """Hand the call on; what the receiver says."""
        return await asked(self.proxy.target, self.call)

    async def say(self, answer: bytes) -> None:
        self.client.write(answer)
        await self.client.drain()

    def reset(self) -> None:
        """End the connection with a RST: what was not read by then is lost."""
        sever(self.client)


Fault = Callable[[Exchange], Awaitable[None]]


async def delay(one: Exchange) -> None:
    """The answer comes late, or too late."""
    answer = await one.answer()
    await asyncio.sleep(one.proxy.chance.uniform(0, 1.5 * one.proxy.patience_s))
    await one.say(answer)


async def cut(one: Exchange) -> None:
    """The connection ends in order somewhere in the call; the receiver sees the part."""
    with suppress(OSError):
        _, upstream = await asyncio.open_connection("127.0.0.1", one.proxy.target)
        upstream.write(one.call[: one.proxy.chance.randrange(len(one.call))])
        upstream.close()
    one.client.close()


async def half_open(one: Exchange) -> None:
    """Nothing is said any more, nor is the connection ended; the call came there, or not."""
    if one.proxy.chance.random() < 0.5:
        await one.answer()
    await asyncio.sleep(3 * one.proxy.patience_s)


async def reset_in_call(one: Exchange) -> None:
    """The connection is reset in the middle of the call."""
    _, upstream = await asyncio.open_connection("127.0.0.1", one.proxy.target)
    upstream.write(one.call[: len(one.call) // 2])
    upstream.transport.abort()
    one.reset()


async def reset_in_answer(one: Exchange) -> None:
    """The receiver posted; the connection is reset in the middle of its answer."""
    answer = await one.answer()
    await one.say(answer[: one.proxy.chance.randrange(1, len(answer))])
    one.reset()


async def answer_lost(one: Exchange) -> None:
    """The receiver posted; not a byte of its answer comes home."""
    await one.answer()
    one.reset()


async def duplicate(one: Exchange) -> None:
    """The call comes there twice, one after the other or at once; one of the answers comes home."""
    if one.proxy.chance.random() < 0.5:
        answers = [await one.answer(), await one.answer()]
    else:
        answers = list(await asyncio.gather(one.answer(), one.answer()))
    await one.say(one.proxy.chance.choice(answers))


async def late_copy(one: Exchange) -> None:
    """The connection is reset, and the call comes there when others have come meanwhile."""
    one.reset()
    await asyncio.sleep(one.proxy.chance.uniform(0, one.proxy.patience_s / 2))
    await one.answer()


async def drip(one: Exchange) -> None:
    """The answer comes in drops, to its end or past all patience."""
    answer = await one.answer()
    drops, pause_s = one.proxy.chance.randrange(5, 40), one.proxy.patience_s / 20
    size = 1 + len(answer) // drops
    for start in range(0, len(answer), size):
        await one.say(answer[start : start + size])
        await asyncio.sleep(pause_s)


async def garbage(one: Exchange) -> None:
    """Something else answers, before the receiver or in its place."""
    if one.proxy.chance.random() < 0.5:
        await one.answer()
    await one.say(one.proxy.chance.choice(_NO_ANSWERS))
    one.client.close()


async def stale_answer(one: Exchange) -> None:
    """A cache says what was said to another call; this one never comes there."""
    await one.say(one.proxy.last_answer)


async def outage(one: Exchange) -> None:
    """From here on every connection is reset for an hour."""
    one.proxy.down_until_ms = one.proxy.time.now_ms + _HOUR_MS
    one.reset()


FAULTS: dict[str, Fault] = {
    "delay": delay,
    "cut": cut,
    "half-open": half_open,
    "reset in the call": reset_in_call,
    "reset in the answer": reset_in_answer,
    "answer lost after posting": answer_lost,
    "call comes twice": duplicate,
    "copy comes later": late_copy,
    "slow drip": drip,
    "garbage": garbage,
    "answer of another call": stale_answer,
    "one hour of outage": outage,
}


@dataclass(kw_only=True)
class ChaosProxy(Proxy):
    """Knows calls and their answers; an outage is measured by `time`."""

    time: Time
    faults: tuple[str, ...] = tuple(FAULTS)
    share: float = 0.2
    down_until_ms: int = 0
    last_answer: bytes = b"HTTP/1.1 503 \r\nContent-Length: 0\r\n\r\n"
    refused: int = 0  # connections during an outage

    async def settled(self) -> None:
        """Wait until the last copy has come there."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=4 * self.patience_s)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            if self.time.now_ms < self.down_until_ms:
                self.refused += 1
                Exchange(self, b"", writer).reset()
                return
            one = Exchange(self, (await message(reader))[0], writer)
            if (name := self.drawn()) is not None:
                await FAULTS[name](one)
            else:
                self.last_answer = await one.answer()
                await one.say(self.last_answer)
                if b"\r\nConnection:close" in self.last_answer:
                    return


async def asked(port: int, call: bytes) -> bytes:
    """The receiver's answer, as it stands on the wire."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(call)
        await writer.drain()
        found, final = await message(reader)
        while not final:
            part, final = await message(reader)
            found += part
        return found
    finally:
        writer.close()


async def message(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    """A whole call or answer as it came, and whether it is more than an interim answer (1xx)."""
    head = await reader.readuntil(b"\r\n\r\n")
    names = head.lower()
    if names.startswith(b"http/1.1 1"):
        return head, False
    if b"\r\ncontent-length:" in names:
        length = int(names.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
        return head + await reader.readexactly(length), True
    if b"\r\ntransfer-encoding:" in names:
        return head + await _chunks(reader), True
    if names.startswith(b"http/1.1 204"):
        return head, True
    return head + await reader.read(-1), True


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    found = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        if not size:
            return found + line + await reader.readuntil(b"\r\n\r\n")
        found += line + await reader.readexactly(size + 2)
