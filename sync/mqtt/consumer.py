"""One consumer: pages behind a cursor, and what its acks settle.

Invariants: only an ack moves the cursor, after the same transaction wrote what was rejected; asking again
changes nothing, and an ack that came before changes nothing. A request is checked as a whole before anything
of it is written.
"""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import structlog

from edge.faults import Damaged, JournalDamaged
from edge.journal import Reader
from edge.ports import Clock
from sync.batch import Batch, Portion, Rows, pack, reviews, source_of
from sync.failing import Failing
from sync.forgotten import is_told, passed_over
from sync.fork import HINT, fork_of
from sync.metrics import Metrics
from sync.mqtt import wire
from sync.mqtt.journals import Forgotten, Journals
from sync.mqtt.settings import MqttSettings
from sync.mqtt.wire import Refused
from sync.outcome import Outcome
from sync.proof import Proof, damage_key, unreadable
from sync.settlement import settle, taken
from sync.store import Condition, Cursor, Standing, Store, failing_key, paused_key
from sync.succession import placed

_log = structlog.get_logger("lineside.sync")
_ACCEPTED = Outcome(status="accepted")
_READ_EVENTS = 500
_AROUND_BYTES = 256  # of a page beside its events
_NOT_PROVEN = "damaged"
Kept = TypeVar("Kept")


class Consumer:
    """Answers one consumer; `name` is its receiver's name in sync.db. One request at a time."""

    def __init__(
        self,
        name: str,
        settings: MqttSettings,
        journals: Journals,
        store: Store,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self.name = name
        self.page_bytes = settings.page_bytes  # the broker may allow less
        self._fact_bytes = settings.page_bytes  # of one that comes alone: what the broker takes
        self._given = settings
        self._journals = journals
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._failing = Failing(store, name, journals.path, settings.alert_after_min, clock)
        self._proof = Proof()
        self._unread: tuple[str, int] | None = "", 0  # behind it nothing could be read; unknown at first
        self._standing = Standing()
        self._at: Cursor | None = None  # as committed; nobody else moves it
        self._sent: Batch | None = None  # the last page, which is most often acked next

    async def place(self) -> Cursor:
        """Where the consumer stands; a new one is put where it begins. Raises StorageFault."""
        if self._at is None:
            self._at = await self._placed()
            self._standing = await self._store.standing(self.name)
            await self._passed_over()
        return self._at

    def allow(self, room: int) -> None:
        """The broker takes answers of so many bytes."""
        self.page_bytes, self._fact_bytes = min(self._given.page_bytes, room), room - _AROUND_BYTES

    async def troubled(self, condition: Condition) -> None:
        """The broker cannot be reached or takes nothing; a halt stays one. Raises StorageFault."""
        if self._at is None or self._at.state != "halted":
            await self._store.condition(self.name, condition, self._clock.now().wall_ms)
        await self._failing.failed(condition)

    async def connected(self) -> None:
        """The broker is there (again). Raises StorageFault."""
        at, now_ms = await self.place(), self._clock.now().wall_ms
        self._failing.over()
        await self._store.clear_alert(failing_key(self.name), now_ms)
        if at.state != "halted":
            await self._store.clear_alert(paused_key(self.name), now_ms)
            await self._store.resume(self.name, now_ms)

    async def pull(self, body: bytes) -> bytes:
        """A page. Raises Refused, StorageFault."""
        request = wire.read(body, wire.Pull)
        try:
            return await self._kept(lambda: self._page(request))
        except (sqlite3.Error, JournalDamaged) as error:
            raise await self._unreadable(error, request.after) from error

    async def ack(self, body: bytes) -> bytes:
        """Settle; the answer says where the cursor stands. Raises Refused, StorageFault."""
        request = wire.read(body, wire.Ack)
        try:
            await self._kept(lambda: self._settle(request))
        except (sqlite3.Error, JournalDamaged) as error:
            raise await self._unreadable(error) from error
        return wire.settled(str(await self.place()))

    async def _kept(self, does: Callable[[], Awaitable[Kept]]) -> Kept:
        """Do it; once more where what follows on the cursor was forgotten. Raises Refused."""
        try:
            return await does()
        except Forgotten:
            if not await self._passed_over():
                raise
            return await does()

    async def _passed_over(self) -> bool:
        """Go on behind what was forgotten before the consumer had it; whether there was any."""
        at = await self.place()
        found = await self._journals.first_behind((at.epoch, at.seq))
        if found is None or found[1] == at.seq + 1:
            return False
        now_ms = self._clock.now().wall_ms
        seq = await passed_over(self._store, self.name, found[0], at.seq, found[1], now_ms)
        if seq is not None:
            self._at = replace(at, seq=seq, reviewed=max(at.reviewed, seq))
        return seq is not None

    async def _page(self, request: wire.Pull) -> bytes:
        at, seq = await self._next(request.after or str(await self.place()))
        limit = min(request.limit or self._given.page_events, self._given.page_events)
        again = await self._again(limit)
        room = self.page_bytes - _AROUND_BYTES - sum(len(body) + 1 for _, body in again)
        seq, (reader, rows) = await self._read(at, seq, limit)
        while rows and len(rows[0][1]) > self._fact_bytes:
            await self._set_aside(reader, at, seq, rows[:1])
            seq, (reader, rows) = await self._read(at, rows[0][0], limit)
        taken: Rows = []
        if rows and (room > len(rows[0][1]) or not again):
            taken = Portion(limit, max(room, 0)).cut(await self._proof.of(reader, seq, rows))
        last = taken[-1][0] if taken else seq
        # Looked through while it is in the CPU's cache: at its ack that would cost seven times as much.
        self._sent = _unnamed(reader.epoch, reader.source, taken) if taken else None
        head = await self._journals.head_beyond((reader.epoch, last))
        more = (reader.epoch, last) != head
        return wire.page(taken, again, f"{reader.epoch}:{last}", more, f"{head[0]}:{head[1]}")

    async def _read(self, at: int, seq: int, limit: int) -> tuple[int, tuple[Reader, Rows]]:
        """Events behind `seq`, or behind what never reaches the consumer, and where they begin."""
        try:
            return seq, await self._journals.read(at, seq, limit)
        except Forgotten as gone:
            if not await is_told(self._store, self.name, gone.journal, seq, gone.first):
                raise
            return gone.first - 1, await self._journals.read(at, gone.first - 1, limit)

    async def _next(self, cursor: str) -> tuple[int, int]:
        """The place of a cursor; at the end of a journal, the beginning of the next. Raises Refused."""
        at, seq = await self._found(cursor)
        row = self._journals.row
        while at < len(row) - 1 and seq >= row[at].head:
            at, seq = at + 1, 0
        return at, seq

    async def _set_aside(self, reader: Reader, at: int, seq: int, rows: Rows) -> None:
        """Put the fact next to the cursor into quarantine: the broker would not take it. Raises Refused."""
        ((number, body),) = rows
        size = f"seq {number} of {reader.epoch} has {len(body)} bytes, the broker takes {self._fact_bytes}"
        own = await self.place()
        if (at, seq) != await self._next(str(own)):
            raise Refused(
                "fact-too-large", f"{size}; go on with {reader.epoch}:{number}, or ack what is before it"
            )
        batch = pack(reader.epoch, reader.source, await self._proof.of(reader, seq, rows))
        _log.warning("a fact is too large for the broker", uplink=self.name, detail=size, hint=_SIZE_HINT)
        if own.epoch != reader.epoch:
            await self._enter(reader.epoch)
        await self._write(batch, {batch.ids[0]: _too_large(size)})

    async def _again(self, limit: int) -> Rows:
        """What was released from quarantine, at most half a page of it so that the rest goes on too."""
        if not self._standing.retrying:
            return []
        epoch, rows = await self._store.released(self.name, limit)
        while rows and len(rows[0][1]) > self._fact_bytes:  # still, or for a broker that takes less
            batch = pack(epoch, source_of(rows[0][1]), rows[:1], again=True)
            size = f"{len(rows[0][1])} bytes, the broker takes {self._fact_bytes}"
            await self._write(batch, {batch.ids[0]: _too_large(f"seq {rows[0][0]} of {epoch} has {size}")})
            epoch, rows = await self._store.released(self.name, limit)
        return Portion(limit, self.page_bytes // 2).cut(rows) if rows else []

    async def _settle(self, request: wire.Ack) -> None:
        own = await self.place()
        upto = await self._found(request.upto) if request.upto else None
        rejected = {one.id: one.problem for one in request.rejected}
        begin = (self._journals.index(own.epoch) or 0), own.seq
        ahead = upto if upto is not None and upto > begin else None
        held = await self._quarantined({*request.accepted, *rejected})
        await self._known(begin, ahead, rejected.keys() - held.keys())
        await self._settle_again(
            [id_ for id_, state in held.items() if state == "retrying"], request.accepted, rejected
        )
        if ahead is not None:
            await self._advance(begin, ahead, rejected)

    async def _known(
        self, begin: tuple[int, int], ahead: tuple[int, int] | None, ids: Collection[str]
    ) -> None:
        """Whether every rejected event is among those being settled. Raises Refused."""
        wanted = set(ids)
        if wanted and ahead is not None:
            async for batch in self._between(begin, ahead, named=True):
                wanted.difference_update(batch.ids)
        if wanted:
            raise Refused(
                "not-rejectable",
                f"{wire.missing(sorted(wanted))} cannot be rejected: not between the cursor and `upto`,"
                " nor in `again`; nothing was settled",
            )

    async def _quarantined(self, ids: Collection[str]) -> dict[str, str]:
        """The state in quarantine by id; ids that never were there are left out."""
        found: dict[str, str] = {}
        named = list(ids)
        for first in range(0, len(named), 500):
            part = named[first : first + 500]
            marks = ",".join("?" * len(part))
            rows = await self._store.rows(
                f"SELECT id, state FROM quarantine WHERE uplink = ? AND id IN ({marks})",  # noqa: S608
                self.name,
                *part,
            )
            found |= {row[0]: row[1] for row in rows}
        return found

    async def _settle_again(
        self, released: Collection[str], accepted: Collection[str], rejected: Mapping[str, Any]
    ) -> None:
        """Settle released events; those of one epoch at a time."""
        left = {id_ for id_ in released if id_ in rejected or id_ in set(accepted)}
        while left:
            epoch, rows = await self._store.released(self.name, _READ_EVENTS)
            found = pack(epoch, source_of(rows[0][1]), rows, again=True) if rows else None
            chosen = [row for row, id_ in zip(rows, found.ids, strict=True) if id_ in left] if found else []
            if not chosen:
                return  # of a later epoch, or behind many others: offered again
            await self._write(pack(epoch, source_of(chosen[0][1]), chosen, again=True), rejected)
            self._standing = await self._store.standing(self.name)
            left -= set(found.ids) if found else set()

    async def _advance(
        self, begin: tuple[int, int], ahead: tuple[int, int], rejected: Mapping[str, Any]
    ) -> None:
        """Settle everything through `ahead`, journal by journal."""
        async for batch in self._between(begin, ahead, named=bool(rejected)):
            if batch.epoch != (await self.place()).epoch:
                await self._enter(batch.epoch)
            if not await self._write(batch, rejected):
                return

    async def _enter(self, epoch: str) -> None:
        """The journal before is settled: go on in the next."""
        await self._store.begin(self.name, epoch, 0, self._clock.now().wall_ms)
        self._at = Cursor(epoch, 0, 0, "shipping")

    async def _write(self, batch: Batch, rejected: Mapping[str, Any]) -> bool:
        """One transaction; whether all of the batch is settled."""
        if rejected:
            outcomes = [
                Outcome(id_, "rejected", problem=rejected[id_]) if id_ in rejected else _ACCEPTED
                for id_ in batch.ids
            ]
            sealed = batch.epoch != self._journals.row[-1].epoch
            settlement = settle(batch, outcomes, past_fork=sealed)
        else:
            settlement = taken(batch)
        now_ms = self._clock.now().wall_ms
        at = await self.place()
        await self._store.settle(self.name, settlement, "shipping", now_ms, recovered=at.state == "halted")
        if settlement.cursor is not None:
            self._at = Cursor(batch.epoch, settlement.cursor, max(at.reviewed, settlement.cursor), "shipping")
            await self._read_beyond(batch.epoch, settlement.cursor)
        self._metrics.settled(self.name, settlement.counts)
        if settlement.touches_quarantine:
            self._standing = await self._store.standing(self.name)
        if fork := fork_of(settlement, at.seq):
            await self._store.forked(self.name, batch.epoch, fork, now_ms)
            await self._store.condition(self.name, Condition("halted", fork.text, HINT), now_ms)
            self._at = Cursor(batch.epoch, settlement.cursor or at.seq, at.reviewed, "halted")
        return settlement.complete

    async def _between(
        self, begin: tuple[int, int], ahead: tuple[int, int], named: bool
    ) -> AsyncIterator[Batch]:
        """Everything behind `begin` through `ahead`, in batches of one epoch each; `named`: with ids."""
        at, seq = begin
        while (at, seq) < ahead:
            end = ahead[1] if at == ahead[0] else await self._journals.end(at)
            while seq < end:
                batch = await self._batch(at, seq, end, named)
                yield batch
                seq = batch.last
            if at == ahead[0]:
                return
            at, seq = at + 1, 0

    async def _batch(self, at: int, seq: int, end: int, named: bool) -> Batch:
        """The next batch of a range: the page that was sent, where it is that."""
        journal, sent = self._journals.row[at], self._sent
        if sent is None or (sent.epoch, sent.rows[0][0]) != (journal.epoch, seq + 1) or sent.last > end:
            _, found = await self._journals.read(at, seq, min(_READ_EVENTS, end - seq))
            rows = [row for row in found if row[0] <= end]  # where something is lost, they lie apart
            if not rows:
                raise Refused("forgotten", f"what follows on {journal.epoch}:{seq} is not there")
            sent = _unnamed(journal.epoch, journal.source, rows)
        return pack(sent.epoch, sent.source, sent.rows) if named else sent

    async def _found(self, cursor: str) -> tuple[int, int]:
        """A cursor as place in the row of journals. Raises Refused."""
        epoch, seq = wire.place_of(cursor)
        at = self._journals.index(epoch)
        if at is None:
            raise Refused("unknown-cursor", f"{cursor} is of a journal that is not here")
        end = await self._journals.end(at, seq)
        if seq > end:
            raise Refused("beyond-head", f"{cursor} lies beyond the last event, {epoch}:{end}")
        return at, seq

    async def _placed(self) -> Cursor:
        """The cursor as stored; put into a journal where it is in none."""
        epoch, head = await self._journals.head()
        journals = [replace(one, head=head) if one.epoch == epoch else one for one in self._journals.row]
        now_ms = self._clock.now().wall_ms
        return await placed(self._store, self.name, self._given.start, journals, now_ms)

    async def _read_beyond(self, epoch: str, seq: int) -> None:
        """Settled through here: the alert is over where this lies behind what could not be read."""
        if self._unread is None:
            return
        there, here = self._journals.index(self._unread[0]), self._journals.index(epoch)
        if there is not None and here is not None and (here, seq) <= (there, self._unread[1]):
            return
        await self._store.clear_alert(damage_key(self.name), self._clock.now().wall_ms)
        self._unread = None

    async def _unreadable(self, error: sqlite3.Error | JournalDamaged, after: str | None = None) -> Exception:
        """What to say where nothing behind a cursor can be read; the consumer's own where none is given."""
        place, now_ms = after or str(self._at or ""), self._clock.now().wall_ms
        fault = await unreadable(self._store, self.name, place, self._journals.path, error, now_ms)
        if not isinstance(fault, Damaged):
            return fault
        self._unread = wire.place_of(place) if place else ("", 0)
        return Refused(_NOT_PROVEN, "what follows cannot be read at the edge; somebody there is told")


def _unnamed(epoch: str, source: str, rows: Rows) -> Batch:
    """A batch without ids and body, which an ack that rejects nothing does not need."""
    return Batch(epoch, source, rows, b"", (), rows[-1][0], reviews(rows))


def _too_large(size: str) -> dict[str, str]:
    """The problem of a fact that no broker like this one carries (RFC 9457)."""
    return {
        "type": "urn:lineside:problem:fact-too-large",
        "title": "too large for the broker",
        "detail": f"{size}. {_SIZE_HINT}",
    }


_SIZE_HINT = "Give the broker a larger maximum packet size, then `lineside outbox retry`"
