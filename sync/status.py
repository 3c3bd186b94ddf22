"""What other processes may know of sync: cursors, quarantine, alerts, receipts. Read-only, plain sqlite3.

A missing file means that sync has never run: everything is empty then.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from edge import alerts, epochs
from edge.alerts import Alert
from edge.events import decode, parse_instant
from edge.readings import Moment
from edge.schema import read_only, unusable
from sync.outcome import sentence


@dataclass(frozen=True)
class UplinkStatus:
    """Where one uplink stands."""

    uplink: str
    epoch: str
    seq: int  # everything through it is settled
    state: str  # shipping, idle, backoff, paused, halted, removed
    detail: str
    hint: str
    since_ms: int
    last_success_ms: int | None
    next_try_ms: int | None
    waiting: int  # in quarantine: rejected
    held: int  # in quarantine: behind a rejected one
    retrying: int  # in quarantine: released, to be sent again


@dataclass(frozen=True)
class Waiting:
    """An event in quarantine."""

    uplink: str
    epoch: str
    seq: int
    id: str
    subject: str | None
    work_order: str | None
    state: str  # waiting, held, retrying, settled
    how: str | None  # of settled: posted, discarded
    at_ms: int  # UTC by sync's clock, since when it is in this state
    body: bytes  # the event
    problem_json: bytes  # empty where held

    @property
    def problem(self) -> Any:
        """Why it was rejected: RFC 9457, or whatever the receiver gave; empty where it is only held."""
        return msgspec.json.decode(self.problem_json or b"{}")

    @property
    def why(self) -> str:
        """The receiver's reason as a sentence for a person; empty where it is only held."""
        return sentence(self.problem)


@dataclass(frozen=True)
class Status:
    """All of it, as last committed."""

    uplinks: tuple[UplinkStatus, ...] = ()
    alerts: tuple[Alert, ...] = ()  # newest first; standing ones and the last cleared


@dataclass(frozen=True)
class Outbox:
    """What a receiver has not settled."""

    events: int
    oldest: Moment | None = None  # when the first of them was recorded

    def age_ms(self, now: Moment) -> int:
        """How long the oldest has waited; at least as long as this boot lasts where no clock can tell."""
        waited_ms = now.elapsed(self.oldest) if self.oldest else 0
        return now.monotonic_ms if waited_ms is None else waited_ms


def load_status(path: Path) -> Status:
    """The state of all uplinks from sync.db. Raises StorageFault."""
    with reading(path) as db:
        if db is None:
            return Status()
        uplinks = db.execute(
            "SELECT u.uplink, u.epoch, u.seq, u.state, u.detail, u.hint, u.since_ms, u.last_success_ms,"
            " u.next_try_ms, count(*) FILTER (WHERE q.state = 'waiting'),"
            " count(*) FILTER (WHERE q.state = 'held'), count(*) FILTER (WHERE q.state = 'retrying')"
            " FROM uplinks AS u LEFT JOIN quarantine AS q ON q.uplink = u.uplink AND q.state <> 'settled'"
            " GROUP BY u.uplink ORDER BY u.uplink"
        )
        found = tuple(UplinkStatus(*row) for row in uplinks)
        return Status(found, alerts.listed(db))


def load_forks(path: Path) -> dict[str, int]:
    """By epoch the first number under which a receiver holds another fact and that it has not got past since.

    Raises StorageFault.
    """
    with reading(path) as db:
        if db is None or db.execute("SELECT 1 FROM sqlite_master WHERE name = 'forks'").fetchone() is None:
            return {}  # of a version that kept none
        return dict(
            db.execute(
                "SELECT forks.epoch, min(forks.seq) FROM forks JOIN uplinks USING (uplink, epoch)"
                " WHERE uplinks.seq < forks.seq AND uplinks.state <> 'removed' GROUP BY forks.epoch"
            )
        )


def load_alerts(path: Path) -> tuple[Alert, ...]:
    """The alerts in journal.db or sync.db. Raises StorageFault."""
    with reading(path) as db:
        return alerts.listed(db) if db is not None else ()


def load_alerts_since(path: Path, since_ms: int) -> tuple[Alert, ...]:
    """Standing alerts in journal.db or sync.db, and those cleared since. Raises StorageFault."""
    with reading(path) as db:
        return alerts.listed_since(db, since_ms) if db is not None else ()


def load_quarantine(path: Path, uplink: str | None = None, limit: int = 1000) -> list[Waiting]:
    """What waits in quarantine, oldest first. Raises StorageFault."""
    with reading(path) as db:
        if db is None:
            return []
        rows = db.execute(
            f"SELECT {_ENTRY} FROM quarantine"  # noqa: S608
            " WHERE state <> 'settled' AND (?1 IS NULL OR uplink = ?1) ORDER BY rowid LIMIT ?2",
            (uplink, limit),
        )
        return [Waiting(*row) for row in rows]


def load_entries(path: Path, ending: str) -> list[Waiting]:
    """What is or was in quarantine of facts whose ids end so, oldest first. Raises StorageFault."""
    with reading(path) as db:
        if db is None or not ending:
            return []
        rows = db.execute(
            f"SELECT {_ENTRY} FROM quarantine WHERE substr(id, ?) = ? ORDER BY rowid",  # noqa: S608
            (-len(ending), ending),
        )
        return [Waiting(*row) for row in rows]


def load_quarantined(path: Path) -> dict[str, int]:
    """By epoch the first seq that waits in quarantine, whoever rejected it. Raises StorageFault."""
    with reading(path) as db:
        if db is None:
            return {}
        rows = db.execute("SELECT epoch, min(seq) FROM quarantine WHERE state <> 'settled' GROUP BY epoch")
        return dict(rows.fetchall())


def load_document(path: Path, uplink: str, epoch: str, seq: int) -> tuple[str | None, str | None] | None:
    """The receiver's document number and posting date of an event; None where it is not posted."""
    with reading(path) as db:
        if db is None or db.execute(_NOT_POSTED, (uplink, epoch, seq)).fetchone():
            return None
        receipts = db.execute(_RECEIPTS, (uplink, epoch, seq, seq)).fetchall()
    for documents, dates in receipts:
        document, date = _of(documents, seq), _of(dates, seq)
        if document or date:
            return document, date
    return (None, None) if receipts else None


def _of(text: str | None, seq: int) -> str | None:
    """What a receipt holds for one event: a JSON text for all, or an object by seq."""
    given = msgspec.json.decode(text or "null", type=dict[str, str] | str | None)
    return given.get(str(seq)) if isinstance(given, dict) else given


def load_outbox(journal: Path, epoch: str, seq: int) -> Outbox:
    """What lies behind a cursor, in its journal and in those that follow it. Raises StorageFault."""
    if not journal.exists():
        return Outbox(0)
    found = epochs.listed(journal)
    at = next((index for index, one in enumerate(found) if one.epoch == epoch), None)
    parts = [
        _behind(one.path, seq if index == 0 and at is not None else 0)
        for index, one in enumerate(found[at or 0 :])
    ]
    oldest = next((part.oldest for part in parts if part.events), None)
    return Outbox(sum(part.events for part in parts), oldest)


def _behind(journal: Path, after: int) -> Outbox:
    with reading(journal) as db:
        if db is None:
            return Outbox(0)
        last = db.execute("SELECT seq FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        first = db.execute(
            "SELECT seq, CAST(body AS BLOB) FROM events WHERE seq > ? ORDER BY seq LIMIT 1", (after,)
        ).fetchone()
        return Outbox(last[0] - first[0] + 1, _recorded(first[1])) if first else Outbox(0)


def _recorded(body: bytes) -> Moment | None:
    """When an event was recorded; None where it cannot be read: the one who sends it says so."""
    try:
        event = decode(body)
    except msgspec.DecodeError:
        return None
    fact, wall_ms = event.data, parse_instant(event.recordedtime)
    if fact.boot_id is None or fact.monotonic_s is None:
        return Moment(wall_ms, 0, "")  # the opening of a journal: of no boot
    return Moment(wall_ms, int(fact.monotonic_s * 1000), fact.boot_id, sound=fact.posting_date is not None)


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """A connection for one look; None where there is no such file, or nothing in it yet."""
    try:
        if not path.exists():
            yield None
            return
        with closing(sqlite3.connect(read_only(path), uri=True, timeout=5)) as db:
            made = db.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
            yield db if made else None
    except (sqlite3.Error, PermissionError, UnicodeDecodeError) as error:
        raise unusable(path, error) from error


_ENTRY = (
    "uplink, epoch, seq, id, subject, work_order, state, how, at_ms,"
    " CAST(body AS BLOB), CAST(problem AS BLOB)"
)
_NOT_POSTED = "SELECT 1 FROM quarantine WHERE uplink = ? AND epoch = ? AND seq = ? AND how IS NOT 'posted'"
_RECEIPTS = (
    "SELECT documents, posting_dates FROM receipts WHERE uplink = ? AND epoch = ?"
    " AND last_seq >= ? AND first_seq <= ? ORDER BY last_seq LIMIT 50"
)
