"""A receiver that takes nothing for long is an alert, whatever the reason, until it takes something."""

from pathlib import Path

import pytest

from sync.status import load_status
from tests.contract.uplink.receiver import Mood, breaks_off, says
from tests.contract.uplink.rig import START_MS, facts, rigged

KEY = "uplink.erp.failing"
MOODS: dict[str, tuple[Mood, str]] = {
    "error": (says(503), "answered 503"),
    "redirect": (says(302, Location="http://127.0.0.1:1/login"), "points to"),
    "login page": (says(200, "<html>"), "something that is no answer"),
    "broken off": (breaks_off, "the call broke off"),
}


@pytest.mark.parametrize("name", MOODS)
async def test_15_minutes_without_delivery_are_an_alert_that_the_next_success_clears(
    name: str, tmp_path: Path
) -> None:
    mood, why = MOODS[name]
    async with rigged(tmp_path, backoff_max_s=120) as rig:
        rig.receiver.always = mood
        rig.start()
        await rig.until(lambda: KEY in rig.alerts())
        (alert,) = load_status(rig.store.path).alerts
        assert 900_000 <= alert.raised_ms - START_MS <= 1_020_000
        assert why in alert.text and "20 facts wait; nothing is lost" in alert.text
        assert alert.hint and "unless it lasts" not in alert.hint
        rig.receiver.always = None
        await rig.drained()
        await rig.until(lambda: rig.alerts() == [])


async def test_it_is_counted_anew_after_each_success_and_as_long_as_configured(tmp_path: Path) -> None:
    async with rigged(tmp_path, backoff_max_s=120, alert_after_min=5, batch_events=5) as rig:
        rig.receiver.moods.extend([*[says(503)] * 8, says(200, "<html>"), *[says(503)] * 30])
        rig.receiver.moods.insert(7, None)  # type: ignore[arg-type]  # it takes these five
        rig.start()
        await rig.until(lambda: KEY in rig.alerts())
        (alert,) = load_status(rig.store.path).alerts
        first_7_s = sum(rig.time.slept_s[:7])
        assert first_7_s < 300 <= (alert.raised_ms - START_MS) / 1000 - first_7_s <= 420
        assert "for 5 minutes" in alert.text and "15 facts wait" in alert.text


async def test_what_stood_before_a_restart_is_cleared_by_the_next_success(tmp_path: Path) -> None:
    async with rigged(tmp_path, backoff_max_s=120) as rig:
        rig.receiver.always = says(503)
        rig.start()
        await rig.until(lambda: KEY in rig.alerts())
        await rig.stop()
        rig.receiver.always = None
        await rig.append(*facts(2, first=50))
        await rig.deliver()
        assert rig.alerts() == [] and rig.alerts(standing=False) == [KEY]


async def test_an_uplink_taken_out_of_the_configuration_fails_no_more(tmp_path: Path) -> None:
    async with rigged(tmp_path, backoff_max_s=120) as rig:
        rig.receiver.always = says(503)
        rig.start()
        await rig.until(lambda: KEY in rig.alerts())
        await rig.stop()
        await rig.store.retire([], rig.time.now_ms)
        assert rig.alerts() == ["uplink.erp.removed"]
