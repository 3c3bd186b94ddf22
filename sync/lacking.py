"""What of a range a receiver lacks, with its worth: what waits in quarantine, and what it calls missing.

What it only counts fewer, without saying which, nobody can price.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec

from edge import schema
from edge.events import Event, decode
from edge.faults import MasterDataUnreadable
from edge.journal import Reader
from edge.masterdata import MasterData
from edge.masterdata.lookup import load as load_masterdata
from sync.heldback import Held, HeldBack
from sync.store import Store

_PAGE = 500


async def held_back(
    store: Store, span: Sequence[object], journal: Path | None, missing: Sequence[int], masterdata: Path
) -> tuple[Held, ...]:
    """Of a `span` (receiver, epoch, first and last seq) what is not posted; of `missing`, seqs in order, what
    the journal still holds. Raises StorageFault.
    """
    held, at, waits = HeldBack(), 0, set[int]()
    while rows := await store.rows(_NOT_POSTED, *span, at, _PAGE):
        held.take(decode(row[1]) for row in rows)
        waits.update(row[0] for row in rows)
        at = rows[-1][0]
    wanted = [seq for seq in missing if seq not in waits]
    if journal is not None and wanted:
        async for event in _facts(journal, wanted):
            held.take([event])
    return await asyncio.to_thread(_priced, held, masterdata) if waits or wanted else ()


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


def _priced(held: HeldBack, path: Path) -> tuple[Held, ...]:
    """With the worth where master data tells it; it may be unreadable for a moment."""
    try:
        return held.priced(load_masterdata(path))
    except MasterDataUnreadable:
        return held.priced(MasterData())


_NOT_POSTED = (
    "SELECT seq, CAST(body AS BLOB) FROM quarantine WHERE uplink = ? AND epoch = ?"
    " AND seq BETWEEN ? AND ? AND how IS NOT 'posted' AND seq > ? ORDER BY seq LIMIT ?"
)
