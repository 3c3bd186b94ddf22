"""Master data from the ERP: asked for at start and at every interval, kept in sync.db.

A delivery is taken as a whole or not at all; one that does not fit leaves what is held in use and raises an
alert. A 404 means that the receiver offers none.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

import aiosqlite
import structlog

from edge import masterdata, masterstore
from edge.faults import MasterDataInvalid, UplinkFault
from edge.ports import Clock
from sync.backoff import WISH_MAX_S
from sync.metrics import Metrics
from sync.outcome import Answer, excerpt, retry_after_s
from sync.store import Store
from sync.uplink import Uplink

_log = structlog.get_logger("lineside.sync")


class MasterDataFetch:
    """Keeps sync.db's master data as new as one uplink's."""

    def __init__(
        self,
        uplink: Uplink,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._uplink = uplink
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._sleep = sleep
        self._chance = chance
        self._trouble = ""

    async def run(self) -> None:
        """Fetch until cancelled. Raises StorageFault."""
        interval_s = self._uplink.settings.masterdata_interval_s
        while True:
            wish_s = await self.fetch()
            # A tenth of jitter keeps the edges of a plant from asking in step.
            await self._sleep(max(interval_s * (0.95 + self._chance() / 10), min(wish_s, WISH_MAX_S)))

    async def fetch(self) -> float:
        """Fetch once; returns how many seconds the receiver asks to wait. Raises StorageFault."""
        try:
            answer = await self._uplink.fetch_masterdata(await self._etag())
        except UplinkFault as fault:
            self._say(fault.message, fault.hint)
            return 0.0
        if answer.status == 200:
            await self._take(answer)
        elif answer.status in (304, 404):
            self._say("" if answer.status == 304 else "not offered", "")
        else:
            self._say(f"answered {answer.status}{excerpt(answer.body)}", "Events continue all the same")
        if answer.status in (200, 304) and not self._trouble:
            self._metrics.masterdata_fetched(self._uplink.name, self._clock.now().wall_ms)
        return retry_after_s(answer.headers, self._clock.now().wall_ms) or 0.0

    async def _take(self, answer: Answer) -> None:
        now_ms, etag = self._clock.now().wall_ms, answer.headers.get("etag")
        try:
            rows = list(masterstore.rows(masterdata.parse(answer.body), etag, now_ms))
        except (MasterDataInvalid, RecursionError) as error:
            text = f"{self._uplink.name}: {error.message if isinstance(error, MasterDataInvalid) else error}"
            await self._store.raise_alert(self._alert, text, _HINT, now_ms)
            self._say(text, _HINT)
            return

        async def work(connection: aiosqlite.Connection) -> None:
            await connection.executemany("INSERT OR REPLACE INTO masterdata VALUES (?, ?, ?, ?)", rows)
            await connection.execute(
                "INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?)", (self._uplink.name, self._url, etag)
            )

        await self._store.transact(work)
        await self._store.clear_alert(self._alert, now_ms)
        self._say("", "")

    async def _etag(self) -> str | None:
        rows = await self._store.rows(
            "SELECT etag FROM deliveries WHERE uplink = ? AND url = ?", self._uplink.name, self._url
        )
        return next((row[0] for row in rows), None)

    @property
    def _alert(self) -> str:
        return f"masterdata.{self._uplink.name}.invalid"

    @property
    def _url(self) -> str:
        return str(getattr(self._uplink.settings, "url", ""))

    def _say(self, trouble: str, hint: str) -> None:
        """One log line when the trouble begins or changes, one when it is over."""
        if trouble and trouble != self._trouble:
            _log.warning("no new master data", uplink=self._uplink.name, detail=trouble, hint=hint)
        elif self._trouble and not trouble:
            _log.info("master data is fetched again", uplink=self._uplink.name)
        self._trouble = trouble


_HINT = "The data held before stays in use; correct it in the ERP"
