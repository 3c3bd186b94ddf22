"""What a Modbus poll costs up to decoded readings, against bare pymodbus reading the same blocks.

The server is another process, so that CPU is the client's alone. Both ways take turns, so that the machine's
moods hit both; the ratio is that of the medians of their rounds.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from pymodbus.client import AsyncModbusTcpClient

from drivers.modbus.driver import ModbusDriver
from drivers.modbus.plan import Block, plan
from drivers.modbus.settings import ModbusSettings
from drivers.modbus.simulator import Plc
from edge.readings import Link, Moment, Reading, Scan, Unreadable
from tests.bench.table import Row

TARGET = 1.6
REGISTERS = 5000
READ = 50_000  # registers in a round
ROUNDS = 15
PACED_S = 10.0  # how long a rate is held
RATES = ((19_000, 5.0), (100_000, 25.0))  # values a second, and the percent of a core that they may take


def _words(count: int) -> dict[str, dict[str, Any]]:
    return {f"t{n}": {"register": "holding", "address": n} for n in range(count)}


TAGS: dict[str, dict[str, dict[str, Any]]] = {
    "500 × uint16": _words(500),
    "250 × float32, scaled": {
        f"t{n}": {"register": "holding", "address": n * 2, "type": "float32", "scale": 0.1, "unit": "kWh"}
        for n in range(250)
    },
    "5,000 × uint16": _words(5000),
}

Poll = Callable[[], Awaitable[None]]


class _Clock:
    def now(self) -> Moment:
        return Moment(time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000, "boot")


class _Counting:
    """An observer that only counts."""

    def __init__(self) -> None:
        self.count = 0
        self.begun = asyncio.Event()

    def readings(self, batch: Sequence[Reading]) -> None:
        self.count += len(batch)
        self.begun.set()

    def scan(self, scan: Scan) -> None: ...
    def unreadable(self, unreadable: Unreadable) -> None: ...
    def link(self, link: Link) -> None: ...


async def measure() -> list[Row]:
    """One row for each set of tags: µs of CPU a poll, bare and driven, and their ratio; one for each rate."""
    async with _server() as port:
        rows = [await _row(name, port, tags) for name, tags in TAGS.items()]
        return rows + [await _paced(port, rate, most) for rate, most in RATES]


@asynccontextmanager
async def _server() -> AsyncIterator[int]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.modbus", "--serve", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield int(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def _both(
    port: int, tags: dict[str, dict[str, Any]]
) -> AsyncIterator[
    tuple[_Counting, Sequence[Block], Callable[[], Awaitable[None]], Callable[[], Awaitable[None]]]
]:
    """What was counted, the requests, and one poll: bare, and by the driver."""
    settings = ModbusSettings.model_validate(
        {"driver": "modbus-tcp", "host": "127.0.0.1", "port": port, "poll_interval_s": 3600, "tags": tags}
    )
    blocks = plan(settings.tags, settings.max_gap)
    counting = _Counting()
    driver = ModbusDriver("plc", settings, _Clock())
    client = AsyncModbusTcpClient("127.0.0.1", port=port, reconnect_delay=0)
    assert await client.connect()
    task = asyncio.create_task(driver.run(counting))

    async def bare() -> None:
        for block in blocks:
            answer = await client.read_holding_registers(block.address, count=block.count, device_id=1)
            assert not answer.isError()

    try:
        await counting.begun.wait()
        yield counting, blocks, bare, driver.refresh
    finally:
        task.cancel()
        await asyncio.wait([task])
        client.close()
        await asyncio.sleep(0)


async def _row(name: str, port: int, tags: dict[str, dict[str, Any]]) -> Row:
    async with _both(port, tags) as (counting, blocks, bare, driven):
        polls = READ // sum(block.count for block in blocks)
        bare_us, driven_us = await _rounds(polls, bare, driven)
        assert counting.count == len(tags) * (1 + polls * (ROUNDS + 1))
    ratio = driven_us / bare_us
    return Row(
        f"Modbus poll of {name} in {len(blocks)} requests",
        f"{driven_us:.0f} µs CPU a poll",
        f"bare pymodbus: {bare_us:.0f} µs",
        ratio,
        f"≤ {TARGET}",
        ratio <= TARGET,
    )


async def _paced(port: int, rate: int, most: float) -> Row:
    """The share of a core that a steady rate takes, in polls of all registers."""
    async with _both(port, _words(REGISTERS)) as (_, _, bare, driven):
        raw = await _share(bare, REGISTERS / rate)
        ours = await _share(driven, REGISTERS / rate)
    return Row(
        f"{rate:,} Modbus values a second",
        f"{ours:.1f} % of a core",
        f"bare pymodbus: {raw:.1f} %",
        ours / raw,
        f"≤ {most:.0f} %",
        ours <= most,
    )


async def _share(poll: Poll, interval_s: float) -> float:
    """Percent of a core at polls on a grid: their CPU by the time they should take, held or not."""
    loop = asyncio.get_running_loop()
    await poll()
    begun_s, cpu_s, polls = loop.time(), time.process_time(), round(PACED_S / interval_s)
    for number in range(polls):
        await asyncio.sleep(begun_s + number * interval_s - loop.time())
        await poll()
    return 100 * (time.process_time() - cpu_s) / (polls * interval_s)


async def _rounds(polls: int, *ways: Poll) -> list[float]:
    """The median CPU of one call, in µs, of each way; the first round warms up."""
    taken: list[list[float]] = [[] for _ in ways]
    for _ in range(ROUNDS + 1):
        for way, times in zip(ways, taken, strict=True):
            begun = time.process_time()
            for _ in range(polls):
                await way()
            times.append((time.process_time() - begun) / polls * 1e6)
    return [statistics.median(times[1:]) for times in taken]


async def _serve() -> None:
    async with Plc(holding={address: address for address in range(REGISTERS)}) as plc:
        print(plc.port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    if "--serve" in sys.argv:
        uvloop.run(_serve())
    else:
        for row in uvloop.run(measure()):
            print(row)
