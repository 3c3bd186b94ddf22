"""What is forgotten does not come back: a clock that is or was wrong neither ages a fact nor keeps others.

Where no time server holds the clock, only the time that the edge ran ages anything.
"""

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from edge import upkeep
from edge.alerts import Alerts
from edge.calendar import Calendar
from edge.events import Draft, OperatorSignedOn
from edge.ids import new_id
from edge.journal import Journal
from edge.recovery import restored
from edge.timekeeper import JudgedClock
from edge.upkeep import PORTION, Upkeep
from edge.wallclock import Wall
from tests.unit.clocks import ManualClock
from tests.unit.station.floor import Floor
from tests.unit.test_opening import start

DAYS = 90
DAY_MS = 86_400_000


class Edge:
    """A journal of which everything is settled, and its upkeep, under a clock that the test sets."""

    def __init__(self, journal: Journal, clock: ManualClock) -> None:
        self.journal = journal
        self.clock = clock
        self.alerts = Alerts(journal, clock)
        self.wall = Wall()

    async def append(self, number: int, *, believed: bool = True) -> None:
        now = self.clock.now()
        date = "2026-11-22" if believed else None
        at = {"boot_id": now.boot_id, "monotonic_s": Decimal(now.monotonic_ms) / 1000, "posting_date": date}
        facts = [OperatorSignedOn(station="OP20", operator=str(n), **at) for n in range(number)]
        await self.journal.append([Draft(new_id(now.wall_ms), now.wall_ms, fact) for fact in facts])

    def set(self, days: float, **changes: object) -> None:
        """Set the clock; no time passes."""
        moment = self.clock.moment
        self.clock.moment = replace(moment, wall_ms=moment.wall_ms + round(days * DAY_MS), **changes)

    async def run(self, days: float, boots: int = 1, *, believed: bool = True) -> None:
        """So many days pass in so many boots, with a fact every six hours."""
        for boot in range(boots):
            for _ in range(round(days * 4 / boots)):
                moment, quarter = self.clock.moment, DAY_MS // 4
                wall_ms, monotonic_ms = moment.wall_ms + quarter, moment.monotonic_ms + quarter
                self.clock.moment = replace(moment, wall_ms=wall_ms, monotonic_ms=monotonic_ms)
                await self.append(1, believed=believed)
            if boot < boots - 1:
                boot_id = f"{self.clock.moment.boot_id}+"
                self.set(3, boot_id=boot_id, monotonic_ms=20_000)
                await self.append(1)

    async def forget(self, aside: dict[str, int] | None = None) -> int:
        """The first seq that is still there after one round."""

        async def no_pause(_: float) -> None: ...

        calendar: Calendar = Floor().site.calendar
        done = {self.journal.epoch: self.journal.head, **(aside or {})}
        line, _ = await restored(self.journal)
        await Upkeep(
            self.journal,
            JudgedClock(self.clock, calendar, lambda: self.wall),
            DAYS,
            self.alerts,
            lambda: self.journal.head,
            lambda found: done,
            no_pause,
            lambda: line,
        ).forget()
        return await self.journal.first()


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Edge]:
    clock = ManualClock()
    async with await Journal.open(tmp_path / "journal.db", "suzhou", "L3-IPC1", clock) as journal:
        yield Edge(journal, clock)


async def test_a_clock_that_nothing_holds_ages_nothing(edge: Edge) -> None:
    await edge.append(4 * PORTION)
    edge.set(100, clock="unsynced")
    assert await edge.forget() == 1
    edge.set(0, clock="synced")
    assert await edge.forget() == 4 * PORTION + 1


@pytest.mark.parametrize("boots", [1, 7])
async def test_where_no_time_server_holds_the_clock_facts_go_after_as_many_days_of_running(
    edge: Edge, boots: int
) -> None:
    edge.set(0, clock="unsynced")
    await edge.append(4 * PORTION)
    await edge.run(DAYS, boots)
    edge.set(1000)
    assert await edge.forget() == 1
    await edge.run(2)
    assert await edge.forget() == 4 * PORTION + 1
    await edge.run(PORTION / 4)
    assert await edge.forget() == 5 * PORTION + 1


async def test_a_time_server_is_believed_before_the_time_of_running(edge: Edge) -> None:
    await edge.append(4 * PORTION)
    await edge.run(DAYS + 2)
    edge.set(-20)
    assert await edge.forget() == 1
    edge.set(0, clock="unsynced")
    assert await edge.forget() == 4 * PORTION + 1


async def test_what_waits_for_its_posting_date_stays_however_long_the_edge_runs(edge: Edge) -> None:
    await edge.append(2 * PORTION)
    first = edge.journal.head + 1
    edge.set(-56 * 365, clock="unsynced")  # and no battery
    await edge.run(3 * DAYS, believed=False)
    await edge.run(2)
    assert first - PORTION < await edge.forget() <= first


async def test_the_time_of_other_boots_ages_nothing(edge: Edge) -> None:
    edge.set(0, clock="unsynced")
    await edge.append(4 * PORTION)
    for boot in range(DAYS + 10):
        edge.set(1, boot_id=f"boot {boot}", monotonic_ms=300 * DAY_MS)
        await edge.append(1)
    assert await edge.forget() == 1


async def test_a_clock_that_was_set_or_cannot_be_right_ages_nothing(edge: Edge) -> None:
    await edge.append(4 * PORTION)
    now = edge.clock.now()
    edge.wall = Wall(boot_id=now.boot_id, stepped=True)
    edge.set(100, clock="unsynced")
    assert await edge.forget() == 1
    edge.wall = Wall(believed_ms=now.wall_ms + 300 * DAY_MS)  # before that day, so it is wrong
    assert await edge.forget() == 1


@pytest.mark.parametrize("ahead", [1, 3 * PORTION])
async def test_facts_of_a_clock_that_was_years_ahead_keep_no_others(edge: Edge, ahead: int) -> None:
    await edge.append(PORTION)
    edge.set(3650)
    await edge.append(ahead)
    edge.set(-3650)
    await edge.append(6 * PORTION)
    edge.set(DAYS - 1)
    assert await edge.forget() == 1
    edge.set(2)
    assert await edge.forget() > 5 * PORTION


@pytest.mark.parametrize(
    "wrong_days", [-56 * 365, -300], ids=["1970", "after the software was made, and not believed"]
)
@pytest.mark.parametrize("look", [upkeep._LOOK, 7])
async def test_facts_of_a_clock_that_was_behind_are_no_older_than_those_behind_them(
    edge: Edge, wrong_days: int, look: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_LOOK", look)
    edge.set(wrong_days)
    await edge.append(4 * PORTION, believed=False)
    edge.set(-wrong_days)
    assert await edge.forget() == 1, "nothing dates them yet"
    await edge.append(PORTION)
    edge.set(DAYS - 1)
    assert await edge.forget() == 1
    edge.set(2)
    assert await edge.forget() == 5 * PORTION + 1


async def written(folder: Path, clock: ManualClock, *, believed: bool) -> tuple[Path, str]:
    """A journal set aside."""
    async with await Journal.open(folder / "journal.db", "suzhou", "L3-IPC1", clock) as journal:
        await Edge(journal, clock).append(20, believed=believed)
        epoch = journal.epoch
    journal, _ = await start(folder, edge_id="other")
    await journal.close()
    return folder / f"journal-{epoch}.db", epoch


def numbered(path: Path, ordinal: int) -> None:
    """Change the journal's place among those of the edge."""
    with closing(sqlite3.connect(path)) as db, db:
        assert db.execute("UPDATE meta SET value = ? WHERE key = 'ordinal'", (str(ordinal),)).rowcount == 1


def touched(path: Path, wall_ms: float) -> None:
    os.utime(path, (wall_ms / 1000, wall_ms / 1000))


@pytest.mark.parametrize("at", [-56 * 365, 3650, 0], ids=["1970", "years ahead", "right"])
async def test_a_journal_set_aside_is_as_old_as_its_facts_whatever_the_file_says(
    tmp_path: Path, at: int
) -> None:
    clock = ManualClock()
    aside, epoch = await written(tmp_path, clock, believed=True)
    touched(aside, clock.now().wall_ms + at * DAY_MS)
    async with await Journal.open(tmp_path / "journal.db", "suzhou", "other", clock) as journal:
        edge = Edge(journal, clock)
        for days, quality, kept in ((100, "unsynced", True), (-11, "synced", True), (2, "synced", False)):
            edge.set(days, clock=quality)
            await edge.forget({epoch: 21})
            assert aside.exists() == kept, days


async def test_a_journal_set_aside_goes_when_the_one_behind_it_ran_long_enough(tmp_path: Path) -> None:
    clock = ManualClock()
    clock.moment = replace(clock.moment, clock="unsynced")
    aside, epoch = await written(tmp_path, clock, believed=False)
    async with await Journal.open(tmp_path / "journal.db", "suzhou", "other", clock) as journal:
        edge = Edge(journal, clock)
        edge.set(300, monotonic_ms=300 * DAY_MS)  # between the journals: whose time it was is not known
        await edge.run(DAYS)
        await edge.forget({epoch: 21})
        assert aside.exists()
        await edge.run(2)
        await edge.forget({epoch: 20})
        assert aside.exists(), "not delivered"
        numbered(aside, 9)
        await edge.forget({epoch: 21})
        assert aside.exists(), "it is not of before this one"
        numbered(aside, 1)
        await edge.forget({epoch: 21})
        assert not aside.exists()


async def test_a_journal_set_aside_that_nothing_dates_stays(tmp_path: Path) -> None:
    clock = ManualClock()
    right_ms = clock.now().wall_ms
    clock.moment = replace(clock.moment, wall_ms=1000)
    aside, epoch = await written(tmp_path, clock, believed=False)
    touched(aside, 1000)
    clock.moment = replace(clock.moment, wall_ms=right_ms)
    async with await Journal.open(tmp_path / "journal.db", "suzhou", "other", clock) as journal:
        edge = Edge(journal, clock)
        edge.set(1000)
        await edge.forget({epoch: 21})
        assert aside.exists()
