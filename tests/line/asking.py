"""Asking a Modbus connection at random, where each answer is held against what the device holds.

Register n of the device d holds `value(d, n)` (rtu_slave.py), so a value that belongs to another register,
another device or another moment is found out. What is spoilt is counted by the side that spoils it.
"""

import gc
import random
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from drivers.modbus.answers import Refusal, Silent
from drivers.modbus.channel import Asker, Connection
from drivers.modbus.plan import Block
from drivers.modbus.settings import Register, Tag
from edge.faults import DeviceFault
from tests.line.rtu_slave import answer, framed

TIMEOUT_S = 0.02
FUNCTIONS: dict[Register, int] = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
LEAK = 50_000  # bytes that memory may grow by over a thousand spoilt frames or more
HEALING = 300  # reads after which a device is taken for lost for ever


class WrongValue(AssertionError):
    """A reader took something for an answer that is none."""


@dataclass
class Tally:
    """What became of the reads so far."""

    reads: int = 0
    answered: int = 0
    refused: int = 0
    grown: int = 0  # bytes that each of the last two tenths left in memory at least


class Trouble(Protocol):
    """The side that spoils."""

    spoilt: int  # frames so far

    def end(self) -> None: ...  # from now on every answer is sound and in time


async def asked(
    connection: Connection, chance: random.Random, askers: Sequence[Asker], trouble: Trouble, frames: int
) -> Tally:
    """Ask until so many frames were spoilt. Raises WrongValue.

    Memory is watched over the last two tenths: what is made once, by a cache that grows, is no leak. Asserts
    that every device is read again when the trouble is over.
    """
    tally = Tally()
    try:
        held = []
        for share in (0.8, 0.9, 1.0):
            while trouble.spoilt < frames * share:
                await _ask(connection, chance, askers, tally)
            gc.collect()
            tracemalloc.start()
            held.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        tally.grown = min(held[1] - held[0], held[2] - held[1])
        trouble.end()
        for asker in askers:
            after = Tally()
            while not after.answered:
                await _ask(connection, chance, [asker], after)
                assert after.reads < HEALING, f"device {asker.device_id} stays lost"
    finally:
        tracemalloc.stop()
        await connection.close()
    return tally


async def _ask(connection: Connection, chance: random.Random, askers: Sequence[Asker], tally: Tally) -> None:
    if not connection.made:
        await connection.connect(30, explain=True)
    tally.reads += 1
    asker, block = chance.choice(askers), _chosen(chance)
    await connection.settled(asker)
    try:
        told = await connection.read(asker, block, chance.choice([1, 2]))
    except Silent:
        return
    except DeviceFault:
        await connection.close()
        return
    if isinstance(told, Refusal):
        tally.refused += 1
        return
    tally.answered += 1
    if told != _held(asker.device_id, block.register, block.address, block.count):
        raise WrongValue(f"read {tally.reads}: {block} of device {asker.device_id} gave {told.hex(' ')}")


def anything(chance: random.Random) -> bytes:
    """Bytes that nobody framed: noise, a stuck line, numbers as in headers, more than a frame may have."""
    length = chance.choice([1, 2, 5, 8, 20, 260, 1500])
    match chance.randrange(4):
        case 0:
            return bytes([chance.choice([0, 0xFF, chance.randrange(256)])]) * length
        case 1:
            return bytes(chance.choices((0, 0, 0, 1, 2, 3, 4, 6, 8, 0x83, 0xFF), k=length))
    return chance.randbytes(length)


def _chosen(chance: random.Random) -> Block:
    register: Register = chance.choice(["holding", "holding", "holding", "input", "coil", "discrete"])
    return _block(register, chance.randrange(50), chance.choice([1, 1, 2, 9, 60]))


@cache
def _block(register: Register, address: int, count: int) -> Block:
    return Block(register, address, count, (("t", Tag(register=register, address=address)),))


@cache
def _held(device: int, register: Register, address: int, count: int) -> bytes:
    request = bytes([device, FUNCTIONS[register]]) + address.to_bytes(2) + count.to_bytes(2)
    return answer(framed(request))[3:-2]
