"""RTU slaves that misbehave by script, byte by byte, at the far end of a cable.

Register n of a device holds `value(device, n)`, in every table, so that any other value is a wrong one.
Answers leave in the order of the requests, as a device with one processor gives them.
"""

import asyncio
import os
import struct
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Self

from pymodbus.framer import FramerRTU

from drivers.modbus.simulator_serial import Cable
from tests.contract.observing import eventually

Mangle = Callable[[bytes], bytes]


def value(device: int, address: int) -> int:
    """What a register holds: never the same within one test's devices and addresses."""
    return (device * 5003 + address * 7 + 1) & 0xFFFF


def framed(message: bytes) -> bytes:
    return message + FramerRTU.compute_CRC(message).to_bytes(2, "big")


def answer(request: bytes) -> bytes:
    """What a sound device answers to a framed request: functions 1 to 4 and 8."""
    return request if request[1] == 8 else _values(request[:6])


@lru_cache(10_000)
def _values(asked: bytes) -> bytes:
    device, function, address, count = struct.unpack(">BBHH", asked)
    if function in (1, 2):
        bits = sum((value(device, address + n) & 1) << n for n in range(count))
        data = bits.to_bytes((count + 7) // 8, "little")
    else:
        data = b"".join(value(device, address + n).to_bytes(2, "big") for n in range(count))
    return framed(bytes([device, function, len(data)]) + data)


def refusal(request: bytes, code: int) -> bytes:
    return framed(bytes([request[0], request[1] | 0x80, code]))


class Bus:
    """Devices on one line. `respond` makes an answer of a request, None for silence; set it at any time."""

    def __init__(self, devices: Iterable[int]) -> None:
        self.devices = set(devices)
        self.behind = 0  # how many answers are kept back until further requests come
        self.echo = False  # whether the adapter hears what it says
        self.respond: Callable[[bytes], bytes | None] = answer
        self.requests: list[bytes] = []
        self.stray = b""  # sent before the next answer
        self._kept: list[bytes] = []
        self._heard = b""

    def say(self, data: bytes) -> None:
        """Put bytes on the line, asked or not."""
        raise NotImplementedError

    def give_back(self, data: bytes) -> None:
        """Let the adapter hear what it said."""
        self.say(data)

    async def asked(self, more: int) -> None:
        """Wait for further requests."""
        wanted = len(self.requests) + more
        await eventually(lambda: len(self.requests) >= wanted)

    def hear(self, data: bytes) -> None:
        """Take what came over the line."""
        self._heard += data
        while len(self._heard) >= 8:
            request, self._heard = self._heard[:8], self._heard[8:]
            if self.echo:
                self.give_back(request)
            if request[0] in self.devices:
                self.requests.append(request)
                self._take(request)

    def _take(self, request: bytes) -> None:
        made = self.respond(request)
        if made is not None:
            self._kept.append(made)
        while len(self._kept) > self.behind:
            stray, self.stray = self.stray, b""
            self.say(stray + self._kept.pop(0))


class Slaves(Bus):
    """Devices at the far end of a cable."""

    def __init__(self, link: Path, devices: Iterable[int] = (1,)) -> None:
        super().__init__(devices)
        self.cable = Cable(link)
        self._line = -1

    def say(self, data: bytes) -> None:
        os.write(self._line, data)

    def _hear(self) -> None:
        self.hear(os.read(self._line, 4096))

    def __enter__(self) -> Self:
        self.cable.plug()
        self._heard = b""  # a request that was under way when the line was unplugged
        self._line = os.open(self.cable.far, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
        asyncio.get_running_loop().add_reader(self._line, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._line)
        os.close(self._line)
        self.cable.unplug()


class MemoryBus(Bus):
    """Devices on a line without a cable, in place of `SerialPort`. What they say may take its time."""

    def __init__(self, devices: Iterable[int] = (1,)) -> None:
        super().__init__(devices)
        self.late_s: Callable[[], float] = float  # until the next answer leaves; those before it leave first
        self.heard_itself: Callable[[bytes], bytes] = bytes  # how an adapter with an echo hears its request
        self._on_bytes: Callable[[bytes], None] | None = None
        self._said_at = 0.0

    async def opened(self, _: object, on_bytes: Callable[[bytes], None], on_lost: object) -> Self:
        self._on_bytes = on_bytes
        return self

    def write(self, data: bytes) -> None:
        asyncio.get_running_loop().call_soon(self.hear, data)

    def say(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._said_at = max(self._said_at + 1e-6, loop.time() + self.late_s())
        loop.call_at(self._said_at, self._say, data)

    def give_back(self, data: bytes) -> None:
        self._say(self.heard_itself(data))

    def _say(self, data: bytes) -> None:
        if self._on_bytes is not None:
            self._on_bytes(data)

    def close(self) -> None:
        self._on_bytes = None
