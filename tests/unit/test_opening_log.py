"""A journal whose log is gone, or whose file is cut off beside it: nothing acknowledged is lost silently."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from edge import bygone, epochs
from edge.faults import Damaged, StorageFault
from edge.journal import Reader
from edge.lock import Left, Lock
from edge.schema import doubted
from sync.status import load_alerts
from tests.unit.test_opening import first_fact, ids_of, killed, made, put, start


def looked_at(path: Path) -> None:
    """As `lineside status` and sync do; whoever reads makes an empty log where there is none."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        db.execute("SELECT count(*) FROM events").fetchone()
    assert path.with_name(path.name + "-wal").exists()


def lengthened(path: Path) -> None:
    """A log that holds room and nothing else."""
    path.with_name(path.name + "-wal").write_bytes(bytes(100_000))


@pytest.mark.parametrize("touched", [looked_at, lengthened])
async def test_a_log_that_is_gone_is_noticed_though_an_empty_one_took_its_place(
    tmp_path: Path, touched: Callable[[Path], None]
) -> None:
    path = tmp_path / "journal.db"
    await made(tmp_path, 5)
    epoch, ids = killed(tmp_path, 9)
    assert len(ids) == 4, "acknowledged: 6 to 9"
    (tmp_path / "journal.db-wal").unlink()
    (tmp_path / "journal.db-shm").unlink(missing_ok=True)
    touched(path)
    journal, notice = await start(tmp_path)
    async with journal:
        fact = await first_fact(journal)
        assert (fact.cause, fact.follows, fact.missing) == ("damaged", f"{epoch}:5", "6-")
        assert journal.epoch != epoch
    assert notice is not None and "journal.db-wal is gone" in notice.text


async def test_a_collector_killed_before_its_first_fact_is_no_loss(tmp_path: Path) -> None:
    """What shows that the log was lost is there before the note that it is needed."""
    epoch, _ = await made(tmp_path, 5)
    for _ in range(2):
        assert killed(tmp_path, 5) == (epoch, [])
        looked_at(tmp_path / "journal.db")
    journal, notice = await start(tmp_path)
    async with journal:
        assert (journal.epoch, journal.head, notice) == (epoch, 5, None)


async def test_a_start_that_fails_anywhere_makes_the_next_one_believe_in_no_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is emptied only once it is noted that nothing needs it."""
    epoch, ids = killed(tmp_path, 9)

    def fails(self: Lock, left: Left) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(Lock, "note", fails)
        with pytest.raises(StorageFault):
            await start(tmp_path)
    journal, notice = await start(tmp_path)
    async with journal:
        assert (journal.epoch, journal.head, notice) == (epoch, 9, None)
    assert list((await ids_of(tmp_path / "journal.db")).values())[1:] == ids


async def test_a_log_of_which_nothing_is_needed_may_be_gone_or_empty(tmp_path: Path) -> None:
    epoch, _ = await made(tmp_path, 5)
    path = tmp_path / "journal.db"
    for round_ in range(3):
        looked_at(path)
        assert path.with_name("journal.db-wal").stat().st_size == 0
        journal, notice = await start(tmp_path)
        async with journal:
            assert (journal.epoch, notice) == (epoch, None)
            # A checkpoint of somebody else's begins the log anew, without shortening it.
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("PRAGMA wal_checkpoint(RESTART)")
            await put(journal, 6 + round_, 6 + round_)


def cut(folder: Path) -> Path:
    """The journal's file, cut to nothing; its log is whole."""
    path = folder / "journal.db"
    path.write_bytes(b"")
    (folder / "journal.db-shm").unlink(missing_ok=True)
    return path


async def test_a_file_cut_to_nothing_does_not_take_its_log_along(tmp_path: Path) -> None:
    """SQLite deletes the log of a file without length as soon as it opens the file."""
    epoch, ids = killed(tmp_path, 20)
    path = cut(tmp_path)
    log = (tmp_path / "journal.db-wal").read_bytes()
    for reader in (epochs.look, epochs.listed, load_alerts):
        with pytest.raises(Damaged, match=r"journal\.db.*empty"):
            reader(path)
    with pytest.raises(Damaged, match="empty"):
        await Reader.open(path)
    assert bygone.standing(path) == ()
    assert (tmp_path / "journal.db-wal").read_bytes() == log
    journal, notice = await start(tmp_path)
    async with journal:
        fact = await first_fact(journal)
        assert (fact.cause, fact.follows, fact.missing) == ("damaged", f"{epoch}:20", "21-")
    assert notice is not None and "journal.db is empty" in notice.text
    assert list((await ids_of(tmp_path / f"journal-{epoch}.db")).values())[1:] == ids
    (kept,) = tmp_path.glob("journal-damaged-*.db-wal")
    assert kept.read_bytes() == log


def test_a_sync_db_cut_to_nothing_is_damaged(tmp_path: Path) -> None:
    """Opened as it is, it would be one that never held a cursor."""
    path = tmp_path / "sync.db"
    path.write_bytes(b"")
    path.with_name("sync.db-wal").write_bytes(b"x" * 5000)
    assert "sync.db" in doubted(path)
    assert path.with_name("sync.db-wal").stat().st_size == 5000
    path.with_name("sync.db-wal").unlink()
    assert doubted(path) == ""  # a power cut ended its making


async def test_what_was_suspected_of_a_journal_is_not_held_against_the_next(tmp_path: Path) -> None:
    await made(tmp_path, 20)
    journal, _ = await start(tmp_path)
    async with journal:
        journal.suspect("a test says so")
    begun, _ = killed(tmp_path, 0)
    journal, notice = await start(tmp_path)
    async with journal:
        assert (journal.epoch, notice) == (begun, None)
