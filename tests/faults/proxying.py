"""What proxies that misbehave have in common: a port of their own, faults dealt evenly, and an end."""

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset instead of an end


def sever(writer: asyncio.StreamWriter) -> None:
    """End a connection with a RST: what was not read by then is lost."""
    raw: socket.socket = writer.get_extra_info("socket")
    with suppress(OSError):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


@dataclass(kw_only=True)
class Proxy:
    """Stands before `target`, a port on loopback, from a port of its own until the block ends."""

    target: int
    faults: tuple[str, ...]
    share: float  # of what passes that meets one of the faults
    seed: int = 0
    patience_s: float = 0.4  # how long those who ask wait
    met: Counter[str] = field(default_factory=Counter)  # faults, how often
    port: int = 0
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self._deck: list[str] = []  # each fault as often as the others

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end; OSError and an early end are such ends."""
        raise NotImplementedError

    def drawn(self, strikes: Callable[[str], bool] = lambda _: True) -> str | None:
        """The fault that is met here, of those that can strike; most often none. It counts as met."""
        if self.chance.random() >= self.share:
            return None
        if not self._deck:
            self._deck = self.chance.sample(self.faults, len(self.faults))
        found = next((name for name in self._deck if strikes(name)), None)
        if found is not None:
            self._deck.remove(found)
            self.met[found] += 1
        return found

    def task(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this until it is done or the block ends; OSError ends it."""

        async def done() -> None:
            with suppress(OSError, asyncio.CancelledError):
                await work

        task = asyncio.create_task(done())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._served, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self.serve(reader, writer)
        finally:
            writer.close()
            self._tasks.discard(task)
