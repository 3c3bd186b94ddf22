"""From the start of `lineside collect` to READY=1 on its notify socket, and its memory then."""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edge.demo.plant import free_port
from tests.bench.scan import CONFIG
from tests.bench.table import Row

TARGET_S = 1.5


def once(folder: Path, timeout_s: float = 30.0) -> tuple[float, float]:
    """Seconds to READY of a collector at home in `folder`, and its MB of memory then; it is stopped after."""
    folder.mkdir(exist_ok=True)
    (folder / "notify").unlink(missing_ok=True)
    config = folder / "lineside.toml"
    config.write_text(CONFIG.format(gun=folder / "gun1", port=free_port()))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(folder / "notify"))
        notified.settimeout(timeout_s)
        began_s = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, "-m", "edge", "collect", "--config", str(config)],
            stderr=subprocess.DEVNULL,
            env={**os.environ, "NOTIFY_SOCKET": str(folder / "notify")},
        )
        try:
            while b"READY=1" not in notified.recv(4096):
                pass
            took_s = time.perf_counter() - began_s
            pages = int(Path(f"/proc/{child.pid}/statm").read_text().split()[1])
        finally:
            child.terminate()
            child.wait()
    return took_s, pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure(folder: Path) -> list[Row]:
    """Five starts, the median."""
    found = []
    for _ in range(5):
        with tempfile.TemporaryDirectory(dir=folder) as one:
            found.append(once(Path(one)))
    took_s = statistics.median(one for one, _ in found)
    memory = statistics.median(one for _, one in found)
    python_s = _bare_start()
    return [
        Row(
            "start to READY, empty journal", f"{took_s:.2f} s, {memory:.0f} MB",
            f"bare python {python_s:.2f} s", took_s / python_s, f"≤ {TARGET_S} s", took_s <= TARGET_S,
        )
    ]  # fmt: skip


def _bare_start() -> float:
    began_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - began_s
