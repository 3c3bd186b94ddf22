"""One transaction settles a batch; it is whole, or it is nothing."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import aiosqlite
import pytest

from edge.faults import RestartNeeded, StorageFault
from sync.batch import pack
from sync.outcome import Outcome
from sync.settlement import Decision, settle
from sync.status import load_document, load_outbox, load_quarantine, load_status
from sync.store import Condition, Store
from tests.unit.sync.making import EPOCH, SOURCE, paused, stored

BATCH = pack(EPOCH, SOURCE, stored(paused(1, "A"), paused(2, "B"), paused(3, "A")))
MIXED = settle(
    BATCH, [Outcome(status="accepted", document="D1"), Outcome(status="rejected"), Outcome(status="accepted")]
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(tmp_path / "sync.db") as opened:
        await opened.begin("erp", EPOCH, 0, 1000)
        yield opened


def counted(store: Store, table: str) -> int:
    with sqlite3.connect(store.path) as db:
        found: int = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    db.close()
    return found


async def test_a_batch_is_settled_as_a_whole(store: Store) -> None:
    await store.settle("erp", MIXED, "idle", 2000)
    one = load_status(store.path).uplinks[0]
    assert (one.epoch, one.seq, one.state, one.last_success_ms, one.waiting) == (EPOCH, 3, "idle", 2000, 1)
    assert [waits.body for waits in load_quarantine(store.path)] == [BATCH.rows[1][1]]
    assert load_document(store.path, "erp", EPOCH, 1) == ("D1", None)
    assert load_document(store.path, "erp", EPOCH, 2) is None
    assert load_document(store.path, "erp", EPOCH, 3) == (None, None)


@pytest.mark.parametrize("table", ["quarantine", "receipts", "uplinks", "alerts"])
async def test_a_failure_anywhere_leaves_nothing_of_the_batch(table: str, store: Store) -> None:
    verb = "UPDATE" if table == "uplinks" else "INSERT"
    await store.rows(
        f"CREATE TRIGGER breaks BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
    )
    with pytest.raises(StorageFault, match="full"):
        await store.settle("erp", MIXED, "idle", 2000)
    assert load_status(store.path).uplinks[0].seq == 0
    assert [counted(store, name) for name in ("quarantine", "receipts", "alerts")] == [0, 0, 0]
    await store.rows("DROP TRIGGER breaks")
    await store.settle("erp", MIXED, "idle", 2000)
    assert load_status(store.path).uplinks[0].seq == 3


@pytest.mark.parametrize("steps", range(12))
async def test_cancelled_at_any_step_it_is_whole_or_nothing(steps: int, store: Store) -> None:
    task = asyncio.create_task(store.settle("erp", MIXED, "idle", 2000))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    whole = load_status(store.path).uplinks[0].seq == 3
    assert whole or steps == 0, "what was begun is carried to its end"
    assert [counted(store, name) for name in ("quarantine", "receipts")] == [int(whole), int(whole)]


async def test_a_writer_that_breaks_off_does_not_take_the_next_with_it(store: Store) -> None:
    async def breaks(connection: aiosqlite.Connection) -> None:
        await connection.execute("UPDATE uplinks SET seq = 99")
        raise KeyError("a mistake of ours")

    with pytest.raises(KeyError):
        await store.transact(breaks)
    await store.settle("erp", MIXED, "idle", 2000)
    assert load_status(store.path).uplinks[0].seq == 3


async def test_transactions_of_several_tasks_do_not_mix(store: Store) -> None:
    await asyncio.gather(*(store.begin(f"u{number}", EPOCH, number, 0) for number in range(20)))
    assert {one.uplink: one.seq for one in load_status(store.path).uplinks} == {
        "erp": 0, **{f"u{number}": number for number in range(20)}
    }  # fmt: skip


async def test_a_decision_is_carried_out_once(store: Store) -> None:
    await store.settle("erp", MIXED, "idle", 2000)
    rejected = load_quarantine(store.path)[0].id
    retried = Decision(7, "retried", (rejected,))
    await store.carry_out("erp", [retried], 7, 3000)
    assert (await store.standing("erp")).retrying == 1
    again = replace(
        settle(pack(EPOCH, SOURCE, BATCH.rows[1:2], again=True), [Outcome(status="rejected")]),
    )
    await store.settle("erp", again, "idle", 4000)
    passing = replace(MIXED, cursor=8, quarantine=(), posted=[], decisions=(retried,))
    await store.settle("erp", passing, "idle", 5000)  # the cursor passes the decision that was read ahead
    assert (await store.standing("erp")).waiting == 1


async def test_a_decision_reaches_only_the_uplink_that_holds_the_fact(store: Store) -> None:
    await store.begin("other", EPOCH, 0, 0)
    await store.settle("erp", MIXED, "idle", 2000)
    rejected = load_quarantine(store.path)[0].id
    await store.carry_out("other", [Decision(7, "discarded", (rejected,))], 7, 3000)
    assert (await store.standing("erp")).waiting == 1


async def test_an_alert_is_raised_once_says_what_is_true_now_and_is_cleared_once(store: Store) -> None:
    for at_ms in (1, 2, 3):
        await store.raise_alert("key", f"text {at_ms}", "hint", at_ms)
    await store.clear_alert("key", 4)
    await store.clear_alert("key", 5)
    await store.raise_alert("key", "anew", "hint", 6)
    found = [(alert.text, alert.raised_ms, alert.cleared_ms) for alert in load_status(store.path).alerts]
    assert found == [("anew", 6, None), ("text 3", 1, 4)]


async def test_a_state_keeps_when_it_began(store: Store) -> None:
    for at_ms, detail in ((10, "a"), (20, "b")):
        await store.condition("erp", Condition("backoff", detail, "hint", at_ms + 5), at_ms)
    one = load_status(store.path).uplinks[0]
    assert (one.state, one.detail, one.since_ms, one.next_try_ms) == ("backoff", "b", 10, 25)


async def test_an_uplink_that_is_configured_no_more_says_so_and_comes_back(store: Store) -> None:
    assert await store.retire(["another"], 5) == ["erp"]
    assert await store.retire(["another"], 6) == []
    status = load_status(store.path)
    assert status.uplinks[0].state == "removed" and status.alerts[0].key == "uplink.erp.removed"
    await store.retire(["erp"], 7)
    assert load_status(store.path).alerts[0].cleared_ms == 7


def test_a_missing_file_means_that_nothing_is_known(tmp_path: Path) -> None:
    nowhere = tmp_path / "sync.db"
    assert load_status(nowhere).uplinks == () and load_quarantine(nowhere) == []
    assert load_document(nowhere, "erp", EPOCH, 1) is None
    assert load_outbox(nowhere, EPOCH, 0).events == 0
    nowhere.touch()
    assert load_status(nowhere).uplinks == ()
    nowhere.write_bytes(b"this is no database, whatever its name may say")
    with pytest.raises(StorageFault):
        load_status(nowhere)


def destroy(path: Path) -> None:
    """Tables and free pages alike."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(bytes(path.stat().st_size - 4096))


def lay_a_diary(path: Path) -> None:
    path.write_bytes(b"This is somebody's diary, not a database. " * 200)


def lay_recipes(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE recipes (name TEXT)")


def spoil_words(path: Path) -> None:
    """SQLite's own words quote what is no text."""
    held = path.read_bytes()
    path.write_bytes(held.replace(b"id INTEGER PRIMARY KEY", b"id\xa0INTEGER PRIMARY KEY"))
    with closing(sqlite3.connect(path)) as db, pytest.raises(UnicodeDecodeError):
        db.execute("SELECT 1 FROM uplinks")


@pytest.mark.parametrize("spoil", [destroy, lay_a_diary, lay_recipes, spoil_words, Path.unlink])
async def test_a_file_that_is_damaged_or_gone_is_begun_anew_and_delivery_with_it(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    path = tmp_path / "sync.db"
    async with await Store.open(path) as store:
        await store.begin("erp", EPOCH, 7, 1000)
    spoil(path)
    left = path.read_bytes() if path.exists() else None
    async with await Store.open(path):
        pass  # a power cut before the uplinks are told
    async with await Store.open(path) as store:
        assert await store.cursor("erp") is None
        await store.begin_anew(["erp"], 2000)
        at = await store.cursor("erp")
        assert at is not None and (at.epoch, at.seq) == ("", 0)
    async with await Store.open(path) as store:
        await store.begin_anew(["erp"], 3000)
        await store.begin("erp", EPOCH, 7, 3000)
    (alert,) = load_status(path).alerts
    assert alert.key == "sync.replaced" and "Delivery begins anew" in alert.text
    kept = [one for one in tmp_path.glob("sync-damaged-*.db") if one.read_bytes() == left]
    assert len(kept) == (left is not None)
    assert ("sync-damaged-" in alert.hint) == bool(kept), "no file is named that is not there"
    assert all(f"document numbers of before are in {one.name} beside it" in alert.hint for one in kept)


async def test_a_folder_in_the_place_of_the_file_stops_no_delivery(tmp_path: Path) -> None:
    path = tmp_path / "sync.db"
    path.mkdir()
    (path / "mine").write_text("x")
    async with await Store.open(path) as store:
        await store.begin_anew(["erp"], 2000)
        assert await store.cursor("erp") is not None
    (alert,) = load_status(path).alerts
    assert "sync.db is a folder" in alert.text and "are gone with it" in alert.hint
    (kept,) = tmp_path.glob("sync-damaged-*.db")
    assert (kept / "mine").read_text() == "x"


async def test_damage_met_while_running_ends_the_process_and_the_next_start_begins_anew(
    tmp_path: Path,
) -> None:
    path = tmp_path / "sync.db"
    async with await Store.open(path) as store:
        await store.begin("erp", EPOCH, 7, 1000)
        await store.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        await store.rows("PRAGMA cache_size = 0")
        destroy(path)
        with pytest.raises(RestartNeeded, match="next start sets it aside"):
            await store.begin("erp", EPOCH, 8, 2000)
    async with await Store.open(path) as store:
        await store.begin_anew(["erp"], 3000)
        assert [alert.key for alert in load_status(path).alerts] == ["sync.replaced"]
    assert len(list(tmp_path.glob("sync-damaged-*.db"))) == 1


async def test_a_newer_generation_is_left_to_the_newer_lineside(tmp_path: Path) -> None:
    path = tmp_path / "sync.db"
    async with await Store.open(path):
        pass
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 1000")
    with pytest.raises(StorageFault, match="newer lineside"):
        await Store.open(path)
    assert [one.name for one in tmp_path.glob("*.db")] == ["sync.db"]


CUT_OFF = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.executescript("PRAGMA cache_size = 2; BEGIN; CREATE TABLE t (x);")
for _ in range(200):
    db.execute("INSERT INTO t VALUES (?)", ("x" * 3000,))
os.kill(os.getpid(), 9)
"""


def cut_off(path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", CUT_OFF, path])
    assert ended.returncode == -9


async def test_a_file_whose_making_was_cut_off_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "sync.db"
    cut_off(path)
    assert path.stat().st_size and path.with_name("sync.db-journal").stat().st_size
    async with await Store.open(path) as opened:
        assert await opened.cursor("erp") is None
    assert [one.name for one in tmp_path.glob("*damaged*")] == []
