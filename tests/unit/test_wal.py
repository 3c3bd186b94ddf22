"""What can be said of a write-ahead log that SQLite itself would not follow, or would follow blindly."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge import wal
from tests.unit.test_opening import first_fact, ids_of, killed, made, spoil, start

HEADER = 32


@pytest.mark.parametrize("at", [0, 9, 17, 20, 27], ids=["magic", "page size", "salt", "salt 2", "sum"])
async def test_a_flipped_bit_in_the_header_loses_nothing_that_proves_itself(tmp_path: Path, at: int) -> None:
    """SQLite takes the whole log for a leftover then."""
    await made(tmp_path, 5)
    epoch, ids = killed(tmp_path, 40)
    known = list((await ids_of(tmp_path / "journal.db")).values())
    spoil(tmp_path / "journal.db-wal", at)
    copy = shutil.copytree(tmp_path, tmp_path / "copy")
    with closing(sqlite3.connect(copy / "journal.db")) as db:
        assert db.execute("SELECT max(seq) FROM events").fetchone()[0] == 5
    journal, notice = await start(tmp_path)
    async with journal:
        fact = await first_fact(journal)
    assert notice is not None and "journal.db-wal is damaged" in notice.text
    assert (fact.cause, fact.follows, fact.missing) == ("damaged", f"{epoch}:40", "41-")
    assert list((await ids_of(tmp_path / f"journal-{epoch}.db")).values()) == known
    assert len(known) == 40 and known[5:] == ids


async def test_the_page_size_is_the_files_where_the_header_has_none(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript("PRAGMA page_size = 512; PRAGMA journal_mode = WAL; CREATE TABLE t (x)")
        for number in range(4):
            db.execute("INSERT INTO t VALUES (?)", (number,))
        log = Path(shutil.copy(tmp_path / "x.db-wal", tmp_path / "y.db-wal"))
    shutil.copy(path, tmp_path / "y.db")
    whole = wal.read(log)
    spoil(log, 9)
    found = wal.read(log)
    assert (found.page_size, found.lost, found.pages) == (512, True, {})
    assert set(whole.pages.values()) <= set(found.behind) and len(found.behind) == whole.frames


def test_a_log_that_ends_with_its_header_has_lost_nothing(tmp_path: Path) -> None:
    log = tmp_path / "x.db-wal"
    for room in (b"", bytes(20_000)):
        log.write_bytes(b"7" * HEADER + room)
        assert not wal.read(log).lost


FRAME = 24 + 4096


def last_frame(log: Path) -> int:
    """Where the last frame of the last commit begins."""
    return HEADER + (wal.read(log).frames - 1) * FRAME


@pytest.mark.parametrize(
    "at", [3, 7, 9, 14, 18, 23, 24, 24 + 1717, FRAME - 1],
    ids=["page", "pages", "salt", "salt 2", "sum", "sum 2", "first byte", "amid", "last byte"],
)  # fmt: skip
async def test_a_flipped_bit_in_the_last_commit_is_no_power_cut(tmp_path: Path, at: int) -> None:
    """SQLite leaves a last commit out that does not fit, as torn: its number would be given out again."""
    epoch, ids = killed(tmp_path, 12)
    spoil(tmp_path / "journal.db-wal", last_frame(tmp_path / "journal.db-wal") + at)
    journal, notice = await start(tmp_path)
    async with journal:
        fact = await first_fact(journal)
    assert journal.epoch != epoch and notice is not None and "journal.db-wal is damaged" in notice.text
    assert fact.missing is not None and fact.missing.endswith("-")
    first = int(fact.missing.rstrip("-").split(",")[0].split("-")[0])
    assert first >= 12, "what was before the last commit is there"
    held = await ids_of(tmp_path / f"journal-{epoch}.db")
    assert [held[seq] for seq in range(2, first)] == ids[: first - 2]


@pytest.mark.parametrize("kept", [0, 1, 100, 512 - 24, 2000])
async def test_a_last_commit_that_was_written_in_part_is_none_that_was_damaged(
    tmp_path: Path, kept: int
) -> None:
    """Over what stood there before, or over room without bytes."""
    epoch, _ = killed(tmp_path, 12)
    log = tmp_path / "journal.db-wal"
    body, before = last_frame(log) + 24, last_frame(log) - FRAME + 24
    for older in (bytes(4096), log.read_bytes()[before : before + 4096]):
        torn = bytearray(log.read_bytes())
        torn[body + kept : body + 4096] = older[kept:]
        if torn == log.read_bytes():
            continue
        log.write_bytes(torn)
        assert not wal.read(log).lost
    journal, notice = await start(tmp_path)
    async with journal:
        assert (journal.epoch, journal.head, notice) == (epoch, 11, None)
