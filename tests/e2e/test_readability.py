"""What is on the screen can be read at 1 m: contrast, sizes and no clipping, measured in the browser."""

from collections.abc import Iterable
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from edge.readings import Link, Quality, Reading
from edge.web.delivery import Delivery, Receiver
from tests.e2e.test_operator_page import running, scan
from tests.unit.web.rig import Rig, rigged
from tests.unit.web.test_colours import contrast

# Each visible text with its colour, the ground behind it, and its size in px.
TEXTS = """() => {
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (colour !== "rgba(0, 0, 0, 0)") return colour;
    }
  };
  return [...document.querySelectorAll("body *")].flatMap((element) => {
    const text = [...element.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join("");
    const style = getComputedStyle(element);
    if (!text || !element.checkVisibility({ visibilityProperty: true })) return [];
    return [[text, style.color, ground(element), parseFloat(style.fontSize)]];
  });
}"""
PARTS = ["#job", "#said", "#next", "#entry", "footer", "#alarm", "#stale", "#devices", "#reminder"]
CLIPPED = """(parts) => parts.filter((name) => {
  const element = document.querySelector(name);
  const shown = element.checkVisibility({ visibilityProperty: true });
  const box = element.getBoundingClientRect();
  const outside = box.bottom > innerHeight || box.right > innerWidth;
  return shown && (outside || element.scrollHeight > element.clientHeight + 1);
})"""

# A page that was resized fits its message anew before it draws its next frame.
DRAWN = "() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"

SCREENS = ((1920, 1080), (1366, 768), (1280, 800), (800, 1280))


def hexadecimal(colour: str) -> str:
    """rgb(r, g, b) as #rrggbb."""
    return "#" + "".join(f"{int(part):02x}" for part in colour[4:-1].split(","))


async def check(page: Page) -> list[list[Any]]:
    await page.evaluate(DRAWN)
    texts: list[list[Any]] = await page.evaluate(TEXTS)
    faint = [
        (text, colour, ground)
        for text, colour, ground, _ in texts
        if contrast(hexadecimal(colour), hexadecimal(ground)) < 7
    ]
    assert not faint
    assert await page.evaluate(CLIPPED, PARTS) == []
    return texts


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_every_state_fits_and_has_contrast(browser: Browser, tmp_path: Any, language: str) -> None:
    async with rigged(tmp_path, language) as rig:
        page = await browser.new_page()

        async def check_all() -> None:
            for width, height in SCREENS:
                await page.set_viewport_size({"width": width, "height": height})
                await check(page)

        await page.goto(f"{rig.url}/stations/OP20")
        await expect(page.locator("#state")).to_contain_text("NO OPERATOR")
        await check_all()
        await running(rig, page)
        await check_all()
        await scan(rig, page, "LSCPART", "LSQ4")
        await check_all()
        rig.delivery = Delivery((Receiver("erp", False, "backoff", 14),))
        rig.collector.link(Link("press1", False, "no answer from 10.0.0.1:502", "Check it", rig.clock.now()))
        await scan(rig, page, "LSW300")
        await expect(page.locator("#devices")).to_be_visible()
        await expect(page.locator("#delivery")).to_contain_text("14")
        await check_all()
        rig.break_storage()
        await expect(page.locator("#alarm")).to_be_visible()
        await check_all()
        await rig.stop_serving()
        await expect(page.locator("#stale")).to_be_visible()
        await check_all()
        await page.close()


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_a_reminder_leaves_room_for_a_warning_and_for_what_is_next(
    browser: Browser, tmp_path: Any, language: str
) -> None:
    async with rigged(tmp_path, language) as rig:
        page = await browser.new_page(viewport={"width": 1920, "height": 1080})
        await page.goto(f"{rig.url}/stations/OP20")
        await strokes(rig, range(500, 580, 10))
        await expect(page.locator("#reminder")).to_contain_text("without a work order")
        await check(page)
        await scan(rig, page, "LSE1042", "LSW500 0030")
        await expect(page.locator("#mark")).to_have_text("✓!")
        await strokes(rig, [570] * 25)
        await expect(page.locator("#reminder")).to_contain_text("nothing was counted for")
        for width, height in SCREENS:
            await page.set_viewport_size({"width": width, "height": height})
            await check(page)
        await page.close()


async def strokes(rig: Rig, cycles: Iterable[int]) -> None:
    """A running press that is polled each minute."""
    for counted in cycles:
        now = rig.clock.now()
        values = (("cycles", counted), ("running", True))
        rig.collector.readings([Reading("press1", tag, value, Quality.good, now) for tag, value in values])
        await rig.collector.turn()
        rig.clock.advance(60)
        rig.collector.tick()
        await rig.collector.turn()


async def test_what_matters_is_as_large_as_one_metre_asks(rig: Rig, page: Page) -> None:
    await running(rig, page)
    sizes = {text: size for text, _, _, size in await check(page)}
    for text in ("Scan lot, pause or DONE", "WO 100 started", "RUNNING", "100 / 0020"):
        assert sizes[text] >= 49, text  # 50 px at 1 m on 15.6" full HD; the rounding of vw and vh
    for text in ("请扫物料、暂停或完工", "工单100已开工", "生产中"):
        assert sizes[text] >= 64, text  # 1.3 times


async def test_a_long_message_becomes_smaller_instead_of_being_cut(rig: Rig, page: Page) -> None:
    await running(rig, page)
    await scan(rig, page, "LSCPART")
    rig.propose("100")
    await scan(rig, page, "LSQ500")
    await expect(page.locator("#message")).to_contain_text("the counter says 100")
    sizes = [size for text, _, _, size in await check(page) if "500 entered" in text]
    assert sizes[0] >= 30
