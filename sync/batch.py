"""What one call carries: events in seq order, as the journal stores them, and how much a call may take.

A batch is packed once; its body goes out as it is, so the receiver sees the very bytes that were chained.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from edge.faults import JournalDamaged

Rows = Sequence[tuple[int, bytes]]  # (seq, stored form)
REVIEW = "lineside.review.settled.v1"


class Head(msgspec.Struct, frozen=True, gc=False):
    """What delivery must know of an event; everything else passes unread."""

    id: str
    type: str
    subject: str | None = None

    @property
    def work_order(self) -> str | None:
        """The order of a subject `<work order>/<operation>`."""
        return self.subject.rpartition("/")[0] if self.subject else None


@dataclass(frozen=True)
class Kept:
    """An event that is kept back instead of sent."""

    seq: int
    head: Head
    body: bytes


@dataclass(frozen=True)
class Batch:
    """Events for one call. `again`: they come from quarantine, the cursor is behind them already."""

    epoch: str
    source: str
    rows: Rows
    body: bytes  # JSON array of `rows`
    ids: Sequence[str]  # of `rows`, in the same order
    last: int  # seq through which the batch reaches, kept ones included
    reviews: Rows  # those of `rows` in which a person decided something
    kept: tuple[Kept, ...] = ()
    again: bool = False

    @property
    def key(self) -> str:
        """The Idempotency-Key: a hint for people and proxies, the ids decide."""
        return f"{self.source}:{self.rows[0][0]}-{self.rows[-1][0]}"

    @cached_property
    def heads(self) -> Sequence[Head]:
        """What the ids do not tell; most batches go by without being asked."""
        return _decoded(self.source, self.rows, self.body)


def pack(
    epoch: str, source: str, rows: Rows, held: frozenset[str] = frozenset(), again: bool = False
) -> Batch:
    """A batch of these rows without the facts of held work orders. Raises JournalDamaged."""
    last = rows[-1][0]
    kept: tuple[Kept, ...] = ()
    if held:
        heads = _decoded(source, rows, _joined(rows))
        found = zip(rows, heads, strict=True)
        kept = tuple(Kept(seq, head, body) for (seq, body), head in found if head.work_order in held)
        back = {one.seq for one in kept}
        rows = [row for row in rows if row[0] not in back]
    body = _joined(rows)
    ids = _ids(source, rows, body)
    return Batch(epoch, source, rows, body, ids, last, reviews(rows), kept, again)


def reviews(rows: Rows) -> Rows:
    """Those in which a person decided something; `type` ends the canonical form."""
    return [row for row in rows if row[1].endswith(_REVIEW_END)]


def source_of(body: bytes) -> str:
    """The source that an event names. Raises msgspec.DecodeError."""
    return _sources.decode(body).source


def _joined(rows: Rows) -> bytes:
    """The JSON array, in one copy: it is half a megabyte."""
    if not rows:
        return b"[]"
    bodies = [row[1] for row in rows]
    bodies[0] = b"[" + bodies[0]
    bodies[-1] += b"]"
    return b",".join(bodies)


def _ids(source: str, rows: Rows, body: bytes) -> list[str]:
    """The ids, found by the canonical form's order of keys, for a third of what decoding costs.

    No string in JSON can hold the mark: a quote inside of one is escaped. Where every piece between the marks
    has an id's length, each mark stands where it must.
    """
    named = [event[(end := event.rfind(_BEHIND_ID)) - _NAMED_BYTES : end] for _, event in rows]
    before, *found = b"".join(named).decode("ascii", "replace").split(_BEFORE_ID)
    if before or len(found) != len(rows) or {*map(len, found)} != {_ID_CHARS}:
        return [head.id for head in _decoded(source, rows, body)]
    return found


_REVIEW_END = f'"type":"{REVIEW}"}}'.encode()
_BEFORE_ID = '"id":"'
_BEHIND_ID = b'","recordedtime":"'
_ID_CHARS = 36  # a UUID
_NAMED_BYTES = len(_BEFORE_ID) + _ID_CHARS


def _decoded(source: str, rows: Rows, body: bytes) -> list[Head]:
    try:
        return _heads.decode(body)
    except msgspec.DecodeError as error:
        raise JournalDamaged(
            f"{source}: between seq {rows[0][0]} and {rows[-1][0]} something is no event: {error}",
            hint="`lineside events verify` shows what is damaged; keep a copy of the file",
        ) from error


class _Source(msgspec.Struct):
    source: str


_sources = msgspec.json.Decoder(_Source)
_heads = msgspec.json.Decoder(list[Head])


class Portion:
    """How much one call takes: narrowed while a poisonous event is being isolated."""

    def __init__(self, events_max: int, bytes_max: int) -> None:
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._suspect: int | None = None  # the poison lies at or before this seq
        self._bytes = bytes_max
        self.events = events_max

    def cut(self, rows: Rows) -> Rows:
        """The first rows that fit one call; one always does."""
        if len(rows) <= self.events and sum([len(row[1]) for row in rows]) + len(rows) < self._bytes:
            return rows
        size, count = 1, 0
        for _, body in rows[: self.events]:
            size += len(body) + 1
            if size > self._bytes:
                break
            count += 1
        return rows[: max(1, count)]

    def narrow(self, batch: Batch, too_large: bool) -> None:
        """Take half of what was refused. A size that was too large stays so until one event alone is."""
        if too_large:
            self._bytes = max(2, len(batch.body) // 2)
        else:
            self._suspect = batch.rows[-1][0]
            self.events = max(1, len(batch.rows) // 2)

    def passed(self, seq: int) -> None:
        """Everything through `seq` went through: the poison is in the other half, or nowhere."""
        if self._suspect is None:
            return
        rest = self._suspect - seq
        self.events = min(self._events_max, max(1, rest // 2)) if rest > 0 else self._events_max
        self._suspect = self._suspect if rest > 0 else None

    def isolated(self) -> None:
        """The poison was found: whole portions again."""
        self._suspect, self.events, self._bytes = None, self._events_max, self._bytes_max
