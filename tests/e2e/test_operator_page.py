"""The operator page in a real browser: what an operator sees, and that it never pretends."""

import asyncio
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace
from playwright.async_api import Page, Route, expect

from edge.delivering import ABSENT
from edge.readings import Link
from edge.settings import Checks
from edge.web.delivery import Delivery, Receiver
from tests.unit.web.rig import Rig

MESSAGE, MARK, SAVED, BODY = "#message", "#mark", "#saved", "body"


async def scan(rig: Rig, page: Page, *texts: str) -> None:
    """Type as a wedge scanner does: into whatever has the focus, ended by Enter."""
    for text in texts:
        rig.clock.advance(5)
        await page.keyboard.type(text)
        await page.keyboard.press("Enter")
        await expect(page.locator(SAVED)).to_contain_text("saved")


async def running(rig: Rig, page: Page) -> None:
    await scan(rig, page, "LSE1042", "LSW100")
    await expect(page.locator("#work_order")).to_have_text("100 / 0020")


def held(page: Page, release: asyncio.Event, then: Callable[[Route], Any]) -> Any:
    """Hold back each call that posts a scan until released."""

    async def handle(route: Route) -> None:
        await release.wait()
        await then(route)

    return page.route("**/scan", handle)


async def test_order_and_counts_are_shown_in_both_languages(rig: Rig, page: Page) -> None:
    await expect(page.locator("#state")).to_have_text("NO OPERATOR 无人上岗")
    await expect(page.locator("#instruction")).to_have_text("Scan badge 请扫工牌")
    await running(rig, page)
    await scan(rig, page, "LSCSCRAP04", "LSCPART", "LSQ4", "LSCOK")
    await expect(page.locator("#state")).to_have_text("RUNNING 生产中")
    await expect(page.locator("#good")).to_have_text("4")
    await expect(page.locator("#planned")).to_have_text("/ 10")
    await expect(page.locator("#scrap")).to_have_text("1")
    await expect(page.locator("#product")).to_contain_text("BRACKET-7 Bracket")
    await expect(page.locator("#noted li")).to_have_count(3)
    await expect(page.locator("#noted li").first).to_contain_text("Reported 报工")
    await expect(page.locator("#delivery")).to_contain_text("ERP online: all delivered ERP在线：已全部传送")


async def test_a_recorded_scan_is_green_for_a_moment_and_stays_readable(rig: Rig, page: Page) -> None:
    await running(rig, page)
    said = page.locator("#said")
    await expect(page.locator(MARK)).to_have_text("✓")
    await expect(page.locator(MESSAGE)).to_have_text("WO 100 started 工单100已开工")
    await expect(said).to_have_attribute("data-tone", "good")
    await expect(said).not_to_have_class("fresh", timeout=3000)
    await expect(page.locator(MESSAGE)).to_have_text("WO 100 started 工单100已开工")


async def test_what_waits_for_confirmation_has_no_tick(rig: Rig, page: Page) -> None:
    await running(rig, page)
    await scan(rig, page, "LSCPART", "LSQ4")
    await expect(page.locator(MARK)).to_have_text("?")
    await expect(page.locator("#state")).to_have_text("CONFIRM 待确认")
    await scan(rig, page, "LSCOK")
    await expect(page.locator(MARK)).to_have_text("✓")


async def test_the_question_of_a_check_stands_out_from_others_until_it_is_answered(
    rig: Rig, page: Page
) -> None:
    rig.collector.site = replace(rig.collector.site, checks=Checks(order_status="confirm"))
    said = page.locator("#said")
    await scan(rig, page, "LSE1042", "LSW400")
    await expect(page.locator(MARK)).to_have_text("?!")
    await expect(page.locator(MESSAGE)).to_contain_text("Scan OK if it is right")
    await expect(said).not_to_have_class("fresh", timeout=3000)
    await expect(said).to_have_css("background-color", "rgb(107, 71, 0)")
    await scan(rig, page, "LSCOK", "LSCPART", "LSQ4")
    await expect(page.locator(MARK)).to_have_text("?")
    await expect(said).not_to_have_css("background-color", "rgb(107, 71, 0)")


async def test_the_last_facts_say_units_in_words(rig: Rig, page: Page) -> None:
    await running(rig, page)
    await scan(rig, page, "LSL A1", "LSQ5", "LSCSCRAP04")
    for one in ("scrap 1", "A1 5 kg"):
        await expect(page.locator("#noted")).to_contain_text(one)


async def test_an_unknown_code_stays_until_the_next_scan_and_says_what_to_do(rig: Rig, page: Page) -> None:
    await running(rig, page)
    await scan(rig, page, "4006381333931")
    await expect(page.locator(MARK)).to_have_text("✕")
    await expect(page.locator(MESSAGE)).to_contain_text("Code not recognised: 4006381333931. Not recorded")
    await expect(page.locator(MESSAGE)).to_contain_text("无法识别")
    await expect(page.locator("#instruction")).to_contain_text("Scan lot, pause or DONE")
    await asyncio.sleep(2.5)
    await expect(page.locator("#said")).to_have_attribute("data-tone", "bad")
    await expect(page.locator("#said")).to_have_css("background-color", "rgb(161, 42, 0)")
    await scan(rig, page, "LSL A1")
    await expect(page.locator("#said")).to_have_attribute("data-tone", "ask")


async def test_scan_at_the_gun_shows_without_a_touch(rig: Rig, page: Page) -> None:
    await expect(page.locator("#instruction")).to_contain_text("Scan badge")
    rig.gun("LSE1042")
    await expect(page.locator(MESSAGE)).to_contain_text("1042 signed on")
    await expect(page.locator("#operators")).to_have_text("1042")


async def test_the_field_has_the_focus_whatever_was_touched(rig: Rig, page: Page) -> None:
    for place in ("#said", "#job", "[data-open=scrap]", "#close", "header"):
        await page.click(place)
        await expect(page.locator("#code")).to_be_focused()
    await page.evaluate("document.activeElement.blur()")
    await expect(page.locator("#code")).to_be_focused()


async def test_touch_keys_send_what_their_cards_say(rig: Rig, page: Page) -> None:
    await running(rig, page)
    rig.clock.advance(5)
    await page.click("[data-open=scrap]")
    await page.click("#keys >> text=毛刺")
    await expect(page.locator(MESSAGE)).to_contain_text("Scrap 1")
    rig.clock.advance(5)
    await page.click("[data-scan=LSCPART]")
    await expect(page.locator("#state")).to_contain_text("CONFIRM")
    rig.clock.advance(5)
    await page.click("[data-open=quantity]")
    for key in ("4", "2", "←", "Enter"):
        await page.click(f"#keys >> text={key}")
    await expect(page.locator("#instruction")).to_contain_text("Good 4?")
    rig.clock.advance(5)
    await page.click("[data-scan=LSCOK]")
    await expect(page.locator("#good")).to_have_text("4")


async def test_keys_are_large_enough_for_gloves(rig: Rig, page: Page) -> None:
    boxes = await page.eval_on_selector_all(
        "#entry button", "keys => keys.map(key => [key.offsetWidth, key.offsetHeight])"
    )
    assert len(boxes) == 8
    assert min(min(box) for box in boxes) >= 139  # 25 mm on a 15.6" full-HD screen


async def test_nothing_counts_before_the_answer_and_typing_ahead_is_kept(rig: Rig, page: Page) -> None:
    release = asyncio.Event()
    await held(page, release, lambda route: route.continue_())
    for text in ("LSE1042", "LSW100"):
        await page.keyboard.type(text)
        await page.keyboard.press("Enter")
    await expect(page.locator(SAVED)).to_contain_text("sending 2")
    await expect(page.locator(MARK)).to_be_empty()
    assert await rig.facts() == []
    release.set()
    await expect(page.locator("#work_order")).to_have_text("100 / 0020")
    await expect(page.locator(SAVED)).to_contain_text("● saved 已保存")
    assert await rig.facts() == ["operator.signed_on.v1", "work.started.v1"]


async def test_an_answer_lost_on_the_way_is_asked_for_again_and_is_one_fact(rig: Rig, page: Page) -> None:
    await running(rig, page)
    lost = asyncio.Event()

    async def lose(route: Route) -> None:
        if not lost.is_set():
            await route.fetch()  # the collector records it, its answer never arrives
            lost.set()
            await route.abort("connectionreset")
        else:
            await route.continue_()

    await page.route("**/scan", lose)
    await page.keyboard.type("LSCSCRAP04")
    rig.clock.advance(5)
    await page.keyboard.press("Enter")
    await expect(page.locator(SAVED)).to_contain_text("✕ NOT SAVED")
    rig.clock.advance(5)
    await expect(page.locator(SAVED)).to_contain_text("● saved")
    await expect(page.locator("#scrap")).to_have_text("1")
    assert (await rig.facts()).count("work.reported.v1") == 1


async def test_a_restart_while_a_scan_is_under_way_is_not_guessed_at(rig: Rig, page: Page) -> None:
    await running(rig, page)

    restarted = asyncio.Event()

    async def lose(route: Route) -> None:
        if restarted.is_set():
            await route.continue_()
            return
        restarted.set()
        await route.fetch()
        await rig.stop_serving()
        await rig.serve(address=rig.url.removeprefix("http://"))
        await route.abort("connectionreset")

    await page.route("**/scan", lose)
    rig.clock.advance(5)
    await page.keyboard.type("LSCSCRAP04")
    await page.keyboard.press("Enter")
    await expect(page.locator(MESSAGE)).to_contain_text("Not known whether recorded")
    await expect(page.locator(MARK)).to_have_text("✕")
    assert (await rig.facts()).count("work.reported.v1") == 1


async def test_an_ok_typed_ahead_does_not_confirm_what_nobody_read(rig: Rig, page: Page) -> None:
    await running(rig, page)
    await scan(rig, page, "LSCPART", "LSQ4")
    release = asyncio.Event()
    await held(page, release, lambda route: route.continue_())
    for text in ("LSQ", "LSCOK"):
        await page.keyboard.type(text)
        await page.keyboard.press("Enter")
    await expect(page.locator(SAVED)).to_contain_text("sending 2")
    release.set()
    await expect(page.locator(MESSAGE)).to_contain_text("NOT RECORDED: LSCOK")
    assert "work.reported.v1" not in await rig.facts()


async def test_a_page_says_within_six_seconds_that_it_hears_nothing(rig: Rig, page: Page) -> None:
    await page.clock.install(time=0)
    await page.reload()
    await running(rig, page)
    await page.clock.pause_at(3_600_000)  # the page's clock, performance.now() too, moves by hand from here
    await expect(page.locator("#stale")).to_be_hidden()  # news came since: silence is counted from now
    await rig.stop_serving()
    await page.clock.run_for(4900)
    await expect(page.locator("#stale")).to_be_hidden()
    await page.clock.run_for(1100)
    await expect(page.locator("#stale")).to_be_visible()


async def test_a_page_without_news_says_that_it_is_stale_and_recovers(rig: Rig, page: Page) -> None:
    await running(rig, page)
    await expect(page.locator(BODY)).not_to_have_class("stale")
    await rig.stop_serving()
    await expect(page.locator("#stale")).to_be_visible()
    await expect(page.locator("#stale")).to_contain_text("DISPLAY STALE")
    await expect(page.locator("#stale")).to_contain_text("画面已停止更新")
    await expect(page.locator(SAVED)).to_contain_text("no connection")
    await expect(page.locator("#work_order")).to_have_text("100 / 0020")
    rig.clock.advance(5)
    await page.keyboard.type("LSCSCRAP04")
    await page.keyboard.press("Enter")
    await expect(page.locator(MESSAGE)).to_contain_text("Not yet recorded")
    await rig.serve(address=rig.url.removeprefix("http://"))
    await expect(page.locator("#stale")).to_be_hidden()
    await expect(page.locator(SAVED)).not_to_contain_text("no connection")


async def test_a_full_disk_turns_the_screen_red_until_it_records_again(rig: Rig, page: Page) -> None:
    await running(rig, page)
    await rig.fill_disk()
    alarm = page.locator("#alarm")
    for _ in range(20):  # the last page still holds a few
        before = await rig.facts()
        rig.clock.advance(5)
        await page.keyboard.type("LSCSCRAP04")
        async with page.expect_response("**/scan") as answer:
            await page.keyboard.press("Enter")
        if (await answer.value).status == 503:
            break
    await expect(alarm).to_be_visible()
    await expect(alarm).to_contain_text("NOT RECORDED")
    await expect(alarm).to_contain_text("未记录！请手写并叫班长")
    await expect(alarm).to_contain_text("Free space on this disk")
    await expect(page.locator(SAVED)).to_contain_text("✕ NOT SAVED")
    await expect(page.locator("#code")).to_be_focused()
    assert await rig.facts() == before
    await rig.free_disk()
    await scan(rig, page, "LSCSCRAP04")
    await expect(alarm).to_be_hidden()
    assert len(await rig.facts()) == len(before) + 1


async def test_delivery_that_does_not_run_is_never_online(rig: Rig, page: Page) -> None:
    said = page.locator("#delivery")
    rig.delivery = Delivery((Receiver("erp", False, "stopped", 30),), running=False)
    await expect(said).to_contain_text("Delivery not running: 30 waiting, safe")
    await expect(said).to_contain_text("传输未运行：30条待传，数据已保存")
    await expect(said).not_to_have_css("background-color", "rgb(161, 42, 0)")  # it may be a restart
    await rig.collector.alerts.stand(ABSENT, "lineside sync is not running", "Start it")
    await expect(said).to_contain_text("Delivery not running, all kept: call shift leader")
    await expect(said).to_contain_text("传输未运行，数据已保存：请叫班长")
    await expect(said).to_have_css("background-color", "rgb(161, 42, 0)")
    await rig.collector.alerts.clear(ABSENT)
    rig.delivery = Delivery((Receiver("erp", True, "idle"),), running=True)
    await expect(said).to_contain_text("ERP online: all delivered")


async def test_receivers_and_devices_that_fail_are_named(rig: Rig, page: Page) -> None:
    rig.delivery = Delivery((Receiver("erp", False, "backoff", 14),))
    rig.collector.link(Link("press1", False, "no answer for 5 s", "Check its cable", rig.clock.now()))
    await expect(page.locator("#devices")).to_contain_text("✕ press1 does not answer press1 无应答")
    await expect(page.locator("#devices")).to_contain_text("no answer for 5 s. Check its cable")
    await expect(page.locator("#delivery")).to_contain_text("ERP offline: 14 waiting, safe")
    await expect(page.locator("#delivery")).to_contain_text("ERP离线：14条待传，数据已保存")
    rig.collector.link(Link("press1", True, "back", "", rig.clock.now()))
    await expect(page.locator("#devices")).to_be_hidden()
