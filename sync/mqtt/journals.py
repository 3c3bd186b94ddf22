"""The journals of this edge as one row of places: (epoch, seq), the current journal last.

Whoever begins a piece of work looks first; everything else goes by what that look found, so that a place in
the row means one journal as long as the work lasts. Readers stay open from page to page.
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


class Replaced(StorageFault):
    """The current journal was replaced between a look and its first reading: look once more."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} was replaced a moment ago", hint="Nothing to do: it is read anew")


class Journals:
    """Reads the journal at `path` and those set aside beside it. One task at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listed: Sequence[Epoch] = ()
        self._identity: tuple[int, int] | None = None
        self._readers: dict[str, Reader] = {}  # by epoch
        self._head = 0  # the current journal's, when it was last asked for
        self._asked_s = 0.0  # monotonic

    async def look(self) -> None:
        """See which journals there are: the current one may have been replaced. Raises StorageFault."""
        found_at = identity(self.path)
        if found_at is None or found_at != self._identity or not self._listed:
            found = await asyncio.to_thread(epochs.listed, self.path)
            if not found or found[-1].path != self.path:
                raise StorageFault(
                    f"{self.path} is not there yet", hint="`lineside collect` makes it when it starts"
                )
            await self.close()
            self._listed, self._identity, self._head = found, found_at, 0

    @property
    def row(self) -> Sequence[Epoch]:
        """The journals, oldest first; `head` of the last is as old as the first look that found it."""
        return self._listed

    def index(self, epoch: str) -> int | None:
        """The place of an epoch in the row; None where it is not there."""
        return next((at for at, one in enumerate(self._listed) if one.epoch == epoch), None)

    async def head(self) -> Place:
        """Epoch and seq of the last event. Raises StorageFault, sqlite3.Error."""
        last = self._listed[-1]
        self._asked_s = time.monotonic()
        self._head = await (await self.reader(last)).head()
        return last.epoch, self._head

    async def head_beyond(self, place: Place) -> Place:
        """The last event, or one behind `place` that was it within the last second.

        Raises StorageFault, sqlite3.Error.
        """
        last = self._listed[-1]
        if place[0] == last.epoch and place[1] < self._head and time.monotonic() < self._asked_s + 1:
            return last.epoch, self._head
        return await self.head()

    async def end(self, at: int, beyond: int = -1) -> int:
        """The last seq of the journal in this place of the row, or one that is at least `beyond`.

        Raises StorageFault, sqlite3.Error.
        """
        if at < len(self._listed) - 1:
            return self._listed[at].head
        return self._head if 0 <= beyond <= self._head else (await self.head())[1]

    async def reader(self, journal: Epoch) -> Reader:
        """An open reader. Raises Replaced, StorageFault."""
        if journal.epoch not in self._readers:
            opened = await Reader.open(journal.path)
            if opened.epoch != journal.epoch:
                await opened.close()
                raise Replaced(journal.path)
            self._readers[journal.epoch] = opened
        return self._readers[journal.epoch]

    async def first_behind(self, place: Place) -> tuple[Epoch, int] | None:
        """The next event of the place's journal. Raises StorageFault, sqlite3.Error."""
        at = self.index(place[0])
        if at is None:
            return None
        journal = self._listed[at]
        rows = await (await self.reader(journal)).read_after(place[1], 1)
        return (journal, rows[0][0]) if rows else None

    async def read(self, at: int, seq: int, limit: int) -> tuple[Reader, Rows]:
        """Events behind `seq`, or behind what is known to be lost there.

        Raises Forgotten, StorageFault, sqlite3.Error.
        """
        journal = self._listed[at]
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
