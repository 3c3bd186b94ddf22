"""The writer of journal.db.

Invariants: one writer per file (a lock file holds others off). `append` returns after COMMIT under
synchronous=FULL. The drafts of one call are one transaction; calls that wait at the same time share one
(group commit): SQLite's thread takes all that wait when it comes to it, numbers and chains them. seq runs
from 1 without gaps, each event's `chain` follows on the one before. After a failed commit nothing of the
group is recorded and the head stands where it stood. (After a failed fsync its frames may be whole in the WAL
until the next write takes their place; the collector tries one every two seconds.)
"""

import asyncio
import hashlib
import secrets
import sqlite3
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import aiosqlite
import msgspec
from msgspec.structs import replace

from edge import alerts, schema, wal
from edge.alerts import Alert
from edge.events import Draft, Event, JournalOpened, chain_of, instant, seal
from edge.faults import Damaged, StorageFault
from edge.ids import new_id
from edge.journal.form import DATED, FORM, META, READ, SNAPSHOT, Snapshot, meta_of, snapshot_of
from edge.lock import Left, Lock
from edge.ports import Clock

GROUP_EVENTS = 1000  # the most one commit takes; what waits longer is in the next


class Beginning(msgspec.Struct, frozen=True):
    """How a new journal begins."""

    opened: JournalOpened = JournalOpened(cause="new")
    ordinal: int = 1  # the place of its epoch among those of this edge
    epoch: str = ""  # empty: drawn by lot


class _Call:
    """One append waiting for its commit."""

    __slots__ = ("done", "drafts")

    def __init__(self, drafts: Sequence[Draft], done: "asyncio.Future[tuple[Event, ...]]") -> None:
        self.drafts = drafts
        self.done = done


_Sealed = list[tuple[Event, ...]]  # of each call


class Journal:
    """The writer. Open it with `async with Journal.open(...)`; close waits for what was handed in."""

    def __init__(self, path: Path, connection: aiosqlite.Connection, lock: Lock, clock: Clock) -> None:
        self.path = path
        self.epoch = ""
        self.source = ""
        self.head = 0  # seq of the last committed event
        self.pruned = 0  # what lies before this seq was forgotten
        self._chain = ""
        self._connection = connection
        self._lock = lock
        self._clock = clock
        self._calls: deque[_Call] = deque()  # bounded by the callers: each waits for its commit
        self._called = False  # SQLite's thread has been told that calls wait
        self._closing = False  # nothing more is taken
        self._closed = False
        self._suspected = False
        self._noted = False  # that the WAL is needed
        self._files = schema.Files(path)

    @classmethod
    async def open(
        cls,
        path: Path,
        site: str,
        edge_id: str,
        clock: Clock,
        *,
        lock: Lock | None = None,
        begin: Beginning | None = None,
    ) -> "Journal":
        """Open the journal of this edge; a file that is not there yet begins as `begin` says.

        Takes over `lock`, also when it raises StorageFault. What may be wrong with a file that is there is
        edge.opening's to find out before.
        """
        lock = lock or Lock(path)
        try:
            # Each statement is its own transaction: a group and its commit are one trip to SQLite's thread.
            connection = await schema.open_writer(path, FORM, isolation_level=None)
        except BaseException:
            lock.release()
            raise
        journal = cls(path, connection, lock, clock)
        try:
            await journal._identify(site, edge_id, begin or Beginning())
            log = path.with_name(path.name + "-wal")
            with suppress(OSError):  # it grows by itself then
                await asyncio.to_thread(wal.lengthen, log)
            if not journal._noted:  # what is noted may be of the journal that was here before
                lock.note(Left(journal.epoch, head=journal.head))
        except (sqlite3.Error, OSError) as error:
            await journal.close()
            raise schema.unusable(path, error) from error
        except BaseException:
            await journal.close()
            raise
        return journal

    async def __aenter__(self) -> "Journal":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def append(self, drafts: Sequence[Draft]) -> tuple[Event, ...]:
        """Commit the drafts as one transaction, in order; returns them numbered. Raises StorageFault.

        A cancelled caller does not take its drafts back: they are committed all the same.
        """
        if not drafts:
            return ()
        if self._closing:
            raise StorageFault("the journal is closed; nothing was recorded", hint="Restart lineside")
        done: asyncio.Future[tuple[Event, ...]] = asyncio.get_running_loop().create_future()
        self._calls.append(_Call(drafts, done))
        if not self._called:
            self._called = True
            # Not by aiosqlite's methods: they need a task that waits, for whose turns a scan would wait too.
            self._connection._tx.put_nowait((None, self._write))
        return await done

    async def read_after(self, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """Up to `limit` stored events behind `seq`, in order, as (seq, body)."""
        rows = await self._asked(READ, seq, limit)
        return [(row[0], row[1]) for row in rows]

    async def snapshot(self) -> Snapshot | None:
        """The last snapshot, if there is one."""
        return snapshot_of(await self._asked(SNAPSHOT))

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Replace the snapshot, durably. Raises StorageFault; that only makes the next start slower."""
        self._files.in_place()
        try:
            await self._connection.execute(
                "INSERT OR REPLACE INTO snapshot VALUES (1, ?, ?, CAST(? AS TEXT))",
                (snapshot.seq, snapshot.version, snapshot.state),
            )
        except sqlite3.Error as error:
            raise schema.unusable(self.path, error) from error

    async def first(self) -> int:
        """The first seq that is still there."""
        rows = await self._asked("SELECT seq FROM events ORDER BY seq LIMIT 1")
        return next((row[0] for row in rows), 1)

    async def dated(self, first: int, limit: int, now: str) -> tuple[int, str] | None:
        """The first of `limit` events from `first` on that can be right about when it was recorded.

        Its seq and that instant (RFC 3339), which is not behind `now`; None where there is none.
        """
        rows = await self._asked(f"{DATED} ORDER BY seq LIMIT 1", first, first + limit, now)
        return next(((row[0], row[1]) for row in rows), None)

    async def prune(self, through: int) -> None:
        """Forget everything before `through`, which stays: its chain anchors what follows."""
        await self.note("INSERT OR REPLACE INTO meta VALUES ('pruned', ?)", str(through))
        await self.note("DELETE FROM events WHERE seq < ?", through)
        self.pruned = through

    async def note(self, sql: str, *values: object) -> None:
        """Run one statement on what is no event. Raises sqlite3.Error."""
        await self._connection.execute(sql, values)

    async def standing(self) -> tuple[Alert, ...]:
        """Alerts that stand, in the order in which they were raised."""
        rows = await self._asked(alerts.STANDING)
        return tuple(Alert(*row) for row in rows)

    def suspect(self, why: str) -> None:
        """Have every event looked at when this journal is opened next."""
        with suppress(OSError):
            self._lock.note(Left(self.epoch, open=True, suspect=why))
        self._suspected = True

    async def close(self) -> None:
        """Commit what was handed in, then let go of the file; once more is harmless."""
        if self._closed:
            return
        self._closing = self._closed = True
        # What was handed in comes first: SQLite's thread works in turn.
        if self.epoch and not self._suspected and await self._checkpointed():
            # Before SQLite removes the WAL: its absence would look like a loss.
            with suppress(OSError):
                self._lock.note(Left(self.epoch, head=self.head))
        await self._connection.close()
        self._lock.release()

    async def _asked(self, sql: str, *values: object) -> Iterable[sqlite3.Row]:
        """The rows of a question. Raises StorageFault, Damaged where a page of the file is."""
        try:
            return await self._connection.execute_fetchall(sql, values)
        except sqlite3.Error as error:
            raise schema.unusable(self.path, error) from error

    async def _checkpointed(self) -> bool:
        """Whether the file itself holds everything. While others read it SQLite leaves the WAL in place."""
        with suppress(sqlite3.Error):
            rows = await self._connection.execute_fetchall("PRAGMA wal_checkpoint(PASSIVE)")
            return all(busy == 0 and frames == done for busy, frames, done in rows)
        return False

    async def _identify(self, site: str, edge_id: str, begin: Beginning) -> None:
        meta = meta_of(await self._connection.execute_fetchall(META))
        if not meta:
            meta = {
                "epoch": begin.epoch or secrets.token_hex(8),
                "site": site,
                "edge": edge_id,
                "ordinal": str(begin.ordinal),
                "place": place(self.path),
            }
            await self._connection.execute(
                "INSERT INTO meta VALUES ('epoch', :epoch), ('site', :site), ('edge', :edge),"
                " ('ordinal', :ordinal), ('place', :place)",
                meta,
            )
        if (meta["site"], meta["edge"]) != (site, edge_id):
            raise StorageFault(
                f"{self.path} belongs to edge {meta['site']}:{meta['edge']}, not to {site}:{edge_id}",
                hint="Give edge.site and edge.id their old values, or move the file away to begin anew",
            )
        self.epoch, self.pruned = meta["epoch"], int(meta.get("pruned", "0"))
        self.source = f"urn:lineside:{site}:{edge_id}:{self.epoch}"
        last = await self._connection.execute_fetchall(
            "SELECT seq, CAST(body AS BLOB) FROM events ORDER BY seq DESC LIMIT 1"
        )
        for seq, body in last:
            self.head, self._chain = seq, chain_of(body)
        if self.head == 0:
            now = self._clock.now()
            opened = replace(begin.opened, clock=now.clock, boot_id=now.boot_id)
            await self.append([Draft(new_id(now.wall_ms), now.wall_ms, opened)])

    def _write(self) -> None:
        """Commit what waits. In SQLite's thread, which alone counts and chains."""
        self._called = False  # before looking: who comes now is either seen or tells again
        while self._calls:
            group = [self._calls.popleft()]
            size = len(group[0].drafts)
            while self._calls and size + len(self._calls[0].drafts) <= GROUP_EVENTS:
                group.append(self._calls.popleft())
                size += len(group[-1].drafts)
            outcome: _Sealed | BaseException
            try:
                outcome = self._commit(group)
            except BaseException as error:  # noqa: BLE001 whoever waits raises it
                outcome = error
            group[0].done.get_loop().call_soon_threadsafe(self._answer, group, outcome)

    def _commit(self, group: list[_Call]) -> _Sealed:
        """Number, chain and write the drafts of some calls as one transaction; the events of each call."""
        self._files.in_place()
        recorded = instant(self._clock.now().wall_ms)
        seq, chain = self.head, self._chain
        values: list[int | str] = []
        sealed: _Sealed = []
        for call in group:
            events = []
            for draft in call.drafts:
                seq += 1
                event, body = seal(draft, self.source, seq, recorded, chain)
                chain = chain_of(body)
                events.append(event)
                values += (seq, body.decode())
            sealed.append(tuple(events))
        self._connection._conn.execute(_insert(len(values) // 2), values)
        self.head, self._chain = seq, chain
        if not (self._noted or self._suspected):
            self._note_needed()
        return sealed

    def _note_needed(self) -> None:
        """Once a fact is in the WAL, and before it is acknowledged: from here on a WAL without it was lost.

        Where this cannot be noted (a full disk may not let it) the fact is recorded all the same; the next
        commit tries again.
        """
        with suppress(OSError):
            schema.sync_directory(self.path.parent)  # the WAL's own name comes before the note
            self._lock.note(Left(self.epoch, open=True, head=self.head))
            self._noted = True

    def _answer(self, group: list[_Call], outcome: _Sealed | BaseException) -> None:
        """Tell the callers what came of their group."""
        if isinstance(outcome, BaseException):
            fault = self._fault(outcome)
            for call in group:
                if not call.done.done():
                    call.done.set_exception(fault)
            return
        for call, numbered in zip(group, outcome, strict=True):
            if not call.done.done():
                call.done.set_result(numbered)

    def _fault(self, error: BaseException) -> BaseException:
        if isinstance(error, Damaged):
            return error
        if not isinstance(error, sqlite3.Error):
            self._closing = True  # nobody knows what was written: whoever waits must end, and start anew
            return error
        fault = schema.unusable(self.path, error)
        if isinstance(fault, Damaged):
            self.suspect(str(error))
        return fault


def place(path: Path) -> str:
    """Where a file stands: another machine, or a copy on this one, gives another text."""
    try:
        machine = Path("/etc/machine-id").read_text().strip()
    except OSError:
        machine = ""
    return hashlib.sha256(f"lineside:{machine}:{path.stat().st_ino}".encode()).hexdigest()[:16]


@lru_cache(GROUP_EVENTS)
def _insert(rows: int) -> str:
    """The statement that writes so many events; one statement is one transaction."""
    return "INSERT INTO events VALUES " + ", ".join(["(?, ?)"] * rows)  # noqa: S608 placeholders only
