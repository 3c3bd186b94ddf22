"""The Modbus TCP driver against a server that is not of pymodbus: jsmodbus, in its own process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from drivers.modbus.driver import ModbusDriver
from drivers.modbus.settings import ModbusSettings
from edge.readings import Quality
from tests.contract.observing import TestClock, serving
from tests.line.nodejs import packages

HERE = Path(__file__).parent / "jsmodbus"
PACKAGES = "jsmodbus-5.0.0"

TAGS: dict[str, Any] = {f"r{n}": {"register": "holding", "address": n} for n in range(300)} | {
    "pair": {"register": "holding", "address": 10, "type": "uint32"},
    "text": {"register": "holding", "address": 500, "type": "string", "length": 8},
    "level": {"register": "input", "address": 20, "type": "float32"},
    "running": {"register": "coil", "address": 3},
    "still": {"register": "coil", "address": 4},
    "door": {"register": "discrete", "address": 9},
    "last": {"register": "input", "address": 99},
    "absent": {"register": "input", "address": 100},  # answered with an empty or shorter answer
}
EXPECTED = {f"r{n}": n * 7 + 1 for n in range(300)} | {
    "pair": 71 << 16 | 78,
    "text": "PRESS-7",
    "level": 1.5,
    "running": True,
    "still": False,
    "door": True,
    "last": 0,
    "absent": None,
}


@asynccontextmanager
async def jsmodbus(port: int = 0) -> AsyncIterator[int]:
    """A server process; its port."""
    process = await asyncio.create_subprocess_exec(
        "node",
        str(HERE / "server.js"),
        str(packages(HERE, PACKAGES)),
        str(port),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        yield int(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()


async def test_another_makers_server_is_read_rightly_and_found_again_after_it_was_killed() -> None:
    async with AsyncExitStack() as running, AsyncExitStack() as first:
        table: dict[str, Any] = {
            "driver": "modbus-tcp",
            "host": "127.0.0.1",
            "port": await first.enter_async_context(jsmodbus()),
            "poll_interval_s": 0.02,
            "timeout_s": 30,
            "retries": 0,
            "reconnect_min_s": 0.05,
            "reconnect_max_s": 0.1,
            "tags": TAGS,
        }
        driver = ModbusDriver("plc", ModbusSettings.model_validate(table), TestClock())
        told = await running.enter_async_context(serving(driver))
        await told.until(lambda: told.values == EXPECTED)
        bad = [tag for tag, quality in told.qualities.items() if quality is Quality.bad]
        assert bad == ["absent"] == list(driver.refusals)
        await first.aclose()
        await told.until_down()
        async with jsmodbus(table["port"]):
            await told.until_up(2)
            await told.until(lambda: told.values == EXPECTED)
            assert told.ups == [True, False, True]
