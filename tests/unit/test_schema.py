"""The steps of a file's schema: forward by itself, and the version before still runs on the result."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge import schema
from edge.faults import NewerFile, StorageFault
from edge.schema import Schema

FIRST = "CREATE TABLE facts (seq INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT"
OLD = Schema(FIRST)
NEW = Schema(FIRST, ("CREATE TABLE notes (text TEXT) STRICT", "ALTER TABLE notes ADD COLUMN at_ms INTEGER"))
BROKEN = Schema(FIRST, (NEW.steps[0], "CREATE TABLE more (a); INSERT INTO nowhere VALUES (1)"))


async def put(path: Path, form: Schema, body: str) -> None:
    connection = await schema.open_writer(path, form, isolation_level=None)
    try:
        await connection.execute("INSERT INTO facts (body) VALUES (?)", (body,))
    finally:
        await connection.close()


def read(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql).fetchall()


async def test_an_older_file_is_brought_forward_with_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    await put(path, OLD, "a")
    assert read(path, "PRAGMA user_version") == [(1,)]
    await put(path, NEW, "b")
    assert read(path, "PRAGMA user_version") == [(3,)]
    assert read(path, "SELECT body FROM facts ORDER BY seq") == [("a",), ("b",)]
    assert read(path, "SELECT text, at_ms FROM notes") == []


async def test_the_version_before_runs_on_what_this_one_wrote_and_takes_nothing_back(tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    await put(path, NEW, "a")
    await put(path, OLD, "b")
    assert read(path, "PRAGMA user_version") == [(3,)]
    await put(path, NEW, "c")
    assert read(path, "SELECT body FROM facts ORDER BY seq") == [("a",), ("b",), ("c",)]


async def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    await put(path, OLD, "a")
    with pytest.raises(StorageFault):
        await put(path, BROKEN, "b")
    assert read(path, "PRAGMA user_version") == [(2,)]
    assert read(path, "SELECT name FROM sqlite_master WHERE name = 'more'") == []
    await put(path, NEW, "c")
    assert read(path, "SELECT body FROM facts ORDER BY seq") == [("a",), ("c",)]


async def test_a_newer_generation_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    await put(path, OLD, "a")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 1001")
    with pytest.raises(NewerFile, match="newer lineside"):
        await put(path, OLD, "b")
    assert read(path, "SELECT body FROM facts") == [("a",)]
