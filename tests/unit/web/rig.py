"""A real collector on a real journal, served on loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from edge.collector import Collector
from edge.journal import Journal
from edge.masterdata import MasterData, parse
from edge.web.app import application, listen
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
        self.ready = True
        self.url = ""
        self.server = None

    async def serve(self, language: str = "en", address: str = "127.0.0.1:0") -> None:
        app = application(
            self.collector,
            language=language,
            delivery=lambda: self.delivery,
            ready=lambda: self.ready,
            alive=lambda: True,
        )
        self.server = await listen(app, address)
        self.url = self.server.url

    async def stop_serving(self) -> None:
        await self.server.close()

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
            return (await cursor.fetchone())[0]


@asynccontextmanager
async def rigged(folder: Path, language: str = "en", stations: tuple[str, ...] = ("OP20", "OP30")) -> AsyncIterator[Rig]:
    """A served collector; `stations` of the floor that the other tests use."""
    clock = ManualClock()
    site = Floor().site
    site = msgspec.structs.replace(site, stations={name: site.stations[name] for name in stations})
    async with await Journal.open(folder / "journal.db", "site", "edge", clock) as journal:
        collector = Collector(site, journal, clock, folder / "sync.db")
        await collector.restore()
        collector.master = MasterData(parse(msgspec.json.encode(MASTER)), "etag-1")
        actor = asyncio.create_task(collector.run(), name="collector")
        rig = Rig(collector, journal, clock)
        await rig.serve(language)
        try:
            yield rig
        finally:
            await rig.stop_serving()
            actor.cancel()
            await asyncio.gather(actor, return_exceptions=True)
