"""How old the master data is: an alert where its source has not confirmed it for too long, until it does.

Judged by the wall clock, for it is about days: a clock that is behind finds nothing stale.
"""

import asyncio
from datetime import UTC, datetime

from edge.masterdata.store import MasterStore
from edge.ports import Clock
from edge.settings import FOLDER
from sync.store import Store

STALE = "masterdata.stale"
REPLACED = "masterdata.replaced"
DEFAULT_H = 24.0  # of an uplink's; a folder's may rightly stay as it is for weeks
_LOOK_S = 60.0
_HOUR_MS = 3_600_000


class MasterDataAge:
    """Watches one source; `after_h` is the age that a person must hear of, None the default, 0 never."""

    def __init__(
        self, source: str, after_h: float | None, held: MasterStore, store: Store, clock: Clock
    ) -> None:
        self._source = source
        self._after_h = after_h if after_h is not None else 0 if source == FOLDER else DEFAULT_H
        self._held = held
        self._store = store
        self._clock = clock

    async def run(self) -> None:
        """Look every minute until cancelled. Raises StorageFault."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> None:
        """Raise the alert or clear it. Raises StorageFault."""
        now_ms = self._clock.now().wall_ms
        known = await self._held.source(self._source)
        if known is None or not self._after_h or now_ms - known.seen_ms <= self._after_h * _HOUR_MS:
            await self._store.clear_alert(STALE, now_ms)
            return
        since = datetime.fromtimestamp(known.seen_ms / 1000, UTC)
        text = f"Master data is stale: {self._source} last confirmed it on {since:%Y-%m-%d %H:%M} UTC"
        await self._store.raise_alert(STALE, text, _hint(self._source), now_ms)


def invalid(source: str) -> str:
    """The key of the alert for a delivery that does not fit."""
    return f"masterdata.{source}.invalid"


async def settle(store: Store, source: str | None, replaced: str, at_ms: int) -> None:
    """At the start: say what is gone, and clear what is said of sources that are none any more."""
    if replaced:
        hint = "Nothing to do: the next delivery brings it whole. Until then orders and lots are unknown here"
        await store.raise_alert(REPLACED, f"Master data is begun anew: {replaced}", hint, at_ms)
    rows = await store.rows("SELECT key FROM alerts WHERE cleared_ms IS NULL AND key GLOB 'masterdata.*'")
    kept = {REPLACED, *((invalid(source), STALE) if source else ())}
    for key in {row[0] for row in rows} - kept:
        await store.clear_alert(key, at_ms)


def _hint(source: str) -> str:
    if source == FOLDER:
        return (
            "Orders and lots that came since are unknown here. See why no new files are put into the folder"
        )
    return "Orders and lots that came since are unknown here. See why the receiver does not answer"
