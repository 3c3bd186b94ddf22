"""Master data is taken as a whole or not at all, and asked for with the etag of what is held."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from edge.masterdata.lookup import load
from sync.http import HttpUplink
from sync.masterdata import MasterDataFetch
from tests.contract.uplink.rig import Rig, rigged

PEOPLE = {"people": [{"person": "1042", "name": "操作工", "badges": ["1042"]}], "unheard_of": [1]}
LOTS = {"lots": [{"material": "S", "lot": "A1"}]}


def fetching(rig: Rig) -> MasterDataFetch:
    rig.uplink = rig.uplink or HttpUplink("erp", rig.settings, rig.time)
    return MasterDataFetch(rig.uplink, rig.held, rig.store, rig.time, rig.metrics, sleep=rig.time.sleep)


def offers(document: Any, etag: str, asked: list[str | None]) -> Any:
    def answer(request: web.Request) -> web.Response:
        asked.append(request.headers.get("If-None-Match"))
        if asked[-1] == etag:
            return web.Response(status=304)
        return web.json_response(document, headers={"ETag": etag})

    return answer


async def test_a_delivery_is_kept_and_asked_for_by_its_etag(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        asked: list[str | None] = []
        fetch = fetching(rig)
        rig.receiver.masterdata = offers(PEOPLE, '"1"', asked)
        await fetch.fetch()
        await fetch.fetch()
        rig.receiver.masterdata = offers(LOTS, '"2"', asked)
        await fetch.fetch()
        await fetch.fetch()
        assert asked == [None, '"1"', '"1"', '"2"']
        held = load(rig.held.path)
        assert held.badges["1042"].name == "操作工" and list(held.lots) == ["A1"]
        assert held.document.materials is None


@pytest.mark.parametrize(
    "body", ["<html>", "[]", '{"people": [{"name": "nobody"}]}', '{"lots": 7}', "[" * 100_000, ""]
)
async def test_a_bad_delivery_keeps_the_old_and_raises_an_alert_once(body: str, tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        asked: list[str | None] = []
        fetch = fetching(rig)
        rig.receiver.masterdata = offers(PEOPLE, '"1"', asked)
        await fetch.fetch()
        rig.receiver.masterdata = lambda _: web.Response(text=body, headers={"ETag": '"2"'})
        await fetch.fetch()
        await fetch.fetch()
        assert rig.alerts() == ["masterdata.erp.invalid"]
        assert "1042" in load(rig.held.path).badges
        rig.receiver.masterdata = offers(LOTS, '"3"', asked)
        await fetch.fetch()
        assert asked[-1] == '"1"' and rig.alerts() == []


@pytest.mark.parametrize("status", [404, 401, 403, 429, 500, 302, 204])
async def test_no_answer_changes_what_is_held(status: int, tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        fetch = fetching(rig)
        rig.receiver.masterdata = offers(PEOPLE, '"1"', [])
        await fetch.fetch()
        rig.receiver.masterdata = lambda _: web.Response(status=status, headers={"Retry-After": "7"})
        assert await fetch.fetch() == 7.0
        assert "1042" in load(rig.held.path).badges and rig.alerts() == []


async def test_another_url_is_asked_without_the_old_etag(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        asked: list[str | None] = []
        rig.receiver.masterdata = offers(PEOPLE, '"1"', asked)
        await fetching(rig).fetch()
        await rig.stop()
        rig.settings = rig.settings.model_copy(
            update={"url": rig.receiver.url.replace("127.0.0.1", "localhost")}
        )
        await fetching(rig).fetch()
        assert asked == [None, None]


async def test_it_asks_at_start_and_at_every_interval(tmp_path: Path) -> None:
    async with rigged(tmp_path, masterdata_interval_s=30) as rig:
        asked: list[str | None] = []
        rig.receiver.masterdata = offers(PEOPLE, '"1"', asked)

        class EnoughError(Exception):
            pass

        async def sleep(delay_s: float) -> None:
            rig.time.slept_s.append(delay_s)
            if len(rig.time.slept_s) == 3:
                raise EnoughError

        fetch = MasterDataFetch(
            HttpUplink("erp", rig.settings, rig.time), rig.held, rig.store, rig.time, rig.metrics,
            sleep=sleep, chance=lambda: 0.5,
        )  # fmt: skip
        with pytest.raises(EnoughError):
            await fetch.run()
        await fetch._uplink.close()
        assert len(asked) == 3 and rig.time.slept_s == [30.0] * 3


async def test_a_receiver_that_is_away_is_no_end(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.settings = rig.settings.model_copy(update={"url": "http://127.0.0.1:1/events"})
        assert await fetching(rig).fetch() == 0.0
