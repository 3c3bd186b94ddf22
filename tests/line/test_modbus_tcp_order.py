"""Whatever a TCP server sends instead of an answer, a register's value is never another register's.

The real connection asks a server that spoils frames by a seeded chance, over a socket and, for the many, in
virtual time. Modbus TCP has no checksum of its own, so bytes of a value that were changed with header and
length intact cannot be told (TCP's checksum stands for them), nor other bytes in the middle of a frame. All
else is spoilt here: headers, lengths, order, cuts, delays, repetitions, answers to other requests, and bytes
that never were a frame.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from drivers.modbus.answers import Refusal, Silent
from drivers.modbus.channel import Asker, Connection
from drivers.modbus.client import TcpConnection, TcpEndpoint
from drivers.modbus.decoding import size
from drivers.modbus.plan import Block
from tests.contract.observing import eventually
from tests.line.asking import FUNCTIONS, LEAK, TIMEOUT_S, Tally, WrongValue, anything, asked
from tests.line.rtu_slave import answer
from tests.virtualtime import run

Connecting = Callable[[int], Connection]


def framed(number: int, message: bytes) -> bytes:
    return number.to_bytes(2) + b"\0\0" + len(message).to_bytes(2) + message


class Liar(asyncio.Protocol):
    """A server's side of a connection, with moods: about every second answer is spoilt, or nearly every."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.spoilt = 0  # frames so far
        self.noise = 0.5
        self.sent: list[bytes] = [b""]  # the connection's last answers, to send again
        self.transport: asyncio.Transport | None = None
        self._heard = b""
        self._written_at = -1.0  # loop time of the last that is to be written

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.sent, self._heard, self._written_at = transport, [b""], b"", -1.0

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while len(self._heard) >= 12:
            request, self._heard = self._heard[:12], self._heard[12:]
            sound = framed(int.from_bytes(request[:2]), answer(request[6:] + b"\0\0")[:-2])
            if self.noise and self.chance.random() < 0.02:
                self.noise = self.chance.choice([0.5, 0.8, 0.95])
            if self.chance.random() < self.noise:
                self.spoilt += 1
                self._spoil(sound)
            else:
                self._send(sound)
            self.sent = [*self.sent[-15:], sound]

    def end(self) -> None:
        self.noise = 0.0

    def _send(self, data: bytes, late_s: float = 0.0) -> None:
        """Write behind all that is written, late perhaps, and then all that follows too."""
        assert self.transport is not None
        loop = asyncio.get_running_loop()
        if not late_s and self._written_at < loop.time():
            self.transport.write(data)
            return
        self._written_at = max(self._written_at + 1e-6, loop.time() + late_s)
        loop.call_at(self._written_at, self.transport.write, data)

    def _spoil(self, sound: bytes) -> None:
        """Do something else than to answer at once, whole and alone."""
        chance, late_s = self.chance, self.chance.random() * 4 * TIMEOUT_S
        match chance.randrange(14):
            case 0 | 1:
                self._send(sound, late_s)
            case 2:  # in two pieces, the second perhaps too late
                cut = chance.randrange(1, len(sound))
                self._send(sound[:cut])
                self._send(sound[cut:], late_s)
            case 3:
                self._send(anything(chance))
            case 4:
                self._send(anything(chance) + sound)
            case 5:
                self._send(anything(chance), late_s)
                self._send(sound)
            case 6:  # cut, and only silence or the end behind it
                self._send(sound[: chance.randrange(len(sound))])
                if self._written_at >= asyncio.get_running_loop().time() or self.spoilt % 5 == 0:
                    assert self.transport is not None
                    self.transport.close()
            case _:
                self._send(self._misshapen(sound))

    def _misshapen(self, sound: bytes) -> bytes:
        """An answer that is not the one asked for; with its value untouched where the header is right."""
        chance = self.chance
        match chance.randrange(9):
            case 0:
                return chance.choice(self.sent)  # a late answer
            case 1:
                return chance.choice(self.sent) + sound
            case 2:
                return sound + sound
            case 3:  # one byte of header, function or count; no number of a request that is still to come
                at = chance.randrange(9)
                wrong = 0x80 if at < 2 else chance.randrange(1, 256)
                return sound[:at] + bytes([sound[at] ^ wrong]) + sound[at + 1 :]
            case 4:  # a late answer that carries no number
                return b"\0\0" + chance.choice(self.sent)[2:]
            case 5:
                return sound[:7] + bytes([sound[7] | 0x80, chance.randrange(256)])
            case 6:
                return framed(int.from_bytes(sound[:2]), sound[6:9])
            case 7:  # the right number over anything; of another function, as nothing else could tell it
                return framed(
                    int.from_bytes(sound[:2]),
                    sound[6:7] + bytes([sound[7] ^ chance.randrange(1, 128)]) + anything(chance),
                )
        return sound[:7] + bytes([chance.randrange(256)]) + sound[8:]


class Credulous:
    """What must be found out: a reader that takes the next frame of the right function and length."""

    keeps_when_silent = False

    def __init__(self, port: int) -> None:
        self._port = port
        self._writer: asyncio.StreamWriter | None = None

    @property
    def made(self) -> bool:
        return self._writer is not None

    async def connect(self, timeout_s: float, *, explain: bool) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def settled(self, asker: Asker) -> None: ...

    async def read(self, asker: Asker, block: Block, tries: int) -> bytes | Refusal:
        assert self._writer is not None
        asking = bytes([asker.device_id, FUNCTIONS[block.register]])
        self._writer.write(framed(1, asking + block.address.to_bytes(2) + block.count.to_bytes(2)))
        begun = asking + bytes([size(block)])
        try:
            async with asyncio.timeout(asker.timeout_s):
                while True:
                    heard = await self._reader.read(4096)
                    if not heard:
                        await self.close()
                        break
                    if heard[6:9] == begun and len(heard) == 9 + size(block):
                        return heard[9:]
        except TimeoutError:
            pass
        raise Silent("no answer", hint="")

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None


def real(port: int) -> Connection:
    return TcpConnection(TcpEndpoint("127.0.0.1", port), lambda: None)


async def lied_to(connecting: Connecting, frames: int, seed: int) -> Tally:
    """What became of the reads until so many frames were spoilt. Raises WrongValue.

    Asserts that nothing fails by itself.
    """
    chance = random.Random(seed)
    liar = Liar(chance)
    loop = asyncio.get_running_loop()
    faults: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: faults.append(context))
    server = await loop.create_server(lambda: liar, "127.0.0.1", 0)
    connection = connecting(server.sockets[0].getsockname()[1])
    try:
        tally = await asked(connection, chance, [Asker(1, TIMEOUT_S)], liar, frames)
    finally:
        server.close()
    await eventually(lambda: liar.transport is None or liar.transport.is_closing())
    assert not faults
    return tally


async def test_a_lying_server_at_a_socket_never_gives_a_wrong_value() -> None:
    tally = await lied_to(real, 100, seed=1)
    assert tally.reads / 5 < tally.answered < tally.reads


@pytest.mark.parametrize("seed", range(4))
def test_a_hundred_thousand_spoilt_frames_give_no_wrong_value_and_take_no_memory(seed: int) -> None:
    tally = run(lied_to(real, 100_000 // 4, seed))
    assert tally.reads / 5 < tally.answered < tally.reads
    assert tally.grown < LEAK


def test_a_reader_that_believes_every_frame_is_found_out() -> None:
    with pytest.raises(WrongValue):
        run(lied_to(Credulous, 1000, seed=3))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_a_million_spoilt_frames_give_no_wrong_value_and_take_no_memory(seed: int) -> None:
    assert run(lied_to(real, 50_000, seed)).grown < LEAK
