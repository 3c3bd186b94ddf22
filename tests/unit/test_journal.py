"""The journal on a real file: order, durability of what is acknowledged, and nothing that can be changed."""

import asyncio
import json
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge import schema, wal
from edge.events import Draft, OperatorSignedOn, WorkPaused, decode
from edge.faults import Damaged, JournalDamaged, StorageFault
from edge.ids import new_id
from edge.journal import Journal, Reader, Snapshot, replay, verify, writer
from edge.lock import Lock
from tests.patience import best_of
from tests.unit.clocks import ManualClock

CLOCK = ManualClock()


def drafts(*operators: str) -> list[Draft]:
    return [Draft(new_id(CLOCK.now().wall_ms), 0, OperatorSignedOn(operator=one)) for one in operators]


async def opened(folder: Path) -> Journal:
    return await Journal.open(folder / "journal.db", "suzhou", "L3-IPC1", CLOCK)


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with await opened(tmp_path) as journal:
        yield journal


async def operators(folder: Path) -> list[str]:
    """Who signed on, in order of seq, as another process reads it."""
    async with await Reader.open(folder / "journal.db") as reader:
        rows = await reader.read_after(1, 10_000)
        assert [seq for seq, _ in rows] == list(range(2, len(rows) + 2))
        facts = [decode(body).data for _, body in rows]
        return [fact.operator for fact in facts if isinstance(fact, OperatorSignedOn)]


async def test_a_new_journal_begins_with_its_opening(journal: Journal, tmp_path: Path) -> None:
    async with await Reader.open(journal.path) as reader:
        ((seq, body),) = await reader.read_after(0, 10)
        event = decode(body)
    assert (seq, event.type) == (1, "lineside.journal.opened.v1")
    assert event.source == f"urn:lineside:suzhou:L3-IPC1:{journal.epoch}"
    assert len(journal.epoch) == 16


async def test_what_append_returned_is_on_the_disk_in_order(journal: Journal, tmp_path: Path) -> None:
    async def produce(name: str) -> list[int]:
        numbers = []
        for index in range(20):
            events = await journal.append(drafts(f"{name}-{index}a", f"{name}-{index}b"))
            numbers += [event.seq for event in events]
        return numbers

    numbers = await asyncio.gather(*(produce(f"p{n}") for n in range(16)))
    assert sorted(seq for one in numbers for seq in one) == list(range(2, 642))
    assert all(one == sorted(one) for one in numbers)
    found = await operators(tmp_path)
    by_seq = {seq: found[seq - 2] for seq in range(2, 642)}
    for name, one in enumerate(numbers):
        expected = [f"p{name}-{i}{half}" for i in range(20) for half in "ab"]
        assert [by_seq[seq] for seq in one] == expected
    # The drafts of one call stand next to each other: one transaction.
    assert all(b == a + 1 for one in numbers for a, b in zip(one[::2], one[1::2], strict=True))


async def test_calls_that_wait_together_share_a_commit(journal: Journal, tmp_path: Path) -> None:
    statements: list[str] = []
    await journal._connection.set_trace_callback(statements.append)
    await asyncio.gather(*(journal.append(drafts(str(n))) for n in range(64)))
    commits = [one for one in statements if one.startswith("INSERT INTO events")]
    assert 1 <= len(commits) <= 3
    assert await operators(tmp_path) == [str(n) for n in range(64)]


async def test_closing_commits_what_was_handed_in_and_answers_it(tmp_path: Path) -> None:
    async with await opened(tmp_path) as journal:
        free = threading.Event()
        slow = asyncio.ensure_future(journal._connection._execute(free.wait))  # type: ignore[no-untyped-call]
        waiting = [asyncio.create_task(journal.append(drafts(name))) for name in ("a", "b")]
        asyncio.get_running_loop().call_later(0.05, free.set)
        await asyncio.sleep(0)
    assert [event.seq for one in waiting for event in one.result()] == [2, 3]
    assert await operators(tmp_path) == ["a", "b"]
    await slow


async def test_a_cancelled_caller_loses_and_doubles_nothing(journal: Journal, tmp_path: Path) -> None:
    task = asyncio.create_task(journal.append(drafts("cancelled")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await journal.append(drafts("after"))
    assert await operators(tmp_path) == ["cancelled", "after"]


async def test_a_reopened_journal_goes_on_with_number_and_chain(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        async with await opened(tmp_path) as journal:
            await journal.append(drafts(name))
    assert await operators(tmp_path) == ["a", "b", "c"]
    async with await Reader.open(tmp_path / "journal.db") as reader:
        assert (await verify(reader)).problems == ()


async def test_synchronous_full_and_wal_are_in_force(journal: Journal) -> None:
    rows = await journal._connection.execute_fetchall("PRAGMA synchronous")
    assert [tuple(row) for row in rows] == [(2,)]
    rows = await journal._connection.execute_fetchall("PRAGMA journal_mode")
    assert [tuple(row) for row in rows] == [("wal",)]


async def test_a_commit_takes_no_new_block_for_the_log(journal: Journal) -> None:
    """Its length is written beforehand, and what stands in it is only what was committed."""
    log = journal.path.with_name("journal.db-wal")
    length = log.stat().st_size
    assert length == 32 + 1000 * (24 + 4096)
    assert log.stat().st_blocks * 512 >= length  # no hole in it
    before = wal.read(log).frames
    for number in range(20):
        await journal.append(drafts(f"{number}"))
    assert log.stat().st_size == length
    assert before + 20 <= wal.read(log).frames < before + 60


async def test_a_disk_with_little_room_keeps_it_for_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 10 * 1000 * 4096
    monkeypatch.setattr(wal.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    async with await opened(tmp_path) as journal:
        await journal.append(drafts("1042"))
        assert journal.path.with_name("journal.db-wal").stat().st_size < 100_000
    assert await operators(tmp_path) == ["1042"]


async def test_a_disk_without_shared_memory_as_a_network_share_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite goes on with a rollback journal there, in which readers and the writer wait for each other."""
    async with await opened(tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / "journal.db")) as moved:  # as a copy of it comes there
        moved.execute("PRAGMA journal_mode = DELETE")
    connect = schema.aiosqlite.connect

    def shared(path: Path, **given: Any) -> Any:
        return connect(f"{path.as_uri()}?vfs=unix-dotfile", uri=True, **given)

    monkeypatch.setattr(schema.aiosqlite, "connect", shared)
    with pytest.raises(StorageFault, match=r"does not run durably \(journal_mode=delete.*local disk"):
        await opened(tmp_path)


async def test_a_journal_that_would_not_sync_each_commit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = schema.aiosqlite.connect

    class Hasty(sqlite3.Connection):
        """As if SQLite had been built without full syncs."""

        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            return super().execute(sql.replace("synchronous = FULL", "synchronous = NORMAL"), *values)

    monkeypatch.setattr(
        schema.aiosqlite, "connect", lambda path, **given: connect(path, factory=Hasty, **given)
    )
    with pytest.raises(StorageFault, match=r"does not run durably \(journal_mode=wal, synchronous=1\)"):
        await opened(tmp_path)
    monkeypatch.undo()
    async with await opened(tmp_path) as journal:  # nobody holds it
        await journal.append(drafts("1042"))


async def test_a_full_disk_records_nothing_says_so_and_goes_on_when_space_is_back(
    journal: Journal, tmp_path: Path
) -> None:
    await journal.append(drafts("before"))
    connection = journal._connection
    ((pages,),) = await connection.execute_fetchall("PRAGMA page_count")
    await connection.execute(f"PRAGMA max_page_count = {pages}")
    many = [f"{n}-{'x' * 900}" for n in range(50)]
    with pytest.raises(StorageFault, match="full"):
        await journal.append(drafts(*many))
    assert journal.head == 2
    await connection.execute("PRAGMA max_page_count = 1000000")
    (event,) = await journal.append(drafts("after"))
    assert event.seq == 3, "no number was used up"
    assert await operators(tmp_path) == ["before", "after"]


async def test_nobody_can_change_a_fact(journal: Journal) -> None:
    await journal.append(drafts("a"))
    with sqlite3.connect(journal.path) as other, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other.execute("UPDATE events SET body = '{}' WHERE seq = 2")
    other.close()


async def test_a_second_collector_is_refused(journal: Journal) -> None:
    with pytest.raises(StorageFault, match="in use by another lineside collector"):
        await Journal.open(journal.path, "suzhou", "L3-IPC1", CLOCK)


async def test_another_edges_journal_is_refused(tmp_path: Path) -> None:
    async with await opened(tmp_path):
        pass
    with pytest.raises(StorageFault, match="belongs to edge suzhou:L3-IPC1, not to suzhou:OTHER"):
        await Journal.open(tmp_path / "journal.db", "suzhou", "OTHER", CLOCK)


async def test_a_foreign_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"This is somebody's diary, not a database. " * 50)
    with pytest.raises(StorageFault, match="sets it aside and keeps it") as caught:
        await opened(tmp_path)
    assert "cannot be used" in str(caught.value)
    assert path.read_bytes().startswith(b"This is somebody's diary")
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    other.close()
    with pytest.raises(StorageFault, match="is no lineside file"):
        await opened(tmp_path)


@pytest.mark.parametrize("pages", [0, 1])
async def test_a_file_whose_making_a_power_cut_ended_is_made_anew(tmp_path: Path, pages: int) -> None:
    path = tmp_path / "journal.db"
    path.touch()
    if pages:
        with sqlite3.connect(path) as other:
            other.execute("PRAGMA journal_mode = WAL")
        other.close()
        assert path.stat().st_size == 4096
    async with await opened(tmp_path) as journal:
        await journal.append(drafts("a"))
    assert await operators(tmp_path) == ["a"]


async def test_an_unexpected_error_ends_whoever_waits_and_every_later_append(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(writer, "seal", broken)
        with pytest.raises(MemoryError):
            await journal.append(drafts("a"))
    with pytest.raises(StorageFault, match="closed"):
        await journal.append(drafts("b"))
    assert await operators(tmp_path) == []


async def test_a_file_of_a_newer_generation_is_refused(tmp_path: Path) -> None:
    async with await opened(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "journal.db") as other:
        other.execute("PRAGMA user_version = 1000")
    other.close()
    with pytest.raises(StorageFault, match="written by a newer lineside"):
        await opened(tmp_path)


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageFault, match=r"Check that .* exists"):
        await Journal.open(tmp_path / "nowhere" / "journal.db", "a", "b", CLOCK)


async def test_snapshot_and_replay_start_behind_it(tmp_path: Path) -> None:
    async with await opened(tmp_path) as journal:
        await journal.append(drafts("a", "b"))
        await journal.save_snapshot(Snapshot(3, "1", b'{"x":1}'))
        await journal.append(drafts("c"))
    async with await opened(tmp_path) as journal:
        snapshot = await journal.snapshot()
        assert snapshot == Snapshot(3, "1", b'{"x":1}')
        events = [event async for event in replay(journal, 3)]
        assert [event.seq for event in events] == [4]


def tampered(path: Path, seq: int, change: tuple[str, str]) -> None:
    with sqlite3.connect(path) as other:
        other.execute("DROP TRIGGER events_never_change")
        other.execute("UPDATE events SET body = replace(body, ?, ?) WHERE seq = ?", (*change, seq))
    other.close()


async def test_a_journal_whose_own_name_is_no_text_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with await opened(tmp_path):
        pass
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE meta SET value = CAST(x'ff' AS TEXT) WHERE key = 'epoch'")
        db.commit()
    with pytest.raises(Damaged, match="says whose it is, is malformed"):
        await opened(tmp_path)
    Lock(path).release()  # nobody holds it


async def test_verify_finds_a_changed_a_missing_and_a_foreign_event(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with await opened(tmp_path) as journal:
        await journal.append(drafts("a", "b", "c", "d", "e", "f"))
    tampered(path, 3, ('"operator":"b"', '"operator":"z"'))
    async with await Reader.open(path) as reader:
        found = await verify(reader)
        assert found.problems == ("seq 3 does not follow on the one before: one of them was changed",)
    with sqlite3.connect(path) as other:
        other.execute("DELETE FROM events WHERE seq IN (5, 6)")
    other.close()
    async with await Reader.open(path) as reader:
        found = await verify(reader)
        assert "seq 5 to 6 are missing" in found.problems
        assert (found.events, found.first, found.last) == (5, 1, 7)
    with pytest.raises(JournalDamaged):
        async with await opened(tmp_path) as journal:
            _ = [event async for event in replay(journal, 0)]


async def test_a_rewritten_tail_is_found_by_its_chain(tmp_path: Path) -> None:
    """A forger who fixes the chain of one event cannot fix what follows."""
    path = tmp_path / "journal.db"
    async with await opened(tmp_path) as journal:
        await journal.append(drafts("a", "b"))
    with sqlite3.connect(path) as other:
        (body,) = other.execute("SELECT body FROM events WHERE seq = 2").fetchone()
        forged = json.loads(body)
    other.close()
    tampered(path, 2, (forged["chain"], "0" * 64))
    async with await Reader.open(path) as reader:
        assert len((await verify(reader)).problems) == 2


async def test_a_reader_wakes_within_100_ms_of_a_commit(journal: Journal) -> None:
    async with await Reader.open(journal.path) as reader:

        async def woken() -> float:
            waiting = asyncio.create_task(reader.wait_beyond(journal.head))
            await asyncio.sleep(0.12)
            assert not waiting.done()
            await journal.append(drafts("a"))
            began = time.monotonic()
            await waiting
            return time.monotonic() - began

        assert await best_of(woken, 0.1) < 0.1


async def test_a_reader_wakes_though_a_commit_is_synced_after_its_bytes_are_seen(journal: Journal) -> None:
    """The file changes first, the commit counts later: whoever looks in between must look again soon."""
    async with await Reader.open(journal.path) as reader:

        async def woken() -> float:
            seq, committed, looks = journal.head, reader.head, 0
            await journal.append(drafts("a"))

            async def head() -> int:
                nonlocal looks
                looks += 1
                return await committed() if looks > 3 else seq

            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(reader, "head", head)
                began = time.monotonic()
                await reader.wait_beyond(seq)
            return time.monotonic() - began

        assert await best_of(woken, 0.5) < 0.5


async def test_a_pause_of_another_type_reads_back(journal: Journal) -> None:
    await journal.append([Draft(new_id(0), 0, WorkPaused(reason="21"))])
    async with await Reader.open(journal.path) as reader:
        rows = await reader.read_after(1, 5)
    assert decode(rows[0][1]).data == WorkPaused(reason="21")


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal"])
@pytest.mark.parametrize("how", ["deleted", "replaced", "moved away with its folder"])
async def test_what_is_written_to_a_file_without_a_name_is_not_acknowledged(
    name: str, how: str, tmp_path: Path
) -> None:
    """SQLite goes on writing to it, without a word."""
    folder = tmp_path / "data"
    folder.mkdir()
    async with await opened(folder) as journal:
        await journal.append(drafts("1"))
        if how == "moved away with its folder":
            folder.rename(tmp_path / "elsewhere")
        elif how == "replaced":
            copy = tmp_path / name
            copy.write_bytes((folder / name).read_bytes())
            copy.replace(folder / name)
        else:
            (folder / name).unlink()
        for _ in range(2):
            with pytest.raises(Damaged, match=r"deleted, moved or replaced.*Nothing was recorded"):
                await journal.append(drafts("2"))
            with pytest.raises(Damaged, match=r"deleted, moved or replaced.*Nothing was recorded"):
                await journal.save_snapshot(Snapshot(2, "version", b"{}"))
        assert journal.head == 2
        assert await journal.snapshot() is None


async def test_a_journal_that_was_just_made_or_emptied_its_log_is_still_the_same(tmp_path: Path) -> None:
    for number in range(3):
        async with await opened(tmp_path) as journal:
            await journal.append(drafts(str(number)))
            await journal.note("PRAGMA wal_checkpoint(TRUNCATE)")
            await journal.append(drafts(str(number)))
    assert await operators(tmp_path) == ["0", "0", "1", "1", "2", "2"]
