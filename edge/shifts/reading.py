"""Reads what the last shifts came to out of the journals, beside the one who writes them.

It reads from the first event on that was recorded in them; set-aside journals too. Of the types that nothing
is summed of, counters' records for one, only the type is looked at, and that by SQLite.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import msgspec

from edge import epochs
from edge.epochs import Epoch
from edge.events import (
    CountUnattributed,
    OutputReclassified,
    ReviewSettled,
    TimeUnassigned,
    WorkCompleted,
    WorkCorrected,
    WorkReported,
    decode,
    instant,
)
from edge.schema import read_only, unusable
from edge.shifts.book import Book, Place, Row

_TYPES = tuple(
    f"lineside.{fact.type}.v1"
    for fact in (
        WorkReported, WorkCompleted, OutputReclassified, WorkCorrected, TimeUnassigned, CountUnattributed,
        ReviewSettled,
    )
)  # fmt: skip
_MARKS = ", ".join("?" * len(_TYPES))
_FACTS = (
    "SELECT seq, CAST(body AS BLOB) FROM events WHERE seq >= ?"  # noqa: S608 placeholders only
    f" AND body ->> '$.type' IN ({_MARKS}) ORDER BY seq"
)
_NEXT = "SELECT seq, body ->> '$.recordedtime' FROM events WHERE seq >= ? ORDER BY seq LIMIT 1"


class Reading:
    """What was recorded since a moment (UTC ms), read on at every call. Not again after a fault."""

    def __init__(self, journal: Path, since_ms: int) -> None:
        self._journal = journal
        self._since = instant(since_ms)
        self._book = Book()
        self._next: dict[str, int] = {}  # by epoch the first seq that was not looked at

    def rows(self) -> Mapping[Place, Row]:
        """The rows as they are now. Waits for the disk. Raises StorageFault."""
        for one in epochs.listed(self._journal):
            try:
                with closing(sqlite3.connect(read_only(one.path), uri=True, timeout=5)) as db:
                    self._read(db, one)
            except sqlite3.Error as error:
                raise unusable(one.path, error) from error
        return self._book.rows()

    def _read(self, db: sqlite3.Connection, one: Epoch) -> None:
        first = self._next.get(one.epoch) or _first(db, one.head, self._since)
        last = one.head
        for seq, body in db.execute(_FACTS, (first, *_TYPES)):
            last = max(last, seq)
            _take(self._book, body)
        self._next[one.epoch] = last + 1


def _take(book: Book, body: bytes) -> None:
    try:
        book.take(decode(body))
    except msgspec.DecodeError:
        pass  # damaged: whoever proves the journal says so


def _first(db: sqlite3.Connection, head: int, since: str) -> int:
    """The first seq that was recorded then or later; numbers that are forgotten or lost lie before."""
    low, high = 1, head + 1
    while low < high:
        middle = (low + high) // 2
        found = db.execute(_NEXT, (middle,)).fetchone()
        if found is None or found[1] >= since:
            high = middle
        else:
            low = found[0] + 1
    return low
