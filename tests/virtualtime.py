"""An event loop whose time is made up: when nothing is ready, it is the next timer's moment at once.

A test that waits out a hundred thousand time-outs takes seconds, and always the same course. Connections
are made in memory, by the loop itself. Nothing may come from outside, a thread for one: the loop would not
wait for it. What waits for nothing at all fails instead of hanging.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
Factory = Callable[[], asyncio.BaseProtocol]


def run(main: Coroutine[Any, Any, T]) -> T:
    """What `main` returns, in a loop of virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop that begins at 0 s."""

    def __init__(self) -> None:
        self.now = 0.0
        self.listeners: dict[int, Factory] = {}
        super().__init__(_Skipping(self))

    def time(self) -> float:
        return self.now

    async def create_server(self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any) -> Any:
        """A server in memory; its address is the port."""
        server = MemoryServer(self, port or 1 + max(self.listeners, default=50_000))
        self.listeners[server.port] = protocol_factory
        return server

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any
    ) -> Any:
        """A connection to a server in memory. Raises ConnectionRefusedError."""
        if port not in self.listeners:
            raise ConnectionRefusedError(f"nothing listens at {port}")
        near, far = MemoryTransport(self), MemoryTransport(self)
        near.peer, far.peer = far, near
        far.protocol, near.protocol = self.listeners[port](), protocol_factory()
        far.protocol.connection_made(far)
        near.protocol.connection_made(near)
        return near, near.protocol


class _Skipping(selectors.DefaultSelector):
    """A selector that lets time pass instead of waiting."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits, and nothing is to come")
        self._loop.now += max(timeout, 0.0)
        return []  # nobody is asked: nothing comes from outside


class MemoryServer:
    """What `create_server` gives."""

    def __init__(self, loop: VirtualTimeLoop, port: int) -> None:
        self._loop = loop
        self.port = port

    @property
    def sockets(self) -> tuple["MemoryServer"]:
        return (self,)

    def getsockname(self) -> tuple[str, int]:
        return "memory", self.port

    def close(self) -> None:
        self._loop.listeners.pop(self.port, None)


class MemoryTransport(asyncio.Transport):
    """One side of a connection. Either side's closing ends it for both, once all written is heard."""

    peer: "MemoryTransport"
    protocol: Any

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop
        self._closed = False

    def write(self, data: Any) -> None:
        if not self._closed:
            self._loop.call_soon(self.peer.heard, bytes(data))

    def heard(self, data: bytes) -> None:
        """Take what the other side wrote."""
        if not self._closed:
            self.protocol.data_received(data)

    def is_closing(self) -> bool:
        return self._closed

    def abort(self) -> None:
        self.close()

    def close(self) -> None:
        if not self._closed:
            self._end()
            self._loop.call_soon(self.peer._end)  # behind what was written

    def _end(self) -> None:
        if not self._closed:
            self._closed = True
            self._loop.call_soon(self.protocol.connection_lost, None)
