"""From a batch and its outcomes to what one transaction writes. Pure.

The cursor goes to just before the first retry; what lies behind is as if it had not been sent. Every event
before it is settled in one of three ways: posted at the receiver, rejected into quarantine, or kept back in
quarantine because its work order is held. A fork settles nothing from its own event on; once it is known, and
where a person sent the fact again, it is a rejection like any other.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec

from edge.events import parse_instant
from sync.batch import REVIEW, Batch, Head, Rows
from sync.outcome import FORK, Outcome, printable

State = Literal["waiting", "held", "retrying", "settled"]
_PROBLEM_BYTES_MAX = 4096


@dataclass(frozen=True)
class Quarantined:
    """An event that waits: rejected (`waiting`), or behind a rejected one (`held`)."""

    seq: int
    head: Head
    body: bytes
    state: State
    problem: bytes  # JSON; empty where held


@dataclass(frozen=True)
class Decision:
    """What a person decided about quarantined events, and where the journal says so."""

    seq: int
    how: Literal["retried", "discarded"]
    ids: tuple[str, ...]
    person: str = ""
    note: str | None = None
    at_ms: int = 0  # UTC by collect's clock, when it was recorded


@dataclass(frozen=True)
class Settlement:
    """What becomes of a batch."""

    epoch: str
    cursor: int | None  # None: released from quarantine, the cursor stays
    posted: Sequence[int]  # seqs that the receiver holds now
    documents: bytes | None  # JSON of seq: document, where given
    posting_dates: bytes | None  # JSON of one date for all, or of seq: date
    quarantine: tuple[Quarantined, ...]
    decisions: tuple[Decision, ...]
    counts: dict[str, int]
    forked: Outcome | None
    complete: bool  # nothing was to be retried

    @property
    def seqs(self) -> list[int]:
        """What is settled, without order."""
        return [*self.posted, *(waits.seq for waits in self.quarantine)]

    @property
    def answered(self) -> bool:
        """Whether the receiver settled anything."""
        return any(self.counts.get(status) for status in ("accepted", "duplicate", "rejected"))

    @property
    def touches_quarantine(self) -> bool:
        """Whether quarantine is not what it was before."""
        return bool(self.quarantine or self.decisions or self.cursor is None)


def settle(batch: Batch, outcomes: Sequence[Outcome], past_fork: bool = False) -> Settlement:
    """What the outcomes, one for each row of the batch, mean for it; `past_fork`: that one is known."""
    statuses = [outcome.status for outcome in outcomes]
    given = Counter(statuses)
    end, forked = len(statuses), None
    if "retry" in given:
        end = statuses.index("retry")
    waiting: list[Quarantined] = []
    if "rejected" in given:
        for at in [at for at in range(end) if statuses[at] == "rejected"]:
            if _forks(outcomes[at]) and not (past_fork or batch.again):
                end, forked = at, outcomes[at]
                break
            seq, body = batch.rows[at]
            waiting.append(Quarantined(seq, batch.heads[at], body, "waiting", _problem(outcomes[at].problem)))
    rows, stop = batch.rows, batch.last + 1
    if end < len(rows):
        rows, stop = rows[:end], rows[end][0]
    held = _held(batch, stop)
    posted = [row[0] for row in rows]
    if waiting:
        away = {one.seq for one in waiting}
        posted = [seq for seq in posted if seq not in away]
        outcomes = [outcome for outcome in outcomes[:end] if outcome.status != "rejected"]
    counts = given if end == len(statuses) else Counter(statuses[:end])
    return Settlement(
        epoch=batch.epoch,
        cursor=None if batch.again else stop - 1,
        posted=posted,
        documents=_documents(posted, outcomes),
        posting_dates=_dates(posted, outcomes, by_seq=batch.again),
        quarantine=(*waiting, *held),
        decisions=_decided(batch, stop),
        counts={**counts, **({"held": len(held)} if held else {})},
        forked=forked,
        complete=stop > batch.last,
    )


def taken(batch: Batch) -> Settlement:
    """What it means that the receiver took a whole batch, with nothing kept back, and says no more of it."""
    posted = [row[0] for row in batch.rows]
    return Settlement(
        epoch=batch.epoch,
        cursor=None if batch.again else batch.last,
        posted=posted,
        documents=None,
        posting_dates=None,
        quarantine=(),
        decisions=_decided(batch, batch.last + 1),
        counts={"accepted": len(posted)},
        forked=None,
        complete=True,
    )


def withheld(batch: Batch, problem: dict[str, Any]) -> Settlement:
    """What it means that nothing of a batch is sent: it waits for a person, who reads the problem. No word of
    the receiver.
    """
    why, rows = _problem(problem), zip(batch.rows, batch.heads, strict=True)
    waiting = [Quarantined(seq, head, body, "waiting", why) for (seq, body), head in rows]
    quarantine = (*waiting, *_held(batch, batch.last + 1))
    counts = {"held": len(quarantine)}
    return replace(taken(batch), posted=(), quarantine=quarantine, counts=counts)


def _held(batch: Batch, stop: int) -> list[Quarantined]:
    """What is kept back of a batch before `stop`."""
    return [Quarantined(k.seq, k.head, k.body, "held", b"") for k in batch.kept if k.seq < stop]


def _documents(posted: list[int], outcomes: Sequence[Outcome]) -> bytes | None:
    """Document numbers by seq, as JSON; None where none is given."""
    given = {
        seq: outcome.document for seq, outcome in zip(posted, outcomes, strict=False) if outcome.document
    }
    return msgspec.json.encode(given) if given else None


def _dates(posted: list[int], outcomes: Sequence[Outcome], *, by_seq: bool) -> bytes | None:
    """The posting date as JSON: one for all, or by seq; None where none is given.

    By seq where the events do not lie side by side: one for all would be said of those between them too.
    """
    dates = [outcome.posting_date for outcome in outcomes[: len(posted)]]
    common = set(dates)
    if len(common) == 1 and not by_seq:
        return msgspec.json.encode(dates[0]) if dates[0] else None
    given = {seq: date for seq, date in zip(posted, dates, strict=True) if date}
    return msgspec.json.encode(given) if given else None


def _decided(batch: Batch, stop: int) -> tuple[Decision, ...]:
    """Decisions that the cursor passes. Those of released events were acted on when it passed them."""
    if batch.again:
        return ()
    rows = [*batch.reviews, *((kept.seq, kept.body) for kept in batch.kept)]
    return decisions(sorted(row for row in rows if row[0] < stop)) if rows else ()


def decisions(rows: Rows) -> tuple[Decision, ...]:
    """What a person decided about delivery in these events; cheap where nobody decided anything."""
    mark = REVIEW.encode()
    return tuple(one for seq, body in rows if mark in body for one in _decision(seq, body))


def _decision(seq: int, body: bytes) -> Iterable[Decision]:
    try:
        event = _reviews.decode(body)
    except ValueError:
        return  # another type that only speaks of reviews; or damaged, which who delivers it finds out
    if event.type == REVIEW and event.data.how in ("retried", "discarded"):
        how: Literal["retried", "discarded"] = "retried" if event.data.how == "retried" else "discarded"
        at_ms = parse_instant(event.recordedtime) if event.recordedtime else 0
        yield Decision(seq, how, event.data.settles, event.data.person, event.data.note, at_ms)


class _Settled(msgspec.Struct):
    how: str = ""  # any: another version may know more of them
    settles: tuple[str, ...] = ()
    person: str = ""
    note: str | None = None


class _Review(msgspec.Struct):
    type: str
    data: _Settled
    recordedtime: str = ""


_reviews = msgspec.json.Decoder(_Review)


def _forks(outcome: Outcome) -> bool:
    return isinstance(outcome.problem, dict) and outcome.problem.get("type") == FORK


def _problem(problem: Any) -> bytes:
    """A problem as JSON of bounded size: a receiver's stack trace must not fill the disk."""
    if not isinstance(problem, dict):
        problem = {"title": "rejected without a reason" if problem is None else printable(str(problem), 500)}
    encoded = msgspec.json.encode(problem)
    if len(encoded) > _PROBLEM_BYTES_MAX:
        short = {key: problem[key] for key in ("type", "title", "status", "detail") if key in problem}
        encoded = msgspec.json.encode({key: printable(str(value), 500) for key, value in short.items()})
    return encoded
