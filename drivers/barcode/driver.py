"""The driver of one serial scanner: open its port, tell what it reads, make it beep, come back after a loss.

Invariants:
- A scan's moment is that at which its end arrived.
- The port is opened for this process alone: a second reader would take away every other byte.
"""

import asyncio
import contextlib
import errno
import os
import termios

import serial
from serial_asyncio_fast import SerialTransport, connection_for_serial

from drivers.barcode.line import Line
from drivers.barcode.scanner import Scanner
from drivers.barcode.settings import ScannerSettings
from drivers.serialport import opened
from edge.faults import DeviceFault
from edge.ports import Clock, Observer

_UNPLUGGED = "Plug the scanner in. If it is: check its cable, and that `port` names its device"


class ScannerDriver(Scanner[ScannerSettings]):
    """One scanner on a serial port."""

    def __init__(self, name: str, settings: ScannerSettings, clock: Clock) -> None:
        super().__init__(name, settings, clock)
        self._transport: SerialTransport | None = None

    def _send(self, data: bytes) -> None:
        transport = self._transport
        # A closing transport's descriptor is closed in a thread and may soon be someone else's file.
        if transport is None or transport.is_closing() or transport.serial is None:
            return
        try:
            # Not transport.write: with a full output buffer pyserial 3.5 repeats the write for ever.
            os.write(transport.serial.fileno(), data)
        except BlockingIOError:
            self._deaf(self._settings.port)
        except OSError:
            pass  # it was just unplugged; the read end tells of it

    async def _connection(self, observer: Observer) -> None:
        """One connection from its opening to its loss, which always raises DeviceFault."""
        loop = asyncio.get_running_loop()
        port = await opened(self._opened, self._settings.port, _UNPLUGGED)
        line = Line(self._name, self._settings, self._clock, observer)
        transport, _ = await connection_for_serial(loop, lambda: line, port)
        self._transport = transport
        try:
            self._link(observer, True, self._settings.port, "")
            cause = await asyncio.shield(line.lost)
        finally:
            self._transport = None
            if not transport.is_closing():
                transport.abort()  # not close: that would wait for the gun to take what was written
            await line.lost
        reason = getattr(cause, "strerror", None) or "closed"
        raise DeviceFault(f"{self._settings.port} is gone: {reason}", hint=_UNPLUGGED)

    def _opened(self) -> serial.Serial:
        settings = self._settings
        return _Port(
            settings.port,
            baudrate=settings.baudrate,
            bytesize=settings.bytesize,
            parity=settings.parity[0].upper(),
            stopbits=settings.stopbits,
            timeout=0,
            exclusive=True,
        )


class _Port(serial.Serial):  # type: ignore[misc]  # pyserial has no types
    """A port that never waits, neither in a read (asyncio waits) nor for a gun to take its output, and that
    reads a byte with a wrong parity or stop bit as NUL, which no scan may hold."""

    def _reconfigure_port(self, force_update: bool = False) -> None:
        # pyserial clears the flag each time; without it Linux hands a wrong character on as if it were right.
        super()._reconfigure_port(force_update)
        attributes = termios.tcgetattr(self.fd)
        attributes[0] |= termios.INPCK
        termios.tcsetattr(self.fd, termios.TCSANOW, attributes)

    def read(self, size: int = 1) -> bytes:
        try:
            data = os.read(self.fd, size)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise serial.SerialException(error.errno, error.strerror) from error
        if not data:
            raise serial.SerialException(errno.EIO, "hung up")
        return data

    def flush(self) -> None:
        """Nothing: the transport calls this on a loss, and tcdrain may never come back then."""

    def close(self) -> None:
        if self.is_open:
            # Linux waits up to 30 s in close for output that nobody takes.
            with contextlib.suppress(termios.error):
                self.reset_output_buffer()
        super().close()
