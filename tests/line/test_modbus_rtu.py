"""Modbus RTU over a pty pair: what a serial line does to answers must never become a wrong value."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import AsyncModbusSerialClient
from pymodbus.exceptions import ModbusIOException

from drivers.modbus.driver import ModbusDriver
from drivers.modbus.settings import RtuSettings
from drivers.modbus.simulator_serial import SerialPlc
from edge.readings import Quality
from tests.contract.observing import Recorder, TestClock, serving
from tests.line.rtu_slave import Slaves, answer, framed, refusal, value

# Two requests of one length: only their addresses tell their answers apart, and answers carry none.
TAGS: dict[str, Any] = {
    "a": {"register": "holding", "address": 10},
    "b": {"register": "holding", "address": 500},
}


def driver(port: Path, tags: dict[str, Any] = TAGS, name: str = "meter", **more: Any) -> ModbusDriver:
    table = {"driver": "modbus-rtu", "port": str(port), "baudrate": 115200, "tags": tags} | {
        "poll_interval_s": 0.02,
        "timeout_s": 30,
        "retries": 0,
        "reconnect_min_s": 0.05,
        "reconnect_max_s": 0.1,
    }
    return ModbusDriver(name, RtuSettings.model_validate(table | more), TestClock())


def true(told: Recorder, device: int = 1, tags: dict[str, Any] = TAGS) -> bool:
    """Whether every value that was ever told is the register's."""
    expected = {name: value(device, tag["address"]) for name, tag in tags.items()}
    return all(
        reading.value == (expected[reading.tag] if reading.quality is Quality.good else None)
        for batch in told.batches
        for reading in batch
    )


def good(told: Recorder) -> int:
    return sum(reading.quality is Quality.good for batch in told.batches for reading in batch)


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / "bus0"


async def test_plain_pymodbus_takes_a_late_answer_for_the_next_ones_value(link: Path) -> None:
    """Why this driver does not use its serial client: this is what it would tell."""
    with Slaves(link) as slaves:
        slaves.behind = 1
        client = AsyncModbusSerialClient(
            str(link), baudrate=115200, timeout=0.2, retries=0, reconnect_delay=0
        )
        assert await client.connect()
        with pytest.raises(ModbusIOException):
            await client.read_holding_registers(10, count=1, device_id=1)
        late = await client.read_holding_registers(500, count=1, device_id=1)
        assert late.registers == [value(1, 10)] != [value(1, 500)]
        client.close()


async def test_a_real_slave_is_read_in_blocks_and_found_again_after_its_adapter_was_pulled(
    link: Path,
) -> None:
    plc = SerialPlc(link, holding={n: n * 3 for n in range(150)}, coil={0: True})
    tags = {f"t{n}": {"register": "holding", "address": n} for n in range(150)}
    tags["c"] = {"register": "coil", "address": 0}
    async with plc, serving(driver(link, tags)) as told:
        await told.polls(3)
        assert set(plc.requests) == {("holding", 0, 125), ("holding", 125, 25), ("coil", 0, 1)}
        assert told.values == {f"t{n}": n * 3 for n in range(150)} | {"c": True}
        await plc.power_off()
        await told.until_down()
        await plc.power_on()
        await told.until_up(times=2)
    assert told.ups == [True, False, True]
    assert "is gone" in told.links[1].detail and told.links[1].hint


async def test_a_port_that_is_not_there_is_told_with_what_to_do(link: Path) -> None:
    async with serving(driver(link)) as told:
        await told.until_down()
    assert "is not there" in told.links[0].detail and "adapter" in told.links[0].hint


@pytest.mark.parametrize("fences", ["echoes", "refuses"])
async def test_a_late_answer_is_never_taken_for_the_next_ones(link: Path, fences: str) -> None:
    def respond(request: bytes) -> bytes | None:
        return refusal(request, 1) if request[1] == 8 and fences == "refuses" else answer(request)

    with Slaves(link) as slaves:
        slaves.respond = respond
        async with serving(driver(link, timeout_s=0.15, retries=1)) as told:
            for times in (1, 2, 3):
                await told.until_up(times)
                slaves.behind = times  # from here each answer comes after so many further requests
                await told.until_down(times)
                await slaves.asked(4)
                slaves.behind = 0
            await told.until_up(4)
            await told.polls(3)
    assert true(told) and good(told) > 10


async def test_a_device_that_answers_no_fences_is_left_alone_until_its_late_answers_are_gone(
    link: Path,
) -> None:
    with Slaves(link) as slaves:
        slaves.respond = lambda request: None if request[1] == 8 else answer(request)
        async with serving(driver(link, timeout_s=0.15)) as told:
            await told.until_up()
            lost: list[bytes] = []

            def late(request: bytes) -> bytes | None:
                if request[1] == 8:
                    return None
                lost.append(answer(request))
                asyncio.get_running_loop().call_later(0.3, slaves.say, lost[-1])
                return None

            slaves.respond = late
            await told.until_down()
            slaves.respond = lambda request: None if request[1] == 8 else answer(request)
            await told.until_up(2)
            await told.polls(3)
    assert lost and true(told) and good(told) > 4


async def test_a_device_whose_fences_are_off_is_never_asked_for_one_and_no_late_answer_is_taken(
    link: Path,
) -> None:
    asked: list[int] = []
    late: list[bytes] = []

    def respond(request: bytes) -> bytes | None:
        asked.append(request[1])
        if len(asked) % 5:
            return answer(request)
        late.append(answer(request))
        asyncio.get_running_loop().call_later(0.3, slaves.say, late[-1])
        return None

    with Slaves(link) as slaves:
        slaves.respond = respond
        async with serving(driver(link, timeout_s=0.15, fences="off")) as told:
            await told.until_up(3)
            await told.polls(1)
    assert len(late) >= 2 and true(told) and good(told) > 4
    assert set(asked) == {3}


async def test_one_answer_lost_to_noise_is_asked_for_again_and_loses_nothing(link: Path) -> None:
    with Slaves(link) as slaves:
        async with serving(driver(link, timeout_s=0.5, retries=1)) as told:
            await told.until_up()
            spoilt = 0

            def noisy(request: bytes) -> bytes | None:
                nonlocal spoilt
                spoilt += 1
                sound = answer(request)
                return sound if spoilt % 3 else sound[:-3] + bytes([sound[-3] ^ 0x40]) + sound[-2:]

            slaves.respond = noisy
            await told.polls(4)
    assert told.ups == [True] and true(told) and spoilt > 6


async def test_noise_before_an_answer_and_bytes_one_by_one_change_nothing(link: Path) -> None:
    with Slaves(link) as slaves:
        async with serving(driver(link)) as told:
            await told.until_up()
            for noise in (b"\0", b"\xff\xff", b"\x01\x03", b"\x01\x03\x02", b"\x01\x83", b"\x02\x03\x02ab"):
                slaves.stray = noise
                await told.polls(2)
    assert told.ups == [True] and set(told.qualities.values()) == {Quality.good} and true(told)


async def test_an_adapter_that_hears_itself_is_understood_and_does_not_pass_for_a_fence(link: Path) -> None:
    with Slaves(link) as slaves:
        slaves.echo = True
        async with serving(driver(link, timeout_s=0.15)) as told:
            await told.until_up()
            slaves.behind = 1
            await told.until_down()
            await slaves.asked(4)
            slaves.behind = 0
            await told.until_up(2)
            await told.polls(2)
    assert true(told) and good(told) > 4


async def test_an_answer_of_another_device_is_not_taken(link: Path) -> None:
    with Slaves(link, devices=(1, 2)) as slaves:
        async with serving(driver(link, timeout_s=0.15)) as told:
            await told.until_up()
            slaves.respond = lambda request: answer(framed(b"\x02" + request[1:6]))
            await told.until_down()
            slaves.respond = answer
            await told.until_up(2)
    assert true(told)


async def test_a_refused_register_is_bad_and_its_neighbours_are_good(link: Path) -> None:
    tags = {f"t{n}": {"register": "holding", "address": n} for n in range(8)}

    def respond(request: bytes) -> bytes:
        first, count = request[3], request[5]
        return refusal(request, 2) if request[1] == 3 and first <= 5 < first + count else answer(request)

    with Slaves(link) as slaves:
        slaves.respond = respond
        async with serving(driver(link, tags)) as told:
            await told.polls(3)
    assert [tag for tag, quality in told.qualities.items() if quality is Quality.bad] == ["t5"]
    assert true(told, tags=tags)


async def test_the_time_that_bytes_take_on_a_slow_line_is_no_delay_of_the_device(link: Path) -> None:
    """125 registers take 2 s at 1200 baud: the device begins at once, the line needs its time."""
    tags = {f"t{n}": {"register": "holding", "address": n} for n in range(125)}
    with Slaves(link) as slaves:

        def slowly(request: bytes) -> bytes | None:
            made = answer(request)
            asyncio.get_running_loop().call_later(0.8, slaves.say, made[:100])
            asyncio.get_running_loop().call_later(0.9, slaves.say, made[100:])
            return None

        slaves.respond = slowly
        async with serving(driver(link, tags, baudrate=1200, timeout_s=0.1)) as told:
            await told.until_up()
    assert told.ups == [True] and true(told, tags=tags)


async def test_devices_on_one_port_with_different_line_settings_are_refused_with_what_to_do(
    link: Path,
) -> None:
    with Slaves(link, devices=(1, 2)):
        async with serving(driver(link)) as told:
            await told.until_up()
            async with serving(driver(link, name="other", device_id=2, baudrate=9600)) as other:
                await other.until_down()
    assert told.ups == [True]
    assert "two settings" in other.links[0].detail and "same baudrate" in other.links[0].hint
