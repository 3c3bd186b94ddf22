"""Files are damaged, taken away or replaced: what was acknowledged is delivered once, or declared missing.

The whole line is real processes; whatever ends is started again, as systemd would. The check of everything,
which comes half a minute after a start, comes at once here.
"""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from edge import epochs, wal
from edge.events import WorkStarted
from tests.faults.accounts import ORDER, Account, outcome
from tests.faults.survival import Record
from tests.faults.table import Row
from tests.line.plant import Child, Line, line, until

PAGE = 4096
End = Literal["stop", "kill", "run", "taken"]  # taken: from under the running line
Harm = Callable[[Path, random.Random], None]


def flip(path: Path, offset: int, chance: random.Random) -> None:
    """One bit."""
    with path.open("r+b") as file:
        file.seek(offset)
        (held,) = file.read(1)
        file.seek(offset)
        file.write(bytes([held ^ (1 << chance.randrange(8))]))


def truncated(path: Path, chance: random.Random) -> None:
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * chance.uniform(0.2, 0.98)))


def cold_bit(path: Path, chance: random.Random) -> None:
    """In an event, neither the first nor one of the last."""
    held = path.read_bytes()
    at = [i for i in range(PAGE, len(held)) if held.startswith(b'{"chain":"', i)]
    flip(path, chance.choice(at[2:-6]) + chance.randrange(600), chance)


def last_bit(path: Path, chance: random.Random) -> None:
    size = path.stat().st_size
    flip(path, chance.randrange(size - PAGE, size), chance)


def header_bit(path: Path, chance: random.Random) -> None:
    flip(path, chance.randrange(PAGE), chance)


def zeroed(path: Path, chance: random.Random) -> None:
    """A page of events."""
    held = path.read_bytes()
    pages = [at for at in range(PAGE, len(held), PAGE) if b'{"chain":"' in held[at : at + PAGE]]
    with path.open("r+b") as file:
        file.seek(chance.choice(pages))
        file.write(bytes(PAGE))


def log_gone(path: Path, chance: random.Random) -> None:
    path.with_name(path.name + "-wal").unlink()


def log_bit(path: Path, chance: random.Random) -> None:
    log = path.with_name(path.name + "-wal")
    size = 32 + wal.read(log).frames * (24 + PAGE)  # behind them it is empty
    flip(log, chance.randrange(size // 4, size * 3 // 4), chance)


def log_header_bit(path: Path, chance: random.Random) -> None:
    flip(path.with_name(path.name + "-wal"), chance.randrange(32), chance)


def log_gone_and_looked_for(path: Path, chance: random.Random) -> None:
    """Whoever reads a journal without a log leaves an empty one there."""
    log_gone(path, chance)
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    epochs.look(path)
    assert path.with_name(path.name + "-wal").stat().st_size == 0


def emptied(path: Path, chance: random.Random) -> None:
    path.write_bytes(b"")


def foreign(path: Path, chance: random.Random) -> None:
    path.write_bytes(b"This is somebody's diary, not a database. " * 500)


def newer(path: Path, chance: random.Random) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 1000")


def gone(path: Path, chance: random.Random) -> None:
    path.unlink()


def all_gone(path: Path, chance: random.Random) -> None:
    """All but what says that a journal was here."""
    for one in path.parent.glob("*.db*"):
        one.unlink()


def sync_bytes(path: Path, chance: random.Random) -> None:
    store = path.with_name("sync.db")
    with store.open("r+b") as file:
        file.seek(chance.randrange(18, 2 * PAGE))
        file.write(chance.randbytes(3 * PAGE))


def sync_gone(path: Path, chance: random.Random) -> None:
    path.with_name("sync.db").unlink()


@dataclass(frozen=True)
class Damage:
    """What is done to the files, and how the processes ended before."""

    kind: str
    end: End
    harm: Harm
    certain: bool = True  # it cannot go unnoticed

    def __str__(self) -> str:
        return self.kind


DAMAGES = (
    Damage("truncated", "stop", truncated),
    Damage("bit flipped, cold page", "stop", cold_bit, certain=False),
    Damage("bit flipped, last page", "stop", last_bit, certain=False),
    Damage("bit flipped, first page", "stop", header_bit, certain=False),
    Damage("page of zeros", "stop", zeroed),
    Damage("bit flipped while running", "run", cold_bit, certain=False),
    Damage("page of zeros while running", "run", zeroed),
    Damage("WAL gone after a kill", "kill", log_gone),
    Damage("WAL gone after a kill, an empty one in its place", "kill", log_gone_and_looked_for),
    Damage("bit flipped in the WAL", "kill", log_bit),
    Damage("bit flipped in the WAL's header", "kill", log_header_bit),
    Damage("foreign file", "stop", foreign),
    Damage("newer generation", "stop", newer),
    Damage("journal.db deleted", "stop", gone),
    Damage("journal.db deleted after a kill", "kill", gone),
    Damage("journal.db cut to nothing after a kill", "kill", emptied),
    Damage("journal.db deleted while running", "taken", gone),
    Damage("WAL deleted while running", "taken", log_gone, certain=False),  # it is held open until the end
    Damage("folder emptied while running", "taken", all_gone),
    Damage("sync.db damaged", "stop", sync_bytes),
    Damage("sync.db deleted", "stop", sync_gone),
)
BY_KIND = {one.kind: one for one in DAMAGES}


async def shift(folder: Path, damage: Damage, seed: int) -> Row:
    """Work, damage, start, work on, deliver everything, and compare."""
    chance = random.Random(seed)
    async with line(folder, cycle_s=0.3) as floor:
        floor.module = ("tests.faults.hasty",)
        account = Account(floor)
        await account.start()
        await account.begin()
        floor.press.start()
        await account.take(chance.randrange(12, 20))
        await account.drained()
        await floor.erp.cut()
        await account.take(chance.randrange(8, 15))
        before = epochs.look(floor.journal)
        assert before is not None
        if damage.end == "run":
            with closing(sqlite3.connect(floor.journal)) as db:
                db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        elif damage.end in ("stop", "kill"):
            for name in ("sync", "collect"):  # the last one empties the WAL
                child = floor.children[name]
                await (child.stop() if damage.end == "stop" else child.kill())
        account.note()
        damage.harm(floor.journal, chance)
        if damage.end == "taken":
            await refused(floor)
        await floor.erp.restore()
        await settled(account)
        await went_on(account)
        await account.take(5)
        await account.drained()
        row = await outcome("damage", damage.kind, account)
        now = epochs.look(floor.journal)
        assert now is not None
        missing = await account.verified()
        alerts = await account.standing()
        about_sync = damage.harm in (sync_bytes, sync_gone)
        if about_sync:
            assert now.epoch == before.epoch and not any(missing.values()) and not row.declared
            assert "sync.replaced" in alerts
        elif now.epoch != before.epoch:
            assert any(key.startswith(f"journal.{now.epoch}") for key in alerts), alerts
        else:
            assert not damage.certain and not row.declared
        return row


async def refused(floor: Line) -> None:
    """What is taken now is not recorded, and the operator hears so; collect ends, to be started again."""
    with suppress(TimeoutError):
        assert await floor.scan("LSE1044", 2.0) == "bad"
    collect = floor.children["collect"]
    await until(lambda: collect.code is not None, "the end of a collector whose journal is gone")
    assert "is not the file any more" in collect.log


async def settled(account: Account) -> None:
    """Start what ended, until all of the journal has been proven once."""
    for _ in range(6):
        await account.start()
        collect = account.floor.children["collect"]
        sound = collect.log.count("journal is sound") + 1

        def proven(collect: Child = collect, sound: int = sound) -> bool:
            return account.ended or collect.log.count("journal is sound") > sound

        await until(proven, "a check of everything")
        if not account.ended:
            return
    raise AssertionError("it does not come to rest")


async def went_on(account: Account) -> None:
    """The order is still open, unless what opened it is lost; then the operator begins again."""
    screen = await account.floor.screen()
    events = account.read()
    kept = any(isinstance(event.data, WorkStarted) for _, event in events)
    if kept:
        assert screen["work_order"] == ORDER, screen
    if screen["work_order"] != ORDER or not screen["operators"]:
        await account.begin()


FAST = ("truncated", "journal.db deleted while running", "bit flipped in the WAL", "sync.db damaged")


@pytest.mark.parametrize("kind", FAST)
async def test_what_a_damaged_file_held_is_delivered_once_or_declared(
    kind: str, tmp_path: Path, record: Record
) -> None:
    record(await shift(tmp_path, BY_KIND[kind], 20261122))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("damage", DAMAGES, ids=str)
async def test_whatever_is_damaged_nothing_is_lost_silently(
    damage: Damage, seed: int, tmp_path: Path, record: Record
) -> None:
    record(await shift(tmp_path, damage, seed))
