"""What commands print is what is there: a fingerprint or a lot's number is no emoji."""

import re
from collections.abc import Iterator

import click
import pytest
import typer
from rich.console import Console
from rich.table import Table
from typer.testing import CliRunner

from edge.cli.app import app
from edge.cli.common import err, out

SPELLS = ("CA:AB:8B", "LOT:100:7", "OP20:ok:")


@pytest.mark.parametrize("console", [out, err], ids=["out", "err"])
@pytest.mark.parametrize("text", SPELLS)
def test_no_text_is_taken_for_an_emoji(console: Console, text: str) -> None:
    table = Table()
    table.add_row(text)
    with console.capture() as shown:
        console.print(text)
        console.print(table)
    assert shown.get().count(text) == 2


@pytest.mark.parametrize("text", SPELLS)
def test_rich_itself_would_take_them_for_some(text: str) -> None:
    console = Console(width=80)
    with console.capture() as shown:
        console.print(text)
    assert text not in shown.get()


def commands(one: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that call it."""
    yield path, one
    for name, below in getattr(one, "commands", {}).items():
        yield from commands(below, *path, name)


HELPS = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", HELPS, ids=" ".join)
def test_help_shows_every_bracket_that_its_source_has(
    path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 300)
    shown = CliRunner().invoke(app, [*path, "--help"])
    assert shown.exit_code == 0
    one = HELPS[path]
    sources = [one.help, *(getattr(given, "help", None) for given in one.params)]
    for source in filter(None, sources):
        for bracket in re.findall(r"\[(?!/?bold\])[^\[\]]*\]", source.replace("\\[", "[")):
            assert " ".join(bracket.split()) in " ".join(shown.output.split()), source
