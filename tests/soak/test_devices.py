"""Devices that fail in every way, for long: nothing leaks, nothing is lost, nothing is doubled.

Rounds of faults by a seeded chance, each followed by peace, in which the collector must hold what it held
before: tasks, threads, sockets, files, memory. The control leaks on purpose, and each look must notice it.
`LINESIDE_SOAK_S` is how long the long run takes (600), `LINESIDE_SOAK_SEED` what its chances begin with.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge.events import CountRecorded, Event, WorkReported, decode
from tests.soak.scanners import Operator
from tests.soak.shop import Census, Shop, shop

SEED = int(os.environ.get("LINESIDE_SOAK_SEED", "1"))
LONG_S = float(os.environ.get("LINESIDE_SOAK_S", "600"))
PASSING_S = 20.0  # in which a file or task of a passing work is gone

# What comes with its first use, none of it a device's, and the most that there may be of it: threads of the
# event loop's pool; files (each with WAL and index) and threads of journal, upkeep, samples and master data.
LATER = {"uvloop": 4 + (os.cpu_count() or 1), "database": 12, "Thread (_connection_worker_thread)": 4}

# What may be held more in peace than after the warm-up. One small object kept at each tenth batch of readings
# is 2400 blocks in ten minutes (40 batches a second); what fills up and stays (caches of a few hundred scans,
# a pool's threads) has done so within the first minutes and came to less than half of this.
WARM_UP = 1 / 3  # of the run
BLOCKS = 2400
RESIDENT_MB = 4.0


def events_of(path: Path) -> list[Event]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        db.text_factory = bytes
        return [decode(body) for (body,) in db.execute("SELECT body FROM events ORDER BY seq")]


def surplus(before: Census, now: Census) -> list[str]:
    """What the collector holds more of than at the beginning."""
    found = []
    for what in ("tasks", "threads", "files"):
        had: Mapping[str, int] = getattr(before, what)
        has: Mapping[str, int] = getattr(now, what)
        for name, count in has.items():
            if count > max(had.get(name, 0), LATER.get(name, 0)):
                found.append(f"{what}: {count} × {name!r}, {had.get(name, 0)} at the beginning")
    return found


async def settled(floor: Shop, before: Census, within_s: float) -> tuple[Census, list[str]]:
    """A census in which no passing task or file is counted; and what stays."""
    deadline = time.monotonic() + within_s
    while True:
        now = await floor.census()
        found = surplus(before, now)
        if not found or time.monotonic() > deadline:
            return now, found
        await asyncio.sleep(0.1)


def counted(events: Sequence[Event], floor: Shop) -> list[str]:
    """Where a counter's journal differs from what the counter did."""
    found = []
    for station, counter in floor.counters.items():
        facts = [
            one.data for one in events if isinstance(one.data, CountRecorded) and one.data.station == station
        ]
        moves = facts[1:]  # the first one is where it begins
        held = [int(one.delta or 0) for one in moves if one.held is not None]
        strokes = sum(int(one.delta or 0) for one in moves if one.held is None)
        if held != counter.jumps:
            found.append(f"{station}: held {held}, the counter jumped by {counter.jumps}")
        if strokes != counter.strokes:
            found.append(f"{station}: {strokes} counted, the counter made {counter.strokes}")
        for one, following in zip(facts, moves, strict=False):
            if one.to != following.from_:
                found.append(f"{station}: recorded up to {one.to} and on from {following.from_}")
        if facts[-1].to != counter.raw:
            found.append(f"{station}: recorded up to {facts[-1].to}, the counter shows {counter.raw}")
    return found


def answered(events: Sequence[Event], operators: Sequence[Operator]) -> list[str]:
    """Where an answer to a scan differs from what the journal holds."""
    reports = [one.data for one in events if isinstance(one.data, WorkReported)]
    recorded = [(one.station, output.reason) for one in reports for output in one.outputs]
    found = [f"{entry} is there twice" for entry in set(recorded) if recorded.count(entry) > 1]
    for operator in operators:
        own = [reason for station, reason in recorded if station == operator.station]
        good = [reason for reason, verdict in operator.scans.items() if verdict == "good"]
        found += [
            f"{operator.name}: {one} was answered good and is not there" for one in good if one not in own
        ]
        found += [
            f"{operator.name}: {one} was refused" for one, said in operator.scans.items() if said == "bad"
        ]
        if own != sorted(own, key=list(operator.scans).index):
            found.append(f"{operator.name}: the order is not that of the scans")
        if "good" in operator.spoilt:
            found.append(f"{operator.name}: a spoilt code was answered good")
    return found


def grown(rounds: Sequence[Census]) -> list[str]:
    """What memory grew by after the warm-up. Blocks are Python's own count, after a collection of garbage."""
    warm = max(rounds[: 1 + round(len(rounds) * WARM_UP)], key=lambda one: one.blocks)
    found = []
    if rounds[-1].blocks - warm.blocks > BLOCKS:
        found.append(f"memory: {rounds[-1].blocks - warm.blocks} blocks more than after the warm-up")
    if rounds[-1].resident_mb - warm.resident_mb > RESIDENT_MB:
        found.append(
            f"memory: {rounds[-1].resident_mb - warm.resident_mb:.1f} MB more than after the warm-up"
        )
    return found


@dataclass(frozen=True)
class Endured:
    """What a run came to."""

    problems: list[str]
    floor: Shop
    rounds: list[Census]


async def endured(
    folder: Path,
    lasting_s: float,
    round_s: float,
    seed: int,
    *,
    leak: bool = False,
    passing_s: float = PASSING_S,
) -> Endured:
    """Faults for so long, with peace and an upset counter after each round."""
    async with shop(folder, seed, leak=leak) as floor:
        chance = floor.chance("upsets")
        before = await floor.peace()
        rounds, problems = [], []
        until_s = time.monotonic() + lasting_s
        while time.monotonic() < until_s and (leak or not problems):
            await floor.war()
            await asyncio.sleep(round_s)
            await floor.peace()
            now, problems = await settled(floor, before, passing_s)
            rounds.append(now)
            await floor.upset(chance)
    events = events_of(floor.journal)
    problems += grown(rounds) + counted(events, floor) + answered(events, floor.operators)
    return Endured(problems, floor, rounds)


def figures(run: Endured) -> str:
    """What happened, in a few words."""
    floor, first, last = run.floor, run.rounds[0], run.rounds[-1]
    scans = [verdict for one in floor.operators for verdict in one.scans.values()]
    counters = floor.counters.values()
    return (
        f"device soak, seed {floor.seed}: {sum(floor.faults.values())} faults of {len(floor.faults)} kinds, "
        f"{sum(floor.links.losses.values())} losses, {len(run.rounds)} rounds; "
        f"{sum(one.strokes for one in counters)} strokes, {sum(one.rollovers for one in counters)} "
        f"rollovers, {sum(one.zeroed for one in counters)} resets, "
        f"{sum(len(one.jumps) for one in counters)} held jumps; "
        f"{len(scans)} scans, {scans.count('good')} acknowledged, {scans.count(None)} without answer; "
        f"{first.blocks} blocks and {first.resident_mb:.1f} MB after the first round, "
        f"{last.blocks} and {last.resident_mb:.1f} after the last"
    )


@pytest.mark.timeout(600)
async def test_half_a_minute_of_device_faults_leaves_nothing_behind(
    tmp_path: Path, say: Callable[[str], None]
) -> None:
    run = await endured(tmp_path, 18, 4, SEED)
    say(figures(run))
    assert run.problems == [], SEED


@pytest.mark.slow
@pytest.mark.timeout(0)
async def test_ten_minutes_of_device_faults_leave_nothing_behind(
    tmp_path: Path, say: Callable[[str], None]
) -> None:
    run = await endured(tmp_path, LONG_S, 20, SEED)
    say(figures(run))
    assert run.problems == [], SEED


@pytest.mark.timeout(600)
async def test_a_driver_that_leaves_something_behind_is_noticed(tmp_path: Path) -> None:
    run = await endured(tmp_path, 20, 2, SEED, leak=True, passing_s=0.5)
    noticed = {problem.partition(":")[0] for problem in run.problems}
    assert noticed == {"tasks", "threads", "files", "memory"}, run.problems
