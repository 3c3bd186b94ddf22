"""How a file of ours is opened, created and brought forward.

`application_id` marks the file, `user_version` counts the steps of its schema. A step only adds, so that the
version before still runs on what this one wrote: it opens a file with more steps than it knows. A change that
older software could not bear starts a new generation (`user_version` // 1000), which older software refuses.
WAL with synchronous=FULL is verified at every opening: a commit that returned is on the disk.
"""

import asyncio
import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import aiosqlite

from edge.faults import Damaged, ForeignFile, NewerFile, StorageFault

APPLICATION_ID = 0x4C494E45  # "LINE"
GENERATION = 0
_STEPS_A_GENERATION = 1000


@dataclass(frozen=True)
class Schema:
    """A file's first form and the steps since; each is SQL that only adds."""

    first: str
    steps: tuple[str, ...] = ()

    def behind(self, found: int) -> list[tuple[int, str]]:
        """What a file of this `user_version` lacks: each version with the step that leads to it."""
        return [(version, step) for version, step in enumerate(self.steps, 2) if version > found]


async def open_writer(
    path: Path, form: Schema, isolation_level: Literal["IMMEDIATE"] | None = "IMMEDIATE"
) -> aiosqlite.Connection:
    """Open or create a file that only this process writes. Raises StorageFault."""
    connection = await _connected(path, aiosqlite.connect(path, isolation_level=isolation_level))
    try:
        await _prepare(connection, path, form)
    except BaseException:
        await connection.close()
        raise
    return connection


async def open_reader(path: Path) -> aiosqlite.Connection:
    """Open a file that another task or process writes. Text comes as bytes. Raises StorageFault."""
    try:
        address = read_only(path)
    except (OSError, sqlite3.Error) as error:
        raise unusable(path, error) from error
    connection = await _connected(path, aiosqlite.connect(address, uri=True, isolation_level=None))
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
    """The address under which SQLite opens a file for reading, whatever characters its name has.

    Raises sqlite3.DatabaseError where opening it would destroy its log, OSError.
    """
    if beheaded(path):
        raise malformed(_BEHEADED)
    return f"{path.absolute().as_uri()}?mode=ro"


class Files:
    """The files of a database that was opened for writing: SQLite goes on in one without a name, silently."""

    def __init__(self, path: Path) -> None:
        self._known = {one: identity(one) for one in (path, path.with_name(path.name + "-wal"))}

    def in_place(self) -> None:
        """What is written now must be found after a restart. Raises Damaged."""
        for path, known in self._known.items():
            found = identity(path)
            if known is None:  # the log, before the first commit
                self._known[path] = found
            elif found != known:
                raise Damaged(
                    f"{path} is not the file any more that is being written: it was deleted, moved or"
                    " replaced, or its disk is gone. Nothing was recorded",
                    hint="Put the files of the data folder back if you can, and restart lineside",
                )


def identity(path: Path) -> tuple[int, int] | None:
    """Which file stands at a path now; None where none can be found."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def beheaded(path: Path) -> bool:
    """Whether a file has lost all its length and its log has not.

    SQLite, for reading too, takes such a log for a leftover and deletes it (pagerOpenWalIfPresent). None of
    ours has a log before its first page is on the disk.
    """
    try:
        return path.stat().st_size == 0 and path.with_name(path.name + "-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


def malformed(why: str) -> sqlite3.DatabaseError:
    """What SQLite raises of a damaged file, for damage that only we can see."""
    error = sqlite3.DatabaseError(why)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


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


_BEHEADED = "it is empty, and the log beside it is not"
# SQLITE_ERROR: the statements fit the schema, so where one does not, the schema is no longer ours.
# SQLITE_TOOBIG: a length that was changed; what we write is far shorter.
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG)


def unusable(path: Path, error: Exception) -> StorageFault:
    """The fault of a file that cannot be used, with what to do about it.

    A UnicodeDecodeError is what Python makes of SQLite's own words, where these quote a damaged schema.
    """
    if is_folder(path):
        return StorageFault(f"{path} cannot be used: it is a folder", hint=MOVED_AWAY)
    text = error.object.decode(errors="replace") if isinstance(error, UnicodeDecodeError) else str(error)
    damage = isinstance(error, UnicodeDecodeError) or code_of(error) in _DAMAGE
    kind = Damaged if damage else StorageFault
    barred = any(part in text for part in ("readonly", "Read-only", "unable to open"))
    if barred and on_read_only(path.parent):
        return StorageFault(f"{path} cannot be used: its file system is read-only", hint=READ_ONLY)
    hints = {
        "not a database": "It is damaged or no file of ours. Restart lineside: it sets it aside and keeps it",
        "readonly": f"Give this user the right to write it: chown -R lineside {path.parent}",
        "unable to open": f"Check that {path.parent} exists and that this user may write there",
        "Permission denied": f"Run this as the user lineside, or let this user read {path.parent}",
        "log beside it": "Start lineside: what the log proves is kept and delivered. Change nothing before",
        "disk is full": "Free space on this disk; nothing of this operation was recorded",
        "malformed": "Restart lineside: it sets a damaged file aside, keeps it, and goes on",
    }
    hint = next(
        (hint for part, hint in hints.items() if part in text), "Check the disk and the file's rights"
    )
    return kind(f"{path} cannot be used: {text}", hint=hint)


MOVED_AWAY = "Move it away, keep it, and start again"
READ_ONLY = (
    "Nothing can be recorded there. A failing disk does that, or how it is mounted: see `dmesg`, then replace"
    " the disk or mount it writable. To a service of systemd every folder is so that its unit does not name"
)


def is_folder(path: Path) -> bool:
    """Whether a folder is there; not, where that cannot be seen."""
    return os.path.isdir(path)  # noqa: PTH112 `Path.is_dir` raises where it cannot be seen


def on_read_only(folder: Path) -> bool:
    """Whether a folder's file system takes no writing, whoever asks."""
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def code_of(error: BaseException) -> int:
    """SQLite's primary result code, 0 where there is none (https://sqlite.org/rescode.html)."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


async def _prepare(connection: aiosqlite.Connection, path: Path, form: Schema) -> None:
    try:
        await connection.execute("PRAGMA busy_timeout = 5000")
        if await _empty(connection):
            await connection.executescript(
                f"PRAGMA journal_mode = WAL; BEGIN; {form.first}; PRAGMA application_id = {APPLICATION_ID};"
                " PRAGMA user_version = 1; COMMIT;"
            )
            sync_directory(path.parent)
        found = int(await pragma(connection, "user_version"))
        _recognised(path, int(await pragma(connection, "application_id")), found)
        await connection.execute("PRAGMA synchronous = FULL")
        if await pragma(connection, "journal_mode") != "wal":
            await connection.execute("PRAGMA journal_mode = WAL")
        for version, step in form.behind(found):
            await connection.executescript(f"BEGIN; {step}; PRAGMA user_version = {version}; COMMIT;")
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


def is_empty(db: sqlite3.Connection) -> bool:
    """Whether nothing was ever put into a file."""
    try:
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except UnicodeDecodeError as error:
        raise malformed(error.object.decode(errors="replace")) from error
    (marked,) = db.execute("PRAGMA application_id").fetchone()
    return (tables, marked) == (0, 0)


def recognised(db: sqlite3.Connection, path: Path) -> None:
    """Raise ForeignFile or NewerFile where this is no file of ours that we can follow."""
    _recognised(
        path, *(db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    )


def _recognised(path: Path, application_id: int, version: int) -> None:
    if application_id != APPLICATION_ID:
        raise ForeignFile(
            f"{path} is no lineside file", hint="Move it away, or point edge.data_dir elsewhere"
        )
    if version // _STEPS_A_GENERATION > GENERATION:
        raise NewerFile(
            f"{path} was written by a newer lineside that this one cannot follow (schema {version})",
            hint="Start the newer version again",
        )


def doubted(path: Path) -> str:
    """What SQLite finds wrong with a file's pages, in words; reads all of it. Raises StorageFault."""
    if is_folder(path):
        return f"{path.name} is a folder"
    try:
        if beheaded(path):
            raise malformed(_BEHEADED)
        # Not for reading only: a power cut in its making leaves a rollback journal, which must be applied.
        with closing(sqlite3.connect(path, timeout=5)) as db:
            if is_empty(db):
                return ""  # a power cut ended its making
            recognised(db, path)
            found = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
            return "" if found == "ok" else f"{path.name} is damaged: {found.strip()}"
    except ForeignFile as foreign:
        return foreign.message
    except sqlite3.Error as error:
        fault = unusable(path, error)
        if not isinstance(fault, Damaged):
            raise fault from error
        return fault.message


async def pragma(connection: aiosqlite.Connection, name: str) -> int | str:
    """The value of a pragma."""
    async with connection.execute(f"PRAGMA {name}") as cursor:
        row = await cursor.fetchone()
    assert row is not None
    value: int | str = row[0]
    return value


def dated(path: Path, now_ms: int, what: str = "damaged") -> Path:
    """The name under which what was found damaged, or else is not used, is kept; nothing is there yet."""
    stem = f"{path.stem}-{what}-{datetime.fromtimestamp(now_ms / 1000, UTC):%Y%m%dT%H%M%SZ}"
    number = 1
    while (found := path.with_name(f"{stem}{f'-{number}' if number > 1 else ''}.db")).exists():
        number += 1
    return found


def move_log(path: Path, target: Path) -> None:
    """A WAL of the old file must never meet the new one: SQLite would put its pages into it."""
    log = path.with_name(path.name + "-wal")
    if log.exists():
        if log.stat().st_size:
            log.rename(target.with_name(target.name + "-wal"))
        else:
            log.unlink()
    path.with_name(path.name + "-shm").unlink(missing_ok=True)


def sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
