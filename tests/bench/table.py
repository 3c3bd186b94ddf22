"""A row of the benchmark's table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What was measured against what, in the same run."""

    what: str
    ours: str
    raw: str
    ratio: float
    target: str
    met: bool | None  # None: no target of its own
