"""Where the pages listen, what they promise of themselves, and that nothing of them comes from elsewhere."""

import re
import socket
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from edge.faults import AddressInUse
from edge.readings import Link
from edge.web import pages
from tests.unit.web.rig import Rig, rigged

SHIPPED = sorted(Path(pages.__file__).parent.rglob("*.[hcj][ts]*"))


async def test_a_taken_address_is_named_with_what_to_do(rig: Rig) -> None:
    with pytest.raises(AddressInUse) as raised:
        await rig.serve(address=rig.url.removeprefix("http://"))
    assert rig.url.removeprefix("http://") in raised.value.message
    assert "web.listen" in raised.value.hint


async def test_an_address_of_another_machine_is_named_with_what_to_do(rig: Rig) -> None:
    with pytest.raises(AddressInUse, match=r"192\.0\.2\.1.*web\.listen"):
        await rig.serve(address="192.0.2.1:0")


async def test_closing_frees_the_port_and_twice_is_harmless(rig: Rig) -> None:
    await rig.stop_serving()
    await rig.stop_serving()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(rig.url.rpartition(":")[2])))


async def test_health_follows_what_the_process_says(rig: Rig, client: aiohttp.ClientSession) -> None:
    async def status(path: str) -> int:
        async with client.get(path) as response:
            return response.status

    assert (await status("/livez"), await status("/readyz")) == (200, 200)
    rig.ready = False
    assert (await status("/livez"), await status("/readyz")) == (200, 503)
    rig.alive = False
    assert await status("/livez") == 503


async def test_metrics_are_those_of_the_collector(rig: Rig, client: aiohttp.ClientSession) -> None:
    async with client.get("/metrics") as response:
        text = await response.text()
    assert response.content_type == "text/plain"
    assert "lineside_journal_head 1.0" in text


@pytest.mark.parametrize(
    "path", ["/", "/stations/OP20", "/static/station.js", "/api/v1/stations", "/stations/no"]
)
async def test_every_answer_forbids_foreign_code(rig: Rig, client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path) as response:
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_no_page_loads_anything_from_elsewhere() -> None:
    assert {path.suffix for path in SHIPPED} == {".html", ".css", ".js"}
    for path in SHIPPED:
        assert not re.search(r"https?://|//[a-z]|url\(|@import", path.read_text()), path.name


async def test_the_list_names_every_station_and_one_station_needs_no_list(tmp_path: Path) -> None:
    async with rigged(tmp_path, stations=("OP20",)) as rig, aiohttp.ClientSession(rig.url) as client:
        async with client.get("/", allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (302, "/stations/OP20")
        async with client.get("/api/v1/stations") as response:
            assert await response.json() == {"stations": [{"id": "OP20", "work_center": "WC-PRESS-1"}]}


async def test_the_list_links_the_stations(rig: Rig, client: aiohttp.ClientSession) -> None:
    async with client.get("/") as response:
        text = await response.text()
    assert re.findall(r'href="(/stations/\w+)"', text) == ["/stations/OP20", "/stations/OP30"]


async def test_an_unknown_station_is_shown_which_there_are_and_runs_no_code(
    rig: Rig, client: aiohttp.ClientSession
) -> None:
    async with client.get("/stations/%3Cscript%3E") as response:
        text = await response.text()
    assert response.status == 404
    assert "<script>" not in text
    assert "/stations/OP20" in text


async def test_a_method_that_is_not_offered_is_a_problem_document(
    rig: Rig, client: aiohttp.ClientSession
) -> None:
    async with client.get("/api/v1/stations/OP20/scan") as response:
        body = await response.json(content_type="application/problem+json")
    assert (response.status, body["status"], response.headers["Allow"]) == (405, 405, "POST")


@pytest.mark.parametrize(("language", "first"), [("en", "en"), ("zh-CN", "zh-CN")])
async def test_both_languages_stand_there_with_the_configured_one_first(
    tmp_path: Path, language: str, first: str
) -> None:
    async with (
        rigged(tmp_path, language) as rig,
        aiohttp.ClientSession(rig.url) as client,
        client.get("/stations/OP20") as response,
    ):
        text = await response.text()
    found = _Languages()
    found.feed(text)
    assert found.page == first
    assert set(found.spans) == {"en", "zh-CN"}
    assert found.spans[::2] == [first] * (len(found.spans) // 2)


async def test_the_screen_carries_reasons_and_the_stations_own_lost_devices(
    rig: Rig, client: aiohttp.ClientSession
) -> None:
    for device in ("press1", "gun1", "elsewhere"):
        rig.collector.link(Link(device, False, "no answer", "check the cable", rig.clock.now()))
    rig.collector.link(Link("gun1", True, "back", "", rig.clock.now()))
    screen = await _screen(client)
    lost = [{"device": "press1", "detail": "no answer", "hint": "check the cable"}]
    assert screen["devices"] == lost
    assert screen["reasons"]["scrap"][0] == {"reason": "04", "en": "Burr", "zh": "毛刺"}
    assert [one["reason"] for one in screen["reasons"]["pause"]] == ["21"]


async def test_the_screen_says_what_people_are_reminded_of_until_it_is_done(
    rig: Rig, client: aiohttp.ClientSession
) -> None:
    async def reminded(after_s: float) -> list[dict[str, str]]:
        rig.clock.advance(after_s)
        rig.collector.tick()
        await rig.collector.turn()
        found: list[dict[str, str]] = (await _screen(client))["reminders"]
        return found

    for text in ("LSE1042", "LSW100", "LSCOUT", "LSE1042"):
        await rig.collector.typed("OP20", text)
        rig.clock.advance(3)
    assert [await reminded(0), await reminded(899)] == [[], []]
    (said,) = await reminded(1)
    assert said["en"].startswith("OP20: WO 100/0020 is open, and nobody is signed on. ")
    assert said["zh"].startswith("OP20：工单100/0020进行中，但无人上岗。")
    assert "station.OP20.no_operator.100/0020" in rig.collector.alerts.standing
    await rig.collector.typed("OP20", "LSE1042")
    assert await reminded(0) == []
    assert not rig.collector.alerts.standing


async def test_a_delivery_file_that_cannot_be_read_is_said_and_harms_nothing(
    rig: Rig, client: aiohttp.ClientSession
) -> None:
    rig.fail_delivery("sync.db cannot be used")
    screen = await _screen(client)
    assert screen["delivery"]["fault"] == "sync.db cannot be used"
    assert screen["delivery"]["summary"]["tone"] == "notice"


async def _screen(client: aiohttp.ClientSession) -> dict[str, Any]:
    async with client.get("/api/v1/stations/OP20") as response:
        body: dict[str, Any] = await response.json()
    return body


class _Languages(HTMLParser):
    """The language of the page and of each span, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.page = ""
        self.spans: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        language = dict(attrs).get("lang")
        if language is not None and tag == "html":
            self.page = language
        elif language is not None:
            self.spans.append(language)
