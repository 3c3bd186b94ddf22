"""Tells one webhook what it has yet to hear, at least once: what it took is noted after its answer.

A process killed between answer and note tells a notice again. One that is refused does not hold up those
behind it; three in a row end the round. While that lasts for five minutes, it is an alert.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import aiosqlite
import structlog

from edge.alerts import Alert
from edge.faults import Fault
from edge.ports import Clock
from edge.settings import Edge, Webhook
from sync.backoff import Backoff
from sync.status import load_alerts_since
from sync.store import Store
from sync.webhooks.body import Template
from sync.webhooks.call import Caller, NotTaken
from sync.webhooks.due import Notice, due, failing_key

_log = structlog.get_logger("lineside.sync")
_LOOK_S = 3.0
_REFUSED_MAX = 3  # in a row: then it is not the notice
_SAID_AFTER_MS = 300_000
_DAY_MS = 86_400_000
_KEPT_DAYS = 30  # what was over so long ago is neither told nor noted any more


class WebhookAgent:
    """One webhook with absolute paths; `journal` and the store's file hold the alerts."""

    def __init__(
        self,
        webhook: Webhook,
        edge: Edge,
        store: Store,
        journal: Path,
        clock: Clock,
        backoff: Backoff | None = None,
    ) -> None:
        self._webhook = webhook
        self._edge = edge
        self._store = store
        self._files = (journal, store.path)
        self._clock = clock
        self._backoff = backoff or Backoff(webhook.backoff_max_s)
        self._failed = 0  # rounds in a row
        self._failing_ms: int | None = None

    async def run(self) -> None:
        """Tell until cancelled. Raises StorageFault, TemplateFault."""
        caller = Caller(self._webhook, Template(self._webhook, self._edge), self._now_ms)
        try:
            since_ms = await self._begin()
            while True:
                wait_s = await self.round(caller, since_ms)
                await asyncio.sleep(wait_s)
        finally:
            await caller.close()

    async def round(self, caller: Caller, since_ms: int) -> float:
        """Tell what is due now; seconds until the next look. Raises StorageFault."""
        fault: Fault | None = None
        told = refused = 0
        for notice in await self._due(since_ms):
            try:
                await caller.tell(notice)
            except Fault as error:
                fault = error
                refused += 1
                if not isinstance(error, NotTaken) or not error.refused or refused >= _REFUSED_MAX:
                    break
                continue
            told, refused = told + 1, 0
            await self._note(notice)
        if fault is not None:
            return await self._failing(fault, told)
        await self._recovered()
        return _LOOK_S

    async def _due(self, since_ms: int) -> Sequence[Notice]:
        alerts = await self._alerts(since_ms)
        rows = await self._store.rows(
            "SELECT key, raised_ms, what FROM notices WHERE webhook = ?", self._webhook.name
        )
        taken = {(row[0], row[1], row[2]) for row in rows}
        return due(self._webhook, alerts, taken, since_ms, self._now_ms())

    async def _alerts(self, since_ms: int) -> list[Alert]:
        """What stands, and what was cleared since, in both files. Raises StorageFault."""
        found: list[Alert] = []
        for path in self._files:
            found += await asyncio.to_thread(load_alerts_since, path, since_ms)
        return found

    async def _begin(self) -> int:
        """From when on this webhook hears what is over; notes of what was over long before are forgotten."""
        name, now_ms = self._webhook.name, self._now_ms()
        forgotten_ms = now_ms - _KEPT_DAYS * _DAY_MS
        known = {(one.key, one.raised_ms) for one in await self._alerts(forgotten_ms)}
        rows = await self._store.rows(
            "SELECT key, raised_ms FROM notices WHERE webhook = ? AND at_ms < ?", name, forgotten_ms
        )
        old = [(name, *row) for row in rows if tuple(row) not in known]

        async def work(connection: aiosqlite.Connection) -> None:
            await connection.execute(_SINCE, (name, now_ms, forgotten_ms))
            await connection.executemany(_FORGET, old)

        await self._store.transact(work)
        rows = await self._store.rows("SELECT since_ms FROM webhooks WHERE webhook = ?", name)
        return int(rows[0][0])

    async def _note(self, notice: Notice) -> None:
        async def work(connection: aiosqlite.Connection) -> None:
            await connection.execute(
                "INSERT INTO notices (webhook, key, raised_ms, what, at_ms) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (self._webhook.name, *notice.name, self._now_ms()),
            )

        await self._store.transact(work)

    async def _failing(self, fault: Fault, told: int) -> float:
        now_ms = self._now_ms()
        if self._failing_ms is None:
            self._failing_ms = now_ms
            _log.warning("webhook fails", webhook=self._webhook.name, error=fault.message, hint=fault.hint)
        self._failed = 0 if told else self._failed + 1
        if now_ms - self._failing_ms >= _SAID_AFTER_MS:
            text = f"Webhook {self._webhook.name} does not take alerts: {fault.message}"
            await self._store.raise_alert(failing_key(self._webhook.name), text, fault.hint, now_ms)
        return self._backoff.delay_s(self._failed, fault.wish_s if isinstance(fault, NotTaken) else None)

    async def _recovered(self) -> None:
        """Nothing that is due was left untold."""
        if self._failing_ms is not None:
            _log.info("webhook takes alerts again", webhook=self._webhook.name)
            await self._store.clear_alert(failing_key(self._webhook.name), self._now_ms())
        self._failed, self._failing_ms = 0, None

    def _now_ms(self) -> int:
        return self._clock.now().wall_ms


_SINCE = (
    "INSERT INTO webhooks (webhook, since_ms) VALUES (?, ?)"
    " ON CONFLICT (webhook) DO UPDATE SET since_ms = max(since_ms, ?)"
)
_FORGET = "DELETE FROM notices WHERE webhook = ? AND key = ? AND raised_ms = ?"
