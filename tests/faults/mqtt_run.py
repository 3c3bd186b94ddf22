"""A backlog pulled over a broker that is killed, through a proxy that spoils packets, by one that dies."""

import asyncio
import random
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.masterdata.store import MASTERDATA, MasterStore
from sync.metrics import Metrics
from sync.mqtt.bus import Bus
from sync.mqtt.settings import MqttSettings
from tests.contract.mqtt.broker import BASE, EDGE, Broker
from tests.contract.uplink.foreign import Posted
from tests.contract.uplink.rig import Time, WatchedStore, watched
from tests.faults.chaos_run import Backlog, disordered
from tests.faults.mqtt_proxy import MqttProxy
from tests.faults.table import Row

RECEIVER = "bus/erp"


@dataclass(frozen=True)
class Plan:
    """What a pull has to go through."""

    faults: tuple[str, ...] = ()
    share: float = 0.05  # of the packets
    brokers_killed: int = 0  # each starts again and knows nothing
    consumer: str = "orderly"  # of tests.faults.mqtt_consumer; "shipped": `lineside pull`
    dies: tuple[str, ...] = ()  # its lives that end too early, "before" a commit or "behind" it
    killed: int = 0  # how often the shipped one is killed some time
    page_events: int = 100
    again_s: float = 0.3
    half_open_s: float = 0.6
    seed: int = 20261122


@dataclass
class Pulled:
    """What came of it."""

    booked: Sequence[Posted] = ()
    met: Counter[str] = field(default_factory=Counter)
    lives: int = 0  # of the consumer
    brokers: int = 0  # how many died


@asynccontextmanager
async def serving(
    folder: Path, backlog: Backlog, plan: Plan
) -> AsyncIterator[tuple[Broker, WatchedStore, MqttProxy]]:
    """A broker and lineside, which meet through the proxy; what lineside's half dies of is raised."""
    broker = Broker(folder / "broker")
    await broker.start()
    try:
        async with (
            MqttProxy(
                target=broker.port, faults=plan.faults, share=plan.share if plan.faults else 0.0,
                seed=plan.seed, patience_s=plan.again_s, half_open_s=plan.half_open_s,
            ) as proxy,
            await watched(folder / "sync.db") as store,
            await MasterStore.open(folder / MASTERDATA) as held,
            asyncio.TaskGroup() as group,
        ):  # fmt: skip
            assert isinstance(store, WatchedStore)
            bus = group.create_task(_bus(proxy.port, plan, backlog, store, held).run(), name="bus")
            yield broker, store, proxy
            bus.cancel()
    finally:
        await broker.kill()


async def pulled(folder: Path, backlog: Backlog, plan: Plan, within_s: float) -> Pulled:
    """Pull everything: until the consumer says that there is no more."""
    found, database = Pulled(), folder / "erp.db"
    async with serving(folder, backlog, plan) as (broker, store, proxy), asyncio.timeout(within_s):
        deaths = asyncio.create_task(_deaths_of(broker, store, backlog, plan, found), name="broker")
        try:
            await _lives(proxy.port, database, plan, found, store, backlog)
        finally:
            deaths.cancel()
            await asyncio.gather(deaths, return_exceptions=True)
    found.booked, found.met = booked(database), proxy.met
    return found


def _bus(port: int, plan: Plan, backlog: Backlog, store: WatchedStore, held: MasterStore) -> Bus:
    given = MqttSettings.model_validate(
        {"kind": "mqtt", "host": "127.0.0.1", "port": port, "tls": False, "consumers": ["erp"],
         "events": False, "backoff_max_s": 0.2, "connect_timeout_s": 1.0, "page_events": plan.page_events,
         "requests_per_s": 10_000}
    ).model_copy(update={"keepalive_s": 1})  # fmt: skip
    site: Any = type("Site", (), {"edge": EDGE})
    return Bus("bus", given, site, store, held, Time(), Metrics(), backlog.path)


async def _deaths_of(
    broker: Broker, store: WatchedStore, backlog: Backlog, plan: Plan, found: Pulled
) -> None:
    """Kill the broker at even steps of the cursor; it starts again with an empty memory."""
    head = max(backlog.ids)
    for number in range(1, plan.brokers_killed + 1):
        await _reached(store, head * number // (plan.brokers_killed + 1))
        await broker.kill(forgets=True)
        found.brokers += 1
        await broker.start()


async def _reached(store: WatchedStore, seq: int) -> None:
    """Wait for an ack through `seq`."""
    while True:
        async with store.committed:
            cursor = await store.cursor(RECEIVER)
            if cursor is not None and cursor.seq >= seq:
                return
            await store.committed.wait()


async def _lives(
    port: int, database: Path, plan: Plan, found: Pulled, store: WatchedStore, backlog: Backlog
) -> None:
    """The consumer, life after life, until one of them has pulled everything."""
    chance, head = random.Random(plan.seed), max(backlog.ids)
    code: int | None = None
    while code != 0:
        found.lives += 1
        process = await asyncio.create_subprocess_exec(
            *_command(port, database, plan, found.lives), stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        killer = asyncio.create_task(_killer(process, found, plan, store, head, chance))
        try:
            _, said = await process.communicate()
            assert b"Traceback" not in said, said.decode()
        finally:
            killer.cancel()
            if process.returncode is None:
                process.kill()
                await process.wait()
        code = process.returncode


async def _killer(
    process: asyncio.subprocess.Process,
    found: Pulled,
    plan: Plan,
    store: WatchedStore,
    head: int,
    chance: random.Random,
) -> None:
    """End a life of the shipped consumer some moments after an ack."""
    if plan.consumer == "shipped" and found.lives <= plan.killed:
        await _reached(store, head * found.lives // (plan.killed + 1))
        await asyncio.sleep(chance.uniform(0, 0.2))
        process.kill()


def _command(port: int, database: Path, plan: Plan, life: int) -> list[str]:
    if plan.consumer == "shipped":
        return [
            sys.executable, "-m", "edge", "pull", "--host", "127.0.0.1", "--port", str(port), "--no-tls",
            "--topic", BASE, "--consumer", "erp", "--database", f"sqlite:///{database}", "--once",
            "--limit", str(plan.page_events), "--again-s", str(plan.again_s),
        ]  # fmt: skip
    dies = (life + 1, plan.dies[life - 1]) if life <= len(plan.dies) else (0, "")
    given = (BASE, port, database, plan.again_s, plan.page_events, *dies)
    return [sys.executable, "-m", "tests.faults.mqtt_consumer", plan.consumer, *map(str, given)]


def booked(database: Path) -> list[Posted]:
    """What the ERP holds, as it was inserted."""
    with closing(sqlite3.connect(database)) as db:
        rows = db.execute("SELECT id, sequence, subject FROM lineside_events ORDER BY rowid").fetchall()
    return [Posted(id_, int(seq), (subject or "").rpartition("/")[0] or None) for id_, seq, subject in rows]


def judged(fault: str, kind: str, backlog: Backlog, found: Pulled, control: bool = False) -> Row:
    """Identity and order of all that was recorded, against what the ERP holds."""
    known = {id_: seq for seq, id_ in backlog.ids.items()}
    held = Counter(one.id for one in found.booked)
    assert held.keys() <= known.keys(), "the ERP holds what was never recorded"
    assert all(known[one.id] == one.seq for one in found.booked)
    tried = found.met.total() + found.brokers + found.lives - 1
    lost, doubled = len(known.keys() - held.keys()), sum(times - 1 for times in held.values())
    return Row(
        fault, kind, tried, len(known), lost, doubled, control=control, disordered=disordered(found.booked)
    )
