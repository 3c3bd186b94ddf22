"""Whether a journal proves itself: numbers without gaps, each chain on the one before, every event whole.

What SQLite cannot read of a damaged file is a problem like another: what lies behind it is looked at too.
"""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

import msgspec

from edge import schema
from edge.events import Event, chain_of, chains, decode
from edge.faults import Damaged, JournalDamaged
from edge.journal.form import Log
from edge.journal.reader import Reader

_BESIDE = 200  # events checked at a time beside work
_FAR = 1 << 50  # seqs: no journal comes so far; nothing is looked for behind it
_DAMAGED = "`lineside events verify` shows what is damaged; keep a copy of the file"


@dataclass(frozen=True)
class Verification:
    """What a check of the whole journal found; sound when `problems` is empty."""

    events: int
    first: int
    last: int
    problems: tuple[str, ...]


async def verify(
    reader: Reader,
    progress: Callable[[int], None] = lambda seq: None,
    pause: Callable[[], Awaitable[None]] | None = None,
) -> Verification:
    """Check every event's number, chain and form, streaming; at most 100 problems are kept.

    `pause` is awaited between portions, for a check beside work. Raises StorageFault, not for damage.
    """
    problems: list[str] = []
    first = last = events = 0
    before = 0  # the seq that the next one follows, read or not
    chain: str | None = None
    met = ""  # damage, also such that every event can be read beside it
    portion = whole = _BESIDE if pause is not None else 1000
    while True:
        rows, damage = await _read(reader, before, portion)
        met = damage or met
        if damage and portion > 1:
            portion = max(1, portion // 10)  # what stands before the damage can be read
            continue
        if damage:
            on = await _readable(reader, before)
            if len(problems) < 100:
                problems.append(_unread(before, on, damage))
            if on is None:
                break
            before, chain = on - 1, None
            continue
        if not rows:
            break
        if not before and rows[0][0] > max(1, reader.pruned):
            problems.append(f"seq {max(1, reader.pruned)} to {rows[0][0] - 1} are missing")
        for seq, body in rows:
            problems += _checked(seq, body, before, chain, reader.source) if len(problems) < 100 else []
            first, last, chain, events = first or seq, max(last, seq), chain_of(body), events + 1
            before = seq
        portion = whole
        progress(last)
        if pause is not None:
            await pause()
    if met and not problems:
        problems.append(f"the file is damaged, though every event can be read: {met}")
    return Verification(events, first, last, tuple(problems))


async def _read(reader: Reader, after: int, limit: int) -> tuple[list[tuple[int, bytes]], str]:
    """Events, or what is damaged where they stand. Raises StorageFault."""
    try:
        return await reader.read_after(after, limit), ""
    except sqlite3.Error as error:
        fault = schema.unusable(reader.path, error)
        if not isinstance(fault, Damaged):
            raise fault from error
        return [], str(error)


async def _readable(reader: Reader, after: int) -> int | None:
    """The first seq behind what cannot be read behind `after`; None where there is none."""
    if after >= _FAR:
        return None
    low, high = 0, 1  # so far behind `after` nothing can be read, and it can
    while (await _read(reader, after + high, 1))[1]:
        low, high = high, high * 2
        if after + high > _FAR:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        if (await _read(reader, after + middle, 1))[1]:
            low = middle
        else:
            high = middle
    rows, _ = await _read(reader, after + high, 1)
    return rows[0][0] if rows else None


def _unread(before: int, on: int | None, damage: str) -> str:
    until = "and what follows" if on is None else f"to {on - 1}"
    return f"seq {before + 1} {until} cannot be read: {damage}"


def _checked(seq: int, body: bytes, last: int, chain: str | None, source: str) -> Iterator[str]:
    if last and seq <= last:
        yield f"seq {seq} stands behind seq {last}"
    elif last and seq != last + 1:
        yield f"seq {last + 1} to {seq - 1} are missing"
    elif (chain is not None or seq == 1) and not chains(body, chain or ""):
        yield f"seq {seq} does not follow on the one before: one of them was changed"
    try:
        event = decode(body)
    except msgspec.DecodeError as error:
        yield f"seq {seq} is no event: {error}"
        return
    if event.seq != seq or event.source != source:
        yield f"seq {seq} says that it is {event.source} {event.seq}"


async def replay(journal: Log, after: int) -> AsyncIterator[Event]:
    """The events behind `after`, chain-checked from the second on. Raises JournalDamaged."""
    chain: str | None = None
    while rows := await journal.read_after(after, 1000):
        for seq, body in rows:
            if seq != after + 1 or (chain is not None and not chains(body, chain)):
                raise JournalDamaged(
                    f"{journal.path}: seq {seq} does not follow on seq {after}",
                    hint=_DAMAGED,
                )
            chain, after = chain_of(body), seq
            try:
                event = decode(body)
            except msgspec.DecodeError as error:
                raise JournalDamaged(
                    f"{journal.path}: seq {seq} is no event: {error}", hint=_DAMAGED
                ) from error
            yield event
