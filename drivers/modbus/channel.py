"""One connection and the devices behind it: they share it and are asked in turn.

Invariants:
- There is one channel for an address (host and port, or serial port), so a device that allows a single
  connection never sees two.
- One request is on the way at a time, in the order of asking. Whoever waits does so for at most one request
  of each other device that is served, and one of all those that are lost: lost devices are asked one after
  another (`probing`), and after a vain attempt the others get the line for `REST` times as long.
- Only `run` of a driver that uses the channel keeps it open; the last one to leave closes it.
- Who has joined is told when the connection breaks. A connection given up for silence is remade unnoticed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakValueDictionary

from drivers.modbus.answers import Refusal, Silent
from drivers.modbus.plan import Block
from edge.faults import DeviceFault

SUSPECT = 3  # requests in a row that nobody answered: the connection itself may be dead
REST = 3  # a vain attempt on a lost device leaves the line to the others for so many times its length


@dataclass(frozen=True, eq=False)
class Asker:
    """Who asks, and how patient it is."""

    device_id: int
    timeout_s: float
    fences: bool = True  # whether it may be asked for echoes; on a serial line only


class Connection(Protocol):
    """What a channel needs of TCP or a serial line; never used by two askers at once."""

    @property
    def keeps_when_silent(self) -> bool: ...  # whether silence says nothing about the connection

    @property
    def made(self) -> bool: ...

    async def connect(self, timeout_s: float, *, explain: bool) -> None: ...
    async def settled(self, asker: Asker) -> None: ...  # may wait, so it is asked before the turn
    async def read(self, asker: Asker, block: Block, tries: int) -> bytes | Refusal: ...
    async def close(self) -> None: ...


class Endpoint(Protocol):
    """Where devices are, and how they are reached. Equal ones are the same in every setting."""

    @property
    def address(self) -> tuple[str, str]: ...

    def connection(self, on_lost: Callable[[], None]) -> Connection: ...
    def gone(self) -> DeviceFault: ...


class Channel:
    """A shared connection. Get it from `channel`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._connection = endpoint.connection(self._lost)
        self._turn = asyncio.Lock()
        self._probes = asyncio.Lock()
        self._rested_at = 0.0
        self._users: set[Asker] = set()
        self._joined: dict[Asker, Callable[[], None]] = {}
        self._silent: list[Asker] = []  # who was not answered since the last answer; at most SUSPECT
        self._failed: tuple[float, DeviceFault] | None = None  # the last attempt to connect, if it failed

    @asynccontextmanager
    async def used(self, asker: Asker) -> AsyncIterator[None]:
        """Keep the channel for as long as the asker's device is served."""
        self._users.add(asker)
        try:
            yield
        finally:
            self._users.discard(asker)
            if not self._users:
                await self._connection.close()

    @contextmanager
    def joined(self, asker: Asker, on_lost: Callable[[], None]) -> Iterator[None]:
        """Have `on_lost` called when the connection breaks."""
        self._joined[asker] = on_lost
        try:
            yield
        finally:
            self._joined.pop(asker, None)

    async def connect(self, asker: Asker, endpoint: Endpoint, *, explain: bool) -> None:
        """Make the connection if there is none. Raises DeviceFault, with the reason if it is to `explain`."""
        if endpoint != self._endpoint:
            raise DeviceFault(
                f"{endpoint.address[1]} is used with two settings: {self._endpoint} and {endpoint}",
                hint="Give all devices on this port the same baudrate, parity and stopbits",
            )
        asked_at = asyncio.get_running_loop().time()
        async with self._turn:
            await self._made(asker, asked_at, explain=explain)

    async def read(self, asker: Asker, block: Block, tries: int) -> bytes | Refusal:
        """The block's bytes, or why the device refuses. Raises DeviceFault."""
        asked_at = asyncio.get_running_loop().time()
        await self._connection.settled(asker)
        async with self._turn:
            await self._made(asker, asked_at, explain=True)
            try:
                answer = await self._connection.read(asker, block, tries)
            except Silent:
                await self._doubt(asker)
                raise
            if self._silent:
                self._silent.clear()
            return answer

    @asynccontextmanager
    async def probing(self, asker: Asker) -> AsyncIterator[None]:
        """The turn of one lost device among all lost ones."""
        loop = asyncio.get_running_loop()
        await self._connection.settled(asker)  # so that it does not wait at the others' cost
        async with self._probes:
            await asyncio.sleep(self._rested_at - loop.time())
            begun = loop.time()
            try:
                yield
            except DeviceFault:
                if len(self._users) > 1:
                    self._rested_at = loop.time() + REST * (loop.time() - begun)
                raise

    async def _made(self, asker: Asker, asked_at: float, *, explain: bool) -> None:
        if self._connection.made:
            return
        if self._failed is not None and self._failed[0] > asked_at:
            raise self._failed[1]  # somebody else tried while this one waited for its turn
        try:
            await self._connection.connect(asker.timeout_s, explain=explain)
        except DeviceFault as fault:
            self._failed = asyncio.get_running_loop().time(), fault
            raise
        self._failed = None
        self._silent.clear()

    async def _doubt(self, asker: Asker) -> None:
        """Give the connection up when nobody is answered on it any more."""
        self._silent.append(asker)
        if len(self._silent) < SUSPECT and not self._users <= set(self._silent):
            return
        self._silent.clear()
        if not self._connection.keeps_when_silent:
            await self._connection.close()

    def _lost(self) -> None:
        joined, self._joined = self._joined, {}
        for on_lost in joined.values():
            on_lost()


# Weak: a channel lives as long as the drivers that hold it.
_channels: WeakValueDictionary[tuple[object, ...], Channel] = WeakValueDictionary()


def channel(endpoint: Endpoint) -> Channel:
    """The channel to `endpoint` in this event loop."""
    key = (asyncio.get_running_loop(), *endpoint.address)
    found = _channels.get(key)
    if found is None:
        found = _channels[key] = Channel(endpoint)
    return found
