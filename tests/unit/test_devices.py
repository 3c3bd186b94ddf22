"""A device that stays lost, or comes and goes, becomes one alert, which goes when the device is well."""

from pathlib import Path
from typing import Any

from edge.alerts import Alerts
from edge.devices import FLAPPING_S, FLAPS, Absences
from edge.journal import Journal
from edge.readings import Link
from edge.settings import DeviceSettings
from tests.unit.clocks import ManualClock
from tests.unit.test_journal import opened


class Plant:
    """Devices that come and go on a manual clock."""

    def __init__(self, journal: Journal, clock: ManualClock, **after_s: Any) -> None:
        self.clock = clock
        self.links: dict[str, Link] = {}
        self.alerts = Alerts(journal, clock)
        self.devices = {
            name: DeviceSettings(driver="x")
            if lasting is None
            else DeviceSettings(driver="x", alert_after_s=lasting)
            for name, lasting in after_s.items()
        }
        self.absences = Absences(self.devices, self.links, self.alerts, clock)

    def link(self, name: str, up: bool) -> None:
        self.links[name] = Link(name, up, "refused", "" if up else "Switch it on", self.clock.now())

    async def flap(self, name: str, times: int, every_s: float) -> list[str]:
        """The standing alerts after so many short losses."""
        for _ in range(times):
            self.link(name, False)
            await self.after(every_s / 2)
            self.link(name, True)
            await self.after(every_s / 2)
        return list(self.alerts.standing)

    async def after(self, seconds: float) -> list[str]:
        """The standing alerts so much later."""
        self.clock.advance(seconds)
        await self.absences.look()
        return list(self.alerts.standing)


async def test_a_device_lost_for_five_minutes_is_an_alert_until_it_is_back(tmp_path: Path) -> None:
    async with await opened(tmp_path) as journal:
        plant = Plant(journal, ManualClock(), press1=None, gun1=None)
        for name in ("press1", "gun1"):
            plant.link(name, True)
        assert await plant.after(1000) == []
        plant.link("press1", False)
        assert await plant.after(299.9) == []
        assert await plant.after(0.1) == ["device.press1"]
        alert = plant.alerts.standing["device.press1"]
        assert (alert.text, alert.hint) == ("press1 has not answered for 5 min: refused", "Switch it on")
        assert await plant.after(3600) == ["device.press1"]
        assert plant.alerts.standing["device.press1"] is alert, "raised once"
        plant.link("press1", True)
        assert await plant.after(1) == []


async def test_a_better_reason_is_no_further_loss_and_is_what_the_alert_says(
    tmp_path: Path,
) -> None:
    async with await opened(tmp_path) as journal:
        plant = Plant(journal, ManualClock(), press1=None)
        plant.link("press1", True)
        plant.link("press1", False)
        lost = plant.links["press1"]
        assert await plant.after(200) == []
        for number in range(FLAPS):
            plant.links["press1"] = Link("press1", False, f"reason {number}", "Trust it", lost.at)
            assert await plant.after(1) == []
        assert await plant.after(94) == []
        assert await plant.after(1) == ["device.press1"]
        plant.links["press1"] = Link("press1", False, "another certificate", "Trust it", lost.at)
        assert await plant.after(1) == ["device.press1"]
        alert = plant.alerts.standing["device.press1"]
        assert alert.text.endswith("another certificate") and alert.hint == "Trust it"


async def test_a_short_loss_is_no_alert_and_the_next_one_counts_from_its_own_begin(tmp_path: Path) -> None:
    async with await opened(tmp_path) as journal:
        plant = Plant(journal, ManualClock(), press1=None)
        for _ in range(3):
            plant.link("press1", False)
            assert await plant.after(299) == []
            plant.link("press1", True)
            assert await plant.after(1) == []


async def test_each_device_has_its_own_time_and_zero_means_never(tmp_path: Path) -> None:
    async with await opened(tmp_path) as journal:
        plant = Plant(journal, ManualClock(), quick=10, slow=7200, never=0)
        for name in plant.devices:
            plant.link(name, False)
        assert await plant.after(10) == ["device.quick"]
        assert await plant.after(7190) == ["device.quick", "device.slow"]
        assert await plant.after(10**6) == ["device.quick", "device.slow"]


async def test_a_device_that_never_says_anything_counts_from_the_start(tmp_path: Path) -> None:
    async with await opened(tmp_path) as journal:
        plant = Plant(journal, ManualClock(), press1=None)
        assert await plant.after(299) == []
        assert await plant.after(1) == ["device.press1"]
        assert plant.alerts.standing["device.press1"].hint


async def test_an_alert_outlives_a_restart_and_goes_with_the_device_or_its_configuration(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    async with await opened(tmp_path) as journal:
        plant = Plant(journal, clock, press1=None, removed=None, silenced=None)
        assert len(await plant.after(300)) == 3
    async with await opened(tmp_path) as journal:
        plant = Plant(journal, clock, press1=None, silenced=0)
        await plant.alerts.load()
        plant.link("press1", False)
        assert await plant.after(1) == ["device.press1"]
        plant.link("press1", True)
        assert await plant.after(1) == []


async def test_a_clock_set_by_hours_neither_raises_nor_hides_an_alert(tmp_path: Path) -> None:
    async with await opened(tmp_path) as journal:
        plant = Plant(journal, ManualClock(), press1=None)
        plant.link("press1", False)
        moment = plant.clock.moment
        plant.clock = plant.absences._clock = ManualClock(moment.wall_ms + 10**8)
        assert await plant.after(299) == []
        assert await plant.after(1) == ["device.press1"]


FLAPPING = "device.press1.flapping"


async def test_a_device_that_comes_and_goes_is_one_alert_until_it_has_stayed(tmp_path: Path) -> None:
    async with await opened(tmp_path) as journal:
        plant = Plant(journal, ManualClock(), press1=None, gun1=None)
        for name in ("press1", "gun1"):
            plant.link(name, True)
        assert await plant.after(10_000) == []
        assert await plant.flap("press1", FLAPS - 1, 60) == []
        assert await plant.flap("press1", 1, 60) == [FLAPPING]
        alert = plant.alerts.standing[FLAPPING]
        assert alert.text == f"press1 comes and goes: lost {FLAPS} times within 4 min"
        assert "loose plug" in alert.hint
        assert await plant.flap("press1", 3, 60) == [FLAPPING]
        assert plant.alerts.standing[FLAPPING] is alert, "raised once"
        assert await plant.after(FLAPPING_S - 31) == [FLAPPING], "the last 30 s it was up already"
        assert await plant.after(1) == []
        assert await plant.after(10_000) == []


async def test_losses_far_apart_are_no_flapping(tmp_path: Path) -> None:
    async with await opened(tmp_path) as journal:
        plant = Plant(journal, ManualClock(), press1=None)
        plant.link("press1", True)
        await plant.after(1)
        assert await plant.flap("press1", 20, FLAPPING_S / (FLAPS - 1) + 1) == []
        assert await plant.flap("press1", FLAPS, FLAPPING_S / FLAPS) == [FLAPPING]


async def test_losses_shorter_than_a_look_count_too(tmp_path: Path) -> None:
    async with await opened(tmp_path) as journal:
        plant = Plant(journal, ManualClock(), press1=None)
        plant.link("press1", True)
        await plant.after(1)
        for _ in range(FLAPS):
            assert plant.alerts.standing == {}
            plant.link("press1", False)
            plant.link("press1", True)
            await plant.after(1)
        assert list(plant.alerts.standing) == [FLAPPING]


async def test_a_flapping_device_that_stays_away_is_both_until_it_is_well(tmp_path: Path) -> None:
    async with await opened(tmp_path) as journal:
        plant = Plant(journal, ManualClock(), press1=None)
        plant.link("press1", True)
        await plant.after(1)
        await plant.flap("press1", FLAPS, 10)
        plant.link("press1", False)
        assert await plant.after(10_000) == [FLAPPING, "device.press1"]
        plant.link("press1", True)
        assert await plant.after(1) == [FLAPPING]
        assert await plant.after(FLAPPING_S) == []


async def test_who_wants_no_alert_of_a_device_has_none_of_its_flapping(tmp_path: Path) -> None:
    async with await opened(tmp_path) as journal:
        plant = Plant(journal, ManualClock(), press1=0)
        plant.link("press1", True)
        assert await plant.flap("press1", 3 * FLAPS, 10) == []


async def test_flapping_outlives_a_restart_until_the_device_has_stayed_or_is_not_configured(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    async with await opened(tmp_path) as journal:
        plant = Plant(journal, clock, press1=None, removed=None)
        for name in plant.devices:
            plant.link(name, True)
            await plant.flap(name, FLAPS + 1, 10)
        assert list(plant.alerts.standing) == [FLAPPING, "device.removed.flapping"]
    async with await opened(tmp_path) as journal:
        plant = Plant(journal, clock, press1=None)
        await plant.alerts.load()
        plant.link("press1", True)
        assert await plant.after(FLAPPING_S - 1) == [FLAPPING]
        assert await plant.after(1) == []
