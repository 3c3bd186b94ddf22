"""What every driver promises (edge/ports.py), kept against real devices' simulators: one suite for all kinds.

The suite is in suite.py. To put a new kind under it, write a `Rig` for its simulator and add it to `RIGS`.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from drivers.barcode.simulator import Gun
from drivers.modbus.simulator import Press
from drivers.registry import KINDS, build
from edge.ports import Driver
from tests.contract.observing import Recorder, TestClock
from tests.contract.suite import DriverContract, Rig


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


RIGS = ("modbus-tcp", "scanner-serial")


@pytest.fixture(params=RIGS)
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    """A device that is there, and is gone after the test."""
    made: Rig = ModbusRig() if request.param == "modbus-tcp" else ScannerRig(tmp_path / "gun1")
    await made.come()
    yield made
    await made.go()


def test_every_kind_is_under_this_contract() -> None:
    assert set(RIGS) == set(KINDS)


class TestDrivers(DriverContract):
    """lineside's own kinds keep the promises."""
