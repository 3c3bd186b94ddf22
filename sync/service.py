"""The sync process put together: one agent per uplink, its master data, one page for health and metrics.

`Sync.parts` names what runs; whoever supervises starts each, and starts a part again that ended in a Fault.
The parts share one store; `close` comes after all of them.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.alerts import Alert
from edge.calendar import Calendar
from edge.masterdata.store import MASTERDATA, MasterStore
from edge.ports import Clock
from edge.settings import Settings
from sync import exposure, masterage, registry
from sync.agent import Agent
from sync.certificates.record import load_standing
from sync.keeping import Keeping
from sync.listener import Listener, Views
from sync.masterdata import MasterDataFetch
from sync.masterfolder import MasterDataFolder
from sync.metrics import Metrics
from sync.reconciler import Outcome, Reconciler
from sync.reserve import Reserve
from sync.status import Outbox, UplinkStatus, load_outbox, load_status
from sync.store import Store
from sync.uplink import Uplink

if TYPE_CHECKING:
    from sync.mqtt.bus import Bus

Part = tuple[str, Callable[[], Coroutine[Any, Any, None]]]
STORE = "sync.db"
JOURNAL = "journal.db"


@dataclass(frozen=True)
class Page:
    """What `/status` shows."""

    uplinks: tuple[UplinkStatus, ...]
    outboxes: Mapping[str, Outbox]
    alerts: tuple[Alert, ...]


class Sync:
    """All uplinks of one edge. Open it with `async with await Sync.open(...)`."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        held: MasterStore,
        uplinks: Mapping[str, Uplink],
        buses: Mapping[str, Any],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._store = store
        self._held = held
        self._uplinks = uplinks
        self._clock = clock
        self._journal = settings.edge.data_dir / JOURNAL
        self._metrics = Metrics()
        self._buses = {
            name: _bus(name, one, settings, store, held, clock, self._metrics, self._journal)
            for name, one in buses.items()
        }
        self._agents = {
            name: Agent(uplink, store, self._journal, clock, self._metrics)
            for name, uplink in uplinks.items()
        }
        calendar = Calendar(settings.edge.zone, settings.shifts, settings.posting)
        self._reconcilers = {
            name: Reconciler(uplink, store, self._journal, calendar, clock, self._agents[name].resend)
            for name, uplink in uplinks.items()
        }
        views = Views(self._ready, self._scrape, self.page, self.reconciled)
        self.listener = Listener(settings.sync.listen, views)

    @classmethod
    async def open(cls, settings: Settings, clock: Clock) -> "Sync":
        """Open sync.db and make the uplinks; connects to nothing. Raises StorageFault."""
        folder = settings.path.parent.absolute()
        given = os.environ.get("CREDENTIALS_DIRECTORY")
        credentials = Path(given) if given else None
        built = {
            name: registry.build(name, uplink, folder, credentials, clock)
            for name, uplink in settings.uplinks.items()
        }
        uplinks = {name: uplink for name, uplink in built.items() if uplink is not None}
        buses = {
            name: settings.uplinks[name].located(folder, credentials) for name in built if name not in uplinks
        }
        receivers = settings.receivers
        store, held = await Store.open(settings.edge.data_dir / STORE), None
        try:
            await store.begin_anew(receivers, clock.now().wall_ms)
            await store.retire(receivers, clock.now().wall_ms)
            webhooks = [one.located(folder, credentials) for one in settings.webhooks]
            await exposure.settle(store, exposure.exposed(settings, webhooks), clock.now().wall_ms)
            held = await MasterStore.open(settings.edge.data_dir / MASTERDATA)
            source = settings.masterdata_source
            await masterage.settle(store, source, held.replaced, clock.now().wall_ms)
            store.show()  # last: a start that fails again and again is no delivery
        except BaseException:
            if held is not None:
                await held.close()
            await store.close()
            raise
        return cls(settings, store, held, uplinks, buses, clock)

    def parts(self) -> list[Part]:
        """What runs, by name; each runs until cancelled or raises a Fault, and may be started again."""
        keeping = Keeping(self._store, self._journal, self._settings.storage, self._clock)
        parts: list[Part] = [
            ("sync-listener", self.listener.run),
            ("sync-reserve", Reserve(self._store).run),
            ("sync-keeping", keeping.run),
        ]
        parts += [(f"sync-{name}", self._agents[name].run) for name in self._uplinks]
        parts += [(f"sync-{name}", bus.run) for name, bus in self._buses.items()]
        parts += [
            (f"sync-{name}-reconciliation", one.run)
            for name, one in self._reconcilers.items()
            if one.when != "off"
        ]
        return [*parts, *self._masterdata_parts(), *self._webhook_parts()]

    def _webhook_parts(self) -> list[Part]:
        """Who hears of alerts."""
        if not self._settings.webhooks:
            return []
        from sync.webhooks.agent import WebhookAgent  # Jinja2 is loaded where somebody wants it

        folder, given = self._settings.path.parent.absolute(), os.environ.get("CREDENTIALS_DIRECTORY")
        located = [one.located(folder, Path(given) if given else None) for one in self._settings.webhooks]
        return [
            (
                f"sync-webhook-{one.name}",
                WebhookAgent(one, self._settings.edge, self._store, self._journal, self._clock).run,
            )
            for one in located
        ]

    def _masterdata_parts(self) -> list[Part]:
        """Who brings master data, and who says that it grew old."""
        source, folder = self._settings.masterdata_source, self._settings.masterdata_folder
        if source is None:
            return []
        after_h = self._settings.masterdata.stale_after_h
        age = masterage.MasterDataAge(source, after_h, self._held, self._store, self._clock)
        if folder is not None:
            taking = MasterDataFolder(folder, self._held, self._store, self._clock, self._metrics)
            run = taking.run
        elif source in self._uplinks:
            uplink = self._uplinks[source]
            run = MasterDataFetch(uplink, self._held, self._store, self._clock, self._metrics).run
        else:
            return [("sync-masterdata-age", age.run)]  # it comes over a bus
        return [(f"sync-{source}-masterdata", run), ("sync-masterdata-age", age.run)]

    async def reconciled(self, uplink: str) -> Outcome | None:
        """Compare everything settled with a receiver now; None where there is none of this name.

        Raises UplinkFault: it gives no answer.
        """
        one = self._reconcilers.get(uplink)
        return await one.now() if one is not None else None

    async def page(self) -> Page:
        """Where everything stands now. Raises StorageFault."""
        status = await asyncio.to_thread(load_status, self._store.path)
        outboxes = {
            one.uplink: await asyncio.to_thread(load_outbox, self._journal, one.epoch, one.seq)
            for one in status.uplinks
            if one.uplink in self._settings.receivers
        }
        return Page(status.uplinks, outboxes, status.alerts)

    async def close(self) -> None:
        """Let go of connections and files; the parts must have ended."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._store.close)
            stack.push_async_callback(self._held.close)
            for uplink in self._uplinks.values():
                stack.push_async_callback(uplink.close)

    async def __aenter__(self) -> "Sync":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _ready(self) -> bool:
        agents = all(agent.running for agent in self._agents.values())
        return agents and all(bus.running for bus in self._buses.values())

    async def _scrape(self) -> bytes:
        page = await self.page()
        proven = await asyncio.to_thread(load_standing, self._store.path)
        proven = {name: one for name, one in proven.items() if name in self._settings.receivers}
        return self._metrics.scrape(page.uplinks, page.alerts, page.outboxes, proven, self._clock.now())


def _bus(name: str, *rest: Any) -> "Bus":
    from sync.mqtt.bus import Bus  # paho-mqtt takes a moment to import: only who uses it waits

    return Bus(name, *rest)


async def serve(settings: Settings, clock: Clock) -> None:
    """Run everything until cancelled, unsupervised: the first Fault ends it."""
    async with await Sync.open(settings, clock) as sync, asyncio.TaskGroup() as tasks:
        for name, run in sync.parts():
            tasks.create_task(run(), name=name)
