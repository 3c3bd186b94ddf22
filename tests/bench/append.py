"""Durable append: the journal against raw sqlite3 that writes the same bytes in groups of 64, both FULL."""

import asyncio
import sqlite3
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import uvloop

from edge.clock import SystemClock
from edge.events import CountRecorded, Draft, Fact, MaterialConsumed
from edge.ids import new_id
from edge.journal import Journal, Reader
from tests.bench.table import Row

EVENTS = 20_000
TARGET = 0.3
TRIES = 5


def fact(number: int) -> Fact:
    """A fact with everything a real one has."""
    common = {
        "station": "OP20", "work_center": "WC-PRESS-1", "equipment": "PRESS-1", "operators": ("1042", "1043"),
        "posting_date": "2026-11-22", "production_date": "2026-11-22", "shift": "day", "clock": "synced",
        "boot_id": "3d63c0e8-62cd-41f3-8edb-abf176b624bd", "monotonic_s": Decimal("81234.567"),
        "utc_offset": "+08:00", "masterdata": '"7c1f"', "work_order": "10045678", "order_line": "1",
        "operation": "0020", "refs": {"FMoId": "100123"},
    }  # fmt: skip
    if number % 2:
        return CountRecorded(
            **common, origin="signal", counter="good", from_=Decimal(number), to=Decimal(number + 1),
            delta=Decimal(1), quantity=Decimal(1), unit="C62", phase="run",
        )  # fmt: skip
    return MaterialConsumed(
        **common, actor="1042", origin="scan", material="STEEL-4", lot="A2207", quantity=Decimal("5.040"),
        unit="KGM", bom_line="10", warehouse="L3", method="scanned", use="production", posted_by="edge",
    )  # fmt: skip


async def journal(folder: Path, producers: int, events: int) -> tuple[float, float]:
    """Events a second with `producers` that each wait for their commit, and CPU µs an event."""
    path = folder / "journal.db"
    async with await Journal.open(path, "bench", "bench", SystemClock()) as opened:
        drafts = [
            Draft(new_id(time.time_ns() // 10**6), time.time_ns() // 10**6, fact(n)) for n in range(events)
        ]
        left = iter(drafts)

        async def produce() -> None:
            for draft in left:
                await opened.append([draft])

        began_s, cpu_s = time.perf_counter(), time.process_time()
        await asyncio.gather(*(produce() for _ in range(producers)))
        took_s = time.perf_counter() - began_s
        cpu_us = (time.process_time() - cpu_s) / events * 1e6
    return events / took_s, cpu_us


async def bodies(folder: Path) -> list[str]:
    """The bytes that the journal wrote."""
    async with await Reader.open(folder / "journal.db") as reader:
        return [body.decode() for _, body in await reader.read_after(1, EVENTS)]


def raw(folder: Path, rows: list[str], group: int) -> float:
    """Rows a second of bare sqlite3."""
    connection = sqlite3.connect(folder / "raw.db")
    connection.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "CREATE TABLE events (seq INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;"
    )
    began_s = time.perf_counter()
    for start in range(0, len(rows), group):
        chunk = [(start + n + 1, body) for n, body in enumerate(rows[start : start + group])]
        connection.executemany("INSERT INTO events VALUES (?, ?)", chunk)
        connection.commit()
    took_s = time.perf_counter() - began_s
    connection.close()
    return len(rows) / took_s


def measure(folder: Path) -> list[Row]:
    """Rows for 1, 8 and 64 producers; each against raw in groups of that size, five times, the median."""
    found = []
    for producers in (1, 8, 64):
        events = EVENTS if producers == 64 else EVENTS // 10
        tries = []
        for _ in range(TRIES):
            with tempfile.TemporaryDirectory(dir=folder) as one:
                ours, cpu_us = uvloop.run(journal(Path(one), producers, events))
                rows = asyncio.run(bodies(Path(one)))
                tries.append((ours / raw(Path(one), rows, producers), ours, cpu_us))
        ratio, ours, cpu_us = sorted(tries)[TRIES // 2]
        found.append(
            Row(
                f"durable append, {producers} producer{'s' if producers > 1 else ''}",
                f"{ours:,.0f} /s ({cpu_us:.0f} µs CPU each)",
                f"raw in groups of {producers}: {ours / ratio:,.0f} /s",
                ratio,
                f"≥ {TARGET}" if producers == 64 else "",
                ratio >= TARGET if producers == 64 else None,
            )
        )
    return found
