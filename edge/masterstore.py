"""Where master data is kept: one row a list in sync.db, written by sync, read by collect."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from edge.faults import MasterDataInvalid
from edge.masterdata import LISTS, Document, MasterData
from edge.schema import read_only, unusable

_types = {field.name: field.type for field in msgspec.structs.fields(Document)}

TABLE = """
CREATE TABLE IF NOT EXISTS masterdata (
    list TEXT PRIMARY KEY,
    etag TEXT,
    fetched_ms INTEGER NOT NULL,
    body BLOB NOT NULL          -- JSON array, as parsed and written again
) STRICT
"""


def rows(
    document: Document, etag: str | None, fetched_ms: int
) -> Iterator[tuple[str, str | None, int, bytes]]:
    """The rows of table `masterdata` for the lists that the document names."""
    for name in LISTS:
        held = getattr(document, name)
        if held is not None:
            yield name, etag, fetched_ms, msgspec.json.encode(held)


def version(path: Path) -> tuple[tuple[str, int], ...]:
    """What tells one state of the held master data from another; cheap enough to ask every second."""
    return tuple(
        (name, fetched_ms) for name, fetched_ms in _select(path, "SELECT list, fetched_ms FROM masterdata")
    )


def load(path: Path) -> MasterData:
    """What sync.db holds; empty where there is no such file or table yet.

    Raises StorageFault, MasterDataInvalid.
    """
    found = _select(path, "SELECT list, etag, fetched_ms, body FROM masterdata")
    try:
        lists: dict[str, Any] = {
            name: msgspec.json.decode(body, type=_types[name]) for name, _, _, body in found if name in _types
        }
    except msgspec.DecodeError as error:
        raise MasterDataInvalid(
            f"{path} holds master data that cannot be read: {error}", hint="sync's next delivery replaces it"
        ) from error
    newest = max(found, key=lambda row: row[2], default=None)
    return MasterData(Document(**lists), newest[1] if newest else None, newest[2] if newest else None)


def _select(path: Path, sql: str) -> list[Any]:
    try:
        if not path.exists():
            return []
        with closing(sqlite3.connect(read_only(path), uri=True, timeout=5)) as connection:
            return connection.execute(sql).fetchall()
    except (sqlite3.Error, PermissionError) as error:
        if "no such table" in str(error):  # sync has not made it yet
            return []
        raise unusable(path, error) from error
