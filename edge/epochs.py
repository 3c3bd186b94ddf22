"""The journals of this edge: the current one, and those set aside, in the order in which they were written.

A journal set aside is called `journal-<epoch>.db` and never written again. What was damaged is kept as it was
found under `journal-damaged-<when>.db`, and a copy that holds no more than the journal set aside does as
`journal-<epoch>-copy-<when>.db`; nothing reads them again.
"""

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from edge.schema import read_only, unusable

_ASIDE = re.compile(r"-([0-9a-f]{16})\.db")


@dataclass(frozen=True)
class Epoch:
    """One journal."""

    epoch: str
    path: Path
    ordinal: int
    head: int  # its last seq when it was looked at
    source: str
    missing: str  # what could not be saved of it: "12-15,40", "301-"
    pruned: int = 0  # what lies before this seq was forgotten in order


def aside(path: Path, epoch: str) -> Path:
    """Where the journal at `path` goes when it is set aside."""
    return path.with_name(f"{path.stem}-{epoch}.db")


def listed(path: Path) -> list[Epoch]:
    """The journals beside `path`, oldest first, the current one last. Raises StorageFault."""
    try:
        return _listed(path)
    except OSError as error:
        raise unusable(path, error) from error


def _listed(path: Path) -> list[Epoch]:
    found = [
        one
        for other in path.parent.glob(f"{path.stem}-*.db")
        if _ASIDE.fullmatch(other.name.removeprefix(path.stem)) and (one := look(other))
    ]
    found.sort(key=lambda one: (one.ordinal, one.path.stat().st_mtime))
    current = look(path) if path.exists() else None
    return [one for one in found if current is None or one.epoch != current.epoch] + (
        [current] if current else []
    )


def look(path: Path) -> Epoch | None:
    """What a journal says of itself; None while it is being made. Raises StorageFault."""
    try:
        with closing(sqlite3.connect(read_only(path), uri=True, timeout=5)) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
                return None
            meta = dict(db.execute("SELECT key, value FROM meta"))
            head = db.execute("SELECT seq FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    except sqlite3.Error as error:
        raise unusable(path, error) from error
    if "epoch" not in meta or head is None:
        return None
    source = f"urn:lineside:{meta['site']}:{meta['edge']}:{meta['epoch']}"
    ordinal = int(meta.get("ordinal", "1"))
    pruned = int(meta.get("pruned", "0"))
    return Epoch(meta["epoch"], path, ordinal, head[0], source, meta.get("missing", ""), pruned)
