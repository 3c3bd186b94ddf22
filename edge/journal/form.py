"""The form of journal.db, and what both sides of it read.

A stored event is the event as it goes out, so that shipping is concatenation and verifying needs no parser.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edge import alerts
from edge.alerts import Alert
from edge.events import Draft, Event
from edge.schema import Schema, malformed

FORM = Schema(
    """
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
""",
    steps=(alerts.TABLE,),
)

# Where a page is damaged, a body may be anything that SQLite knows, NULL too. Not "seq > ?": that would look
# for the page of the event before, which may be the damaged one.
READ = "SELECT seq, COALESCE(CAST(body AS BLOB), x'') FROM events WHERE seq >= ? + 1 ORDER BY seq LIMIT ?"
META = "SELECT CAST(key AS BLOB), CAST(value AS BLOB) FROM meta"
# Events with the time of recording, where that can be right: no fact of a clock that was not believed then
# (it has no posting date), none from before this software, none from behind now.
DATED = """
SELECT seq, body ->> '$.recordedtime' AS recorded FROM events
WHERE seq >= ? AND seq < ? AND recorded BETWEEN '2025-01-01' AND ?
  AND (body ->> '$.data.monotonic_s' IS NULL OR body ->> '$.data.posting_date' IS NOT NULL)
"""
SNAPSHOT = "SELECT seq, CAST(version AS BLOB), CAST(state AS BLOB) FROM snapshot"


@dataclass(frozen=True)
class Snapshot:
    """The folded state after event `seq`."""

    seq: int
    version: str
    state: bytes


def snapshot_of(rows: Iterable[sqlite3.Row]) -> Snapshot | None:
    """What `SNAPSHOT` found."""
    return next((Snapshot(seq, version.decode(), state) for seq, version, state in rows), None)


@dataclass(frozen=True)
class Identity:
    """What a journal says of itself."""

    epoch: str
    source: str
    ordinal: int  # the place of its epoch among those of this edge
    pruned: int  # what lies before this seq was forgotten in order
    missing: str  # what could not be saved of it: "12-15,40", "301-"


def meta_of(rows: Iterable[sqlite3.Row]) -> dict[str, str]:
    """What `META` found. Raises sqlite3.DatabaseError where that is no text."""
    try:
        return {bytes(key).decode(): bytes(value).decode() for key, value in rows}
    except (TypeError, ValueError) as error:
        raise malformed(_MALFORMED) from error


def identity(rows: Iterable[sqlite3.Row]) -> Identity:
    """What `META` found. Raises sqlite3.DatabaseError where that does not say whose it is."""
    return identity_of(meta_of(rows))


def identity_of(meta: Mapping[str, str]) -> Identity:
    """What `meta_of` found. Raises as `identity`."""
    try:
        source = f"urn:lineside:{meta['site']}:{meta['edge']}:{meta['epoch']}"
        ordinal, pruned = int(meta.get("ordinal", "1")), int(meta.get("pruned", "0"))
    except (KeyError, ValueError) as error:
        raise malformed(_MALFORMED) from error
    return Identity(meta["epoch"], source, ordinal, pruned, meta.get("missing", ""))


_MALFORMED = "the table that says whose it is, is malformed"


class Log(Protocol):
    """What the stations need of a journal: a replay gives them one in memory."""

    @property
    def path(self) -> Path: ...
    @property
    def epoch(self) -> str: ...
    @property
    def head(self) -> int: ...
    @property
    def pruned(self) -> int: ...

    async def append(self, drafts: Sequence[Draft]) -> tuple[Event, ...]: ...
    async def read_after(self, seq: int, limit: int) -> list[tuple[int, bytes]]: ...
    async def snapshot(self) -> Snapshot | None: ...
    async def save_snapshot(self, snapshot: Snapshot) -> None: ...
    async def note(self, sql: str, *values: object) -> None: ...
    async def standing(self) -> tuple[Alert, ...]: ...
