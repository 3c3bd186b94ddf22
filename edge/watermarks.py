"""What a filling disk leads to, decided from figures alone; nothing here touches a file.

The marks (facts: daemon, "Disk full"): from 80 % people are warned, from 90 % no samples are written, at 95 %
the ballast is given back. An event is never dropped: it is written as long as the disk takes it. A mark once
reached holds until usage is 2 points below it, so that nothing flickers.
"""

from dataclasses import dataclass
from enum import IntEnum

MIB = 2**20
HYSTERESIS = 0.02
STEP_BYTES = 8 * MIB  # the ballast grows by so much at a look: some ms for the disk, then scans have it again
_BALLAST_PART = 100  # at most one hundredth of the disk


class Level(IntEnum):
    """How full the disk is, by the mark that it has reached."""

    FREE = 0
    FILLING = 80
    SCANT = 90
    CRITICAL = 95


@dataclass(frozen=True)
class Usage:
    """A file system's bytes as `df` counts them: what only root may use is neither used nor free."""

    used: int
    free: int

    @property
    def total(self) -> int:
        return self.used + self.free

    @property
    def share(self) -> float:
        """From 0 to 1; a file system without any room is full."""
        return self.used / self.total if self.total else 1.0


@dataclass(frozen=True)
class Decision:
    """What to do now."""

    level: Level
    ballast_bytes: int  # what the ballast is to hold; at most one step more than it does

    @property
    def samples(self) -> bool:
        """Whether samples are written."""
        return self.level < Level.SCANT


def decide(usage: Usage, before: Level, held_bytes: int, wished_bytes: int) -> Decision:
    """The level after `before`, and the ballast's size where `held_bytes` are held of `wished_bytes`."""
    now = _level(usage.share, before)
    if now is Level.CRITICAL:
        return Decision(now, 0)
    wanted = min(wished_bytes, usage.total // _BALLAST_PART)
    lacking = wanted - held_bytes
    if lacking <= 0 or not _bears(usage, now, lacking):
        return Decision(now, min(held_bytes, wanted))
    return Decision(now, held_bytes + min(lacking, STEP_BYTES))


def _level(share: float, before: Level) -> Level:
    reached = max(level for level in Level if share >= level / 100)
    held = max(level for level in Level if share >= level / 100 - HYSTERESIS)
    return max(reached, min(held, before))


def _bears(usage: Usage, now: Level, lacking: int) -> bool:
    """Whether the whole ballast fits below the next mark: making it must raise no alert by itself."""
    if now >= Level.SCANT:
        return False  # what little is free belongs to the journal
    mark = Level.SCANT if now else Level.FILLING
    return (usage.used + lacking) / usage.total < mark / 100 - HYSTERESIS
