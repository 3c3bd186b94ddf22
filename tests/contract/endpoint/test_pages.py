"""The pages: every figure is there, and leads to the event that carried it."""

import re
from decimal import Decimal

from edge.demo.endpoint import Endpoint
from tests.contract.endpoint.chains import ORDER, Journal, consumed, output, report, whole_order
from tests.contract.endpoint.conftest import Sender

# 29.5 kg × 5.20 + 120 × 8.40 / 100 + 72 s × 36 / h + 72 s × 90 / h + 0.5 kWh × 0.80
COST = Decimal("153.40") + Decimal("10.08") + Decimal("0.72") + Decimal("1.80") + Decimal("0.40")


async def test_the_list_shows_cost_status_and_counts(sender: Sender) -> None:
    await sender.post(*whole_order().wire)
    status, kind, page = await sender.get("/")
    assert (status, kind) == (200, "text/html")
    assert Decimal("166.40") == COST
    for text in ("10045678", "166.40 CNY", "Completed 已完工", "10045679", "Closed 已关闭", "缺号"):
        assert text in page


async def test_the_sheet_leads_from_each_figure_to_its_document(sender: Sender) -> None:
    journal = whole_order()
    await sender.post(*journal.wire)
    status, _, page = await sender.get(f"/orders/{ORDER}")
    assert status == 200
    for text in ("166.40", "A2207", "操作工 1042", "measured 实测", "Estimate 估算", "2026-11-01", "量差"):
        assert text in page
    for target in set(re.findall(r'href="#(CO-\d+)"', page)):
        assert f'id="{target}"' in page
    assert "cancelled by 已冲销" in page
    assert (await sender.get(f"/events/{journal.events[0].id}"))[0] == 200


async def test_the_json_holds_plain_decimal_strings(sender: Sender) -> None:
    await sender.post(*whole_order().wire)
    sheet = await sender.json(f"/orders/{ORDER}.json")
    assert sheet["total"] == {"value": "166.4", "at_least": False}
    assert sheet["unit_costs"][0]["good"] == "60"
    assert [document["number"] for document in sheet["documents"]] == [f"CO-{n:06d}" for n in range(1, 9)]
    assert sheet["documents"][3]["cancelled_by"] == "CO-000005"


async def test_the_incomplete_is_in_a_box_of_its_own(sender: Sender) -> None:
    journal = Journal()
    journal.add(consumed("1", lot=None))
    journal.add(report(output("5")))
    await sender.post(*journal.wire)
    page = (await sender.get(f"/orders/{ORDER}"))[2]
    for text in ("Incomplete", "No lot 缺批次", "No machine time 缺机时", "≥"):
        assert text in page


async def test_what_was_not_posted_says_why(sender: Sender) -> None:
    journal = Journal()
    journal.add(consumed("1", work_order="10049999"))
    await sender.post(*journal.wire)
    for path in ("/", "/orders/10049999"):
        status, _, page = await sender.get(path)
        assert status == 200
        assert "Release it in the ERP" in page


async def test_texts_of_the_line_are_never_markup(sender: Sender) -> None:
    journal = Journal()
    journal.add(consumed("1", lot="<script>alert(1)</script>"))
    await sender.post(*journal.wire)
    page = (await sender.get(f"/orders/{ORDER}"))[2]
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


async def test_an_empty_endpoint_has_its_pages_too(endpoint: Endpoint, sender: Sender) -> None:
    for path in ("/", "/orders/10045679", "/style.css", "/received.json"):
        assert (await sender.get(path))[0] == 200
    for path in ("/orders/none", "/events/none", "/orders/none.json"):
        assert (await sender.get(path))[0] == 404
    assert endpoint.listening
