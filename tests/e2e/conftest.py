"""A line, served, and a browser's page on station OP20."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.browser import CHROMIUM, chromium
from tests.unit.web.rig import Rig, rigged

# How long an expectation may take to come true on a busy machine. What must be fast is timed in the page.
expect.set_options(timeout=20_000)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed: sudo apt-get install chromium")
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(tmp_path) as rig:
        yield rig


@pytest.fixture
async def page(rig: Rig, browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport={"width": 1920, "height": 1080})
    context.set_default_timeout(10_000)
    page = await context.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    await page.goto(f"{rig.url}/stations/OP20")
    yield page
    await context.close()
    assert not broken
