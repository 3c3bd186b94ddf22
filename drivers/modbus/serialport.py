"""A serial port that nothing waits for: opened in a thread, read when bytes are there, closed at once."""

import asyncio
import contextlib
import os
import termios
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import serial

from drivers.serialport import opened

_UNPLUGGED = "Plug the serial adapter in. If it is: check its cable, and that `port` names its device"


@dataclass(frozen=True)
class SerialSettings:
    """A port and how its line runs; eight data bits always (Modbus over Serial Line V1.02, 2.5.1)."""

    port: str
    baudrate: int
    parity: Literal["none", "even", "odd"]
    stopbits: Literal[1, 2]

    def __str__(self) -> str:
        return f"{self.port} ({self.baudrate} 8{self.parity[0].upper()}{self.stopbits})"

    @property
    def char_s(self) -> float:
        """How long one byte takes on the line."""
        return (9 + (self.parity != "none") + self.stopbits) / self.baudrate


class SerialPort:
    """An open port. `on_bytes` gets what arrives; `on_lost` is called once when the port goes away."""

    def __init__(
        self, port: serial.Serial, on_bytes: Callable[[bytes], None], on_lost: Callable[[], None]
    ) -> None:
        self._port: serial.Serial | None = port
        self._on_bytes = on_bytes
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._fd: int = port.fileno()
        self._loop.add_reader(self._fd, self._readable)

    @classmethod
    async def opened(
        cls, settings: SerialSettings, on_bytes: Callable[[bytes], None], on_lost: Callable[[], None]
    ) -> "SerialPort":
        """The port, open for this process alone. Raises DeviceFault."""
        port = await opened(partial(_open, settings), settings.port, _UNPLUGGED)
        return cls(port, on_bytes, on_lost)

    def write(self, data: bytes) -> None:
        """Send `data`; what a stuck line does not take is dropped, and its request then goes unanswered."""
        if self._port is None:
            return
        try:
            os.write(self._fd, data)
        except BlockingIOError:
            pass
        except OSError:
            self._lose()

    def close(self) -> None:
        """Close the port at once."""
        port, self._port = self._port, None
        if port is None:
            return
        self._loop.remove_reader(self._fd)
        # Linux waits up to 30 s in close for output that nobody takes.
        with contextlib.suppress(termios.error):
            port.reset_output_buffer()
        port.close()

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, 4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._on_bytes(data)
        else:
            self._lose()  # hung up: a USB adapter that was pulled reads as empty or fails

    def _lose(self) -> None:
        if self._port is not None:
            self.close()
            self._on_lost()


def _open(settings: SerialSettings) -> serial.Serial:
    port = serial.Serial(
        settings.port,
        baudrate=settings.baudrate,
        parity=settings.parity[0].upper(),
        stopbits=settings.stopbits,
        timeout=0,
        exclusive=True,
    )
    port.reset_input_buffer()  # what came while nobody listened is no answer
    return port
