"""What a turned bit made of a fact is never sent: an event leaves only when it follows on the one before."""

import sqlite3
from pathlib import Path

from edge import schema
from edge.events import chain_of, first_broken
from edge.faults import Damaged, JournalDamaged, StorageFault
from edge.journal import Reader
from sync.batch import Rows
from sync.store import Store


class Proof:
    """Holds each event against the chain of the one before it, from one portion to the next."""

    def __init__(self) -> None:
        self._anchor: tuple[str, int, str | None] = ("", 0, "")  # epoch, seq, chain of what was proven

    async def of(self, reader: Reader, seq: int, rows: Rows) -> Rows:
        """What follows on event `seq`, up to the first that does not. Raises JournalDamaged."""
        epoch, at, chain = self._anchor
        if (epoch, at) != (reader.epoch, seq):
            before = await reader.read_after(seq - 1, 1) if seq else []
            found = bool(before) and before[0][0] == seq
            chain = "" if not seq else chain_of(before[0][1]) if found else None
        broken = first_broken(rows, seq, chain)
        if broken == rows[0][0]:
            raise JournalDamaged(
                f"{reader.path}: seq {broken} does not follow on seq {seq}; it was not sent",
                hint="`lineside events verify` shows what is damaged; keep a copy of the file",
            )
        if broken is not None:
            rows = [row for row in rows if row[0] < broken]
        self._anchor = reader.epoch, rows[-1][0], chain_of(rows[-1][1])
        return rows


async def unreadable(
    store: Store,
    uplink: str,
    at: str,
    path: Path,
    error: sqlite3.Error | JournalDamaged,
    now_ms: int,
) -> StorageFault:
    """What became of a journal behind cursor `at`; damage is an alert, for collect must set it aside."""
    fault = error if isinstance(error, JournalDamaged) else schema.unusable(path, error)
    if isinstance(fault, Damaged):
        text = f"{uplink}: nothing behind {at} can be read: {fault.message}"
        await store.raise_alert(damage_key(uplink), text, _DAMAGE_HINT, now_ms)
    return fault


def damage_key(uplink: str) -> str:
    """The key of the alert that a receiver's journal cannot be read."""
    return f"uplink.{uplink}.unreadable"


_DAMAGE_HINT = (
    "Restart lineside collect: it looks at the whole journal, sets it aside, and what it proves is delivered"
)
