"""Where a receiver and a journal part: it holds other facts under the same numbers.

Two collectors ran under one name, or a copy was put back. From that number on nothing of the epoch is sent by
itself any more, not after a restart either: what is booked behind a fork takes numbers that the other journal
still uses. collect begins a new epoch when it is started again, under which new facts are delivered; what
the old one holds from the fork on goes into quarantine, where people decide. What they retry, the receiver
judges fact by fact.
"""

from dataclasses import dataclass
from typing import Any

from sync.batch import Batch, Rows
from sync.outcome import FORK, printable
from sync.settlement import Settlement, withheld

HINT = (
    "Two collectors use one edge.id, or a copy of the data was put back. Where another one runs under this"
    " id, stop it or give it an edge.id of its own. Then restart lineside collect here: new facts go on under"
    " new numbers, and what cannot be sent under the old ones is shown by `lineside outbox list`"
)


@dataclass(frozen=True)
class Fork:
    """From which number on, and the receiver's own word."""

    seq: int
    detail: str

    @property
    def text(self) -> str:
        """What happened, as the detail of a state."""
        return f"holds other facts under the same numbers{f' ({self.detail})' if self.detail else ''}"

    def ahead(self, rows: Rows) -> Rows:
        """Those of the rows that lie before it."""
        return [row for row in rows if row[0] < self.seq]


def fork_of(settlement: Settlement, behind: int) -> Fork | None:
    """What a settlement that ends at a fork found, behind cursor `behind`."""
    if settlement.forked is None:
        return None
    problem: Any = settlement.forked.problem
    seq = 1 + (behind if settlement.cursor is None else settlement.cursor)
    return Fork(seq, printable(str(problem.get("detail", "")), 300))


def not_sent(fork: Fork, batch: Batch) -> Settlement:
    """What becomes of facts behind the fork once their journal is set aside: quarantine, without a call."""
    problem = {"type": FORK, "title": "not sent: the receiver holds other facts from here on", "detail": _WHY}
    if fork.detail:
        problem["receiver"] = fork.detail
    return withheld(batch, problem)


_WHY = (
    "Two journals ran under these numbers. Retry offers the fact: the receiver takes it where its number is"
    " free. Where it refuses, enter it in the ERP by hand and discard it here"
)
