"""RTU slaves that misbehave by script, byte by byte, at the far end of a cable.

Register n of a device holds `value(device, n)`, in every table, so that any other value is a wrong one.
Answers leave in the order of the requests, as a device with one processor gives them.
"""

import asyncio
import os
import struct
from collections.abc import Callable, Iterable
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
    device, function, address, count = struct.unpack(">BBHH", request[:6])
    if function == 8:
        return request
    if function in (1, 2):
        bits = sum((value(device, address + n) & 1) << n for n in range(count))
        data = bits.to_bytes((count + 7) // 8, "little")
    else:
        data = b"".join(value(device, address + n).to_bytes(2, "big") for n in range(count))
    return framed(bytes([device, function, len(data)]) + data)


def refusal(request: bytes, code: int) -> bytes:
    return framed(bytes([request[0], request[1] | 0x80, code]))


class Slaves:
    """Devices on one line. `respond` makes an answer of a request, None for silence; set it at any time."""

    def __init__(self, link: Path, devices: Iterable[int] = (1,)) -> None:
        self.cable = Cable(link)
        self.devices = set(devices)
        self.behind = 0  # how many answers are kept back until further requests come
        self.echo = False  # whether the adapter hears what it says
        self.respond: Callable[[bytes], bytes | None] = answer
        self.requests: list[bytes] = []
        self.stray = b""  # sent before the next answer
        self._kept: list[bytes] = []
        self._heard = b""
        self._line = -1

    def say(self, data: bytes) -> None:
        """Put bytes on the line, asked or not."""
        os.write(self._line, data)

    def _hear(self) -> None:
        self._heard += os.read(self._line, 4096)
        while len(self._heard) >= 8:
            request, self._heard = self._heard[:8], self._heard[8:]
            if self.echo:
                os.write(self._line, request)
            if request[0] in self.devices:
                self.requests.append(request)
                self._take(request)

    async def asked(self, more: int) -> None:
        """Wait for further requests."""
        wanted = len(self.requests) + more
        await eventually(lambda: len(self.requests) >= wanted)

    def _take(self, request: bytes) -> None:
        made = self.respond(request)
        if made is not None:
            self._kept.append(made)
        while len(self._kept) > self.behind:
            stray, self.stray = self.stray, b""
            os.write(self._line, stray + self._kept.pop(0))

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
