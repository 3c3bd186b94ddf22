"""The supervisor's page in a real browser: evidence, decision, before and after."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from playwright.async_api import Browser, Page, expect

from edge.masterdata import MasterData, parse
from edge.readings import Quality, Reading
from tests.unit.station.floor import MASTER
from tests.unit.web.rig import Rig

PEOPLE = [{"person": "1042", "roles": ["operator"]}, {"person": "2001", "roles": ["shift_leader"]}]
SHOTS = os.environ.get("LINESIDE_SCREENSHOTS")  # a folder, to look at the page


async def shot(page: Page, name: str) -> None:
    if SHOTS:
        await page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


@pytest.fixture
async def review(rig: Rig, browser: Browser) -> AsyncIterator[Page]:
    """The page, with 12 pieces of OP20 waiting."""
    document = msgspec.json.encode(MASTER | {"people": PEOPLE})
    rig.collector.masterdata.now = MasterData(parse(document), "etag-2")
    for cycles in (500, 512):
        rig.collector.readings([Reading("press1", "cycles", cycles, Quality.good, rig.clock.now())])
        await rig.collector.turn()
        rig.clock.advance(31)
        rig.collector.tick()
        await rig.collector.turn()
    context = await browser.new_context(viewport={"width": 1920, "height": 1080}, timezone_id="Asia/Shanghai")
    context.set_default_timeout(10_000)
    page = await context.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    await page.goto(f"{rig.url}/review")
    yield page
    await context.close()
    assert not broken


async def test_what_waits_is_split_with_before_and_after(rig: Rig, review: Page) -> None:
    await expect(review.locator("#count")).to_have_text("1")
    await review.click("#waiting button")
    await expect(review.locator("#evidence")).to_contain_text("500")
    await expect(review.locator("#evidence")).to_contain_text("原始值后")
    await review.click("[data-way=split]")
    for place, (quantity, job) in enumerate((("9", "100/0020"), ("3", ""))):
        part = review.locator(".part").nth(place)
        await part.locator("[name=quantity]").fill(quantity)
        await part.locator("[name=job]").fill(job)
    await expect(review.locator("#after li")).to_have_count(2)
    await expect(review.locator("#after li").first).to_contain_text("9 good → 100/0020 9 良品 → 100/0020")
    await expect(review.locator("#after li").last).to_contain_text("3 → no order")
    await shot(review, "split")
    await review.click("#decide [name=person]")
    await review.keyboard.type("1042")
    await review.keyboard.press("Enter")  # as a scanner does: it records nothing yet
    await expect(review.locator("#decide [name=approved_by]")).to_be_focused()
    await expect(review.locator("#said")).to_be_hidden()
    await review.click("#decide [type=submit]")
    await expect(review.locator("#said")).to_have_attribute("data-tone", "bad")
    await expect(review.locator("#message")).to_contain_text("1042 may not do this")
    await shot(review, "refused")
    await review.fill("#decide [name=person]", "LSE2001")
    await review.click("#decide [type=submit]")
    await expect(review.locator("#message")).to_contain_text("Split by 2001 2001已拆分")
    await expect(review.locator("#nothing")).to_be_visible()
    assert (await rig.facts())[-2:] == ["work.reported.v1", "review.settled.v1"]


async def test_a_connection_that_breaks_off_makes_no_second_entry(rig: Rig, review: Page) -> None:
    await review.click("[data-tab=makeup]")
    fields = {"time": "2026-11-22T09:30:00", "job": "100/0020", "quantity": "5", "person": "2001"}
    for name, given in (fields | {"note": "gun broken", "operator": "1042", "minutes": "10"}).items():
        await review.fill(f"#makeup [name={name}]", given)
    await shot(review, "makeup")
    answered = []

    async def lose(route: object) -> None:
        answered.append(await route.fetch())  # type: ignore[attr-defined]
        await route.abort()  # type: ignore[attr-defined]

    await review.route("**/settlements", lose, times=1)
    await review.click("#makeup [type=submit]")
    await expect(review.locator("#message")).to_contain_text("Not known whether recorded")
    assert len(answered) == 1
    await review.click("#makeup [type=submit]")
    await expect(review.locator("#message")).to_contain_text("Made up by 2001")
    assert (await rig.facts()).count("work.reported.v1") == 1
    rows = await rig.journal.read_after(0, 100)
    report = next(body for _, body in rows if b"work.reported" in body)
    assert b'"time":"2026-11-22T01:30:00.000Z"' in report and b'"s":"600"' in report


async def test_open_jobs_and_delivery_are_shown(rig: Rig, review: Page) -> None:
    await rig.collector.typed("OP20", "LSE1042")
    rig.clock.advance(5)
    await rig.collector.typed("OP20", "LSW100 0020")
    await review.click("[data-tab=jobs]")
    await expect(review.locator("#jobs")).to_contain_text("100/0020")
    await expect(review.locator("#jobs")).to_contain_text("running 生产中")
    await shot(review, "jobs")
    await review.click("[data-tab=outbox]")
    await expect(review.locator("#delivery")).to_contain_text("ERP online: all delivered")
    await shot(review, "outbox")
