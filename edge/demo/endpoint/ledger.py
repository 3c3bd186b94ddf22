"""The books: every event seen, what became of it, and under which document number.

Invariants: a batch is one transaction under `synchronous=FULL`, and nothing is answered before its COMMIT;
document numbers are gapless; a rejected event's seq and chain are remembered as seen, so that the next event
can be checked, but it is not posted. All work runs on one thread, which owns the connection.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

from edge.demo.endpoint.booking import Booking
from edge.demo.endpoint.examine import Item
from edge.events import Event, decode
from edge.masterdata import MasterData

P = ParamSpec("P")
T = TypeVar("T")

SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    id TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    seq INTEGER NOT NULL,
    type TEXT NOT NULL,
    chain TEXT NOT NULL,        -- as claimed
    status TEXT NOT NULL CHECK (status IN ('accepted', 'rejected')),
    document INTEGER UNIQUE,    -- NULL: evidence, or rejected
    posting_date TEXT,          -- where it was posted, which may be later than its own
    work_order TEXT,
    corrects TEXT,
    caused_by TEXT,
    problem TEXT,               -- JSON, of a rejected one
    received_ms INTEGER NOT NULL,
    body BLOB NOT NULL,         -- canonical, without chain
    UNIQUE (source, seq)
) STRICT;
CREATE INDEX IF NOT EXISTS event_by_order ON event (work_order, status) WHERE work_order IS NOT NULL;
CREATE INDEX IF NOT EXISTS event_by_correction ON event (corrects) WHERE corrects IS NOT NULL;
CREATE INDEX IF NOT EXISTS event_by_cause ON event (caused_by) WHERE caused_by IS NOT NULL;
CREATE TABLE IF NOT EXISTS source (
    source TEXT PRIMARY KEY,
    last_seq INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    rejected INTEGER NOT NULL,  -- held and not posted
    duplicates INTEGER NOT NULL,
    refused INTEGER NOT NULL    -- a seq or an id that is held with another content
) STRICT;
CREATE TABLE IF NOT EXISTS refusal (
    id TEXT NOT NULL,
    source TEXT NOT NULL,
    seq INTEGER NOT NULL,
    problem TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    PRIMARY KEY (source, seq, id)
) STRICT;
CREATE TABLE IF NOT EXISTS step (  -- clock.stepped: dates for what was recorded without one
    source TEXT NOT NULL,
    from_seq INTEGER NOT NULL,
    to_seq INTEGER NOT NULL,
    posting_date TEXT NOT NULL
) STRICT;
"""
COLUMNS = (
    "id, source, seq, type, chain, status, document, posting_date, work_order, corrects, caused_by, "
    "problem, received_ms, body"
)


class Row(NamedTuple):
    """An event as held."""

    id: str
    source: str
    seq: int
    type: str
    chain: str
    status: str
    document: int | None
    posting_date: str | None
    work_order: str | None
    corrects: str | None
    caused_by: str | None
    problem: str | None
    received_ms: int
    body: bytes

    def event(self) -> Event:
        """The event itself, without its chain."""
        return decode(self.body)


class Source(NamedTuple):
    """A journal and what came of its events."""

    source: str
    last_seq: int
    accepted: int
    rejected: int  # held and not posted
    duplicates: int
    refused: int

    @property
    def missing(self) -> int:
        """How many seqs up to the last are not held."""
        return self.last_seq - self.accepted - self.rejected


class Refusal(NamedTuple):
    """An event that was not even held: its place is taken."""

    id: str
    source: str
    seq: int
    problem: str
    received_ms: int


class Ledger:
    """The file. `run` brings work to the one thread that may touch it."""

    def __init__(self, path: Path) -> None:
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._db = self._thread.submit(_open, path).result()

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of work done on the ledger's thread; once begun it ends, also when the caller leaves."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: work(*args, **kwargs))

    def call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for a caller on another thread, which waits."""
        return self._thread.submit(work, *args, **kwargs).result()

    def close(self) -> None:
        """Wait for what runs, then close the file."""
        self._thread.submit(self._db.close).result()
        self._thread.shutdown()

    def take(self, items: Sequence[Item], masterdata: MasterData) -> list[dict[str, Any]]:
        """Judge and book a batch in one transaction; the results in the same order."""
        with self._transaction():
            return Booking(self._db, masterdata).results(items)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:  # a full disk may have rolled it back already
                self._db.execute("ROLLBACK")

    @property
    def last_document(self) -> int:
        """The newest document number; 0 before the first."""
        return int(self._db.execute("SELECT ifnull(max(document), 0) FROM event").fetchone()[0])

    def sources(self) -> list[Source]:
        """Every journal that was heard of, oldest first."""
        found = self._db.execute(
            "SELECT source, last_seq, accepted, rejected, duplicates, refused FROM source ORDER BY rowid"
        )
        return [Source._make(row) for row in found]

    def gaps(self, source: str, from_seq: int, to_seq: int) -> Iterator[range]:
        """The seqs of a range that are not held, as ranges in order."""
        expected = from_seq
        for (seq,) in self._db.execute(
            "SELECT seq FROM event WHERE source = ? AND seq BETWEEN ? AND ? ORDER BY seq",
            (source, from_seq, to_seq),
        ):
            if seq > expected:
                yield range(expected, seq)
            expected = seq + 1
        if to_seq >= expected:
            yield range(expected, to_seq + 1)

    def refusals(self) -> list[Refusal]:
        """What was refused because another content is held under its seq or id, newest first."""
        found = self._db.execute(
            "SELECT id, source, seq, problem, received_ms FROM refusal ORDER BY received_ms DESC LIMIT 100"
        )
        return [Refusal._make(row) for row in found]

    def counts_by_order(self) -> dict[str, dict[str, int]]:
        """Per work order how many events are accepted and rejected."""
        counts: dict[str, dict[str, int]] = {}
        for order, status, count in self._db.execute(
            "SELECT work_order, status, count(*) FROM event WHERE work_order IS NOT NULL GROUP BY 1, 2"
        ):
            counts.setdefault(order, {})[status] = count
        return counts

    def documents_of(self, work_order: str) -> list[Row]:
        """What was posted for a work order, corrections that name none included, by document number."""
        return list(
            self.rows(
                """WHERE document IS NOT NULL AND id IN (
                    SELECT id FROM event WHERE work_order = ?1
                    UNION SELECT id FROM event
                    WHERE corrects IN (SELECT id FROM event WHERE work_order = ?1)
                ) ORDER BY document""",
                work_order,
            )
        )

    def rows(self, where: str, *values: str | int | None) -> Iterator[Row]:
        """Events as held. `where` is SQL of this package, values are bound."""
        found = self._db.execute(f"SELECT {COLUMNS} FROM event {where}", values)  # noqa: S608
        return (Row._make(row) for row in found)


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, timeout=5)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.executescript(SCHEMA)
    return db
