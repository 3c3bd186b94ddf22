"""The room that sync.db owns: made once, written and not only promised, made anew when it is used up."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sync import reserve
from sync.reserve import PAGES, Reserve
from sync.store import Store

PAGE = 4096


def sizes(folder: Path) -> tuple[int, int]:
    """Bytes on the disk of sync.db and of its WAL."""
    store, wal = (folder / name for name in ("sync.db", "sync.db-wal"))
    return store.stat().st_blocks * 512, wal.stat().st_blocks * 512 if wal.exists() else 0


async def free_pages(store: Store) -> int:
    ((pages,),) = await store.rows("PRAGMA freelist_count")
    return int(pages)


async def test_file_and_wal_own_their_room_on_the_disk(tmp_path: Path) -> None:
    async with await Store.open(tmp_path / "sync.db") as store:
        assert await Reserve(store).look()
        assert min(sizes(tmp_path)) >= PAGES * PAGE
        assert await free_pages(store) >= PAGES
        tables = await store.rows("SELECT name FROM sqlite_master WHERE name LIKE 'reserve%'")
        ((checkpoint,),) = await store.rows("PRAGMA wal_autocheckpoint")
        assert (tables, checkpoint) == ([], 1000)


async def test_settlements_use_the_room_and_make_no_file_longer(tmp_path: Path) -> None:
    async with await Store.open(tmp_path / "sync.db") as store:
        await Reserve(store).look()
        before = sizes(tmp_path)
        for number in range(400):
            await store.raise_alert(f"key.{number}", "x" * 10_000, "", number)
        assert sizes(tmp_path) == before


async def test_a_reserve_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    async with await Store.open(tmp_path / "sync.db") as store:
        keeper = Reserve(store)
        await keeper.look()
        before = (tmp_path / "sync.db-wal").stat().st_mtime_ns
        assert await keeper.look()
        assert (tmp_path / "sync.db-wal").stat().st_mtime_ns == before


async def test_what_was_used_up_is_made_again_and_a_filler_left_behind_goes(tmp_path: Path) -> None:
    async with await Store.open(tmp_path / "sync.db") as store:
        await Reserve(store).look()
        await store.rows("CREATE TABLE reserve_filler (zeros BLOB)")  # killed in the middle
        for number in range(PAGES // 2 // 25 + 1):
            await store.raise_alert(f"key.{number}", "x" * 25 * PAGE, "", number)
        assert await free_pages(store) < PAGES // 2
        assert await Reserve(store).look()
        assert await free_pages(store) >= PAGES
    async with await Store.open(tmp_path / "sync.db") as store:
        assert sizes(tmp_path)[1] == 0  # the last one to close took the WAL away
        assert await Reserve(store).look()
        assert sizes(tmp_path)[1] >= PAGES * PAGE


async def test_on_a_disk_with_little_room_it_takes_none_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await Store.open(tmp_path / "sync.db") as store:
        before = sizes(tmp_path)
        keeper = Reserve(store)
        with capture_logs() as logs:
            monkeypatch.setattr(reserve, "_free", lambda _: 3 * PAGES * PAGE)
            assert [await keeper.look(), await keeper.look()] == [False, False]
            assert sizes(tmp_path) == before
            monkeypatch.setattr(reserve, "_free", lambda _: 5 * PAGES * PAGE)
            assert await keeper.look()
    assert [line["event"] for line in logs] == ["sync.db has no reserve", "sync.db has its reserve again"]
