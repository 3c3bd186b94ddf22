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

from edge.faults import Damaged
from edge.journal.form import META, identity
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


def set_aside(path: Path) -> dict[str, Path]:
    """By epoch the files that were set aside beside `path`, as their names say. Raises StorageFault."""
    try:
        names = {
            other: _ASIDE.fullmatch(other.name.removeprefix(path.stem)) for other in path.parent.iterdir()
        }
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise unusable(path, error) from error
    return {name[1]: other for other, name in names.items() if name and other.name.startswith(path.stem)}


def survey(path: Path) -> tuple[list[Epoch], dict[Path, Damaged]]:
    """The journals as `listed`, and those that are too damaged to say what they are. Raises StorageFault."""
    sound, damaged = [], {}
    for other in (*set_aside(path).values(), path):
        try:
            sound += [one] if other.exists() and (one := look(other)) else []
        except Damaged as fault:
            damaged[other] = fault
        except OSError as error:
            raise unusable(other, error) from error
    return sorted(sound, key=lambda one: (one.path == path, one.ordinal)), damaged


def _listed(path: Path) -> list[Epoch]:
    found = [one for other in set_aside(path).values() if (one := look(other))]
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
            head = db.execute("SELECT seq FROM events ORDER BY seq DESC LIMIT 1").fetchone()
            if head is None:
                return None
            whose = identity(db.execute(META))
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise unusable(path, error) from error
    return Epoch(whose.epoch, path, whose.ordinal, head[0], whose.source, whose.missing, whose.pruned)
