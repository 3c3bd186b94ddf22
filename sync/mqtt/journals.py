"""The journals of this edge as one row of places: (epoch, seq), the current journal last.

Readers stay open from page to page. A journal that is replaced or forgotten is noticed at the next look.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from edge import epochs
from edge.epochs import Epoch
from edge.faults import StorageFault
from edge.journal import Reader
from edge.schema import identity
from sync.batch import Rows
from sync.lost import whole
from sync.mqtt.wire import Refused

Place = tuple[str, int]


class Forgotten(Refused):
    """What follows on a place is not in its journal any more; what does is `first`."""

    def __init__(self, journal: Epoch, seq: int, first: int) -> None:
        super().__init__(
            "forgotten",
            f"what follows on {journal.epoch}:{seq} is kept no more; from {first} on it is",
            kept_from=first,
        )
        self.journal = journal
        self.first = first


class Journals:
    """Reads the journal at `path` and those set aside beside it. One task at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listed: Sequence[Epoch] = ()
        self._identity: tuple[int, int] | None = None
        self._readers: dict[str, Reader] = {}  # by epoch
        self._head = 0  # the current journal's, when it was last asked for
        self._asked_s = 0.0  # monotonic

    async def look(self) -> Sequence[Epoch]:
        """The journals, oldest first; `head` of the last is as old as the look. Raises StorageFault."""
        found_at = identity(self.path)
        if found_at is None or found_at != self._identity or not self._listed:
            found = await asyncio.to_thread(epochs.listed, self.path)
            if not found or found[-1].path != self.path:
                raise StorageFault(
                    f"{self.path} is not there yet", hint="`lineside collect` makes it when it starts"
                )
            await self.close()
            self._listed, self._identity, self._head = found, found_at, 0
        return self._listed

    async def index(self, epoch: str) -> int | None:
        """The place of an epoch in the row; None where it is not there. Raises StorageFault."""
        return next((at for at, one in enumerate(await self.look()) if one.epoch == epoch), None)

    async def head(self) -> Place:
        """Epoch and seq of the last event. Raises StorageFault, sqlite3.Error."""
        last = (await self.look())[-1]
        self._asked_s = time.monotonic()
        self._head = await (await self.reader(last)).head()
        return last.epoch, self._head

    async def head_beyond(self, place: Place) -> Place:
        """The last event, or one behind `place` that was it within the last second.

        Raises StorageFault, sqlite3.Error.
        """
        last = (await self.look())[-1]
        if place[0] == last.epoch and place[1] < self._head and time.monotonic() < self._asked_s + 1:
            return last.epoch, self._head
        return await self.head()

    async def end(self, at: int, beyond: int = -1) -> int:
        """The last seq of the journal in this place of the row, or one that is at least `beyond`.

        Raises StorageFault, sqlite3.Error.
        """
        found = await self.look()
        if at < len(found) - 1:
            return found[at].head
        return self._head if 0 <= beyond <= self._head else (await self.head())[1]

    async def reader(self, journal: Epoch) -> Reader:
        """An open reader. Raises StorageFault."""
        if journal.epoch not in self._readers:
            self._readers[journal.epoch] = await Reader.open(journal.path)
        return self._readers[journal.epoch]

    async def first_behind(self, place: Place) -> tuple[Epoch, int] | None:
        """The next event of the place's journal. Raises StorageFault, sqlite3.Error."""
        at = await self.index(place[0])
        if at is None:
            return None
        journal = (await self.look())[at]
        rows = await (await self.reader(journal)).read_after(place[1], 1)
        return (journal, rows[0][0]) if rows else None

    async def read(self, at: int, seq: int, limit: int) -> tuple[Reader, Rows]:
        """Events behind `seq`, or behind what is known to be lost there.

        Raises Forgotten, StorageFault, sqlite3.Error.
        """
        journal = (await self.look())[at]
        reader = await self.reader(journal)
        rows = await reader.read_after(seq, limit)
        if rows and rows[0][0] != seq + 1 and whole(range(seq + 1, rows[0][0]), journal.missing):
            raise Forgotten(journal, seq, rows[0][0])
        return reader, rows

    async def close(self) -> None:
        """Let go of the files."""
        readers, self._readers = self._readers, {}
        for reader in readers.values():
            await reader.close()
