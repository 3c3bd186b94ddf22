"""What a certificate says, how sync keeps it and how others read it.

A certificate is never changed: a range that is compared again gets another one, and the latest counts.
"""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiosqlite
import msgspec

from sync.comparison import Difference, counted, understood
from sync.heldback import Discarded, Held
from sync.status import reading
from sync.tally import Report

ASKED = "asked"  # a person's comparison; else a shift or a day names the occasion; a consumer's has none
LOST = "lost"  # what only the receiver holds: the journal has lost it since
FORGOTTEN = "forgotten"  # never delivered, and not here any more
_ANSWER_MAX = 64 * 1024  # characters kept of what a receiver answered
_LISTED = 1000


class Counts(msgspec.Struct, frozen=True):
    """A range's four figures side by side."""

    scanned: int | None  # scans that were answered as recorded; None: that evidence is not kept any more
    stored: int  # facts in the journal
    sent: int  # facts that the receiver was offered
    posted: int  # of them, facts that it answered as accepted; `Certificate.posted` is its word when compared
    discarded: int = 0  # facts that it rejected, and that stay away by a person's decision


class Findings(msgspec.Struct, frozen=True):
    """What was found beside the figures."""

    counts: Counts
    from_ms: int = 0  # UTC, when the range's first fact was recorded
    to_ms: int = 0
    missing: tuple[int, ...] = ()
    resent: int = 0  # of the missing, how many were put up for sending again before
    absurd: int = 0
    differences: tuple[Difference, ...] = ()
    held_back: tuple[Held, ...] = ()
    waiting: int = 0  # facts in quarantine when it was made, wherever they lie
    discarded: tuple[Discarded, ...] = ()  # the first of them, by name
    written_off: tuple[Held, ...] = ()  # what all of them are worth


class Certificate(msgspec.Struct, frozen=True):
    """A stored reconciliation."""

    id: int  # 0: not stored
    uplink: str
    epoch: str
    occasion: str
    at_ms: int  # UTC
    match: bool
    report: Report
    findings: Findings

    @property
    def missing(self) -> tuple[int, ...]:
        """Seqs that the receiver does not hold though it should."""
        return self.findings.missing

    @property
    def differences(self) -> tuple[Difference, ...]:
        return self.findings.differences

    @property
    def posted(self) -> int:
        """Facts that the receiver holds by its own word: its count, else what it took and does not miss."""
        said = counted(self.differences)
        return self.findings.counts.posted - len(self.missing) if said is None else said

    @property
    def unposted(self) -> int:
        """Facts of the journal that it does not hold, as far as is known: by name, or because its count lacks
        so many.
        """
        return max(self._named, self.findings.counts.stored - self.posted)

    @property
    def unnamed(self) -> int:
        """How many of them nobody can name, nor say what they are worth."""
        return self.unposted - self._named

    @property
    def surplus(self) -> int:
        """How many facts it says it holds that it cannot have from here."""
        return self.posted - (self.findings.counts.stored - self.unposted)

    @property
    def only_discarded(self) -> bool:
        """Whether all of the range agrees but for what a person discarded: it will never match better."""
        settled = 0 < self.findings.counts.discarded == len(self.report.excluded)
        amiss = self.missing or self.differences or self.occasion in (LOST, FORGOTTEN)
        return not self.match and settled and not amiss

    @property
    def undecided(self) -> list[int]:
        """Seqs that are not posted and that nobody discarded, as far as that is known: what was discarded is
        named in order, and of what lies behind the last name nobody can tell.
        """
        named = {one.seq for one in self.findings.discarded}
        all_named = len(named) >= self.findings.counts.discarded
        told = self.report.to_seq if all_named else max(named, default=0)
        return [seq for seq in self.report.excluded if seq <= told and seq not in named]

    @property
    def undecided_count(self) -> int:
        """How many they are, named or not."""
        return max(0, len(self.report.excluded) - self.findings.counts.discarded)

    @property
    def _named(self) -> int:
        counts = self.findings.counts
        return max(0, counts.stored - counts.posted + len(self.missing))

    @property
    def span(self) -> tuple[str, int, int]:
        """Epoch, first and last seq."""
        return self.epoch, self.report.from_seq, self.report.to_seq


class Standing(msgspec.Struct, frozen=True):
    """How far a receiver's word is proven."""

    at_ms: int  # UTC, when it was compared last
    unproven: int  # ranges whose latest certificate does not match


async def keep(connection: aiosqlite.Connection, made: Certificate, answer: bytes) -> Certificate:
    """Store a certificate within a transaction, with what the receiver answered; as it is stored now.

    One that says what the latest of its range says is not stored again: that one stands.
    """
    report, findings = (msgspec.json.encode(one).decode() for one in (made.report, made.findings))
    text = answer.decode("utf-8", "replace")[:_ANSWER_MAX]
    where = (made.uplink, *made.span)
    same = (made.match, report, findings, made.occasion != "")
    async with connection.execute(_LATEST, where) as found:
        latest = await found.fetchone()
    if latest is not None and tuple(latest[1:]) == same:
        return msgspec.structs.replace(made, id=latest[0])
    weight = sum(len(one.encode()) for one in (report, text, findings))
    values = (*where, made.at_ms, made.match, report, text, made.occasion, findings, weight)
    async with connection.execute(_KEEP, values) as inserted:
        return msgspec.structs.replace(made, id=inserted.lastrowid or 0)


def load(path: Path, uplink: str | None = None, limit: int = 50) -> list[Certificate]:
    """The newest certificates in sync.db, newest first. Raises StorageFault."""
    return _loaded(path, _NEWEST, (uplink, min(limit, _LISTED)))


def load_one(path: Path, number: int) -> Certificate | None:
    """The certificate of this number. Raises StorageFault."""
    return next(iter(_loaded(path, _ONE, (number,))), None)


def load_open(path: Path, uplink: str | None = None) -> list[Certificate]:
    """The latest certificate of each range that is not proven, oldest first. Raises StorageFault."""
    return _loaded(path, OPEN, (uplink,))


def load_standing(path: Path) -> dict[str, Standing]:
    """By receiver how far its word is proven; without those that were never compared. Raises StorageFault."""
    with reading(path) as db:
        if db is None or not _current(db):
            return {}
        return {row[0]: Standing(*row[1:]) for row in db.execute(_STANDING, (None,))}


def _loaded(path: Path, sql: str, values: tuple[object, ...]) -> list[Certificate]:
    with reading(path) as db:
        if db is None or not _current(db):
            return []
        return [of(row) for row in db.execute(sql, values)]


def _current(db: sqlite3.Connection) -> bool:
    """Whether sync of this version has opened the file."""
    return any(row[1] == "findings" for row in db.execute("PRAGMA table_info(certificates)"))


def of(row: Any) -> Certificate:
    """A certificate from a row of `OPEN` and its like."""
    number, uplink, epoch, at_ms, match, report, answer, occasion, findings = row
    ours = msgspec.json.decode(report, type=Report)
    found = msgspec.json.decode(findings, type=Findings) if findings else _before(ours, answer)
    return Certificate(number, uplink, epoch, occasion, at_ms, bool(match), ours, found)


def _before(ours: Report, answer: str) -> Findings:
    """What can be told of a certificate of the version before this one."""
    stored = ours.count + len(ours.excluded)
    counts = Counts(None, stored, stored, ours.count)
    try:
        said = understood(answer.encode(), ours)
    except (msgspec.DecodeError, RecursionError):
        return Findings(counts)
    return Findings(counts, missing=said.missing, absurd=said.absurd, differences=said.differences)


def shown(certificate: Certificate) -> Mapping[str, Any]:
    """A certificate as JSON shows it; decimals are strings."""
    given: dict[str, Any] = msgspec.to_builtins(certificate)
    return given | {"posted": certificate.posted, "unposted": certificate.unposted}


_KEEP = (
    "INSERT INTO certificates (uplink, epoch, from_seq, to_seq, at_ms, match, report, answer, occasion,"
    " findings, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_LATEST = (
    "SELECT id, match, report, findings, occasion <> '' FROM certificates"
    " WHERE uplink = ? AND epoch = ? AND from_seq = ? AND to_seq = ? ORDER BY id DESC LIMIT 1"
)
_NEWEST = (
    "SELECT id, uplink, epoch, at_ms, match, report, answer, occasion, findings FROM certificates"
    " WHERE ?1 IS NULL OR uplink = ?1 ORDER BY id DESC LIMIT ?2"
)
_ONE = (
    "SELECT id, uplink, epoch, at_ms, match, report, answer, occasion, findings FROM certificates"
    " WHERE id = ?"
)
# A consumer compares what ranges it likes: a later one that covers a range speaks for it.
_REPEATED = (
    "EXISTS (SELECT 1 FROM certificates AS later WHERE later.uplink = one.uplink AND later.epoch = one.epoch"
    " AND later.from_seq <= one.from_seq AND later.to_seq >= one.to_seq AND later.id > one.id"
    " AND (one.occasion = '' OR later.from_seq = one.from_seq AND later.to_seq = one.to_seq))"
)
# Of the version before nobody knows what was found.
_TELLING = "(occasion <> '' OR findings IS NOT NULL)"
# A range in which something was lost is compared in parts from then on.
_PARTED = (
    "EXISTS (SELECT 1 FROM certificates AS part WHERE part.uplink = one.uplink"  # noqa: S608
    f" AND part.epoch = one.epoch AND part.id > one.id AND part.occasion = '{LOST}'"
    " AND part.from_seq BETWEEN one.from_seq AND one.to_seq)"
)
_QUARANTINED = (
    "quarantine AS q WHERE q.uplink = one.uplink AND q.epoch = one.epoch"
    " AND q.seq BETWEEN one.from_seq AND one.to_seq"
)
OPEN = (
    "SELECT id, uplink, epoch, at_ms, match, report, answer, occasion, findings FROM certificates AS one"  # noqa: S608
    f" WHERE match = 0 AND {_TELLING} AND (?1 IS NULL OR uplink = ?1) AND NOT {_REPEATED}"
    # Of what was lost the alert tells as long as its journal is kept.
    f" AND CASE occasion WHEN '{LOST}' THEN EXISTS (SELECT 1 FROM alerts WHERE alerts.cleared_ms IS NULL"
    " AND alerts.key = 'uplink.' || one.uplink || '.lost.' || one.epoch)"
    f" ELSE NOT {_PARTED}"
    # What a person discarded is settled: a range that lacks nothing else is as good as it will ever be.
    # What was posted since is not, until it was compared again.
    " AND (findings ->> '$.missing[0]' IS NOT NULL OR findings ->> '$.differences[0]' IS NOT NULL"
    f" OR EXISTS (SELECT 1 FROM {_QUARANTINED} AND (q.how IS NULL OR q.how = 'posted'"
    " AND q.seq IN (SELECT value FROM json_each(one.report, '$.excluded'))))) END ORDER BY id"
)
# The latest certificate of each range in which a person discarded something since.
DECIDED = (
    "SELECT id, uplink, epoch, at_ms, match, report, answer, occasion, findings FROM certificates AS one"  # noqa: S608
    f" WHERE match = 0 AND occasion NOT IN ('', '{LOST}', '{FORGOTTEN}') AND uplink = ?1"
    f" AND NOT {_REPEATED} AND NOT {_PARTED}"
    f" AND (SELECT count(*) FROM {_QUARANTINED} AND q.how = 'discarded')"
    " > ifnull(findings ->> '$.counts.discarded', 0) ORDER BY id"
)
_STANDING = (
    f"WITH open AS ({OPEN}) SELECT uplink, max(at_ms),"  # noqa: S608 our own text
    " (SELECT count(*) FROM open WHERE open.uplink = certificates.uplink)"
    f" FROM certificates WHERE {_TELLING} GROUP BY uplink"
)
