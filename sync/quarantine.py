"""Quarantine in sync.db: what was rejected or kept back, and what people decide about it.

These run inside a transaction of the store. A decision counts once: only where the uplink's `reviewed` has
not passed it.
"""

from collections.abc import Sequence

import aiosqlite
import msgspec

from edge import alerts
from sync.settlement import Decision, Quarantined, Settlement


class DecidedBy(msgspec.Struct, frozen=True):
    """Whose decision it was that a fact is not posted."""

    person: str = ""
    note: str | None = None
    at_ms: int = 0  # UTC, when it was recorded


async def enter(connection: aiosqlite.Connection, uplink: str, settlement: Settlement, at_ms: int) -> None:
    """Enter what was rejected or kept back; settle what was released and is posted now."""
    rows = [(uplink, settlement.epoch, *_row(waits), at_ms) for waits in settlement.quarantine]
    if rows:
        await connection.executemany(_QUARANTINE, rows)
    if settlement.cursor is None:
        posted = [(at_ms, uplink, settlement.epoch, seq) for seq in settlement.posted]
        await connection.executemany(_POSTED, posted)


def _row(waits: Quarantined) -> tuple[object, ...]:
    head = waits.head
    text, problem = waits.body.decode(), waits.problem.decode()
    return waits.seq, head.id, head.subject, head.work_order, text, problem, waits.state


async def send_again(
    connection: aiosqlite.Connection, uplink: str, epoch: str, lost: Sequence[Quarantined], at_ms: int
) -> None:
    """Put up what the receiver took and does not hold any more. What waits already stays as it is."""
    rows = [(uplink, epoch, *_row(one), at_ms) for one in lost]
    await connection.executemany(_LOST, rows)


async def carry_out(
    connection: aiosqlite.Connection, uplink: str, decisions: Sequence[Decision], at_ms: int
) -> None:
    """Retry and discard; then release whose rejected one is settled, and keep the alert true."""
    for decision in decisions:
        rows = [(at_ms, id_, uplink, decision.seq) for id_ in decision.ids]
        if decision.how == "retried":
            await connection.executemany(_RETRY, rows)
        else:
            said = msgspec.json.encode(DecidedBy(decision.person, decision.note, decision.at_ms)).decode()
            await connection.executemany(_DISCARD, [(said, *row) for row in rows])
    await connection.execute(_RELEASE, (at_ms, uplink))
    async with connection.execute(
        "SELECT count(*) FROM quarantine WHERE uplink = ? AND state = 'waiting'", (uplink,)
    ) as found:
        row = await found.fetchone()
    key = f"uplink.{uplink}.quarantine"
    if row is not None and row[0]:
        await alerts.stand(
            connection,
            key,
            f"{uplink} rejected production facts; they wait in quarantine",
            "`lineside outbox list` shows why; correct it in the ERP and retry, or discard",
            at_ms,
        )
    else:
        await connection.execute(alerts.CLEAR, (at_ms, key))


_WHOLE = 2**62  # behind everything of a journal that delivery has left
_QUARANTINE = (
    "INSERT INTO quarantine (uplink, epoch, seq, id, subject, work_order, body, problem, state, at_ms)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (uplink, epoch, seq)"
    " DO UPDATE SET state = excluded.state, problem = excluded.problem, at_ms = excluded.at_ms"
)
_LOST = (
    "INSERT INTO quarantine (uplink, epoch, seq, id, subject, work_order, body, problem, state, at_ms)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (uplink, epoch, seq) DO UPDATE"
    " SET state = excluded.state, how = NULL, at_ms = excluded.at_ms WHERE how = 'posted'"
)
_POSTED = (
    "UPDATE quarantine SET state = 'settled', how = 'posted', at_ms = ?, behind = (SELECT"  # noqa: S608
    f" iif(uplinks.epoch = quarantine.epoch, uplinks.seq, {_WHOLE}) FROM uplinks"
    " WHERE uplinks.uplink = quarantine.uplink)"
    " WHERE uplink = ? AND epoch = ? AND seq = ?"
)
_RETRY = (
    "UPDATE quarantine SET state = 'retrying', at_ms = ?"
    " WHERE id = ? AND uplink = ? AND state IN ('waiting', 'held')"
    " AND (SELECT reviewed FROM uplinks WHERE uplinks.uplink = quarantine.uplink) < ?"
)
_DISCARD = (
    "UPDATE quarantine SET state = 'settled', how = 'discarded', decision = ?, at_ms = ?"
    " WHERE id = ? AND uplink = ? AND state <> 'settled'"
    " AND (SELECT reviewed FROM uplinks WHERE uplinks.uplink = quarantine.uplink) < ?"
)
# One of each order at a time: if it is rejected again, those behind it have not been sent.
_RELEASE = """
UPDATE quarantine SET state = 'retrying', at_ms = ?1 WHERE rowid IN (
    SELECT min(rowid) FROM quarantine AS first WHERE uplink = ?2 AND state = 'held' AND NOT EXISTS (
        SELECT 1 FROM quarantine AS ahead WHERE ahead.uplink = first.uplink
        AND ahead.work_order = first.work_order AND ahead.state IN ('waiting', 'retrying'))
    GROUP BY work_order)
"""
