"""The driver of a reader on the network, by a raw TCP connection in either direction.

Invariants (beside those of scanner.py):
- A reader that lost its power is noticed: the connection is probed, and what was sent must be acknowledged.
- Where lineside listens, one reader is served at a time. The same address again takes the place of the old
  connection, which a reader that was switched off left behind; another address is refused meanwhile.
- What a refused peer sends is never looked at.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from typing import cast

import structlog

from drivers.barcode.line import Line
from drivers.barcode.scanner import Scanner
from drivers.barcode.settings import TcpScannerSettings
from drivers.listening import stop_listening
from edge.faults import DeviceFault
from edge.ports import Clock, Observer

log = structlog.get_logger()

_UNSENT = 4096  # bytes of feedback that may wait for a reader; beyond them it is deaf, and they are dropped
_CHECK = "Check the reader's power, its network cable, and that `host` and `port` are its own"


class TcpScannerDriver(Scanner[TcpScannerSettings]):
    """One reader on the network."""

    def __init__(self, name: str, settings: TcpScannerSettings, clock: Clock) -> None:
        super().__init__(name, settings, clock)
        self._line: _TcpLine | None = None  # the connection that is served
        self._arrived = asyncio.Event()
        self._listens = False
        self._refused = ""  # the peer that was refused last; once more is no news

    def _send(self, data: bytes) -> None:
        transport = self._line.transport if self._line else None
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > _UNSENT:
            self._deaf(self._place)
        else:
            transport.write(data)

    @property
    def _place(self) -> str:
        settings = self._settings
        return settings.listen or f"{settings.host}:{settings.port}"

    async def _connection(self, observer: Observer) -> None:
        try:
            if self._settings.listen is None:
                await self._connected(observer)
            else:
                await self._listening(self._settings.listen, observer)
        finally:
            line, self._line = self._line, None
            if line is not None and line.transport is not None:
                line.transport.abort()
                await line.lost

    # Connecting

    async def _connected(self, observer: Observer) -> None:
        settings = self._settings
        loop = asyncio.get_running_loop()
        line = _TcpLine(self._name, settings, self._clock, observer, lambda _: True)
        try:
            async with asyncio.timeout(settings.timeout_s):
                await loop.create_connection(lambda: line, settings.host or "", settings.port or 0)
        except OSError as error:  # TimeoutError and gaierror are of this kind
            raise _unreachable(self._place, error) from error
        except BaseException:
            if line.transport is not None:  # cancelled when it had just succeeded
                line.transport.abort()
            raise
        self._line = line
        self._link(observer, True, self._place, "")
        cause = await asyncio.shield(line.lost)
        raise DeviceFault(f"{self._place} is gone: {_said(cause)}", hint=_CHECK)

    # Listening

    async def _listening(self, listen: str, observer: Observer) -> None:
        host, _, port = listen.rpartition(":")

        def guest() -> _TcpLine:
            return _TcpLine(self._name, self._settings, self._clock, observer, self._admitted)

        try:
            server = await asyncio.get_running_loop().create_server(guest, host.strip("[]"), int(port))
        except OSError as error:
            raise _taken(listen, error) from error
        self._arrived.clear()
        self._listens = True
        try:
            while True:
                await self._serve(observer)
        finally:
            self._listens = False  # a connection may be accepted already and come to `_admitted` later
            await stop_listening(server)

    async def _serve(self, observer: Observer) -> None:
        """One connection of a reader, or the wait for one."""
        if self._line is None:
            try:
                async with asyncio.timeout(self._settings.expect_s):
                    await self._arrived.wait()
            except TimeoutError:
                self._missing(observer, f"no reader has connected to {self._place}")
                await self._arrived.wait()
        line = self._line
        assert line is not None
        self._link(observer, True, f"{line.peer} at {self._place}", "")
        cause = await asyncio.shield(line.lost)
        if self._line is line:
            self._line = None
            self._arrived.clear()
            self._missing(observer, f"the reader at {line.peer} is gone: {_said(cause)}")

    def _missing(self, observer: Observer, what: str) -> None:
        hint = f"Check the reader's power and cable, and that it connects to this machine at {self._place}"
        self._link(observer, False, what, hint)

    def _admitted(self, line: "_TcpLine") -> bool:
        """Whether a peer that connected is served."""
        if not self._listens:
            return False
        held = self._line
        wrong = self._settings.peer is not None and line.peer != self._settings.peer
        if wrong or (held is not None and held.peer != line.peer and not held.lost.done()):
            if line.peer != self._refused:
                why = "it is not `peer`" if wrong else "another reader is connected"
                log.warning("connection refused", device=self._name, peer=line.peer, why=why)
            self._refused = line.peer
            return False
        self._line = line
        self._arrived.set()
        if held is not None and held.transport is not None:
            held.transport.abort()
        return True


class _TcpLine(Line):
    """A connection; `admit` decides at its beginning whether it is served."""

    def __init__(
        self,
        name: str,
        settings: TcpScannerSettings,
        clock: Clock,
        observer: Observer,
        admit: "Callable[[_TcpLine], bool]",
    ) -> None:
        super().__init__(name, settings, clock, observer)
        self.transport: asyncio.Transport | None = None
        self.peer = ""
        self._admit = admit
        self._served = False
        self._keepalive_s = settings.keepalive_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of asyncio's
        self.peer = str((transport.get_extra_info("peername") or ("",))[0])
        self._served = self._admit(self)
        if self._served:
            _keep_alive(transport.get_extra_info("socket"), self._keepalive_s)
        else:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._served:
            super().data_received(data)


def _keep_alive(connection: socket.socket, after_s: int) -> None:
    """Have a dead peer noticed after about so many seconds, whether or not something was sent to it."""
    interval_s = max(1, after_s // 5)
    options = {
        socket.TCP_KEEPIDLE: max(1, after_s - 3 * interval_s),
        socket.TCP_KEEPINTVL: interval_s,
        socket.TCP_KEEPCNT: 3,
        socket.TCP_USER_TIMEOUT: after_s * 1000,
    }
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in options.items():
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


def _said(error: Exception | None) -> str:
    """Why a connection ended."""
    if error is None:
        return "it closed the connection"
    code = getattr(error, "errno", None)
    return "no sign of life" if code == errno.ETIMEDOUT else os.strerror(code) if code else str(error)


def _unreachable(place: str, error: OSError) -> DeviceFault:
    """Why a reader cannot be connected to."""
    if isinstance(error, socket.gaierror):
        return DeviceFault(
            f"{place}: nobody knows this name", hint="Check `host`, or give the address itself"
        )
    if isinstance(error, ConnectionRefusedError):
        hint = (
            "Check `port`; switch the reader's TCP server on. Many serve one connection: close other programs"
        )
        return DeviceFault(f"{place}: no connection: refused", hint=hint)
    if isinstance(error, TimeoutError):
        return DeviceFault(f"{place}: no connection: no answer", hint=_CHECK)
    said = os.strerror(error.errno) if error.errno else str(error)
    return DeviceFault(f"{place}: no connection: {said}", hint=_CHECK)


def _taken(place: str, error: OSError) -> DeviceFault:
    """Why lineside cannot listen."""
    if error.errno == errno.EADDRINUSE:
        return DeviceFault(
            f"{place} is in use by another program",
            hint="Choose another port in `listen` and at the reader, or stop the other program",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return DeviceFault(f"{place} may not be listened at", hint="Choose a port from 1024 on in `listen`")
    said = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
    return DeviceFault(f"{place} cannot be listened at: {said}", hint="`listen` must be of this machine")
