"""The driver of a USB scanner that pretends to be a keyboard.

Invariants (beside those of scanner.py):
- The device is grabbed: what it types reaches this process alone, and no window.
- After events were lost (SYN_DROPPED) nothing of the code in hand is believed.
- A keyboard is not trusted with separators: a code that may have lost them is refused as ambiguous.

Everything above `Keyboard` is independent of the library that opens the device.
"""

import asyncio
import errno
import os
from collections.abc import Callable, Iterable
from typing import Protocol

from drivers.barcode.framing import Flaw
from drivers.barcode.keymap import KEYS, Typist
from drivers.barcode.line import Silence, report
from drivers.barcode.scanner import Scanner
from drivers.barcode.settings import HidScannerSettings
from edge.faults import DeviceFault
from edge.ports import Clock, Observer

# linux/input-event-codes.h
EV_SYN, EV_KEY = 0, 1
SYN_DROPPED = 3

_UNPLUGGED = "Plug the scanner in. If it is: check that `device` names it (ls -l /dev/input/by-id)"


class KeyEvent(Protocol):
    """What the kernel says of a key."""

    @property
    def type(self) -> int: ...
    @property
    def code(self) -> int: ...
    @property
    def value(self) -> int: ...


class Keyboard(Protocol):
    """A grabbed device, as evdev gives one. `read` never waits and raises OSError, when it is gone too."""

    def fileno(self) -> int: ...
    def read(self) -> Iterable[KeyEvent]: ...
    def close(self) -> None: ...


def grabbed(path: str) -> Keyboard:
    """The device, for this process alone. Raises DeviceFault, OSError."""
    try:
        from evdev import InputDevice
    except ImportError as error:
        raise DeviceFault(
            f"{path} cannot be read: evdev is not installed",
            hint="Install it into lineside's environment: pip install 'lineside[hid]'; or use serial mode",
        ) from error
    device = InputDevice(path)
    try:
        device.grab()
    except BaseException:
        device.close()
        raise
    keyboard: Keyboard = device
    return keyboard


class HidScannerDriver(Scanner[HidScannerSettings]):
    """One scanner in keyboard mode. It hears no feedback."""

    def __init__(
        self,
        name: str,
        settings: HidScannerSettings,
        clock: Clock,
        opened: Callable[[str], Keyboard] = grabbed,
    ) -> None:
        super().__init__(name, settings, clock)
        self._opened = opened

    def _send(self, data: bytes) -> None:
        """A keyboard takes no bytes."""

    async def _connection(self, observer: Observer) -> None:
        path = self._settings.device
        try:
            keyboard = self._opened(path)
        except OSError as error:
            raise _refused(path, error) from error
        loop = asyncio.get_running_loop()
        typing = _Typing(self._name, self._settings, self._clock, observer, keyboard)
        loop.add_reader(keyboard.fileno(), typing.readable)
        try:
            self._link(observer, True, path, "")
            cause = await typing.gone
        finally:
            loop.remove_reader(keyboard.fileno())
            typing.lost()
            keyboard.close()
        reason = os.strerror(cause.errno) if cause.errno else str(cause)
        raise DeviceFault(f"{path} is gone: {reason}", hint=_UNPLUGGED)


class _Typing:
    """What is typed in one connection."""

    def __init__(
        self, name: str, settings: HidScannerSettings, clock: Clock, observer: Observer, keyboard: Keyboard
    ) -> None:
        self._name = name
        self._clock = clock
        self._observer = observer
        self._keyboard = keyboard
        self._typist = Typist(settings.layout, settings.max_length)
        self._silence = Silence(settings.idle_s, self._silent)
        self._skipping = False  # since events were lost, until the kernel's next SYN
        self.gone: asyncio.Future[OSError] = asyncio.get_running_loop().create_future()

    def readable(self) -> None:
        """Take what the keyboard says."""
        self._silence.stop()
        try:
            for event in self._keyboard.read():
                self._take(event)
        except BlockingIOError:
            pass
        except OSError as error:
            asyncio.get_running_loop().remove_reader(self._keyboard.fileno())
            if not self.gone.done():
                self.gone.set_result(error)
        if self._typist.pending:
            self._silence.begin()

    def lost(self) -> None:
        """Give up what was begun."""
        self._silence.stop()
        self._tell(self._typist.lost())

    def _take(self, event: KeyEvent) -> None:
        if event.type == EV_SYN:
            if event.code == SYN_DROPPED:
                self._typist.spoil()
            self._skipping = event.code == SYN_DROPPED
        elif event.type == EV_KEY and not self._skipping:
            self._tell(self._typist.press(KEYS.get(event.code, ""), event.value))

    def _silent(self) -> None:
        self._tell(self._typist.silence())

    def _tell(self, found: str | Flaw | None) -> None:
        if found is not None:
            report(self._observer, self._name, found, self._clock.now(), kept=False)


def _refused(path: str, error: OSError) -> DeviceFault:
    """Why a device cannot be opened."""
    if error.errno in (errno.ENOENT, errno.ENODEV):
        return DeviceFault(f"{path} is not there", hint=_UNPLUGGED)
    if error.errno == errno.EBUSY:
        return DeviceFault(f"{path} is in use by another program", hint="Stop the other program")
    if error.errno in (errno.EACCES, errno.EPERM):
        return DeviceFault(
            f"{path} may not be opened",
            hint="Install the udev rules that come with lineside, or add its user to the group input",
        )
    cause = os.strerror(error.errno) if error.errno else str(error)
    return DeviceFault(f"{path} could not be opened: {cause}", hint=_UNPLUGGED)
