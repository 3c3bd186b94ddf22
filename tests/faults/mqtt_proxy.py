"""A proxy before a broker that does to packets what networks do, and brokers that forget; it tells how often.

It knows where a packet of MQTT 5 ends and of what kind it is, so that each fault strikes at its own place:
in the middle of a packet, at a message that was acknowledged and is lost all the same, at an acknowledgement.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from tests.faults.proxying import Proxy, sever

PUBLISH, PUBACK = 3, 4
_NO_PACKETS = (
    b"\x00\x00",  # a reserved kind
    b"\xf0\x7f" + b"\x00" * 127,  # AUTH without a method
    b"\x30\xff\xff\xff\x7f" + b"\x00" * 64,  # a message of 256 MB
    b"\x30\xff\xff\xff\xff\xff",  # a length without an end
    b"\x32\x05\x00\x09abc",  # a topic longer than its packet
    b"\x40\x02\x00\x00",  # an acknowledgement of nothing
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    bytes(range(256)),
)


class Link:
    """A client's connection and the broker's behind it."""

    def __init__(self, client: asyncio.StreamWriter, broker: asyncio.StreamWriter) -> None:
        self.writers = client, broker
        self.silent = False  # nothing comes through any more

    def close(self) -> None:
        """End both in order."""
        for one in self.writers:
            one.close()

    def reset(self) -> None:
        """End both with a RST: what was not read by then is lost."""
        for one in self.writers:
            sever(one)


@dataclass
class Passing:
    """One packet on its way."""

    proxy: "MqttProxy"
    link: Link
    packet: bytes
    to: asyncio.StreamWriter
    back: asyncio.StreamWriter

    @property
    def kind(self) -> int:
        return self.packet[0] >> 4

    @property
    def number(self) -> bytes | None:
        """The packet identifier of a message under QoS 1."""
        if self.kind != PUBLISH or not self.packet[0] & 0x06:
            return None
        at = 1 + next(n for n in range(1, 5) if not self.packet[n] & 0x80)
        at += 2 + int.from_bytes(self.packet[at : at + 2], "big")
        return self.packet[at : at + 2]

    async def hand_on(self, part: bytes) -> None:
        self.to.write(part)
        await self.to.drain()

    def part(self) -> bytes:
        """Some of it, never all."""
        return self.packet[: self.proxy.chance.randrange(len(self.packet))]


Fault = Callable[[Passing], Awaitable[None]]


async def delay(one: Passing) -> None:
    """It comes late, or too late."""
    await asyncio.sleep(one.proxy.chance.uniform(0, 1.5 * one.proxy.patience_s))
    await one.hand_on(one.packet)


async def cut(one: Passing) -> None:
    """The connection ends in order somewhere in the packet."""
    await one.hand_on(one.part())
    one.link.close()


async def reset(one: Passing) -> None:
    """The connection is reset in the middle of the packet."""
    await one.hand_on(one.part())
    one.link.reset()


async def half_open(one: Passing) -> None:
    """Nothing comes through any more; much later the connection is reset, where nobody gave it up before."""
    one.link.silent = True
    await asyncio.sleep(one.proxy.half_open_s)
    one.link.reset()


async def drip(one: Passing) -> None:
    """It comes in drops."""
    drops, pause_s = one.proxy.chance.randrange(5, 40), one.proxy.patience_s / 20
    size = 1 + len(one.packet) // drops
    for start in range(0, len(one.packet), size):
        await one.hand_on(one.packet[start : start + size])
        await asyncio.sleep(pause_s)


async def garbage(one: Passing) -> None:
    """Something comes in its place that is no MQTT 5."""
    await one.hand_on(one.proxy.chance.choice(_NO_PACKETS))


async def forgotten(one: Passing) -> None:
    """A message is acknowledged and comes nowhere, as with a broker that dies behind its PUBACK."""
    assert one.number is not None
    one.back.write(bytes((PUBACK << 4, 2)) + one.number)
    await one.back.drain()


async def twice(one: Passing) -> None:
    """A message comes twice, at once or with others between."""
    await one.hand_on(one.packet)
    if one.proxy.chance.random() < 0.5:
        await one.hand_on(one.packet)
    else:
        one.proxy.later(one)


async def unacknowledged(one: Passing) -> None:
    """An acknowledgement is lost while the connection goes on."""


FAULTS: dict[str, Fault] = {
    "delay": delay,
    "cut": cut,
    "half-open": half_open,
    "reset in a packet": reset,
    "slow drip": drip,
    "garbage": garbage,
    "acknowledged and lost": forgotten,
    "message comes twice": twice,
    "acknowledgement lost": unacknowledged,
}
_OF_MESSAGES = ("acknowledged and lost", "message comes twice")
_OF_ACKNOWLEDGEMENTS = ("acknowledgement lost",)


@dataclass(kw_only=True)
class MqttProxy(Proxy):
    """Knows packets and their kinds."""

    faults: tuple[str, ...] = tuple(FAULTS)
    share: float = 0.05
    half_open_s: float = 1.0

    def later(self, one: Passing) -> None:
        """Hand it on once more after a while."""

        async def again() -> None:
            await asyncio.sleep(self.chance.uniform(0, self.patience_s))
            if not one.to.is_closing():
                await one.hand_on(one.packet)

        self.task(again())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, broker = await asyncio.open_connection("127.0.0.1", self.target)
        link = Link(writer, broker)
        pumps = [
            asyncio.create_task(self._pump(link, reader, broker, writer)),
            asyncio.create_task(self._pump(link, back, writer, broker)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            link.close()

    async def _pump(
        self,
        link: Link,
        reader: asyncio.StreamReader,
        to: asyncio.StreamWriter,
        back: asyncio.StreamWriter,
    ) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while not to.is_closing():
                one = Passing(self, link, await packet(reader), to, back)
                if link.silent:
                    continue
                if (name := self.drawn(partial(_strikes, one))) is None:
                    await one.hand_on(one.packet)
                else:
                    await FAULTS[name](one)


def _strikes(one: Passing, name: str) -> bool:
    if name in _OF_MESSAGES:
        return one.number is not None
    return one.kind == PUBACK if name in _OF_ACKNOWLEDGEMENTS else True


async def packet(reader: asyncio.StreamReader) -> bytes:
    """A whole packet as it came."""
    found, length, shift = await reader.readexactly(1), 0, 0
    while True:
        byte = await reader.readexactly(1)
        found += byte
        length |= (byte[0] & 0x7F) << shift
        shift += 7
        if not byte[0] & 0x80:
            return found + await reader.readexactly(length)
