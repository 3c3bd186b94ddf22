"""From the COMMIT of a single event to the receiver that holds it, while nothing else waits.

`lineside sync` runs as its own process, as on a line; this one writes the journal, a third one receives. All
three read one clock (CLOCK_MONOTONIC). Raw: a bare POST of the same event, from its start.
"""

import asyncio
import random
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import uvloop

from edge.clock import SystemClock
from edge.demo.plant import free_port
from edge.events import Draft
from edge.ids import new_id
from edge.journal import Journal, Reader
from sync.http import BATCH_TYPE
from tests.bench.drain import realistic
from tests.bench.table import Row

EVENTS = 200
APART_S = (0.1, 0.25)  # by lot, so that no poll keeps step with it
TARGET_MS = 100.0

RECEIVER = r"""
import asyncio, re, time, zstandard
from aiohttp import web

EVENT = re.compile(rb'"id":"([^"]+)","recordedtime":"[^"]+","sequence":"(\d+)"')

async def events(request):
    body = await request.read()
    if request.headers.get("Content-Encoding") == "zstd":
        body = zstandard.ZstdDecompressor().decompressobj().decompress(body)
    found = EVENT.findall(body)
    now_ns = time.monotonic_ns()
    for _, sequence in found:
        print(int(sequence), now_ns, flush=True)
    results = ",".join('{"id":"%s","status":"accepted"}' % id_.decode() for id_, _ in found)
    return web.Response(text='{"results":[' + results + "]}", content_type="application/json")

async def main():
    app = web.Application()
    app.router.add_post("/events", events)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""

CONFIG = """
[edge]
id = "bench"
site = "bench"
line = "L3"
timezone = "Asia/Shanghai"
data_dir = "data"
[uplinks.erp]
kind = "http"
url = "{url}"
reconcile = "off"
masterdata_interval_s = 0
[sync]
listen = "127.0.0.1:{port}"
"""


@asynccontextmanager
async def running(*command: str) -> AsyncIterator[Process]:
    """A child process whose lines can be read; it is stopped after."""
    child = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=PIPE, stderr=DEVNULL)
    try:
        yield child
    finally:
        child.terminate()
        await child.wait()


async def posted(receiver: Process) -> tuple[int, int]:
    """The next event that is posted: its seq, and when (ns)."""
    assert receiver.stdout is not None
    async with asyncio.timeout(30):
        seq, at_ns = (await receiver.stdout.readline()).split()
    return int(seq), int(at_ns)


async def by_sync(folder: Path, url: str, receiver: Process, events: int) -> list[float]:
    """Milliseconds from each commit until it was posted."""
    (folder / "data").mkdir()
    config = folder / "lineside.toml"
    config.write_text(CONFIG.format(url=url, port=free_port()))
    async with (
        await Journal.open(folder / "data" / "journal.db", "bench", "bench", SystemClock()) as journal,
        running("-m", "edge", "sync", "--config", str(config)),
    ):
        assert (await posted(receiver))[0] == 1  # journal.opened: sync is up
        took = []
        for number in range(events):
            await asyncio.sleep(random.uniform(*APART_S))
            now_ms = time.time_ns() // 10**6
            (event,) = await journal.append([Draft(new_id(now_ms), now_ms, realistic(number))])
            committed_ns = time.monotonic_ns()
            seq, at_ns = await posted(receiver)
            assert seq == event.seq
            took.append((at_ns - committed_ns) / 1e6)
    return took


async def by_hand(folder: Path, url: str, receiver: Process, events: int) -> list[float]:
    """Milliseconds of a bare POST of one event, until the receiver has it."""
    async with await Reader.open(folder / "data" / "journal.db") as reader:
        rows = await reader.read_after(1, events)
    took = []
    async with aiohttp.ClientSession(headers={"Content-Type": BATCH_TYPE}) as session:
        for _, body in rows:
            await asyncio.sleep(0.02)
            begun_ns = time.monotonic_ns()
            async with session.post(url, data=b"[" + body + b"]") as response:
                await response.read()
            took.append(((await posted(receiver))[1] - begun_ns) / 1e6)
    return took


async def both(folder: Path, events: int) -> tuple[list[float], list[float]]:
    """What sync took, and what a bare POST."""
    async with running("-c", RECEIVER) as receiver:
        assert receiver.stdout is not None
        url = f"http://127.0.0.1:{int(await receiver.stdout.readline())}/events"
        return await by_sync(folder, url, receiver, events), await by_hand(folder, url, receiver, events)


def measure(folder: Path, events: int = EVENTS) -> list[Row]:
    """Rows for p50 and p99."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        ours, raw = (statistics.quantiles(took, n=100) for took in uvloop.run(both(Path(name), events)))
    return [
        Row(
            f"one event, COMMIT → posted, p{share}", f"{ours[share - 1]:.1f} ms",
            f"bare POST: {raw[share - 1]:.1f} ms", ours[share - 1] / raw[share - 1],
            target, ours[share - 1] <= TARGET_MS if target else None,
        )
        for share, target in ((50, ""), (99, f"≤ {TARGET_MS:g} ms"))
    ]  # fmt: skip


if __name__ == "__main__":
    for row in measure(Path.cwd()):
        print(row)
