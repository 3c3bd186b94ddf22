"""Opening a serial port, for drivers of whatever speaks over one: in a thread, and refused in plain words."""

import asyncio
import errno
import os
import termios
from collections.abc import Callable
from typing import TypeVar

import serial

from edge.faults import DeviceFault

P = TypeVar("P", bound=serial.Serial)


async def opened(open_port: Callable[[], P], port: str, unplugged: str) -> P:
    """What `open_port` opens. Raises DeviceFault; `unplugged` is the hint where `port` is not there."""
    # In a thread: setting up a USB port waits for the device. A cancelled opening closes what it opened.
    opening = asyncio.get_running_loop().run_in_executor(None, open_port)
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_discard)
        raise
    except (OSError, ValueError, termios.error) as error:
        raise _refused(port, error, unplugged) from error


def _discard(opening: "asyncio.Future[P]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _refused(port: str, error: Exception, unplugged: str) -> DeviceFault:
    """Why a port cannot be opened."""
    code = getattr(error, "errno", None)
    if code == errno.ENOENT:
        return DeviceFault(f"{port} is not there", hint=unplugged)
    if code in (errno.EAGAIN, errno.EBUSY):
        return DeviceFault(
            f"{port} is in use by another program",
            hint="Stop the other program (ModemManager, a terminal, a second lineside). Devices that share a"
            " line must name its port in the same way",
        )
    if code in (errno.EACCES, errno.EPERM):
        return DeviceFault(
            f"{port} may not be opened",
            hint="Install the udev rules that come with lineside, or add its user to the group dialout",
        )
    cause = os.strerror(code) if code else str(error)
    return DeviceFault(f"{port} could not be opened: {cause}", hint=unplugged)
