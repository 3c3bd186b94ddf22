"""A shop floor under fire: the collector is a process of its own, its devices are here.

Faults come by a seeded chance. Every few seconds there is peace: they end, machines stand, and everything
must be as it was at the beginning.
"""

import asyncio
import json
import os
import random
import re
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asyncua import ua

from drivers.barcode.simulator import Gun, ServingReader
from drivers.modbus.simulator import Plc
from drivers.opcua.simulator import URI, OpcUaServer
from edge.demo.plant import free_port
from tests.deliveries import deliver
from tests.line.plant import Child, spawn, until
from tests.soak.machines import (
    MOST_PER_MIN,
    REQUEST_ID_AT,
    STROKE_S,
    TRANSACTION_AT,
    BusTrouble,
    Counted,
    OvenTrouble,
    PressTrouble,
    Trouble,
)
from tests.soak.relay import Relay
from tests.soak.scanners import Operator
from tests.soak.watched import CENSUS

CONFIG = """
[edge]
id = "soak"
site = "soak"
line = "L3"
timezone = "Asia/Shanghai"
data_dir = "data"

[devices.press]
driver = "modbus-tcp"
host = "127.0.0.1"
port = {press}
poll_interval_s = 0.1
timeout_s = 1.0
retries = 0
reconnect_max_s = 1.0
tags.strokes = {{ register = "holding", address = 100, type = "uint32" }}
[devices.saw]
driver = "modbus-rtu"
port = "{bus}"
device_id = 1
baudrate = 115200
poll_interval_s = 0.1
timeout_s = 1.0
retries = 0
reconnect_max_s = 1.0
tags.cuts = {{ register = "holding", address = 0, type = "uint32" }}
[devices.drill]
driver = "modbus-rtu"
port = "{bus}"
device_id = 2
baudrate = 115200
poll_interval_s = 0.1
timeout_s = 1.0
retries = 0
reconnect_max_s = 1.0
tags.holes = {{ register = "holding", address = 0, type = "uint32" }}
[devices.oven]
driver = "opcua"
endpoint = "opc.tcp://127.0.0.1:{oven}"
sampling_interval_s = 0
publishing_interval_s = 0.1
keep_alive_s = 0.5
timeout_s = 2.0
reconnect_max_s = 1.0
tags.batches = {{ node = "nsu={uri};s=Oven.Count" }}

[devices.gun1]
driver = "scanner-serial"
port = "{gun1}"
feedback = "honeywell"
[devices.gun2]
driver = "scanner-serial"
port = "{gun2}"
feedback = "honeywell"
[devices.reader]
driver = "scanner-tcp"
host = "127.0.0.1"
port = {reader}
feedback = "plain"

# A stroke brings so many that scrap never exceeds what was made, whatever device is silent after the first.
[stations.OP10]
work_center = "WC-1"
scanners = ["gun1"]
counters.pieces.tag = "press.strokes"
counters.pieces.units_per_count = 1000
counters.pieces.max_rate_per_min = {rate}
counters.pieces.modulus = 4294967296
[stations.OP20]
work_center = "WC-2"
scanners = ["gun2"]
counters.pieces.tag = "saw.cuts"
counters.pieces.units_per_count = 1000
counters.pieces.max_rate_per_min = {rate}
counters.pieces.modulus = 5000
counters.pieces.reset = false
[stations.OP30]
work_center = "WC-3"
scanners = ["reader"]
counters.pieces.tag = "oven.batches"
counters.pieces.units_per_count = 1000
counters.pieces.max_rate_per_min = {rate}
counters.pieces.modulus = 4294967296
counters.pieces.reset = false
[stations.OP40]
work_center = "WC-4"
counters.pieces = {{ tag = "drill.holes", max_rate_per_min = {rate}, modulus = 5000, reset = false }}

[storage]
ballast_mib = 0
[web]
listen = "127.0.0.1:{web}"
"""
# Without lists of people and reasons: any badge and any reason passes.
ORDERS = {
    "work_orders": [
        {
            "work_order": f"1000{number}", "product": "P", "quantity": "1000000", "unit": "C62",
            "outputs": [{"material": "P"}],
            "operations": [{"operation": "0020", "work_center": f"WC-{number}"}],
        }
        for number in (1, 2, 3)
    ]
}  # fmt: skip
_LINK = re.compile(rb'event="device (answers|is lost)" device=(\w+)')


@dataclass(frozen=True)
class Census:
    """What the collector held at a moment of peace."""

    tasks: dict[str, int]
    threads: dict[str, int]
    files: dict[str, int]
    blocks: int
    resident_mb: float
    values: dict[str, Any] = field(repr=False)
    number: int = 0


class Links:
    """Whether each device answers, as the collector's log says."""

    def __init__(self, log: Path) -> None:
        self.up: dict[str, bool] = {}
        self.losses: dict[str, int] = {}
        self._log = log
        self._read = 0

    async def follow(self) -> None:
        while True:
            with self._log.open("rb") as log:
                log.seek(self._read)
                text = log.read()
            whole = text.rfind(b"\n") + 1
            self._read += whole
            for found in _LINK.finditer(text[:whole]):
                name, up = found[2].decode(), found[1] == b"answers"
                self.up[name] = up
                self.losses[name] = self.losses.get(name, 0) + (not up)
            await asyncio.sleep(0.03)


class Shop:
    """What the test directs."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.seed = seed
        self.faults: dict[str, int] = {}  # how many of each kind there were
        self.counters = {
            # Near their end, so that they roll over within seconds.
            "OP10": Counted("press.strokes", 2**32 - 100, 2**32, resets=True),
            "OP20": Counted("saw.cuts", 4900, 5000, resets=False),
            "OP30": Counted("oven.batches", 2**32 - 100, 2**32, resets=False),
            "OP40": Counted("drill.holes", 4700, 5000, resets=False),
        }
        self.operators: list[Operator] = []
        self.links = Links(folder / "collect.log")
        self.child: Child
        self._press: PressTrouble
        self._oven: OvenTrouble
        self._troubles: list[Trouble] = []
        self._war = asyncio.Event()
        self._peace = asyncio.Event()
        self._raging: list[str] = []  # the faults that are under way
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def journal(self) -> Path:
        return self.folder / "data" / "journal.db"

    async def census(self) -> Census:
        """Ask the collector what it holds."""
        path = self.folder / CENSUS
        before = json.loads(path.read_text())["number"] if path.exists() else 0
        os.kill(self.child.pid, signal.SIGUSR1)

        def told() -> bool:
            return path.exists() and json.loads(path.read_text())["number"] > before

        await until(told, "a census")
        return Census(**json.loads(path.read_text()))

    async def war(self) -> None:
        """Let faults, machines and people go on."""
        self._peace.clear()
        self._war.set()

    async def peace(self) -> Census:
        """End all faults, and wait until every device is back and every counter's last stroke was heard."""
        self._war.clear()
        self._peace.set()
        try:
            await until(lambda: self._sound() and not self._raging, "the end of the faults")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self._raging}, seed {self.seed}") from None
        await self._shown()
        return await self.heard()

    async def heard(self) -> Census:
        """Wait until the collector knows what every counter shows."""
        found: Census | None = None

        async def all_there() -> bool:
            nonlocal found
            self._sound()
            if not all(self.links.up.get(name) for one in self._troubles for name in one.devices):
                return False
            found = await self.census()
            return all(found.values.get(one.tag) == one.raw for one in self.counters.values())

        try:
            await until(all_there, "every device and counter")
        except AssertionError as error:
            shown = {one.tag: one.raw for one in self.counters.values()}
            raise AssertionError(f"{error}: {self.links.up}, {shown}, {found}, seed {self.seed}") from None
        assert found is not None
        return found

    async def first_strokes(self) -> None:
        """Every counter moves once and is heard, so that no scrap is more than was made."""
        for counter in self.counters.values():
            counter.stroke(1)
        await self._shown()
        await self.heard()

    async def upset(self, chance: random.Random) -> None:
        """In peace: set one counter to 0, or have another one jump."""
        counter = chance.choice(list(self.counters.values()))
        if counter.resets and counter.raw < counter.modulus // 2 and chance.random() < 0.5:
            counter.zero()
        else:
            ahead = counter.modulus // 2 > counter.raw
            counter.jump((1 if ahead else -1) * counter.modulus // 3)
        await self._shown()
        await self.heard()

    def chance(self, of: str) -> random.Random:
        """Chances of their own, so that what one does changes nothing for the others."""
        return random.Random(f"{self.seed} {of}")

    def begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    async def end(self) -> None:
        """End all that was begun."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _sound(self) -> bool:
        """Raises what any of the shop's own tasks ended with: they are to go on for ever."""
        for task in self._tasks:
            if task.done():
                task.result()
        return True

    async def _shown(self) -> None:
        self._press.show()
        await self._oven.show()

    async def _produce(self, chance: random.Random) -> None:
        while True:
            await asyncio.sleep(STROKE_S)
            if self._war.is_set():
                for counter in self.counters.values():
                    counter.stroke(chance.choice((0, 0, 1, 2)))
                await self._shown()

    async def _rage(self, trouble: Trouble, chance: random.Random) -> None:
        while True:
            await self._war.wait()
            await asyncio.sleep(chance.uniform(*trouble.rest_s))
            if not self._war.is_set():
                continue
            kind = chance.choice(sorted(trouble.faults))
            fault = f"{trouble.name}: {kind}"
            self.faults[fault] = self.faults.get(fault, 0) + 1
            self._raging.append(fault)
            try:
                restore = await trouble.faults[kind]()
                try:
                    async with asyncio.timeout(chance.uniform(0.1, 2.5)):
                        await self._peace.wait()
                except TimeoutError:
                    pass
                await restore()
            finally:
                self._raging.remove(fault)


@asynccontextmanager
async def shop(folder: Path, seed: int, *, leak: bool = False) -> AsyncIterator[Shop]:
    """A shop whose devices all answer and whose people have begun; it ends with a stop in order."""
    found = Shop(folder, seed)
    async with AsyncExitStack() as stack:
        counters = found.counters
        plc = await stack.enter_async_context(Plc(holding={100: 0, 101: 0}))
        server = await stack.enter_async_context(
            OpcUaServer({"Count": ua.Variant(counters["OP30"].raw, ua.VariantType.UInt32)})
        )
        press = await stack.enter_async_context(Relay(lambda: plc.port, TRANSACTION_AT))
        oven = await stack.enter_async_context(Relay(lambda: server.port, REQUEST_ID_AT))
        bus = BusTrouble(folder / "bus", {1: counters["OP20"], 2: counters["OP40"]}, found.chance("bus"))
        bus.plug()
        stack.callback(bus.unplug)
        guns = [await stack.enter_async_context(Gun(folder / name)) for name in ("gun1", "gun2")]
        reader = ServingReader()
        await reader.power_on()
        stack.push_async_callback(reader.power_off)
        found._press, found._oven = (
            PressTrouble(plc, press, counters["OP10"]),
            OvenTrouble(server, oven, counters["OP30"]),
        )
        found.operators = [
            Operator(gun, name, station, f"1000{number}")
            for number, (gun, name, station) in enumerate(
                zip((*guns, reader), ("gun1", "gun2", "reader"), ("OP10", "OP20", "OP30"), strict=True), 1
            )
        ]
        found._troubles = [found._press, found._oven, bus, *found.operators]
        found._press.show()
        config = folder / "lineside.toml"
        config.write_text(
            CONFIG.format(
                press=press.port, oven=oven.port, reader=reader.port, bus=folder / "bus", uri=URI,
                gun1=folder / "gun1", gun2=folder / "gun2", rate=MOST_PER_MIN, web=free_port(),
            )
        )  # fmt: skip
        (folder / "data").mkdir()
        await deliver(folder / "data" / "masterdata.db", ORDERS)
        found.child = await spawn(
            *(["--leak"] if leak else []), "collect", "--config", config,
            log=folder / "collect.log", module=("tests.soak.watched", str(folder)),
        )  # fmt: skip
        try:
            await found.child.started()
            async with _busy(found):
                yield found
            assert await found.child.stop() == 0, found.child.log[-2000:]
        finally:
            await found.child.kill()


@asynccontextmanager
async def _busy(found: Shop) -> AsyncIterator[None]:
    """Machines, people and faults at work, whenever there is war."""
    found.begin(found.links.follow(), "log")
    try:
        await found.heard()
        for operator in found.operators:
            await operator.begin()
        await found.first_strokes()
        found.begin(found._produce(found.chance("strokes")), "strokes")
        for trouble in found._troubles:
            found.begin(found._rage(trouble, found.chance(trouble.name)), f"faults of {trouble.name}")
        for operator in found.operators:
            work = operator.work(found.chance(f"scans of {operator.name}"), _ready(found, operator))
            found.begin(work, f"scans of {operator.name}")
        yield
    finally:
        await found.end()


def _ready(found: Shop, operator: Operator) -> Callable[[], bool]:
    return lambda: found._war.is_set() and found.links.up.get(operator.name, False)
