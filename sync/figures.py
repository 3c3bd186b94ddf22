"""Our figures of a range: the tally, read from the journal page by page, with what the receiver answered.

Of flat memory: a page of events and of posting dates at a time. What the range's corrections name before it
is sought backwards and no further than needed; what is behind the range is read only where it may matter.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec

from edge.events import ClockStepped, Event, WorkCorrected, decode, parse_instant
from edge.journal import Reader
from sync.store import Store
from sync.tally import Report, Tally, Turn

_PAGE = 500
_LATER = tuple(f"lineside.{one.type}.v1".encode() for one in (ClockStepped, WorkCorrected))


@dataclass(frozen=True)
class Figures:
    """What the journal says of a range."""

    report: Report
    stored: int  # facts that the journal holds of it
    after_ms: int  # UTC, when the fact before it was recorded; its own first where there is none
    from_ms: int  # when its first fact was recorded
    to_ms: int


async def reckoned(
    reader: Reader, store: Store, uplink: str, from_seq: int, to_seq: int, settled: int
) -> Figures:
    """The figures of a range, inclusive; steps and corrections through `settled` may bear on what is in it.

    Raises StorageFault, sqlite3.Error, msgspec.DecodeError.
    """
    book = await _Book.opened(store, uplink, reader.epoch, settled)
    tally = Tally(book.excluded, book.dates, book.late)
    stored, first, last = 0, None, None
    async for event in _forwards(reader, book, from_seq, to_seq):
        tally.take(event)
        stored, first, last = stored + 1, first or event, event
    if tally.undated or tally.overtaken:  # the receiver has the step or the correction behind the range too
        async for event in _later(reader, book, to_seq + 1, settled):
            tally.take_later(event, book.dates.get(event.seq))
    await _look_back(reader, book, tally, to_seq)
    report = tally.report(reader.source, from_seq, to_seq)
    before = await reader.read_after(from_seq - 2, 1) if from_seq > 1 else []
    after = decode(before[0][1]) if before and before[0][0] < from_seq else first
    return Figures(report, stored, _recorded_ms(after), _recorded_ms(first), _recorded_ms(last))


async def last_recorded(reader: Reader, until_ms: int) -> int:
    """The last seq that was recorded until a UTC millisecond; 0 where there is none.

    Sought from the end in growing steps: facts of a clock that was years ahead hide nothing behind them.
    """

    async def fits(seq: int) -> bool:
        rows = await reader.read_after(seq - 1, 1)
        return bool(rows) and _recorded_ms(decode(rows[0][1])) <= until_ms

    floor, step = max(0, reader.pruned - 1), 1
    low = high = await reader.head()
    while low > floor and not await fits(low):
        high, low, step = low - 1, max(floor, low - step), step * 2
    while low < high:
        middle = (low + high + 1) // 2
        if await fits(middle):
            low = middle
        else:
            high = middle - 1
    return low


@dataclass
class _Book:
    """What the receiver holds and on which dates; of the dates those of one page."""

    store: Store
    uplink: str
    epoch: str
    excluded: frozenset[int]  # not held there
    late: dict[int, Turn]  # held since it was sent again
    dates: dict[int, str]

    @classmethod
    async def opened(cls, store: Store, uplink: str, epoch: str, settled: int) -> "_Book":
        rows = await store.rows(
            "SELECT seq, how IS 'posted', ifnull(behind, seq), at_ms FROM quarantine"
            " WHERE uplink = ? AND epoch = ? AND seq <= ?",
            uplink,
            epoch,
            settled,
        )
        late = {seq: (behind, at_ms) for seq, is_posted, behind, at_ms in rows if is_posted}
        return cls(store, uplink, epoch, frozenset(row[0] for row in rows) - late.keys(), late, {})

    async def turn(self, first: int, last: int) -> None:
        """Have the dates of these seqs, no others. Of what was sent again the last answer counts."""
        rows = await self.store.rows(_DATES, self.uplink, self.epoch, first, last)
        self.dates.clear()
        for from_seq, to_seq, text in rows:
            given = msgspec.json.decode(text, type=dict[int, str] | str)
            for seq in range(max(first, from_seq), min(last, to_seq) + 1):
                date = given if isinstance(given, str) else given.get(seq)
                if date is not None and (seq not in self.dates or seq in self.late):
                    self.dates[seq] = date


_DATES = (
    "SELECT first_seq, last_seq, posting_dates FROM receipts WHERE uplink = ? AND epoch = ?"
    " AND last_seq >= ? AND first_seq <= ? AND posting_dates IS NOT NULL ORDER BY id"
)


async def _forwards(reader: Reader, book: _Book, first: int, last: int) -> AsyncIterator[Event]:
    """The events of a range, inclusive."""
    at = first - 1
    while at < last and (rows := await reader.read_after(at, min(_PAGE, last - at))):
        await book.turn(rows[0][0], rows[-1][0])
        for _, body in rows:
            yield decode(body)
        at = rows[-1][0]


async def _later(reader: Reader, book: _Book, first: int, last: int) -> AsyncIterator[Event]:
    """The clock's steps and the corrections of a range, inclusive."""
    at = first - 1
    while at < last and (rows := await reader.read_after(at, min(_PAGE, last - at))):
        if found := [(seq, body) for seq, body in rows if any(one in body for one in _LATER)]:
            await book.turn(found[0][0], found[-1][0])
        for _, body in found:
            yield decode(body)
        at = rows[-1][0]


async def _look_back(reader: Reader, book: _Book, tally: Tally, last: int) -> None:
    """From `last` backwards, to whatever the tally seeks, or to what was pruned."""
    behind = last + 1
    while tally.seeking and behind > max(1, reader.pruned):
        first = max(1, behind - _PAGE)
        rows = [
            (seq, body) for seq, body in await reader.read_after(first - 1, behind - first) if seq < behind
        ]
        wanted = [(seq, body) for seq, body in rows if tally.wanted(seq, body)]
        if wanted:
            await book.turn(wanted[0][0], wanted[-1][0])
        for _, body in reversed(wanted):
            tally.look_back(decode(body))
        behind = first


def _recorded_ms(event: Event | None) -> int:
    return parse_instant(event.recordedtime) if event is not None else 0
