"""What a start finds at the journal's place, and that it goes on without using a number twice."""

import errno
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from edge import epochs, wal
from edge.backup import back_up, put_back
from edge.events import Draft, JournalOpened, OperatorSignedOn, decode
from edge.faults import Damaged, StorageFault
from edge.ids import new_id
from edge.journal import Journal, Reader, Snapshot, verify
from edge.lock import Left, Lock
from edge.opening import Ground, Notice, opened
from tests.unit.clocks import ManualClock

CLOCK = ManualClock()
STATE = '{"line":{},"version":"x"}'
POSTED = '{"line":{},"version":"posted"}'


async def state_of(reader: Reader, posted: bool) -> str:
    return POSTED if posted else STATE


async def start(folder: Path, **ground: Any) -> tuple[Journal, Notice | None]:
    given = {"site": "suzhou", "edge_id": "L3-IPC1", "settled": {}, **ground}
    return await opened(Ground(folder / "journal.db", **given), CLOCK, state_of)


async def put(journal: Journal, first: int, last: int) -> list[str]:
    """Facts that differ, one commit each; their ids."""
    ids = []
    for number in range(first, last + 1):
        fact = OperatorSignedOn(operator=f"{number:06d}" * 20)
        (event,) = await journal.append([Draft(new_id(CLOCK.now().wall_ms), 0, fact)])
        ids.append(event.id)
    return ids


async def made(folder: Path, events: int = 120) -> tuple[str, list[str]]:
    """A journal stopped in order: its epoch, and the ids from seq 2 on."""
    journal, notice = await start(folder)
    assert notice is None
    async with journal:
        return journal.epoch, await put(journal, 2, events)


KILLED = """
import asyncio, os, sys
from pathlib import Path
from tests.unit.test_opening import put, start
async def main():
    journal, _ = await start(Path(sys.argv[1]))
    print(journal.epoch, *await put(journal, journal.head + 1, int(sys.argv[2])), flush=True)
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""


def killed(folder: Path, events: int) -> tuple[str, list[str]]:
    """A journal whose writer was killed: its last events are in the WAL alone."""
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, folder, str(events)], stdout=subprocess.PIPE, text=True
    )
    assert ended.returncode == -9
    epoch, *ids = ended.stdout.split()
    return epoch, ids


async def ids_of(path: Path) -> dict[int, str]:
    async with await Reader.open(path) as reader:
        return {seq: decode(body).id for seq, body in await reader.read_after(0, 100_000)}


async def first_fact(journal: Journal) -> JournalOpened:
    ((seq, body),) = await journal.read_after(0, 1)
    fact = decode(body).data
    assert seq == 1 and isinstance(fact, JournalOpened)
    return fact


def said(fact: JournalOpened) -> tuple[str, str | None, str | None, str | None]:
    return fact.cause, fact.follows, fact.missing, fact.state


def page_of(path: Path, text: str) -> int:
    """The offset at which a text stands in a file, once."""
    held = path.read_bytes()
    assert held.count(text.encode()) == 1
    return held.index(text.encode())


def spoil(path: Path, offset: int, count: int = 1) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        held = file.read(count)
        file.seek(offset)
        file.write(bytes(one ^ 0x10 for one in held))


async def test_a_sound_journal_is_gone_on_with_after_a_stop_and_after_a_kill(tmp_path: Path) -> None:
    epoch, ids = await made(tmp_path, 5)
    also, more = killed(tmp_path, 9)
    journal, notice = await start(tmp_path)
    async with journal:
        assert (journal.epoch, also, journal.head, notice) == (epoch, epoch, 9, None)
    assert list((await ids_of(tmp_path / "journal.db")).values())[1:] == ids + more
    assert [one.name for one in tmp_path.glob("*.db")] == ["journal.db"]


async def test_a_flipped_bit_costs_the_events_that_it_touches_and_no_other(tmp_path: Path) -> None:
    epoch, ids = await made(tmp_path)
    path = tmp_path / "journal.db"
    spoil(path, page_of(path, ids[58 - 2]) - 20)  # inside of event 58
    with Lock(path) as lock:  # as a commit or the background check would have noted
        lock.note(Left(epoch, suspect="seq 58 does not follow"))
    journal, notice = await start(tmp_path)
    async with journal:
        fact = await first_fact(journal)
        assert said(fact) == (
            "damaged",
            f"{epoch}:120",
            "58",
            STATE,
        )
        assert journal.epoch != epoch and notice is not None and "missing of it: 58" in notice.text
        assert notice.key == f"journal.{journal.epoch}.lost"
    held = await ids_of(tmp_path / f"journal-{epoch}.db")
    assert held.keys() == set(range(1, 121)) - {58}
    assert [held[seq] for seq in range(59, 121)] == ids[57:]
    assert len(list(tmp_path.glob("journal-damaged-*.db"))) == 1


async def test_damage_that_takes_many_words_is_remembered(tmp_path: Path) -> None:
    for why in ("日志损坏 " * 200, "\x07" * 300, "short"):
        with Lock(tmp_path / "journal.db") as lock:
            lock.note(Left("e", open=True, head=2**60, suspect=why))
        with Lock(tmp_path / "journal.db") as lock:
            assert (lock.left.epoch, lock.left.open, lock.left.head) == ("e", True, 2**60)
            assert lock.left.suspect and why.startswith(lock.left.suspect)
        assert (tmp_path / "journal.lock").stat().st_size == 512


async def test_a_destroyed_page_costs_its_events(tmp_path: Path) -> None:
    epoch, ids = await made(tmp_path)
    path = tmp_path / "journal.db"
    page = page_of(path, ids[58 - 2]) // 4096 * 4096
    gone = [seq for seq, id_ in enumerate(ids, 2) if id_.encode() in path.read_bytes()[page : page + 4096]]
    spoil(path, page, 4096)
    with Lock(path) as lock:
        lock.note(Left(epoch, suspect="malformed"))
    journal, _ = await start(tmp_path)
    async with journal:
        fact = await first_fact(journal)
    # The first behind the hole is readable, but nothing is left that proves it.
    assert fact.missing == f"{gone[0]}-{gone[-1] + 1}"
    held = await ids_of(tmp_path / f"journal-{epoch}.db")
    assert held.keys() == set(range(1, 121)) - {*gone, gone[-1] + 1}


@pytest.mark.parametrize("share", [0.45, 0.7, 0.95])
async def test_a_truncated_file_keeps_what_is_left_of_it(tmp_path: Path, share: float) -> None:
    epoch, ids = await made(tmp_path)
    path = tmp_path / "journal.db"
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * share))
    whole = [seq for seq, id_ in enumerate(ids, 2) if id_.encode() in path.read_bytes()]
    journal, _ = await start(tmp_path)
    async with journal:
        fact = await first_fact(journal)
        assert fact.cause == "damaged" and fact.missing is not None and fact.missing.endswith("-")
        await put(journal, 2, 4)
    held = await ids_of(tmp_path / f"journal-{epoch}.db")
    assert len(held) >= len(whole) - 2 and all(held[seq] == ids[seq - 2] for seq in held if seq > 1)
    assert await sound(tmp_path / "journal.db")


async def sound(path: Path) -> bool:
    async with await Reader.open(path) as reader:
        return not (await verify(reader)).problems


async def test_a_wal_that_is_gone_after_a_kill_is_noticed(tmp_path: Path) -> None:
    await made(tmp_path, 5)
    epoch, _ = killed(tmp_path, 9)
    (tmp_path / "journal.db-wal").unlink()
    journal, notice = await start(tmp_path)
    async with journal:
        fact = await first_fact(journal)
    assert (fact.cause, fact.follows, fact.missing) == ("damaged", f"{epoch}:5", "6-")
    assert notice is not None and "journal.db-wal is gone" in notice.text


async def test_a_wal_that_held_everything_is_noticed_when_it_is_gone(tmp_path: Path) -> None:
    """Before the first checkpoint the file itself is empty, as one is that never came to life."""
    epoch, _ = killed(tmp_path, 9)
    (tmp_path / "journal.db-wal").unlink()
    journal, notice = await start(tmp_path)
    async with journal:
        assert said(await first_fact(journal))[:3] == ("damaged", f"{epoch}:0", "1-")
    assert notice is not None and "journal.db-wal is gone" in notice.text


async def test_a_wal_that_is_gone_after_an_orderly_stop_is_as_it_should_be(tmp_path: Path) -> None:
    epoch, _ = await made(tmp_path, 5)
    assert not (tmp_path / "journal.db-wal").exists()
    journal, notice = await start(tmp_path)
    async with journal:
        assert (journal.epoch, notice) == (epoch, None)


async def test_a_wal_that_a_reader_kept_from_being_emptied_is_missed_when_it_is_gone(tmp_path: Path) -> None:
    await made(tmp_path, 5)
    path = tmp_path / "journal.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM events").fetchone()
        journal, _ = await start(tmp_path)
        async with journal:
            await put(journal, 6, 9)
        copy = shutil.copytree(tmp_path, tmp_path / "copy")  # as long as others have it open
    shutil.copy(copy / "journal.db", path)
    (tmp_path / "journal.db-wal").unlink(missing_ok=True)
    journal, notice = await start(tmp_path)
    async with journal:
        assert (await first_fact(journal)).missing == "6-"
    assert notice is not None and "journal.db-wal is gone" in notice.text


async def test_a_flipped_bit_in_the_wal_loses_nothing_that_proves_itself(tmp_path: Path) -> None:
    """SQLite would end the log there, silently, and give the numbers behind it out again."""
    epoch, ids = killed(tmp_path, 40)
    log = tmp_path / "journal.db-wal"
    spoil(log, 32 + 20 * (4096 + 24) + 2000)
    copy = shutil.copytree(tmp_path, tmp_path / "copy")
    with closing(sqlite3.connect(copy / "journal.db")) as db:
        assert db.execute("SELECT max(seq) FROM events").fetchone()[0] < 30
    journal, notice = await start(tmp_path)
    async with journal:
        fact = await first_fact(journal)
    assert notice is not None and "journal.db-wal is damaged" in notice.text
    assert (fact.cause, fact.follows, fact.missing) == ("damaged", f"{epoch}:40", "41-")
    assert list((await ids_of(tmp_path / f"journal-{epoch}.db")).values())[1:] == ids


async def test_a_torn_last_transaction_in_the_wal_is_no_damage(tmp_path: Path) -> None:
    epoch, _ = killed(tmp_path, 20)
    log = tmp_path / "journal.db-wal"
    with log.open("r+b") as file:
        file.truncate(32 + wal.read(log).frames * (4096 + 24) - 700)
    journal, notice = await start(tmp_path)
    async with journal:
        assert (journal.epoch, notice, journal.head) == (epoch, None, 19)


def foreign(path: Path) -> None:
    path.write_bytes(b"This is somebody's diary, not a database. " * 500)


def recipes(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE recipes (name TEXT)")


@pytest.mark.parametrize("lay", [foreign, recipes])
async def test_a_foreign_file_is_kept_and_the_line_goes_on(
    tmp_path: Path, lay: Callable[[Path], None]
) -> None:
    epoch, _ = await made(tmp_path, 5)
    lay(tmp_path / "journal.db")
    held = (tmp_path / "journal.db").read_bytes()
    journal, notice = await start(tmp_path)
    async with journal:
        fact = await first_fact(journal)
    assert (fact.cause, fact.follows, fact.missing) == ("damaged", f"{epoch}:0", "1-")
    (kept,) = tmp_path.glob("journal-damaged-*.db")
    assert kept.read_bytes() == held and notice is not None and kept.name in notice.hint


async def test_a_newer_generation_is_set_aside_with_its_facts_and_its_state(tmp_path: Path) -> None:
    epoch, ids = await made(tmp_path, 5)
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        db.execute("PRAGMA user_version = 1000")
    journal, notice = await start(tmp_path)
    async with journal:
        fact = await first_fact(journal)
    assert (fact.follows, fact.missing, fact.state) == (f"{epoch}:5", None, STATE)
    assert list((await ids_of(tmp_path / f"journal-{epoch}.db")).values())[1:] == ids
    assert notice is not None and "newer lineside" in notice.text
    assert notice.key == f"journal.{journal.epoch}.damaged", "stands though nothing is lost"


async def test_a_journal_that_is_gone_is_not_taken_for_a_first_start(tmp_path: Path) -> None:
    epoch, _ = await made(tmp_path, 5)
    (tmp_path / "journal.db").unlink()
    journal, notice = await start(tmp_path)
    async with journal:
        fact = await first_fact(journal)
    assert (fact.cause, fact.missing) == ("damaged", "1-")
    assert notice is not None and "journal.db is gone" in notice.text and epoch != journal.epoch


async def test_the_wal_of_a_journal_that_is_gone_is_read_for_what_it_proves(tmp_path: Path) -> None:
    epoch, ids = killed(tmp_path, 20)
    (tmp_path / "journal.db").unlink()
    journal, _ = await start(tmp_path)
    async with journal:
        assert (await first_fact(journal)).follows == f"{epoch}:20"
    assert list((await ids_of(tmp_path / f"journal-{epoch}.db")).values())[1:] == ids


async def test_a_copy_does_not_go_on_with_the_numbers_of_its_original(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    epoch, ids = await made(here, 5)
    shutil.copytree(here, there)
    epochs_seen = {epoch}
    for folder in (there, tmp_path / "third"):
        if not folder.exists():
            shutil.copytree(here, folder)
        journal, notice = await start(folder)
        async with journal:
            fact = await first_fact(journal)
            assert said(fact) == (
                "restored",
                f"{epoch}:5",
                "6-",
                POSTED,
            )
            epochs_seen.add(journal.epoch)
        assert list((await ids_of(folder / f"journal-{epoch}.db")).values())[1:] == ids
        assert not list(folder.glob("*damaged*"))
    assert len(epochs_seen) == 3
    journal, notice = await start(here)
    async with journal:
        assert (journal.epoch, notice) == (epoch, None)


async def test_a_journal_older_than_what_a_receiver_holds_is_not_gone_on_with(tmp_path: Path) -> None:
    epoch, _ = await made(tmp_path, 5)
    journal, notice = await start(tmp_path, settled={epoch: 5})
    async with journal:
        assert (journal.epoch, notice) == (epoch, None)
    journal, notice = await start(tmp_path, settled={epoch: 6})
    async with journal:
        fact = await first_fact(journal)
    assert said(fact) == ("restored", f"{epoch}:5", "6,7-", POSTED)
    assert notice is not None and "settled through 6" in notice.text


async def test_an_older_copy_laid_over_the_file_itself_is_not_gone_on_with(tmp_path: Path) -> None:
    """`cp` keeps the inode; what a receiver posted without its answer coming home is not known here."""
    path = tmp_path / "journal.db"
    epoch, ids = await made(tmp_path, 5)
    older = path.read_bytes()
    journal, _ = await start(tmp_path)
    async with journal:
        await put(journal, 6, 9)
    path.write_bytes(older)
    journal, notice = await start(tmp_path)
    async with journal:
        assert said(await first_fact(journal)) == ("restored", f"{epoch}:5", "6-9,10-", POSTED)
    assert list((await ids_of(tmp_path / f"journal-{epoch}.db")).values())[1:] == ids
    assert notice is not None and "held 9 when it was last used" in notice.text


async def test_another_edge_id_begins_an_epoch_with_the_state_of_the_old(tmp_path: Path) -> None:
    epoch, _ = await made(tmp_path, 5)
    journal, _ = await start(tmp_path, edge_id="L3-IPC2")
    async with journal:
        fact = await first_fact(journal)
        assert said(fact) == ("renamed", f"{epoch}:5", None, STATE)
        assert journal.source == f"urn:lineside:suzhou:L3-IPC2:{journal.epoch}"
    assert [one.epoch for one in epochs.listed(tmp_path / "journal.db")] == [epoch, journal.epoch]


async def test_epochs_are_listed_in_the_order_in_which_they_were_written(tmp_path: Path) -> None:
    written = [(await made(tmp_path, 3))[0]]
    for number in range(3):
        journal, _ = await start(tmp_path, edge_id=f"L3-{number}")
        async with journal:
            written.append(journal.epoch)
    assert [one.epoch for one in epochs.listed(tmp_path / "journal.db")] == written


STEPS = ("fresh made", "old renamed", "old and log renamed")


@pytest.mark.parametrize("step", STEPS)
async def test_a_power_cut_while_beginning_anew_is_finished_by_the_next_start(
    tmp_path: Path, step: str
) -> None:
    epoch, ids = await made(tmp_path, 5)
    path = tmp_path / "journal.db"
    spare = tmp_path / "spare"
    spare.mkdir()
    shutil.copy(path, spare / "journal.db")
    journal, _ = await start(spare)  # a copy: begins anew
    async with journal:
        begun = journal.epoch
    shutil.copy(spare / "journal.db", tmp_path / "journal.db.fresh")
    with closing(sqlite3.connect(tmp_path / "journal.db.fresh")) as db:
        db.execute("PRAGMA journal_mode = DELETE")
    if step != "fresh made":
        path.rename(tmp_path / f"journal-{epoch}.db")
        (tmp_path / "journal.db-wal").write_bytes(
            b"" if step == "old and log renamed" else b"leftover" * 1000
        )
    journal, _ = await start(tmp_path)
    async with journal:
        await put(journal, journal.head + 1, journal.head + 2)
        assert (journal.epoch == epoch) == (step == "fresh made")
    if step != "fresh made":
        assert begun in {one.epoch for one in epochs.listed(path)}
        assert list((await ids_of(tmp_path / f"journal-{epoch}.db")).values())[1:] == ids
    assert await sound(path) and not list(tmp_path.glob("*.fresh*"))


async def test_a_schema_that_is_no_longer_ours_is_damage_and_no_riddle(tmp_path: Path) -> None:
    await made(tmp_path)
    path = tmp_path / "journal.db"
    held = path.read_bytes()
    at = held.index(b"seq INTEGER", held.index(b"CREATE TABLE snapshot"))
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"sea")
    journal, _ = await start(tmp_path)
    async with journal:
        with pytest.raises(Damaged):
            await journal.snapshot()
        assert len(await journal.read_after(0, 1000)) == 120


@pytest.mark.parametrize(
    "damage",
    [
        *(f"value = CAST(x'ff' AS TEXT) WHERE key = '{key}'" for key in ("epoch", "site", "place")),
        "value = CAST(x'ff' AS TEXT) WHERE key = 'ordinal'",
        "key = 'sjte' WHERE key = 'site'",
        "key = 'edgf' WHERE key = 'edge'",
        "value = '1q' WHERE key = 'ordinal'",
    ],
)
async def test_a_journal_whose_words_of_itself_are_garbled_is_set_aside_once(
    tmp_path: Path, damage: str
) -> None:
    epoch, ids = await made(tmp_path, 20)
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        assert db.execute(f"UPDATE meta SET {damage}").rowcount == 1
        db.commit()
    journal, notice = await start(tmp_path)
    async with journal:
        fact = await first_fact(journal)
        assert (fact.cause, fact.follows) == ("damaged", f"{epoch}:20")
        assert notice is not None and "is malformed" in notice.text
        second = journal.epoch
    assert list((await ids_of(epochs.aside(tmp_path / "journal.db", epoch))).values())[1:] == ids
    journal, notice = await start(tmp_path)
    async with journal:
        assert (journal.epoch, notice) == (second, None)


async def test_a_snapshot_of_a_damaged_journal_goes_along(tmp_path: Path) -> None:
    epoch, _ = await made(tmp_path, 50)
    journal, _ = await start(tmp_path)
    async with journal:
        await journal.save_snapshot(Snapshot(50, "1", b'{"x":1}'))
        journal.suspect("a test says so")
    journal, _ = await start(tmp_path)
    async with journal, await Reader.open(tmp_path / f"journal-{epoch}.db") as reader:
        assert await reader.snapshot() == Snapshot(50, "1", b'{"x":1}')


async def test_a_disk_that_does_not_answer_sets_nothing_aside(tmp_path: Path) -> None:
    await made(tmp_path, 5)
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as db:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageFault, match="locked"):
            await start(tmp_path)
    assert [one.name for one in tmp_path.glob("*.db*")] == ["journal.db"]


async def test_a_backup_put_back_after_a_kill_is_not_taken_for_damaged(tmp_path: Path) -> None:
    """The kill left word that the WAL is needed; that was of the journal before, not of the backup."""
    folder = tmp_path / "data"
    folder.mkdir()
    epoch, ids = await made(folder, 5)
    back_up(folder / "journal.db", folder / "sync.db", tmp_path / "backup")
    _, more = killed(folder, 9)
    with Lock(folder / "journal.db") as lock:
        put_back(tmp_path / "backup", folder / "journal.db", folder / "sync.db", lock)
    journal, _ = await start(folder)
    async with journal:
        assert said(await first_fact(journal)) == ("restored", f"{epoch}:9", None, STATE)
    assert list((await ids_of(folder / f"journal-{epoch}.db")).values())[1:] == ids + more


async def put_back_and_started(backup: Path, folder: Path, **ground: Any) -> tuple[JournalOpened, Notice]:
    """A restore onto a line that is stopped, and its next start."""
    with Lock(folder / "journal.db") as lock:
        put_back(backup, folder / "journal.db", folder / "sync.db", lock)
    journal, notice = await start(folder, **ground)
    async with journal:
        assert notice is not None
        return await first_fact(journal), notice


async def backed_up(folder: Path, target: Path, events: int = 5) -> str:
    """A line, and a backup of it after so many events; its epoch."""
    folder.mkdir()
    epoch, _ = await made(folder, events)
    back_up(folder / "journal.db", folder / "sync.db", target)
    return epoch


async def went_on(folder: Path, last: int) -> str:
    """What is there is gone on with through `last`; its epoch."""
    journal, _ = await start(folder)
    async with journal:
        await put(journal, journal.head + 1, last)
        return journal.epoch


async def test_a_backup_put_back_where_the_line_went_on_reports_no_loss(tmp_path: Path) -> None:
    """The journal that was in use is kept beside the copy, so the new one follows that, again and again."""
    folder, backup = tmp_path / "data", tmp_path / "backup"
    epoch = await backed_up(folder, backup)
    await went_on(folder, 9)
    fact, notice = await put_back_and_started(backup, folder, settled={epoch: 8})
    assert said(fact) == ("restored", f"{epoch}:9", None, STATE)
    assert "settled through 8: it is an older copy" in notice.text
    assert f"what {epoch} holds, through 9, is delivered first" in notice.text
    assert "missing" not in notice.text and not notice.key.endswith((".lost", ".damaged"))
    second = await went_on(folder, 4)
    fact, notice = await put_back_and_started(backup, folder, settled={epoch: 9})
    assert said(fact) == ("restored", f"{second}:4", None, STATE), "the journal that was in use last"
    assert not notice.key.endswith(".lost")
    assert [one.head for one in epochs.listed(folder / "journal.db")] == [9, 4, 1]
    assert not list(folder.glob("*damaged*"))
    assert len(list(folder.glob(f"journal-{epoch}-copy-*.db"))) == 2


class PowerCutError(Exception):
    """The plug is pulled."""


def cut_at(monkeypatch: pytest.MonkeyPatch, step: int) -> list[int]:
    """The plug is pulled before this change of the files; how many there were."""
    steps = [0]

    def counted(doing: Callable[..., Any]) -> Callable[..., Any]:
        def do(*given: Any, **named: Any) -> Any:
            steps[0] += 1
            if steps[0] == step:
                raise PowerCutError
            return doing(*given, **named)

        return do

    for whose, name in ((shutil, "copyfile"), (Path, "rename"), (Path, "unlink"), (Lock, "note")):
        monkeypatch.setattr(whose, name, counted(getattr(whose, name)))
    return steps


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_a_power_cut_while_a_backup_is_put_back_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    backup, cut, step = tmp_path / "backup", True, 0
    while cut:
        step += 1
        folder = tmp_path / f"data-{step}"
        shutil.rmtree(backup, ignore_errors=True)
        epoch = await backed_up(folder, backup)
        await went_on(folder, 9)
        if end == "kill":
            killed(folder, 12)
        held = await ids_of(folder / "journal.db")
        with monkeypatch.context() as patched:
            steps = cut_at(patched, step)
            with Lock(folder / "journal.db") as lock, suppress(PowerCutError):
                put_back(backup, folder / "journal.db", folder / "sync.db", lock)
            cut = steps[0] == step
        journal, notice = await start(folder)
        async with journal:
            if journal.epoch == epoch:
                assert notice is None, step
                assert await ids_of(folder / "journal.db") == held, step
                continue
            fact = await first_fact(journal)
            assert said(fact) == ("restored", f"{epoch}:{max(held)}", None, STATE), step
        assert await ids_of(folder / f"journal-{epoch}.db") == held, step
    assert step > 5


async def test_a_journal_that_is_gone_with_its_lock_is_missed_where_others_are_set_aside(
    tmp_path: Path,
) -> None:
    await made(tmp_path, 5)
    journal, _ = await start(tmp_path, edge_id="L3-IPC2")
    await journal.close()
    (tmp_path / "journal.db").unlink()
    (tmp_path / "journal.lock").unlink()
    journal, notice = await start(tmp_path, edge_id="L3-IPC2")
    async with journal:
        assert said(await first_fact(journal)) == ("damaged", None, "1-", None)
    assert notice is not None and "journal.db is gone" in notice.text
    assert [one.ordinal for one in epochs.listed(tmp_path / "journal.db")] == [1, 3]  # 2 was that one's


async def test_a_backup_for_which_there_is_no_room_touches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, backup = tmp_path / "data", tmp_path / "backup"
    await backed_up(folder, backup)
    await went_on(folder, 9)

    def content() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir() if "-" not in path.name}

    before = content()

    def full(source: Path, target: Path) -> None:
        Path(target).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with (
        Lock(folder / "journal.db") as lock,
        pytest.raises(StorageFault, match=r"No space left on device\. Nothing was put back"),
    ):
        put_back(backup, folder / "journal.db", folder / "sync.db", lock)
    assert content() == before


async def test_a_journal_set_aside_that_is_damaged_comes_back_from_a_backup(tmp_path: Path) -> None:
    folder, backup = tmp_path / "data", tmp_path / "backup"
    folder.mkdir()
    epoch, ids = await made(folder, 5)
    journal, _ = await start(folder, edge_id="L3-IPC2")
    await journal.close()
    back_up(folder / "journal.db", folder / "sync.db", backup)
    aside = folder / f"journal-{epoch}.db"
    aside.write_bytes(b"?" * aside.stat().st_size)
    await put_back_and_started(backup, folder, edge_id="L3-IPC2")
    assert list((await ids_of(aside)).values())[1:] == ids
    (kept,) = folder.glob(f"journal-{epoch}-damaged-*.db")
    assert set(kept.read_bytes()) == {ord("?")}


async def test_what_no_file_here_holds_is_missing_though_a_longer_one_is_kept(tmp_path: Path) -> None:
    """What is kept beside the copy is a copy too, or has lost what a receiver holds."""
    first, second = tmp_path / "first", tmp_path / "second"
    epoch = await backed_up(tmp_path / "here", first)
    await went_on(tmp_path / "here", 9)
    back_up(tmp_path / "here" / "journal.db", tmp_path / "here" / "sync.db", second)
    there = tmp_path / "there"
    there.mkdir()
    fact, _ = await put_back_and_started(second, there)
    assert said(fact) == ("restored", f"{epoch}:9", "10-", POSTED)
    (there / "journal.db").unlink()  # with it the journal that said so
    fact, notice = await put_back_and_started(first, there)
    assert said(fact) == ("restored", f"{epoch}:9", "10-", POSTED)
    assert notice.key.endswith(".lost") and "missing of it: 10-" in notice.text
    fact, notice = await put_back_and_started(first, tmp_path / "here", settled={epoch: 12})
    assert said(fact) == ("restored", f"{epoch}:9", "10-12,13-", POSTED)
    assert notice.key.endswith(".lost")


async def test_what_a_damaged_journal_lacks_is_missing_where_a_copy_takes_its_place(tmp_path: Path) -> None:
    folder, backup = tmp_path / "data", tmp_path / "backup"
    epoch = await backed_up(folder, backup)
    await went_on(folder, 60)
    path = folder / "journal.db"
    spoil(path, page_of(path, f"{30:06d}" * 20))
    journal, _ = await start(folder)
    async with journal:
        journal.suspect("a test says so")
    journal, _ = await start(folder)
    async with journal:
        assert (await first_fact(journal)).missing == "30"
    path.unlink()
    (folder / "journal.lock").unlink()
    fact, _ = await put_back_and_started(backup, folder)
    assert (fact.cause, fact.follows, fact.missing) == ("restored", f"{epoch}:60", "30")


async def test_a_journal_that_was_emptied_after_a_stop_is_called_empty(tmp_path: Path) -> None:
    """Its log was not needed any more, and has nothing to do with it."""
    await made(tmp_path, 5)
    (tmp_path / "journal.db").write_bytes(b"")
    journal, notice = await start(tmp_path)
    async with journal:
        assert (await first_fact(journal)).cause == "damaged"
    assert notice is not None and "journal.db is empty" in notice.text and "-wal" not in notice.text
