"""The table of the faults: what was tried, what had been acknowledged before, what became of it.

A test hands in rows; rows of the same fault and kind are added up over its seeds. They travel with the test's
report, so that they arrive from other processes too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from io import StringIO
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

PROPERTY = "fault"


@dataclass(frozen=True)
class Row:
    """What came of one fault, tried so many times."""

    fault: str
    kind: str = ""
    tried: int = 0
    acknowledged: int = 0  # promises that were looked for after it
    lost: int = 0
    doubled: int = 0
    declared: int = 0  # gone with what was damaged, and named as missing
    control: bool = False  # made unsafe on purpose: it must break a promise, or the proof proves nothing
    disordered: int = 0  # posted behind a later one of the same work order

    def __add__(self, other: "Row") -> "Row":
        return replace(
            self,
            tried=self.tried + other.tried,
            acknowledged=self.acknowledged + other.acknowledged,
            lost=self.lost + other.lost,
            doubled=self.doubled + other.doubled,
            declared=self.declared + other.declared,
            disordered=self.disordered + other.disordered,
        )

    def judged(self) -> None:
        """Fail where this is not as promised."""
        if self.control:
            assert self.broken, f"{self.fault}: the control broke nothing, so this would not notice a loss"
        else:
            assert not self.broken, f"{self.fault} {self.kind}: {self}"

    @property
    def broken(self) -> int:
        """How often a promise was broken."""
        return self.lost + self.doubled + self.disordered

    def properties(self) -> tuple[str, dict[str, Any]]:
        """As a report carries it."""
        return PROPERTY, asdict(self)


def added_up(properties: Iterable[tuple[str, Any]]) -> list[Row]:
    """One row for each fault and kind, by fault and as they came, the controls last."""
    found: dict[tuple[str, str], Row] = {}
    for name, given in properties:
        if name == PROPERTY and isinstance(given, Mapping):
            row = Row(**given)
            key = (row.fault, row.kind)
            found[key] = found[key] + row if key in found else row
    return sorted(found.values(), key=lambda row: (row.control, row.fault))


def rendered(rows: Iterable[Row], width: int, colours: bool) -> str:
    """The table for a terminal."""
    table = Table(
        title="Faults", title_justify="left", box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0)
    )
    for heading in ("fault", "kind"):
        table.add_column(heading)
    for heading in ("tried", "acknowledged", "lost", "doubled"):
        table.add_column(heading, justify="right")
    rows = list(rows)
    declares, disorders = any(row.declared for row in rows), any(row.disordered for row in rows)
    if declares:
        table.add_column("declared missing", justify="right")
    if disorders:
        table.add_column("out of order", justify="right")
    if any(row.control for row in rows):
        table.add_column("")
    for row in rows:
        bad = not row.control and row.broken
        numbers = [row.tried, row.acknowledged, row.lost, row.doubled]
        numbers += [row.declared] * declares + [row.disordered] * disorders
        figures = (f"{number:,}" for number in numbers)
        notes = ("must fail",) if row.control else ()
        table.add_row(row.fault, row.kind, *figures, *notes, style="red" if bad else "")
    console = Console(file=StringIO(), width=width, force_terminal=colours, no_color=not colours)
    console.print(table)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text
