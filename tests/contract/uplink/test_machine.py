"""Whatever happens in whatever order: each fact reaches the receiver once, under one number, in order.

Hypothesis lets appends, deliveries, decisions, crashes, copies, renames and damage follow on each other, over
real files, the real journal and the real agent. Beside them goes a model of lists and dicts that says which
number holds which id; after every step the files and the receiver are compared with it.
"""

import asyncio
import copy
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Coroutine, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from edge import epochs, upkeep, wal
from edge.alerts import Alerts
from edge.backup import back_up, put_back
from edge.events import Draft, JournalOpened, ReviewSettled, WorkPaused, chain_of, decode
from edge.faults import RestartNeeded
from edge.ids import new_id
from edge.journal import Reader
from edge.lock import Lock
from edge.opening import Ground, opened
from edge.upkeep import Upkeep
from sync.agent import Agent
from sync.metrics import Metrics
from sync.retention import done
from sync.settings import Delivery
from sync.status import load_quarantine, load_quarantined, load_status
from sync.store import Store
from tests.contract.uplink.model import Book, Expected, Model, laid, read, spoiled_chain, spoiled_id, taken
from tests.contract.uplink.postings import Cut, Mood, Number, Postings
from tests.contract.uplink.rig import Time
from tests.patience import PATIENCE_S

PORTION = 3  # events that one pruning takes; 200 in the field
LATER_MS = 4_000_000_000_000  # than the time of any file: a pruning takes what is settled
METRICS = Metrics()
MEMORY = Path("/dev/shm")  # no power cut here: what a sync costs buys nothing
LEFT = ("journal.db", "journal.db-wal", "journal.lock")
SYNC_LEFT = ("sync.db", "sync.db-wal")
MOODS = st.tuples(
    st.sampled_from(
        ["accepts", "rejects", "puts off from", "puts off", "loses answer", "loses rejection", "is down",
         "refuses", "finds too large", "pauses"]
    ),
    st.integers(0, 9),
)  # fmt: skip
CUTS = st.sampled_from(["", "", "before it posts", "after it posted", "while it settles"])


class Resting(Agent):
    """Says when nothing is left to do but wait."""

    quiet: asyncio.Event

    async def _rest(self, reader: Reader, seq: int) -> None:
        if not self._journals.sealed or self._halted:
            self.quiet.set()
        await super()._rest(reader, seq)


class Line(RuleBasedStateMachine):
    """One edge, one receiver."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.run(asyncio.sleep(0))
        self.temporary = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.folder = Path(self.temporary.name) / "data"
        self.folder.mkdir()
        self.time = Time(LATER_MS)
        self.model = Model()
        self.receiver = Postings(Delivery(kind="test"))
        self.edge_id = "edge-0"
        self.made = 0  # facts
        self.discarded: set[str] = set()
        self.quarantined: set[str] = set()  # ever
        self.found_again: set[str] = set()  # damage had destroyed them, a backup brings them: they come late
        self.backups: list[tuple[Path, Model]] = []
        self.copy: tuple[str, Book, dict[str, bytes]] | None = None  # epoch, what it holds, the file

    def run(self, doing: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(doing)

    @property
    def path(self) -> Path:
        return self.folder / "journal.db"

    # Starting and stopping

    @initialize()
    def first_start(self) -> None:
        self.store = self.run(Store.open(self.folder / "sync.db"))
        self.run(self._open())
        self.started_at = 0  # the seq behind which this life of the collector has recorded
        self.model.begin(self.journal.epoch, self.run(self._opening())[0])

    async def _open(self) -> None:
        self.posted_told: bool | None = None

        async def state_of(_: Reader, posted: bool) -> str:
            self.posted_told = posted
            return "{}"

        settled: dict[str, int] = {one.epoch: one.seq for one in load_status(self.folder / "sync.db").uplinks}
        ground = Ground(self.path, "site", self.edge_id, settled)
        self.journal, _ = await opened(ground, self.time, state_of)

    async def _opening(self) -> tuple[str, JournalOpened]:
        ((_, body),) = await self.journal.read_after(0, 1)
        event = decode(body)
        assert event.seq == 1 and isinstance(event.data, JournalOpened)
        return event.id, event.data

    def start(self, expected: Expected | None) -> None:
        """Start collect: it goes on with its journal, or begins the one that is expected."""
        self.run(self._open())
        self.started_at = self.journal.head
        if expected is None:
            assert self.journal.epoch == self.model.epoch
            assert self.journal.head == self.model.book.head
            return
        id_, fact = self.run(self._opening())
        self.model.begin(self.journal.epoch, id_)
        assert (fact.cause, fact.follows, fact.missing) == (
            expected.cause,
            expected.follows,
            expected.missing,
        )

    def stop(self, crash: bool = False, whole: int = 0, noted: Mapping[str, bytes] | None = None) -> None:
        """Stop collect; a crash leaves the files as they were, or only so many `whole` bytes of the WAL.

        `noted`: the lock file as it was when the bytes behind them were written.
        """
        left = taken(self.folder, LEFT) if crash else {}
        self.run(self.journal.close())
        if whole:
            left["journal.db-wal"] = left["journal.db-wal"][:whole]
        left |= noted or {}
        laid(self.folder, left)

    # What happens on a line

    @rule(count=st.integers(1, 6), calls=st.integers(1, 3))
    def append(self, count: int, calls: int) -> None:
        async def work() -> None:
            waiting = [self.journal.append(self._drafts(count)) for _ in range(calls)]
            for events in await asyncio.gather(*waiting):
                for event in events:
                    self.model.record(event.seq, event.id)

        self.run(work())

    @rule()
    def append_and_give_up_waiting(self) -> None:
        """A cancelled caller does not take its facts back."""

        async def work() -> None:
            drafts = self._drafts(2)
            task = asyncio.create_task(self.journal.append(drafts))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            (event,) = await self.journal.append(self._drafts(1))
            for draft in drafts:
                self.model.record(self.model.book.head + 1, draft.id)
            self.model.record(event.seq, event.id)

        self.run(work())

    @rule()
    def crash_collect(self) -> None:
        self.stop(crash=True)
        self.start(None)

    @rule(share=st.floats(0.05, 0.95))
    def power_cut_while_appending(self, share: float) -> None:
        """What was never acknowledged is gone; its numbers are free."""
        before, noted = self._log_end(), taken(self.folder, ["journal.lock"])
        self.run(self.journal.append(self._drafts(2)))
        grown = self._log_end() - before
        assert grown > 0
        self.stop(crash=True, whole=before + int(grown * share), noted=noted)
        self.start(None)

    def _log_end(self) -> int:
        """Where the last commit of the WAL ends: behind it is room."""
        return 32 + wal.read(self.folder / "journal.db-wal").frames * (24 + 4096)

    @rule(
        moods=st.lists(MOODS, max_size=4),
        cut=CUTS,
        on_reject=st.sampled_from(["continue", "hold_order", "halt"]),
        batch_events=st.integers(1, 8),
        count=st.integers(0, 5),
    )
    def append_and_ship(
        self, moods: list[Mood], cut: Cut, on_reject: str, batch_events: int, count: int
    ) -> None:
        self.append(count, 1)
        self.ship(moods, cut, on_reject, batch_events)

    def ship(self, moods: list[Mood], cut: Cut, on_reject: str, batch_events: int) -> None:
        self.receiver.script.extend(moods)
        self.receiver.cut = cut
        chosen = {"kind": "test", "on_reject": on_reject, "batch_events": batch_events}
        self.receiver.settings = Delivery.model_validate(chosen)
        before, asked = self._discarded(), len(self.receiver.asked)
        self.run(self._shipping())
        self.receiver.script.clear()
        assert not before & set(self.receiver.asked[asked:]), "a discarded fact was sent again"
        self.discarded |= self._discarded()
        self.quarantined |= {id_ for id_, *_ in self._quarantine()}

    async def _shipping(self) -> None:
        self.receiver.at_cut.clear()
        sleeps = 0

        async def sleep(delay_s: float) -> None:
            nonlocal sleeps
            sleeps = sleeps + 1 if len(self.receiver.asked) == asked[0] else 0
            asked[0] = len(self.receiver.asked)
            if sleeps > 4:
                agent.quiet.set()
            await self.time.sleep(delay_s)

        asked = [len(self.receiver.asked)]
        agent = Resting(
            self.receiver, self.store, self.path, self.time, METRICS, sleep=sleep, chance=lambda: 0.5
        )
        agent.quiet = asyncio.Event()
        task = asyncio.create_task(agent.run(), name="agent")
        signs = [asyncio.create_task(one.wait()) for one in (agent.quiet, self.receiver.at_cut)]
        await asyncio.wait([task, *signs], timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        assert task.done() or agent.quiet.is_set() or self.receiver.at_cut.is_set(), (
            "it neither goes nor rests"
        )
        for one in (task, *signs):
            one.cancel()
        await asyncio.wait([task, *signs])
        if not task.cancelled():
            task.result()

    @rule()
    def crash_sync(self) -> None:
        left = taken(self.folder, SYNC_LEFT)
        self.run(self.store.close())
        laid(self.folder, left)
        self.store = self.run(Store.open(self.folder / "sync.db"))

    @precondition(lambda self: self.open_rows())
    @rule(number=st.integers(0, 20), how=st.sampled_from(["retried", "discarded"]))
    def decide(self, number: int, how: Any) -> None:
        waiting = self.open_rows()
        self._review([waiting[number % len(waiting)]], how)

    def _review(self, ids: list[str], how: Any) -> None:
        drafts = [Draft(new_id(self.time.now_ms), self.time.now_ms, ReviewSettled(
            settles=tuple(ids), how=how, person="chief"))]  # fmt: skip
        for event in self.run(self.journal.append(drafts)):
            self.model.record(event.seq, event.id)

    @rule()
    def prune(self) -> None:
        self.time.now_ms += 1000
        store = self.folder / "sync.db"
        keeper = Upkeep(
            self.journal,
            self.time,
            0,
            Alerts(self.journal, self.time),
            lambda: self.journal.head,
            lambda found: done(found, ["erp"], load_status(store).uplinks, load_quarantined(store)),
            self.time.sleep,
        )
        with patch.object(upkeep, "PORTION", PORTION):
            self.run(keeper.forget())
        cursor = self._cursor()
        if cursor is None:
            return
        order = list(self.model.books)
        for epoch in order[: order.index(cursor[0])]:
            if not self._open_in(epoch):
                del self.model.books[epoch]
        if cursor[0] == self.model.epoch:
            limit = min([cursor[1], *(seq - 1 for seq in self._open_in(self.model.epoch))])
            book, first = self.model.book, min(self.model.book.held)
            while first + PORTION <= limit:
                first += PORTION
                book.pruned = first
            book.held = {seq: id_ for seq, id_ in book.held.items() if seq >= book.pruned}

    # What happens to its files

    @precondition(lambda self: len(self.backups) < 3)
    @rule()
    def back_up(self) -> None:
        target = Path(tempfile.mkdtemp(dir=self.temporary.name)) / "backup"
        manifest = back_up(self.path, self.folder / "sync.db", target)
        assert (manifest.epoch, manifest.head) == (self.model.epoch, self.model.book.head)
        self.backups.append((target, copy.deepcopy(self.model)))

    @precondition(lambda self: self.backups)
    @rule(number=st.integers(0, 2), crash=st.booleans())
    def restore_beside(self, number: int, crash: bool) -> None:
        """An older backup is put back where the line has gone on: both are kept."""
        folder, then = self.backups[number % len(self.backups)]
        self.stop(crash)
        self.run(self.store.close())
        with Lock(self.path) as lock, Lock(self.folder / "sync.db"):
            put_back(folder, self.path, self.folder / "sync.db", lock)
        self.store = self.run(Store.open(self.folder / "sync.db"))
        held = self.model.books
        # Where its journal still stands, the line has gone on from it, and nothing is lost.
        gone_on = self.model if then.epoch in held else then
        epoch, head = gone_on.epoch, gone_on.book.head
        self._find_again(then)
        for at, book in then.books.items():
            here = held.get(at)
            # The same end: what is there stays, unless the current one is whole and that is not.
            mended = here is not None and here.lacks and at == then.epoch and here.head == book.head
            if here is None or here.head < book.head or mended:
                held[at] = copy.deepcopy(book)
        self.model.books = {at: held[at] for at in self.model.began if at in held}
        self._start_restored(epoch, head, None if gone_on is self.model else f"{head + 1}-")

    @precondition(lambda self: self.backups)
    @rule(number=st.integers(0, 2))
    def restore_on_another_disk(self, number: int) -> None:
        """Everything since the backup is lost, also what sync knew, and the backups made since."""
        del self.backups[number % len(self.backups) + 1 :]
        folder, then = self.backups[-1]
        self.stop()
        self.run(self.store.close())
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        with Lock(self.path) as lock, Lock(self.folder / "sync.db"):
            put_back(folder, self.path, self.folder / "sync.db", lock)
        self.store = self.run(Store.open(self.folder / "sync.db"))
        self._find_again(then)
        self._hold_only(copy.deepcopy(then.books))
        self._start_restored(then.epoch, then.book.head, f"{then.book.head + 1}-")

    def _find_again(self, then: Model) -> None:
        self.found_again |= self.model.gone & {
            id_ for book in then.books.values() for id_ in book.held.values()
        }

    def _start_restored(self, epoch: str, head: int, missing: str | None) -> None:
        self.start(Expected("restored", f"{epoch}:{head}", missing))
        beyond = [seq for at, seq in self.model.numbers if at == epoch and seq > head]
        assert self.posted_told or not beyond, "what the receiver may hold is carried again"

    def _hold_only(self, books: dict[str, Book]) -> None:
        """The rest is destroyed, unless it was forgotten in order before."""
        lost = {id_ for book in self.model.books.values() for id_ in book.held.values()}
        self.model.books = books
        self.model.gone |= lost - {id_ for book in books.values() for id_ in book.held.values()}

    @rule()
    def copy_file(self) -> None:
        """Somebody copies the journal of a stopped line by hand."""
        self.stop()
        self.copy = (self.model.epoch, copy.deepcopy(self.model.book), taken(self.folder, ["journal.db"]))
        self.start(None)

    @precondition(lambda self: self.copy is not None and self.copy[0] == self.model.epoch)
    @rule(crash=st.booleans(), in_place=st.booleans())
    def lay_copy(self, crash: bool, in_place: bool) -> None:
        """... and lays it over the journal that has gone on: the same inode, or another."""
        assert self.copy is not None
        epoch, then, file = self.copy
        self.stop(crash)
        (self.folder / "journal.db-wal").unlink(missing_ok=True)
        if not in_place:
            self.path.rename(Path(self.temporary.name) / "away.db")
        laid(self.folder, file)
        head, same = then.head, then.head == self.model.book.head
        recorded = self.model.book.head > self.started_at
        gone = self.model.book.head
        self._hold_only({**self.model.books, epoch: copy.deepcopy(then)})
        if crash and recorded:
            self.start(Expected("damaged", f"{epoch}:{head}", f"{head + 1}-"))
        elif same and in_place:
            self.start(None)
        elif same:
            self.start(Expected("restored", f"{epoch}:{head}", f"{head + 1}-"))
        else:  # the lock says how far it went at least
            known = str(gone) if gone == head + 1 else f"{head + 1}-{gone}"
            self.start(Expected("restored", f"{epoch}:{head}", f"{known},{gone + 1}-"))

    @rule()
    def rename(self) -> None:
        self.stop()
        self.edge_id = f"edge-{len(self.model.began)}"
        self.start(Expected("renamed", f"{self.model.epoch}:{self.model.book.head}", None))

    @precondition(lambda self: len(self.model.book.held) >= 4)
    @rule(number=st.integers(0, 100), what=st.sampled_from(["id", "chain"]))
    def damage(self, number: int, what: str) -> None:
        """Bytes of one event flip on the disk; the check beside work finds it."""
        book, epoch = self.model.book, self.model.epoch
        # Nothing proves the one before which was pruned: all receivers are done with it.
        seqs = [seq for seq in sorted(book.held) if seq != book.pruned]
        seq = seqs[number % len(seqs)]
        ((_, body),) = self.run(self.journal.read_after(seq - 1, 1))
        self.stop()
        spoil = spoiled_id if what == "id" else spoiled_chain
        old = spoil(decode(body).id, chain_of(body))
        file = self.path.read_bytes()
        assert old[0] in file
        laid(self.folder, {"journal.db": file.replace(*old)})
        self.start(None)
        alerts = Alerts(self.journal, self.time)
        keeper = Upkeep(self.journal, self.time, 0, alerts, lambda: 0, lambda _: {}, self.time.sleep)
        with pytest.raises(RestartNeeded):
            self.run(keeper.prove())
        self.stop()
        end = book.head
        lost = [one for one in ((seq, seq + 1) if what == "chain" else (seq,)) if one <= end]
        self.model.gone |= {book.held.pop(one) for one in lost}
        book.lacks = True
        missing = str(seq) if len(lost) == 1 else f"{seq}-{seq + 1}"
        self.start(Expected("damaged", f"{epoch}:{book.head}", missing))

    # What must hold

    @invariant()
    def every_journal_holds_what_the_model_says(self) -> None:
        listed = epochs.listed(self.path)
        assert [one.epoch for one in listed] == list(self.model.books)
        for one in listed:
            book = self.model.books[one.epoch]
            held, problems = self.run(read(one.path))
            assert held == sorted(book.held.items())
            assert problems == book.problems()

    @invariant()
    def no_number_has_two_ids(self) -> None:
        assert self.receiver.strange == []
        assert self.receiver.numbers.items() <= self.model.numbers.items()
        assert len(set(self.receiver.ids)) == len(self.receiver.ids)

    @invariant()
    def what_was_posted_came_in_order(self) -> None:
        order = {epoch: number for number, epoch in enumerate(self.model.began)}
        aside = self.receiver.out_of_turn | self.quarantined | self.found_again
        came = [(order[at], seq) for (at, seq), id_ in self.receiver.posted if id_ not in aside]
        assert came == sorted(came)

    @invariant()
    def the_cursor_stands_behind_what_the_receiver_settled(self) -> None:
        cursor = self._cursor()
        if cursor is None:
            return
        last = self.model.began.index(cursor[0]), cursor[1]
        settled = self.receiver.told | self.quarantined | self.model.gone
        for (epoch, seq), id_ in self.model.numbers.items():
            if (self.model.began.index(epoch), seq) <= last:
                assert id_ in settled, f"the cursor {cursor} has passed {epoch}:{seq}"

    @invariant()
    def only_what_is_settled_was_forgotten(self) -> None:
        held = {id_ for book in self.model.books.values() for id_ in book.held.values()}
        settled = self.receiver.told | self.discarded | self.model.gone
        assert set(self.model.numbers.values()) - held <= settled
        assert not {key for key in self._alerts() if ".epoch." in key}

    @rule()
    def drain(self) -> None:
        """Everybody does what is to be done: then each fact is at the receiver once."""
        for _ in range(8):
            self.ship([], "", "continue", 500)
            self.time.now_ms += 120_000
            if waiting := self.open_rows():
                self._review(waiting, "retried")
            elif self._cursor() == (self.model.epoch, self.model.book.head):
                break
        else:
            raise AssertionError("it does not come to an end")
        for (epoch, seq), id_ in self.model.numbers.items():
            settled = ((epoch, seq), id_) in self.receiver.posted or id_ in self.discarded
            assert settled or id_ in self.model.gone, f"{epoch}:{seq} is nowhere"

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self.drain()
                self.every_journal_holds_what_the_model_says()
                self.no_number_has_two_ids()
                self.what_was_posted_came_in_order()
        finally:
            with suppress(AttributeError):
                self.run(self.journal.close())
                self.run(self.store.close())
            self.runner.close()
            self.temporary.cleanup()

    # Looking

    def _drafts(self, count: int) -> list[Draft]:
        drafts = []
        for _ in range(count):
            self.made += 1
            fact = WorkPaused(reason=f"{self.made:05d}", work_order=f"47{self.made % 3}", operation="0010")
            drafts.append(Draft(new_id(self.time.now_ms), self.time.now_ms, fact))
        return drafts

    def _ask(self, sql: str) -> list[Any]:
        with closing(sqlite3.connect(self.folder / "sync.db")) as db:
            return db.execute(sql).fetchall()

    def _cursor(self) -> Number | None:
        return next(iter(self._ask("SELECT epoch, seq FROM uplinks")), None)

    def _quarantine(self) -> list[tuple[str, str, int, str, str | None]]:
        return self._ask("SELECT id, epoch, seq, state, how FROM quarantine ORDER BY rowid")

    def _discarded(self) -> set[str]:
        return {id_ for id_, _, _, _, how in self._quarantine() if how == "discarded"}

    def _open_in(self, epoch: str) -> list[int]:
        return [seq for _, at, seq, state, _ in self._quarantine() if at == epoch and state != "settled"]

    def open_rows(self) -> list[str]:
        """Ids that wait for a person."""
        return [one.id for one in load_quarantine(self.folder / "sync.db") if one.state != "retrying"]

    def _alerts(self) -> list[str]:
        return [row[0] for row in self._ask("SELECT key FROM alerts")]


RULES = settings(
    derandomize=True, database=None, deadline=None, print_blob=False, report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def test_nothing_is_lost_doubled_or_renumbered_whatever_happens() -> None:
    run_state_machine_as_test(Line, settings=settings(RULES, max_examples=12, stateful_step_count=25))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_nothing_is_lost_doubled_or_renumbered_in_a_long_life() -> None:
    run_state_machine_as_test(Line, settings=settings(RULES, max_examples=300, stateful_step_count=60))
