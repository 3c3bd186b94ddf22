"""Watches that `lineside sync` runs, for it cannot report its own absence.

- `sync.absent`: it has not run for `GRACE_S`, though the configuration has work for it. Cleared once it has
  run for `STEADY_S` at a stretch: one that ends again at each start is not back.

A restart, or an update, is shorter than that and raises nothing. Facts wait in the journal meanwhile.
"""

import asyncio
from pathlib import Path

from prometheus_client import REGISTRY, Gauge

from edge.alerts import Alerts
from edge.faults import StorageFault
from edge.lock import at_work
from edge.ports import Clock
from edge.readings import Moment

ABSENT = "sync.absent"
NOT_RUNNING = "lineside sync is not running"
START = (
    "Start it: systemctl start lineside-sync, or `lineside run` where that does both; where it ends again,"
    " its log says why: journalctl -eu lineside-sync"
)
GRACE_S = 60
STEADY_S = 10
LOOK_S = 2.0
# Only where sync has work is there such a figure: 0 is an outage to whoever reads it.
UP = Gauge("lineside_sync_up", "Whether the delivery process runs", registry=None)


class DeliveryWatch:
    """Looks every two seconds until cancelled. `store` is sync's file, `needed` whether sync has work."""

    def __init__(self, store: Path, needed: bool, alerts: Alerts, clock: Clock) -> None:
        self._store = store
        self._needed = needed
        self._alerts = alerts
        self._clock = clock
        self._gone: Moment | None = None  # since when it is not there, or there for a moment only
        self._here: Moment | None = None  # since when it is there

    async def run(self) -> None:
        """Look, wait; for ever."""
        if self._needed:
            REGISTRY.register(UP)
        try:
            while True:
                await self.look()
                await asyncio.sleep(LOOK_S)
        finally:
            if self._needed:
                REGISTRY.unregister(UP)

    async def look(self) -> None:
        """Raise and clear what is due."""
        if not self._needed:
            await self._alerts.clear(ABSENT)
            return
        now, unknown, runs = self._clock.now(), None, False
        try:
            runs = at_work(self._store)
        except StorageFault as fault:
            unknown = fault
        UP.set(runs)
        if runs:
            self._here = self._here or now
            if now.since(self._here) >= STEADY_S * 1000:
                self._gone = None
                await self._alerts.clear(ABSENT)
            return
        self._here, self._gone = None, self._gone or now
        if now.since(self._gone) >= GRACE_S * 1000:
            await self._say(unknown)

    async def _say(self, unknown: StorageFault | None) -> None:
        if unknown is not None:
            text = f"Whether lineside sync runs cannot be told: {unknown.message}"
            await self._alerts.say(ABSENT, text, unknown.hint)
        else:
            text = f"{NOT_RUNNING}: nothing is delivered. Facts are recorded and wait here, none is lost"
            await self._alerts.say(ABSENT, text, START)
