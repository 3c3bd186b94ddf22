"""Several devices behind one address share a connection, and none of them pays for another's trouble."""

import asyncio
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from drivers.modbus.driver import ModbusDriver
from drivers.modbus.settings import ModbusSettings, RtuSettings
from edge.readings import Quality
from tests.contract.observing import Recorder, TestClock, eventually, serving
from tests.line.rtu_slave import Slaves, answer, value

TAGS: dict[str, Any] = {"a": {"register": "holding", "address": 10}}
QUICK: dict[str, Any] = {
    "poll_interval_s": 0.02,
    "timeout_s": 30,
    "retries": 0,
    "reconnect_min_s": 0.05,
    "reconnect_max_s": 0.1,
}


class Gateway:
    """A Modbus TCP gateway that serves one client at a time, as small ones do, and counts them.

    Register n of the device d holds `value(d, n)`; devices in `dead` are silent.
    """

    def __init__(self) -> None:
        self.dead: set[int] = set()
        self.longest = 125  # registers; longer requests get no answer
        self.connections = 0
        self.open = 0
        self.most_open = 0
        self.asked: list[tuple[int, int, int]] = []  # device, address, count
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> "Gateway":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.hang_up()
        await eventually(lambda: not self.open)

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.set_name("press side of a connection")  # by this name `serving` knows it for no driver's
        self.connections += 1
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        self._writers.add(writer)
        try:
            while True:
                header = await reader.readexactly(7)
                body = await reader.readexactly(int.from_bytes(header[4:6]) - 1)
                device, address, count = header[6], *(int.from_bytes(body[n : n + 2]) for n in (1, 3))
                self.asked.append((device, address, count))
                if device not in self.dead and count <= self.longest:
                    made = answer(header[6:7] + body + b"\0\0")[:-2]
                    writer.write(header[:4] + len(made).to_bytes(2) + made)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            self._writers.discard(writer)
            writer.close()


def behind(gateway: Gateway, device: int, tags: dict[str, Any] = TAGS, **more: Any) -> ModbusDriver:
    table = {"driver": "modbus-tcp", "host": "127.0.0.1", "port": gateway.port, "device_id": device}
    settings = ModbusSettings.model_validate(table | QUICK | {"tags": tags} | more)
    return ModbusDriver(f"m{device}", settings, TestClock())


def on(link: Path, device: int, **more: Any) -> ModbusDriver:
    table = {"driver": "modbus-rtu", "port": str(link), "baudrate": 115200, "device_id": device, "tags": TAGS}
    return ModbusDriver(f"m{device}", RtuSettings.model_validate(table | QUICK | more), TestClock())


def own_values_only(told: Recorder, device: int) -> bool:
    return {r.value for batch in told.batches for r in batch} <= {value(device, 10), None}


async def test_devices_behind_a_gateway_share_one_connection_and_keep_their_values() -> None:
    async with Gateway() as gateway:
        async with (
            serving(behind(gateway, 1)) as one,
            serving(behind(gateway, 2)) as two,
            serving(behind(gateway, 3)) as three,
        ):
            for told in (one, two, three):
                await told.polls(5)
        await eventually(lambda: not gateway.open)
    assert gateway.connections == 1
    assert all(told.ups == [True] for told in (one, two, three))
    assert all(own_values_only(told, device) for device, told in enumerate((one, two, three), 1))


async def test_the_connection_stays_while_one_driver_is_left() -> None:
    async with Gateway() as gateway, serving(behind(gateway, 1)) as one:
        async with serving(behind(gateway, 2)) as two:
            await two.polls(2)
        await one.polls(3)
        assert gateway.connections == 1 and one.ups == [True]


async def test_a_lost_connection_is_told_by_each_device_and_made_again_once() -> None:
    async with Gateway() as gateway, serving(behind(gateway, 1)) as one, serving(behind(gateway, 2)) as two:
        await one.until_up()
        await two.until_up()
        gateway.hang_up()
        for told in (one, two):
            await told.until_down()
            await told.until_up(2)
    assert (gateway.connections, gateway.most_open) == (2, 1)


async def test_a_silent_device_is_lost_alone_and_found_again_while_the_other_goes_on() -> None:
    async with Gateway() as gateway:
        second = serving(behind(gateway, 2, timeout_s=0.1))
        async with serving(behind(gateway, 1)) as one, second as two:
            await one.until_up()
            await two.until_up()
            gateway.dead = {2}
            await two.until_down()
            await one.polls(10)
            gateway.dead = set()
            await two.until_up(2)
    assert one.ups == [True] and two.ups == [True, False, True]
    assert gateway.most_open == 1


async def test_many_dead_devices_leave_most_of_the_line_to_the_living(tmp_path: Path) -> None:
    """Each dead one would hold the line for 0.2 s every 0.3 s; together they would never let go of it."""
    with Slaves(tmp_path / "bus", devices=(1,)) as slaves:
        dead = [
            asyncio.create_task(on(slaves.cable.link, n, timeout_s=0.2).run(Recorder())) for n in range(2, 8)
        ]
        async with serving(on(slaves.cable.link, 1)) as told:
            await told.until_up()
            await asyncio.sleep(0)
            loop = asyncio.get_running_loop()
            begun, before = loop.time(), len(told.batches)
            await told.polls(60)
            shares = (len(told.batches) - before) * 0.02 / (loop.time() - begun)
        for task in dead:
            task.cancel()
        await asyncio.wait(dead)
    assert told.ups == [True] and own_values_only(told, 1)
    assert shares > 0.2, f"the living device was polled at {shares:.0%} of its rate"


async def test_devices_on_one_serial_line_keep_their_values_though_one_is_always_late(tmp_path: Path) -> None:
    with Slaves(tmp_path / "bus", devices=(1, 2)) as slaves:
        kept: list[bytes] = []

        def respond(request: bytes) -> bytes | None:
            if request[0] == 1:
                return answer(request)
            kept.append(answer(request))
            return kept.pop(0) if len(kept) > 1 else None

        second = serving(on(slaves.cable.link, 2, timeout_s=0.1))
        async with serving(on(slaves.cable.link, 1)) as one, second as two:
            await two.until_up()
            slaves.respond = respond
            await two.until_down()
            await one.polls(20)
            slaves.respond = answer
            await two.until_up(2)
    assert one.ups == [True]
    assert own_values_only(one, 1) and own_values_only(two, 2)


async def test_a_device_that_is_silent_to_long_requests_gets_shorter_ones_for_ever_after() -> None:
    tags = {f"t{n}": {"register": "holding", "address": n} for n in range(100)}
    async with Gateway() as gateway:
        gateway.longest = 30
        driver = behind(gateway, 1, tags, timeout_s=0.2)
        with capture_logs() as logs:
            async with serving(driver) as told:
                await told.until_up()
                assert {r.quality for r in told.batches[-1]} == {Quality.good} and len(
                    told.batches[-1]
                ) == 100
                gateway.hang_up()
                await told.until_down()
                gateway.asked.clear()
                await told.until_up(2)
                await told.polls(2)
                assert max(count for _, _, count in gateway.asked) <= 30
            gateway.asked.clear()
            async with serving(driver) as told:
                await told.polls(2)
    assert max(count for _, _, count in gateway.asked) <= 30
    assert [line["event"] for line in logs].count("device wants smaller requests") == 1
    assert told.ups == [True]


async def test_a_device_that_dies_at_its_first_long_request_is_lost_and_its_requests_stay_whole() -> None:
    tags = {f"t{n}": {"register": "holding", "address": n} for n in range(100)}
    async with Gateway() as gateway:
        gateway.dead = {1}
        async with serving(behind(gateway, 1, tags, timeout_s=0.1)) as told:
            await told.until_down()
            gateway.dead = set()
            await told.until_up()
            gateway.asked.clear()
            await told.polls(3)
    assert {count for _, _, count in gateway.asked} == {100}


async def test_tags_of_a_slow_poll_are_read_at_their_own_rate_and_with_every_refresh() -> None:
    tags = {"fast": TAGS["a"], "slow": {"register": "holding", "address": 12, "poll": "slow"}}
    async with Gateway() as gateway:
        driver = behind(gateway, 1, tags, polls={"slow": 3600})
        async with serving(driver) as told:
            await told.polls(10)
            assert set(gateway.asked) == {(1, 10, 1), (1, 12, 1)} and gateway.asked.count((1, 12, 1)) == 1
            assert [{r.tag for r in batch} for batch in told.batches[:3]] == [
                {"fast", "slow"},
                {"fast"},
                {"fast"},
            ]
            await driver.refresh()
            assert gateway.asked.count((1, 12, 1)) == 2
            gateway.hang_up()
            await told.until_down()
            assert set(told.qualities.values()) == {Quality.bad}
            await told.until_up(2)
            await told.polls(1)
            assert set(told.qualities.values()) == {Quality.good}


async def test_a_connection_on_which_everybody_fell_silent_is_made_anew_and_never_twice() -> None:
    async with Gateway() as gateway:
        second = serving(behind(gateway, 2, timeout_s=0.5))
        async with serving(behind(gateway, 1, timeout_s=0.5)) as one, second as two:
            await one.until_up()
            await two.until_up()
            gateway.dead = {1, 2}
            await one.until_down()
            await two.until_down()
            await eventually(lambda: gateway.connections > 1)
            gateway.dead = set()
            await one.until_up(2)
            await two.until_up(2)
    assert one.ups == two.ups == [True, False, True]
    assert gateway.most_open == 1


async def test_a_gateway_that_comes_late_is_found_by_all_devices_behind_it() -> None:
    gateway = Gateway()
    async with gateway:
        pass
    async with serving(behind(gateway, 1)) as one, serving(behind(gateway, 2)) as two:
        await one.until_down()
        await two.until_down()
        async with gateway:
            await one.until_up()
            await two.until_up()
            assert gateway.most_open == 1
            await two.polls(2)
    assert "refused" in one.links[0].detail and "refused" in two.links[0].detail
