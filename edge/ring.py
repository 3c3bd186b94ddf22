"""samples.db: the last raw scans and readings as evidence, bounded by bytes; the oldest make room.

Only evidence: WAL with synchronous=NORMAL (a power cut may take the last seconds), one transaction a batch. A
file that is damaged or somebody else's is set aside, and a new one begun; nothing here may stop the line.
"""

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from edge.schema import APPLICATION_ID, read_only, unusable

SAMPLES = "samples.db"
ASIDE = "samples-damaged.db"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_STEP_ROWS = 500  # removed by one statement
_STEPS = 40  # at a batch: more than it can bring
_MARGIN_PAGES = 64  # what a batch may take before room is made for it
_VACUUM_PAGES = 1024  # given back to the disk at a batch, where samples_mib was lowered
_CACHE_KIB = 256


class Sample(NamedTuple):
    """A scan with its verdict, a reading that changed, or what a number did within a minute."""

    at_ms: int  # UTC
    kind: str  # scan, unreadable, edge, span
    device: str
    name: str  # the station of a scan, the tag of a reading
    value: int | float | str | bytes | None  # of a span: the last
    verdict: str  # a scan's result, why it is unreadable, a reading's quality
    until_ms: int | None = None
    low: int | float | str | None = None
    high: int | float | str | None = None
    reads: int | None = None


_FORM = f"""
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE samples (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,             -- UTC
    kind TEXT NOT NULL,                 -- scan, unreadable, edge (a reading that changed), span
    device TEXT NOT NULL,
    name TEXT NOT NULL,                 -- the station of a scan, the tag of a reading
    value ANY,                          -- of a span: the last
    verdict TEXT NOT NULL,              -- a scan's result, why it is unreadable, a reading's quality
    until_ms INTEGER,                   -- of a span, with the lowest and highest value and how many were read
    low ANY,
    high ANY,
    reads INTEGER
) STRICT;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = 1;
COMMIT;
"""
_COLUMNS = ", ".join(Sample._fields)
_INSERT = f"INSERT INTO samples ({_COLUMNS}) VALUES ({', '.join('?' * len(Sample._fields))})"  # noqa: S608
_REMOVE = "DELETE FROM samples WHERE id < (SELECT min(id) FROM samples) + ?"


class Ring:
    """The writer. Its methods wait for the disk: call them in a thread."""

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self.replaced = ""  # why a file was set aside; the caller takes note and empties it
        self._path = path
        self._limit = limit_bytes
        self._db: sqlite3.Connection | None = None
        self._turn = threading.Lock()  # a cancelled caller's thread may still be at work

    @property
    def aside(self) -> Path:
        """Where a damaged file is put; the one before is overwritten."""
        return self._path.with_name(ASIDE)

    def write(self, samples: Sequence[Sample]) -> None:
        """Append, and make room. Raises sqlite3.Error, OSError: then nothing of it is kept."""
        with self._turn:
            try:
                self._write(samples)
            except sqlite3.DatabaseError as error:
                self._close()
                if not _damaged(error):
                    raise
                self._set_aside(str(error))
                self._write(samples)

    def close(self) -> None:
        """Let go of the file."""
        with self._turn:
            self._close()

    def _write(self, samples: Sequence[Sample]) -> None:
        db = self._db = self._db or self._opened()
        with db:
            db.execute("BEGIN IMMEDIATE")
            self._make_room(db)
            db.executemany(_INSERT, samples)
        if _pragma(db, "page_count") > self._pages(db):
            # One step of this statement frees one page; `execute` would take only the first.
            db.executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")

    def _opened(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=1, isolation_level=None, check_same_thread=False)
        try:
            (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if not tables:
                db.executescript(_FORM)
            if _pragma(db, "application_id") != APPLICATION_ID:
                error = sqlite3.DatabaseError("it is no lineside file")
                error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
                raise error
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        except BaseException:
            db.close()
            raise
        return db

    def _make_room(self, db: sqlite3.Connection) -> None:
        limit = self._pages(db) - _MARGIN_PAGES
        for _ in range(_STEPS):
            if _pragma(db, "page_count") - _pragma(db, "freelist_count") <= limit:
                return
            db.execute(_REMOVE, (_STEP_ROWS,))

    def _pages(self, db: sqlite3.Connection) -> int:
        return self._limit // _pragma(db, "page_size")

    def _set_aside(self, why: str) -> None:
        for suffix in ("", "-wal", "-shm"):
            there, aside = (path.with_name(path.name + suffix) for path in (self._path, self.aside))
            if there.exists():
                there.replace(aside)
            else:
                aside.unlink(missing_ok=True)
        self.replaced = why

    def _close(self) -> None:
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None


def last_samples(path: Path, number: int, device: str | None = None) -> list[Sample]:
    """The last samples, oldest first; none where there is no file. Raises StorageFault."""
    try:
        if not path.exists():
            return []
        with closing(sqlite3.connect(read_only(path), uri=True, timeout=5)) as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM samples WHERE ?1 IS NULL OR device = ?1"  # noqa: S608
                " ORDER BY id DESC LIMIT ?2",
                (device, number),
            ).fetchall()
    except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
        raise unusable(path, error) from error
    return [Sample(*row) for row in reversed(rows)]


def _damaged(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def _pragma(db: sqlite3.Connection, name: str) -> int:
    value: int = db.execute(f"PRAGMA {name}").fetchone()[0]
    return value
