"""Each fault test hands in rows; they are shown as one table at the end of the run."""

from collections.abc import Callable

import pytest

from tests.faults.table import Row, added_up, rendered


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Hand in rows, then fail where one of them lost or doubled something (a control: where it did not)."""

    def hand_in(*rows: Row) -> None:
        request.node.user_properties += [row.properties() for row in rows]
        for row in rows:
            row.judged()

    return hand_in


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [one for outcome in ("passed", "failed") for one in terminalreporter.stats.get(outcome, ())]
    rows = added_up(each for one in reports if one.when == "call" for each in one.user_properties)
    if rows:
        colours = terminalreporter._tw.hasmarkup
        width = terminalreporter._tw.fullwidth if colours else 120  # a log has no width of its own
        terminalreporter.write("\n" + rendered(rows, width, colours))
