"""A whole collector with a gun, recorded: started, scanned at, ended, several lives on one data folder."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from drivers.barcode.settings import PRESETS
from drivers.barcode.simulator import Gun
from edge.demo.endpoint import MASTERDATA
from edge.demo.plant import free_port
from tests.deliveries import deliver
from tests.faults import trace
from tests.faults.recording import Recording
from tests.line.plant import GUN_ANSWERS, ROOT, until
from tests.patience import PATIENCE_S

SITE, EDGE = "suzhou", "L3-IPC1"
SIGN_ON, ORDER, LOT = "LSE1042", "LSW10045678 0020", "LSL A2207"
GOOD = PRESETS["honeywell"].good
End = Literal["stop", "kill"]
_CONFIG = """
[edge]
id = "{edge}"
site = "{site}"
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
[storage]
ballast_mib = 0  # holds nothing that could be lost, and fallocate is not followed
[web]
listen = "127.0.0.1:{port}"
"""


def quantity(number: int) -> str:
    """The scan that takes the number-th quantity: each is another, so that each fact is known by itself."""
    return f"LSQ{number // 10**6}D{number % 10**6:06d}"


async def recorded(folder: Path, ends: Sequence[End], facts: int) -> tuple[Recording, list[str]]:
    """Lives that take so many quantities each, and the scans that the gun heard good for, in order."""
    data = folder / "data"
    data.mkdir()
    await deliver(data / "masterdata.db", MASTERDATA.read_bytes())
    durable = {path.name: path.read_bytes() for path in data.iterdir()}
    moments: list[trace.Moment] = []
    good: list[str] = []
    async with Gun(folder / "gun1") as gun:
        pty = gun.link.resolve()
        (folder / "lineside.toml").write_text(
            _CONFIG.format(edge=EDGE, site=SITE, gun=gun.link, port=free_port())
        )
        for life, end in enumerate(ends):
            scans = [] if life else [SIGN_ON, ORDER]
            for number in range(facts * life + 1, facts * (life + 1) + 1):
                scans += [LOT, quantity(number)]
            await _live(folder, life, gun, scans, end)
            good += scans
            moments += trace.read(folder / f"trace{life}", data, [pty])
    found = Recording(moments, durable)
    found.told = [(at, line) for at, line in found.told if line.encode() == GOOD]
    assert len(found.told) == len(good)
    return found, good


async def _live(folder: Path, life: int, gun: Gun, scans: Sequence[str], end: End) -> None:
    """Start, scan, end."""
    command = [sys.executable, "-m", "edge", "collect", "--config", folder / "lineside.toml"]
    with (folder / "collect.log").open("ab") as output:
        tracer = await asyncio.create_subprocess_exec(
            *trace.recorded(command, folder / f"trace{life}"),
            cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        await until(
            lambda: (folder / "collect.log").read_text().count(GUN_ANSWERS) > life, "the gun being opened"
        )
        for text in scans:
            await gun.scan(text)
            assert await gun.verdict(PATIENCE_S) == "good", text
        await until(lambda: trace.followed(tracer.pid), "the collector")
        os.kill(trace.followed(tracer.pid), signal.SIGTERM if end == "stop" else signal.SIGKILL)
        await asyncio.wait_for(tracer.wait(), PATIENCE_S)
    finally:
        await trace.over(tracer)
