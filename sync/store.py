"""sync.db: cursors, quarantine, receipts, alerts, certificates and master data.

One that is damaged or gone is begun anew; what was found stays under a dated name. Every uplink then begins
at the oldest journal, whatever its `start` says: receivers tell what they hold, and nothing is skipped.

Invariants: one process writes (a lock file holds others off). One transaction settles a batch: quarantine,
receipt, decisions and cursor together, to its end even when the caller is cancelled. So the cursor never
stands ahead of what the receiver settled, and a decision of a person is carried out once.
"""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import aiosqlite
import structlog

from edge import alerts, schema
from edge.faults import Damaged, RestartNeeded
from edge.lock import Left, Lock
from edge.unbroken import unbroken
from sync import quarantine, tables
from sync.fork import Fork
from sync.settlement import Decision, Settlement

_log = structlog.get_logger("lineside.sync")
Statement = tuple[str, tuple[object, ...]]  # SQL and its values


@dataclass(frozen=True)
class Cursor:
    """Where an uplink stands."""

    epoch: str
    seq: int  # everything through it is settled
    reviewed: int  # decisions through it are carried out
    state: str

    def __str__(self) -> str:
        return f"{self.epoch}:{self.seq}"


@dataclass(frozen=True)
class Standing:
    """What of an uplink's quarantine is not settled."""

    waiting: int = 0  # rejected, for a person to decide
    retrying: int = 0  # released, to be sent again
    held: int = 0  # behind a rejected one
    orders: frozenset[str] = frozenset()  # work orders with anything unsettled


@dataclass(frozen=True)
class Condition:
    """The state of an uplink's delivery, in words for a person."""

    state: str
    detail: str = ""
    hint: str = ""
    next_try_ms: int | None = None


class Store:
    """The only writer of sync.db; shared by all tasks of the process."""

    def __init__(self, path: Path, connection: aiosqlite.Connection, lock: Lock, replaced: str) -> None:
        self.path = path
        self._connection = connection
        self._replaced = replaced  # why what was there is not gone on with
        self._lock = lock
        self._turn = asyncio.Lock()  # one transaction at a time on the connection
        self._files = schema.Files(path)

    @classmethod
    async def open(cls, path: Path) -> "Store":
        """Open or create sync.db. Raises StorageFault."""
        lock = Lock(path, "sync")
        try:
            replaced = await asyncio.to_thread(_secured, path, lock)
            connection = await schema.open_writer(path, tables.TABLES)
            if not replaced and not lock.left.open:
                with suppress(OSError):  # a full disk: then it would not be noticed if the file were gone
                    lock.note(Left(open=True))
        except OSError as error:
            lock.release()
            raise schema.unusable(path, error) from error
        except BaseException:
            lock.release()
            raise
        return cls(path, connection, lock, replaced)

    def show(self) -> None:
        """Let other processes see that delivery runs, until `close`. Raises OSError."""
        self._lock.show()

    async def close(self) -> None:
        """Finish what is being committed, then let go of the file."""
        async with self._turn:
            await self._connection.close()
        self._lock.release()

    async def __aenter__(self) -> "Store":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def cursor(self, uplink: str) -> Cursor | None:
        """Where the uplink stands; None at first sight."""
        rows = await self.rows("SELECT epoch, seq, reviewed, state FROM uplinks WHERE uplink = ?", uplink)
        return next((Cursor(*row) for row in rows), None)

    async def begin(self, uplink: str, epoch: str, seq: int, at_ms: int) -> None:
        """Put the cursor where an epoch begins for this uplink."""

        async def work(connection: aiosqlite.Connection) -> None:
            await connection.execute(_BEGIN, (uplink, epoch, seq, seq, at_ms))

        await self.transact(work)

    async def begin_anew(self, uplinks: Sequence[str], at_ms: int) -> None:
        """Where the file was begun anew: put every uplink before the oldest journal, and say so."""
        if not self._replaced:
            return
        kept = await asyncio.to_thread(_kept, self.path)
        hint = _REPLACED_HINT.format(f"are in {kept} beside it" if kept else _GONE)

        async def work(connection: aiosqlite.Connection) -> None:
            for name in uplinks:
                await connection.execute(_BEGIN, (name, "", 0, 0, at_ms))
            text = f"Delivery begins anew at the oldest journal: {self._replaced}"
            await alerts.stand(connection, "sync.replaced", text, hint, at_ms)

        await self.transact(work)
        self._lock.note(Left(open=True))
        _log.warning("sync.db is begun anew", error=self._replaced, hint=hint)
        self._replaced = ""

    async def standing(self, uplink: str) -> Standing:
        """What waits in quarantine."""
        rows = await self.rows(
            "SELECT state, work_order, count(*) FROM quarantine WHERE uplink = ? AND state <> 'settled'"
            " GROUP BY state, work_order",
            uplink,
        )
        counts = {
            state: sum(n for s, _, n in rows if s == state) for state in ("waiting", "retrying", "held")
        }
        return Standing(**counts, orders=frozenset(order for _, order, _ in rows if order is not None))

    async def released(self, uplink: str, limit: int) -> tuple[str, list[tuple[int, bytes]]]:
        """The first quarantined events to be sent again: their epoch and (seq, body) in order."""
        rows = await self.rows(
            "SELECT epoch, seq, CAST(body AS BLOB) FROM quarantine"
            " WHERE uplink = ?1 AND state = 'retrying' AND epoch = (SELECT epoch FROM quarantine"
            " WHERE uplink = ?1 AND state = 'retrying' ORDER BY rowid LIMIT 1) ORDER BY seq LIMIT ?2",
            uplink,
            limit,
        )
        return (rows[0][0] if rows else ""), [(row[1], row[2]) for row in rows]

    async def settle(
        self, uplink: str, settlement: Settlement, state: str, at_ms: int, recovered: bool = False
    ) -> None:
        """Write what became of a batch, in one transaction. Raises StorageFault: then nothing is written."""
        cursor, success_ms = settlement.cursor, at_ms if settlement.answered else None
        last: list[Statement] = [(_ADVANCE, (cursor, cursor, state, at_ms, state, success_ms, uplink))]
        if settlement.posted:
            last.append((_RECEIPT, _receipt(uplink, settlement, at_ms)))
        if recovered:
            last += [(alerts.CLEAR, (at_ms, key)) for key in _trouble_keys(uplink)]

        async def work(connection: aiosqlite.Connection) -> None:
            if settlement.touches_quarantine:
                await quarantine.enter(connection, uplink, settlement, at_ms)
                await quarantine.carry_out(connection, uplink, settlement.decisions, at_ms)
            await _finish(connection, last)

        await self.transact(work)

    async def carry_out(self, uplink: str, decisions: Sequence[Decision], reviewed: int, at_ms: int) -> None:
        """Do what people decided in events that the cursor has not reached yet."""

        async def work(connection: aiosqlite.Connection) -> None:
            await quarantine.carry_out(connection, uplink, decisions, at_ms)
            await connection.execute("UPDATE uplinks SET reviewed = ? WHERE uplink = ?", (reviewed, uplink))

        await self.transact(work)

    async def resume(self, uplink: str, at_ms: int) -> None:
        """A person settled what halted the uplink."""

        async def work(connection: aiosqlite.Connection) -> None:
            await connection.execute(
                "UPDATE uplinks SET state = 'idle', detail = '', hint = '', since_ms = ? WHERE uplink = ?",
                (at_ms, uplink),
            )
            await connection.execute(alerts.CLEAR, (at_ms, halted_key(uplink)))

        await self.transact(work)

    async def fork(self, uplink: str, epoch: str) -> Fork | None:
        """From where on this receiver holds other facts under the numbers of an epoch."""
        sql = "SELECT seq, detail FROM forks WHERE uplink = ? AND epoch = ?"
        return next((Fork(*row) for row in await self.rows(sql, uplink, epoch)), None)

    async def forked(self, uplink: str, epoch: str, fork: Fork, at_ms: int) -> None:
        """Keep a fork: from there on nothing of this epoch is offered, and collect begins another."""

        async def work(connection: aiosqlite.Connection) -> None:
            await connection.execute(_FORKED, (uplink, epoch, fork.seq, fork.detail, at_ms))

        await self.transact(work)

    async def release_held(self, uplink: str, at_ms: int) -> None:
        """Nothing is to be held for a rejected one any more: the setting changed."""

        async def work(connection: aiosqlite.Connection) -> None:
            await connection.execute(
                "UPDATE quarantine SET state = 'retrying', at_ms = ? WHERE uplink = ? AND state = 'held'",
                (at_ms, uplink),
            )

        await self.transact(work)

    async def condition(self, uplink: str, condition: Condition, at_ms: int) -> None:
        """Keep the state of delivery; pauses and halts raise an alert that the next success clears."""

        async def work(connection: aiosqlite.Connection) -> None:
            now = condition
            await connection.execute(
                "UPDATE uplinks SET since_ms = iif(state = ?1, since_ms, ?5), state = ?1, detail = ?2,"
                " hint = ?3, next_try_ms = ?4 WHERE uplink = ?6",
                (now.state, now.detail, now.hint, now.next_try_ms, at_ms, uplink),
            )
            if now.state in ("paused", "halted"):
                key = paused_key(uplink) if now.state == "paused" else halted_key(uplink)
                await alerts.stand(connection, key, f"{uplink}: {now.detail}", now.hint, at_ms)

        await self.transact(work)

    async def retire(self, configured: Sequence[str], at_ms: int) -> list[str]:
        """Mark uplinks that are configured no more; they stop holding pruning. Returns the newly marked."""
        rows = await self.rows("SELECT uplink FROM uplinks WHERE state <> 'removed'")
        gone = [row[0] for row in rows if row[0] not in configured]

        async def work(connection: aiosqlite.Connection) -> None:
            for name in gone:
                await connection.execute(
                    "UPDATE uplinks SET state = 'removed', since_ms = ? WHERE uplink = ?", (at_ms, name)
                )
                await alerts.stand(
                    connection,
                    f"uplink.{name}.removed",
                    f"{name} is configured no more: what it has not settled will not reach it",
                    "Put the uplink back into the configuration if that was not meant",
                    at_ms,
                )
                for key in _trouble_keys(name):
                    await connection.execute(alerts.CLEAR, (at_ms, key))
            for name in configured:
                for key in (f"uplink.{name}.removed", begun_key(name)):
                    await connection.execute(alerts.CLEAR, (at_ms, key))

        await self.transact(work)
        return gone

    async def raise_alert(self, key: str, text: str, hint: str, at_ms: int) -> None:
        """Raise an alert once; one that stands takes the new words."""
        await self.transact(lambda connection: alerts.stand(connection, key, text, hint, at_ms))

    async def clear_alert(self, key: str, at_ms: int) -> None:
        """Clear an alert, if it stands."""

        async def work(connection: aiosqlite.Connection) -> None:
            await connection.execute(alerts.CLEAR, (at_ms, key))

        await self.transact(work)

    async def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Rows as last committed. Raises StorageFault."""
        async with self._turn:
            try:
                return list(await self._connection.execute_fetchall(sql, values))
            except sqlite3.Error as error:
                raise self._unusable(error) from error

    def _unusable(self, error: sqlite3.Error) -> Exception:
        """The fault; damage is noted for the next start, which sets the file aside."""
        fault = schema.unusable(self.path, error)
        if not isinstance(fault, Damaged):
            return fault
        with suppress(OSError):
            self._lock.note(Left(open=True, suspect=fault.message[:300]))
        return RestartNeeded(f"{fault.message}. The next start sets it aside and begins anew")

    async def transact(self, work: Callable[[aiosqlite.Connection], Awaitable[None]]) -> None:
        """One transaction, carried to its end even if the caller is cancelled. Raises StorageFault."""
        await unbroken(self._transact(work), "sync-commit")

    async def _transact(self, work: Callable[[aiosqlite.Connection], Awaitable[None]]) -> None:
        async with self._turn:
            try:
                self._files.in_place()
                await work(self._connection)
                if self._connection.in_transaction:
                    await self._connection.commit()
            except BaseException as error:
                with suppress(sqlite3.Error):
                    await self._connection.rollback()
                if isinstance(error, sqlite3.Error):
                    raise self._unusable(error) from error
                if isinstance(error, Damaged):
                    raise RestartNeeded(f"{error.message}. The next start begins anew") from error
                raise


def paused_key(uplink: str) -> str:
    """The key of the alert for a pause."""
    return f"uplink.{uplink}.paused"


def begun_key(uplink: str) -> str:
    """The key of the alert that a new uplink begins behind what was forgotten; until the next start."""
    return f"uplink.{uplink}.begun"


def halted_key(uplink: str) -> str:
    """The key of the alert for a halt."""
    return f"uplink.{uplink}.halted"


def failing_key(uplink: str) -> str:
    """The key of the alert that nothing was delivered for long."""
    return f"uplink.{uplink}.failing"


def _trouble_keys(uplink: str) -> tuple[str, ...]:
    """What a success clears."""
    return paused_key(uplink), halted_key(uplink), failing_key(uplink)


async def _finish(connection: aiosqlite.Connection, statements: Sequence[Statement]) -> None:
    """The last statements of a transaction and its COMMIT, in one trip to SQLite's thread."""

    def run() -> None:
        for sql, values in statements:
            connection._conn.execute(sql, values)
        connection._conn.commit()

    await connection._execute(run)  # type: ignore[no-untyped-call]


def _receipt(uplink: str, settlement: Settlement, at_ms: int) -> tuple[object, ...]:
    posted = settlement.posted
    given = (settlement.documents, settlement.posting_dates)
    texts = [text.decode() if text else None for text in given]
    return uplink, settlement.epoch, posted[0], posted[-1], len(posted), at_ms, *texts


def _secured(path: Path, lock: Lock) -> str:
    """Set aside what cannot be gone on with; why, in words, or nothing. Raises StorageFault, OSError."""
    why = lock.left.suspect
    if not path.exists():
        why = why or (f"{path.name} is gone" if lock.left.open else "")
    else:
        why = why or schema.doubted(path)
    if why:
        # Until every uplink is told where it begins, the next start does this again.
        lock.note(Left(open=True, suspect=why[:300]))
        target = schema.dated(path, time.time_ns() // 1_000_000)
        if path.exists():
            path.rename(target)
        schema.move_log(path, target)
        schema.sync_directory(path.parent)
    return why


def _kept(path: Path) -> str:
    """The files set aside that may hold something of before; not one whose making a power cut ended."""
    found = sorted(path.parent.glob(f"{path.stem}-damaged-*.db"))
    return ", ".join(one.name for one in found if one.is_file() and _held(one))


def _held(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(schema.read_only(path), uri=True)) as db:
            return db.execute("SELECT 1 FROM uplinks").fetchone() is not None
    except (sqlite3.Error, UnicodeDecodeError):
        return path.stat().st_size > 0


_REPLACED_HINT = (
    "Nothing to do for delivery: receivers tell what they hold already. Certificates and document numbers of"
    " before {}; what was rejected is offered again"
)
_GONE = "are gone with it, unless a backup has them"
_BEGIN = (
    "INSERT INTO uplinks (uplink, epoch, seq, reviewed, state, detail, hint, since_ms)"
    " VALUES (?, ?, ?, ?, 'idle', '', '', ?) ON CONFLICT (uplink) DO UPDATE"
    " SET epoch = excluded.epoch, seq = excluded.seq, reviewed = excluded.reviewed"
)
_FORKED = "INSERT OR REPLACE INTO forks (uplink, epoch, seq, detail, at_ms) VALUES (?, ?, ?, ?, ?)"
_RECEIPT = (
    "INSERT INTO receipts (uplink, epoch, first_seq, last_seq, events, at_ms, documents, posting_dates)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_ADVANCE = (
    "UPDATE uplinks SET seq = coalesce(?, seq), reviewed = max(reviewed, coalesce(?, reviewed)),"
    " since_ms = iif(state = ?, since_ms, ?), state = ?, detail = '', hint = '', next_try_ms = NULL,"
    " last_success_ms = coalesce(?, last_success_ms) WHERE uplink = ?"
)
