"""What commands print is what is there: a fingerprint or a lot's number is no emoji."""

import pytest
from rich.console import Console
from rich.table import Table

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
