"""Whatever a TCP server sends instead of an answer, a register's value is never another register's.

The real connection asks a server that spoils frames by a seeded chance. Modbus TCP has no checksum of its
own, so bytes of a value that were changed with header and length intact cannot be told (TCP's checksum stands
for them); all else is spoilt here: headers, lengths, order, cuts, repetitions, answers to other requests.
"""

import asyncio
import random
import tracemalloc
from typing import Any

import pytest

from drivers.modbus.answers import Refusal, Silent
from drivers.modbus.client import TcpConnection, TcpEndpoint
from drivers.modbus.plan import Block
from drivers.modbus.settings import Tag
from edge.faults import DeviceFault
from tests.contract.observing import eventually
from tests.line.rtu_slave import answer, value

TIMEOUT_S = 0.02


def block(address: int, count: int) -> Block:
    return Block("holding", address, count, (("t", Tag(register="holding", address=address)),))


def framed(number: int, message: bytes) -> bytes:
    return number.to_bytes(2) + b"\0\0" + len(message).to_bytes(2) + message


class Liar(asyncio.Protocol):
    """A server's side of a connection that spoils about every second answer."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.frames = 0
        self.sent: list[bytes] = [b""]  # the last few answers, to send again
        self.transport: asyncio.Transport | None = None
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self._heard = transport, b""

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None
        self._heard += data
        while len(self._heard) >= 12:
            request, self._heard = self._heard[:12], self._heard[12:]
            sound = framed(int.from_bytes(request[:2]), answer(request[6:] + b"\0\0")[:-2])
            self.frames += 1
            self.transport.write(sound if self.chance.random() < 0.5 else self.spoilt(sound))
            self.sent = [*self.sent[-3:], sound]

    def spoilt(self, sound: bytes) -> bytes:
        chance = self.chance
        match chance.randrange(10):
            case 0:
                return sound[: chance.randrange(len(sound))]
            case 1:
                return chance.choice(self.sent)  # a late answer
            case 2:
                return chance.choice(self.sent) + sound
            case 3:
                return sound + sound
            case 4:
                return chance.randbytes(chance.randrange(1, 300))
            case 5:  # one byte of header, function or count
                at = chance.randrange(9)
                return sound[:at] + bytes([sound[at] ^ chance.randrange(1, 256)]) + sound[at + 1 :]
            case 6:  # a late answer that carries no number
                return b"\0\0" + chance.choice(self.sent)[2:]
            case 7:
                return sound[:7] + bytes([sound[7] | 0x80, chance.randrange(256)])
            case 8:
                return framed(int.from_bytes(sound[:2]), sound[6:9])
        return sound[:7] + bytes([chance.randrange(256)]) + sound[8:]


async def asked(frames: int, seed: int) -> tuple[int, int]:
    """How many reads were answered, of how many. Asserts each value, and that nothing fails by itself."""
    chance = random.Random(seed)
    liar = Liar(chance)
    loop = asyncio.get_running_loop()
    faults: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: faults.append(context))
    server = await loop.create_server(lambda: liar, "127.0.0.1", 0)
    connection = TcpConnection(TcpEndpoint("127.0.0.1", server.sockets[0].getsockname()[1]), lambda: None)
    answered = reads = 0
    while liar.frames < frames:
        if not connection.made:
            await connection.connect(30, explain=True)
        reads += 1
        address, count = chance.randrange(200), chance.choice([1, 1, 2, 9])
        try:
            told = await connection.read(1, block(address, count), TIMEOUT_S, chance.choice([1, 2]))
        except Silent:
            continue
        except DeviceFault:
            await connection.close()
            continue
        if not isinstance(told, Refusal):
            answered += 1
            true = [value(1, address + n) for n in range(count)]
            assert [int.from_bytes(told[n * 2 : n * 2 + 2]) for n in range(count)] == true
    await connection.close()
    server.close()
    assert not faults
    await eventually(lambda: liar.transport is None or liar.transport.is_closing())
    return answered, reads


async def test_a_lying_server_never_gives_a_wrong_value() -> None:
    answered, reads = await asked(1000, seed=1)
    assert reads / 4 < answered < reads


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_a_hundred_thousand_spoilt_frames_give_no_wrong_value_and_take_no_memory() -> None:
    await asked(2000, seed=2)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for seed in range(10):
            await asked(10_000, seed=seed)
        assert tracemalloc.get_traced_memory()[0] - before < 500_000
    finally:
        tracemalloc.stop()
