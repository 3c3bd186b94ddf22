"""Whatever a serial line loses, delays or spoils, a register's value is never another register's.

The real connection asks scripted slaves at random over a pty. What a checksum of 16 bits cannot tell is left
out: a spoilt frame has up to three wrong bits or one burst of 16 (which it detects always), never a right
checksum over wrong bytes.
"""

import random
import tracemalloc
from pathlib import Path

import pytest

from drivers.modbus.answers import Refusal, Silent
from drivers.modbus.line import SerialConnection, SerialEndpoint
from drivers.modbus.plan import Block
from drivers.modbus.serialport import SerialSettings
from drivers.modbus.settings import Tag
from tests.line.rtu_slave import Slaves, answer, refusal, value

DEVICES = (1, 2)
TIMEOUT_S = 0.02


def block(address: int, count: int) -> Block:
    return Block("holding", address, count, (("t", Tag(register="holding", address=address)),))


class Trouble:
    """A line with moods: mostly sound, at times late, silent or noisy."""

    def __init__(self, chance: random.Random, slaves: Slaves, fences: str) -> None:
        self.chance, self.slaves, self.fences = chance, slaves, fences
        self.noise = self.loss = 0.0

    def change(self) -> None:
        chance = self.chance
        # A device that answers no fences is only trusted not to be later than it is left alone for.
        self.slaves.behind = 0 if self.fences == "ignores" else chance.choice([0, 0, 0, 1, 2, 4])
        self.noise, self.loss = chance.choice([0.0, 0.3]), chance.choice([0.0, 0.0, 0.3])

    def respond(self, request: bytes) -> bytes | None:
        chance = self.chance
        if chance.random() < self.loss or (request[1] == 8 and self.fences == "ignores"):
            return None
        made = answer(request)
        if request[1] == 8 and self.fences == "refuses":
            made = refusal(request, 1)
        elif chance.random() < 0.1:
            made = refusal(request, chance.choice([2, 3, 4, 6]))
        return self.spoilt(made) if chance.random() < self.noise else made

    def spoilt(self, frame: bytes) -> bytes:
        chance = self.chance
        match chance.randrange(6):
            case 0:
                return frame[: chance.randrange(len(frame))]
            case 1:
                return chance.randbytes(chance.randrange(1, 4)) + frame
            case 2:
                return frame + chance.randbytes(chance.randrange(1, 40))
            case 3 if frame[1] < 8:  # a refused fence is counted, and no wire doubles a frame
                return frame + frame
            case 4:
                at = chance.randrange(len(frame) - 1)
                burst = (chance.randrange(1, 0x10000) ^ int.from_bytes(frame[at : at + 2])).to_bytes(2)
                return frame[:at] + burst + frame[at + 2 :]
        number = int.from_bytes(frame)
        for _ in range(chance.randrange(1, 4)):
            number ^= 1 << chance.randrange(len(frame) * 8)
        return number.to_bytes(len(frame))


async def asked(link: Path, fences: str, frames: int, seed: int) -> tuple[int, int]:
    """How many reads were answered, of how many. Asserts each value."""
    chance = random.Random(seed)
    settings = SerialSettings(str(link), 921600, "none", 1)
    lost: list[None] = []
    connection = SerialConnection(SerialEndpoint(settings), lambda: lost.append(None))
    answered = reads = 0
    with Slaves(link, DEVICES) as slaves:
        trouble = Trouble(chance, slaves, fences)
        slaves.respond = trouble.respond
        await connection.connect(TIMEOUT_S, explain=True)
        while len(slaves.requests) < frames:
            if reads % 20 == 0:
                trouble.change()
            reads += 1
            device, address, count = (
                chance.choice(DEVICES),
                chance.randrange(200),
                chance.choice([1, 1, 2, 9]),
            )
            await connection.settled(device)
            try:
                told = await connection.read(device, block(address, count), TIMEOUT_S, chance.choice([1, 2]))
            except Silent:
                continue
            if not isinstance(told, Refusal):
                answered += 1
                true = [value(device, address + n) for n in range(count)]
                assert [int.from_bytes(told[n * 2 : n * 2 + 2]) for n in range(count)] == true
        await connection.close()
    assert not lost
    return answered, reads


@pytest.mark.parametrize("fences", ["echoes", "refuses", "ignores"])
async def test_a_troubled_line_never_gives_a_wrong_value(tmp_path: Path, fences: str) -> None:
    answered, reads = await asked(tmp_path / "bus", fences, 300, seed=1)
    assert 0 < answered < reads


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fences", ["echoes", "refuses", "ignores"])
async def test_a_hundred_thousand_troubled_frames_give_no_wrong_value_and_take_no_memory(
    tmp_path: Path, fences: str
) -> None:
    await asked(tmp_path / "bus", fences, 500, seed=2)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for seed in range(34):
            await asked(tmp_path / "bus", fences, 1000, seed=seed)
        assert tracemalloc.get_traced_memory()[0] - before < 500_000
    finally:
        tracemalloc.stop()
