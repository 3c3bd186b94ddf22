"""How much CPU a pull over MQTT costs sync: pages and acks, through a real broker.

`python -m tests.bench.pull [events]`: a backlog is pulled and acked page by page by a client in a process of
its own, over mosquitto, both set up as docs/mqtt.md says (TCP_NODELAY: else nobody works for nine tenths of
the time, and what follows meets cold caches). What counts is the CPU of this process, where the bus runs. The
raw counterpart reads the same rows and publishes the same bytes with a bare paho client.
"""

import asyncio
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import uvloop
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from edge import memory
from edge.masterdata.store import MasterStore
from edge.settings import Edge
from sync.metrics import Metrics
from sync.mqtt.bus import Bus
from sync.mqtt.settings import MqttSettings
from sync.store import Store
from tests.bench.drain import BenchClock, cpu_s, journal_of
from tests.bench.table import Row
from tests.contract.mqtt.broker import BASE, Broker

EVENTS = 50_000
PAGE = 500
ROUNDS = 5
TARGET = 100_000
_PIPE = subprocess.PIPE
EDGE = {"id": "edge", "site": "site", "line": "L3", "timezone": "UTC", "enterprise": "acme", "area": "hall"}

CONSUMER = """
import sys
from pathlib import Path
from tests.contract.mqtt.broker import BASE, Asking
client = Asking(int(sys.argv[1]), BASE + "/answer/erp/#")
client.unhindered()
print("ready", flush=True)
sys.stdin.readline()
count = 0
while True:
    page = client.ask(BASE + "/pull/erp", {"limit": int(sys.argv[2])})
    count += len(page["events"])
    client.ask(BASE + "/ack/erp", {"upto": page["next"]})
    if not page["more"]:
        break
client.close()
print(count)
"""


async def by_bus(folder: Path, port: int, number: int) -> tuple[float, int]:
    """CPU seconds for a whole backlog, and how many events came."""
    given: dict[str, Any] = {
        "kind": "mqtt", "host": "127.0.0.1", "port": port, "tls": False, "consumers": ["erp"],
        "page_bytes": 1048576, "requests_per_s": 10_000, "events": False,
    }  # fmt: skip
    site: Any = type("Site", (), {"edge": Edge.model_validate(EDGE)})
    held = await MasterStore.open(folder / f"master-{number}.db")
    async with await Store.open(folder / f"sync-{number}.db") as store:
        bus = Bus(
            "bus", MqttSettings.model_validate(given), site, store, held, BenchClock(), Metrics(),
            folder / "journal.db",
        )  # fmt: skip
        task = asyncio.create_task(bus.run())
        consumer = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            CONSUMER,
            str(port),
            str(PAGE),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert consumer.stdout is not None
        await consumer.stdout.readline()
        begun = cpu_s()
        said, _ = await consumer.communicate(b"go\n")
        used = cpu_s() - begun
        task.cancel()
        await asyncio.wait([task])
    await held.close()
    return used, int(said)


def by_hand(folder: Path, port: int) -> float:
    """CPU seconds of a bare read and publish of the same pages."""
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.connect("127.0.0.1", port)
    client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.loop_start()
    begun, seq = cpu_s(), 0
    with sqlite3.connect(folder / "journal.db") as database:
        while rows := database.execute(
            "SELECT seq, CAST(body AS BLOB) FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (seq, PAGE)
        ).fetchall():
            body = b"[" + b",".join([row[1] for row in rows]) + b"]"
            client.publish(f"{BASE}/raw", body, qos=1).wait_for_publish(60)
            seq = rows[-1][0]
    database.close()
    used = cpu_s() - begun
    client.disconnect()
    client.loop_stop()
    return used


async def rounds(folder: Path, events: int) -> list[tuple[float, float]]:
    """(bus, bare) CPU seconds in turns; the first round is thrown away."""
    broker = Broker(folder / "broker", "message_size_limit 0", "set_tcp_nodelay true")
    await broker.start()
    found = []
    memory.settle()
    try:
        for number in range(ROUNDS + 1):
            bare = await asyncio.to_thread(by_hand, folder, broker.port)
            used, count = await by_bus(folder, broker.port, number)
            assert count == events + 1, count
            found.append((used, bare))
    finally:
        await broker.kill()
    return found[1:]


def measure(folder: Path, events: int = EVENTS) -> list[Row]:
    """One row: events a second of sync's CPU."""
    if not (shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")):
        return [Row("pull over MQTT", "needs mosquitto", "", 0.0, f"≥ {TARGET:,} events a CPU second", None)]
    with tempfile.TemporaryDirectory(dir=folder) as name:
        path = Path(name)
        asyncio.run(journal_of(path / "journal.db", events))
        found = uvloop.run(rounds(path, events))
    used, bare = (statistics.median(one) for one in zip(*found, strict=True))
    rate = events / used
    return [
        Row(
            f"pull of {events:,} events over MQTT, {PAGE} a page",
            f"{rate:,.0f} events a CPU second ({used / events * 1e6:.1f} µs each)",
            f"read of {PAGE} + paho publish: {bare / events * 1e6:.1f} µs",
            used / bare,
            f"≥ {TARGET:,} a CPU second",
            rate >= TARGET,
        )
    ]


if __name__ == "__main__":
    row = measure(Path.cwd(), int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS)[0]
    print(f"{row.what}: {row.ours}; {row.raw}; ratio {row.ratio:.2f}, target {row.target}")
    sys.exit(row.met is False)
