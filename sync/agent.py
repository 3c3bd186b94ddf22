"""The delivery of one journal to one uplink: read behind the cursor, ship, settle, advance.

Invariants: the cursor moves in the same transaction that writes what became of the batch, and never past an
event that the receiver has not settled. Being stopped anywhere, or losing an answer, sends a batch again;
receivers tell by the ids. Events released from quarantine go first; they do not move the cursor. Only what
follows by its chain on the event before it is sent: a bit that turned on the disk must not become a cost.
"""

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from edge.epochs import Epoch
from edge.faults import JournalDamaged
from edge.journal import Reader
from edge.ports import Clock
from sync.backoff import WISH_MAX_S, Backoff
from sync.batch import Batch, Portion, Rows, pack, source_of
from sync.failing import Failing
from sync.forgotten import passed_over
from sync.fork import HINT, Fork, fork_of, not_sent
from sync.metrics import Metrics
from sync.outcome import Again, Outcome, Pause, Settled, Split, Verdict, printable
from sync.pace import Pace
from sync.proof import Proof, damage_key, unreadable
from sync.settlement import Settlement, decisions, settle
from sync.store import Condition, Cursor, Standing, Store
from sync.succession import Succession
from sync.uplink import Uplink

Sleep = Callable[[float], Awaitable[None]]
_log = structlog.get_logger("lineside.sync")
_ISOLATED_MAX = 3  # rejections of single events in a row that say: it is not the events
_TROUBLED = ("backoff", "paused", "halted")
_LATER = 10**15
_TICK_S = 1.0  # how often an idle agent looks whether the journal was replaced


class Agent:
    """Delivers to one uplink until cancelled."""

    def __init__(
        self,
        uplink: Uplink,
        store: Store,
        journal: Path,
        clock: Clock,
        metrics: Metrics,
        *,
        sleep: Sleep = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = uplink.name
        self.running = False
        self._uplink = uplink
        self._given = uplink.settings
        self._store = store
        self._journal = journal
        self._clock = clock
        self._metrics = metrics
        self._sleep = sleep
        self._backoff = Backoff(self._given.backoff_max_s, chance)
        self._portions = {
            again: Portion(self._given.batch_events, self._given.batch_bytes) for again in (False, True)
        }
        self._pace = Pace(self._given.batch_events)
        self._failing = Failing(store, self.name, journal, self._given.alert_after_min, clock)
        self._at = Cursor("", 0, 0, "idle")
        self._standing = Standing()
        self._said: tuple[str, str] | None = None  # the trouble that the log knows of: state, hint
        self._fork: Fork | None = None  # where the receiver and this journal part
        self._epoch: Epoch | None = None  # the journal being read
        self._journals = Succession(self.name, self._given.start, store, journal, clock, sleep)
        self._ended = False  # nothing comes behind the end of the journal being read
        self._drained = False
        self._unproven = True  # nothing was read behind the cursor since the journal was opened
        self._proof = Proof()
        self._looked = 0  # decisions were looked for through this seq while halted
        self._ahead = 0  # and through this one of the current journal, while one set aside is delivered
        self._isolated = 0
        self._attempt = 0
        self._requeued = False  # something was put up for sending again
        self._put_off = 0  # times in a row that the receiver put off what was released
        self._again_due_ms = 0  # monotonic: when released events are tried again

    async def run(self) -> None:
        """Deliver, also across a replaced journal. Raises StorageFault."""
        self.running = True
        try:
            await self._run()
        finally:
            self.running = False

    def resend(self) -> None:
        """Something that was posted was put up for sending again: it goes before anything new."""
        self._requeued = True

    async def _run(self) -> None:
        while True:
            journal = self._epoch = await self._journals.next()
            self._ended = False
            async with await Reader.open(journal.path) as reader:
                try:
                    await self._begin(reader)
                    await self._deliver(reader)
                except (sqlite3.Error, JournalDamaged) as error:
                    now_ms = self._now_ms()
                    raise await unreadable(
                        self._store, self.name, str(self._at), journal.path, error, now_ms
                    ) from error

    async def _deliver(self, reader: Reader) -> None:
        """The loop. Returns at the end of a journal that is set aside."""
        while not self._ended:
            if self._halted:
                await self._stand(reader)
            elif not (batch := await self._released() or await self._next(reader)):
                await self._rest(reader, self._at.seq)
            elif (fork := self._fork) is not None and fork.seq <= batch.last and not batch.again:
                await self._keep(batch, not_sent(fork, batch))
            else:
                await self._conclude(batch, await self._ship(batch))

    async def _next(self, reader: Reader) -> Batch | None:
        """What follows on the cursor."""
        portion = self._portions[False]
        limit = min(portion.events, self._pace.events)
        found = await reader.read_after(self._at.seq, limit)
        if not found:
            return None
        if found[0][0] != self._at.seq + 1:
            await self._pass_over(found[0][0])
        rows = await self._proof.of(reader, self._at.seq, found)
        taken = portion.cut(rows)
        if self._fork is not None:
            taken = self._fork.ahead(taken) or taken  # one batch lies on one side of it
        self._drained = len(taken) == len(rows) < limit
        return pack(reader.epoch, reader.source, taken, self._held_orders)

    async def _pass_over(self, first: int) -> None:
        """The next fact there is: say what before it never reaches the receiver, unless that is known."""
        assert self._epoch is not None, "a journal is being read"
        seq = await passed_over(self._store, self.name, self._epoch, self._at.seq, first, self._now_ms())
        if seq is not None:
            self._at = replace(self._at, seq=seq, reviewed=max(self._at.reviewed, seq))

    async def _released(self) -> Batch | None:
        """What a person released from quarantine or the receiver lost, unless the receiver put it off."""
        if self._requeued:
            self._requeued = False
            self._standing = await self._store.standing(self.name)
        if not self._standing.retrying or self._clock.now().monotonic_ms < self._again_due_ms:
            return None
        portion = self._portions[True]
        limit = min(portion.events, self._pace.events)
        epoch, rows = await self._store.released(self.name, limit)
        # Not the reader's: the edge may have had another name in that epoch.
        return pack(epoch, source_of(rows[0][1]), portion.cut(rows), again=True) if rows else None

    async def _ship(self, batch: Batch) -> Verdict:
        """What the receiver says."""
        return await self._uplink.ship(batch) if batch.rows else Settled(())

    async def _conclude(self, batch: Batch, verdict: Verdict) -> None:
        """Do what the verdict says."""
        portion = self._portions[batch.again]
        match verdict:
            case Settled(_, Again(detail, hint)) if not batch.again:
                await self._hold_off("backoff", detail, hint, None)
            case Settled(outcomes):
                self._pace.done(len(batch.rows))
                if any(outcome.status != "retry" for outcome in outcomes):
                    self._isolated = 0
                await self._settle(batch, outcomes)
            case Split(_, too_large) if len(batch.rows) > 1:
                portion.narrow(batch, too_large)
            case Split(problem) if batch.again or self._isolated + 1 < _ISOLATED_MAX:
                self._isolated += not batch.again  # a released one was known to be doubtful
                portion.isolated()
                await self._settle(batch, [Outcome(batch.ids[0], "rejected", problem=problem)])
            case Split(problem):
                title = printable(str(problem.get("detail") or problem.get("title") or ""), 160)
                detail = f"refuses one event after the other ({title})"
                await self._hold_off("paused", detail, _ISOLATED_HINT, None)
            case Pause(detail, hint, wish_s):
                await self._hold_off("paused", detail, hint, wish_s)
            case Again(detail, hint, wish_s, late):
                if late and self._pace.late(len(batch.rows)):
                    _log.info("the receiver is slow", uplink=self.name, portion=self._pace.events)
                await self._hold_off("backoff", detail, hint, wish_s)

    async def _settle(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """Keep what became of the batch, and what else the outcomes say."""
        settlement = settle(batch, outcomes)
        if settlement.counts:
            await self._keep(batch, settlement)
        if fork := fork_of(settlement, self._at.seq):
            await self._store.forked(self.name, batch.epoch, fork, self._now_ms())
            self._fork = fork
        elif not settlement.counts and batch.again:
            self._put_off += 1
            delay_s = self._backoff.delay_s(self._put_off)
            self._again_due_ms = self._clock.now().monotonic_ms + round(1000 * delay_s)
        elif not settlement.counts:
            await self._hold_off("backoff", "asks to send the same again", _RETRY_HINT, None)

    async def _keep(self, batch: Batch, settlement: Settlement) -> None:
        """Write what became of the batch, then advance."""
        state = "idle" if self._drained and settlement.complete else "shipping"
        if not settlement.answered and self._at.state in _TROUBLED:
            state = self._at.state  # facts were kept back, which says nothing of the receiver
        recovered = settlement.answered and self._at.state in _TROUBLED
        await self._store.settle(self.name, settlement, state, self._now_ms(), recovered)
        await self._advance(batch, settlement, state, recovered)

    async def _advance(self, batch: Batch, settlement: Settlement, state: str, recovered: bool) -> None:
        """Take over what was just committed."""
        if settlement.answered:
            self._attempt = 0
            self._failing.over()
        if settlement.cursor is not None:
            seq = settlement.cursor
            self._portions[False].passed(seq)
            self._at = Cursor(batch.epoch, seq, max(self._at.reviewed, seq), state)
            if self._unproven:
                await self._store.clear_alert(damage_key(self.name), self._now_ms())
                self._unproven = False
        else:
            self._put_off = self._again_due_ms = 0
            self._portions[True].passed(max(settlement.seqs))
            self._at = replace(self._at, state=state)
        if settlement.touches_quarantine:
            self._standing = await self._store.standing(self.name)
        self._metrics.settled(self.name, settlement.counts)
        if recovered:
            self._said = None
            _log.info("delivery goes on", uplink=self.name, cursor=str(self._at))

    async def _hold_off(self, state: str, detail: str, hint: str, wish_s: float | None) -> None:
        """Wait before the next try; the state says why, a pause raises an alert."""
        if state == "paused":
            delay_s = max(self._given.backoff_max_s, min(wish_s or 0.0, WISH_MAX_S))
        else:
            delay_s = self._backoff.delay_s(self._attempt, wish_s)
        self._attempt += 1
        condition = Condition(state, detail, hint, self._now_ms() + round(1000 * delay_s))
        await self._turn(condition)
        await self._failing.failed(condition)
        await self._sleep(delay_s)

    async def _turn(self, condition: Condition) -> None:
        """Keep a troubled state; a log line when it begins, also anew, or there is something else to do."""
        said = condition.state, condition.hint
        if said != self._said:
            self._said = said
            _log.warning(
                "delivery waits",
                uplink=self.name,
                state=condition.state,
                detail=condition.detail,
                hint=condition.hint,
            )
        await self._store.condition(self.name, condition, self._now_ms())
        self._at = replace(self._at, state=condition.state)
        self._metrics.troubled(self.name, condition.state)

    async def _stand(self, reader: Reader) -> None:
        """Halted: nothing is sent; look for what people decide."""
        if self._at.state != "halted":
            if self._fork is not None:
                await self._turn(Condition("halted", self._fork.text, HINT))
            else:
                await self._turn(Condition("halted", "rejected production facts", _REJECT_HINT))
        looked = max(self._looked, self._at.reviewed)
        rows = await reader.read_after(looked, self._given.batch_events)
        if not rows and self._journals.sealed:
            await self._look_ahead()
        elif not rows:
            await self._rest(reader, looked)
            return
        else:
            await self._carry_out(rows)
        if not self._halted:
            await self._store.resume(self.name, self._now_ms())
            self._at, self._said = replace(self._at, state="idle"), None
            _log.info("delivery goes on", uplink=self.name, cursor=str(self._at))

    async def _carry_out(self, rows: Rows) -> None:
        """Do what people decided in events that the cursor has not reached yet."""
        self._looked = rows[-1][0]
        if found := decisions(rows):
            await self._store.carry_out(self.name, found, self._looked, self._now_ms())
            self._at = replace(self._at, reviewed=self._looked)
            self._standing = await self._store.standing(self.name)

    async def _look_ahead(self) -> None:
        """Halted in a journal that is set aside: what people decide stands in the current one."""
        await self._sleep(_TICK_S)
        async with await Reader.open(self._journal) as reader:
            while rows := await reader.read_after(self._ahead, self._given.batch_events):
                self._ahead = rows[-1][0]
                # Later than anything of this epoch, whatever their own numbers are.
                found = [replace(one, seq=one.seq + _LATER) for one in decisions(rows)]
                if found:
                    await self._store.carry_out(self.name, found, self._at.reviewed, self._now_ms())
                    self._standing = await self._store.standing(self.name)

    async def _rest(self, reader: Reader, seq: int) -> None:
        """Wait for an event behind `seq`, or for a tick; notice a journal in this one's place."""
        if self._journals.sealed and not self._halted:  # what was released waits in sync.db, not here
            self._ended = True
            return
        try:
            async with asyncio.timeout(_TICK_S):
                await reader.wait_beyond(seq)
        except TimeoutError:
            self._ended = self._journals.replaced and await reader.head() <= seq

    async def _begin(self, reader: Reader) -> None:
        """Find where this uplink stands in its journal."""
        head = await reader.head()
        self._at = await self._store.cursor(self.name) or self._at
        self._standing = await self._store.standing(self.name)
        if self._standing.held and self._given.on_reject != "hold_order":
            await self._store.release_held(self.name, self._now_ms())
            self._standing = await self._store.standing(self.name)
        self._looked, self._ahead, self._unproven = 0, 0, True
        self._fork = await self._store.fork(self.name, reader.epoch)
        self._proof = Proof()
        if self._at.seq > head:
            self._fork = Fork(head + 1, f"it has settled through {self._at.seq}, the journal ends at {head}")
        if self._at.state in ("removed", "halted") and not self._halted:
            await self._store.resume(self.name, self._now_ms())
            self._at = replace(self._at, state="idle")

    @property
    def _halted(self) -> bool:
        rejected = self._given.on_reject == "halt" and self._standing.waiting > 0
        return rejected or (self._fork is not None and not self._journals.sealed)

    @property
    def _held_orders(self) -> frozenset[str]:
        return self._standing.orders if self._given.on_reject == "hold_order" else frozenset()

    def _now_ms(self) -> int:
        return self._clock.now().wall_ms


_RETRY_HINT = "Nothing to do unless it lasts: then ask who runs the receiver"
_ISOLATED_HINT = (
    "Check the uplink's url and the receiver's log. Where the facts themselves are wrong: a restart of"
    " lineside sync puts two more of them into quarantine and goes on"
)
_REJECT_HINT = "`lineside outbox list` shows them; retry or discard them and delivery goes on"
