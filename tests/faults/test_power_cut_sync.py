"""The power goes while facts are delivered: sync.db is never ahead of the receiver and forgets no decision.

As test_power_cut.py, for the file of the sync process. Afterwards delivery goes on: the receiver, which knows
what it had settled by then, holds every fact in the end.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from edge.events import decode
from edge.faults import Fault
from edge.journal import Reader
from sync.store import Store
from tests.contract.uplink.receiver import Receiver
from tests.contract.uplink.rig import START_MS
from tests.faults import sync_load, trace
from tests.faults.recording import Cut, Recording
from tests.faults.survival import Found, Record, survives
from tests.faults.sync_load import UPLINK, Plan, delivering, drained
from tests.line.plant import ROOT

FAULT = "power cut: sync.db"


@dataclass
class Run:
    """A recorded delivery, and the journal that was delivered."""

    recording: Recording
    plan: Plan
    journal: Path
    bodies: dict[int, bytes]  # by seq


async def delivery_run(folder: Path, seed: int, events: int) -> Run:
    """Two lives of a delivery, the first of which is killed half-way."""
    data, told, plan = folder / "data", folder / "told", Plan(events)
    data.mkdir()
    journal = folder / "journal.db"
    await sync_load.journal_made(journal, plan)
    moments: list[trace.Moment] = []
    for life, dies_at in enumerate((events // 2, events + 1)):
        command = sync_load.arguments(data, journal, told, 2 * seed + life, events, dies_at)
        await trace.run(command, folder / f"trace{life}", ROOT)
        moments += trace.read(folder / f"trace{life}", data, [told])
    async with await Reader.open(journal) as reader:
        bodies = dict(await reader.read_after(0, 1_000_000))
    assert len(bodies) == events
    return Run(Recording(moments), plan, journal, bodies)


async def started(run: Run, recording: Recording, cut: Cut) -> Found:
    """Start on what a cut left, look for everything, and go on."""
    told = recording.told_by(cut.at)
    settled, kept = (max(_seqs(told, word), default=0) for word in ("settled", "kept"))
    path = cut.folder / "sync.db"
    try:
        async with await Store.open(path) as store:
            cursor = await store.cursor(UPLINK)
            at, reviewed = (cursor.seq, cursor.reviewed) if cursor else (0, 0)
            waiting = await store.rows("SELECT seq, id, CAST(body AS BLOB), state FROM quarantine")
            receipts = await store.rows("SELECT first_seq, last_seq, events FROM receipts ORDER BY id")
            found = Found(kept, lost=max(0, kept - at) + max(0, at - settled))
            found.lost += len({seq for seq in run.plan.rejected if seq <= at} - {row[0] for row in waiting})
            found.problems += _quarantine_problems(run, waiting, at, reviewed)
            found.problems += _receipt_problems(run, receipts, at)
            found.doubled = sum(max(0, a[1] - b[0] + 1) for a, b in pairwise(receipts))
            await store.raise_alert("after", "a write after the cut", "none", START_MS)
            if cut.kind == "torn":
                found.lost += await _missing_in_the_end(run, store, settled)
    except (Fault, sqlite3.Error) as error:
        return Found(kept, kept, problems=[f"it does not start: {error}"])
    with closing(sqlite3.connect(path)) as db:
        found.problems += [one for (one,) in db.execute("PRAGMA integrity_check") if one != "ok"]
    return found


def _seqs(told: list[str], word: str) -> list[int]:
    return [int(line.rpartition(":")[2]) for line in told if line.startswith(f"{word} {UPLINK} ")]


def _quarantine_problems(run: Run, waiting: list[sqlite3.Row], at: int, reviewed: int) -> list[str]:
    discarded = run.plan.discarded(reviewed)
    found = []
    for seq, id_, body, state in waiting:
        if seq not in run.plan.rejected or seq > at:
            found.append(f"seq {seq} is in quarantine before it was settled")
        elif (body, id_) != (run.bodies[seq], decode(run.bodies[seq]).id):
            found.append(f"seq {seq} is another event in quarantine")
        elif (state == "settled") != (seq in discarded):
            found.append(f"seq {seq} is {state} with decisions through {reviewed} carried out")
    return found


def _receipt_problems(run: Run, receipts: list[sqlite3.Row], at: int) -> list[str]:
    posted = at - len([seq for seq in run.plan.rejected if seq <= at])
    held = sum(events for _, _, events in receipts)
    return [] if held == posted else [f"receipts say {held} events, the cursor {posted}"]


async def _missing_in_the_end(run: Run, store: Store, settled: int) -> int:
    """Deliver the rest to a receiver that knows what it had settled: how many facts it lacks then."""
    ids = {seq: decode(body).id for seq, body in run.bodies.items() if seq not in run.plan.rejected}
    receiver = Receiver(poison=set(run.plan.rejected))
    receiver.posted = [(seq, id_) for seq, id_ in ids.items() if seq <= settled]
    async with delivering(receiver, store, run.journal, batch_events=200) as agent:
        await drained(store, agent, run.plan.events)
    assert [seq for seq, _ in receiver.posted] == sorted({seq for seq, _ in receiver.posted})
    return len(set(ids.items()) - set(receiver.posted))


async def cut_power(folder: Path, seed: int, events: int, number: int, record: Record) -> None:
    run = await delivery_run(folder, seed, events)
    start = partial(started, run)
    await survives(
        FAULT, run.recording, "sync.db", start, number=number, seed=seed, folder=folder, record=record
    )


async def test_what_was_settled_survives_a_power_cut(tmp_path: Path, record: Record) -> None:
    await cut_power(tmp_path, 20261122, 600, 12, record)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(2))
async def test_delivery_survives_fifty_power_cuts(tmp_path: Path, seed: int, record: Record) -> None:
    await cut_power(tmp_path, seed, 3000, 50, record)
