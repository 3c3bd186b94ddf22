"""Scanners to try things on: a gun on a pty pair behind a link as udev makes one, and readers on the network.

The driver opens the link as it would any tty. `unplug` pulls the gun out (the driver's side hangs up and the
link goes), `plug` puts it back as another device under the same link. A `ServingReader` waits for lineside to
connect, a `DialingReader` connects to it; both are switched off and on. A `Wedge` types into a pipe what the
kernel would say of its keys.
"""

import asyncio
import errno
import os
import struct
import tty
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, cast

from drivers.barcode.keymap import DOWN, KEYS, LAYOUTS, UP, Layout
from drivers.barcode.settings import PRESETS, Feedback
from drivers.listening import stop_listening
from edge.ports import Verdict


class Ears:
    """What hears the beeps of `feedback`, a preset's name or the bytes."""

    def __init__(self, feedback: str | Feedback) -> None:
        self.feedback = PRESETS[feedback] if isinstance(feedback, str) else feedback
        self.heard = b""  # bytes that no call to `verdict` has taken yet
        self._news = asyncio.Event()

    async def verdict(self, timeout_s: float = 2.0) -> Verdict:
        """The next beep that was asked for. Raises TimeoutError when none comes."""
        async with asyncio.timeout(timeout_s):
            while (found := self._beep()) is None:
                self._news.clear()
                await self._news.wait()
        return found

    def _beep(self) -> Verdict | None:
        beeps: tuple[tuple[Verdict, bytes], ...] = (
            ("good", self.feedback.good),
            ("bad", self.feedback.bad),
        )
        for verdict, data in beeps:
            if data and self.heard.startswith(data):
                self.heard = self.heard[len(data) :]
                return verdict
        return None

    def _took(self, data: bytes) -> None:
        self.heard += data
        self._news.set()


class Gun(Ears):
    """A gun at `link`."""

    def __init__(
        self, link: Path | str, *, feedback: str | Feedback = "honeywell", line_end: bytes = b"\r"
    ) -> None:
        super().__init__(feedback)
        self.link = Path(link)
        self.line_end = line_end
        self._master: int | None = None
        self._slave: int | None = None  # kept open, so that the line does not hang up while nobody reads it

    @property
    def plugged(self) -> bool:
        return self._master is not None

    @property
    def wire(self) -> int:
        """The descriptor of the gun's end. Raises OSError while unplugged."""
        if self._master is None:
            raise OSError("the gun is not plugged in")
        return self._master

    def plug(self) -> None:
        """Put the gun in: a new device, the same link."""
        if self._master is not None:
            return
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        asyncio.get_running_loop().add_reader(self._master, self._hear)
        self.link.parent.mkdir(parents=True, exist_ok=True)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(self._slave))

    def unplug(self) -> None:
        """Pull the gun out."""
        master, slave, self._master, self._slave = self._master, self._slave, None, None
        if master is None or slave is None:
            return
        asyncio.get_running_loop().remove_reader(master)
        self.link.unlink(missing_ok=True)
        os.close(slave)
        os.close(master)

    def deafen(self) -> None:
        """Take no more bytes from the line; what is sent to the gun piles up."""
        if self._master is not None:
            asyncio.get_running_loop().remove_reader(self._master)

    async def scan(self, text: str) -> None:
        """Read a code, the line end added."""
        await self.send(text.encode() + self.line_end)

    async def send(self, data: bytes) -> None:
        """Send bytes as they are. Raises OSError while unplugged."""
        while data:
            try:
                data = data[os.write(self.wire, data) :]
            except BlockingIOError:
                await asyncio.sleep(0.001)  # the reader lags; a real gun's line would lose bytes here

    def _hear(self) -> None:
        if self._master is None:
            return
        try:
            self._took(os.read(self._master, 4096))
        except OSError:
            return

    async def __aenter__(self) -> Self:
        self.plug()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()


class _Wire(asyncio.Protocol):
    """A reader's end of a connection."""

    def __init__(self, reader: "_NetworkReader") -> None:
        self._reader = reader
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._reader.wires.append(self)
        self._reader.changed.set()

    def data_received(self, data: bytes) -> None:
        self._reader._took(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._reader.wires.remove(self)
        self._reader.changed.set()


class _NetworkReader(Ears):
    """A fixed reader with its connections; scans go to all of them."""

    def __init__(self, *, feedback: str | Feedback = "plain", line_end: bytes = b"\r\n") -> None:
        super().__init__(feedback)
        self.line_end = line_end
        self.wires: list[_Wire] = []
        self.changed = asyncio.Event()

    async def until(self, connections: int) -> None:
        """Wait for so many connections."""
        while len(self.wires) != connections:
            self.changed.clear()
            await self.changed.wait()

    async def scan(self, text: str) -> None:
        """Read a code, the line end added."""
        self.send(text.encode() + self.line_end)

    def send(self, data: bytes) -> None:
        """Send bytes as they are. Raises OSError while nothing is connected."""
        if not self.wires:
            raise OSError("nothing is connected")
        for wire in self.wires:
            if wire.transport is not None:
                wire.transport.write(data)

    def hang_up(self) -> None:
        """End the connections as a power cut at the switch would: without what was still to be sent."""
        for wire in self.wires:
            if wire.transport is not None:
                wire.transport.abort()


class ServingReader(_NetworkReader):
    """A reader that waits at `host`:`port` for lineside; the port is the system's choice, and stays."""

    host = "127.0.0.1"
    port = 0

    def __init__(self, *, feedback: str | Feedback = "plain", line_end: bytes = b"\r\n") -> None:
        super().__init__(feedback=feedback, line_end=line_end)
        self._server: asyncio.Server | None = None

    async def power_on(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Wire(self), self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def power_off(self) -> None:
        if self._server is not None:
            server, self._server = self._server, None
            await stop_listening(server)
            await asyncio.sleep(0)  # what was accepted just now is hung up with the rest
        self.hang_up()
        await self.until(0)


class DialingReader(_NetworkReader):
    """A reader that connects to lineside at `port`, again and again until it is taken."""

    def __init__(
        self,
        port: int,
        *,
        feedback: str | Feedback = "plain",
        line_end: bytes = b"\r\n",
        at: str = "127.0.0.1",
    ) -> None:
        super().__init__(feedback=feedback, line_end=line_end)
        self.port = port
        self.at = at  # the reader's own address
        self._task: asyncio.Task[None] | None = None

    async def power_on(self) -> None:
        self._task = self._task or asyncio.create_task(self._dial(), name="reader dials")

    async def power_off(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self.hang_up()
        await self.until(0)

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not self.wires:
                try:
                    await loop.create_connection(
                        lambda: _Wire(self), "127.0.0.1", self.port, local_addr=(self.at, 0)
                    )
                except OSError:
                    pass
            await asyncio.sleep(0.01)


class _Event(NamedTuple):
    type: int
    code: int
    value: int


class _Pipe:
    """The collector's end of a wedge, as evdev would give it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def read(self) -> Iterator[_Event]:
        data = os.read(self._descriptor, 64 * _EVENT.size)
        if not data:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        return (_Event(*fields) for fields in _EVENT.iter_unpack(data))

    def close(self) -> None:
        os.close(self._descriptor)


_EVENT = struct.Struct("HHi")
_CODES = {key: code for code, key in KEYS.items()}


class Wedge:
    """A scanner in keyboard mode; `opened` takes the place of the library that opens a device."""

    def __init__(self, layout: Layout = "us") -> None:
        self._strokes: dict[str, tuple[str, ...]] = {" ": ("SPACE",), "\x1d": ("LEFTCTRL", "RIGHTBRACE")}
        for key, faces in LAYOUTS[layout].items():
            for character, held in zip(faces, ((), ("LEFTSHIFT",), ("RIGHTALT",)), strict=True):
                self._strokes.setdefault(character, (*held, key))
        self._plugged = False
        self._wires: list[int] = []

    def plug(self) -> None:
        self._plugged = True

    def unplug(self) -> None:
        self._plugged = False
        for wire in self._wires:
            os.close(wire)
        self._wires.clear()

    def opened(self, path: str) -> _Pipe:
        """Stands for the device at `path`. Raises OSError while unplugged."""
        if not self._plugged:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        ours, wire = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wires.append(wire)
        return _Pipe(ours)

    def scan(self, text: str) -> None:
        """Type a code and ENTER."""
        for character in text:
            keys = self._strokes[character]
            self.events(*(_Event(1, _CODES[key], DOWN) for key in keys), _Event(0, 0, 0))
            self.events(*(_Event(1, _CODES[key], UP) for key in reversed(keys)), _Event(0, 0, 0))
        self.press("ENTER")

    def press(self, *keys: str) -> None:
        """Press and let go keys, one after the other."""
        for key in keys:
            self.events(_Event(1, _CODES[key], DOWN), _Event(1, _CODES[key], UP), _Event(0, 0, 0))

    def events(self, *events: tuple[int, int, int]) -> None:
        """Say type, code and value of events as they are, to whoever has opened the device."""
        for wire in self._wires:
            try:
                os.write(wire, b"".join(_EVENT.pack(*event) for event in events))
            except BrokenPipeError:
                pass  # nobody has it open any more
