"""POST …/scan: every answer says what happened, whether anything was recorded, and what comes next."""

import asyncio
import sqlite3
from typing import Any

import aiohttp
import pytest

from tests.unit.web.rig import Rig, rigged

SCAN = "/api/v1/stations/OP20/scan"


async def scan(client: aiohttp.ClientSession, text: str, **headers: str) -> tuple[int, dict[str, Any]]:
    async with client.post(SCAN, json={"text": text}, headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def test_a_recorded_scan_names_its_events_and_what_comes_next(
    rig: Rig, client: aiohttp.ClientSession
) -> None:
    status, body = await scan(client, "LSE1042")
    assert (status, body["result"]) == (200, "recorded")
    assert [(one["seq"], one["type"]) for one in body["events"]] == [(2, "lineside.operator.signed_on.v1")]
    assert (body["message"], body["next"]) == ("1042 signed on", "Scan work order")
    assert body["texts"]["zh"] == {"message": "1042 已上岗", "next": "请扫工单"}
    assert body["texts"]["en"] == {"message": body["message"], "next": body["next"]}
    assert await rig.facts() == ["operator.signed_on.v1"]


async def test_pending_and_repeated_record_nothing_and_say_so(
    rig: Rig, client: aiohttp.ClientSession
) -> None:
    for text in ("LSE1042", "LSW100"):
        await scan(client, text)
    before = await rig.facts()
    status, pending = await scan(client, "LSL A1")
    assert (status, pending["result"], pending["events"]) == (200, "pending", [])
    assert pending["next"] == "Scan or enter the quantity of lot A1 in kg"
    status, repeated = await scan(client, "LSL A1")
    assert (status, repeated["result"], repeated["events"]) == (200, "repeated", [])
    assert await rig.facts() == before


async def test_a_refusal_is_a_problem_document_in_the_same_shape(
    rig: Rig, client: aiohttp.ClientSession
) -> None:
    async with client.post(SCAN, json={"text": "4006381333931"}) as response:
        body = await response.json(content_type="application/problem+json")
    assert (response.status, body["status"], body["result"], body["events"]) == (422, 422, "refused", [])
    assert body["type"] == "urn:lineside:problem:refused"
    assert body["detail"] == body["message"] == "Code not recognised: 4006381333931. Not recorded"
    assert body["next"] == "Scan badge"
    assert await rig.facts() == []


async def test_answers_speak_the_configured_language(tmp_path: Any) -> None:
    async with rigged(tmp_path, "zh-CN") as rig, aiohttp.ClientSession(rig.url) as client:
        _, body = await scan(client, "LSE1042")
    assert (body["message"], body["next"]) == ("1042 已上岗", "请扫工单")


async def test_an_unknown_station_is_told_which_there_are(rig: Rig, client: aiohttp.ClientSession) -> None:
    for method, path in (("POST", "/scan"), ("GET", ""), ("GET", "/events")):
        async with client.request(method, f"/api/v1/stations/OP99{path}", json={"text": "LSE1"}) as response:
            body = await response.json(content_type=None)
        assert (response.status, body["stations"]) == (404, ["OP20", "OP30"])
        assert "'OP99'" in body["detail"]


@pytest.mark.parametrize("body", [b"", b"LSE1042", b"[]", b"{}", b'{"text": 5}', b'{"text": "\xff"}'])
async def test_a_malformed_body_is_told_what_is_expected(
    rig: Rig, client: aiohttp.ClientSession, body: bytes
) -> None:
    async with client.post(SCAN, data=body, headers={"Content-Type": "application/json"}) as response:
        problem = await response.json(content_type=None)
    assert response.status == 400
    assert '{"text":' in problem["detail"]
    assert "Not recorded" in problem["detail"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "The scan is empty. Not recorded. Scan or type a code."),
        ("A" * 2001, "The scan has 2001 characters, more than 2000. Not recorded."),
    ],
)
async def test_a_scan_of_a_wrong_length_is_told_so_in_a_plain_sentence(
    rig: Rig, client: aiohttp.ClientSession, text: str, said: str
) -> None:
    status, problem = await scan(client, text)
    assert (status, problem["detail"]) == (400, said)
    assert await rig.facts() == []


async def test_an_oversize_body_is_refused(rig: Rig, client: aiohttp.ClientSession) -> None:
    status, body = await scan(client, "A" * 9000)
    assert (status, body["status"]) == (413, 413)
    assert "8192 bytes" in body["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_page_of_another_site_cannot_scan(
    rig: Rig, client: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    status, body = await scan(client, "LSE1042", **headers)
    assert (status, body["type"]) == (403, "urn:lineside:problem:cross-site")
    assert await rig.facts() == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_what_a_form_can_send_is_refused(rig: Rig, client: aiohttp.ClientSession, kind: str) -> None:
    async with client.post(SCAN, data=b'{"text": "LSE1042"}', headers={"Content-Type": kind}) as response:
        assert response.status == 415
    assert await rig.facts() == []


async def test_our_own_page_may_scan(rig: Rig, client: aiohttp.ClientSession) -> None:
    status, _ = await scan(client, "LSE1042", **{"Origin": rig.url, "Sec-Fetch-Site": "same-origin"})
    assert status == 200


async def test_a_key_sent_again_is_one_scan(rig: Rig, client: aiohttp.ClientSession) -> None:
    for text in ("LSE1042", "LSW100"):
        await scan(client, text)
    first = await scan(client, "LSCSCRAP04", **{"Idempotency-Key": "k1"})
    rig.clock.advance(10)
    assert await scan(client, "LSCSCRAP04", **{"Idempotency-Key": "k1"}) == first
    assert (await rig.facts()).count("work.reported.v1") == 1
    await scan(client, "LSCSCRAP04", **{"Idempotency-Key": "k2"})
    assert (await rig.facts()).count("work.reported.v1") == 2


async def test_a_key_sent_again_before_its_answer_is_one_scan(
    rig: Rig, client: aiohttp.ClientSession
) -> None:
    answers = await asyncio.gather(*(scan(client, "LSE1042", **{"Idempotency-Key": "k"}) for _ in range(8)))
    assert [body["events"][0]["seq"] for _, body in answers] == [2] * 8
    assert await rig.facts() == ["operator.signed_on.v1"]


async def test_a_refusal_sent_again_does_not_confirm_a_doubtful_quantity(
    rig: Rig, client: aiohttp.ClientSession
) -> None:
    for text in ("LSE1042", "LSW100", "LSCPART"):
        await scan(client, text)
    rig.propose("100")
    refused = await scan(client, "LSQ500", **{"Idempotency-Key": "k1"})
    assert refused[1]["message"].startswith("500 entered, the counter says 100. Nothing recorded yet")
    rig.clock.advance(5)
    assert await scan(client, "LSQ500", **{"Idempotency-Key": "k1"}) == refused
    _, confirmed = await scan(client, "LSQ500", **{"Idempotency-Key": "k2"})
    assert confirmed["result"] == "pending"


async def test_a_key_with_another_scan_records_nothing(rig: Rig, client: aiohttp.ClientSession) -> None:
    await scan(client, "LSE1042", **{"Idempotency-Key": "k"})
    status, body = await scan(client, "LSE1043", **{"Idempotency-Key": "k"})
    assert (status, body["type"]) == (422, "urn:lineside:problem:key-reused")
    assert await rig.facts() == ["operator.signed_on.v1"]


async def test_a_key_belongs_to_its_station(rig: Rig, client: aiohttp.ClientSession) -> None:
    await scan(client, "LSE1042", **{"Idempotency-Key": "k"})
    path = SCAN.replace("OP20", "OP30")
    async with client.post(path, json={"text": "LSE1043"}, headers={"Idempotency-Key": "k"}) as response:
        assert (await response.json())["message"] == "1043 signed on"


async def test_a_retry_that_meets_another_life_of_the_collector_records_nothing(
    rig: Rig, client: aiohttp.ClientSession
) -> None:
    async with client.get("/api/v1/stations/OP20") as response:
        instance = (await response.json())["instance"]
    status, body = await scan(client, "LSE1042", **{"If-Match": '"an earlier life"'})
    assert (status, body["type"], body["instance"]) == (412, "urn:lineside:problem:restarted", instance)
    assert await rig.facts() == []
    status, _ = await scan(client, "LSE1042", **{"If-Match": f'"{instance}"'})
    assert status == 200


async def test_a_full_disk_says_not_recorded_and_the_same_key_records_later(
    rig: Rig, client: aiohttp.ClientSession
) -> None:
    await scan(client, "LSE1042")
    await scan(client, "LSW100")
    await rig.fill_disk()
    for number in range(20):  # the last page still holds a few
        rig.clock.advance(5)
        before = await rig.facts()
        status, body = await scan(client, "LSCSCRAP04", **{"Idempotency-Key": f"k{number}"})
        if status != 200:
            break
    assert (status, body["result"], body["events"]) == (503, "storage", [])
    assert body["message"] == "NOT RECORDED. Write on paper, call supervisor"
    assert await rig.facts() == before
    async with client.get("/api/v1/stations/OP20") as response:
        screen = await response.json()
    assert "disk is full" in screen["storage"]["message"]
    assert screen["tone"] == "bad"

    await rig.free_disk()
    status, body = await scan(client, "LSCSCRAP04", **{"Idempotency-Key": f"k{number}"})
    assert (status, len(await rig.facts())) == (200, len(before) + 1)
    async with client.get("/api/v1/stations/OP20") as response:
        assert (await response.json())["storage"] is None


async def test_nothing_is_shown_as_recorded_before_the_commit(
    rig: Rig, client: aiohttp.ClientSession
) -> None:
    await scan(client, "LSE1042")
    other = sqlite3.connect(rig.journal.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # the journal's commit waits for this one
    answer = asyncio.create_task(scan(client, "LSW100"))
    await asyncio.sleep(0.3)
    async with client.get("/api/v1/stations/OP20") as response:
        screen = await response.json()
    assert (answer.done(), screen["work_order"], screen["state"]) == (False, None, "ready")
    other.execute("ROLLBACK")
    other.close()
    assert (await answer)[1]["message"] == "WO 100 started"
