"""Forgets in sync.db what is needed no more, in small portions, so that it does not grow for ever.

Receipts and settled quarantine, with the bodies of what was rejected or sent again, go with their facts: once
the journal has forgotten those (`storage.keep_days`), nothing can compare them or send them again.
Certificates are proofs and stay for `storage.certificates_days`, as long as all of them fit into
`storage.certificates_mib`. One that reaches facts which are still here is kept in any case, for it says what
was compared; only those that a consumer made by asking give way all the same, before all others. What is not
proven gives way last: nothing must look proven because its certificate is gone. Only a clock that a time
server holds ages anything: without one, what speaks of journals that are gone stays as well.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

import aiosqlite
import structlog

from edge import epochs
from edge.journal import Reader
from edge.ports import Clock
from edge.settings import Storage
from sync import forgotten, lost
from sync.store import Store

_log = structlog.get_logger("lineside.sync")

CROWDED = "storage.certificates"
FIRST_S = 60.0  # after the start, which must not be slowed down
INTERVAL_S = 3600.0
PORTION = 200  # rows that one transaction forgets
PAUSE_S = 0.1
_DAY_MS = 86_400_000
_EVER = 2**62
_MIB = 1 << 20


class Keeping:
    """What looks after one sync.db."""

    def __init__(
        self,
        store: Store,
        journal: Path,
        storage: Storage,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._journal = journal
        self._storage = storage
        self._clock = clock
        self._sleep = sleep

    async def run(self) -> None:
        """Look once an hour until cancelled. Raises StorageFault."""
        await self._sleep(FIRST_S)
        while True:
            await self.look()
            await self._sleep(INTERVAL_S)

    async def look(self) -> None:
        """Forget what may be forgotten now. Raises StorageFault."""
        found = await asyncio.to_thread(epochs.listed, self._journal)
        if not found:
            return  # nobody knows yet what is still here
        first = {one.epoch: await _first(one.path) for one in found}
        now_ms = self._clock.now().wall_ms
        await lost.forget(self._store, first, now_ms)
        await forgotten.over(self._store, self._before_ms(self._storage.keep_days), now_ms)
        count = await self._settled(_RECEIPTS, first) + await self._settled(_QUARANTINE, first)
        count += await self._old(first)
        count += await self._crowded(first)
        if count:
            _log.info("settled delivery forgotten", rows=count, days=self._storage.keep_days)

    async def _settled(self, table: Mapping[str, str], first: Mapping[str, int]) -> int:
        """Forget what speaks of facts that are not here any more."""
        count, place = 0, ("", "")
        before_ms = self._before_ms(self._storage.keep_days)
        while rows := await self._store.rows(table["next"], *place):
            place = str(rows[0][0]), str(rows[0][1])
            here = first.get(place[1])  # else the whole journal is gone
            limits = (here, _EVER) if here is not None else (_EVER, before_ms)
            while gone := await self._forget(table["forget"], [(*place, *limits, PORTION)]):
                count += gone
        return count

    async def _old(self, first: Mapping[str, int]) -> int:
        """Forget certificates that are older than they need be."""
        count = 0
        before_ms = self._before_ms(self._storage.certificates_days)
        while gone := await self._forget(_OLD, [(before_ms, json.dumps(first), PORTION)]):
            count += gone
        return count

    def _before_ms(self, days: int) -> int:
        """What was written before this is older than so many days; 0 where the clock may be ahead."""
        now = self._clock.now()
        return now.wall_ms - days * _DAY_MS if now.clock == "synced" else 0

    async def _crowded(self, first: Mapping[str, int]) -> int:
        """Forget the oldest certificates that have no room; those that consumers asked for first."""
        count, room = 0, self._storage.certificates_mib * _MIB
        over = (await self._store.rows(_WEIGHT))[0][0] - room
        for sql, given in ((_ASKED, ()), (_OTHERS, (json.dumps(first),))):
            while over > 0 and (rows := await self._store.rows(sql, *given, PORTION)):
                chosen = []
                for number, weight in rows:
                    if over > 0:
                        chosen.append((number,))
                        over -= weight
                count += await self._forget(_ONE, chosen)
        await self._say(count, room)
        return count

    async def _forget(self, sql: str, given: Iterable[tuple[object, ...]]) -> int:
        """Forget in one transaction; how many rows went."""
        counted = []

        async def work(connection: aiosqlite.Connection) -> None:
            cursor = await connection.executemany(sql, given)
            counted.append(cursor.rowcount)
            await cursor.close()

        await self._store.transact(work)
        if counted[0]:
            await self._sleep(PAUSE_S)
        return counted[0]

    async def _say(self, gone: int, room: int) -> None:
        """An alert while certificates give way before their time."""
        now_ms = self._clock.now().wall_ms
        if gone:
            text = f"Certificates fill storage.certificates_mib = {room // _MIB}: the oldest are forgotten"
            await self._store.raise_alert(CROWDED, text, _HINT, now_ms)
        elif (await self._store.rows(_WEIGHT))[0][0] < 0.9 * room:
            await self._store.clear_alert(CROWDED, now_ms)


async def _first(path: Path) -> int:
    """The first seq that a journal still holds. Raises StorageFault."""
    async with await Reader.open(path) as reader:
        return reader.pruned


_HINT = (
    "Export what is to be kept with `lineside reconcile export`, or give storage.certificates_mib more. Where"
    " a consumer compares very often, see why"
)
_RECEIPTS = {
    "next": "SELECT uplink, epoch FROM receipts WHERE (uplink, epoch) > (?, ?)"
    " ORDER BY uplink, epoch LIMIT 1",
    "forget": "DELETE FROM receipts WHERE id IN (SELECT id FROM receipts WHERE uplink = ? AND epoch = ?"
    " AND last_seq < ? AND at_ms < ? LIMIT ?)",
}
_QUARANTINE = {
    "next": "SELECT uplink, epoch FROM quarantine WHERE (uplink, epoch) > (?, ?)"
    " ORDER BY uplink, epoch LIMIT 1",
    "forget": "DELETE FROM quarantine WHERE rowid IN (SELECT rowid FROM quarantine WHERE uplink = ?"
    " AND epoch = ? AND seq < ? AND at_ms < ? AND state = 'settled' LIMIT ?)",
}
# The newest stays, else its number would be given again.
_GIVES_WAY = (
    "NOT EXISTS (SELECT 1 FROM json_each(?) AS here WHERE here.key = one.epoch AND one.to_seq >= here.value)"
    " AND one.id < (SELECT max(id) FROM certificates)"
)
_OLD = f"""
DELETE FROM certificates WHERE id IN (
    SELECT id FROM certificates AS one WHERE at_ms < ? AND {_GIVES_WAY} ORDER BY id LIMIT ?)
"""  # noqa: S608
_WEIGHT = "SELECT coalesce(sum(bytes), 0) FROM certificates"
_ASKED = (
    "SELECT id, bytes FROM certificates WHERE occasion = '' AND id < (SELECT max(id) FROM certificates)"
    " ORDER BY id LIMIT ?"
)
_OTHERS = f"""
SELECT id, bytes FROM certificates AS one WHERE occasion <> '' AND {_GIVES_WAY}
ORDER BY match DESC, id LIMIT ?
"""  # noqa: S608
_ONE = "DELETE FROM certificates WHERE id = ?"
