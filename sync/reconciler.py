"""Reconciliation with one receiver as time goes by: at the end of each shift and day, and when a person asks.

Each comparison goes on where the one before ended, so that every fact is in exactly one range; ranges that
did not match are compared again. What ended while sync was down, or while the receiver was behind, is caught
up with, one certificate each. Nothing here touches the cursor: a receiver that fails or lies delays no
delivery.

Through which end a receiver was compared is in sync.db, written behind the certificates: being stopped
anywhere compares once more, which harms nobody.
"""

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import aiosqlite
import structlog

from edge import alerts, epochs, schema
from edge.calendar import Calendar
from edge.faults import UplinkFault
from edge.journal import Reader
from edge.ports import Clock
from sync.backoff import Backoff
from sync.certificates.record import ASKED, DECIDED, FORGOTTEN, LOST, OPEN, Certificate, of
from sync.due import Due, due
from sync.figures import last_recorded
from sync.lost import taken_and_lost, tell, whole
from sync.reconcile import Range, Reconciliation, ranges
from sync.store import Store
from sync.uplink import Uplink

_log = structlog.get_logger("lineside.sync")
_LOOK_S = 15.0
_RESENT_MAX = 2000  # facts sent again before the next comparison: they lie in sync.db meanwhile
_SENT_WITHIN_S = 300.0  # how long a comparison waits for what is sent again
_POLL_S = 0.5
_OPEN_MAX = 50  # ranges without a match that are compared again, the newest
_BACKOFF_MAX_S = 600.0
_SAID_AFTER_MS = 900_000  # a receiver may be a little behind


@dataclass(frozen=True)
class Outcome:
    """What came of comparing."""

    offered: bool  # whether the receiver compares at all
    certificates: tuple[Certificate, ...] = ()  # the latest of each range that was compared
    waiting: int = 0  # facts in quarantine
    unproven: int = 0  # ranges that do not match, compared now or not

    @property
    def match(self) -> bool:
        """Whether everything settled is proven; never over an open quarantine."""
        return self.offered and not self.waiting and not self.unproven

    @property
    def discarded(self) -> int:
        """Facts of these ranges that stay away by a person's decision."""
        return sum(one.findings.counts.discarded for one in self.certificates)


class Reconciler:
    """Compares one receiver until cancelled. `resent` is told when something is put up for sending again."""

    def __init__(
        self,
        uplink: Uplink,
        store: Store,
        journal: Path,
        calendar: Calendar,
        clock: Clock,
        resent: Callable[[], None],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = uplink.name
        self.when = uplink.settings.reconcile
        self._after_ms = round(1000 * uplink.settings.reconcile_after_s)
        self._one = Reconciliation(uplink, store, journal, clock)
        self._store = store
        self._journal = journal
        self._calendar = calendar
        self._clock = clock
        self._resent = resent
        self._sleep = sleep
        self._backoff = Backoff(_BACKOFF_MAX_S, chance)
        self._turn = asyncio.Lock()  # one comparison at a time
        self._attempt = 0
        self._trouble = ""
        self._waits: tuple[int, int] | None = None  # the end that waits for delivery, and since when it does

    async def run(self) -> None:
        """Compare whatever is due until cancelled. Raises StorageFault."""
        while True:
            await self._sleep(max(_LOOK_S, await self.look()))

    async def look(self) -> float:
        """Compare what is due now; returns for how many seconds to leave the receiver alone."""
        try:
            async with self._turn:
                for one in due(self._calendar, self.when, await self._through(), self._now_ms()):
                    if not await self._ended(one):
                        return 0.0
        except UplinkFault as fault:
            self._say(fault.message, fault.hint)
            self._attempt += 1
            return self._backoff.delay_s(self._attempt)
        self._attempt = 0
        return 0.0

    async def now(self) -> Outcome:
        """Compare everything that is settled and was not compared or did not match. Raises UplinkFault."""
        async with self._turn:
            outcome = await self._compared(ASKED, None)
        rows = await self._store.rows(_WAITING, self.name)
        assert outcome is not None, "without an end there is nothing to wait for"
        unproven = len(await self._unmatched())
        return Outcome(outcome.offered, outcome.certificates, rows[0][0], unproven)

    async def _ended(self, one: Due) -> bool:
        """Compare through the end of a shift or day; False while the receiver has not settled so far."""
        if self._now_ms() < one.at_ms + self._after_ms:
            return False  # what was done until then may still be recorded
        outcome = await self._compared(one.occasion, one.at_ms + self._after_ms)
        if outcome is None:
            if self._waits is None or self._waits[0] != one.at_ms:
                self._waits = one.at_ms, self._now_ms()  # not from its end: after a start nothing is late yet
            if self._now_ms() > self._waits[1] + _SAID_AFTER_MS:
                self._say(f"not everything until the end of {one.occasion} is delivered", _WAITS)
            return False
        self._say("" if outcome.offered else "not offered", "")
        await self._store.transact(lambda connection: _passed(connection, self.name, one.at_ms))
        return True

    async def _compared(self, occasion: str, until_ms: int | None) -> Outcome | None:
        """Compare what is new and what is open; None where the receiver has not settled so far."""
        found = await asyncio.to_thread(epochs.listed, self._journal)
        fresh = await self._fresh(found, occasion, until_ms)
        if fresh is None:
            return None
        certificates = []
        for given in [*await self._open(found), *fresh]:
            certificate = await self._mended(given)
            if certificate is None:
                return Outcome(offered=False)
            certificates.append(certificate)
        untold: list[UplinkFault] = []
        for journal in found[:-1]:
            certificates += await self._beyond(journal, untold)
        await self._tell()
        if untold and until_ms is None:
            raise untold[0]  # who asks hears it; at the end of a shift it delays nothing
        return Outcome(True, tuple(certificates))

    async def _beyond(self, journal: epochs.Epoch, untold: list[UplinkFault]) -> list[Certificate]:
        """What the receiver says of what a journal has lost, once of each part; `untold`: it did not."""
        if not (spans := await taken_and_lost(self._store, self.name, journal)):
            return []
        certificates = []
        for span in spans:
            if not await self._store.rows(_TOLD, self.name, journal.epoch, span.start, span[-1]):
                try:
                    certificates.append(await self._one.beyond(journal, span))
                except UplinkFault as fault:
                    untold.append(fault)  # asked again next time, and the alert says it
        await tell(self._store, self.name, journal, spans, self._now_ms())
        return [one for one in certificates if one is not None]

    async def _fresh(
        self, found: list[epochs.Epoch], occasion: str, until_ms: int | None
    ) -> list[Range] | None:
        """The ranges that were never compared, through a moment; None while they are not settled."""
        cursor = await self._store.cursor(self.name)
        place = next((at for at, one in enumerate(found) if cursor and one.epoch == cursor.epoch), None)
        if cursor is None or place is None:
            return None if found and until_ms is not None else []  # the agent has not begun
        fresh = []
        for at, epoch in enumerate(found):
            settled = epoch.head if at < place else cursor.seq if at == place else 0
            held = await _held(epoch.path, until_ms)
            if until_ms is not None and held.stop - 1 > settled:
                return None
            ((compared, delivered),) = await self._store.rows(_COMPARED, self.name, epoch.epoch)
            if delivered is not None:
                first = max(held.start, compared + 1 if compared else delivered)
                spans = whole(range(first, min(held.stop - 1, settled) + 1), epoch.missing)
                fresh += [Range(epoch.path, span.start, span[-1], occasion) for span in spans]
        return fresh

    async def _open(self, found: list[epochs.Epoch]) -> list[Range]:
        """The ranges that did not match and could now, or would say who discarded what; oldest first."""
        open_, decided = await self._unmatched(), await self._store.rows(DECIDED, self.name)
        asked = {one.id: one for one in open_[-_OPEN_MAX:] if await self._changed(one)}
        asked |= {one.id: one for one in map(of, decided[-_OPEN_MAX:])}
        again = ranges([asked[number] for number in sorted(asked)], found)
        kept = [one for one in again if (await _held(one.path, None)).start <= one.from_seq]
        return [part for one in kept for part in _parts(one, found)]

    async def _changed(self, one: Certificate) -> bool:
        """Whether another comparison may say something else: the receiver's figures may, quarantine must."""
        if one.occasion in _NOT_COMPARED:
            return False
        if one.missing or one.differences:
            return True
        rows = await self._store.rows(_EXCLUDED, self.name, *one.span)
        return [row[0] for row in rows] != one.report.excluded

    async def _unmatched(self) -> list[Certificate]:
        rows = await self._store.rows(OPEN, self.name)
        return [of(row) for row in rows]

    async def _mended(self, given: Range) -> Certificate | None:
        """Compare a range; send again what is missing and compare again, as long as that helps."""
        resent = 0
        certificate = await self._one.compare(given)
        while certificate is not None and certificate.missing:
            again = certificate.missing[:_RESENT_MAX]
            if not (count := await self._one.send_again(given, again)):
                break
            self._resent()
            resent += count
            _log.warning("facts are sent again", uplink=self.name, facts=count, first=again[0])
            if not await self._sent(certificate):
                break
            certificate = await self._one.compare(given, resent)
            if certificate is not None and not set(again).isdisjoint(certificate.missing):
                break  # it was offered again, and still the receiver says that it has it not
        return certificate

    async def _sent(self, certificate: Certificate) -> bool:
        """Wait until the agent has sent what was put up; False where that takes too long."""
        for _ in range(round(_SENT_WITHIN_S / _POLL_S)):
            if not await self._store.rows(_UNDER_WAY, self.name, *certificate.span):
                return True
            await self._sleep(_POLL_S)
        return False

    async def _tell(self) -> None:
        """Keep the alert true: it stands while a range differs, or lacks what was sent again."""
        unmatched = [one for one in await self._unmatched() if one.occasion not in _NOT_COMPARED]
        open_ = [one for one in unmatched if one.missing or one.differences]
        key, now_ms = f"uplink.{self.name}.reconciliation", self._now_ms()
        text = "; ".join(_words(one) for one in open_[-3:])

        async def work(connection: aiosqlite.Connection) -> None:
            if text:
                said = f"{self.name} does not hold what was delivered: {text}"
                await connection.execute(_OUTDATED, (now_ms, key, said))
                await alerts.stand(connection, key, said, _HINT, now_ms)
            else:
                await connection.execute(alerts.CLEAR, (now_ms, key))

        await self._store.transact(work)

    async def _through(self) -> int | None:
        rows = await self._store.rows("SELECT due_ms FROM reconciled WHERE uplink = ?", self.name)
        return rows[0][0] if rows else None

    def _now_ms(self) -> int:
        return self._clock.now().wall_ms

    def _say(self, trouble: str, hint: str) -> None:
        """One log line when the trouble begins or changes, one when it is over."""
        if trouble and trouble != self._trouble:
            _log.warning("no reconciliation", uplink=self.name, detail=trouble, hint=hint)
        elif self._trouble and not trouble:
            _log.info("reconciliation goes on", uplink=self.name)
        self._trouble = trouble


async def _held(path: Path, until_ms: int | None) -> range:
    """The seqs that a journal holds, recorded until a moment where one is given. Raises StorageFault."""
    async with await Reader.open(path) as reader:
        try:
            last = await reader.head() if until_ms is None else await last_recorded(reader, until_ms)
        except sqlite3.Error as error:
            raise schema.unusable(path, error) from error
        first = max(1, reader.pruned)
        return range(first, max(last, first - 1) + 1)


def _parts(one: Range, found: Iterable[epochs.Epoch]) -> list[Range]:
    """A range without what its journal has lost since."""
    journal = next(journal for journal in found if journal.path == one.path)
    span = range(one.from_seq, min(one.to_seq, journal.head) + 1)
    return [replace(one, from_seq=part.start, to_seq=part[-1]) for part in whole(span, journal.missing)]


async def _passed(connection: aiosqlite.Connection, uplink: str, due_ms: int) -> None:
    await connection.execute("INSERT OR REPLACE INTO reconciled VALUES (?, ?)", (uplink, due_ms))


def _words(one: Certificate) -> str:
    """What is wrong with a range, in words for a person."""
    said = []
    if one.missing:
        said.append(f"{len(one.missing)} facts are missing there, the first is seq {one.missing[0]}")
    if one.differences:
        first = one.differences[0]
        both = f": here {first.here}, there {first.there}" if first.there else ""
        said.append(f"{len(one.differences)} figures differ, {first.what}{both}")
    return f"{one.occasion}, {' and '.join(said)}"


_NOT_COMPARED = (LOST, FORGOTTEN)  # they have alerts of their own, and nothing makes them a match
_WAITS = "It is compared once it is; `lineside status` says why it waits"
_HINT = (
    "`lineside reconcile list` names the certificates, `lineside reconcile show` all figures of one. Facts"
    " here never change: find out with who runs the receiver what it lost or changed, then"
    " `lineside reconcile run`"
)
_COMPARED = (
    "SELECT (SELECT max(to_seq) FROM certificates WHERE uplink = ?1 AND epoch = ?2"  # noqa: S608 our own
    f" AND occasion NOT IN ('', '{LOST}')),"
    " (SELECT min(first) FROM (SELECT min(first_seq) AS first FROM receipts WHERE uplink = ?1 AND epoch = ?2"
    " UNION ALL SELECT min(seq) FROM quarantine WHERE uplink = ?1 AND epoch = ?2))"
)
_TOLD = (
    f"SELECT 1 FROM certificates WHERE occasion = '{LOST}' AND uplink = ? AND epoch = ?"  # noqa: S608
    " AND from_seq = ? AND to_seq = ? LIMIT 1"
)
_EXCLUDED = (
    "SELECT seq FROM quarantine WHERE uplink = ? AND epoch = ? AND seq BETWEEN ? AND ?"
    " AND how IS NOT 'posted' ORDER BY seq"
)
_UNDER_WAY = (
    "SELECT 1 FROM quarantine WHERE uplink = ? AND epoch = ? AND seq BETWEEN ? AND ? AND state = 'retrying'"
    " LIMIT 1"
)
_WAITING = "SELECT count(*) FROM quarantine WHERE uplink = ? AND state <> 'settled'"
_OUTDATED = "UPDATE alerts SET cleared_ms = ? WHERE key = ? AND cleared_ms IS NULL AND text <> ?"
