"""What every driver promises (edge/ports.py), kept against real devices' simulators: one suite for all kinds.

The suite is in suite.py. To put a new kind under it, write a `Rig` for its simulator and add it to `RIGS`.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from drivers.barcode.hid import HidScannerDriver
from drivers.barcode.settings import HidScannerSettings
from drivers.barcode.simulator import DialingReader, Gun, ServingReader, Wedge
from drivers.modbus.simulator import Press
from drivers.modbus.simulator_serial import SerialPlc
from drivers.opcua.simulator import URI, Oven
from drivers.registry import KINDS, build
from edge.demo.plant import free_port
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


class RtuRig:
    tags = frozenset({"cycles"})

    def __init__(self, link: Path) -> None:
        self.plc = SerialPlc(link, holding={100: 0, 101: 0})

    def driver(self) -> Driver:
        table: dict[str, Any] = {
            "driver": "modbus-rtu",
            "port": str(self.plc.cable.link),
            "baudrate": 115200,
            "poll_interval_s": 0.02,
            "timeout_s": 30,
            "retries": 0,
            "reconnect_min_s": 0.05,
            "reconnect_max_s": 0.05,
            "tags": {"cycles": {"register": "holding", "address": 100, "type": "uint32"}},
        }
        return build("meter1", KINDS["modbus-rtu"]().model_validate(table), TestClock())

    async def go(self) -> None:
        await self.plc.power_off()

    async def come(self) -> None:
        await self.plc.power_on()

    async def say(self) -> None:
        self.plc.write("holding", 100, "uint32", 7)

    def heard(self, recorder: Recorder) -> bool:
        return recorder.values.get("cycles") == 7


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


class ReaderRig:
    """A reader on the network that lineside connects to, or that connects to lineside."""

    tags: frozenset[str] = frozenset()

    def __init__(self, reader: ServingReader | DialingReader, **place: Any) -> None:
        self.reader = reader
        self.place = place

    def driver(self) -> Driver:
        place = self.place or {"host": self.reader.host, "port": self.reader.port}  # type: ignore[union-attr]
        table = {"driver": "scanner-tcp", "feedback": "plain", "timeout_s": 30, "expect_s": 2.0} | place
        return build("reader1", KINDS["scanner-tcp"]().model_validate(table), TestClock())

    async def go(self) -> None:
        await self.reader.power_off()

    async def come(self) -> None:
        await self.reader.power_on()

    async def say(self) -> None:
        await self.reader.scan("LSW10045678")

    def heard(self, recorder: Recorder) -> bool:
        return "LSW10045678" in recorder.texts


class WedgeRig:
    """A scanner in keyboard mode, above the library that opens the device: there is no device here."""

    tags: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.wedge = Wedge()

    def driver(self) -> Driver:
        table = {"driver": "scanner-hid", "device": "/dev/input/by-id/gun"}
        settings = KINDS["scanner-hid"]().model_validate(table)
        assert isinstance(settings, HidScannerSettings)
        return HidScannerDriver("gun1", settings, TestClock(), self.wedge.opened)

    async def go(self) -> None:
        self.wedge.unplug()

    async def come(self) -> None:
        self.wedge.plug()

    async def say(self) -> None:
        self.wedge.scan("LSW10045678")

    def heard(self, recorder: Recorder) -> bool:
        return "LSW10045678" in recorder.texts


def _made(kind: str, folder: Path) -> Rig:
    if kind == "scanner-hid":
        return WedgeRig()
    if kind == "modbus-tcp":
        return ModbusRig()
    if kind == "opcua":
        return OpcUaRig()
    if kind == "modbus-rtu":
        return RtuRig(folder / "bus0")
    if kind == "scanner-serial":
        return ScannerRig(folder / "gun1")
    if kind == "scanner-tcp":
        return ReaderRig(ServingReader())
    port = free_port()
    return ReaderRig(DialingReader(port), listen=f"127.0.0.1:{port}")


# A kind of device may have several rigs, told apart behind a slash.
RIGS = (
    "modbus-tcp",
    "modbus-rtu",
    "opcua",
    "scanner-serial",
    "scanner-tcp",
    "scanner-tcp/listen",
    "scanner-hid",
)


@pytest.fixture(params=RIGS)
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    """A device that is there, and is gone after the test."""
    made = _made(request.param, tmp_path)
    await made.come()
    yield made
    await made.go()


def test_every_kind_is_under_this_contract() -> None:
    assert {rig.partition("/")[0] for rig in RIGS} == set(KINDS)


class TestDrivers(DriverContract):
    """lineside's own kinds keep the promises, on asyncio's loop and on uvloop's (conftest.py)."""
