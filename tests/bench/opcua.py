"""What OPC UA values cost up to readings, at 1 Hz, against bare asyncua taking the same by its iterator.

Three processes: a server of asyncua, and two clients that take its values at the same time, so that the
machine's moods hit both. Each counts its own CPU between two values that lie apart, after it came to rest; so
what is compared is the CPU of a client alone for a value received.
"""

import asyncio
import math
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import uvloop
from asyncua import Client, Server, ua

from drivers.opcua.driver import OpcUaDriver
from drivers.opcua.settings import OpcUaSettings
from edge.readings import Link, Moment, Quality, Reading, Scan, Unreadable
from tests.bench.table import Row

TARGET = 1.3
ITEMS = (1_000, 5_000)
SETTLE, WATCH = 5, 30  # seconds, as each item has one value a second
PATIENCE_S = 600.0


async def measure() -> list[Row]:
    """One row for each number of items: µs of CPU a value, bare and driven, and their ratio."""
    return [await _row(items) for items in ITEMS]


async def _row(items: int) -> Row:
    async with _server(items) as endpoint, asyncio.timeout(PATIENCE_S):
        driven, bare = await asyncio.gather(*(_taken(way, endpoint, items) for way in ("--driven", "--bare")))
    ratio = driven / bare
    return Row(
        f"OPC UA, {items:,} items at 1 Hz",
        f"{driven:.1f} µs CPU a value, {driven * items / 1e4:.1f} % of a core",
        f"bare asyncua: {bare:.1f} µs",
        ratio,
        f"≤ {TARGET}",
        ratio <= TARGET,
    )


@asynccontextmanager
async def _server(items: int) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(*_command("--serve", str(items)), stdout=PIPE)
    try:
        assert process.stdout is not None
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.kill()
        await process.wait()


async def _taken(way: str, endpoint: str, items: int) -> float:
    """µs of CPU a value of a client in a process of its own."""
    process = await asyncio.create_subprocess_exec(*_command(way, endpoint, str(items)), stdout=PIPE)
    try:
        output, _ = await process.communicate()
        return float(output)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _command(*arguments: str) -> tuple[str, ...]:
    return sys.executable, "-m", "tests.bench.opcua", *arguments


class _Meter:
    """Counts values, and the CPU of this process over those that are watched."""

    def __init__(self, items: int) -> None:
        self._count = 0
        self._begin, self._end = items * SETTLE, items * (SETTLE + WATCH)
        self._began: tuple[int, float] | None = None
        self.us_a_value: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def took(self, values: int) -> None:
        self._count += values
        if self._began is None:
            if self._count >= self._begin:
                self._began = self._count, time.process_time()
        elif self._count >= self._end and not self.us_a_value.done():
            count, cpu_s = self._began
            self.us_a_value.set_result((time.process_time() - cpu_s) / (self._count - count) * 1e6)


# --- lineside's driver


class _Clock:
    def now(self) -> Moment:
        return Moment(time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000, "boot")


class _Observer:
    """An observer that only counts."""

    def __init__(self, meter: _Meter) -> None:
        self._meter = meter

    def readings(self, batch: Sequence[Reading]) -> None:
        assert batch[0].quality is Quality.good
        self._meter.took(len(batch))

    def scan(self, scan: Scan) -> None: ...
    def unreadable(self, unreadable: Unreadable) -> None: ...
    def link(self, link: Link) -> None: ...


async def _driven(endpoint: str, items: int) -> float:
    tags = {f"t{n}": {"node": f"ns=2;i={n + 1}", "unit": "Cel"} for n in range(items)}
    settings = OpcUaSettings.model_validate(
        {"driver": "opcua", "endpoint": endpoint, "publishing_interval_s": 1, "timeout_s": 30, "tags": tags}
    )
    meter = _Meter(items)
    task = asyncio.create_task(OpcUaDriver("oven", settings, _Clock()).run(_Observer(meter)))
    try:
        return await meter.us_a_value
    finally:
        task.cancel()
        await asyncio.wait([task])


# --- bare asyncua


async def _bare(endpoint: str, items: int) -> float:
    meter = _Meter(items)
    # Its watchdog gives a connection up that it does not hear of for a second, as while 5,000 items are made.
    async with Client(endpoint, timeout=30, watchdog_intervall=60) as client:
        subscription = await client.create_subscription(1000, queue_maxsize=2 * items)
        nodes = [client.get_node(f"ns=2;i={n + 1}") for n in range(items)]
        await subscription.subscribe_data_change(nodes, queuesize=100)
        async for event in subscription:
            assert event is not None
            meter.took(1)
            if meter.us_a_value.done():
                break
    return meter.us_a_value.result()


# --- the server


async def _serve(items: int) -> None:
    server = Server()
    await server.init()
    server.disable_clock()
    server.set_endpoint("opc.tcp://127.0.0.1:0")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    assert await server.register_namespace("urn:lineside:bench") == 2
    for n in range(items):
        await server.nodes.objects.add_variable(ua.NodeId(ua.Int32(n + 1), ua.Int16(2)), f"t{n}", 0.0)
    await server.start()
    assert server.bserver is not None and server.bserver._server is not None
    port = server.bserver._server.sockets[0].getsockname()[1]
    print(f"opc.tcp://127.0.0.1:{port}", flush=True)
    loop = asyncio.get_running_loop()
    while True:
        second = math.floor(loop.time()) + 1
        await asyncio.sleep(second - loop.time())
        variant = ua.Variant(float(second), ua.VariantType.Double)
        value = ua.DataValue(variant, SourceTimestamp=datetime.now(UTC))
        for subscription in server.iserver.subscription_service.subscriptions.values():
            _change(subscription, value)


def _change(subscription: Any, value: ua.DataValue) -> None:
    """Every item has this value now. Writing to the nodes would cost asyncua several copies of each value."""
    queued = subscription._triggered_datachanges
    for number, item in subscription.monitored_item_srv._monitored_items.items():
        queued.setdefault(number, []).append(ua.MonitoredItemNotification(item.client_handle, value))


async def _main(way: str, *arguments: str) -> None:
    match way:
        case "--serve":
            await _serve(int(arguments[0]))
        case "--driven":
            print(await _driven(arguments[0], int(arguments[1])))
        case "--bare":
            print(await _bare(arguments[0], int(arguments[1])))
        case _:
            for row in await measure():
                print(row)


if __name__ == "__main__":
    uvloop.run(_main(*(sys.argv[1:] or [""])))
