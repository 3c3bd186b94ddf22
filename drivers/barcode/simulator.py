"""A scanner to try things on: a pty pair behind a link, as udev makes one for a gun.

The driver opens the link as it would any tty. `unplug` pulls the gun out (the driver's side hangs up and the
link goes), `plug` puts it back as another device under the same link.
"""

import asyncio
import os
import tty
from pathlib import Path
from types import TracebackType
from typing import Self

from drivers.barcode.settings import PRESETS, Feedback
from edge.ports import Verdict


class Gun:
    """A gun at `link`; it hears the beeps of `feedback`, a preset's name or the bytes."""

    def __init__(
        self, link: Path | str, *, feedback: str | Feedback = "honeywell", line_end: bytes = b"\r"
    ) -> None:
        self.link = Path(link)
        self.feedback = PRESETS[feedback] if isinstance(feedback, str) else feedback
        self.line_end = line_end
        self.heard = b""  # bytes that no call to `verdict` has taken yet
        self._master: int | None = None
        self._slave: int | None = None  # kept open, so that the line does not hang up while nobody reads it
        self._news = asyncio.Event()

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

    def _hear(self) -> None:
        if self._master is None:
            return
        try:
            self.heard += os.read(self._master, 4096)
        except OSError:
            return
        self._news.set()

    async def __aenter__(self) -> Self:
        self.plug()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()
