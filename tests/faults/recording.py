"""A recorded run, and the cuts of its power: where they fall, and the files they leave.

A cut at k comes after the first k moments of the recording and before the next one.
"""

import random
import shutil
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.powercut import KINDS, Disk, Kind
from tests.faults.trace import Moment, Resize, Said, Sync, Write


@dataclass
class Recording:
    """What a run did to its folder and whom it told what."""

    moments: list[Moment]
    durable: dict[str, bytes] = field(default_factory=dict)  # what was in the folder before
    told: list[tuple[int, str]] = field(init=False)  # cut at which it was said first, line

    def __post_init__(self) -> None:
        self.told = []
        for number, moment in enumerate(self.moments, 1):
            if isinstance(moment.act, Said) and not moment.ends:
                text = moment.act.data.decode("latin-1")
                self.told += [(number, line) for line in text.splitlines()]

    def told_by(self, cut: int) -> list[str]:
        """What had been said before a cut; what was being said counts."""
        return [line for _, line in self.told[: bisect_right(self.told, cut, key=lambda one: one[0])]]

    def hasty(self) -> "Recording":
        """The same run as if everything had been said just before the last sync ahead of it had ended."""
        found = Recording(self.moments, self.durable)
        syncs = [n for n, moment in enumerate(self.moments) if isinstance(moment.act, Sync) and moment.ends]
        found.told = [
            (syncs[bisect_right(syncs, at) - 1] if at > syncs[0] else at, line) for at, line in found.told
        ]
        return found

    def writes(self, name: str) -> list[int]:
        """Cuts within and around the writes to a file."""
        return [
            n for n, m in enumerate(self.moments) if isinstance(m.act, Write | Resize) and m.act.name == name
        ]

    def chosen(self, number: int, database: str, chance: random.Random) -> list[int]:
        """So many cuts: in early life, after what was told, before syncs end, in checkpoints, anywhere."""
        moments, last = self.moments, len(self.moments)
        first = self.told[0][0] if self.told else last
        places: list[Sequence[int]] = [
            range(first + 1),
            [at for at, _ in self.told],
            [n for n, moment in enumerate(moments) if isinstance(moment.act, Sync) and moment.ends],
            [n for n in self.writes(database) if n > first],
            range(last + 1),
        ]
        found: set[int] = set()
        for left, place in zip(range(len(places), 0, -1), places, strict=True):
            fresh = sorted(set(place) - found)
            found |= set(chance.sample(fresh, min(len(fresh), (number - len(found)) // left)))
        return sorted(found)


@dataclass(frozen=True)
class Cut:
    """One cut and the files that it left."""

    at: int
    kind: Kind
    folder: Path

    def __str__(self) -> str:
        return f"cut {self.at}, {self.kind}"


def cuts(recording: Recording, at: Sequence[int], folder: Path, chance: random.Random) -> Iterator[Cut]:
    """Each cut in each kind. Its files are removed when the next one is asked for; a failed one's stay."""
    disk, taken = Disk(recording.durable), 0
    for place in at:
        while taken < place:
            disk.take(recording.moments[taken])
            taken += 1
        for kind in KINDS:
            left = folder / f"cut-{place}-{kind}"
            left.mkdir()
            disk.image(left, kind, chance)
            yield Cut(place, kind, left)
            shutil.rmtree(left)
