"""The sender's figures against the books. The sender's side is reckoned by hand here."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edge.demo.endpoint import Endpoint
from edge.events import ClockStepped
from tests.contract.endpoint.chains import ORDER, Journal, consumed, corrected, output, report, whole_order
from tests.contract.endpoint.conftest import Sender, edit

DAY = "2026-11-22"


def total(kind: str, quantity: str, material: str | None = None, unit: str | None = None, **more: Any) -> Any:
    """A total of the order under test."""
    where = {"posting_date": DAY, "work_order": ORDER, "operation": "0020"}
    return {**where, "material": material, "kind": kind, "unit": unit, "quantity": quantity, **more}


WHOLE = [
    total("good", "60", "BRACKET-7", "C62"),
    total("scrap", "2", "BRACKET-7", "C62"),
    total("scanned", "29.5", "STEEL-4", "KGM"),
    total("scanned", "120", "NUT-M6", "C62"),
    total("setup_s", "12", unit="SEC"),
    total("machine_s", "60"),
    total("labour_s", "72.000"),
    total("energy_kwh", "0.5", unit="KWH"),
]


def claim(journal: Journal, totals: list[Any], excluded: Iterable[int] = (), **more: Any) -> bytes:
    """What the sender says of its whole journal."""
    left_out = set(excluded)
    ids = [event.id for event in journal.events if event.seq not in left_out]
    digest = hashlib.sha256("\n".join(ids).encode()).hexdigest()
    said = {
        "source": journal.source,
        "from_seq": 1,
        "to_seq": len(journal.wire),
        "count": len(ids),
        "digest": digest,
        "excluded": sorted(left_out),
        "totals": totals,
    }
    return json.dumps(said | more).encode()


async def reconciled(sender: Sender, body: bytes) -> dict[str, Any]:
    status, _, answer = await sender.call(body, path="/reconciliation")
    assert status == 200, answer
    held: dict[str, Any] = answer
    return held


async def test_equal_figures_match(sender: Sender, endpoint: Endpoint) -> None:
    journal = whole_order()
    await sender.post(*journal.wire)
    await sender.post(*journal.wire)
    await endpoint.cut()
    await endpoint.restore()
    answer = await reconciled(sender, claim(journal, WHOLE))
    assert answer["match"] is True
    assert (answer["missing"], answer["differences"], answer["count"]) == ([], [], 8)


async def test_a_quantity_that_differs_is_named_with_both_figures(sender: Sender) -> None:
    journal = whole_order()
    await sender.post(*journal.wire)
    answer = await reconciled(sender, claim(journal, [total("good", "61", "BRACKET-7", "C62"), *WHOLE[1:]]))
    assert answer["match"] is False
    (difference,) = answer["differences"]
    assert (difference["kind"], difference["sent"], difference["received"]) == ("good", "61", "60")
    assert (difference["posting_date"], difference["work_order"]) == (DAY, ORDER)


async def test_a_total_left_out_is_a_difference(sender: Sender) -> None:
    journal = whole_order()
    await sender.post(*journal.wire)
    answer = await reconciled(sender, claim(journal, WHOLE[:-1]))
    assert [(d["kind"], d["sent"], d["received"]) for d in answer["differences"]] == [
        ("energy_kwh", "0", "0.50")
    ]


async def test_what_never_arrived_is_missing(sender: Sender) -> None:
    journal = whole_order()
    await sender.post(*journal.wire[:2], *journal.wire[3:7])
    answer = await reconciled(sender, claim(journal, WHOLE))
    assert answer["match"] is False
    assert answer["missing"] == [3, 8]
    assert {"count", "digest"} <= {difference["kind"] for difference in answer["differences"]}


async def test_a_journal_never_heard_of_is_missing_altogether(sender: Sender) -> None:
    answer = await reconciled(sender, claim(whole_order(), WHOLE))
    assert (answer["match"], answer["missing"]) == (False, list(range(1, 9)))


async def test_there_is_no_match_while_one_is_rejected(sender: Sender) -> None:
    journal = Journal()
    journal.add(consumed("1"))
    journal.add(consumed("1", work_order="10049999"))
    await sender.post(*journal.wire)
    said = claim(journal, [total("scanned", "1", "STEEL-4", "KGM")], excluded=[2])
    answer = await reconciled(sender, said)
    assert (answer["match"], answer["missing"], answer["differences"]) == (False, [], [])
    assert answer["rejected"] == [2]


async def test_a_correction_subtracts_once_on_its_own_day(sender: Sender) -> None:
    journal = Journal()
    wrong = journal.add(report(output("9")))
    journal.add(consumed("3", caused_by=wrong, method="backflushed"))
    journal.add(corrected(wrong, posting_date="2026-11-23"))
    journal.add(corrected(wrong, posting_date="2026-11-24"))
    await sender.post(*journal.wire)
    totals = [
        total("good", "9", "BRACKET-7", "C62"),
        total("backflushed", "3", "STEEL-4", "KGM"),
        total("good", "-9", "BRACKET-7", "C62", posting_date="2026-11-23"),
        total("backflushed", "-3", "STEEL-4", "KGM", posting_date="2026-11-23"),
    ]
    assert (await reconciled(sender, claim(journal, totals)))["match"] is True


async def test_a_range_may_hold_the_correction_without_its_event(sender: Sender) -> None:
    journal = Journal()
    wrong = journal.add(consumed("3"))
    journal.add(corrected(wrong))
    await sender.post(*journal.wire)
    ids = hashlib.sha256(journal.events[1].id.encode()).hexdigest()
    totals = [total("scanned", "-3", "STEEL-4", "KGM")]
    said = claim(journal, totals, from_seq=2, count=1, digest=ids)
    assert (await reconciled(sender, said))["match"] is True


async def test_what_was_posted_later_counts_on_the_day_that_was_answered(
    sender: Sender, masterdata: Path
) -> None:
    edit(masterdata, periods=[{"from": "2026-12-01", "to": "2026-12-31", "open": True}])
    journal = Journal()
    journal.add(consumed("3"))
    (result,) = await sender.post(*journal.wire)
    for day, match in ((result["posting_date"], True), (DAY, False)):
        said = claim(journal, [total("scanned", "3", "STEEL-4", "KGM", posting_date=day)])
        assert (await reconciled(sender, said))["match"] is match


async def test_what_a_step_dated_counts_on_the_day_that_was_answered_to_the_step(
    sender: Sender, masterdata: Path
) -> None:
    edit(masterdata, periods=[{"from": "2026-12-01", "to": "2026-12-31", "open": True}])
    journal = Journal()
    journal.add(consumed("3", posting_date=None))
    (waits,) = await sender.post(*journal.wire)
    assert "posting_date" not in waits, "accepted, and dated later"
    said = claim(journal, [total("scanned", "3", "STEEL-4", "KGM", posting_date=None)])
    assert (await reconciled(sender, said))["match"] is True
    journal.add(ClockStepped(from_seq=f"{1:020d}", to_seq=f"{1:020d}", posting_date=DAY))
    for status in ("accepted", "duplicate"):
        (dated,) = await sender.post(journal.wire[1])
        assert (dated["status"], dated["posting_date"]) == (status, "2026-12-01")
    for day, match in (("2026-12-01", True), (DAY, False), (None, False)):
        said = claim(journal, [total("scanned", "3", "STEEL-4", "KGM", posting_date=day)])
        assert (await reconciled(sender, said))["match"] is match


async def test_no_reconciliation_is_a_400(sender: Sender) -> None:
    sound = json.loads(claim(whole_order(), WHOLE))
    odd = [{"to_seq": 2**63}, {"from_seq": "1"}, {"from_seq": 0}, {"count": -1}, {"digest": "x"}]
    odd += [{"excluded": [0]}, {"totals": [total("good", "1e3")]}, {"totals": [{**WHOLE[0], "quantity": 60}]}]
    for body in (b"<html>", b"[]", b"{}", b"[" * 100_000, *(json.dumps(sound | one).encode() for one in odd)):
        status, kind, _ = await sender.call(body, path="/reconciliation")
        assert (status, kind) == (400, "application/problem+json")
