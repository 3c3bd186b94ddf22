"""Every message of docs/asyncapi.yaml has examples, and they happen: requests are sent over mosquitto to the
bus, which answers in the form that is shown; the ERP's half takes every answer for what it says.

The file is JSON, which is YAML 1.2 as well.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge.events import Fact
from edge.pulling.asking import Asking as Consumer
from edge.pulling.asking import Refusal
from edge.pulling.comparing import compare
from edge.pulling.ledger import Ledger
from edge.pulling.line import Address
from tests.contract.endpoint.chains import consumed, output, report, spent
from tests.contract.mqtt.broker import BASE, Asking, Rig, needs_mosquitto, rigged
from tests.contract.mqtt.shapes import shape

pytestmark = needs_mosquitto
API: dict[str, Any] = json.loads(Path("docs/asyncapi.yaml").read_text(encoding="utf-8"))
MESSAGES = API["components"]["messages"]
EPOCH = "0123456789abcdef"
FACTS: tuple[Fact, ...] = (consumed("30"), report(output("35"), resources=spent()))  # those that are shown
# Removing an example must be meant: these are the ones that people are shown.
NAMES = {
    "status": ["online", "gone"],
    "event": ["consumed", "reported"],
    "alert": ["raised", "cleared"],
    "pull": ["own", "two", "replay"],
    "ack": ["page", "one rejected", "released"],
    "page": ["two", "released"],
    "cursor": ["moved"],
    "figures": ["two", "one is missing"],
    "comparison": ["agrees", "one is missing"],
    "refusal": ["beyond the head", "malformed"],
    "masterdata": ["people"],
}


def example(message: str, name: str, rig: Rig | None = None) -> Any:
    """A payload that is shown, of this rig's journal and facts where one is given."""
    (found,) = [one["payload"] for one in MESSAGES[message]["examples"] if one["name"] == name]
    text = json.dumps(found)
    return json.loads(text if rig is None else text.replace(EPOCH, rig.journal.epoch))


def events() -> dict[str, Any]:
    return {one["id"]: one for one in example("page", "two")["events"]}


def fits(message: str, payload: object) -> None:
    """Raises where a payload is not as the document says."""
    schema = MESSAGES[message]["payload"] | {"components": API["components"]}
    jsonschema.validate(payload, schema)


async def heard(client: Asking, key: str, value: Any) -> dict[str, Any]:
    """The next message of which a key has a value."""
    while True:
        found: dict[str, Any] = json.loads((await asyncio.to_thread(client.next)).payload)
        if found.get(key) == value:
            return found


@pytest.mark.parametrize("message", list(MESSAGES))
def test_every_message_has_its_examples_and_each_fits(message: str) -> None:
    assert [one["name"] for one in MESSAGES[message]["examples"]] == NAMES[message]
    for one in MESSAGES[message]["examples"]:
        fits(message, one["payload"])


async def test_what_is_said_unasked_is_as_shown(tmp_path: Path) -> None:
    async with rigged(tmp_path, count=1) as rig:
        await rig.client()
        status, feed, alerts = [
            await asyncio.to_thread(Asking, rig.broker.port, f"{BASE}/{what}")
            for what in ("status", "events", "alerts")
        ]
        rig.asking += [status, feed, alerts]
        await rig.append(*FACTS)
        for name in NAMES["event"]:
            came = json.loads((await asyncio.to_thread(feed.next)).payload)
            shown = example("event", name)
            assert (came["type"], shape(came)) == (shown["type"], shape(shown))
            assert came["data"] == shown["data"]
        raised = example("alert", "raised")
        await rig.store.raise_alert(raised["key"], raised["text"], raised["hint"], raised["raised_ms"])
        assert await heard(alerts, "cleared_ms", None) == raised
        await rig.store.clear_alert(raised["key"], 1)
        cleared = json.loads((await asyncio.to_thread(alerts.next)).payload)
        assert shape(cleared) == shape(example("alert", "cleared")) and cleared["key"] == raised["key"]
        assert shape(await heard(status, "online", True)) == shape(example("status", "online"))
        await rig.stop()
        assert shape(await heard(status, "online", False)) == shape(example("status", "gone"))


async def test_requests_that_are_shown_get_the_answers_that_are_shown(tmp_path: Path) -> None:
    async with rigged(tmp_path, count=1) as rig:
        client = await rig.client()
        await rig.append(*FACTS)
        await rig.ask(client, "ack", {"upto": f"{rig.journal.epoch}:1"})
        for name in ("own", "two"):
            page = await rig.ask(client, "pull", example("pull", name, rig))
            assert shape(page) == shape(example("page", "two")), name
            assert [one["data"] for one in page["events"]] == [one["data"] for one in events().values()]
        replay = await rig.ask(client, "pull", example("pull", "replay", rig))
        assert replay["events"][1:] == page["events"]
        moved = await rig.ask(client, "ack", example("ack", "page", rig))
        assert moved == example("cursor", "moved", rig)
        agrees = await rig.ask(client, "reconcile", example("figures", "two", rig))
        assert agrees | {"digest": ""} == example("comparison", "agrees", rig) | {"digest": ""}
        differs = await rig.ask(client, "reconcile", example("figures", "one is missing", rig))
        shown = example("comparison", "one is missing", rig)
        for one in (differs, shown):
            assert one["differences"][1]["what"] == "digest"
            del one["differences"][1], one["digest"]
        assert differs == shown


async def test_a_rejection_that_is_shown_leads_to_the_page_and_the_ack_that_are_shown(tmp_path: Path) -> None:
    async with rigged(tmp_path, count=1) as rig:
        client = await rig.client()
        _, bad = await rig.append(*FACTS)
        shown = list(events())[1]

        def with_id(name: str) -> Any:
            return json.loads(json.dumps(example("ack", name, rig)).replace(shown, bad))

        assert await rig.ask(client, "ack", with_id("one rejected")) == example("cursor", "moved", rig)
        (waits,) = rig.quarantine
        assert (waits.id, waits.problem) == (bad, example("ack", "one rejected")["rejected"][0]["problem"])
        await rig.review("retried", bad)
        reviewed = await rig.ask(client, "pull", {})
        await rig.ask(client, "ack", {"upto": reviewed["next"]})
        page = await rig.ask(client, "pull", {})
        assert shape(page) == shape(example("page", "released"))
        assert [one["id"] for one in page["again"]] == [bad]
        await rig.ask(client, "ack", with_id("released"))
        assert rig.quarantine == []


async def test_refusals_are_as_shown(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        for name, request in (
            ("beyond the head", {"after": f"{rig.journal.epoch}:21"}),
            ("malformed", {"limit": "2"}),
        ):
            assert await rig.ask(client, "pull", request) == example("refusal", name, rig)


async def test_the_master_data_that_are_shown_are_taken(tmp_path: Path) -> None:
    async with rigged(tmp_path, masterdata=True) as rig:
        client = await rig.client()
        async with asyncio.timeout(60), rig.store.committed:
            client.publish(f"{BASE}/masterdata", {"people": "none"})
            await rig.store.committed.wait_for(lambda: "masterdata.bus.invalid" in rig.alerts())
            client.publish(f"{BASE}/masterdata", example("masterdata", "people"))
            await rig.store.committed.wait_for(lambda: "masterdata.bus.invalid" not in rig.alerts())
        known = await rig.held.source("bus")
        assert known is not None and known.place == f"{BASE}/masterdata"


@contextmanager
def answering(rig: Rig, said: dict[str, list[Any]]) -> Iterator[Consumer]:
    """The ERP's half, and in lineside's place somebody who says what is shown: by topic, the last again."""
    with Consumer(Address("127.0.0.1", rig.broker.port, BASE, "erp", tls=False)) as consumer:
        client = Asking(rig.broker.port, *(f"{BASE}/{what}/erp" for what in said))
        rig.asking.append(client)

        def answer(*given: Any) -> None:
            asked, waiting = given[2], said[given[2].topic.split("/")[-2]]
            now = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            properties = asked.properties
            client.publish(properties.ResponseTopic, now, correlation=properties.CorrelationData)

        client.answer_with(answer)
        yield consumer


async def test_the_erps_half_takes_every_answer_that_is_shown(tmp_path: Path) -> None:
    two, released = (example("page", name) for name in NAMES["page"])
    refusals = [example("refusal", name) for name in NAMES["refusal"]]
    agrees, differs = (example("comparison", name) for name in NAMES["comparison"])
    said = {
        "pull": [two, released, *refusals, two],
        "ack": [example("cursor", "moved")],
        "reconcile": [agrees, differs, differs, agrees],
    }

    def consume(rig: Rig) -> None:
        ledger = Ledger(f"sqlite:///{tmp_path}/erp.db", "erp")
        with answering(rig, said) as consumer:
            page = consumer.ask("pull", {})
            assert ledger.take([*page["again"], *page["events"]], page["next"]).new == 2
            page = consumer.ask("pull", {})
            assert ledger.take([*page["again"], *page["events"]], page["next"]).new == 0
            for one in refusals:
                with pytest.raises(Refusal) as refused:
                    consumer.ask("pull", {})
                assert one["problem"]["detail"] in str(refused.value)
            assert consumer.ask("ack", {"upto": page["next"]})["cursor"] == ledger.cursor()
            found = compare(consumer, ledger, 100)
            assert (found.ranges, found.fetched, found.differing, found.left_out) == (1, 0, [], 0)
            lacking = Ledger(f"sqlite:///{tmp_path}/lacking.db", "erp")
            lacking.take(two["events"][:1], two["next"])
            found = compare(consumer, lacking, 100)
            assert (found.ranges, found.fetched, found.differing, found.left_out) == (1, 1, [], 0)

    async with rigged(tmp_path) as rig:
        await rig.stop()
        await asyncio.to_thread(consume, rig)
