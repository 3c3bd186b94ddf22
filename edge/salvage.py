"""What a damaged journal still proves, taken out into a sound file.

An event proves itself: its chain is the SHA-256 over the chain before it and its own canonical form. So
events are looked for page by page, whatever has become of the tables around them; pages are those of the last
commit, from the file or its WAL. An event too long for a page is asked for through SQLite. What follows on
nothing proves nothing: it stays in the damaged file, which is kept as it is.
"""

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path

from edge import wal
from edge.events import chain_of, chains
from edge.journal import FORM
from edge.schema import APPLICATION_ID, read_only

_EVENT = re.compile(
    rb'\{"chain":"[0-9a-f]{64}","data":\{.*?"sequence":"([0-9]{20})","source":"([^"]+)",'
    rb'.*?"type":"lineside\.[a-z_.]+\.v[0-9]+"\}',
    re.DOTALL,
)
_EVENT_BEGIN = b'{"chain":"'
_ASKED_MAX = 10_000  # events that SQLite is asked for one by one
_PROBED = 50  # of them behind the last one, where nobody knows the end
# A row WITHOUT ROWID that is longer than a quarter of a page spills into a page of its own: with pages of
# 4096 bytes the scratch file grew to five times the journal. Events found whole are no longer than that.
_SCRATCH_PAGE = 16_384
_SCRATCH = """
CREATE TABLE found (seq INTEGER NOT NULL, source TEXT NOT NULL, chain TEXT NOT NULL, body BLOB NOT NULL,
                    PRIMARY KEY (source, seq, chain, body)) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Proven:
    """What was taken out."""

    source: str
    first: int
    last: int
    events: int
    missing: str  # "12-15,40", "301-" where nobody knows how far it went on; empty where nothing is

    @property
    def epoch(self) -> str:
        return self.source.rpartition(":")[2]


@dataclass(frozen=True)
class _Told:
    """What SQLite still says of a damaged file."""

    head: int | None = None
    pruned: int = 0
    snapshot: tuple[int, str, str] | None = None


def salvage(path: Path, target: Path, open_end: bool = False) -> Proven | None:
    """Write what the journal at `path` proves into the new file `target`; None where it proves nothing.

    `open_end`: it is known that nobody knows how far it went on. `target` is a journal of the same epoch,
    with gaps where something is missing. About 50 µs an event. It needs `room` beside the journal.
    """
    target.unlink(missing_ok=True)
    scratch = target.with_name(target.name + ".scratch")
    scratch.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(scratch, isolation_level=None)) as db:
            db.executescript(
                f"PRAGMA page_size = {_SCRATCH_PAGE}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                f" BEGIN; {_SCRATCH}"
            )
            log = wal.read(path.with_name(path.name + "-wal"))
            for page in _pages(path, log):
                db.executemany(_FOUND, _events(page))
            source = _source(db)
            if source is None:
                return None
            told = _ask(db, path, source)
            return _write(db, target, source, told, open_end or log.lost)
    finally:
        scratch.unlink(missing_ok=True)


def room(path: Path) -> int:
    """Bytes that salvage needs for its scratch file and what it writes, at most."""
    log = path.with_name(path.name + "-wal")
    held = sum(one.stat().st_size for one in (path, log) if one.exists())
    return held * 5 // 2 + 1_000_000


def _pages(path: Path, log: wal.Log) -> Iterator[bytes]:
    """Each page as it was last committed."""
    if log.pages or log.behind:
        with path.with_name(path.name + "-wal").open("rb") as file:
            for offset in (*log.pages.values(), *log.behind):
                file.seek(offset)
                yield file.read(log.page_size)
    size = log.page_size if log.pages else wal.page_size_of(path) or log.page_size
    with suppress(FileNotFoundError), path.open("rb") as file:
        number = 0
        while page := file.read(size):
            number += 1
            if number not in log.pages:
                yield page


def _events(page: bytes) -> Iterator[tuple[int, str, str, bytes]]:
    at = page.find(_EVENT_BEGIN)
    while at >= 0:
        # An event whose end is destroyed must not swallow the one behind it.
        following = page.find(_EVENT_BEGIN, at + 1)
        found = _EVENT.match(page, at, following if following >= 0 else len(page))
        if found:
            body = found.group()
            with suppress(UnicodeDecodeError):
                yield int(found[1]), found[2].decode(), chain_of(body), body
        at = following


def _source(db: sqlite3.Connection) -> str | None:
    """The journal that most of the events belong to."""
    counts = Counter(dict(db.execute("SELECT source, count(*) FROM found GROUP BY source")))
    return counts.most_common(1)[0][0] if counts else None


def _ask(db: sqlite3.Connection, path: Path, source: str) -> _Told:
    """Ask SQLite for what no page gave whole, and for what it says of the file."""
    told = _Told()
    with (
        suppress(sqlite3.Error, UnicodeDecodeError),
        closing(sqlite3.connect(read_only(path), uri=True, timeout=5)) as damaged,
    ):
        with suppress(sqlite3.Error):
            row = damaged.execute("SELECT value FROM meta WHERE key = 'pruned'").fetchone()
            told = replace(told, pruned=int(row[0]) if row else 0)
        with suppress(sqlite3.Error):
            told = replace(told, head=damaged.execute("SELECT max(seq) FROM events").fetchone()[0])
        with suppress(sqlite3.Error):
            row = damaged.execute("SELECT seq, version, state FROM snapshot").fetchone()
            told = replace(told, snapshot=row)
        for seq in list(islice(_gaps(db, source, told), _ASKED_MAX)):
            with suppress(sqlite3.Error):
                row = damaged.execute(
                    "SELECT CAST(body AS BLOB) FROM events WHERE seq = ?", (seq,)
                ).fetchone()
                db.executemany(_FOUND, _events(row[0]) if row else ())
    return told


def _gaps(db: sqlite3.Connection, source: str, told: _Told) -> Iterator[int]:
    """Numbers that were not found, a few behind the last one included where the end is not known."""
    before = told.pruned
    for (seq,) in db.execute(
        "SELECT DISTINCT seq FROM found WHERE source = ? AND seq > ? ORDER BY seq", (source, before)
    ):
        yield from range(before + 1, seq)
        before = seq
    yield from range(before + 1, (told.head or before + _PROBED) + 1)


def _write(db: sqlite3.Connection, target: Path, source: str, told: _Told, open_end: bool) -> Proven | None:
    missing: list[str] = []
    first = last = events = 0
    with closing(sqlite3.connect(target, isolation_level=None)) as new:
        new.executescript(
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1; PRAGMA synchronous = FULL;"
            f" BEGIN; {FORM.first}"
        )
        for seq, body in _proven(db, source, told.pruned):
            if seq > max(last, told.pruned) + 1:
                missing.append(span(max(last, told.pruned) + 1, seq - 1))
            new.execute("INSERT INTO events VALUES (?, ?)", (seq, body.decode()))
            first, last, events = first or seq, seq, events + 1
        if not events:
            return None
        (seen,) = db.execute("SELECT max(seq) FROM found WHERE source = ?", (source,)).fetchone()
        seen = max(seen, told.head or 0)
        if told.head is None or open_end:
            missing.append(f"{last + 1}-")
        elif seen > last:
            missing.append(span(last + 1, seen))
        _, _, site, edge, epoch = source.split(":")
        gone = ",".join(missing)
        meta = {"epoch": epoch, "site": site, "edge": edge, "pruned": str(told.pruned), "missing": gone}
        new.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        if told.snapshot is not None and told.snapshot[0] <= last:
            with suppress(sqlite3.Error):
                new.execute("INSERT INTO snapshot VALUES (1, ?, ?, ?)", told.snapshot)
        new.execute("COMMIT")
    return Proven(source, first, last, events, gone)


def _proven(db: sqlite3.Connection, source: str, pruned: int) -> Iterator[tuple[int, bytes]]:
    """Each event that follows on the chain of the one before it, and the one that a pruned journal keeps."""
    rows = db.execute(
        "SELECT seq, chain, body FROM found WHERE source = ? AND seq >= ? ORDER BY seq", (source, pruned)
    )
    before: list[str] = []  # the chains that were found under the number before
    number = 0
    for seq, several in groupby(rows, key=lambda row: row[0]):
        forms = list(several)
        before = [*before, ""] if seq == 1 else before if seq == number + 1 else []
        for _, _, body in forms:
            if seq == pruned or any(chains(body, one) for one in before):
                yield seq, body
                break
        number, before = seq, [chain for _, chain, _ in forms]


def span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


_FOUND = "INSERT OR IGNORE INTO found VALUES (?, ?, ?, ?)"
