"""Scans while `lineside run` takes a large delivery of master data: both share one interpreter's lock.

The receiver is a process of its own. Alone: the same scans of the same process before the delivery.
"""

import os
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import tty
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec

from edge.demo.endpoint import MASTERDATA
from edge.demo.plant import free_port
from edge.masterdata.store import MASTERDATA as FILE
from tests.bench.scan import CONFIG, answer
from tests.bench.table import Row
from tests.deliveries import delivered
from tests.patience import PATIENCE_S

ORDERS, MATERIALS, LOTS = 25_000, 50_000, 240_000
ALONE = 300  # scans
TARGET_MS = 100.0
_UPLINK = """
[sync]
listen = "127.0.0.1:{sync}"
[uplinks.erp]
kind = "http"
url = "http://127.0.0.1:{erp}"
"""


def document() -> bytes:
    """The demo's master data and much more of the same kind: about 60 MB, near the most that is taken."""
    given: dict[str, Any] = msgspec.json.decode(MASTERDATA.read_bytes())
    order, material, lot = (given[name][0] for name in ("work_orders", "materials", "lots"))
    given["work_orders"] += [order | {"work_order": f"{20_000_000 + n}"} for n in range(ORDERS)]
    given["materials"] += [material | {"material": f"M-{n}", "gtin": None} for n in range(MATERIALS)]
    given["lots"] += [lot | {"lot": f"L-{n}"} for n in range(LOTS)]
    return msgspec.json.encode(given)


def serve(port: int, go: Path) -> None:
    """A receiver that has master data once the file `go` is there, and takes no events."""
    body = document()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            while not go.exists():
                time.sleep(0.05)
            news = self.headers["If-None-Match"] is None
            self.send_response(200 if news else 304)
            self.send_header("ETag", '"large"')
            self.send_header("Content-Length", str(len(body) if news else 0))
            self.end_headers()
            self.wfile.write(body if news else b"")

        def do_POST(self) -> None:
            self.send_error(503)

        def log_message(self, *_: object) -> None: ...

    HTTPServer(("127.0.0.1", port), Handler).serve_forever()


@contextmanager
def _child(*command: object) -> Iterator[None]:
    child = subprocess.Popen([sys.executable, "-m", *map(str, command)], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait()


@contextmanager
def _receiver(port: int, go: Path) -> Iterator[None]:
    """A receiver that answers by now: one that refuses the first fetch is asked again a minute later."""
    with _child("tests.bench.masterdata", port, go):
        until_s = time.monotonic() + PATIENCE_S
        while True:
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
            assert time.monotonic() < until_s, "the receiver does not come up"
            time.sleep(0.05)
        yield


@contextmanager
def _gun(folder: Path) -> Iterator[int]:
    master, slave = os.openpty()
    tty.setraw(slave)
    (folder / "gun1").symlink_to(os.ttyname(slave))
    try:
        yield master
    finally:
        os.close(master)
        os.close(slave)


def scanned(folder: Path) -> tuple[list[float], list[float], float]:
    """Milliseconds from scan to good byte: alone, and while the delivery is fetched and taken; how many s."""
    (folder / "data").mkdir()
    held, go, erp = folder / "data" / FILE, folder / "go", free_port()
    delivered(held, MASTERDATA.read_bytes())
    config = folder / "lineside.toml"
    text = CONFIG.format(gun=folder / "gun1", port=free_port()) + _UPLINK.format(sync=free_port(), erp=erp)
    config.write_text(text)
    with (
        _gun(folder) as gun,
        _receiver(erp, go),
        _child("edge", "run", "--config", config),
    ):
        while answer(gun, b"LSE1042", 0.5) is None:
            pass
        assert answer(gun, b"LSW10045678 0020") is not None
        time.sleep(3)  # the fetch waits at the receiver by now
        alone = [_scan(gun, n) for n in range(ALONE)]
        go.touch()
        beside, began_s = [], time.monotonic()
        while not _taken(held):
            beside += [_scan(gun, n) for n in range(20)]
    return alone, beside, time.monotonic() - began_s


def _scan(gun: int, number: int) -> float:
    took_ms = answer(gun, (b"LSCSCRAP04", b"LSCREWORK04")[number % 2])
    assert took_ms is not None, "every scan is answered good"
    return took_ms


def _taken(path: Path) -> bool:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        return bool(db.execute("SELECT 1 FROM generations WHERE etag = '\"large\"'").fetchone())


def measure(folder: Path) -> list[Row]:
    """The longest that a scan waited beside a delivery, with no pause between scans."""
    with tempfile.TemporaryDirectory(dir=folder) as one:
        alone, beside, took_s = scanned(Path(one))
    p99 = statistics.quantiles(beside, n=100)[98]
    return [
        Row(
            "scan to good byte beside 60 MB of master data, longest",
            f"{max(beside):.1f} ms, p99 {p99:.1f} ms, {len(beside)} scans in {took_s:.0f} s",
            f"alone: {max(alone):.1f} ms",
            max(beside) / max(alone),
            f"≤ {TARGET_MS:g} ms",
            max(beside) <= TARGET_MS,
        )
    ]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve(int(sys.argv[1]), Path(sys.argv[2]))
    for row in measure(Path.cwd()):
        print(row)
