"""A folder played, and what came of it beside what was expected."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.replay import expected
from edge.replay.expected import Difference
from edge.replay.folder import EXPECTED, TOTALS, Situation
from edge.replay.folder import load as load_situation
from edge.replay.play import Played
from edge.replay.totals import Sums, totals
from edge.replay.view import rows


@dataclass(frozen=True)
class Replayed:
    """A folder, what came of it, and how that differs from what was expected; None: nothing was."""

    situation: Situation
    played: Played
    sums: Sums
    differences: Sequence[Difference] | None

    @property
    def met(self) -> bool | None:
        return None if self.differences is None else not self.differences


def replayed(folder: Path) -> Replayed:
    """Play a folder and compare. Raises SituationFault."""
    situation = load_situation(folder)
    expectation = wanted = None
    if (folder / EXPECTED).is_file():
        expectation = expected.load(folder / EXPECTED, situation.settings)
    if (folder / TOTALS).is_file():
        wanted = expected.load_totals(folder / TOTALS, situation.settings)
    played = situation.play()
    sums = totals(played.events)
    differences: list[Difference] | None = None
    if expectation is not None:
        differences = expected.differences(expectation, rows(played))
    if wanted is not None:
        differences = [*(differences or ()), *expected.totals_differ(wanted, sums)]
    return Replayed(situation, played, sums, differences)
