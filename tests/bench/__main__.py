"""`make bench`: each figure beside its raw counterpart, measured in the same run.

Exit code 1 where a target is missed. The machine should have nothing else to do.
"""

import argparse
import platform
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from tests.bench import (
    append,
    backlog,
    drain,
    large,
    latency,
    masterdata,
    modbus,
    opcua,
    pull,
    scan,
    start,
    stations,
    work,
)
from tests.bench.table import Row


def main() -> int:
    """Measure everything, print one table."""
    asked = argparse.ArgumentParser(prog="make bench ARGS=", description=__doc__)
    asked.add_argument(
        "--backlog", type=int, default=backlog.EVENTS, metavar="EVENTS",
        help="how many wait in the long backlog; 10000000 takes 11 GB and about ten minutes",
    )  # fmt: skip
    waiting = asked.parse_args().backlog
    console = Console(width=None if sys.stdout.isatty() else 140)
    table = Table(title=f"lineside on Python {platform.python_version()}", title_justify="left")
    for column in ("figure", "lineside", "raw, same run", "ratio", "target", ""):
        table.add_column(column, overflow="fold")
    missed = 0
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as folder:
        for name, measure in _suites(Path(folder), waiting):
            console.print(f"measuring {name} ...", highlight=False)
            for row in measure():
                missed += row.met is False
                sign = {True: "✓", False: "✕ missed", None: ""}[row.met]
                table.add_row(row.what, row.ours, row.raw, f"{row.ratio:.2f}", row.target, sign)
    console.print(table)
    return 1 if missed else 0


def _suites(folder: Path, waiting: int) -> Iterable[tuple[str, Callable[[], list[Row]]]]:
    yield "durable append", lambda: append.measure(folder)
    yield "scan to good byte", lambda: scan.measure(folder)
    yield "scans beside a delivery of master data", lambda: masterdata.measure(folder)
    yield "drain over HTTP", lambda: drain.measure(folder)
    yield (
        f"a backlog of {waiting:,} events (about {max(2, waiting // 10**6)} minutes)",
        (lambda: backlog.measure(folder, waiting)),
    )
    yield "delivery of single events (about a minute)", lambda: latency.measure(folder)
    yield "pull over MQTT", lambda: pull.measure(folder)
    yield "Modbus poll", lambda: uvloop.run(modbus.measure())
    yield "OPC UA subscription (about two minutes)", lambda: uvloop.run(opcua.measure())
    yield "a collector at work (about four minutes)", lambda: work.measure(folder)
    yield "stations under 10^6 inputs (about three minutes)", stations.measure
    yield "start", lambda: start.measure(folder)
    yield "a journal of 10^6 events (about four minutes)", lambda: large.measure(folder)


if __name__ == "__main__":
    sys.exit(main())
