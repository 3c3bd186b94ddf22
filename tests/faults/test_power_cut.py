"""The power goes at any moment: what was acknowledged is in the journal, once, and the journal goes on.

The real code runs in a process of its own; what it did to its files is recorded and cut off anywhere, with
all, none or torn parts of what was not synced. Each time the real code starts on what is left.
"""

import sqlite3
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from edge import main, opening
from edge.clock import SystemClock
from edge.collector import Collector
from edge.events import (
    Draft,
    Event,
    JournalOpened,
    MaterialConsumed,
    OperatorSignedOn,
    WorkPaused,
    WorkStarted,
    decode,
)
from edge.faults import Fault
from edge.ids import new_id
from edge.journal import Journal, Reader, verify
from edge.recovery import state_of
from edge.station.evolve import fold
from edge.station.state import Line
from tests.faults import collector_run, journal_load, trace
from tests.faults.collector_run import ORDER, SIGN_ON, End, quantity
from tests.faults.journal_load import EDGE, SITE, state
from tests.faults.recording import Cut, Recording
from tests.faults.survival import Found, Record, loses, survives
from tests.line.plant import ROOT

CLOCK = SystemClock()
Rows = Sequence[tuple[int, bytes]]


@dataclass
class Run:
    """A recorded run, what its journal held in the end, and how to tell what it promised."""

    recording: Recording
    epoch: str
    rows: Rows
    key_of: dict[bytes, str]  # what an event is known by, by its body
    promised: Callable[[list[str]], list[str]]  # the keys of what was acknowledged, from what was told
    also: Callable[[Journal, list[str], int], Awaitable[list[str]]]  # more problems of an opened journal


@pytest.fixture(autouse=True)
def _images_stand_where_the_original_stood(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a cut left is laid out anew, on other inodes; in the field it would be the same file."""

    def noted(path: Path) -> str:
        with closing(sqlite3.connect(path)) as db:
            found: str = db.execute("SELECT value FROM meta WHERE key = 'place'").fetchone()[0]
            return found

    monkeypatch.setattr(opening, "place", noted)


async def opened(folder: Path) -> tuple[Journal, opening.Notice | None]:
    """The journal of a folder, as the collector opens it."""
    ground = opening.Ground(folder / "journal.db", SITE, EDGE, {})
    return await opening.opened(ground, CLOCK, state_of)


async def started(run: Run, recording: Recording, cut: Cut) -> Found:
    """Start on what a cut left, look for everything, and go on."""
    told = recording.told_by(cut.at)
    promised = run.promised(told)
    try:
        journal, notice = await opened(cut.folder)
        async with journal:
            rows = await journal.read_after(0, 1_000_000)
            present = Counter(run.key_of.get(body, "unknown") for _, body in rows)
            problems = await _problems(run, journal, rows, told)
    except (Fault, sqlite3.Error) as error:
        return Found(len(promised), len(promised), 0, [f"it does not start: {error}"])
    problems += [] if notice is None else [f"it was taken for damaged: {notice.text}"]
    aside = sorted(path.name for path in cut.folder.glob("journal-*"))
    problems += [f"set aside: {aside}"] if aside else []
    problems += _integrity(cut.folder / "journal.db")
    lost = len(set(promised) - set(present))
    doubled = sum(times - 1 for times in present.values())
    return Found(len(promised), lost, doubled, problems)


async def _problems(run: Run, journal: Journal, rows: Rows, told: list[str]) -> list[str]:
    found: list[str] = []
    # A journal that never came to life, because a cut ended its making, opens itself anew; no other may.
    begun = [line for line in told if not line.startswith("hand")]
    born = not begun and [type(decode(body).data) for _, body in rows] == [JournalOpened]
    if not born and journal.epoch != run.epoch:
        found.append("it began a new epoch")
    if not born and list(rows) != list(run.rows[: len(rows)]):
        found.append("it holds other events than the run wrote")
    if [seq for seq, _ in rows] != list(range(1, len(rows) + 1)) or journal.head != len(rows):
        found.append(f"gaps: {len(rows)} events up to {journal.head}")
    found += await run.also(journal, told, len(rows))
    head, now_ms = journal.head, CLOCK.now().wall_ms
    (event,) = await journal.append([Draft(new_id(now_ms), now_ms, WorkPaused(reason="after"))])
    if event.seq != head + 1:
        found.append(f"the next event is {event.seq}, not {head + 1}")
    async with await Reader.open(journal.path) as reader:
        verified = await verify(reader)
    if verified.problems or verified.events != head + 1:
        found.append(f"verify: {verified}")
    return found


def _integrity(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        said = [row[0] for row in db.execute("PRAGMA integrity_check")]
    return [] if said == ["ok"] else said


# The journal under 64 producers


async def journal_run(folder: Path, seed: int, events: int, synchronous: str = "FULL") -> Run:
    """Two lives of a journal, the first of which ends without closing."""
    data, told = folder / "data", folder / "told"
    data.mkdir()
    moments: list[trace.Moment] = []
    for life, end in enumerate(("die", "close")):
        given = (data, told, 2 * seed + life, events // 2, synchronous, end)
        command = [sys.executable, "-m", journal_load.__name__, *given]
        await trace.run(command, folder / f"trace{life}", ROOT)
        moments += trace.read(folder / f"trace{life}", data, [told])
    epoch, rows = await held(data / "journal.db")
    recording = Recording(moments)
    (first, _), (last, _) = recording.told[0], recording.told[-1]
    assert [at for at in recording.writes("journal.db") if first < at < last], "no checkpoint under load"
    key_of = {body: f"{seq}:{decode(body).id}" for seq, body in rows}
    handed = {one for _, line in recording.told for one in line.split()[1:] if line.startswith("hand ")}
    assert {key.partition(":")[2] for key in list(key_of.values())[1:]} == handed
    return Run(recording, epoch, rows, key_of, _acknowledged, _kept)


async def held(path: Path) -> tuple[str, Rows]:
    """What a journal holds."""
    async with await Reader.open(path) as reader:
        return reader.epoch, await reader.read_after(0, 1_000_000)


def _acknowledged(told: list[str]) -> list[str]:
    return [key for line in told if line.startswith("ack ") for key in line.split()[1:]]


async def _kept(journal: Journal, told: list[str], events: int) -> list[str]:
    """Snapshot and alerts are as they were told, or further where a change was under way."""
    found = []
    saved = max((int(line.split()[1]) for line in told if line.startswith("snapshot ")), default=0)
    snapshot = await journal.snapshot()
    if snapshot is None:
        found += ["the snapshot is lost"] if saved else []
    elif not saved <= snapshot.seq <= events or snapshot.state != state(snapshot.seq):
        found.append(f"the snapshot of {saved} became one of {snapshot.seq}")
    last = {
        key: word for word, _, key in (line.partition(" ") for line in told) if key.startswith("producer")
    }
    standing = {alert.key for alert in await journal.standing()}
    for key, word in last.items():
        if word != "change" and (word == "alert") != (key in standing):
            found.append(f"alert {key} is not as it was told ({word})")
    return found


# The whole collector with a gun


async def collector_recorded(folder: Path, ends: Sequence[End], facts: int) -> Run:
    """Lives of a collector, one after the other."""
    recording, good = await collector_run.recorded(folder, ends, facts)
    epoch, rows = await held(folder / "data" / "journal.db")
    events = [decode(body) for _, body in rows]
    lines = [Line()]
    for event in events:
        lines.append(fold(lines[-1], event))
    loaded = main.load(folder / "lineside.toml")

    def promised(told: list[str]) -> list[str]:
        return [text for text in good[: len(told)] if text != collector_run.LOT]

    async def also(journal: Journal, told: list[str], events: int) -> list[str]:
        collector = Collector(main.site_of(loaded), journal, CLOCK, journal.path.with_name("masterdata.db"))
        await collector.restore()
        problems = [] if collector.line == lines[events] else ["the stations' state is another"]
        return problems + ([] if collector.master.orders else ["master data are gone"])

    key_of = {body: _scan_of(event) for (_, body), event in zip(rows, events, strict=True)}
    return Run(recording, epoch, rows, key_of, promised, also)


def _scan_of(event: Event) -> str:
    """The scan that an event comes from, else its id."""
    match event.data:
        case MaterialConsumed(quantity=taken):
            return quantity(int(taken * 10**6))
        case WorkStarted():
            return ORDER
        case OperatorSignedOn():
            return SIGN_ON
    return event.id


# The proofs


PRODUCERS, COLLECTOR = "power cut: journal", "power cut: collector"
NORMAL, HASTY = "control: NORMAL", "control: early beep"


async def endures(fault: str, run: Run, number: int, seed: int, folder: Path, record: Record) -> None:
    """Cut a run of either kind."""
    start = partial(started, run)
    await survives(
        fault, run.recording, "journal.db", start, number=number, seed=seed, folder=folder, record=record
    )


async def early_beep_loses(run: Run, number: int, seed: int, folder: Path, record: Record) -> None:
    """A control: had it been acknowledged before the sync, the same cuts would show it.

    Not each does: SQLite's thread may have synced the next group before an answer is told.
    """
    hasty, start = run.recording.hasty(), partial(started, run)
    await loses(HASTY, hasty, "ack", start, number=number, seed=seed, folder=folder, record=record)


async def normal_loses(events: int, number: int, seed: int, folder: Path, record: Record) -> None:
    """A control: without a sync at each commit, acknowledged events are lost."""
    run = await journal_run(folder, seed, events, "NORMAL")
    start = partial(started, run)
    await loses(NORMAL, run.recording, "ack", start, number=number, seed=seed, folder=folder, record=record)


async def test_what_append_acknowledged_survives_a_power_cut(tmp_path: Path, record: Record) -> None:
    run = await journal_run(tmp_path, 20261122, 1800)
    await endures(PRODUCERS, run, 13, 1, tmp_path, record)
    await early_beep_loses(run, 24, 2, tmp_path, record)


async def test_what_the_gun_heard_survives_a_power_cut(tmp_path: Path, record: Record) -> None:
    run = await collector_recorded(tmp_path, ("stop", "kill"), 60)
    await endures(COLLECTOR, run, 13, 3, tmp_path, record)


async def test_without_full_syncs_a_power_cut_does_lose(tmp_path: Path, record: Record) -> None:
    await normal_loses(1800, 6, 4, tmp_path, record)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(5))
async def test_the_journal_survives_fifty_power_cuts(tmp_path: Path, seed: int, record: Record) -> None:
    run = await journal_run(tmp_path, seed, 4000)
    await endures(PRODUCERS, run, 50, seed, tmp_path, record)
    await early_beep_loses(run, 40, seed, tmp_path, record)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(3))
async def test_the_collector_survives_fifty_power_cuts(tmp_path: Path, seed: int, record: Record) -> None:
    run = await collector_recorded(tmp_path, ("stop", "kill", "stop"), 150)
    await endures(COLLECTOR, run, 50, seed, tmp_path, record)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_without_full_syncs_power_cuts_do_lose(tmp_path: Path, record: Record) -> None:
    await normal_loses(4000, 50, 1, tmp_path, record)
