"""Whatever broker, network and consumer do: each fact is pulled into the ERP once, in order per work order.

mosquitto is killed and starts again knowing nothing, a proxy spoils packets of both sides, the consumer dies
on both sides of its commits. The fast test sends a sample through all of it at once; `make faults` sends a
hundred thousand facts to `lineside pull` through each. The controls are consumers that take a short cut.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from sync.status import load_status
from tests.contract.mqtt.broker import needs_mosquitto
from tests.faults.chaos_run import Backlog, backlog_made
from tests.faults.mqtt_proxy import FAULTS
from tests.faults.mqtt_run import Plan, judged, pulled, serving
from tests.faults.survival import Record
from tests.patience import PATIENCE_S

pytestmark = needs_mosquitto
SAMPLE, MANY, LONG_S = 2000, 100_000, 1500.0
NETWORK, BROKER, TOGETHER = "MQTT: network", "MQTT: broker and consumer", "MQTT: together"


async def goes_through(
    folder: Path, backlog: Backlog, fault: str, kind: str, plan: Plan, record: Record, within_s: float
) -> None:
    """Pull and hand in the row."""
    found = await pulled(folder, backlog, plan, within_s)
    record(judged(fault, kind, backlog, found))
    assert len(found.booked) == len(backlog.ids)
    assert found.met.keys() == set(plan.faults), "not every fault was met"
    assert found.brokers == plan.brokers_killed
    assert found.lives > plan.killed + len(plan.dies)


async def test_a_sample_is_pulled_once_in_order_through_all_of_it(tmp_path: Path, record: Record) -> None:
    backlog = await backlog_made(tmp_path / "line", SAMPLE)
    plan = Plan(tuple(FAULTS), share=0.04, brokers_killed=2, dies=("before", "behind"))
    await goes_through(tmp_path, backlog, TOGETHER, "sample", plan, record, 2 * PATIENCE_S)


async def test_a_consumer_that_acks_before_it_commits_is_convicted(tmp_path: Path, record: Record) -> None:
    backlog = await backlog_made(tmp_path / "line", SAMPLE // 2)
    found = await pulled(tmp_path, backlog, Plan(consumer="hasty", dies=("before",)), PATIENCE_S)
    row = judged("MQTT: an unsafe consumer", "acks first", backlog, found, control=True)
    record(row)
    assert row.lost and not row.doubled


async def test_a_consumer_that_books_whatever_comes_is_convicted(tmp_path: Path, record: Record) -> None:
    backlog = await backlog_made(tmp_path / "line", SAMPLE // 2)
    found = await pulled(tmp_path, backlog, Plan(consumer="forgetful", dies=("behind",)), PATIENCE_S)
    row = judged("MQTT: an unsafe consumer", "books whatever comes", backlog, found, control=True)
    record(row)
    assert row.doubled and not row.lost


async def test_a_broker_that_acknowledges_nothing_is_left(tmp_path: Path) -> None:
    backlog = await backlog_made(tmp_path / "line", 1)
    deaf = Plan(("acknowledgement lost",), share=1.0)

    async def left() -> None:
        async with serving(tmp_path, backlog, deaf) as (_, store, _proxy), store.committed:
            while not any("acknowledged nothing" in one.detail for one in load_status(store.path).uplinks):
                await store.committed.wait()

    await asyncio.wait_for(left(), PATIENCE_S)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def many(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Backlog]:
    """A hundred thousand facts."""
    yield await backlog_made(tmp_path_factory.mktemp("line"), MANY)


SHIPPED = Plan(consumer="shipped", share=0.03, page_events=500, again_s=1.0, half_open_s=3.0)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_hundred_thousand_facts_pulled_through(
    fault: str, many: Backlog, tmp_path: Path, record: Record
) -> None:
    await goes_through(tmp_path, many, NETWORK, fault, replace(SHIPPED, faults=(fault,)), record, LONG_S)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_a_hundred_thousand_facts_while_broker_and_consumer_are_killed(
    many: Backlog, tmp_path: Path, record: Record
) -> None:
    plan = replace(SHIPPED, brokers_killed=20, killed=10)
    await goes_through(tmp_path, many, BROKER, "SIGKILL", plan, record, LONG_S)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_a_hundred_thousand_facts_pulled_through_everything(
    many: Backlog, tmp_path: Path, record: Record
) -> None:
    plan = replace(SHIPPED, faults=tuple(FAULTS), brokers_killed=10, killed=5)
    await goes_through(tmp_path, many, TOGETHER, "everything", plan, record, LONG_S)
