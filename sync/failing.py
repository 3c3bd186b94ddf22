"""A receiver that nothing reaches for long: an alert, whatever the reason; the next success clears it.

How long is counted anew after a restart; an alert that stood before stands until delivery goes on.
"""

import asyncio
import re
from pathlib import Path

from edge.ports import Clock
from sync.status import load_outbox
from sync.store import Condition, Store, failing_key

_UNLESS = re.compile("^Nothing to do (here )?unless it lasts[:;] then ")


class Failing:
    """Watches the tries of one receiver."""

    def __init__(self, store: Store, uplink: str, journal: Path, after_min: int, clock: Clock) -> None:
        self._store = store
        self._uplink = uplink
        self._journal = journal
        self._after_min = after_min
        self._clock = clock
        self._since_ms: int | None = None  # monotonic

    async def failed(self, condition: Condition) -> None:
        """A try came to nothing. Raises StorageFault."""
        now_ms = self._clock.now().monotonic_ms
        self._since_ms = now_ms if self._since_ms is None else self._since_ms
        # A pause and a halt have alerts of their own.
        if condition.state == "backoff" and now_ms - self._since_ms >= 60_000 * self._after_min:
            await self._tell(condition)

    def over(self) -> None:
        """The receiver settled something, or is there again."""
        self._since_ms = None

    async def _tell(self, condition: Condition) -> None:
        key = failing_key(self._uplink)
        if await self._store.rows("SELECT 1 FROM alerts WHERE key = ? AND cleared_ms IS NULL", key):
            return
        at = await self._store.cursor(self._uplink)
        place = (at.epoch, at.seq) if at is not None else ("", 0)
        waiting = await asyncio.to_thread(load_outbox, self._journal, *place)
        text = (
            f"{self._uplink}: nothing was delivered for {self._after_min} minutes: {condition.detail}."
            f" {waiting.events} facts wait; nothing is lost, and nothing of them is compared meanwhile"
        )
        await self._store.raise_alert(key, text, _now(condition.hint), self._clock.now().wall_ms)


def _now(hint: str) -> str:
    """What to do now that it lasts."""
    found = _UNLESS.sub("", hint)
    return found[:1].upper() + found[1:]
