"""Consumers compare figures over a real mosquitto: what differs is found, told to a person, and mended."""

import hashlib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from edge.events import MaterialConsumed
from sync.certificates.record import LOST, load, load_open, load_standing
from sync.mqtt.comparing import RANGE_MAX
from sync.status import load_status
from tests.contract.mqtt.broker import Asking, Rig, needs_mosquitto, numbered, rigged
from tests.contract.mqtt.test_pulling import drained
from tests.contract.uplink.test_epochs import damaged, renamed

pytestmark = needs_mosquitto
Held = Sequence[tuple[int, str]]


def source(rig: Rig) -> str:
    return f"urn:lineside:site:edge:{rig.journal.epoch}"


def figures(rig: Rig, held: Held, first: int, last: int) -> dict[str, Any]:
    """What a consumer says of a range."""
    ids = [id_ for seq, id_ in held if first <= seq <= last]
    digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()
    return {"source": source(rig), "from_seq": first, "to_seq": last, "count": len(ids), "digest": digest}


async def compared(rig: Rig, client: Asking, held: Held, first: int, last: int) -> dict[str, Any]:
    return await rig.ask(client, "reconcile", figures(rig, held, first, last))


def alert_of(rig: Rig) -> str:
    """The text of the standing alert, empty where there is none."""
    found = load_status(rig.store.path).alerts
    texts = [
        one.text for one in found if one.key == "uplink.bus/erp.reconciliation" and one.cleared_ms is None
    ]
    return texts[0] if texts else ""


async def test_equal_figures_match_and_a_certificate_is_kept(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        held = await drained(rig, client)
        answer = await compared(rig, client, held, 1, 20)
        assert answer["match"] is True and answer["differences"] == []
        assert (answer["count"], answer["digest"]) == (20, figures(rig, held, 1, 20)["digest"])
        (kept,) = load(rig.store.path)
        assert (kept.uplink, kept.epoch, kept.report.from_seq, kept.report.to_seq, kept.match) == (
            "bus/erp", rig.journal.epoch, 1, 20, True,
        )  # fmt: skip
        assert kept.report.digest == answer["digest"]


async def test_halving_finds_what_is_lost_and_pulling_it_mends_it(tmp_path: Path) -> None:
    async with rigged(tmp_path, count=200) as rig:
        client = await rig.client()
        held = [one for one in await drained(rig, client, limit=200) if one[0] != 137]
        first, last = 1, 200
        asked = 0
        while first < last:
            middle = (first + last) // 2
            answer = await compared(rig, client, held, first, middle)
            assert answer["match"] is (not answer["differences"])
            first, last = (middle + 1, last) if answer["match"] else (first, middle)
            asked += 1
        assert first == 137 and asked <= 8
        assert "seq 136 to 137" in alert_of(rig), "the last that differed"
        whole = await compared(rig, client, held, 1, 200)
        count = next(one for one in whole["differences"] if one["what"] == "count")
        assert (count["here"], count["there"]) == ("200", "199")
        assert "seq 1 to 200" in alert_of(rig) and "count: here 200, there 199" in alert_of(rig), (
            "the last word"
        )
        page = await rig.ask(client, "pull", {"after": f"{rig.journal.epoch}:136", "limit": 1})
        mended = sorted([*held, *numbered(page)])
        assert (await compared(rig, client, mended, 100, 200))["match"] is True
        assert alert_of(rig), "the whole was not compared yet"
        assert (await compared(rig, client, mended, 1, 200))["match"] is True
        assert not alert_of(rig)
        assert rig.status().seq == 200


async def test_a_changed_quantity_is_found_with_both_figures(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        await rig.append(
            *(
                MaterialConsumed(
                    work_order="W", operation="1", posting_date="2026-11-22", material="S", unit="KGM",
                    quantity=Decimal(quantity), method="scanned", use="production", posted_by="edge",
                )
                for quantity in ("1.25", "2.50")
            )
        )  # fmt: skip
        held = await drained(rig, client)
        line = {
            "posting_date": "2026-11-22", "work_order": "W", "operation": "1", "material": "S",
            "kind": "scanned", "unit": "KGM", "quantity": "3.75",
        }  # fmt: skip
        same = await rig.ask(client, "reconcile", figures(rig, held, 1, 22) | {"totals": [line]})
        assert same["match"] is True and same["totals"][0]["quantity"] == "3.75"
        wrong = [line | {"quantity": "3.5"}]
        answer = await rig.ask(client, "reconcile", figures(rig, held, 1, 22) | {"totals": wrong})
        (found,) = answer["differences"]
        assert answer["match"] is False and (found["here"], found["there"]) == ("3.75", "3.5")
        assert "here 3.75, there 3.5" in alert_of(rig)


async def test_what_does_not_match_is_not_proven_until_a_range_that_covers_it_does(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        held = await drained(rig, client)

        def open_() -> list[tuple[int, int]]:
            return [one.span[1:] for one in load_open(rig.store.path, "bus/erp")]

        await compared(rig, client, held, 1, 10)
        assert open_() == [] and load_standing(rig.store.path)["bus/erp"].unproven == 0
        lacking = [one for one in held if one[0] != 7]
        await compared(rig, client, lacking, 1, 15)
        await compared(rig, client, lacking, 5, 8)
        assert open_() == [(1, 15), (5, 8)] and alert_of(rig)
        standing = load_standing(rig.store.path)["bus/erp"]
        assert (standing.unproven, standing.at_ms > 0) == (2, True)
        await compared(rig, client, held, 5, 8)
        await compared(rig, client, lacking, 1, 20)
        assert open_() == [(1, 20)] and alert_of(rig), "it speaks for the range within it"
        await compared(rig, client, held, 1, 20)
        assert open_() == [] and not alert_of(rig)


async def test_posted_is_the_count_that_the_consumer_gives(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        held = await drained(rig, client)
        answer = await rig.ask(client, "reconcile", figures(rig, held, 1, 20) | {"count": 1})
        assert answer["match"] is False
        one = load(rig.store.path)[0]
        assert (one.findings.counts.stored, one.posted, one.unposted) == (20, 1, 19)
        await compared(rig, client, held, 1, 20)
        assert (load(rig.store.path)[0].posted, load(rig.store.path)[0].unposted) == (20, 0)


async def test_it_never_matches_over_a_rejected_fact(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        page = await rig.ask(client, "pull", {})
        bad = page["events"][4]["id"]
        await rig.ask(client, "ack", {"upto": page["next"], "rejected": [{"id": bad}]})
        held = [one for one in numbered(page) if one[1] != bad]
        answer = await compared(rig, client, held, 1, 20)
        assert answer["differences"] == [] and answer["excluded"] == [5] and answer["match"] is False
        assert not alert_of(rig)  # the quarantine has its own


async def test_a_journal_that_was_set_aside_can_be_compared(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        held, request = await drained(rig, client), None
        request = figures(rig, held, 1, 20)
        await renamed(rig, "edge2")  # type: ignore[arg-type]
        await drained(rig, client)
        assert (await rig.ask(client, "reconcile", request))["match"] is True


async def test_what_the_edge_lost_is_compared_apart_and_never_matches(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        held, gone = await drained(rig, client), rig.journal.epoch
        whole, before = figures(rig, held, 1, 20), figures(rig, held, 1, 11)
        lost = figures(rig, held, 12, 12)
        await rig.stop()
        await damaged(rig, 12)  # type: ignore[arg-type]
        rig.start()
        client = await rig.client()
        await drained(rig, client)
        refused = await rig.ask(client, "reconcile", whole)
        assert refused["problem"]["type"] == "urn:lineside:problem:lost"
        assert "lost seq 12 to 12" in refused["problem"]["detail"]
        assert (await rig.ask(client, "reconcile", before))["match"] is True
        answer = await rig.ask(client, "reconcile", lost)
        assert answer["match"] is False
        count = next(one for one in answer["differences"] if one["what"] == "count")
        assert (count["here"], count["there"]) == ("0", "1")
        assert not alert_of(rig), "it is no difference"
        (alert,) = [one for one in load_status(rig.store.path).alerts if one.cleared_ms is None]
        assert alert.key == f"uplink.bus/erp.lost.{gone}" and "It holds 1 of them" in alert.text
        assert load(rig.store.path)[0].occasion == LOST


BAD: list[tuple[dict[str, Any], str]] = [
    ({"to_seq": RANGE_MAX + 1}, "too-large"),
    ({"source": "urn:lineside:site:edge:0000000000000000"}, "unknown-source"),
    ({"source": "x" * 201}, "malformed"),
    ({"to_seq": 21}, "not-settled"),
    ({"from_seq": 12, "to_seq": 11}, "not-settled"),
    ({"from_seq": 0}, "malformed"),
    ({"to_seq": 10**40}, "malformed"),
    ({"digest": "DEAD"}, "malformed"),
    ({"count": None, "digest": None}, "malformed"),
    ({"count": -1}, "malformed"),
    ({"totals": [{"kind": "good", "unit": "C62", "quantity": "1e999999999"}]}, "malformed"),
    ({"totals": [{"kind": "good", "unit": "C62", "quantity": 1}]}, "malformed"),
    ({"totals": [{"kind": "g", "unit": "u", "quantity": "1"}] * 5001}, "malformed"),
]


async def test_what_is_refused_says_why_and_keeps_no_certificate(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        held = await drained(rig, client)
        for change, kind in BAD:
            answer = await rig.ask(client, "reconcile", figures(rig, held, 1, 20) | change)
            assert answer["problem"]["type"] == f"urn:lineside:problem:{kind}", (change, answer)
            assert answer["problem"]["detail"]
        assert load(rig.store.path) == [] and not alert_of(rig)


async def test_comparisons_are_counted_and_delivery_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.mqtt.comparing._AT_ONCE", 3)
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        held = await drained(rig, client)
        for last in (18, 19, 20):
            assert (await compared(rig, client, held, 1, last))["match"] is True
        refused = await compared(rig, client, held, 1, 17)
        assert refused["problem"]["type"] == "urn:lineside:problem:too-often"
        assert (await rig.ask(client, "pull", {}))["more"] is False
        assert len(load(rig.store.path)) == 3


async def test_an_answer_keeps_to_the_bytes_of_a_page(tmp_path: Path) -> None:
    async with rigged(tmp_path, page_bytes=4096) as rig:
        client = await rig.client()
        consumed = [
            MaterialConsumed(
                work_order=f"W{number}", operation="1", posting_date="2026-11-22", material="S", unit="KGM",
                quantity=Decimal(1), method="scanned", use="production", posted_by="edge",
            )
            for number in range(60)
        ]  # fmt: skip
        await rig.append(*consumed)
        held = await drained(rig, client)
        assert (await compared(rig, client, held, 1, 40))["totals"]
        whole = await compared(rig, client, held, 1, 80)
        assert whole["totals"] is None and whole["match"] is True
