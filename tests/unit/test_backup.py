"""A backup is whole or is not there; putting one back changes nothing until all of it has been checked."""

import asyncio
import errno
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from edge import backup, epochs
from edge.backup import MANIFEST, back_up, checked, put_back
from edge.events import Draft, JournalOpened, OperatorSignedOn, decode
from edge.faults import StorageFault
from edge.ids import new_id
from edge.journal import Journal
from edge.lock import Lock
from edge.masterdata.lookup import load
from edge.masterdata.store import MASTERDATA, Delivery, MasterStore
from edge.opening import Ground, opened
from sync.store import Store
from tests.unit.clocks import ManualClock
from tests.unit.test_opening import ids_of, killed, state_of

CLOCK = ManualClock()


async def worked(folder: Path, events: int = 5) -> Journal:
    """A data folder in use: its journal is open, and so far it holds so many events."""
    folder.mkdir(exist_ok=True)
    ground = Ground(folder / "journal.db", "suzhou", "L3-IPC1", {})
    journal, _ = await opened(ground, CLOCK, state_of)
    await put(journal, events - journal.head)
    async with await Store.open(folder / "sync.db") as store:
        await store.begin("erp", journal.epoch, 3, 1)
    return journal


async def put(journal: Journal, times: int) -> None:
    for number in range(times):
        draft = Draft(new_id(CLOCK.now().wall_ms), 0, OperatorSignedOn(operator=f"{number}"))
        await journal.append([draft])


def copy(data: Path, target: Path) -> None:
    back_up(data / "journal.db", data / "sync.db", target)


def restore(folder: Path, data: Path) -> None:
    with Lock(data / "journal.db") as lock:
        put_back(folder, data / "journal.db", data / "sync.db", lock)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if "-shm" not in path.name}


async def test_a_backup_holds_what_was_committed_and_begins_an_epoch_wherever_it_wakes(
    tmp_path: Path,
) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    async with await worked(data) as journal:
        await asyncio.to_thread(copy, data, tmp_path / "copy")
        await put(journal, 3)
        epoch = journal.epoch
    manifest = checked(tmp_path / "copy")
    assert (manifest.site, manifest.edge, manifest.epoch, manifest.head) == ("suzhou", "L3-IPC1", epoch, 5)
    assert [one.name for one in manifest.files] == ["journal.db", "sync.db"]
    other.mkdir()
    restore(tmp_path / "copy", other)
    async with await worked(other) as journal:
        ((_, body),) = await journal.read_after(0, 1)
        fact = decode(body).data
        assert isinstance(fact, JournalOpened)
        assert (fact.cause, fact.follows, fact.missing) == ("restored", f"{epoch}:5", "6-")
        assert journal.epoch != epoch
    assert len(await ids_of(other / f"journal-{epoch}.db")) == 5


async def test_what_is_in_the_folder_is_set_aside_and_sync_db_stays(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with await worked(data):
        await asyncio.to_thread(copy, data, tmp_path / "copy")
    async with await worked(data, 9) as journal:
        epoch = journal.epoch
    held = await ids_of(data / "journal.db")
    store = (data / "sync.db").read_bytes()
    restore(tmp_path / "copy", data)
    assert await ids_of(data / f"journal-{epoch}.db") == held
    assert (data / "sync.db").read_bytes() == store
    found = epochs.look(data / "journal.db")
    assert found is not None and found.head == 5


async def test_a_folder_that_is_there_is_not_written_into(tmp_path: Path) -> None:
    async with await worked(tmp_path / "data"):
        (tmp_path / "copy").mkdir()
        (tmp_path / "copy" / "mine").write_text("x")
        with pytest.raises(StorageFault, match="was left as it is"):
            copy(tmp_path / "data", tmp_path / "copy")
    assert content(tmp_path / "copy") == {"mine": b"x"}


def test_without_a_journal_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(StorageFault, match="nothing to back up"):
        copy(tmp_path, tmp_path / "copy")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("tampered", ["journal.db", "sync.db", MANIFEST])
async def test_a_backup_that_is_not_as_it_was_written_is_not_put_back(tmp_path: Path, tampered: str) -> None:
    data = tmp_path / "data"
    async with await worked(data):
        await asyncio.to_thread(copy, data, tmp_path / "copy")
    path = tmp_path / "copy" / tampered
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    before = content(data)
    with pytest.raises(StorageFault, match="Nothing was put back") as caught:
        restore(tmp_path / "copy", data)
    assert caught.value.hint
    assert content(data) == before


async def test_a_backup_that_lacks_a_file_is_not_put_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with await worked(data):
        await asyncio.to_thread(copy, data, tmp_path / "copy")
    (tmp_path / "copy" / "sync.db").unlink()
    (elsewhere := tmp_path / "elsewhere").mkdir()
    with pytest.raises(StorageFault, match=r"not as it was written: sync\.db"):
        restore(tmp_path / "copy", elsewhere)
    assert [one.name for one in elsewhere.iterdir()] == ["journal.lock"]


async def test_names_that_lead_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with await worked(data):
        await asyncio.to_thread(copy, data, tmp_path / "copy")
    manifest = tmp_path / "copy" / MANIFEST
    shutil.copy(tmp_path / "copy" / "sync.db", tmp_path / "sync.db")
    manifest.write_text(manifest.read_text().replace('"sync.db"', '"../sync.db"'))
    with pytest.raises(StorageFault, match="not as it was written"):
        restore(tmp_path / "copy", data)


async def test_where_a_disk_is_full_no_half_backup_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    async with await worked(tmp_path / "data"):
        monkeypatch.setattr(backup, "_copy", full)
        with pytest.raises(StorageFault, match="No space left") as caught:
            copy(tmp_path / "data", tmp_path / "copy")
    assert "the running line was not touched" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


async def test_putting_back_that_was_interrupted_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    async with await worked(data):
        await asyncio.to_thread(copy, data, tmp_path / "copy")
    async with await worked(data, 9) as journal:
        epoch = journal.epoch
    held = await ids_of(data / "journal.db")

    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        with pytest.raises(StorageFault, match="could not be put back"):
            restore(tmp_path / "copy", data)
    restore(tmp_path / "copy", data)
    assert await ids_of(data / f"journal-{epoch}.db") == held
    found = epochs.look(data / "journal.db")
    assert found is not None and found.head == 5
    with closing(sqlite3.connect(data / "journal.db")) as db:
        assert db.execute("SELECT count(*) FROM meta WHERE key = 'backup'").fetchone() == (1,)


@pytest.mark.parametrize("left", ["log gone", "suspect", "older"])
async def test_a_journal_that_was_left_in_doubt_is_not_set_aside_as_sound(tmp_path: Path, left: str) -> None:
    """Set aside whole it would pass for all that there was."""
    data = tmp_path / "data"
    async with await worked(data):
        await asyncio.to_thread(copy, data, tmp_path / "copy")
    older = (data / "journal.db").read_bytes()
    if left == "log gone":
        killed(data, 9)
        (data / "journal.db-wal").unlink()
        (data / "journal.db-shm").unlink(missing_ok=True)
    elif left == "suspect":
        async with await worked(data, 9) as journal:
            journal.suspect("a page is damaged")
    else:
        async with await worked(data, 9):
            pass
        (data / "journal.db").write_bytes(older)
    with pytest.raises(StorageFault, match=r"was left as it is\. Nothing was put back: ") as caught:
        restore(tmp_path / "copy", data)
    assert "Start lineside once" in caught.value.hint
    assert not list(data.glob("journal-*.db"))


def delivery(order: str, at_ms: int) -> Delivery:
    """Master data with one order."""
    body = {"work_orders": [{"work_order": order, "product": "M1", "quantity": "5", "unit": "pcs"}]}
    return Delivery(msgspec.json.encode(body), "erp", "http://erp", order, at_ms)


async def delivered(data: Path, order: str, at_ms: int) -> None:
    async with await MasterStore.open(data / MASTERDATA) as held:
        await held.take(delivery(order, at_ms))


async def test_master_data_comes_along_and_is_whole_while_the_erp_delivers(tmp_path: Path) -> None:
    data, other = tmp_path / "data", tmp_path / "other"
    async with await worked(data), await MasterStore.open(data / MASTERDATA) as held:
        await held.take(delivery("4711", 1))
        await asyncio.to_thread(copy, data, tmp_path / "copy")
        await held.take(delivery("4712", 2))
    manifest = checked(tmp_path / "copy")
    assert [one.name for one in manifest.files] == ["journal.db", MASTERDATA, "sync.db"]
    other.mkdir()
    restore(tmp_path / "copy", other)
    assert [*load(other / MASTERDATA).orders] == ["4711"]
    (tmp_path / "copy" / MASTERDATA).write_bytes(b"?")
    with pytest.raises(StorageFault, match=r"not as it was written: masterdata\.db"):
        restore(tmp_path / "copy", other)


@pytest.mark.parametrize("there", ["older", "newer", "empty", "folder", "no text"])
async def test_of_master_data_what_was_delivered_last_is_kept(tmp_path: Path, there: str) -> None:
    data = tmp_path / "data"
    async with await worked(data):
        await delivered(data, "4711", 2)
        await asyncio.to_thread(copy, data, tmp_path / "copy")
    (data / MASTERDATA).unlink()
    if there == "folder":
        (data / MASTERDATA).mkdir()
    elif there == "empty":
        async with await MasterStore.open(data / MASTERDATA):
            pass
    else:
        await delivered(data, "4712", 1 if there == "older" else 3)
    if there == "no text":  # SQLite's own words quote it
        held = (data / MASTERDATA).read_bytes()
        (data / MASTERDATA).write_bytes(held.replace(b"id INTEGER PRIMARY KEY", b"id\xa0INTEGER PRIMARY KEY"))
        with closing(sqlite3.connect(data / MASTERDATA)) as db, pytest.raises(UnicodeDecodeError):
            db.execute("SELECT max(at_ms) FROM generations")
    restore(tmp_path / "copy", data)
    assert [*load(data / MASTERDATA).orders] == ["4712" if there == "newer" else "4711"]


async def test_a_backup_from_before_master_data_was_in_it_is_put_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with await worked(data):
        await asyncio.to_thread(copy, data, tmp_path / "copy")
    await delivered(data, "4711", 1)
    restore(tmp_path / "copy", data)
    assert [*load(data / MASTERDATA).orders] == ["4711"]


def no_database(path: Path) -> None:
    path.write_bytes(b"no database " * 1000)


def unruly(path: Path) -> None:
    """It holds what its own rules would never have let in."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            "UPDATE generations SET etag = NULL; PRAGMA writable_schema = ON; UPDATE sqlite_master"
            " SET sql = replace(sql, 'etag TEXT', 'etag TEXT NOT NULL CHECK (1)') WHERE name = 'generations'"
        )


@pytest.mark.parametrize("harm", [no_database, unruly])
async def test_master_data_that_is_damaged_keeps_nobody_from_a_backup(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    data = tmp_path / "data"
    async with await worked(data):
        await delivered(data, "4711", 1)
        harm(data / MASTERDATA)
        await asyncio.to_thread(copy, data, tmp_path / "copy")
    assert [one.name for one in checked(tmp_path / "copy").files] == ["journal.db", "sync.db"]


async def test_a_folder_that_is_not_there_is_no_place_for_a_backup(tmp_path: Path) -> None:
    """A stick that is not mounted would be a folder on the disk that the backup is to outlive."""
    async with await worked(tmp_path / "data"):
        with pytest.raises(StorageFault, match=r"stick is not there\. There is no backup"):
            copy(tmp_path / "data", tmp_path / "stick" / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


async def test_a_damaged_journal_is_left_to_the_next_start_which_keeps_what_it_proves(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with await worked(data):
        await asyncio.to_thread(copy, data, tmp_path / "copy")
    (data / "journal.db").write_bytes(b"no database " * 1000)
    before = content(data)
    with pytest.raises(StorageFault, match=r"was left as it is\. Nothing was put back") as caught:
        restore(tmp_path / "copy", data)
    assert "Start lineside once" in caught.value.hint and content(data) == before
