"""Master data from the ERP: asked for at start and at every interval, kept in masterdata.db.

A delivery is taken as a whole or not at all; one that does not fit leaves what is held in use and raises an
alert. A 404 means that the receiver offers none.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from edge.faults import MasterDataInvalid, UplinkFault
from edge.masterdata.store import Delivery, MasterStore
from edge.ports import Clock
from sync.backoff import WISH_MAX_S
from sync.masterage import REPLACED, STALE, invalid
from sync.metrics import Metrics
from sync.outcome import Answer, retry_after_s, said_in
from sync.store import Store
from sync.uplink import Uplink

_log = structlog.get_logger("lineside.sync")

_NOTED_MS = 60_000  # how often it is written down that nothing is new


class MasterDataFetch:
    """Keeps masterdata.db as new as one uplink's."""

    def __init__(
        self,
        uplink: Uplink,
        held: MasterStore,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._uplink = uplink
        self._held = held
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
        known = await self._held.source(self._uplink.name)
        etag = known.etag if known and known.place == self._url else None
        try:
            answer = await self._uplink.fetch_masterdata(etag)
        except UplinkFault as fault:
            self._say(fault.message, fault.hint)
            return 0.0
        if answer.status == 200:
            await self._take(answer)
        elif answer.status == 304:
            await self._confirmed(known.seen_ms if known else 0)
        elif answer.status == 404:
            self._say("not offered", "")
        else:
            self._say(f"answered {answer.status}{said_in(answer.body)}", "Events continue all the same")
        if answer.status in (200, 304) and not self._trouble:
            self._metrics.masterdata_fetched(self._uplink.name, self._clock.now().wall_ms)
        return retry_after_s(answer.headers, self._clock.now().wall_ms) or 0.0

    async def _take(self, answer: Answer) -> None:
        now_ms, etag = self._clock.now().wall_ms, answer.headers.get("etag")
        try:
            await self._held.take(Delivery(answer.body, self._uplink.name, self._url, etag, now_ms))
        except MasterDataInvalid as fault:
            text = f"{self._uplink.name}: {fault.message}"
            await self._store.raise_alert(self._alert, text, fault.hint, now_ms)
            self._say(text, fault.hint)
            return
        await self._fresh(now_ms)

    async def _confirmed(self, seen_ms: int) -> None:
        now_ms = self._clock.now().wall_ms
        if abs(now_ms - seen_ms) >= _NOTED_MS:
            await self._held.seen(self._uplink.name, now_ms)
        await self._fresh(now_ms)

    async def _fresh(self, now_ms: int) -> None:
        """What is held is the receiver's newest."""
        for key in (self._alert, STALE, REPLACED):
            await self._store.clear_alert(key, now_ms)
        self._say("", "")

    @property
    def _alert(self) -> str:
        return invalid(self._uplink.name)

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
