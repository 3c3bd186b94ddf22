"""What upkeep forgets, and how the stations' state comes back from a journal that has forgotten."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from edge.alerts import Alerts
from edge.events import Draft, OperatorSignedOn
from edge.ids import new_id
from edge.journal import Journal, Reader, Snapshot, verify
from edge.recovery import restored
from edge.upkeep import PORTION, Upkeep
from tests.unit.clocks import ManualClock

DAYS = 90


class Edge:
    """A journal and its upkeep, under a clock that the test moves."""

    def __init__(self, journal: Journal, clock: ManualClock) -> None:
        self.journal = journal
        self.clock = clock
        self.settled = 0
        self.snapshot_seq = 0

    async def append(self, number: int) -> None:
        now = self.clock.now()
        at = {"boot_id": now.boot_id, "monotonic_s": Decimal(1000), "posting_date": "2026-11-22"}
        facts = [OperatorSignedOn(station="OP20", operator=str(n), **at) for n in range(number)]
        await self.journal.append([Draft(new_id(now.wall_ms), now.wall_ms, fact) for fact in facts])

    async def forget(self) -> int:
        """The first seq that is still there after one round."""

        async def no_pause(_: float) -> None: ...

        done = {self.journal.epoch: self.settled}
        alerts = Alerts(self.journal, self.clock)
        upkeep = Upkeep(
            self.journal, self.clock, DAYS, alerts, lambda: self.snapshot_seq, lambda found: done, no_pause
        )
        await upkeep.forget()
        return await self.journal.first()


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Edge]:
    clock = ManualClock()
    async with await Journal.open(tmp_path / "journal.db", "suzhou", "L3-IPC1", clock) as journal:
        yield Edge(journal, clock)


async def test_only_what_is_settled_in_a_snapshot_and_old_is_forgotten(edge: Edge) -> None:
    await edge.append(5 * PORTION)
    edge.clock.advance(DAYS * 86_400 + 1)
    assert await edge.forget() == 1
    edge.settled = edge.journal.head
    assert await edge.forget() == 1
    edge.snapshot_seq = 2 * PORTION + 50
    assert await edge.forget() == 2 * PORTION + 1
    edge.settled, edge.snapshot_seq = 3 * PORTION + 50, edge.journal.head
    assert await edge.forget() == 3 * PORTION + 1
    async with await Reader.open(edge.journal.path) as reader:
        found = await verify(reader)
    assert (found.first, found.last, found.problems) == (3 * PORTION + 1, 5 * PORTION + 1, ())


async def test_what_is_young_is_kept(edge: Edge) -> None:
    await edge.append(PORTION)
    edge.clock.advance(DAYS * 86_400 - 1)
    await edge.append(PORTION)
    edge.settled = edge.snapshot_seq = edge.journal.head
    assert await edge.forget() == 1
    edge.clock.advance(2)
    assert await edge.forget() == PORTION + 1


async def test_a_pruned_journal_with_a_snapshot_of_another_form_is_gone_on_with(edge: Edge) -> None:
    await edge.append(300)
    await edge.journal.save_snapshot(Snapshot(edge.journal.head, "another", b"[]"))
    await edge.journal.prune(250)
    path, clock, head = edge.journal.path, edge.clock, edge.journal.head
    await edge.journal.close()
    async with await Journal.open(path, "suzhou", "L3-IPC1", clock) as journal:
        line, seq = await restored(journal)
    assert seq == head
    assert line.station("OP20").crew == tuple(str(n) for n in range(248, 300))
