"""Whatever goes through the whole journal holds as much memory at 10^6 events as at 10^5.

Each work is a process of its own. The control keeps every row that it read: the bound must notice it.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.soak.conftest import Took

GROWTH_MB = 15.0
CONTROL = "hoard"
WORKS = ("append", "read_after", "verify", "salvage", CONTROL, "prune")  # in this order: pruning empties it
Record = Callable[[Took], None]


def done(work: str, folder: Path, events: int) -> Took:
    """One work on the journal in `folder`."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.soak.child", work, str(folder), str(events)]
    child = subprocess.run(command, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    return Took(work, events, **json.loads(child.stdout.splitlines()[-1]))


def judged(growth: dict[str, float]) -> None:
    """Fail where memory grew with the journal, or the control did not."""
    control = growth.pop(CONTROL)
    assert control > GROWTH_MB, f"the control kept every row and grew by {control:.1f} MB only"
    assert {work: mb for work, mb in growth.items() if mb > GROWTH_MB} == {}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_million_events_take_no_more_memory_than_a_tenth_of_them(tmp_path: Path, record: Record) -> None:
    growth = {}
    for work in WORKS:
        small, large = (done(work, tmp_path / str(events), events) for events in (100_000, 1_000_000))
        record(small)
        record(large)
        growth[work] = large.most_mb - small.most_mb
    judged(growth)


def test_thirty_thousand_events_take_hardly_more_memory_than_none(tmp_path: Path, record: Record) -> None:
    growth = {}
    for work in WORKS:
        if work == "read_after":
            continue  # verify reads the same way
        took = done(work, tmp_path, 30_000)
        record(took)
        growth[work] = took.most_mb - took.began_mb
    judged(growth)
