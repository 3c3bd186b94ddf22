"""The demo's plant: a press, a gun and an ERP in this process, the collector as a process of its own.

The collector is `lineside run`, as a site would run it; when it dies it is started again, as systemd would.
"""

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from drivers.barcode.simulator import Gun
from drivers.modbus.simulator import Press
from edge.demo import child
from edge.demo.broker import Broker
from edge.demo.endpoint import MASTERDATA, Endpoint
from edge.demo.subscriber import Subscriber
from edge.faults import Fault

LINE = Path(__file__).with_name("line.toml")
OVER_MQTT = Path(__file__).with_name("uplink-mqtt.toml")  # in place of the line's uplink
TOPIC = "lineside/v1/acme/suzhou/stamping/L3/L3-IPC1"
FIRST_COUNT = 2**32 - 12  # the counter rolls over in the first work order
EXTRA_ORDERS = 60  # so that the shift goes on
_RESTART_S = 1.0
_STOP_S = 1.5


class Collector:
    """`lineside run` as a child process, kept running until stopped."""

    def __init__(self, config: Path, log: Path) -> None:
        self.starts = 0
        self._config = config
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> bool:
        return child.runs(self._process)

    async def keep(self) -> None:
        """Run it until cancelled; start it again when it dies. Raises Fault where it cannot start at all."""
        quick_ends = 0
        while True:
            began = asyncio.get_running_loop().time()
            await self._start()
            assert self._process is not None
            code = await self._process.wait()
            quick_ends = quick_ends + 1 if asyncio.get_running_loop().time() - began < _RESTART_S else 0
            if quick_ends >= 3:
                last = self._log.read_text(errors="replace").splitlines()[-1:]
                raise Fault(f"the collector ends at once (exit code {code}): {''.join(last)}")
            await asyncio.sleep(_RESTART_S)

    def kill(self) -> None:
        """End it without a warning, like a power cut to the process."""
        if self._process is not None and self.running:
            self._process.send_signal(signal.SIGKILL)

    async def stop(self) -> None:
        """Ask it to end; insist after 1.5 s."""
        await child.end(self._process, _STOP_S)

    async def _start(self) -> None:
        command = (sys.executable, "-m", "edge", "run", "--config", str(self._config))
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )  # fmt: skip
        self.starts += 1


class Plant:
    """Everything of the demo's line, with the addresses to look at."""

    def __init__(
        self,
        folder: Path,
        press: Press,
        gun: Gun,
        erp: Endpoint,
        way: Endpoint | Subscriber,
        collector: Collector,
        web_port: int,
    ) -> None:
        self.folder = folder
        self.press = press
        self.gun = gun
        self.erp = erp
        self.way = way  # by which facts come to the ERP; it can be cut
        self.collector = collector
        self.pages_url = f"http://127.0.0.1:{web_port}"

    @property
    def working(self) -> list["asyncio.Task[None]"]:
        """What must not end before the plant does."""
        return [self.way.work] if isinstance(self.way, Subscriber) else []

    def orders(self) -> list[dict[str, Any]]:
        """The released work orders of this line, as the ERP has them."""
        return _of_this_line(msgspec.json.decode((self.folder / "masterdata.json").read_bytes()))

    async def last_fact_ms(self) -> int | None:
        """When the last fact on the operator page happened, UTC ms; waits for the page."""
        while True:
            with suppress(aiohttp.ClientError):
                async with (
                    aiohttp.ClientSession() as session,
                    session.get(f"{self.pages_url}/api/v1/stations/OP20") as answer,
                ):
                    noted = (await answer.json())["noted"]
                    return int(noted[0]["time_ms"]) if noted else None
            await asyncio.sleep(0.5)

    @property
    def journal(self) -> Path:
        return self.folder / "data" / "journal.db"

    @property
    def sync_store(self) -> Path:
        return self.folder / "data" / "sync.db"


@asynccontextmanager
async def plant(folder: Path, cycle_s: float, mqtt: bool = False) -> AsyncIterator[Plant]:
    """Build the plant in `folder`; everything ends with the block. `mqtt`: the ERP pulls over a broker.

    Raises Fault where there is no broker.
    """
    token = secrets.token_hex(16)
    masterdata = folder / "masterdata.json"
    masterdata.write_bytes(with_more_orders(MASTERDATA.read_bytes()))
    (folder / "erp-token").write_text(token)
    async with AsyncExitStack() as stack:
        erp = await stack.enter_async_context(Endpoint(folder / "erp.db", masterdata, token=token))
        way: Endpoint | Subscriber = erp
        text, values = LINE.read_text(encoding="utf-8"), {"erp_url": erp.url}
        if mqtt:
            broker = Broker(folder)
            way = await stack.enter_async_context(Subscriber(erp, broker, TOPIC))
            text, values = _over_mqtt(text), {"broker_port": str(broker.port)}
        press = await stack.enter_async_context(
            Press(cycle_s=cycle_s, first_count=FIRST_COUNT, power_kw=18.0)
        )
        gun = await stack.enter_async_context(Gun(folder / "gun1"))
        web_port, sync_port = free_port(), free_port()
        config = folder / "lineside.toml"
        ports = {"press_port": press.port, "web_port": web_port, "sync_port": sync_port}
        config.write_text(_filled(text, {**values, **ports, "gun_port": gun.link}), encoding="utf-8")
        collector = Collector(config, folder / "lineside.log")
        stack.push_async_callback(collector.stop)
        yield Plant(folder, press, gun, erp, way, collector, web_port)


def free_port() -> int:
    """A port of the loopback that nobody uses now, and that the system gives to nobody else for a minute."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = server.accept()
            accepted.close()  # who closes first keeps the port in TIME_WAIT; a server may still take it
        return port


def _over_mqtt(line: str) -> str:
    """The line's configuration with the other uplink."""
    before, _, rest = line.partition("[uplinks.erp]")
    return f"{before}{OVER_MQTT.read_text(encoding='utf-8')}[web]{rest.partition('[web]')[2]}"


def _filled(text: str, values: dict[str, object]) -> str:
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text


def with_more_orders(document: bytes) -> bytes:
    """The ERP's master data with a queue of further orders, copies of the released ones for this line."""
    data = msgspec.json.decode(document)
    here = _of_this_line(data)
    for number in range(EXTRA_ORDERS):
        model = here[number % len(here)]
        refs = {"FMoId": str(100200 + number)}
        data["work_orders"].append({**model, "work_order": str(10045701 + number), "refs": refs})
    for lot in data["lots"]:
        if lot["status"] == "released" and "quantity" in lot:
            lot["quantity"] = str(int(lot["quantity"]) * 100)
    return msgspec.json.encode(data)


def _of_this_line(data: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        order
        for order in data["work_orders"]
        if order["status"] == "released" and order["operations"][0]["work_center"] == "WC-PRESS-1"
    ]
