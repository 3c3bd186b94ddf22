"""What each work took and what the soaks say, shown at the end of the run."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from io import StringIO

import pytest
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

PROPERTY = "soak"
SAID = "soak said"


@dataclass(frozen=True)
class Took:
    """One work on a journal of so many events, in a process of its own."""

    work: str
    events: int
    took_s: float
    cpu_s: float
    began_mb: float  # in RAM, as the next
    most_mb: float
    disk_mb: float  # the journal after it


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Callable[[Took], None]:
    """Have a row shown."""
    return lambda took: request.node.user_properties.append((PROPERTY, asdict(took)))


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Have a line shown."""
    return lambda line: request.node.user_properties.append((SAID, line))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [one for outcome in ("passed", "failed") for one in terminalreporter.stats.get(outcome, ())]
    found = [given for one in reports if one.when == "call" for given in one.user_properties]
    for name, line in found:
        if name == SAID:
            terminalreporter.write_line(line)
    rows = [Took(**given) for name, given in found if name == PROPERTY]
    if rows:
        _tabulated(terminalreporter, rows)


def _tabulated(terminalreporter: pytest.TerminalReporter, rows: list[Took]) -> None:
    table = Table(title="Soak", title_justify="left", box=SIMPLE_HEAD, show_edge=False)
    table.add_column("work")
    for heading in ("events", "s", "CPU s", "MB before", "MB at most", "journal MB"):
        table.add_column(heading, justify="right")
    for row in rows:
        times, sizes = (row.took_s, row.cpu_s), (row.began_mb, row.most_mb, row.disk_mb)
        figures = (f"{figure:,.1f}" for figure in (*times, *sizes))
        table.add_row(row.work, f"{row.events:,}", *figures)
    width = terminalreporter._tw.fullwidth
    console = Console(file=StringIO(), width=width)
    with console.capture() as text:
        console.print(table)
    terminalreporter.write("\n" + text.get())
