"""GET …/events: news in order, at least every 2 s, and no browser holds the collector or the closing up."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from edge.web.delivery import Delivery
from edge.web.news import DELIVERY_S
from edge.web.stream import NEWS_S
from tests.patience import ATTEMPTS, PATIENCE_S, best_of
from tests.unit.web.rig import Rig

EVENTS = "/api/v1/stations/OP20/events"
SCAN = "/api/v1/stations/OP20/scan"


async def screens(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[int, dict[str, Any]]]:
    """Each screen with its id."""
    number = -1
    async for line in response.content:
        if line.startswith(b"id: "):
            number = int(line[4:])
        if line.startswith(b"data: "):
            yield number, json.loads(line[6:])


async def test_each_change_comes_in_order_and_the_first_screen_at_once(
    rig: Rig, client: aiohttp.ClientSession
) -> None:
    async with client.get(EVENTS) as response:
        assert response.content_type == "text/event-stream"
        assert await response.content.readline() == b"retry: 1000\n"
        news = screens(response)
        seen = [await anext(news)]
        for text, state in (("LSE1042", "ready"), ("LSW100", "running"), ("LSCPAUSE21", "paused")):
            async with client.post(SCAN, json={"text": text}):
                pass
            while (newest := await anext(news))[1]["state"] != state:
                seen.append(newest)
            seen.append(newest)
    assert [number for number, _ in seen] == sorted(number for number, _ in seen)
    order = ["no_operator", "ready", "running", "paused"]
    assert list(dict.fromkeys(screen["state"] for _, screen in seen)) == order


async def test_silence_never_lasts_longer_than_two_seconds(rig: Rig, client: aiohttp.ClientSession) -> None:
    async with client.get(EVENTS) as response:
        news = screens(response)
        await anext(news)
        silences = []
        for _ in range(ATTEMPTS):
            began = time.monotonic()
            await anext(news)
            silences.append(time.monotonic() - began)
    assert max(silences) > NEWS_S * 0.5
    assert min(silences) < NEWS_S + 0.5


async def test_closing_ends_open_streams_within_a_second(rig: Rig, client: aiohttp.ClientSession) -> None:
    async def closed() -> float:
        await rig.serve()
        async with client.get(f"{rig.url}{EVENTS}") as response:
            news = screens(response)
            await anext(news)
            began = time.monotonic()
            await rig.stop_serving()
            took_s = time.monotonic() - began
            assert [one async for one in news] == []
            return took_s

    await rig.stop_serving()
    assert await best_of(closed, 1) < 1


async def test_a_browser_that_reads_nothing_stops_neither_scans_nor_closing(
    rig: Rig, client: aiohttp.ClientSession
) -> None:
    async def closed() -> float:
        await rig.serve()
        port = int(rig.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        reader._transport.pause_reading()
        writer.write(f"GET {EVENTS} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await writer.drain()
        for badge in ("1042", "1043") * 100:
            rig.clock.advance(5)
            async with client.post(f"{rig.url}{SCAN}", json={"text": f"LSE{badge}"}) as response:
                assert response.status == 200
        began = time.monotonic()
        await rig.stop_serving()
        took_s = time.monotonic() - began
        writer.close()
        return took_s

    await rig.stop_serving()
    assert await best_of(closed, 1) < 1


async def test_the_footer_follows_the_receivers(rig: Rig, client: aiohttp.ClientSession) -> None:
    async with client.get(EVENTS) as response:
        news = screens(response)
        _, screen = await anext(news)
        assert screen["delivery"]["summary"]["text"]["en"] == "ERP online: all delivered"
        online, within_s = rig.delivery, DELIVERY_S + NEWS_S + 1

        async def followed() -> float:
            rig.delivery = online if rig.delivery != online else Delivery()
            began = time.monotonic()
            async with asyncio.timeout(PATIENCE_S):
                while bool((await anext(news))[1]["delivery"]["receivers"]) != (rig.delivery == online):
                    pass
            return time.monotonic() - began

        assert await best_of(followed, within_s) < within_s


async def test_a_delivery_file_that_hangs_does_not_make_the_page_stale(
    rig: Rig, client: aiohttp.ClientSession
) -> None:
    rig.before_delivery = lambda: time.sleep(2.5)

    async def shown() -> float:
        began = time.monotonic()
        async with client.get(EVENTS) as response:
            await anext(screens(response))
        return time.monotonic() - began

    assert await best_of(shown, 1.5) < 1.5
