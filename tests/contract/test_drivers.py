"""What every driver promises (edge/ports.py), kept against real devices' simulators: one suite for all kinds.

To put a new kind under it, write a `Rig` for its simulator and add it to `RIGS`.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from drivers.barcode.simulator import Gun
from drivers.modbus.simulator import Press
from drivers.opcua.simulator import URI, Oven
from drivers.registry import KINDS, build
from edge.ports import Driver
from edge.readings import Quality
from tests.contract.observing import Recorder, TestClock, cancelled, eventually, serving


class Rig(Protocol):
    """A simulated device that can go and come."""

    tags: frozenset[str]

    def driver(self) -> Driver: ...
    async def go(self) -> None: ...
    async def come(self) -> None: ...
    async def say(self) -> None: ...  # make the device say something by itself
    def heard(self, recorder: Recorder) -> bool: ...  # whether it was told


class ModbusRig:
    def __init__(self) -> None:
        self.press = Press()
        self.tags = frozenset({"cycles", "running"})

    def driver(self) -> Driver:
        table: dict[str, Any] = {
            "driver": "modbus-tcp",
            "host": self.press.host,
            "port": self.press.port,
            "poll_interval_s": 0.02,
            "timeout_s": 30,
            "retries": 0,
            "reconnect_min_s": 0.05,
            "reconnect_max_s": 0.05,
            "tags": {
                "cycles": {"register": "holding", "address": 100, "type": "uint32"},
                "running": {"register": "coil", "address": 0},
            },
        }
        return build("press1", KINDS["modbus-tcp"]().model_validate(table), TestClock())

    async def go(self) -> None:
        await self.press.power_off()

    async def come(self) -> None:
        await self.press.power_on()

    async def say(self) -> None:
        self.press.stroke(7)

    def heard(self, recorder: Recorder) -> bool:
        return recorder.values.get("cycles") == self.press.count > 0


class OpcUaRig:
    def __init__(self) -> None:
        self.oven = Oven()
        self.tags = frozenset({"batches", "running"})

    def driver(self) -> Driver:
        table: dict[str, Any] = {
            "driver": "opcua",
            "endpoint": self.oven.endpoint,
            "sampling_interval_s": 0,
            "publishing_interval_s": 0.02,
            "timeout_s": 30,
            "reconnect_min_s": 0.05,
            "reconnect_max_s": 0.05,
            "tags": {
                "batches": {"node": f"nsu={URI};s=Oven.Batches"},
                "running": {"path": "Oven/Running", "namespace": URI},
            },
        }
        return build("oven1", KINDS["opcua"]().model_validate(table), TestClock())

    async def go(self) -> None:
        await self.oven.power_off()

    async def come(self) -> None:
        await self.oven.power_on()

    async def say(self) -> None:
        await self.oven.batch(7)

    def heard(self, recorder: Recorder) -> bool:
        return recorder.values.get("batches") == self.oven.batches > 0


class ScannerRig:
    tags: frozenset[str] = frozenset()

    def __init__(self, link: Path) -> None:
        self.gun = Gun(link)

    def driver(self) -> Driver:
        table = {"driver": "scanner-serial", "port": str(self.gun.link), "feedback": "honeywell"}
        return build("gun1", KINDS["scanner-serial"]().model_validate(table), TestClock())

    async def go(self) -> None:
        self.gun.unplug()

    async def come(self) -> None:
        self.gun.plug()

    async def say(self) -> None:
        await self.gun.scan("LSW10045678")

    def heard(self, recorder: Recorder) -> bool:
        return "LSW10045678" in recorder.texts


RIGS = ("modbus-tcp", "opcua", "scanner-serial")


@pytest.fixture(params=RIGS)
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    """A device that is there, and is gone after the test."""
    made: Rig
    match request.param:
        case "modbus-tcp":
            made = ModbusRig()
        case "opcua":
            made = OpcUaRig()
        case _:
            made = ScannerRig(tmp_path / "gun1")
    await made.come()
    yield made
    await made.go()


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_every_kind_is_under_this_contract() -> None:
    assert set(RIGS) == set(KINDS)


async def test_a_device_that_is_there_is_told_up_once_and_heard(rig: Rig) -> None:
    async with serving(rig.driver()) as told:
        await told.until_up()
        await rig.say()
        await told.until(lambda: rig.heard(told))
    assert told.ups == [True]


async def test_a_lost_device_is_told_down_once_with_what_to_do_and_every_tag_bad_once(rig: Rig) -> None:
    async with serving(rig.driver()) as told:
        await told.until_up()
        await rig.go()
        await told.until_down()
        await told.until(lambda: all(quality is Quality.bad for quality in told.qualities.values()))
        await asyncio.sleep(0.3)  # nothing further may come: attempts in between fail silently
    assert told.ups == [True, False]
    assert told.links[1].detail and told.links[1].hint
    bad = [reading for batch in told.batches for reading in batch if reading.quality is Quality.bad]
    assert sorted(reading.tag for reading in bad) == sorted(rig.tags)
    assert all(reading.value is None for reading in bad)


async def test_a_device_that_comes_back_is_found_without_help_and_told_up_once(rig: Rig) -> None:
    async with serving(rig.driver()) as told:
        await told.until_up()
        await rig.go()
        await told.until_down()
        await rig.come()
        await told.until_up(times=2)
        await rig.say()
        await told.until(lambda: rig.heard(told))
    assert told.ups == [True, False, True]


async def test_a_device_that_is_absent_at_the_start_is_told_down_once_and_served_when_it_comes(
    rig: Rig,
) -> None:
    driver = rig.driver()
    await rig.go()
    async with serving(driver) as told:
        await told.until_down()
        await rig.come()
        await told.until_up()
        await rig.say()
        await told.until(lambda: rig.heard(told))
    assert told.ups == [False, True]
    assert told.links[0].detail and told.links[0].hint


async def test_links_and_readings_carry_the_devices_name(rig: Rig) -> None:
    driver = rig.driver()
    async with serving(driver) as told:
        await told.until_up()
        await rig.say()
        await told.until(lambda: rig.heard(told))
    devices = {link.device for link in told.links} | {scan.device for scan in told.scans}
    assert devices | {reading.device for batch in told.batches for reading in batch} == {driver.name}


async def test_refresh_and_signal_neither_fail_nor_wait_whatever_the_device_does(rig: Rig) -> None:
    driver = rig.driver()
    async with asyncio.timeout(10):
        await driver.refresh()
        driver.signal("good")
    async with serving(driver) as told:
        await told.until_up()
        async with asyncio.timeout(10):
            await driver.refresh()
            driver.signal("good")
        await rig.go()
        async with asyncio.timeout(10):
            await driver.refresh()
            driver.signal("bad")
        await told.until_down()
        async with asyncio.timeout(10):
            await driver.refresh()
            driver.signal("bad")


async def test_cancellation_ends_a_driver_in_every_state_and_leaves_no_descriptor(rig: Rig) -> None:
    driver = rig.driver()
    async with serving(driver) as told:  # from here on the loop and its threads have what they need
        await told.until_up()
        await rig.go()
        await told.until_down()
    before = _descriptors()
    await rig.come()
    for _ in range(3):
        async with serving(driver) as told:
            await told.until_up()
        assert told.ups == [True]
    await rig.go()
    # The simulator is in this process; it notices a moment later that a connection has ended.
    await eventually(lambda: _descriptors() <= before)
    for _ in range(3):
        async with serving(driver) as told:
            await told.until_down()
    await eventually(lambda: _descriptors() <= before)


async def test_cancellation_at_any_moment_is_obeyed(rig: Rig) -> None:
    """An answer that meets a cancellation must not outlive it (Python 3.11's wait_for drops it then)."""
    driver = rig.driver()
    chance = random.Random(1)
    for _ in range(100):
        task = asyncio.create_task(driver.run(Recorder()))
        for _ in range(chance.randrange(40)):
            await asyncio.sleep(0)
        await asyncio.sleep(chance.random() * 0.004)
        await cancelled(task)


async def test_a_driver_can_be_run_again_and_tells_its_new_observer_everything(rig: Rig) -> None:
    driver = rig.driver()
    for _ in range(2):
        async with serving(driver) as told:
            await told.until_up()
            await rig.say()
            await told.until(lambda told=told: rig.heard(told))
        assert told.ups == [True]
