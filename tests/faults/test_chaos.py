"""Whatever the network and the receiver do to a call: each fact is posted once, in order per work order.

A proxy spoils a fifth of the calls on their way to an endpoint that was written from the contract alone. The
fast tests send a sample through every fault; `make faults` sends a hundred thousand facts through each. The
controls are deliveries that believe too much: the same proof must convict them.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from sync.batch import Batch
from sync.http import HttpUplink
from sync.outcome import Again, Outcome, Settled, Verdict
from sync.settings import HttpSettings
from sync.uplink import Uplink
from tests.contract.uplink.foreign import RUDENESSES
from tests.contract.uplink.rig import Time
from tests.faults.chaos_proxy import FAULTS
from tests.faults.chaos_run import Backlog, Plan, backlog_made, delivered, judged
from tests.faults.survival import Record

SAMPLE, MANY = 3000, 100_000
NETWORK, ENDPOINT, TOGETHER = "chaos: network", "chaos: endpoint", "chaos: together"
ALL = Plan(faults=tuple(FAULTS), share=0.3, rudeness=0.3, rejects_every=997)


async def goes_through(
    folder: Path, backlog: Backlog, fault: str, kind: str, plan: Plan, record: Record
) -> None:
    """Deliver and hand in the row."""
    found = await delivered(folder, backlog, plan)
    record(judged(fault, kind, backlog, found, found.met.total()))
    expected = {
        id_ for seq, id_ in backlog.ids.items() if plan.rejects_every and not seq % plan.rejects_every
    }
    assert found.quarantined == expected
    met = set(plan.faults) | (set(RUDENESSES) if plan.rudeness else set())
    assert found.met.keys() == met, "not every fault was met"
    if "one hour of outage" in found.met:
        assert found.refused > 0 and found.virtual_s >= 3600


async def test_each_fact_is_posted_once_in_order_through_all_faults_together(
    tmp_path: Path, record: Record
) -> None:
    backlog = await backlog_made(tmp_path / "line", SAMPLE)
    plan = replace(ALL, batch_events=20)
    await goes_through(tmp_path, backlog, TOGETHER, "sample", plan, record)


class Credulous(HttpUplink):
    """Takes any 200 for a receipt of everything."""

    async def ship(self, batch: Batch) -> Verdict:
        verdict = await super().ship(batch)
        if (isinstance(verdict, Again) and "answered 200" in verdict.detail) or isinstance(verdict, Settled):
            return Settled([Outcome(id_, "accepted") for id_ in batch.ids])
        return verdict


class Hasty(HttpUplink):
    """Moves the cursor when the call is sent, whatever comes back."""

    async def ship(self, batch: Batch) -> Verdict:
        await super().ship(batch)
        return Settled([Outcome(id_, "accepted") for id_ in batch.ids])


class Disorderly(HttpUplink):
    """Sends the second half of a batch first."""

    async def ship(self, batch: Batch) -> Verdict:
        half = len(batch.rows) // 2
        rows, ids = batch.rows[half:] + batch.rows[:half], [*batch.ids[half:], *batch.ids[:half]]
        body = b"[" + b",".join(body for _, body in rows) + b"]"
        verdict = await super().ship(replace(batch, rows=rows, body=body, ids=ids))
        if isinstance(verdict, Settled):
            by_id = {one.id: one for one in verdict.outcomes}
            return Settled([by_id.get(id_, Outcome(id_, "retry")) for id_ in batch.ids])
        return verdict


@pytest.mark.parametrize("unsafe", [Credulous, Hasty, Disorderly])
async def test_a_delivery_that_believes_too_much_is_convicted(
    unsafe: type[HttpUplink], tmp_path: Path, record: Record
) -> None:
    def made(settings: HttpSettings, time: Time) -> Uplink:
        return unsafe("erp", settings, time)

    backlog = await backlog_made(tmp_path / "line", SAMPLE // 3)
    plan = Plan(faults=("garbage", "answer of another call"), share=0.3, batch_events=20)
    found = await delivered(tmp_path, backlog, plan, made)
    row = judged("chaos: an unsafe agent", unsafe.__name__, backlog, found, found.met.total(), control=True)
    record(row)
    if unsafe is Disorderly:
        assert row.disordered and not row.lost
    else:
        assert row.lost


async def test_a_receiver_that_forgets_what_it_posted_is_convicted(tmp_path: Path, record: Record) -> None:
    backlog = await backlog_made(tmp_path / "line", SAMPLE // 3)
    plan = Plan(faults=("answer lost after posting", "call comes twice"), batch_events=20, remembers=False)
    found = await delivered(tmp_path, backlog, plan)
    row = judged("chaos: a forgetful receiver", "", backlog, found, found.met.total(), control=True)
    record(row)
    assert row.doubled and not row.lost


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def many(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Backlog]:
    """A hundred thousand facts."""
    yield await backlog_made(tmp_path_factory.mktemp("line"), MANY)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_hundred_thousand_facts_through(
    fault: str, many: Backlog, tmp_path: Path, record: Record
) -> None:
    share = 0.02 if fault == "one hour of outage" else 0.2
    await goes_through(tmp_path, many, NETWORK, fault, Plan((fault,), share), record)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_a_hundred_thousand_facts_to_an_endpoint_that_is_rude(
    many: Backlog, tmp_path: Path, record: Record
) -> None:
    plan = Plan(rudeness=0.5, rejects_every=997)
    await goes_through(tmp_path, many, ENDPOINT, f"{len(RUDENESSES)} kinds", plan, record)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_a_hundred_thousand_facts_through_everything(
    many: Backlog, tmp_path: Path, record: Record
) -> None:
    await goes_through(tmp_path, many, TOGETHER, "everything", ALL, record)
