"""What `lineside events` says of journals that are damaged or gone: never a traceback, never "sound"."""

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
from edge.main import replaced
from edge.settings import load
from tests.line.plant import command, invoke
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
    assert code == 0 or "damaged" in err or "cannot be used" in err, err
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
