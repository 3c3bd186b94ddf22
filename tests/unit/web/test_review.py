"""What waits and how it is settled, over HTTP, against a real journal."""

import asyncio
from typing import Any

import aiohttp
import msgspec
import pytest
from msgspec import UNSET

from edge.events import WorkReported, decode, instant
from edge.masterdata import MasterData, parse
from edge.readings import Quality, Reading
from tests.unit.station.floor import MASTER
from tests.unit.web.rig import Rig

PEOPLE = [{"person": "1042", "roles": ["operator"]}, {"person": "2001", "roles": ["shift_leader"]}]
TO = {"work_order": "100", "operation": "0020"}
NO_ENTRY = {"settles": UNSET, "to": UNSET}


@pytest.fixture
async def waiting(rig: Rig, client: aiohttp.ClientSession) -> dict[str, Any]:
    """12 pieces without an order, as the API shows them."""
    rig.collector.masterdata.now = MasterData(parse(msgspec.json.encode(MASTER | {"people": PEOPLE})), "e")
    for cycles in (500, 512):
        rig.collector.readings([Reading("press1", "cycles", cycles, Quality.good, rig.clock.now())])
        await rig.collector.turn()
        rig.clock.advance(31)
        rig.collector.tick()
        await rig.collector.turn()
    (one,) = (await listed(client))["waiting"]
    found: dict[str, Any] = one
    return found


async def listed(client: aiohttp.ClientSession) -> dict[str, Any]:
    async with client.get("/api/v1/review") as answer:
        assert answer.status == 200
        found: dict[str, Any] = await answer.json()
        return found


async def settle(client: aiohttp.ClientSession, key: str | None = None, **asked: Any) -> tuple[int, Any]:
    headers = {"Idempotency-Key": key} if key else {}
    async with client.post("/api/v1/settlements", json=asked, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_what_waits_is_listed_with_its_evidence(waiting: dict[str, Any]) -> None:
    assert (waiting["kind"], waiting["station"], waiting["quantity"]) == ("count", "OP20", "12")
    evidence = waiting["evidence"]
    assert (evidence["counter"], evidence["raw_from"], evidence["raw_to"]) == ("good", "500", "512")
    assert waiting["possible"] == ["accept", "reverse", "reassign", "split"]
    assert "500 → 512" in waiting["texts"]["en"] and "无工单" in waiting["texts"]["zh"]


async def test_a_settlement_is_answered_after_its_commit(
    rig: Rig, client: aiohttp.ClientSession, waiting: dict[str, Any]
) -> None:
    status, answer = await settle(client, how="reassign", settles=[waiting["id"]], person="2001", to=TO)
    assert status == 200 and answer["result"] == "recorded"
    assert [event["type"] for event in answer["events"]] == [
        "lineside.work.reported.v1",
        "lineside.review.settled.v1",
    ]
    assert (await rig.facts())[-2:] == ["work.reported.v1", "review.settled.v1"]
    assert (await listed(client))["waiting"] == []


async def test_of_many_who_settle_the_same_at_once_one_does(
    rig: Rig, client: aiohttp.ClientSession, waiting: dict[str, Any]
) -> None:
    asked = {"how": "reassign", "settles": [waiting["id"]], "person": "2001", "to": TO}
    answers = await asyncio.gather(*(settle(client, **asked) for _ in range(20)))
    assert sorted(status for status, _ in answers) == [200] + [409] * 19
    lost = next(answer for status, answer in answers if status == 409)
    assert lost["type"] == "urn:lineside:problem:not-open"
    assert "Nothing recorded" in lost["detail"]
    facts = await rig.facts()
    assert facts.count("review.settled.v1") == facts.count("work.reported.v1") == 1


async def test_a_settlement_sent_again_gets_the_first_ones_answer(
    rig: Rig, client: aiohttp.ClientSession, waiting: dict[str, Any]
) -> None:
    entry = {
        "how": "make_up", "station": "OP20", "time": "2026-11-22T09:30:00+08:00", "person": "2001",
        "note": "gun broken", "outputs": [{"quantity": "5"}], **TO,
    }  # fmt: skip
    answers = await asyncio.gather(*(settle(client, "k1", **entry) for _ in range(5)))
    assert [status for status, _ in answers] == [200] * 5
    assert len({str(answer["events"]) for _, answer in answers}) == 1
    assert (await rig.facts()).count("work.reported.v1") == 1
    status, answer = await settle(client, "k1", **{**entry, "note": "another"})
    assert (status, answer["type"]) == (422, "urn:lineside:problem:key-reused")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"to": TO | {"quantity": "2.2kg"}},
            "to, quantity must be a decimal number without a unit, such as 2.2",
        ),
        (
            {"to": TO | {"disposition": "fine"}},
            "to, disposition 'fine' is not known: good, concession, rework",
        ),
        ({"settles": []}, "settles: at least 1 must be given"),
        ({"settles": [""]}, "settles 1 is empty"),
        ({"note": "a" * 501}, "note is too long: at most 500 characters"),
        ({"person": 2001}, "person must be a JSON str, not int"),
        ({"extra": 1}, "extra is not known in the body"),
        ({"how": "forget"}, "how 'forget' is not known"),
    ],
)
async def test_what_is_wrong_with_a_settlements_form_is_said_in_words(
    client: aiohttp.ClientSession, waiting: dict[str, Any], change: dict[str, Any], said: str
) -> None:
    asked = {"how": "reassign", "settles": [waiting["id"]], "person": "2001", "to": TO}
    _, answer = await settle(client, **{**asked, **change})
    assert answer["detail"].startswith(said)
    assert "$" not in answer["detail"] and "regex" not in answer["detail"] and "`" not in answer["detail"]


@pytest.mark.parametrize(
    ("change", "status", "kind"),
    [
        ({"person": "1042"}, 403, "not-allowed"),
        ({"person": "9"}, 403, "person-unknown"),
        ({"settles": ["gone"]}, 409, "not-open"),
        ({"to": {"work_order": "999", "operation": "0020"}}, 422, "order-unknown"),
        ({"how": "forget"}, 400, "malformed"),
        ({"settles": []}, 400, "malformed"),
        ({"to": TO | {"quantity": "1e3"}}, 400, "malformed"),
        ({"extra": 1}, 400, "malformed"),
        ({"person": ""}, 422, "person-missing"),
        ({"person": "   "}, 422, "person-missing"),
        ({"how": "discard", "to": UNSET, "note": "   "}, 422, "note-missing"),
        (
            {"how": "correct", "corrects": "x", "settles": UNSET, "to": UNSET, "note": " \t"},
            422,
            "note-missing",
        ),
    ],
)
async def test_a_refusal_records_nothing_and_says_so(
    rig: Rig,
    client: aiohttp.ClientSession,
    waiting: dict[str, Any],
    change: dict[str, Any],
    status: int,
    kind: str,
) -> None:
    before = await rig.facts()
    asked = {"how": "reassign", "settles": [waiting["id"]], "person": "2001", "to": TO}
    asked = {key: value for key, value in {**asked, **change}.items() if value is not UNSET}
    found, answer = await settle(client, **asked)
    assert (found, answer["type"]) == (status, f"urn:lineside:problem:{kind}")
    assert "Nothing recorded" in answer["detail"]
    assert await rig.facts() == before
    assert len((await listed(client))["waiting"]) == 1


async def test_a_full_disk_settles_nothing_and_it_can_be_settled_afterwards(
    rig: Rig, client: aiohttp.ClientSession, waiting: dict[str, Any]
) -> None:
    await rig.fill_disk()
    asked: dict[str, Any] = {"how": "accept", "settles": [waiting["id"]], "person": "2001"}
    asked["note"] = "x" * 500
    status, answer = 200, None
    for _ in range(100):
        status, answer = await settle(client, how="retry", settles=["i" * 64] * 100, person="2001")
        if status != 200:
            break
    assert status == 503 and answer["type"] == "urn:lineside:problem:storage"
    await rig.free_disk()
    status, _ = await settle(client, **asked)
    assert status == 200


async def test_an_older_report_is_found_in_the_journal_and_corrected_once(
    rig: Rig, client: aiohttp.ClientSession
) -> None:
    rig.collector.masterdata.now = MasterData(parse(msgspec.json.encode(MASTER | {"people": PEOPLE})), "e")
    for code in ("LSE1042", "LSW100", "LSCSCRAP04", "LSCSCRAP05", "LSL A1 ", "LSQ2"):
        rig.clock.advance(3)
        rig.gun(code)
        await rig.collector.turn()
    rows = await rig.journal.read_after(0, 1000)
    events = [decode(body) for _, body in rows]
    first = next(one.id for one in events if isinstance(one.data, WorkReported))
    asked = {"how": "correct", "corrects": first, "person": "2001", "note": "two", "parts": [
        {"quantity": "2", "disposition": "scrap", "reason": "04"}]}  # fmt: skip
    answers = await asyncio.gather(*(settle(client, **asked) for _ in range(3)))
    (done,) = [answer for status, answer in answers if status == 200]
    assert [event["type"].split(".", 1)[1] for event in done["events"]] == [
        "review.opened.v1", "work.corrected.v1", "work.reported.v1", "review.settled.v1",
    ]  # fmt: skip
    refused = [answer for status, answer in answers if status == 409]
    assert len(refused) == 2 and all(done["events"][1]["id"] in one["detail"] for one in refused)
    status, answer = await settle(client, **(asked | {"corrects": "nothing"}))
    assert (status, answer["type"]) == (422, "urn:lineside:problem:fact-unknown")


async def test_what_asks_for_confirmation_says_so_by_its_type(
    rig: Rig, client: aiohttp.ClientSession
) -> None:
    people = [*PEOPLE, {"person": "1043", "qualifications": ["WC-OTHER"]}]
    rig.collector.masterdata.now = MasterData(parse(msgspec.json.encode(MASTER | {"people": people})), "e")
    station = rig.collector.site.stations["OP20"]
    levels = station.checks.model_copy(update={"qualification": "confirm"})
    stations = {**rig.collector.site.stations, "OP20": station.model_copy(update={"checks": levels})}
    rig.collector.site = msgspec.structs.replace(rig.collector.site, stations=stations)
    time = instant(rig.clock.now().wall_ms - 600_000)
    asked: dict[str, Any] = {
        "how": "make_up", "station": "OP20", "time": time, "work_order": "100", "operation": "0020",
        "person": "2001", "note": "gun", "labour": [{"operator": "1043", "s": "60"}],
    }  # fmt: skip
    status, answer = await settle(client, **asked)
    assert (status, answer["type"]) == (422, "urn:lineside:problem:check-confirm")
    status, answer = await settle(client, **asked, confirm=True)
    assert status == 200
