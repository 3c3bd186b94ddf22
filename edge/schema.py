"""The file format of journal.db, and how a file of ours is opened.

`application_id` marks the file, `user_version` its schema. Migrations only add, so that the version before
still runs. WAL with synchronous=FULL is verified at every opening: a commit that returned is on the disk.
"""

import asyncio
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Literal

import aiosqlite

from edge.faults import StorageFault

APPLICATION_ID = 0x4C494E45  # "LINE"
VERSION = 1

JOURNAL = """
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    body TEXT NOT NULL                  -- the event as it goes out: canonical JSON with its chain
) STRICT;
CREATE TRIGGER events_never_change BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'facts are append-only'); END;
CREATE TABLE snapshot (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,               -- the state after this event
    version TEXT NOT NULL,              -- of the state's form
    state TEXT NOT NULL
) STRICT;
CREATE VIEW facts AS                    -- for people with a SQLite shell
    SELECT seq, body ->> '$.time' AS time, body ->> '$.type' AS type, body ->> '$.subject' AS subject,
           body ->> '$.data' AS data FROM events;
"""


async def open_writer(
    path: Path, ddl: str, isolation_level: Literal["IMMEDIATE"] | None = "IMMEDIATE"
) -> aiosqlite.Connection:
    """Open or create a file that only this process writes. Raises StorageFault."""
    connection = await _connected(path, aiosqlite.connect(path, isolation_level=isolation_level))
    try:
        await _prepare(connection, path, ddl)
    except BaseException:
        await connection.close()
        raise
    return connection


async def open_reader(path: Path) -> aiosqlite.Connection:
    """Open a file that another task or process writes. Text comes as bytes. Raises StorageFault."""
    opening = aiosqlite.connect(read_only(path), uri=True, isolation_level=None)
    connection = await _connected(path, opening)
    try:
        connection.text_factory = bytes
        await connection.execute("PRAGMA busy_timeout = 5000")
    except sqlite3.Error as error:
        await connection.close()
        raise unusable(path, error) from error
    except BaseException:
        await connection.close()
        raise
    return connection


def read_only(path: Path) -> str:
    """The address under which SQLite opens a file for reading, whatever characters its name has."""
    return f"{path.absolute().as_uri()}?mode=ro"


async def _connected(path: Path, opening: aiosqlite.Connection) -> aiosqlite.Connection:
    """The open connection; after a failure its thread has ended. Raises StorageFault."""
    try:
        return await opening
    except BaseException as error:
        with suppress(Exception):
            await asyncio.shield(opening.close())
        await asyncio.to_thread(opening._thread.join, 1)  # else it speaks to a loop that is closed
        if isinstance(error, sqlite3.Error):
            raise unusable(path, error) from error
        raise


def unusable(path: Path, error: Exception) -> StorageFault:
    """The fault of a file that cannot be used, with what to do about it."""
    text = str(error)
    hints = {
        "not a database": "It is no lineside file or it is damaged: move it away, keep it, and start again",
        "readonly": f"Give this user the right to write it: chown lineside {path}*",
        "unable to open": f"Check that {path.parent} exists and that this user may write there",
        "Permission denied": f"Run this as the user lineside, or let this user read {path.parent}",
        "disk is full": "Free space on this disk; nothing of this operation was recorded",
    }
    hint = next(
        (hint for part, hint in hints.items() if part in text), "Check the disk and the file's rights"
    )
    return StorageFault(f"{path} cannot be used: {text}", hint=hint)


async def _prepare(connection: aiosqlite.Connection, path: Path, ddl: str) -> None:
    try:
        await connection.execute("PRAGMA busy_timeout = 5000")
        if await _empty(connection):
            await connection.executescript(
                f"PRAGMA journal_mode = WAL; BEGIN; {ddl}; PRAGMA application_id = {APPLICATION_ID};"
                f" PRAGMA user_version = {VERSION}; COMMIT;"
            )
            _sync_directory(path.parent)
        if await pragma(connection, "application_id") != APPLICATION_ID:
            raise StorageFault(
                f"{path} is no lineside file", hint="Move it away, or point edge.data_dir elsewhere"
            )
        version = int(await pragma(connection, "user_version"))
        if version > VERSION:
            raise StorageFault(
                f"{path} was written by a newer lineside (schema {version}, this one knows {VERSION})",
                hint="Start the newer version again",
            )
        await connection.execute("PRAGMA synchronous = FULL")
        if await pragma(connection, "journal_mode") != "wal":
            await connection.execute("PRAGMA journal_mode = WAL")
        mode, sync = await pragma(connection, "journal_mode"), await pragma(connection, "synchronous")
    except sqlite3.Error as error:
        raise unusable(path, error) from error
    if (mode, sync) != ("wal", 2):
        raise StorageFault(
            f"{path} does not run durably (journal_mode={mode}, synchronous={sync})",
            hint="Put edge.data_dir on a local disk that supports WAL, not on a network share",
        )


async def _empty(connection: aiosqlite.Connection) -> bool:
    """Whether nothing was ever put in: a new file, or one whose making a power cut ended."""
    (tables,) = await connection.execute_fetchall("SELECT count(*) FROM sqlite_master")
    return tables[0] == 0 and await pragma(connection, "application_id") == 0


async def pragma(connection: aiosqlite.Connection, name: str) -> int | str:
    """The value of a pragma."""
    async with connection.execute(f"PRAGMA {name}") as cursor:
        row = await cursor.fetchone()
    assert row is not None
    value: int | str = row[0]
    return value


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
