"""How much CPU delivery costs: the agent against a bare read and POST of the same bytes.

`python -m tests.bench.drain [events]`: a backlog is drained over loopback by the agent, then by a loop that
reads 500 rows with sqlite3, compresses them the same way, POSTs them with aiohttp and ignores the answer. The
receiver runs in a process of its own. The journal is made once; both read it warm. What opening files and
connections costs, once, is left out of both: counting begins behind the first batch. Memory is kept as in the
process that runs (`edge.memory`), for both.
"""

import asyncio
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import uvloop
import zstandard

from edge import memory
from edge.events import Draft, Fact, MaterialConsumed, Output, Resources, WorkReported, plain, seconds
from edge.ids import new_id
from edge.journal import Journal
from edge.readings import Moment
from sync.agent import Agent
from sync.http import BATCH_TYPE, ZSTD_LEVEL, HttpUplink
from sync.metrics import Metrics
from sync.settings import HttpSettings
from sync.store import Store
from tests.bench.table import Row

EVENTS = 50_000
BATCH = 500
ROUNDS = 9
START_MS = 1_795_000_000_000
TARGET = 2.0

RECEIVER = r"""
import asyncio, json, re, sys, zstandard
from aiohttp import web

RESULT = '{"id":"%s","status":"accepted","document":"5%09d","posting_date":"2026-11-22"}'
IDS = re.compile(rb'"id":"([^"]+)","recordedtime"')

async def events(request):
    body = zstandard.ZstdDecompressor().decompressobj().decompress(await request.read())
    found = ",".join(
        RESULT % (id_.decode(), number) for number, id_ in enumerate(IDS.findall(body))
    )
    return web.Response(text='{"results":[' + found + "]}", content_type="application/json")

async def main():
    app = web.Application(client_max_size=1 << 24)
    app.router.add_post("/events", events)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


class BenchClock:
    """Time that stands still."""

    def now(self) -> Moment:
        return Moment(START_MS, 0, "5f1b2c3d-1111-4222-8333-444455556666")


def realistic(number: int) -> Fact:
    """Reports and consumption as a station writes them."""
    operator = str(1000 + number % 7)
    common = {
        "station": "OP20",
        "work_center": "WC-PRESS-1",
        "equipment": "PRESS-1",
        "operators": (operator,),
        "actor": operator,
        "origin": "scan",
        "posting_date": "2026-11-22",
        "production_date": "2026-11-22",
        "shift": "day",
        "clock": "synced",
        "boot_id": "5f1b2c3d-1111-4222-8333-444455556666",
        "monotonic_s": seconds(number * 730),
        "utc_offset": "+08:00",
        "masterdata": f"v{number // 5000}",
        "work_order": str(10045678 + number // 200),
        "order_line": "1",
        "operation": "0020",
    }
    if number % 3 == 0:
        lot = f"A{2000 + number % 97}"
        return MaterialConsumed(
            **common, material="STEEL-4", lot=lot, quantity=plain("2.480"), unit="KGM", bom_line="10",
            warehouse="L3", method="scanned", use="production", posted_by="edge",
        )  # fmt: skip
    made = Output(
        material="BRACKET-7", role="main", disposition="good", quantity=plain(number % 50), unit="C62",
        lot=f"L3-{number}",
    )  # fmt: skip
    return WorkReported(
        **common,
        outputs=(made,),
        resources=Resources(machine_s=seconds(number * 31), energy_kwh=plain("0.25")),
    )


async def journal_of(path: Path, events: int) -> int:
    """Make the journal; the mean size of a stored event."""
    async with await Journal.open(path, "suzhou", "L3-IPC1", BenchClock()) as journal:
        for first in range(0, events, 1000):
            drafts = [
                Draft(new_id(START_MS + n), START_MS + n, realistic(n)) for n in range(first, first + 1000)
            ]
            await journal.append(drafts[: events - first])
        rows = await journal.read_after(0, 1000)
    return sum(len(body) for _, body in rows) // len(rows)


async def by_agent(journal: Path, store: Path, url: str, *marks: int) -> list[float]:
    """Deliver with the agent as it is shipped through the last mark; seconds of CPU used at each."""
    settings = HttpSettings.model_validate({"kind": "http", "url": url})
    uplink = HttpUplink("erp", settings, BenchClock())
    passed: list[float] = []
    arrived = asyncio.Event()

    class Watched(Store):
        async def settle(self, uplink, settlement, *rest, **more):  # type: ignore[no-untyped-def]
            await super().settle(uplink, settlement, *rest, **more)
            while len(passed) < len(marks) and settlement.cursor >= marks[len(passed)]:
                passed.append(cpu_s())
            if len(passed) == len(marks):
                arrived.set()

    async with await Watched.open(store) as opened:
        agent = Agent(uplink, opened, journal, BenchClock(), Metrics())
        task = asyncio.create_task(agent.run())
        await asyncio.wait([task, asyncio.create_task(arrived.wait())], return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        await asyncio.wait([task])
        await uplink.close()
    assert arrived.is_set(), task
    return passed


async def by_hand(folder: Path, url: str) -> float:
    """Drain with a bare loop that keeps no cursor and reads no answer; CPU seconds behind the first batch."""
    database = sqlite3.connect(folder / "journal.db")
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL)
    headers = {"Content-Type": BATCH_TYPE, "Content-Encoding": "zstd"}
    seq, begun = 0, None
    async with aiohttp.ClientSession() as session:
        while rows := database.execute(
            "SELECT seq, CAST(body AS BLOB) FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (seq, BATCH)
        ).fetchall():
            bodies = [row[1] for row in rows]
            bodies[0], bodies[-1] = b"[" + bodies[0], bodies[-1] + b"]"
            body = compressor.compress(b",".join(bodies))
            async with session.post(url, data=body, headers=headers) as response:
                await response.read()
            seq, begun = rows[-1][0], begun or cpu_s()
        used = cpu_s() - (begun or 0.0)
    database.close()
    return used


@contextmanager
def receiving() -> Iterator[str]:
    """The address of a receiver in a process of its own, which takes everything and keeps nothing."""
    with subprocess.Popen([sys.executable, "-c", RECEIVER], stdout=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(receiver.stdout.readline())}/events"
        finally:
            receiver.terminate()


def cpu_s() -> float:
    """CPU time of this process with all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def rounds(folder: Path, url: str, events: int) -> list[tuple[float, float]]:
    """CPU microseconds an event, (agent, bare) in turns; the first round is thrown away."""
    memory.settle()
    found, counted = [], events + 1 - BATCH
    for number in range(ROUNDS + 1):
        bare = await by_hand(folder, url)
        store = folder / f"sync-{number}.db"
        begun, ended = await by_agent(folder / "journal.db", store, url, BATCH, events + 1)
        found.append(((ended - begun) / counted * 1e6, bare / counted * 1e6))
    return found[1:]


def measure(folder: Path, events: int = EVENTS) -> list[Row]:
    """One row: what an event costs by the agent and by hand; the median of the rounds' ratios."""
    with tempfile.TemporaryDirectory(dir=folder) as name, receiving() as url:
        path = Path(name)
        size = asyncio.run(journal_of(path / "journal.db", events))
        found = uvloop.run(rounds(path, url, events))
    agent_us, bare_us = (statistics.median(one) for one in zip(*found, strict=True))
    ratio = statistics.median(agent / bare for agent, bare in found)
    return [
        Row(
            f"drain of {events:,} events of {size} bytes over HTTP",
            f"{agent_us:.1f} µs CPU each",
            f"read of {BATCH} + aiohttp POST, zstd: {bare_us:.1f} µs",
            ratio,
            f"≤ {TARGET}",
            ratio <= TARGET,
        )
    ]


if __name__ == "__main__":
    row = measure(Path.cwd(), int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS)[0]
    print(f"{row.what}: {row.ours}; {row.raw}; ratio {row.ratio:.2f}, target {row.target}")
    sys.exit(not row.met)
