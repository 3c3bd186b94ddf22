"""What becomes of each event of a batch: accepted under a document number, duplicate, or rejected.

Identity is judged first (the same id, the same seq), then form and chain, then business (order, period). An
event rejected for its form or its chain may come again with another content, one rejected for business must
come again as it was. Everything here happens inside the ledger's transaction.
"""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from edge.costing import carries_cost
from edge.demo.endpoint.examine import Item, chain_of
from edge.demo.endpoint.problems import (
    CHAIN,
    CHANGED,
    FORK,
    INVALID,
    PERIOD_CLOSED,
    UNKNOWN_ORDER,
    Problem,
    problem,
)
from edge.events import ClockStepped, WorkCorrected
from edge.masterdata import MasterData

Result = dict[str, Any]


class _Held(NamedTuple):
    id: str
    source: str
    seq: int
    chain: str
    status: str
    document: int | None
    posting_date: str | None
    problem: str | None
    body: bytes

    @property
    def malformed(self) -> bool:
        """Rejected for its form or its chain, not for business."""
        return self.problem is not None and json.loads(self.problem)["type"] in (CHAIN, INVALID)


class _Place(NamedTuple):
    id: str
    chain: str


_PLACES = "SELECT seq, id, chain FROM event WHERE source = ? AND seq BETWEEN ? AND ?"
_HELD = "SELECT id, source, seq, chain, status, document, posting_date, problem, body FROM event WHERE "


def document_number(number: int) -> str:
    """A document number (凭证号) as people read it."""
    return f"CO-{number:06d}"


def posted_on(own: str, masterdata: MasterData) -> str | None:
    """The event's own date, or the first day of the next open period; None where there is none."""
    periods = masterdata.document.periods
    if periods is None or any(p.open and p.from_ <= own <= p.to for p in periods):
        return own
    return min((p.from_ for p in periods if p.open and p.from_ > own), default=None)


class Booking:
    """One batch within one transaction."""

    def __init__(self, db: sqlite3.Connection, masterdata: MasterData) -> None:
        self._db = db
        self._masterdata = masterdata
        self._document: int = db.execute("SELECT ifnull(max(document), 0) FROM event").fetchone()[0]
        self._counts: dict[str, Counter[str]] = {}
        self._now_ms = time.time_ns() // 1_000_000

    def results(self, items: Sequence[Item]) -> list[Result]:
        """Judge and book in order; behind a fork nothing of its source is booked in the same call."""
        results: list[Result] = []
        forked: set[str] = set()
        for item in items:
            held_off = item.source in forked
            results.append({"id": item.id, "status": "retry"} if held_off else self._settle(item))
            if _is_fork(results[-1]):
                forked.add(item.source)
        self._write_counts()
        return results

    def _settle(self, item: Item) -> Result:
        held = self._by_id(item.id)
        near = self._near(item)
        if held is None and item.seq in near:
            return self._refuse(item, problem(FORK, _FORK.format(item=item)))
        if held is not None and (held.chain, held.body) != (item.chain, item.body):
            same_place = (held.source, held.seq) == (item.source, item.seq)
            if held.status == "accepted" or not held.malformed or not same_place:
                return self._refuse(item, problem(CHANGED, _CHANGED.format(item=item)))
        elif held is not None and held.status == "accepted":
            self._count(item.source, duplicates=1)
            return _accepted("duplicate", item.id, held.document, held.posting_date)
        if not item.seq:
            return _rejected(item.id, item.problem)
        found = item.problem or self._chain_problem(item, near) or self._business_problem(item)
        return self._reject(item, found, held) if found else self._accept(item, held)

    def _by_id(self, id_: str) -> _Held | None:
        row = self._db.execute(_HELD + "id = ?", (id_,)).fetchone()
        return _Held._make(row) if row else None

    def _near(self, item: Item) -> dict[int, _Place]:
        """What is held at the event's seq and on both sides of it."""
        found = self._db.execute(_PLACES, (item.source, item.seq - 1, item.seq + 1))
        return {seq: _Place(id_, chain) for seq, id_, chain in found}

    def _chain_problem(self, item: Item, near: dict[int, _Place]) -> Problem | None:
        before, after = near.get(item.seq - 1), near.get(item.seq + 1)
        previous = "" if item.seq == 1 else before.chain if before else None
        if previous is not None and not item.follows(previous):
            return problem(CHAIN, _CHAIN_BEFORE.format(item=item, before=item.seq - 1))
        held = self._by_id(after.id) if after else None
        if held and not held.malformed and chain_of(item.chain, held.body) != held.chain:
            return problem(CHAIN, _CHAIN_AFTER.format(item=item, after=held.seq))
        return None

    def _business_problem(self, item: Item) -> Problem | None:
        fact = item.fact
        if fact is None or not _posts(item):
            return None
        orders = self._masterdata.document.work_orders
        known = fact.work_order and (orders is None or fact.work_order in self._masterdata.orders)
        if not known and not isinstance(fact, WorkCorrected):
            return problem(UNKNOWN_ORDER, _UNKNOWN_ORDER.format(item=item))
        if fact.posting_date and posted_on(fact.posting_date, self._masterdata) is None:
            return problem(PERIOD_CLOSED, _PERIOD_CLOSED.format(item=item))
        return None

    def _accept(self, item: Item, held: _Held | None) -> Result:
        document = posting_date = None
        if _posts(item):
            self._document += 1
            document, posting_date = self._document, self._dated(item)
        elif isinstance(item.fact, ClockStepped) and (own := item.fact.posting_date):
            posting_date = posted_on(own, self._masterdata) or own
            self._date_earlier(item.source, item.fact, posting_date)
        self._write(item, "accepted", document, posting_date, None)
        self._count(item.source, accepted=1, rejected=-1 if held else 0)
        return _accepted("accepted", item.id, document, posting_date)

    def _reject(self, item: Item, found: Problem, held: _Held | None) -> Result:
        self._write(item, "rejected", None, None, json.dumps(found))
        self._count(item.source, rejected=0 if held else 1)
        return _rejected(item.id, found)

    def _refuse(self, item: Item, found: Problem) -> Result:
        self._db.execute(
            """INSERT INTO refusal VALUES (?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET received_ms = excluded.received_ms""",
            (item.id, item.source, item.seq, json.dumps(found), self._now_ms),
        )
        if item.source:
            self._count(item.source, refused=1)
        return _rejected(item.id, found)

    def _dated(self, item: Item) -> str | None:
        """The posting date; None until `clock.stepped` gives it."""
        own = item.fact.posting_date if item.fact else None
        if own is None:
            found = self._db.execute(
                "SELECT posting_date FROM step WHERE source = ? AND ? BETWEEN from_seq AND to_seq",
                (item.source, item.seq),
            ).fetchone()
            return found[0] if found else None
        return posted_on(own, self._masterdata)

    def _date_earlier(self, source: str, step: ClockStepped, day: str) -> None:
        """Date what was recorded without a date, also where it arrives later."""
        first, last = int(step.from_seq or 0), int(step.to_seq or 0)
        self._db.execute("INSERT INTO step VALUES (?, ?, ?, ?)", (source, first, last, day))
        self._db.execute(
            "UPDATE event SET posting_date = ? WHERE source = ? AND seq BETWEEN ? AND ?"
            " AND posting_date IS NULL AND document IS NOT NULL",
            (day, source, first, last),
        )

    def _write(
        self, item: Item, status: str, document: int | None, posting_date: str | None, found: str | None
    ) -> None:
        fact = item.fact
        self._db.execute(
            """INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (id) DO UPDATE SET type = excluded.type, chain = excluded.chain,
                status = excluded.status, document = excluded.document, posting_date = excluded.posting_date,
                work_order = excluded.work_order, corrects = excluded.corrects,
                caused_by = excluded.caused_by, problem = excluded.problem,
                received_ms = excluded.received_ms, body = excluded.body""",
            (
                item.id,
                item.source,
                item.seq,
                item.type,
                item.chain,
                status,
                document,
                posting_date,
                fact.work_order if fact else None,
                getattr(fact, "corrects", None),
                getattr(fact, "caused_by", None),
                found,
                self._now_ms,
                item.body,
            ),
        )
        counts = self._counts.setdefault(item.source, Counter())
        counts["last_seq"] = max(counts["last_seq"], item.seq)

    def _count(self, source: str, **steps: int) -> None:
        counts = self._counts.setdefault(source, Counter())
        for name, step in steps.items():
            counts[name] += step

    def _write_counts(self) -> None:
        for source, steps in self._counts.items():
            self._db.execute(
                """INSERT INTO source VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
                    last_seq = max(last_seq, excluded.last_seq),
                    accepted = accepted + excluded.accepted, rejected = rejected + excluded.rejected,
                    duplicates = duplicates + excluded.duplicates, refused = refused + excluded.refused""",
                (source, *(steps[name] for name in _COUNTED)),
            )


_COUNTED = ("last_seq", "accepted", "rejected", "duplicates", "refused")


def _posts(item: Item) -> bool:
    return item.fact is not None and (carries_cost(item.fact) or isinstance(item.fact, WorkCorrected))


def _accepted(status: str, id_: str, document: int | None, posting_date: str | None) -> Result:
    result = {"id": id_, "status": status}
    if document is not None:
        result["document"] = document_number(document)
    return result | ({"posting_date": posting_date} if posting_date else {})


def _is_fork(result: Result) -> bool:
    return bool(result["status"] == "rejected" and result["problem"]["type"] == FORK)


def _rejected(id_: str, found: Problem | None) -> Result:
    return {"id": id_, "status": "rejected", "problem": found}


_FORK = (
    "Sequence {item.seq} of {item.source} is held under another id: two journals run under one name. Not "
    "posted. Stop sending, find out which edge is the copy, and start a new epoch there."
)
_CHANGED = (
    "Event {item.id} is held with another content; facts never change. Not posted. Check the journal with "
    "`lineside events verify`; to change a figure, record a correction."
)
_CHAIN_BEFORE = (
    "The chain of event {item.id} does not follow from sequence {before} and this content: one of them was "
    "changed on its way or in the journal. Not posted. Check the journal with `lineside events verify`."
)
_CHAIN_AFTER = (
    "Sequence {after}, which is held, does not follow from event {item.id}: one of them was changed. Not "
    "posted. Check the journal with `lineside events verify`."
)
_UNKNOWN_ORDER = (
    "Work order {item.fact.work_order} is not known here. Not posted. Release it in the ERP, then release "
    "event {item.id} from quarantine with `lineside outbox retry`."
)
_PERIOD_CLOSED = (
    "{item.fact.posting_date} lies in no open period, and no later period is open. Not posted. Ask finance "
    "to open one, then release event {item.id} from quarantine with `lineside outbox retry`."
)
