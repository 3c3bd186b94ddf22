"""Whatever a serial line loses, delays or spoils, a register's value is never another register's.

The real connection asks scripted slaves at random, over a pty and, for the many, in virtual time. What a
checksum of 16 bits cannot tell is left out: a spoilt frame has up to three wrong bits or one burst of 16
(which it detects always), never a right checksum over wrong bytes.
"""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from drivers.modbus.answers import Silent
from drivers.modbus.channel import Asker
from drivers.modbus.line import FORGET, SETTLE, SWAPPED, SerialConnection, SerialEndpoint
from drivers.modbus.plan import Block
from drivers.modbus.serialport import SerialSettings
from tests.line.asking import LEAK, TIMEOUT_S, Tally, WrongValue, anything, asked
from tests.line.rtu_slave import Bus, MemoryBus, Slaves, answer, framed, refusal, value
from tests.virtualtime import run

DEVICES = (1, 2)
FENCES = ["echoes", "refuses", "ignores", "off"]

# How late an answer may be, in times of the time-out. By its number a fence is known however late it is;
# refused ones are told apart for FORGET, and what answers no fences is left alone for SETTLE.
LATEST = {"echoes": 3 * FORGET, "refuses": FORGET / 2 - 1, "ignores": SETTLE - 0.1, "off": SETTLE - 0.1}


class Trouble:
    """A line with moods: mostly sound, at times late, silent or noisy."""

    def __init__(self, chance: random.Random, bus: Bus, fences: str) -> None:
        self.chance, self.bus, self.fences = chance, bus, fences
        self.asked = self.spoilt = 0  # requests; frames that were not what they should be
        self.noise = self.loss = self.lateness = 0.0
        self.over = False
        bus.respond = self.respond
        if isinstance(bus, MemoryBus):
            bus.late_s, bus.heard_itself = self.late_s, self.echo

    def end(self) -> None:
        self.over, self.lateness, self.bus.behind = True, 0.0, 0

    def change(self) -> None:
        chance = self.chance
        self.noise, self.loss = chance.choice([0.2, 0.6, 0.9]), chance.choice([0.0, 0.0, 0.3])
        if isinstance(self.bus, MemoryBus):
            self.lateness = chance.choice([0.0, 0.0, 1.5, LATEST[self.fences]])
        elif self.fences in ("echoes", "refuses"):
            self.bus.behind = chance.choice([0, 0, 0, 1, 2, 4])

    def late_s(self) -> float:
        """Until the next answer leaves; over a pty lateness is counted in requests instead."""
        late = self.lateness > 0 and self.chance.random() < 0.3
        return self.chance.random() * self.lateness * TIMEOUT_S if late else 0.0

    def echo(self, request: bytes) -> bytes:
        """What an adapter with an echo hears of a request."""
        return self.misshapen(request) if not self.over and self.chance.random() < self.noise / 4 else request

    def respond(self, request: bytes) -> bytes | None:
        chance = self.chance
        assert self.fences != "off" or request[1] != 8
        if self.over:
            return self.sound(request)
        if self.asked % 40 == 0:
            self.change()
        self.asked += 1
        self.bus.requests.clear()
        made = self.sound(request)
        if made is None or chance.random() < self.loss:
            return None
        if request[1] != 8 and chance.random() < 0.1:
            made = refusal(request, chance.choice([2, 3, 4, 6]))
        if chance.random() >= self.noise:
            return made
        self.spoilt += 1
        return self.misshapen(made)

    def sound(self, request: bytes) -> bytes | None:
        if request[1] != 8 or self.fences == "echoes":
            return answer(request)
        return refusal(request, 1) if self.fences == "refuses" else None

    def misshapen(self, frame: bytes) -> bytes:
        """The frame spoilt, or something else in its place, but nothing that no reader could tell from it."""
        spoilt = self._spoilt(frame)
        while _right_over_wrong(spoilt, frame):
            spoilt = self._spoilt(frame)
        return spoilt

    def _spoilt(self, frame: bytes) -> bytes:
        chance = self.chance
        match chance.randrange(9):
            case 0:
                return frame[: chance.randrange(len(frame))]
            case 1:
                return anything(chance) + frame
            case 2:
                return frame + chance.randbytes(chance.randrange(1, 40))
            case 3 if frame[1] < 8:  # a refused fence is counted, and no wire doubles a frame
                return frame + frame
            case 4:
                at = chance.randrange(len(frame) - 1)
                burst = (chance.randrange(1, 0x10000) ^ int.from_bytes(frame[at : at + 2])).to_bytes(2)
                return frame[:at] + burst + frame[at + 2 :]
            case 5:
                return anything(chance)
            case 6:  # a right beginning over anything
                return frame[: chance.randrange(1, 4)] + anything(chance)
        number = int.from_bytes(frame)
        for _ in range(chance.randrange(1, 4)):
            number ^= 1 << chance.randrange(len(frame) * 8)
        return number.to_bytes(len(frame))


def _right_over_wrong(spoilt: bytes, frame: bytes) -> bool:
    """Whether other bytes of the frame's length and beginning bear their checksum, as one of 65,536 does."""
    length, begins = len(frame), frame[:3]
    windows = (spoilt[at : at + length] for at in range(len(spoilt) - length + 1))
    return any(one.startswith(begins) and one != frame and framed(one[:-2]) == one for one in windows)


def test_bytes_that_bear_their_checksum_by_chance_are_known() -> None:
    frame, other = framed(b"\x02\x04\x02\x00\x01"), framed(b"\x02\x04\x02\x00\x02")
    assert _right_over_wrong(b"\x00" + other + b"\x07", frame)
    assert not any(_right_over_wrong(one, frame) for one in (frame, frame + frame, frame[:-1], other[:-1]))


class Credulous(SerialConnection):
    """What must be found out: a reader to which the next frame of the right length and checksum is it."""

    async def settled(self, asker: Asker) -> None: ...

    async def _catch_up(self, device_id: int, slave: Any, timeout_s: float) -> None: ...


async def troubled(
    bus: Bus,
    fences: str,
    frames: int,
    seed: int,
    port: str = "memory",
    kind: type[SerialConnection] = SerialConnection,
) -> Tally:
    """What became of the reads until so many frames were spoilt. Raises WrongValue.

    Asserts that nothing fails by itself.
    """
    chance = random.Random(seed)
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    lost: list[None] = []
    settings = SerialSettings(port, 921600, "none", 1)
    connection = kind(SerialEndpoint(settings), lambda: lost.append(None))
    askers = [Asker(device, TIMEOUT_S, fences != "off") for device in sorted(bus.devices)]
    tally = await asked(connection, chance, askers, Trouble(chance, bus, fences), frames)
    assert not lost and not faults
    return tally


@pytest.mark.parametrize("fences", FENCES)
async def test_a_troubled_line_never_gives_a_wrong_value(tmp_path: Path, fences: str) -> None:
    with Slaves(tmp_path / "bus", DEVICES) as slaves:
        tally = await troubled(slaves, fences, 100, seed=1, port=str(tmp_path / "bus"))
    assert 0 < tally.answered < tally.reads


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> MemoryBus:
    """A line in memory, which every port is now."""
    bus = MemoryBus(DEVICES)
    monkeypatch.setattr("drivers.modbus.line.SerialPort", bus)
    return bus


@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("fences", FENCES)
def test_a_hundred_thousand_troubled_frames_give_no_wrong_value_and_take_no_memory(
    bus: MemoryBus, fences: str, echo: bool
) -> None:
    bus.echo = echo
    tally = run(troubled(bus, fences, 100_000 // 8, seed=2))
    assert tally.reads / 10 < tally.answered < tally.reads
    assert tally.grown < LEAK


@pytest.mark.parametrize("fences", FENCES)
def test_a_reader_without_fences_is_found_out(bus: MemoryBus, fences: str) -> None:
    with pytest.raises(WrongValue):
        run(troubled(bus, fences, 3000, seed=3, kind=Credulous))


def test_a_device_that_was_swapped_for_one_that_ignores_fences_is_read_again(bus: MemoryBus) -> None:
    async def reads(connection: SerialConnection, silent: bool = False) -> bool:
        bus.respond = lambda request: None if silent or (request[1] == 8 and swapped) else answer(request)
        asker, block = Asker(1, TIMEOUT_S), Block("holding", 7, 1, ())
        await connection.settled(asker)
        try:
            return await connection.read(asker, block, 1) == value(1, 7).to_bytes(2)
        except Silent:
            return False

    async def told() -> None:
        nonlocal swapped
        connection = SerialConnection(SerialEndpoint(SerialSettings("memory", 9600, "none", 1)), lambda: None)
        await connection.connect(TIMEOUT_S, explain=True)
        assert await reads(connection)
        assert not await reads(connection, silent=True)
        swapped = True
        assert any([await reads(connection) for _ in range(SWAPPED + 1)])

    swapped = False
    run(told())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("fences", FENCES)
def test_a_million_troubled_frames_give_no_wrong_value_and_take_no_memory(
    bus: MemoryBus, fences: str, echo: bool, seed: int
) -> None:
    bus.echo = echo
    assert run(troubled(bus, fences, 100_000 // 8, seed=100 + seed)).grown < LEAK
