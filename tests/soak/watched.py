"""`lineside collect` that says what it holds: `python -m tests.soak.watched <folder> [--leak] collect …`.

Each SIGUSR1 writes `<folder>/census.json`: tasks by name, threads by name, open files by kind, blocks of
memory that Python has handed out, MB in RAM, and each tag's last value. Everything else is the shipped
command. With `--leak` each loss of a device leaves a task, a thread and a socket behind, and each batch of
readings some memory: the control, which the soak must notice.
"""

import asyncio
import gc
import json
import re
import runpy
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from edge.collector import Collector
from edge.readings import Link, Reading, Value
from tests.soak.memory import resident

CENSUS = "census.json"
LEAKED = 50  # blocks of memory, for each batch of readings

_NUMBER = re.compile(r"[-_ ]?\d+")


def watch(folder: Path) -> None:
    """Answer each SIGUSR1 with a census."""
    values: dict[str, Value | None] = {}
    told = Collector.readings

    def readings(collector: Collector, batch: Sequence[Reading]) -> None:
        values.update((reading.name, reading.value) for reading in batch)
        told(collector, batch)

    Collector.readings = readings  # type: ignore[method-assign]
    number = 0

    def answer(_signal: int, _frame: FrameType | None) -> None:
        nonlocal number
        number += 1
        gc.collect()
        found = {"number": number, "values": values, **census()}
        scratch = folder / "census.new"
        scratch.write_text(json.dumps(found))
        scratch.replace(folder / CENSUS)

    signal.signal(signal.SIGUSR1, answer)


def census() -> dict[str, Any]:
    """What this process holds now."""
    tasks = Counter(_NUMBER.sub("", task.get_name().rpartition("device-")[2]) for task in asyncio.all_tasks())
    return {
        "tasks": tasks,
        "threads": Counter(_NUMBER.sub("", thread.name) for thread in threading.enumerate()),
        "files": Counter(_kind(one) for one in Path("/proc/self/fd").iterdir()),
        "blocks": sys.getallocatedblocks(),
        "resident_mb": resident("VmRSS"),
    }


def _kind(descriptor: Path) -> str:
    try:
        target = str(descriptor.readlink())
    except FileNotFoundError:  # the listing's own
        return "the listing"
    if ".db" in target:
        return "database"
    return _NUMBER.sub("", target.partition(":")[0])


def leak() -> None:
    """What a driver does that forgets to clear up."""
    kept: list[object] = []
    link, readings = Collector.link, Collector.readings

    def leaking_link(collector: Collector, one: Link) -> None:
        link(collector, one)
        if not one.up:
            kept.append(asyncio.create_task(asyncio.Event().wait(), name="left behind"))
            kept.append(socket.socket())
            threading.Thread(target=threading.Event().wait, name="left behind", daemon=True).start()

    def leaking_readings(collector: Collector, batch: Sequence[Reading]) -> None:
        readings(collector, batch)
        kept.append([bytearray(200) for _ in range(LEAKED)])

    Collector.link, Collector.readings = leaking_link, leaking_readings  # type: ignore[method-assign]


if __name__ == "__main__":
    watch(Path(sys.argv.pop(1)))
    if sys.argv[1] == "--leak":
        leak()
        del sys.argv[1]
    runpy.run_module("edge", run_name="__main__", alter_sys=True)
