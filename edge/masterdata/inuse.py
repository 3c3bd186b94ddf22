"""The master data that the line works with now: taken up within about a second of its delivery.

What cannot be read while it is looked up is let go, and the line goes on without it: its checks only warn.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog
from prometheus_client import Gauge

from edge.alerts import Alerts
from edge.faults import MasterDataUnreadable
from edge.masterdata.held import MasterData
from edge.masterdata.lookup import Reader

log = structlog.get_logger()

LOOK_S = 1.0
SEEN = Gauge(
    "lineside_masterdata_timestamp_seconds", "When the master data in use was last known to be the newest"
)
_UNREADABLE = "masterdata.unreadable"


class InUse:
    """Follows masterdata.db. `changed` is called when something else is in use."""

    def __init__(self, path: Path, alerts: Alerts, changed: Callable[[], None]) -> None:
        self.now = MasterData()
        self._reader = Reader(path)
        self._alerts = alerts
        self._changed = changed
        self._troubled = False
        self._lost: MasterDataUnreadable | None = None  # not yet an alert

    async def run(self) -> None:
        """Look every second until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Take up what is new. What cannot be read leaves what is in use."""
        if (lost := self._lost) is not None:
            self._lost = None
            await self._alerts.stand(_UNREADABLE, f"No master data in use: {lost.message}", lost.hint)
        try:
            found = await asyncio.to_thread(self._reader.news)
        except MasterDataUnreadable as fault:
            if not self._troubled:
                log.warning("master data held before stays in use", error=fault.message, hint=fault.hint)
            self._troubled = True
            return
        self._troubled = False
        if found is not None:
            await self._take_up(found)

    def lose(self, fault: MasterDataUnreadable) -> None:
        """A lookup failed: go on without, until something else is delivered."""
        log.error("the line goes on without master data", error=fault.message, hint=fault.hint)
        self.now, self._lost = self._reader.lost(fault), fault

    async def _take_up(self, found: MasterData) -> None:
        before, self.now = self.now, found
        SEEN.set((found.fetched_ms or 0) / 1000)
        if found.document is not before.document:
            log.info("master data taken up", etag=found.etag)
            await self._alerts.clear(_UNREADABLE)
        self._changed()
