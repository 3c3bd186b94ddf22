"""A real collector on a real journal, served on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import msgspec
from msgspec.structs import replace

from edge.collector import Collector
from edge.faults import StorageFault
from edge.journal import Journal
from edge.masterdata import MasterData, parse
from edge.readings import Scan
from edge.station.pending import PendingReport
from edge.web.app import Listener, application, listen
from edge.web.delivery import Delivery, Receiver
from tests.unit.clocks import ManualClock
from tests.unit.station.floor import MASTER, Floor

ONLINE = Delivery((Receiver("erp", True, "idle"),))


class Rig:
    """The collector as the pages see it."""

    def __init__(self, collector: Collector, journal: Journal, clock: ManualClock) -> None:
        self.collector = collector
        self.journal = journal
        self.clock = clock
        self.delivery = ONLINE
        self.before_delivery: Callable[[], None] = lambda: None
        self.ready = True
        self.alive = True
        self.url = ""
        self.server: Listener | None = None

    async def serve(self, language: str = "en", address: str = "127.0.0.1:0") -> None:
        app = application(
            self.collector,
            language=language,
            journal=self.journal.path,
            delivery=self._delivered,
            ready=lambda: self.ready,
            alive=lambda: self.alive,
        )
        self.server = await listen(app, address)
        self.url = self.server.url

    async def stop_serving(self) -> None:
        if self.server is not None:
            await self.server.close()

    def propose(self, counted: str) -> None:
        """As if a counter had proposed that figure for the pending report of OP20."""
        live = self.collector.lives["OP20"]
        assert isinstance(live.pending, PendingReport)
        pending = replace(live.pending, counter=Decimal(counted), total=Decimal(counted))
        self.collector.lives["OP20"] = replace(live, pending=pending)

    def gun(self, text: str) -> None:
        """A scan at the station's own scanner."""
        self.collector.scan(Scan("gun1", text, self.clock.now()))

    def break_storage(self) -> None:
        """As if a commit had just failed."""
        fault = StorageFault("journal.db cannot be used: disk is full", hint="Free space on this disk")
        self.collector.storage_fault = fault

    def fail_delivery(self, message: str) -> None:
        def fail() -> None:
            raise StorageFault(message)

        self.before_delivery = fail

    def _delivered(self) -> Delivery:
        self.before_delivery()
        return self.delivery

    async def fill_disk(self) -> None:
        """From now on SQLite has no page left: a real SQLITE_FULL at the next commit."""
        pages = await self._pragma("page_count")
        await self._pragma(f"max_page_count = {pages}")

    async def free_disk(self) -> None:
        await self._pragma("max_page_count = 1000000")

    async def facts(self) -> list[str]:
        """Types of the facts of stations, in order."""
        rows = await self.journal.read_after(1, 1000)
        return [msgspec.json.decode(body)["type"].removeprefix("lineside.") for _, body in rows]

    async def _pragma(self, text: str) -> int:
        async with self.journal._connection.execute(f"PRAGMA {text}") as cursor:
            row = await cursor.fetchone()
            return int(row[0]) if row else 0


@asynccontextmanager
async def rigged(
    folder: Path, language: str = "en", stations: tuple[str, ...] = ("OP20", "OP30")
) -> AsyncIterator[Rig]:
    """A served collector; `stations` of the floor that the other tests use."""
    clock = ManualClock()
    site = Floor().site
    site = replace(site, stations={name: site.stations[name] for name in stations})
    async with await Journal.open(folder / "journal.db", "site", "edge", clock) as journal:
        collector = Collector(site, journal, clock, folder / "masterdata.db")
        await collector.restore()
        collector.masterdata.now = MasterData(parse(msgspec.json.encode(MASTER)), "etag-1")
        actor = asyncio.create_task(collector.run(), name="collector")
        rig = Rig(collector, journal, clock)
        await rig.serve(language)
        try:
            yield rig
        finally:
            await rig.stop_serving()
            actor.cancel()
            await asyncio.gather(actor, return_exceptions=True)
