"""Every way to settle, through the supervisor's page in a real browser to the facts that come of it."""

import copy
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from playwright.async_api import Browser, Page, expect

from edge.masterdata import MasterData, parse
from edge.readings import Quality, Reading
from edge.settings.checks import StationChecks
from tests.e2e.test_operator_page import scan
from tests.unit.station.floor import BACKFLUSHED, MASTER
from tests.unit.web.rig import Rig

PEOPLE = [
    {"person": "1042", "roles": ["operator"]},
    {"person": "2001", "roles": ["shift_leader"]},
    {"person": "3001", "roles": ["quality"]},
]


@pytest.fixture
async def review(rig: Rig, browser: Browser) -> AsyncIterator[Page]:
    """The supervisor's page."""
    know(rig, MASTER)
    context = await browser.new_context(viewport={"width": 1920, "height": 1080}, timezone_id="Asia/Shanghai")
    context.set_default_timeout(10_000)
    page = await context.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    await page.goto(f"{rig.url}/review")
    yield page
    await context.close()
    assert not broken


def know(rig: Rig, document: dict[str, Any]) -> None:
    rig.collector.masterdata.now = MasterData(parse(msgspec.json.encode(document | {"people": PEOPLE})), "e")


async def count(rig: Rig, *cycles: int) -> None:
    for counted in cycles:
        rig.collector.readings([Reading("press1", "cycles", counted, Quality.good, rig.clock.now())])
        await rig.collector.turn()
        rig.clock.advance(31)
        rig.collector.tick()
        await rig.collector.turn()


async def typed(rig: Rig, *texts: str) -> None:
    for text in texts:
        rig.clock.advance(5)
        assert (await rig.collector.typed("OP20", text)).good, text


async def decide(page: Page, way: str, person: str = "2001", **fields: str) -> None:
    """Settle the only entry of the list."""
    await expect(page.locator("#count")).to_have_text("1")
    await page.click("#waiting button")
    await page.click(f"[data-way={way}]")
    for name, given in fields.items():
        await page.fill(f".part [name={name}]", given)
    await page.fill("#decide [name=person]", person)
    await page.click("#decide [type=submit]")


async def settled(page: Page, said: str) -> None:
    await expect(page.locator("#message")).to_contain_text(said)
    await expect(page.locator("#nothing")).to_be_visible()


async def facts(rig: Rig, kind: str) -> list[dict[str, Any]]:
    """The facts of a type, oldest first."""
    rows = await rig.journal.read_after(0, 1000)
    events = (json.loads(body) for _, body in rows)
    return [one["data"] | {"id": one["id"]} for one in events if one["type"] == f"lineside.{kind}.v1"]


async def test_a_count_is_accepted_as_nobodys(rig: Rig, review: Page) -> None:
    await count(rig, 500, 512)
    await decide(review, "accept")
    await settled(review, "Accepted by 2001")
    (settlement,) = await facts(rig, "review.settled")
    (waited,) = await facts(rig, "count.unattributed")
    assert (settlement["how"], settlement["settles"]) == ("accepted", [waited["id"]])
    assert await facts(rig, "work.reported") == []


async def test_a_count_is_reassigned_to_an_order(rig: Rig, review: Page) -> None:
    await count(rig, 500, 512)
    await decide(review, "reassign", job="100/0020", quantity="12")
    await settled(review, "Reassigned by 2001")
    (report,) = await facts(rig, "work.reported")
    assert (report["work_order"], report["origin"]) == ("100", "manual")
    assert [(one["disposition"], one["quantity"]) for one in report["outputs"]] == [("good", "12")]


async def test_a_held_jump_is_reversed(rig: Rig, review: Page) -> None:
    await typed(rig, "LSE1042", "LSW100")
    await count(rig, 500, 501, 90_501)
    await decide(review, "reverse")
    await settled(review, "Reversed by 2001")
    (settlement,) = await facts(rig, "review.settled")
    assert settlement["how"] == "reversed" and await facts(rig, "work.reported") == []


async def test_a_persons_time_is_reassigned(rig: Rig, review: Page) -> None:
    await typed(rig, "LSE1042")
    for _ in range(45):
        rig.clock.advance(60)
        rig.collector.tick()
        await rig.collector.turn()
    await typed(rig, "LSCOUT", "LSE1042")
    await expect(review.locator("#waiting")).to_contain_text("without an order: no order was open")
    await review.click("#waiting button")
    await review.click("[data-way=reassign]")
    await expect(review.locator(".part")).to_contain_text("Seconds")
    waits = await review.input_value(".part [name=quantity]")
    await decide(review, "reassign", job="100/0020")
    await settled(review, "Reassigned by 2001")
    (report,) = await facts(rig, "work.reported")
    assert report["resources"]["labour"] == [{"operator": "1042", "phase": "run", "s": waits}]


async def test_too_much_of_a_lot_becomes_what_it_was(rig: Rig, review: Page) -> None:
    await typed(rig, "LSE1042", "LSW100", "LSL A1", "LSQ50")
    await expect(review.locator("#waiting")).to_contain_text("more material than the BOM asks for")
    await expect(review.locator("#waiting")).to_contain_text("用料超过BOM用量")
    await decide(review, "reassign", quantity="5", lot="A1")
    await settled(review, "Reassigned by 2001")
    wrong, right = await facts(rig, "material.consumed")
    (correction,) = await facts(rig, "work.corrected")
    assert correction["corrects"] == right["replaces"] == wrong["id"]
    assert (wrong["quantity"], right["quantity"], right["lot"]) == ("50", "5", "A1")


async def test_a_consumption_that_did_not_occur_is_reversed(rig: Rig, review: Page) -> None:
    await typed(rig, "LSE1042", "LSW100", "LSL A1", "LSQ50")
    await decide(review, "reverse")
    await settled(review, "Reversed by 2001")
    (wrong,), (correction,) = await facts(rig, "material.consumed"), await facts(rig, "work.corrected")
    assert (correction["corrects"], correction["reason"]) == (wrong["id"], "did_not_occur")


async def test_a_completion_is_restated(rig: Rig, review: Page) -> None:
    site = rig.collector.site
    asking = site.stations["OP20"].model_copy(update={"checks": StationChecks(missing_lot="warn")})
    rig.collector.site = replace(site, stations=dict(site.stations) | {"OP20": asking})
    await typed(rig, "LSE1042", "LSW100", "LSCDONE", "LSQ4", "LSCOK")
    await expect(review.locator("#waiting")).to_contain_text("all the same: a lot is missing")
    await decide(review, "reassign", quantity="3")
    await settled(review, "Reassigned by 2001")
    wrong, right = await facts(rig, "work.completed")
    assert right["replaces"] == wrong["id"]
    assert [one["quantity"] for one in (*wrong["outputs"], *right["outputs"])] == ["4", "3"]


async def test_material_without_a_lot_is_split_over_lots(rig: Rig, review: Page) -> None:
    document = copy.deepcopy(BACKFLUSHED)
    document["work_orders"][0]["bom"][1]["lot_required"] = True
    know(rig, document)
    await typed(rig, "LSE1042", "LSW100", "LSCPART", "LSQ4", "LSCOK")
    await expect(review.locator("#waiting")).to_contain_text("of OIL used without a lot")
    await review.click("#waiting button")
    await review.click("[data-way=split]")
    for place, quantity in enumerate(("0.01", "0.03")):
        part = review.locator(".part").nth(place)
        await part.locator("[name=quantity]").fill(quantity)
        await part.locator("[name=lot]").fill(f"O{place}")
    await expect(review.locator("#after li").last).to_contain_text("0.03 of lot O1")
    await review.fill("#decide [name=person]", "2001")
    await review.click("#decide [type=submit]")
    await settled(review, "Split by 2001")
    _, *right = await facts(rig, "material.consumed")
    assert [(one["lot"], one["quantity"]) for one in right] == [("O0", "0.01"), ("O1", "0.03")]


async def test_a_make_up_entry_of_an_operator_takes_a_second_person(rig: Rig, review: Page) -> None:
    await review.click("[data-tab=makeup]")
    fields = {"time": "2026-11-22T09:30:00", "job": "100/0020", "quantity": "5", "person": "1042"}
    for name, given in (fields | {"note": "gun broken"}).items():
        await review.fill(f"#makeup [name={name}]", given)
    await review.click("#makeup [type=submit]")
    await expect(review.locator("#message")).to_contain_text("1042 needs a second person")
    assert await facts(rig, "work.reported") == []
    await review.fill("#makeup [name=approved_by]", "2001")
    await review.click("#makeup [type=submit]")
    await expect(review.locator("#message")).to_contain_text("Made up by 1042")
    (settlement,) = await facts(rig, "review.settled")
    assert (settlement["person"], settlement["approved_by"]) == ("1042", "2001")
    (report,) = await facts(rig, "work.reported")
    assert report["outputs"][0]["quantity"] == "5"


async def test_rework_that_turned_good_leaves_the_shift_with_good_pieces(
    rig: Rig, page: Page, review: Page
) -> None:
    await scan(rig, page, "LSE1042", "LSW100", "LSCREWORK04", "LSQ3")
    await expect(page.locator("#rework")).to_have_text("3")
    await review.click("[data-tab=shifts]")
    row = review.locator("#shifts tr", has_text="OP20")
    await expect(row.locator("td").nth(4)).to_have_text("3 pcs 件")
    await scan(rig, page, "LSCGOOD", "LSQ2", "LSCOK")
    await expect(page.locator("#rework")).to_have_text("1")
    (turned,) = await facts(rig, "output.reclassified")
    assert (turned["from"], turned["to"], turned["quantity"]) == ("rework", "good", "2")
    await expect(row.locator("td").nth(2)).to_have_text("2 pcs 件")
    await expect(row.locator("td").nth(4)).to_have_text("1 pcs 件")
    await expect(row.locator("td").first).to_have_text("2026-11-22 day")


async def test_shift_totals_tell_what_waits(rig: Rig, review: Page) -> None:
    await count(rig, 500, 512)
    await review.click("[data-tab=shifts]")
    cells = review.locator("#shifts tr", has_text="OP20").locator("td")
    await expect(cells.nth(10)).to_have_text("12 pcs 件")
    await expect(cells.nth(11)).to_have_text("1")
