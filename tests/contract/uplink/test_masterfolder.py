"""A folder's master data is swapped in when it is quiet; a bad file keeps the old; age becomes an alert."""

import os
from pathlib import Path

import pytest
from aiohttp import web

from edge.masterdata.lookup import load
from edge.masterdata.store import Delivery
from sync import masterage
from sync.masterage import MasterDataAge
from sync.masterfolder import MasterDataFolder
from tests.contract.uplink.rig import START_MS, Rig, rigged
from tests.contract.uplink.test_masterdata import PEOPLE, fetching

HOUR_MS = 3_600_000


def following(rig: Rig) -> MasterDataFolder:
    path = rig.folder / "masterdata"
    path.mkdir(exist_ok=True)
    return MasterDataFolder(path, rig.held, rig.store, rig.time, rig.metrics, sleep=rig.time.sleep)


def put(rig: Rig, name: str, text: str, at_ms: int = START_MS) -> None:
    path = rig.folder / "masterdata" / name
    path.write_text(text)
    os.utime(path, ns=(at_ms * 1_000_000, at_ms * 1_000_000))


async def test_files_are_taken_when_two_looks_find_them_the_same(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        taking = following(rig)
        put(rig, "people.csv", "person\n1042\n")
        assert not await taking.look()
        put(rig, "people.csv", "person\n1042\n1043\n")  # still being written
        assert not await taking.look()
        assert await taking.look()
        assert list(load(rig.held.path).badges) == ["1042", "1043"]
        assert not await taking.look()  # once


async def test_a_bad_file_keeps_the_old_and_its_alert_says_where_until_it_is_right(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        taking = following(rig)
        put(rig, "people.csv", "person\n1042\n")
        await taking.look()
        await taking.look()
        put(rig, "lots.csv", "material,lot,status\nS,A,open\n", START_MS + 1)
        for _ in range(3):
            await taking.look()
        assert rig.alerts() == ["masterdata.folder.invalid"]
        assert list(load(rig.held.path).badges) == ["1042"] and load(rig.held.path).document.lots is None
        put(rig, "lots.csv", "material,lot,status\nS,A,blocked\n", START_MS + 2)
        await taking.look()
        await taking.look()
        assert rig.alerts() == [] and list(load(rig.held.path).lots) == ["A"]


async def test_a_folder_that_goes_and_comes_back_is_an_alert_meanwhile(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        taking = following(rig)
        put(rig, "people.csv", "person\n1042\n")
        await taking.look()
        await taking.look()
        (tmp_path / "masterdata").rename(tmp_path / "away")
        await taking.look()
        assert rig.alerts() == ["masterdata.folder.invalid"]
        (tmp_path / "away").rename(tmp_path / "masterdata")
        await taking.look()
        await taking.look()
        assert rig.alerts() == []


@pytest.mark.parametrize(("after_h", "stale_at_h"), [(None, 24), (2, 2), (0, None)])
async def test_what_no_receiver_confirms_becomes_stale_and_a_304_ends_that(
    after_h: float | None, stale_at_h: int | None, tmp_path: Path
) -> None:
    async with rigged(tmp_path) as rig:
        age = MasterDataAge("erp", after_h, rig.held, rig.store, rig.time)
        await age.look()
        assert rig.alerts() == []  # nothing was ever offered
        fetch = fetching(rig)
        rig.receiver.masterdata = lambda request: (
            web.Response(status=304)
            if request.headers.get("If-None-Match")
            else web.json_response(PEOPLE, headers={"ETag": '"1"'})
        )
        await fetch.fetch()
        for hours in (1, 30):
            rig.time.now_ms = START_MS + hours * HOUR_MS
            await age.look()
            stale = stale_at_h is not None and hours > stale_at_h
            assert rig.alerts() == (["masterdata.stale"] if stale else []), hours
        await fetch.fetch()
        assert rig.alerts() == []
        await age.look()
        assert rig.alerts() == []
        assert load(rig.held.path).fetched_ms == START_MS + 30 * HOUR_MS


async def test_a_folder_is_stale_only_where_the_site_says_after_how_long(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        taking = following(rig)
        put(rig, "people.csv", "person\n1042\n", START_MS - 50 * HOUR_MS)
        await taking.look()
        await taking.look()
        await MasterDataAge("folder", None, rig.held, rig.store, rig.time).look()
        assert rig.alerts() == []
        await MasterDataAge("folder", 48, rig.held, rig.store, rig.time).look()
        assert rig.alerts() == ["masterdata.stale"]


async def test_a_start_clears_what_was_said_of_a_source_that_is_none_any_more(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        for key in ("masterdata.old.invalid", "masterdata.erp.invalid", "masterdata.stale", "uplink.x"):
            await rig.store.raise_alert(key, "t", "h", 1)
        await masterage.settle(rig.store, "erp", "", 2)
        assert sorted(rig.alerts()) == ["masterdata.erp.invalid", "masterdata.stale", "uplink.x"]
        await masterage.settle(rig.store, None, "it was damaged", 3)
        assert sorted(rig.alerts()) == ["masterdata.replaced", "uplink.x"]
        await rig.held.take(Delivery(b"{}", "erp", "u", None, 4))
        fetch = fetching(rig)
        rig.receiver.masterdata = lambda _: web.json_response(PEOPLE)
        await fetch.fetch()
        assert rig.alerts() == ["uplink.x"]
