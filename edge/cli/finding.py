"""Which fact a person means by the end of its id, as lists show it."""

import asyncio
import sqlite3

import msgspec
import typer

from edge import main
from edge.cli.common import FAULT, USAGE, err
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
    if len(found) == 1:
        return found.pop()
    if found:
        text = (
            f"{len(found)} facts of the present journal end in {named!r}. Nothing recorded. Give more of it"
        )
        err.print(text, markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(USAGE)
    elsewhere = {
        one.epoch for one in main.quarantine(loaded.edge.data_dir) if named and one.id.endswith(named)
    }
    why = f": it is of the journal {', '.join(sorted(elsewhere))}, which is set aside" if elsewhere else ""
    hint = "Take the id from `lineside outbox list` or `lineside events tail --json`"
    text = f"No fact of the present journal ends in {named!r}{why}. Nothing recorded. {hint}"
    err.print(text, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(FAULT)


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
