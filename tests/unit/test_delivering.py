"""Whether `lineside sync` runs is told from outside, and its absence becomes one alert."""

import asyncio
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from edge.alerts import Alerts
from edge.delivering import ABSENT, GRACE_S, STEADY_S, DeliveryWatch
from edge.faults import StorageFault
from edge.journal import Journal
from edge.lock import Lock, at_work
from sync.store import Store
from tests.unit.clocks import ManualClock
from tests.unit.test_journal import opened


class Site:
    """A watch on a manual clock, and sync's real file beside the journal."""

    def __init__(self, folder: Path, journal: Journal, needed: bool = True) -> None:
        self.store = folder / "sync.db"
        self.clock = ManualClock()
        self.alerts = Alerts(journal, self.clock)
        self.watch = DeliveryWatch(self.store, needed, self.alerts, self.clock)

    async def after(self, seconds: float) -> list[str]:
        """The standing alerts so much later, looked at every second."""
        for _ in range(int(seconds)):
            self.clock.advance(1)
            await self.watch.look()
        return list(self.alerts.standing)

    async def sync(self) -> Store:
        store = await Store.open(self.store)
        store.show()
        return store


async def test_sync_that_is_away_for_a_minute_is_an_alert_until_it_is_back(tmp_path: Path) -> None:
    async with await opened(tmp_path) as journal:
        site = Site(tmp_path, journal)
        sync = await site.sync()
        assert await site.after(3600) == []
        await sync.close()
        assert await site.after(GRACE_S) == []
        assert await site.after(1) == [ABSENT]
        alert = site.alerts.standing[ABSENT]
        assert "lineside sync is not running" in alert.text
        assert "none is lost" in alert.text
        assert "systemctl start lineside-sync" in alert.hint
        async with await site.sync():
            assert await site.after(STEADY_S + 1) == []


async def test_a_restart_or_an_update_of_sync_is_no_alert(tmp_path: Path) -> None:
    async with await opened(tmp_path) as journal:
        site = Site(tmp_path, journal)
        for _ in range(5):
            assert await site.after(GRACE_S - 1) == []
            async with await site.sync():
                assert await site.after(STEADY_S + 1) == []


async def test_sync_that_ends_again_at_each_start_is_an_alert_and_stays_one(tmp_path: Path) -> None:
    async with await opened(tmp_path) as journal:
        site = Site(tmp_path, journal)
        heard = set()
        for _ in range(40):
            async with await site.sync():
                heard.add(tuple(await site.after(2)))
            await site.after(5)
        assert heard == {(), (ABSENT,)}
        assert len([one for one in await journal.standing() if one.key == ABSENT]) == 1


async def test_a_start_that_is_refused_is_not_delivery(tmp_path: Path) -> None:
    with Lock(tmp_path / "sync.db", "sync"):  # before its files are open, or a backup that copies them
        assert not at_work(tmp_path / "sync.db")


async def test_without_work_for_sync_nobody_misses_it(tmp_path: Path) -> None:
    async with await opened(tmp_path) as journal:
        site = Site(tmp_path, journal, needed=False)
        await site.alerts.stand(ABSENT, "from before the uplink was taken out", "")
        assert await site.after(3 * GRACE_S) == []


async def figure(site: Site) -> float | None:
    """What Prometheus is told while the watch runs; None where there is no such figure."""
    running = asyncio.create_task(site.watch.run())
    try:
        await asyncio.sleep(0)  # its first look
        return REGISTRY.get_sample_value("lineside_sync_up")
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_without_work_for_sync_no_figure_looks_like_an_outage(tmp_path: Path) -> None:
    async with await opened(tmp_path) as journal:
        assert await figure(Site(tmp_path, journal, needed=False)) is None
        site = Site(tmp_path, journal)
        assert await figure(site) == 0
        async with await site.sync():
            assert await figure(site) == 1
        assert REGISTRY.get_sample_value("lineside_sync_up") is None


async def test_who_looks_is_never_in_the_way_of_one_who_starts(tmp_path: Path) -> None:
    store, looks, done = tmp_path / "sync.db", 0, False

    def look() -> None:
        nonlocal looks
        while not done:
            at_work(store)
            looks += 1

    looking = [asyncio.create_task(asyncio.to_thread(look)) for _ in range(2)]
    for _ in range(2000):
        with Lock(store, "sync") as lock:
            lock.show()
            assert at_work(store)
        await asyncio.sleep(0)
    done = True
    await asyncio.gather(*looking)
    assert looks > 1000


def test_a_lock_file_that_is_none_says_that_nobody_is_at_work(tmp_path: Path) -> None:
    assert not at_work(tmp_path / "sync.db")
    (tmp_path / "sync.lock").mkdir()
    assert not at_work(tmp_path / "sync.db")


async def test_a_lock_file_that_cannot_be_read_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "sync.lock").symlink_to(tmp_path / "sync.lock")  # no rights would be none to root
    with pytest.raises(StorageFault, match="chown lineside"):
        at_work(tmp_path / "sync.db")
    async with await opened(tmp_path) as journal:
        site = Site(tmp_path, journal)
        assert await site.after(GRACE_S + 1) == [ABSENT]
        before = site.alerts.standing[ABSENT]
        assert "cannot be told" in before.text
        (tmp_path / "sync.lock").unlink()
        assert await site.after(1) == [ABSENT]
        (kept,) = await journal.standing()
        assert kept == site.alerts.standing[ABSENT]
        assert "is not running" in kept.text and "`lineside run`" in kept.hint
        assert kept.raised_ms == before.raised_ms
