"""What `lineside events` says of journals that are damaged or gone: never a traceback, never "sound"."""

import asyncio
import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edge import epochs
from edge.journal import Reader
from edge.lock import Left, Lock
from edge.main import load, replaced
from sync.store import Store
from tests.line.plant import invoke
from tests.unit.test_opening import made, page_of, put, spoil, start

PAGE = 4096


@pytest.fixture
async def config(tmp_path: Path) -> Path:
    """Of an edge whose journal is made by the test, in the folder `data`."""
    path, data = tmp_path / "lineside.toml", tmp_path / "data"
    code, out, err = await invoke("init", "--config", path, "--data-dir", data, "--id", "L3-IPC1")
    assert code == 0, out + err
    data.mkdir(exist_ok=True)
    return path


async def verified(config: Path) -> tuple[int, dict[str, Any]]:
    code, out, err = await invoke("events", "verify", "--json", "--config", config)
    assert out, err
    return code, json.loads(out)


async def told(config: Path) -> tuple[int, str]:
    code, out, _ = await invoke("events", "verify", "--config", config)
    return code, out


async def facts(path: Path) -> list[tuple[int, bytes]]:
    async with await Reader.open(path) as reader:
        return await reader.read_after(0, 100_000)


async def every_command_answers(config: Path, *epoch: str) -> None:
    """`invoke` fails where one ends with a traceback."""
    backup = config.with_name("backup")
    for names in (
        ("tail", "-n", "200"), ("tail", "--json"), ("export",), ("verify",), ("export", *epoch),
    ):  # fmt: skip
        code, _, err = await invoke("events", *names, "--config", config)
        assert code == 0 or names[0] == "verify" or "cannot be used" in err, (names, code, err)
    code, _, err = await invoke("backup", backup, "--config", config)
    words = ("damaged", "cannot be used", "nothing to back up")
    assert code == 0 or any(one in err for one in words), err
    shutil.rmtree(backup, ignore_errors=True)


def offsets(path: Path, chance: random.Random) -> list[int]:
    """In each page its head, its cells' pointers and anywhere; of the first page all that says what it is."""
    size = path.stat().st_size
    places = [page + at for page in range(0, size, PAGE) for at in (0, 3, 4, 6, 9, chance.randrange(8, PAGE))]
    return [*range(0, 108, 3), *(at for at in places if at >= 108)]


@pytest.mark.parametrize("aside", [False, True], ids=["current", "set aside"])
async def test_no_flipped_bit_ends_in_a_traceback_or_is_called_sound(
    tmp_path: Path, config: Path, aside: bool
) -> None:
    data = tmp_path / "data"
    epoch, _ = await made(data)
    names: tuple[str, ...] = ()
    path = data / "journal.db"
    if aside:
        journal, _ = await start(data, edge_id="L3-IPC2")
        async with journal:
            await put(journal, 2, 9)
        path, names = epochs.aside(path, epoch), ("--epoch", epoch)
    chance = random.Random(11)
    before, held = path.read_bytes(), await facts(path)
    sound = 0
    for number, offset in enumerate(offsets(path, chance)):
        changed = bytearray(before)
        changed[offset] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        code, said = await verified(config)
        mine = next((one for one in said["journals"] if one["file"] == path.name), None)
        if code == 0:
            assert mine is not None and await facts(path) == held, offset
            sound += 1
        else:
            assert code == 1 and any(one["problems"] or one["missing"] for one in said["journals"]), offset
        if number % 5 == 0:
            await every_command_answers(config, *names)
        for leftover in data.glob("*-shm"):
            leftover.unlink()
        for leftover in data.glob("*-wal"):
            leftover.unlink()
    path.write_bytes(before)
    assert (await verified(config))[0] == 0
    assert 0 < sound < 100


async def test_what_can_and_cannot_be_read_of_a_damaged_journal_is_told(tmp_path: Path, config: Path) -> None:
    data = tmp_path / "data"
    _, ids = await made(data)
    path = data / "journal.db"
    page = page_of(path, ids[58 - 2]) // PAGE * PAGE
    held = path.read_bytes()[page : page + PAGE]
    gone = [seq for seq, id_ in enumerate(ids, 2) if id_.encode() in held]
    spoil(path, page)  # what kind of page it is
    code, out = await told(config)
    assert code == 1
    assert f"seq {gone[0]} to {gone[-1]} cannot be read: database disk image is malformed" in out
    assert f"what can be read: {120 - len(gone)} events, seq 1 to 120" in out
    assert "NOT SOUND: journal.db" in out and "Restart `lineside collect`: it sets the file aside" in out
    for names in (["tail", "-n", "200"], ["export"]):
        code, _, err = await invoke("events", *names, "--config", config)
        assert code == 1
        assert "database disk image is malformed" in err and "`lineside events verify` tells" in err
    assert "0 events exported" in err


async def test_a_backup_names_the_damaged_source_and_not_the_disk_it_goes_to(
    tmp_path: Path, config: Path
) -> None:
    _, ids = await made(tmp_path / "data")
    path = tmp_path / "data" / "journal.db"
    spoil(path, page_of(path, ids[58 - 2]) // PAGE * PAGE)
    code, _, err = await invoke("backup", tmp_path / "b", "--config", config)
    assert code == 1
    assert f"{path} is damaged and cannot be copied: database disk image is malformed" in err
    assert "There is no backup" in err and "rights" not in err and not (tmp_path / "b").exists()


def picture(path: Path) -> None:
    path.write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(9000))


def foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE songs (title TEXT)")


LOSSES: dict[str, Callable[[Path], None]] = {
    "cut to its first pages": lambda path: path.write_bytes(path.read_bytes()[: 2 * PAGE]),
    "a picture": picture,
    "another database": foreign,
    "nothing in it": lambda path: path.write_bytes(b""),
    "gone": Path.unlink,
}


@pytest.mark.parametrize("harm", LOSSES.values(), ids=LOSSES.keys())
async def test_a_journal_that_is_lost_altogether_is_missed_before_and_after_the_next_start(
    tmp_path: Path, config: Path, harm: Callable[[Path], None]
) -> None:
    data = tmp_path / "data"
    epoch, _ = await made(data, 93)
    harm(data / "journal.db")
    code, out = await told(config)
    assert code == 1 and "NOT SOUND: journal.db" in out and f"epoch {epoch}" in out
    assert "it went through seq 93" in out
    await every_command_answers(config)
    journal, _ = await start(data)
    async with journal:
        await put(journal, 2, 2)
    code, out = await told(config)
    assert code == 1
    assert f"NOT SOUND: no file of it is kept, epoch {epoch}" in out
    assert "missing: seq 1 and what followed" in out
    assert "sound: 2 events, seq 1 to 2 of journal.db" in out
    code, said = await verified(config)
    lost, current = said["journals"]
    assert (code, lost["epoch"], lost["file"], lost["missing"]) == (1, epoch, None, "1-")
    assert (current["missing"], current["problems"], said["problems"]) == ("", [], [])


async def test_a_loss_whose_epoch_nobody_knows_is_missed_too(tmp_path: Path, config: Path) -> None:
    data = tmp_path / "data"
    await made(data, 9)
    picture(data / "journal.db")
    (data / "journal.lock").unlink()
    journal, _ = await start(data)
    await journal.close()
    code, out = await told(config)
    assert (code, "NOT SOUND: no file of it is kept, the journal before" in out) == (1, True), out


async def test_a_lost_journal_that_is_found_again_is_not_missing(tmp_path: Path, config: Path) -> None:
    data = tmp_path / "data"
    epoch, _ = await made(data, 93)
    (data / "journal.db").rename(tmp_path / "found.db")
    journal, _ = await start(data)
    await journal.close()
    assert (await told(config))[0] == 1
    (tmp_path / "found.db").rename(data / f"journal-{epoch}.db")
    code, out = await told(config)
    assert (code, "NOT SOUND" in out) == (0, False), out


async def test_the_end_of_a_journal_that_an_older_copy_lacks_is_missing(tmp_path: Path, config: Path) -> None:
    data = tmp_path / "data"
    await made(data, 9)
    shutil.copyfile(data / "journal.db", tmp_path / "older.db")
    journal, _ = await start(data)
    async with journal:
        await put(journal, 10, 12)
    shutil.copyfile(tmp_path / "older.db", data / "journal.db")
    code, out = await told(config)
    assert code == 1 and "it went through seq 12, but what can be read of it ends at 9" in out
    journal, _ = await start(data)
    await journal.close()
    code, said = await verified(config)
    assert (code, [one["missing"] for one in said["journals"]]) == (1, ["10-12,13-", ""])
    assert "missing: seq 10-12, 13 and what followed" in (await told(config))[1]


async def test_a_set_aside_journal_without_its_end_is_not_sound(tmp_path: Path, config: Path) -> None:
    data = tmp_path / "data"
    epoch, _ = await made(data, 9)
    journal, _ = await start(data, edge_id="L3-IPC2")
    await journal.close()
    assert (await told(config))[0] == 0
    with closing(sqlite3.connect(data / f"journal-{epoch}.db")) as db:
        db.execute("DELETE FROM events WHERE seq > 7")
        db.commit()
    code, out = await told(config)
    assert code == 1 and "it went through seq 9, but what can be read of it ends at 7" in out


async def test_what_is_in_order_is_called_sound(tmp_path: Path, config: Path) -> None:
    data = tmp_path / "data"
    epoch, _ = await made(data, 9)
    assert (await told(config))[0] == 0  # a first journal
    journal, _ = await start(data, edge_id="L3-IPC2")
    async with journal:
        code, out = await told(config)  # another edge id, while it is written
        assert (code, out.count("sound:"), "NOT" in out) == (0, 2, False), out
    (data / f"journal-{epoch}.db").unlink()  # as what was delivered long ago is forgotten
    code, out = await told(config)
    assert (code, "NOT" in out) == (0, False), out
    assert f"epoch {epoch}, which went through seq 9, is not here any more: it was forgotten" in out


async def test_the_successor_of_another_pc_is_sound_and_says_what_it_cannot_see(
    tmp_path: Path, config: Path
) -> None:
    await asyncio.to_thread(replaced, load(config))
    code, out = await told(config)
    assert (code, "NOT" in out) == (0, False), out
    assert "began in the place of another PC: what that one recorded is not here" in out


async def moved(data: Path, events: int) -> str:
    """A folder stopped in order, copied whole and started there; the epoch before."""
    epoch, _ = await made(data.with_name("before"), events)
    shutil.copytree(data.with_name("before"), data, dirs_exist_ok=True)
    await begun(data)
    return epoch


async def begun(data: Path) -> None:
    journal, _ = await start(data)
    await journal.close()


async def took(data: Path, epoch: str, seq: int) -> None:
    """A receiver took a journal so far, and is at another one by now."""
    async with await Store.open(data / "sync.db") as store:
        await store.transact(
            lambda db: db.execute(
                "INSERT INTO receipts (uplink, epoch, first_seq, last_seq, events, at_ms)"
                " VALUES ('erp', ?, 1, ?, ?, 0)",
                (epoch, seq, seq),
            )
        )


async def test_a_folder_that_was_moved_in_order_is_sound_and_says_what_cannot_be_seen(
    tmp_path: Path, config: Path
) -> None:
    data = tmp_path / "data"
    (tmp_path / "before").mkdir()
    epoch = await moved(data, 9)
    await took(data, epoch, 9)
    code, out = await told(config)
    assert (code, out.count("sound:"), "NOT" in out) == (0, 2, False), out
    assert f"epoch {epoch} was copied and holds all that the copy did, through seq 9" in out
    assert "cannot be seen here" in out
    code, said = await verified(config)
    assert (code, [one["missing"] for one in said["journals"]], len(said["remarks"])) == (0, ["", ""], 1)
    (data / "sync.db").write_bytes(b"no database" * 500)
    code, out = await told(config)
    assert (code, "What receivers took was not looked at: " in out) == (0, True), out


async def test_a_copy_that_lacks_what_a_receiver_took_is_not_sound(tmp_path: Path, config: Path) -> None:
    data = tmp_path / "data"
    (tmp_path / "before").mkdir()
    epoch = await moved(data, 9)
    await took(data, epoch, 12)
    code, said = await verified(config)
    assert (code, [one["missing"] for one in said["journals"]], said["remarks"]) == (1, ["10-", ""], [])


@pytest.mark.parametrize("way", ["written over it", "put in its place", "and moved once more"])
async def test_an_older_copy_of_what_is_known_to_have_held_more_is_not_sound(
    tmp_path: Path, config: Path, way: str
) -> None:
    data, older = tmp_path / "data", tmp_path / "older.db"
    await made(data, 9)
    shutil.copyfile(data / "journal.db", older)
    journal, _ = await start(data)
    async with journal:
        await put(journal, 10, 12)
    if way == "put in its place":
        older.replace(data / "journal.db")
    else:
        (data / "journal.db").write_bytes(older.read_bytes())
    await begun(data)
    if way == "and moved once more":
        data.rename(tmp_path / "before")
        shutil.copytree(tmp_path / "before", data)
        await begun(data)
    code, said = await verified(config)
    assert (code, said["journals"][0]["missing"]) == (1, "10-12,13-")


@pytest.mark.parametrize("last", [7, None], ids=["shortened", "gone"])
async def test_a_copied_journal_that_lost_something_since_is_not_sound(
    tmp_path: Path, config: Path, last: int | None
) -> None:
    data = tmp_path / "data"
    (tmp_path / "before").mkdir()
    path = epochs.aside(data / "journal.db", await moved(data, 9))
    if last is None:
        path.unlink()
    else:
        with closing(sqlite3.connect(path)) as db:
            db.execute("DELETE FROM events WHERE seq > ?", (last,))
            db.commit()
    code, said = await verified(config)
    assert (code, said["journals"][0]["missing"]) == (1, "10-")


async def test_an_orderly_stop_keeps_how_far_a_journal_went(tmp_path: Path, config: Path) -> None:
    """What a flipped count of cells takes away from the end leaves no trace in the file."""
    data = tmp_path / "data"
    epoch, _ = await made(data, 9)
    with closing(sqlite3.connect(data / "journal.db")) as db:
        db.execute("DELETE FROM events WHERE seq > 8")
        db.commit()
    assert (await told(config))[0] == 1
    with Lock(data / "journal.db") as lock:
        lock.note(Left(epoch, head=8))
    assert (await told(config))[0] == 0


async def test_a_schema_whose_damage_sqlite_cannot_put_in_words_is_told_and_set_aside(
    tmp_path: Path, config: Path
) -> None:
    data = tmp_path / "data"
    epoch, _ = await made(data, 9)
    path = data / "journal.db"
    path.write_bytes(
        path.read_bytes().replace(b"id INTEGER PRIMARY KEY CHECK", b"id\xa0INTEGER PRIMARY KEY CHECK")
    )
    code, out = await told(config)
    assert code == 1 and "malformed database schema (snapshot)" in out
    await every_command_answers(config)
    journal, _ = await start(data)
    await journal.close()
    assert len(await facts(epochs.aside(path, epoch))) == 9
    assert (await told(config))[0] == 1  # nobody knows how far it went on


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"urn:lineside:", b"urn:lineside\xba", "seq 5 is no event: 'utf-8' codec can't decode byte"),
        (b'"sequence":"0000', b'"sequence":"p000', "seq 5 is no event: its sequence is no number"),
    ],
    ids=["no text", "no number"],
)
async def test_an_event_that_is_no_text_or_has_no_number_is_named(
    tmp_path: Path, config: Path, old: bytes, new: bytes, said: str
) -> None:
    _, ids = await made(tmp_path / "data", 9)
    path = tmp_path / "data" / "journal.db"
    held = path.read_bytes()
    begin = held.index(ids[5 - 2].encode())
    path.write_bytes(held[:begin] + held[begin:].replace(old, new, 1))
    code, out = await told(config)
    assert code == 1 and said in out
    await every_command_answers(config)


async def test_a_backup_of_a_row_that_no_constraint_let_in_names_the_source(
    tmp_path: Path, config: Path
) -> None:
    await made(tmp_path / "data", 9)
    path = tmp_path / "data" / "journal.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript("INSERT INTO snapshot VALUES (1, 2, 'version', '{}'); PRAGMA writable_schema = ON;")
        db.execute("UPDATE sqlite_master SET sql = replace(sql, 'seq INTEGER NOT NULL,', 'seq INTEGER,     ')"
                   " WHERE name = 'snapshot'")  # fmt: skip
        db.commit()
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE snapshot SET seq = NULL")
        db.executescript("PRAGMA writable_schema = ON;")
        db.execute("UPDATE sqlite_master SET sql = replace(sql, 'seq INTEGER,     ', 'seq INTEGER NOT NULL,')"
                   " WHERE name = 'snapshot'")  # fmt: skip
        db.commit()
    code, _, err = await invoke("backup", tmp_path / "b", "--config", config)
    assert code == 1
    assert f"{path} is damaged and cannot be copied: NOT NULL constraint failed" in err
