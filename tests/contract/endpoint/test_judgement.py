"""What becomes of each event: posted once, recognised again, or rejected with what to do."""

import hashlib
import json
from pathlib import Path
from typing import Any

from edge.demo.endpoint import MASTERDATA, Endpoint
from edge.demo.endpoint.examine import chain_of, examine
from edge.events import ClockStepped, WorkStarted
from tests.contract.endpoint.chains import (
    JOB,
    Journal,
    batch,
    consumed,
    corrected,
    output,
    report,
    whole_order,
)
from tests.contract.endpoint.conftest import TOKEN, Sender, content, edit


def resealed(event: dict[str, Any], previous: str = "") -> bytes:
    """An event after tampering, with the chain that belongs to its new content."""
    content = {name: value for name, value in event.items() if name != "chain"}
    body = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    return json.dumps(content | {"chain": hashlib.sha256(previous.encode() + body).hexdigest()}).encode()


async def test_costs_get_gapless_documents_and_evidence_gets_none(sender: Sender) -> None:
    journal = Journal()
    journal.add(WorkStarted(phase="run", **JOB))
    journal.add(consumed("10"))
    journal.add(consumed("1", posted_by="erp"))
    journal.add(report(output("5")))
    first, second, third, fourth = await sender.post(*journal.wire)
    assert first == {"id": journal.events[0].id, "status": "accepted"}
    assert (second["document"], second["posting_date"]) == ("CO-000001", "2026-11-22")
    assert "document" not in third
    assert fourth["document"] == "CO-000002"


async def test_delivering_again_posts_nothing_and_names_the_old_document(
    sender: Sender, endpoint: Endpoint
) -> None:
    journal = whole_order()
    before = await sender.post(*journal.wire)
    sheet = await sender.json("/orders/10045678.json")
    await endpoint.cut()
    await endpoint.restore()
    again = await sender.post(*journal.wire)
    assert [result["document"] for result in again] == [result["document"] for result in before]
    assert {result["status"] for result in again} == {"duplicate"}
    assert await sender.json("/orders/10045678.json") == sheet
    held = await sender.received(journal)
    assert (held["count"], held["duplicates"], held["last_sequence"]) == (8, 8, 8)


async def test_what_was_answered_survives_the_process(tmp_path: Path, sender: Sender) -> None:
    journal = whole_order()
    path = tmp_path / "other.db"
    documents: list[str] = []
    for expected in ("accepted", "duplicate"):
        async with Endpoint(path, MASTERDATA, token=TOKEN) as other:
            results = await Sender(sender.session, other).post(*journal.wire)
            assert {result["status"] for result in results} == {expected}
            documents.append(results[-1]["document"])
    assert documents == ["CO-000008", "CO-000008"]


async def test_two_journals_under_one_name_are_a_fork(sender: Sender) -> None:
    ours, copy = Journal(), Journal()
    ours.add(consumed("1"), "ours-1")
    copy.add(consumed("2"), "copy-1")
    assert await sender.statuses(*ours.wire) == ["accepted"]
    assert await sender.statuses(*copy.wire) == ["fork"]
    assert await sender.statuses(*ours.wire) == ["duplicate"]
    assert (await sender.received(ours))["refused"] == 1


async def test_behind_a_fork_nothing_of_its_source_is_booked_in_the_same_call(sender: Sender) -> None:
    """The numbers behind it are free here, and the other journal's all the same."""
    ours, copy, other = Journal(), Journal(), Journal("urn:lineside:suzhou:L4-IPC1:0123456789abcdef")
    ours.add(consumed("1"), "ours-1")
    for number in range(1, 4):
        copy.add(consumed(str(number + 1)), f"copy-{number}")
    other.add(consumed("9"), "other-1")
    assert await sender.statuses(*ours.wire) == ["accepted"]
    assert await sender.statuses(*copy.wire, *other.wire) == ["fork", "retry", "retry", "accepted"]
    ours.add(consumed("5"), "ours-2")
    assert await sender.statuses(*ours.wire) == ["duplicate", "accepted"]


async def test_a_posted_event_never_changes(sender: Sender) -> None:
    journal = Journal()
    journal.add(consumed("1"))
    await sender.post(*journal.wire)
    event = journal.decoded(1)
    event["data"]["quantity"] = "9"
    assert await sender.statuses(resealed(event)) == ["changed"]
    assert await sender.statuses(json.dumps(event).encode()) == ["changed"]
    (line,) = (await sender.json("/orders/10045678.json"))["lines"]
    assert line["quantity"] == "1"


async def test_the_key_order_of_the_sender_does_not_matter(sender: Sender) -> None:
    journal = Journal()
    journal.add(consumed("1", warehouse="仓库 \u2028 é"))
    turned = dict(reversed(journal.decoded(1).items()))
    assert await sender.statuses(json.dumps(turned).encode(), *journal.wire) == ["accepted", "duplicate"]


async def test_a_changed_content_under_the_old_chain_is_found(sender: Sender) -> None:
    journal = Journal()
    for quantity in ("1", "2", "3"):
        journal.add(consumed(quantity))
    event = journal.decoded(2)
    event["data"]["quantity"] = "20"
    bent = json.dumps(event).encode()
    assert await sender.statuses(journal.wire[0], bent, journal.wire[2]) == ["accepted", "chain", "accepted"]
    assert await sender.statuses(journal.wire[1]) == ["accepted"]
    held = await sender.received(journal)
    assert (held["accepted"], held["rejected"]) == (3, 0)


async def test_an_event_that_fills_a_gap_must_lead_to_the_one_behind_it(sender: Sender) -> None:
    journal = Journal()
    for quantity in ("1", "2", "3"):
        journal.add(consumed(quantity))
    await sender.post(journal.wire[0], journal.wire[2])
    event = journal.decoded(2)
    event["data"]["quantity"] = "20"
    assert await sender.statuses(resealed(event, journal.decoded(1)["chain"])) == ["chain"]
    assert await sender.statuses(journal.wire[1]) == ["accepted"]


async def test_a_gap_is_accepted_and_kept_as_missing(sender: Sender) -> None:
    journal = Journal()
    for quantity in range(1, 7):
        journal.add(consumed(str(quantity)))
    assert await sender.statuses(journal.wire[1], journal.wire[4]) == ["accepted", "accepted"]
    held = await sender.received(journal)
    assert (held["missing"], held["missing_count"], held["last_sequence"]) == ([1, 3, 4], 3, 5)
    await sender.post(*journal.wire)
    assert (await sender.received(journal))["missing"] == []


async def test_json_numbers_and_odd_decimals_are_rejected_and_remembered(sender: Sender) -> None:
    journal = Journal()
    for n in range(7):
        journal.add(consumed("1") if n < 6 else report(output("1")))
    bad: list[bytes] = []
    for seq, value in enumerate((1, 1.5, "1e3", "NaN", "1,5", "0.1234567891"), 1):
        event = journal.decoded(seq)
        event["data"]["quantity"] = value
        bad.append(json.dumps(event).encode())
    assert await sender.statuses(*bad, journal.wire[6]) == ["invalid"] * 6 + ["accepted"]
    held = await sender.received(journal)
    assert (held["count"], held["rejected"], held["missing"]) == (7, 6, [])


async def test_an_envelope_that_cannot_be_used_is_rejected(sender: Sender) -> None:
    journal = Journal()
    journal.add(consumed("1"))
    for name, value in (
        ("source", "urn:other"),
        ("sequence", "1"),
        ("sequence", 1),
        ("sequence", "0" * 20),
        ("chain", None),
        ("time", "yesterday"),
        ("data", None),
    ):
        assert await sender.statuses(json.dumps(journal.decoded(1) | {name: value}).encode()) == ["invalid"]
    assert await sender.statuses(*journal.wire) == ["accepted"]


async def test_an_unknown_type_is_evidence(sender: Sender) -> None:
    event = Journal()
    event.add(WorkStarted(phase="run", **JOB))
    future = event.decoded(1) | {"type": "lineside.robot.danced.v1"}
    results = await sender.post(resealed(future))
    assert results == [{"id": event.events[0].id, "status": "accepted"}]


async def test_an_unknown_order_is_rejected_and_accepted_after_its_release(
    sender: Sender, masterdata: Path
) -> None:
    journal = Journal()
    journal.add(consumed("4", work_order="10049999"))
    journal.add(consumed("1"))
    first, second = await sender.post(*journal.wire)
    assert first["problem"]["type"] == "urn:lineside:problem:unknown-order"
    assert "Release it in the ERP" in first["problem"]["detail"]
    assert second["document"] == "CO-000001"
    assert await sender.statuses(journal.wire[0]) == ["unknown-order"]
    orders = json.loads(content(masterdata))["work_orders"]
    edit(masterdata, work_orders=[*orders, orders[0] | {"work_order": "10049999"}])
    retried, again = await sender.post(*journal.wire)
    assert (retried["status"], retried["document"]) == ("accepted", "CO-000002")
    assert again["status"] == "duplicate"
    assert (await sender.received(journal))["rejected"] == 0


async def test_what_was_rejected_for_business_must_come_again_as_it_was(sender: Sender) -> None:
    journal = Journal()
    journal.add(consumed("4", work_order="10049999"))
    await sender.post(*journal.wire)
    event = journal.decoded(1)
    event["data"]["work_order"] = "10045678"
    assert await sender.statuses(resealed(event)) == ["changed"]


async def test_a_locked_date_is_posted_on_the_first_open_day(sender: Sender, masterdata: Path) -> None:
    edit(
        masterdata,
        periods=[
            {"from": "2026-11-01", "to": "2026-11-30", "open": False},
            {"from": "2026-12-01", "to": "2026-12-31", "open": True},
        ],
    )
    journal = Journal()
    journal.add(consumed("1"))
    journal.add(consumed("1", posting_date="2027-01-01"))
    locked, beyond = await sender.post(*journal.wire)
    assert locked["posting_date"] == "2026-12-01"
    assert beyond["problem"]["type"] == "urn:lineside:problem:period-closed"
    assert "finance" in beyond["problem"]["detail"]


async def test_a_date_that_waits_for_the_clock_comes_with_the_step(sender: Sender) -> None:
    journal = Journal()
    for _ in range(2):
        journal.add(consumed("1", posting_date=None))
    step = {"offset_s": "86400", "from_seq": "1", "to_seq": "2", "posting_date": "2026-11-23"}
    journal.add(ClockStepped(**step))
    first, _ = await sender.post(journal.wire[0], journal.wire[2])
    assert "posting_date" not in first
    (late,) = await sender.post(journal.wire[1])
    assert late["posting_date"] == "2026-11-23"
    posted = (await sender.json("/orders/10045678.json"))["documents"]
    assert [document["posting_date"] for document in posted] == ["2026-11-23", "2026-11-23"]


async def test_a_correction_that_comes_first_leaves_its_event_without_effect(sender: Sender) -> None:
    journal = Journal()
    wrong = journal.add(report(output("9")))
    journal.add(consumed("3", caused_by=wrong))
    journal.add(corrected(wrong))
    assert await sender.statuses(journal.wire[2]) == ["accepted"]
    assert await sender.statuses(*journal.wire) == ["accepted", "accepted", "duplicate"]
    sheet = await sender.json("/orders/10045678.json")
    assert (sheet["lines"], sheet["outputs"]) == ([], [])
    assert sheet["documents"][1]["cancelled_by"] == "CO-000001"


async def test_a_batch_of_500_is_one_transaction_in_order(sender: Sender) -> None:
    journal = Journal()
    for n in range(500):
        journal.add(consumed(f"0.{n:03d}"))
    results = await sender.post(*journal.wire)
    assert [result["id"] for result in results] == [event.id for event in journal.events]
    assert [result["document"] for result in results] == [f"CO-{n:06d}" for n in range(1, 501)]


def test_the_chain_is_recomputed_without_the_senders_code() -> None:
    journal = whole_order()
    previous = ""
    for seq in range(1, len(journal.wire) + 1):
        item = examine(journal.decoded(seq))
        assert chain_of(previous, item.body) == item.chain
        previous = item.chain
    assert batch(*journal.wire).startswith(b'[{"chain"')
