"""What must be so after every cut of a recording, and what a control must show."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.powercut import KINDS
from tests.faults.recording import Cut, Recording, cuts
from tests.faults.table import Row

Record = Callable[..., None]


@dataclass
class Found:
    """What became of what a cut left."""

    acknowledged: int
    lost: int
    doubled: int = 0
    problems: list[str] = field(default_factory=list)


Start = Callable[[Recording, Cut], Awaitable[Found]]


async def survives(
    fault: str,
    recording: Recording,
    database: str,
    start: Start,
    *,
    number: int,
    seed: int,
    folder: Path,
    record: Record,
) -> None:
    """Cut so many times in each kind, start on what is left; hand in what came of it."""
    chance = random.Random(seed)
    rows = {kind: Row(fault, kind) for kind in KINDS}
    problems: list[str] = []
    for cut in cuts(recording, recording.chosen(number, database, chance), folder, chance):
        found = await start(recording, cut)
        problems += [f"{cut}: {problem}" for problem in found.problems]
        rows[cut.kind] += Row(fault, cut.kind, 1, found.acknowledged, found.lost, found.doubled)
    record(*rows.values())
    assert not problems, "\n".join(problems)
    assert [row.tried for row in rows.values()] == [number] * len(KINDS)
    assert all(row.acknowledged > number for row in rows.values())


async def loses(
    fault: str,
    recording: Recording,
    word: str,
    start: Start,
    *,
    number: int,
    seed: int,
    folder: Path,
    record: Record,
) -> None:
    """A control: cuts right after something was told (lines that begin with `word`) must show a loss."""
    chance = random.Random(seed)
    after = [at for at, line in recording.told if line.startswith(word)]
    row = Row(fault, "dropped", control=True)
    for cut in cuts(recording, sorted(chance.sample(after, number)), folder, chance):
        if cut.kind == "dropped":
            found = await start(recording, cut)
            row += Row(fault, "dropped", 1, found.acknowledged, found.lost, found.doubled)
    record(row)
