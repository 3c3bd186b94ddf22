"""Reads a journal that another task or process writes."""

import asyncio
import sqlite3
from pathlib import Path
from typing import cast

import aiosqlite

from edge import schema
from edge.journal.form import META, READ, SNAPSHOT, Identity, Snapshot, identity, snapshot_of

_POLL_S = 0.05
_ASK_AGAIN_POLLS = 20
_ASKS = 20  # polls: longer than a disk takes to sync


class Reader:
    """The reader. Open it with `async with await Reader.open(...)`."""

    def __init__(self, path: Path, connection: aiosqlite.Connection, whose: Identity) -> None:
        self.path = path
        self.epoch = whose.epoch
        self.source = whose.source
        self.pruned = whose.pruned  # what lies before this seq was forgotten in order
        self._connection = connection
        self._seen = (0, 0)  # the WAL as it was when last looked at
        self._asks = 0  # how often to ask for what its last change brought

    @classmethod
    async def open(cls, path: Path) -> "Reader":
        """Open the journal at `path` for reading. Raises StorageFault."""
        connection = await schema.open_reader(path)
        try:
            whose = identity(await connection.execute_fetchall(META))
        except (sqlite3.Error, UnicodeDecodeError) as error:
            await connection.close()
            raise schema.unusable(path, error) from error
        except BaseException:
            await asyncio.shield(connection.close())
            raise
        return cls(path, connection, whose)

    async def read_after(self, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """Up to `limit` stored events behind `seq`, in order, as (seq, body). Raises sqlite3.Error."""
        found = await self._connection.execute_fetchall(READ, (seq, limit))
        rows = cast("list[tuple[int, bytes]]", found)  # as SQLite's module makes them
        if rows and rows[-1][0] <= seq:  # SQLite does not look; whoever reads on would never come to an end
            raise schema.malformed(f"seq {rows[-1][0]} stands behind seq {seq}: the file is malformed")
        return rows

    async def snapshot(self) -> Snapshot | None:
        """The last snapshot, if there is one."""
        return snapshot_of(await self._connection.execute_fetchall(SNAPSHOT))

    async def head(self) -> int:
        """The last committed seq; 0 before the first."""
        rows = await self._connection.execute_fetchall("SELECT seq FROM events ORDER BY seq DESC LIMIT 1")
        return next((row[0] for row in rows), 0)

    async def wait_beyond(self, seq: int) -> None:
        """Return once an event behind `seq` is committed, within about 50 ms of its commit."""
        wal = self.path.with_name(self.path.name + "-wal")
        while True:
            if (written := _written(wal)) != self._seen:
                self._seen, self._asks = written, _ASKS
            if await self.head() > seq:
                return
            # A commit counts only when it is synced, some time after the file changed: ask for a while. Two
            # within one tick of the file's clock look like one: ask again every second.
            for _ in range(1 if self._asks else _ASK_AGAIN_POLLS):
                await asyncio.sleep(_POLL_S)
                if _written(wal) != self._seen:
                    break
            self._asks = max(0, self._asks - 1)

    async def close(self) -> None:
        """Let go of the file."""
        await self._connection.close()

    async def __aenter__(self) -> "Reader":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _written(wal: Path) -> tuple[int, int]:
    """What changes when something is committed: the WAL's size and time."""
    try:
        found = wal.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
