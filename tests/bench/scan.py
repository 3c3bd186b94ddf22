"""A scan at the pty to the good byte at the pty, through the real collector as a process of its own.

Raw: the same bytes committed by bare sqlite3 (one FULL commit, to a new file whose log still grows), plus a
pty round trip to a bare echo process.
"""

import asyncio
import multiprocessing
import os
import select
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import tty
from pathlib import Path

from drivers.barcode.settings import PRESETS
from edge.demo.endpoint import MASTERDATA
from edge.demo.plant import free_port
from edge.journal import Reader
from tests.bench.table import Row
from tests.deliveries import delivered

SCANS = 400
TARGET_RATIO, TARGET_P99_MS = 3.0, 20.0

GOOD = PRESETS["honeywell"].good
CONFIG = """
[edge]
id = "bench"
site = "bench"
line = "L3"
timezone = "Asia/Shanghai"
data_dir = "data"
[devices.gun1]
driver = "scanner-serial"
port = "{gun}"
feedback = "honeywell"
[stations.OP20]
work_center = "WC-PRESS-1"
scanners = ["gun1"]
[web]
listen = "127.0.0.1:{port}"
"""


def collector(folder: Path) -> list[float]:
    """Milliseconds from each scan to its good byte. A gun is no Python: bare reads and writes at the pty."""
    (folder / "data").mkdir()
    delivered(folder / "data" / "masterdata.db", MASTERDATA.read_bytes())
    master, slave = os.openpty()
    tty.setraw(slave)
    (folder / "gun1").symlink_to(os.ttyname(slave))
    config = folder / "lineside.toml"
    config.write_text(CONFIG.format(gun=folder / "gun1", port=free_port()))
    command = [sys.executable, "-m", "edge", "collect", "--config", str(config)]
    child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        while answer(master, b"LSE1042", 0.5) is None:
            assert child.poll() is None, "the collector ended"
        assert answer(master, b"LSW10045678 0020") is not None
        took = [answer(master, (b"LSCSCRAP04", b"LSCREWORK04")[n % 2]) for n in range(SCANS)]
    finally:
        child.terminate()
        child.wait()
        os.close(master)
        os.close(slave)
    found = [ms for ms in took if ms is not None]
    assert len(found) == SCANS, "every scan is answered good"
    return found[SCANS // 10 :]


def answer(master: int, text: bytes, timeout_s: float = 10.0) -> float | None:
    """Milliseconds until the good byte of a scan; None where another came, or none."""
    began_s = time.perf_counter()
    os.write(master, text + b"\r")
    if not select.select([master], [], [], timeout_s)[0]:
        return None
    heard = os.read(master, 16)
    return (time.perf_counter() - began_s) * 1000 if heard == GOOD else None


def raw_commits(folder: Path, rows: list[str]) -> list[float]:
    """Milliseconds of single FULL commits of the given bytes."""
    connection = sqlite3.connect(folder / "raw.db")
    connection.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "CREATE TABLE events (seq INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;"
    )
    took = []
    for seq, body in enumerate(rows):
        began_s = time.perf_counter()
        connection.execute("INSERT INTO events VALUES (?, ?)", (seq, body))
        connection.commit()
        took.append((time.perf_counter() - began_s) * 1000)
    connection.close()
    return took


def round_trips() -> list[float]:
    """Milliseconds from a line at a pty to a byte back from a bare echo in another process."""
    master, slave = os.openpty()
    tty.setraw(slave)
    echo = multiprocessing.get_context("fork").Process(target=_echo, args=(slave,), daemon=True)
    echo.start()
    took = []
    for _ in range(SCANS):
        began_s = time.perf_counter()
        os.write(master, b"LSCSCRAP04\r")
        os.read(master, 16)
        took.append((time.perf_counter() - began_s) * 1000)
    echo.terminate()
    echo.join()
    os.close(master)
    os.close(slave)
    return took


def _echo(slave: int) -> None:
    while True:
        if os.read(slave, 64).endswith(b"\r"):
            os.write(slave, b"\x1b7,")


async def _bodies(path: Path) -> list[str]:
    async with await Reader.open(path) as reader:
        return [body.decode() for _, body in await reader.read_after(4, SCANS)]


def measure(folder: Path) -> list[Row]:
    """One row for the median against raw, one for the 99th percentile."""
    with tempfile.TemporaryDirectory(dir=folder) as one:
        took = collector(Path(one))
        rows = asyncio.run(_bodies(Path(one) / "data" / "journal.db"))
        commit = statistics.median(raw_commits(Path(one), rows))
    pty = statistics.median(round_trips())
    p50, p99 = statistics.median(took), statistics.quantiles(took, n=100)[98]
    ratio = p50 / (commit + pty)
    return [
        Row(
            "scan to good byte, p50", f"{p50:.2f} ms", f"commit {commit:.2f} + pty {pty:.2f} ms", ratio,
            f"≤ {TARGET_RATIO:g}", ratio <= TARGET_RATIO,
        ),
        Row(
            "scan to good byte, p99", f"{p99:.2f} ms", "", p99 / (commit + pty), f"≤ {TARGET_P99_MS:g} ms",
            p99 <= TARGET_P99_MS,
        ),
    ]  # fmt: skip
