"""What a collector at work costs: share of a core and memory with one tag, and with 500 tags once a second.

Raw: a loop that reads the same blocks by bare pymodbus on uvloop and puts each poll into SQLite. All of it in
processes of their own, the device too; CPU is what the kernel counted for the process, between two looks that
lie apart, after it came to rest.
"""

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvloop
from pymodbus.client import AsyncModbusTcpClient

from drivers.modbus.simulator import Plc
from edge.demo.plant import free_port
from tests.bench.table import Row

SETTLE_S, WATCH_S = 15.0, 40.0
TAGS = 500
TARGET_IDLE, TARGET_BUSY, TARGET_MB = 0.2, 0.5, 90.0  # percent of a core; memory of the process
BLOCKS = tuple((first, 125) for first in range(0, TAGS, 125))

_CONFIG = """
[edge]
id = "bench"
site = "bench"
line = "L3"
timezone = "Asia/Shanghai"
data_dir = "data"
[devices.plc1]
driver = "modbus-tcp"
host = "127.0.0.1"
port = {plc}
poll_interval_s = 1.0
[devices.plc1.tags]
{tags}
[stations.OP20]
work_center = "WC-PRESS-1"
[storage]
ballast_mib = 8  # made within the first seconds; 8 MiB a second until then
[web]
listen = "127.0.0.1:{web}"
"""


def measure(folder: Path) -> list[Row]:
    """A row for one tag and one for many."""
    with _plc() as port:
        return [
            _row("collect with one tag, idle", _collector(folder, port, 1), _bare(port, 1), TARGET_IDLE),
            _row(
                f"collect at {TAGS} Modbus tags, 1 Hz", _collector(folder, port, TAGS), _bare(port, TAGS),
                TARGET_BUSY,
            ),
        ]  # fmt: skip


def _row(what: str, ours: tuple[float, float], raw: tuple[float, float], target: float) -> Row:
    percent, mb = ours
    return Row(
        what,
        f"{percent:.2f} % of a core, {mb:.0f} MB",
        f"bare loop {raw[0]:.2f} %, {raw[1]:.0f} MB",
        percent / raw[0],
        f"≤ {target} %, ≤ {TARGET_MB:.0f} MB",
        percent <= target and mb <= TARGET_MB,
    )


def _collector(folder: Path, plc: int, tags: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        config = Path(name) / "lineside.toml"
        table = "\n".join(f't{n} = {{ register = "holding", address = {n} }}' for n in range(tags))
        config.write_text(_CONFIG.format(plc=plc, tags=table, web=free_port()))
        return _watched("edge", "collect", "--config", str(config))


def _bare(plc: int, tags: int) -> tuple[float, float]:
    return _watched("tests.bench.work", "--bare", str(plc), str(tags))


def _watched(module: str, *arguments: str) -> tuple[float, float]:
    """Percent of a core and MB of a process at work."""
    child = subprocess.Popen([sys.executable, "-m", module, *arguments], stderr=subprocess.DEVNULL)
    try:
        time.sleep(SETTLE_S)
        began_s, before_s = time.monotonic(), _cpu_s(child.pid)
        time.sleep(WATCH_S)
        percent = 100 * (_cpu_s(child.pid) - before_s) / (time.monotonic() - began_s)
        pages = int(Path(f"/proc/{child.pid}/statm").read_text().split()[1])
    finally:
        child.terminate()
        child.wait()
    return percent, pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _cpu_s(pid: int) -> float:
    """CPU time of all threads so far, in nanoseconds by the scheduler (proc(5), schedstat)."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((one / "schedstat").read_text().split()[0]) for one in threads) / 1e9


@contextmanager
def _plc() -> Iterator[int]:
    command = [sys.executable, "-m", "tests.bench.work", "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


async def _serve() -> None:
    async with Plc(holding=dict.fromkeys(range(TAGS), 7)) as plc:
        print(plc.port, flush=True)
        await asyncio.Event().wait()


async def _loop(port: int, tags: int) -> None:
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    assert await client.connect()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        db = sqlite3.connect(Path(name) / "raw.db", isolation_level=None)
        db.executescript("PRAGMA journal_mode = WAL; CREATE TABLE poll (at REAL, registers BLOB)")
        while True:
            words: list[int] = []
            for address, count in _blocks(tags):
                words += (await client.read_holding_registers(address, count=count)).registers
            db.execute("INSERT INTO poll VALUES (?, ?)", (time.time(), repr(words)))
            await asyncio.sleep(1)


def _blocks(tags: int) -> Sequence[tuple[int, int]]:
    return BLOCKS if tags == TAGS else ((0, tags),)


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        uvloop.run(_serve())
    else:
        uvloop.run(_loop(int(sys.argv[2]), int(sys.argv[3])))
