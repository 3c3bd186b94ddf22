"""masterdata.db: written by sync alone, read by collect while it is in use.

A file of its own: what the ERP sends may be large and come often, and neither may take the room that sync.db
keeps for delivery on a full disk. A delivery is one transaction and begins a generation; it writes only
records that changed. Records of the generations before stay for a while, so that a reader goes on with the
one it knows until it takes up the next: what it looks up belongs together. What is damaged becomes
`masterdata-damaged.db`, and the next delivery is fetched whole.
"""

import asyncio
import sqlite3
import time
from collections.abc import Container, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import aiosqlite
import msgspec

from edge import schema
from edge.faults import Damaged, RestartNeeded
from edge.masterdata.document import invalid, lists, news
from edge.masterdata.portions import Rows
from edge.schema import Schema
from edge.unbroken import unbroken

MASTERDATA = "masterdata.db"
ASIDE = "masterdata-damaged.db"
_KEPT_MS = 60_000  # how long a reader may go on with a generation that is no more the last
_WAL_BYTES = 8 * 2**20  # what the log is cut back to after a large delivery
_DIGESTS = 2000  # of records that are held, looked at in one go
_KEPT = 3  # generations that stay in any case

FORM = Schema("""
CREATE TABLE generations (
    generation INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    etag TEXT                           -- of the delivery that began it
) STRICT;
CREATE TABLE lists (                    -- those that were ever received
    list TEXT PRIMARY KEY,
    digest BLOB NOT NULL                -- SHA-256 of the list as delivered
) STRICT;
CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    list TEXT NOT NULL,
    key TEXT NOT NULL,
    since INTEGER NOT NULL,             -- the generation that brought it
    until INTEGER,                      -- the generation that no longer has it
    digest BLOB NOT NULL,               -- BLAKE2b-128 of it as delivered
    body BLOB NOT NULL                  -- JSON, as parsed and written again
) STRICT;
CREATE UNIQUE INDEX records_keys ON records (list, key, since);
CREATE INDEX records_held ON records (list, digest) WHERE until IS NULL;
CREATE INDEX records_gone ON records (until) WHERE until IS NOT NULL;
CREATE TABLE names (                    -- what else a record of a large list is looked up by
    list TEXT NOT NULL,
    name TEXT NOT NULL,
    record INTEGER NOT NULL,
    PRIMARY KEY (list, name, record)
) STRICT, WITHOUT ROWID;
CREATE INDEX names_records ON names (record);
CREATE TABLE sources (                  -- who delivers, and what it calls the last delivery taken
    source TEXT PRIMARY KEY,
    place TEXT NOT NULL,
    etag TEXT,
    seen_ms INTEGER NOT NULL            -- when it last said that this is its newest
) STRICT;
""")


@dataclass(frozen=True)
class Delivery:
    """A document from a source: the name of an uplink, or of the folder; `place` is its address."""

    body: bytes
    source: str
    place: str
    etag: str | None
    at_ms: int


@dataclass(frozen=True)
class Source:
    """What is known of the last delivery taken from a source."""

    place: str
    etag: str | None
    seen_ms: int


class MasterStore:
    """The only writer. Open it with `async with await MasterStore.open(...)`."""

    def __init__(self, path: Path, connection: aiosqlite.Connection, replaced: str) -> None:
        self.path = path
        self.replaced = replaced  # why what was there is not gone on with
        self._connection = connection
        self._turn = asyncio.Lock()
        self._files = schema.Files(path)

    @classmethod
    async def open(cls, path: Path) -> "MasterStore":
        """Open or create the file; one that cannot be gone on with is set aside. Raises StorageFault."""
        why = await asyncio.to_thread(schema.doubted, path)
        try:
            if why:
                await asyncio.to_thread(move_away, path)
        except OSError as error:
            raise schema.unusable(path, error) from error
        connection = await schema.open_writer(path, FORM)
        await connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
        return cls(path, connection, why)

    async def close(self) -> None:
        """Finish what is being written, then let go of the file."""
        async with self._turn:
            await self._connection.close()

    async def __aenter__(self) -> "MasterStore":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def source(self, name: str) -> Source | None:
        """The last delivery of a source; None where there was none. Raises StorageFault."""
        sql = "SELECT place, etag, seen_ms FROM sources WHERE source = ?"
        async with self._turn:
            try:
                rows = list(await self._connection.execute_fetchall(sql, (name,)))
            except sqlite3.Error as error:
                raise self._unusable(error) from error
        return next((Source(*row) for row in rows), None)

    async def seen(self, name: str, at_ms: int) -> None:
        """The source says that what is held is its newest. Raises StorageFault."""
        async with self._turn:
            try:
                self._files.in_place()
                sql = "UPDATE sources SET seen_ms = ? WHERE source = ?"
                await self._connection.execute(sql, (at_ms, name))
                await self._connection.commit()
            except (sqlite3.Error, Damaged) as error:
                raise self._unusable(error) from error

    async def take(self, delivery: Delivery) -> bool:
        """Take a delivery whole, carried to its end even if the caller is cancelled; whether it is news.

        Raises MasterDataInvalid, StorageFault: then nothing of it is taken.
        """
        return await unbroken(self._take(delivery), "masterdata-take")

    def _unusable(self, error: sqlite3.Error | Damaged) -> Exception:
        """The fault; what is damaged is set aside by the next start."""
        fault = error if isinstance(error, Damaged) else schema.unusable(self.path, error)
        if isinstance(fault, Damaged):
            return RestartNeeded(f"{fault.message}. The next start sets it aside, and it is fetched anew")
        return fault

    async def _take(self, delivery: Delivery) -> bool:
        found = await asyncio.to_thread(_digested, delivery.body)
        async with self._turn:
            try:
                self._files.in_place()
                news = await self._written(delivery, found)
                await self._connection.commit()
            except BaseException as error:
                with suppress(sqlite3.Error):
                    await self._connection.rollback()
                if isinstance(error, sqlite3.Error | Damaged):
                    raise self._unusable(error) from error
                raise
        return news

    async def _written(self, delivery: Delivery, found: Mapping[str, tuple[Rows, bytes]]) -> bool:
        """Write what is new of a delivery, within a transaction."""
        db = self._connection
        await db.execute("BEGIN IMMEDIATE")
        rows = await db.execute_fetchall("SELECT list, digest FROM lists")
        held = {row[0]: row[1] for row in rows}
        changed = {name: rows for name, (rows, digest) in found.items() if held.get(name) != digest}
        last = list(await db.execute_fetchall(_LAST))
        source = (delivery.source, delivery.place, delivery.etag, delivery.at_ms)
        await db.execute("INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?)", source)
        if last and not changed and last[0][1] == delivery.etag:
            return False
        generation = last[0][0] + 1 if last else 1
        await db.execute(
            "INSERT INTO generations VALUES (?, ?, ?)", (generation, delivery.at_ms, delivery.etag)
        )
        for name, listed in changed.items():
            await self._replace(name, listed, generation)
            await db.execute("INSERT OR REPLACE INTO lists VALUES (?, ?)", (name, found[name][1]))
        for sql in _FORGET:
            await db.execute(sql, {"at_ms": delivery.at_ms - _KEPT_MS, "last": generation - _KEPT})
        return True

    async def _replace(self, name: str, rows: Rows, generation: int) -> None:
        """Write the records of a list that changed, came or went; the others are not even read."""
        db, values = self._connection, {"list": name, "generation": generation}
        held: set[bytes] = set()
        async with db.execute(_HELD, values) as cursor:
            while digests := await cursor.fetchmany(_DIGESTS):  # a hundred thousand at once hold up the loop
                held.update(row[0] for row in digests)
        await db.execute("DROP TABLE IF EXISTS temp.incoming")
        await db.execute(_INCOMING)
        await db.executemany(
            "INSERT OR IGNORE INTO temp.incoming VALUES (?, ?, ?, ?)", _rows(name, rows, held)
        )
        await db.execute(_GONE, values)
        for row in await db.execute_fetchall(_TWICE, values):
            raise invalid(f"$.{name} has {row[0].replace(chr(31), ' ')} twice, with different content")
        for sql in _ADD:
            await db.execute(sql, values)


def _digested(body: bytes) -> dict[str, tuple[Rows, bytes]]:
    """The lists of a document, each with its digest. Raises MasterDataInvalid."""
    return {name: (rows, rows.digest()) for name, rows in lists(body).items()}


def _rows(
    name: str, rows: Rows, held: Container[bytes]
) -> Iterator[tuple[bytes, str | None, bytes | None, bytes]]:
    """Digest, key, JSON and names of each record; of those held the digest. Raises MasterDataInvalid."""
    for digest, record in news(name, rows, held):
        if record is None:
            yield digest, None, None, b"[]"
        else:
            yield digest, record.key, msgspec.json.encode(record), msgspec.json.encode([*record.names])


_LAST = "SELECT generation, etag FROM generations ORDER BY generation DESC LIMIT 1"
_HELD = "SELECT digest FROM records WHERE list = :list AND until IS NULL"
_INCOMING = "CREATE TEMP TABLE incoming (digest BLOB PRIMARY KEY, key TEXT, body BLOB, names BLOB NOT NULL)"
_GONE = (
    "UPDATE records SET until = :generation WHERE list = :list AND until IS NULL AND NOT EXISTS"
    " (SELECT 1 FROM temp.incoming AS i WHERE i.digest = records.digest)"
)
# CROSS JOIN: in this order, for what comes has no index by key.
_TWICE = (
    "SELECT i.key FROM temp.incoming AS i CROSS JOIN records AS r ON r.list = :list AND r.key = i.key"
    " WHERE i.key IS NOT NULL AND r.until IS NULL LIMIT 1"
)
_ADD = (
    "INSERT INTO records (list, key, since, digest, body) SELECT :list, key, :generation, digest, body"
    " FROM temp.incoming WHERE key IS NOT NULL",
    "INSERT OR IGNORE INTO names SELECT :list, one.value, r.id FROM temp.incoming AS i"
    " CROSS JOIN records AS r ON r.list = :list AND r.key = i.key AND r.since = :generation"
    " CROSS JOIN json_each(CAST(i.names AS TEXT)) AS one WHERE i.key IS NOT NULL",
    "DROP TABLE temp.incoming",
)
_FORGET = (
    "CREATE TEMP TABLE forgotten AS SELECT id FROM records WHERE until <= min(:last, (SELECT"
    " ifnull(max(generation), 0) FROM generations WHERE at_ms <= :at_ms))",
    "DELETE FROM names WHERE record IN (SELECT id FROM temp.forgotten)",
    "DELETE FROM records WHERE id IN (SELECT id FROM temp.forgotten)",
    "DELETE FROM generations WHERE generation < min(:last, (SELECT ifnull(max(generation), 0)"
    " FROM generations WHERE at_ms <= :at_ms))",
    "DROP TABLE temp.forgotten",
)


def delivered_ms(path: Path) -> int:
    """When the last delivery that a file holds came; 0 where it holds none or cannot be read."""
    try:
        with closing(sqlite3.connect(schema.read_only(path), uri=True, timeout=5)) as db:
            found: int | None = db.execute("SELECT max(at_ms) FROM generations").fetchone()[0]
    except (sqlite3.Error, OSError, UnicodeDecodeError):
        return 0
    return found or 0


def move_away(path: Path) -> None:
    """Put the file where a person finds it; one put there before is overwritten. A folder is kept apart."""
    if path.is_dir():
        path.rename(schema.dated(path, time.time_ns() // 1_000_000))
    aside = path.with_name(ASIDE)
    for suffix in ("", "-wal", "-shm"):
        there, kept = (one.with_name(one.name + suffix) for one in (path, aside))
        if there.exists():
            there.replace(kept)
        else:
            kept.unlink(missing_ok=True)
