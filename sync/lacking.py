"""What of a range a receiver lacks, with its worth: what waits in quarantine and what it calls missing, and
apart from these what a person discarded, by name.

What it only counts fewer, without saying which, nobody can price.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge import schema
from edge.events import Event, decode
from edge.faults import MasterDataUnreadable
from edge.journal import Reader
from edge.masterdata import MasterData
from edge.masterdata.lookup import load as load_masterdata
from sync.heldback import Discarded, Held, HeldBack
from sync.outcome import printable
from sync.quarantine import DecidedBy
from sync.store import Store

_PAGE = 500
_NAMED_MAX = 1000  # of the discarded
_WORDS_MAX = 500


@dataclass(frozen=True)
class Lacking:
    """What a receiver does not hold of a range."""

    held_back: tuple[Held, ...]
    count: int  # of the discarded
    discarded: tuple[Discarded, ...]  # the first of them
    written_off: tuple[Held, ...]  # what all of them are worth


async def lacking(
    store: Store, span: Sequence[object], journal: Path | None, missing: Sequence[int], masterdata: Path
) -> Lacking:
    """Of a `span`: receiver, epoch, first and last seq. Of `missing`, seqs in order, what the journal still
    holds. Raises StorageFault.
    """
    held, discarded = HeldBack(), HeldBack()
    known, named, count, at = set[int](), list[Discarded](), 0, 0
    while rows := await store.rows(_NOT_POSTED, *span, at, _PAGE):
        for row in rows:
            event = decode(row[1])
            if row[2]:
                discarded.take([event])
                count += 1
                if count <= _NAMED_MAX:
                    named.append(_discarded(event, *row[3:]))
            else:
                held.take([event])
        known.update(row[0] for row in rows)
        at = rows[-1][0]
    wanted = [seq for seq in missing if seq not in known]
    if journal is not None and wanted:
        async for event in _facts(journal, wanted):
            held.take([event])
    if not known and not wanted:
        return Lacking((), 0, (), ())
    held_back, written_off = await asyncio.to_thread(_priced, held, discarded, path=masterdata)
    return Lacking(held_back, count, tuple(named), written_off)


def _discarded(event: Event, work_order: str | None, decision: str | None, at_ms: int) -> Discarded:
    """By name; of what was discarded before this version who and why is not known."""
    by = msgspec.json.decode(decision, type=DecidedBy) if decision else DecidedBy(at_ms=at_ms)
    note = printable(by.note, _WORDS_MAX) if by.note else None
    what = event.type.removeprefix("lineside.").removesuffix(".v1")
    return Discarded(event.seq, event.id, what, work_order, by.person, note, by.at_ms or at_ms)


async def _facts(journal: Path, seqs: Sequence[int]) -> AsyncIterator[Event]:
    """The facts of these seqs, in order; each run of them is read together."""
    try:
        async with await Reader.open(journal) as reader:
            at = 0
            while at < len(seqs):
                end = at + 1
                while end < min(len(seqs), at + _PAGE) and seqs[end] == seqs[end - 1] + 1:
                    end += 1
                for seq, body in await reader.read_after(seqs[at] - 1, end - at):
                    if seq <= seqs[end - 1]:
                        yield decode(body)
                at = end
    except (sqlite3.Error, msgspec.DecodeError) as error:
        raise schema.unusable(journal, error) from error


def _priced(*held: HeldBack, path: Path) -> list[tuple[Held, ...]]:
    """With the worth where master data tells it; it may be unreadable for a moment."""
    try:
        masterdata = load_masterdata(path)
        return [one.priced(masterdata) for one in held]
    except MasterDataUnreadable:
        return [one.priced(MasterData()) for one in held]


_NOT_POSTED = (
    "SELECT seq, CAST(body AS BLOB), how IS 'discarded', work_order, decision, at_ms FROM quarantine"
    " WHERE uplink = ? AND epoch = ? AND seq BETWEEN ? AND ? AND how IS NOT 'posted' AND seq > ?"
    " ORDER BY seq LIMIT ?"
)
