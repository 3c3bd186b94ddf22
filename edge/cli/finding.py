"""Which fact a person means by the end of its id, as lists show it."""

import asyncio
import sqlite3
from collections.abc import Collection

import msgspec
import typer

from edge import main
from edge.cli.common import USAGE, err
from edge.journal import Reader
from edge.schema import unusable
from edge.settings import Settings

_ID_LENGTH = 36  # of a UUID
_PAGE = 2000


class _Named(msgspec.Struct):
    id: str


def fact(loaded: Settings, named: str) -> str:
    """The id of the fact of the present journal that ends so. Exits where that is none, or several."""
    if len(named) >= _ID_LENGTH:
        return named
    path = loaded.edge.data_dir / main.JOURNAL
    found = asyncio.run(_ending(loaded, named)) if named and path.exists() else set()
    then = ". Nothing recorded. Give more of it" if found else _nowhere(loaded, named)
    return only(found, named, "of the present journal", then)


def only(found: Collection[str], named: str, which: str, then: str) -> str:
    """The one id of what was found. Exits as wrong usage where that is none, or several: `then` says more."""
    if len(found) == 1:
        return next(iter(found))
    said = f"{len(found)} facts {which} end" if found else f"No fact {which} ends"
    err.print(f"{said} in {named!r}{then}", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(USAGE)


def _nowhere(loaded: Settings, named: str) -> str:
    elsewhere = {
        one.epoch for one in main.quarantine(loaded.edge.data_dir) if named and one.id.endswith(named)
    }
    why = f": it is of the journal {', '.join(sorted(elsewhere))}, which is set aside" if elsewhere else ""
    hint = "Take the id from `lineside outbox list` or `lineside events tail --json`"
    return f"{why}. Nothing recorded. {hint}"


async def _ending(loaded: Settings, named: str) -> set[str]:
    async with await Reader.open(loaded.edge.data_dir / main.JOURNAL) as reader:
        at, found, mark = 0, set(), f'{named}"'.encode()
        try:
            while rows := await reader.read_after(at, _PAGE):
                found |= {id_ for _, body in rows if mark in body and (id_ := _id(body)).endswith(named)}
                at = rows[-1][0]
        except sqlite3.Error as error:
            raise unusable(reader.path, error) from error
    return found


def _id(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Named).id
    except msgspec.DecodeError:
        return ""  # damaged: the daily check says so
