"""A network that misbehaves: a TCP relay in front of a server, whose faults are set from Python."""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self

Fault = Literal["silence", "half", "wrong id"]
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset instead of an end


class Relay:
    """Carries connections to the port that `target` tells; its own port is the system's choice, and stays.

    `fault` spoils what the server says: none of it comes (silence), half of the next message and then none
    (half), or the byte at `id_at`, by which the client knows what is answered, is another one (wrong id).
    """

    def __init__(self, target: Callable[[], int], id_at: int) -> None:
        self.port = 0
        self.fault: Fault | None = None
        self._target = target
        self._id_at = id_at
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Take connections from now on."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def shut(self) -> None:
        """Refuse connections; those that are open stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            given = writer.get_extra_info("socket")
            if given is not None and not writer.transport.is_closing():
                given.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target())
            self._writers.add(far_writer)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._carry(reader, far_writer, spoil=False))
                    group.create_task(self._carry(far_reader, writer, spoil=True))
            finally:
                self._writers.discard(far_writer)
                far_writer.close()
        except (OSError, ExceptionGroup):
            pass  # one side is gone: the other one goes as well
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.close()

    async def _carry(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, *, spoil: bool) -> None:
        halved = False
        while data := await source.read(65536):
            if spoil and (halved or self.fault == "silence"):
                continue  # a message that was cut is never followed by another one
            if spoil and self.fault == "half":
                data, halved = data[: len(data) // 2], True
            elif spoil and self.fault == "wrong id" and len(data) > self._id_at:
                data = data[: self._id_at] + bytes([data[self._id_at] ^ 0x55]) + data[self._id_at + 1 :]
            to.write(data)
        raise ConnectionError("ended")

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shut()
        self.cut()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
