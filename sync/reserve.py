"""Room that sync.db owns beforehand, so that delivery goes on while the disk is full.

A full disk is full of facts that only delivery can move on. A settlement needs pages of sync.db and frames of
its WAL: both are written here beforehand, not only promised, and used again and again. SQLite takes
free pages before it lengthens a file, and begins its WAL anew after a checkpoint without shortening it (no
journal_size_limit, no TRUNCATE checkpoint). That holds on file systems that write in place (ext4, xfs); one
that copies on write needs room for every write.

A table that is filled and dropped makes the room, one MiB a transaction. Looked after once a minute: half
used up, or a WAL that is gone (SQLite removes it when the last one closes the file), and it is made anew.
"""

import asyncio
import os

import aiosqlite
import structlog

from edge.faults import StorageFault
from sync.store import Store

_log = structlog.get_logger("lineside.sync")

PAGES = 2048  # 8 MiB: receipts of some 200,000 facts with their document numbers; and as much in the WAL
_STEP_PAGES = 256
_LOOK_S = 60.0
_FRAME_HEADER = 24  # sqlite.org/fileformat2.html, 4.1
_CHECKPOINT_PAGES = 1000  # SQLite's own


class Reserve:
    """Keeps the room of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lacking = False

    async def run(self) -> None:
        """Make the room and look after it until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> bool:
        """Make the room where it lacks; whether it is there."""
        try:
            lacking = await self._lacks() and not await self._made()
        except StorageFault as fault:
            lacking = True
            detail = fault.message
        else:
            detail = "less is free than twice what it takes"
        if lacking and not self._lacking:
            hint = "Free space on this disk: without it delivery stops when the disk is full"
            _log.warning("sync.db has no reserve", error=detail, hint=hint)
        elif self._lacking and not lacking:
            _log.info("sync.db has its reserve again")
        self._lacking = lacking
        return not lacking

    async def _lacks(self) -> bool:
        size = await self._pragma("page_size")
        wal = self._store.path.with_name(self._store.path.name + "-wal")
        try:
            frames = wal.stat().st_size // (size + _FRAME_HEADER)
        except FileNotFoundError:
            frames = 0
        return frames < PAGES or await self._pragma("freelist_count") < PAGES // 2

    async def _made(self) -> bool:
        """Make the room. Raises StorageFault."""
        size = await self._pragma("page_size")
        if _free(self._store) < 4 * PAGES * size:
            return False  # what is left belongs to the journal
        await self._drop()  # of a process that was killed meanwhile
        # Without a checkpoint in between the WAL grows to hold all of it.
        await self._pragma("wal_autocheckpoint = 0")
        try:
            await self._store.rows("CREATE TABLE reserve_filler (zeros BLOB) STRICT")
            for _ in range(PAGES // _STEP_PAGES):
                await self._store.transact(lambda db: _fill(db, _STEP_PAGES * size))
                await asyncio.sleep(0)  # settlements go first
            await self._store.rows("PRAGMA wal_checkpoint(PASSIVE)")
        finally:
            await self._pragma(f"wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            await self._drop()
        return True

    async def _drop(self) -> None:
        await self._store.rows("DROP TABLE IF EXISTS reserve_filler")

    async def _pragma(self, text: str) -> int:
        rows = await self._store.rows(f"PRAGMA {text}")
        return int(rows[0][0])


async def _fill(connection: aiosqlite.Connection, size: int) -> None:
    await connection.execute("INSERT INTO reserve_filler VALUES (zeroblob(?))", (size,))


def _free(store: Store) -> int:
    """Bytes that are free on the store's disk."""
    found = os.statvfs(store.path.parent)
    return found.f_bavail * found.f_frsize
