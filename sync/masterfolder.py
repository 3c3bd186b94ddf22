"""Master data from a folder: looked at every few seconds, taken when its files have been quiet.

Taken whole or not at all, like an ERP's delivery: a file that does not fit leaves what is held in use, and an
alert names file, line, column and what is allowed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from edge.faults import MasterDataInvalid
from edge.masterdata import folder
from edge.masterdata.folder import Content, Stamp
from edge.masterdata.store import Delivery, MasterStore
from edge.ports import Clock
from edge.settings import FOLDER
from sync.masterage import REPLACED, invalid
from sync.metrics import Metrics
from sync.store import Store

_log = structlog.get_logger("lineside.sync")

LOOK_S = 2.0  # files that did not change from one look to the next are not being written any more


class MasterDataFolder:
    """Keeps masterdata.db as the folder has it."""

    def __init__(
        self,
        path: Path,
        held: MasterStore,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._path = path
        self._held = held
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._sleep = sleep
        self._seen: Stamp | None = None  # at the last look
        self._taken: Stamp | None = None  # what was taken or refused last
        self._trouble = ""

    async def run(self) -> None:
        """Look until cancelled. Raises StorageFault."""
        while True:
            await self.look()
            await self._sleep(LOOK_S)

    async def look(self) -> bool:
        """Take the folder where it changed and is quiet; whether it was read. Raises StorageFault."""
        try:
            seen, before = await asyncio.to_thread(folder.stamp, self._path), self._seen
        except MasterDataInvalid as fault:
            await self._refuse(fault)
            self._seen = self._taken = None
            return False
        self._seen = seen
        if seen == self._taken or seen != before or not seen:
            return False
        try:
            content = await asyncio.to_thread(folder.read, self._path)
            if await asyncio.to_thread(folder.stamp, self._path) != seen:
                return False  # written meanwhile: it is read again when it is quiet
            await self._take(content)
        except MasterDataInvalid as fault:
            await self._refuse(fault)
        self._taken = seen
        return True

    async def _take(self, content: Content) -> None:
        now_ms = self._clock.now().wall_ms
        written_ms = min(content.written_ms, now_ms)  # the files' age is the data's
        delivery = Delivery(content.body, FOLDER, str(self._path), content.etag, written_ms)
        await self._held.take(delivery)
        for key in (invalid(FOLDER), REPLACED):
            await self._store.clear_alert(key, now_ms)
        self._metrics.masterdata_fetched(FOLDER, written_ms)
        if self._trouble:
            _log.info("master data of the folder is taken again", folder=str(self._path))
        self._trouble = ""

    async def _refuse(self, fault: MasterDataInvalid) -> None:
        """One log line and one alert for each trouble; a new one takes the place of the old."""
        if fault.message == self._trouble:
            return
        now_ms, self._trouble = self._clock.now().wall_ms, fault.message
        _log.warning("no new master data", folder=str(self._path), detail=fault.message, hint=fault.hint)
        await self._store.clear_alert(invalid(FOLDER), now_ms)
        await self._store.raise_alert(invalid(FOLDER), fault.message, fault.hint, now_ms)
