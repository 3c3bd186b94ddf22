"""A journal in memory, as long as a replay lasts: numbered and chained like the one on the disk."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from edge import alerts
from edge.alerts import Alert
from edge.events import Draft, Event, chain_of, instant, seal
from edge.journal import Snapshot
from edge.ports import Clock


class Memory:
    """Keeps what is appended. A kill of the collector loses nothing of it."""

    path = Path("journal in memory")
    pruned = 0

    def __init__(self, source: str, clock: Clock) -> None:
        self.events: list[Event] = []
        self.bodies: list[bytes] = []
        self._source = source
        self._clock = clock
        self._chain = ""
        self._snapshot: Snapshot | None = None
        self._alerts = sqlite3.connect(":memory:", isolation_level=None)
        self._alerts.executescript(alerts.TABLE)

    @property
    def epoch(self) -> str:
        """The journal's name."""
        return self._source.rpartition(":")[2]

    @property
    def head(self) -> int:
        """The last seq."""
        return len(self.events)

    async def append(self, drafts: Sequence[Draft]) -> tuple[Event, ...]:
        """Number and keep the drafts."""
        recorded = instant(self._clock.now().wall_ms)
        before = self.head
        for draft in drafts:
            event, body = seal(draft, self._source, self.head + 1, recorded, self._chain)
            self._chain = chain_of(body)
            self.events.append(event)
            self.bodies.append(body)
        return tuple(self.events[before:])

    async def read_after(self, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """Up to `limit` stored events behind `seq`."""
        return list(enumerate(self.bodies[seq : seq + limit], seq + 1))

    async def snapshot(self) -> Snapshot | None:
        """The last snapshot."""
        return self._snapshot

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Replace the snapshot."""
        self._snapshot = snapshot

    async def note(self, sql: str, *values: object) -> None:
        """Keep an alert. Raises sqlite3.Error."""
        self._alerts.execute(sql, values)

    async def standing(self) -> tuple[Alert, ...]:
        """The alerts that stand."""
        return tuple(Alert(*row) for row in self._alerts.execute(alerts.STANDING))

    def close(self) -> None:
        """Let go of the alerts."""
        self._alerts.close()
