"""The Modbus driver against a real TCP server that holds registers, refuses, falls silent and restarts."""

import asyncio
import math
from typing import Any

import pytest
from pymodbus.constants import ExcCodes
from structlog.testing import capture_logs

from drivers.modbus.driver import ModbusDriver
from drivers.modbus.settings import ModbusSettings
from drivers.modbus.simulator import Plc, Press, registers
from edge.readings import Quality
from tests.contract.observing import Recorder, TestClock, eventually, serving

PRESS: dict[str, Any] = {
    "cycles": {"register": "holding", "address": 100, "type": "uint32"},
    "running": {"register": "coil", "address": 0},
    "energy": {"register": "input", "address": 20, "type": "float32", "unit": "kWh"},
}


def driver(plc: Plc, tags: dict[str, Any], **more: Any) -> ModbusDriver:
    table = {"driver": "modbus-tcp", "host": plc.host, "port": plc.port, "tags": tags} | {
        "poll_interval_s": 0.02,
        "timeout_s": 30,
        "retries": 0,
        "reconnect_min_s": 0.05,
        "reconnect_max_s": 0.1,
    }
    return ModbusDriver("press1", ModbusSettings.model_validate(table | more), TestClock())


def at(address: int, type: str, value: float) -> dict[int, int]:
    return dict(enumerate(registers(type, value), address))


async def test_typed_values_arrive_as_the_plc_holds_them() -> None:
    plc = Plc(
        holding=at(0, "uint16", 65535)
        | at(1, "int16", -2)
        | at(2, "uint32", 2**32 - 1)
        | at(4, "int32", -(2**31))
        | at(6, "uint64", 2**64 - 1)
        | at(10, "int64", -(2**63))
        | at(14, "float32", 1.5)
        | at(16, "float64", math.pi)
        | at(20, "float32", math.nan)
        | at(22, "uint16", 0b1000),
        coil={0: True, 9: True},
        discrete={5: True},
        input=at(3, "int16", 215),
    )
    tags: dict[str, Any] = {
        "u16": {"register": "holding", "address": 0},
        "i16": {"register": "holding", "address": 1, "type": "int16"},
        "u32": {"register": "holding", "address": 2, "type": "uint32"},
        "i32": {"register": "holding", "address": 4, "type": "int32"},
        "u64": {"register": "holding", "address": 6, "type": "uint64"},
        "i64": {"register": "holding", "address": 10, "type": "int64"},
        "f32": {"register": "holding", "address": 14, "type": "float32"},
        "f64": {"register": "holding", "address": 16, "type": "float64"},
        "nan": {"register": "holding", "address": 20, "type": "float32"},
        "flag": {"register": "holding", "address": 22, "bit": 3},
        "first": {"register": "coil", "address": 0},
        "second": {"register": "coil", "address": 1},
        "tenth": {"register": "coil", "address": 9},
        "door": {"register": "discrete", "address": 5},
        "temperature": {"register": "input", "address": 3, "type": "int16", "scale": 0.1, "unit": "Cel"},
    }
    async with plc, serving(driver(plc, tags)) as told:
        await told.polls(1)
    expected = {
        "u16": 65535,
        "i16": -2,
        "u32": 2**32 - 1,
        "i32": -(2**31),
        "u64": 2**64 - 1,
        "i64": -(2**63),
        "f32": 1.5,
        "f64": math.pi,
        "nan": None,
        "flag": True,
        "first": True,
        "second": False,
        "tenth": True,
        "door": True,
        "temperature": 21.5,
    }
    assert told.values == expected
    assert [name for name, quality in told.qualities.items() if quality is not Quality.good] == ["nan"]
    assert {r.tag: r.unit for r in told.batches[0] if r.unit} == {"temperature": "Cel"}


async def test_a_poll_is_one_batch_with_one_moment_and_as_few_requests_as_planned() -> None:
    async with Press() as press, serving(driver(press, PRESS)) as told:
        await told.polls(5)
    assert set(press.requests) == {("holding", 100, 2), ("coil", 0, 1), ("input", 20, 2)}
    moments = [{reading.received.monotonic_ms for reading in batch} for batch in told.batches]
    assert all(len(moment) == 1 for moment in moments)
    assert len({moment.pop() for moment in moments}) == len(told.batches)
    assert all({reading.tag for reading in batch} == set(PRESS) for batch in told.batches)


async def test_a_counter_that_rolls_over_at_2_to_the_32_is_read_to_the_last_stroke() -> None:
    async with Press(first_count=2**32 - 2) as press, serving(driver(press, PRESS)) as told:
        for count in (2**32 - 2, 2**32 - 1, 0, 1):
            await told.until(lambda count=count: told.values.get("cycles") == count, f"count {count}")
            press.stroke()


async def test_a_running_press_shows_strokes_and_energy_without_help() -> None:
    async with Press(cycle_s=0.01) as press, serving(driver(press, PRESS)) as told:
        press.start()
        await told.until(
            lambda: told.values.get("running") is True and told.values["cycles"] not in (None, 0)
        )
        press.stop()
        await told.until(lambda: told.values["running"] is False)
    assert isinstance(told.values["energy"], float)
    assert told.values["energy"] == pytest.approx(press.energy_kwh, rel=1e-6)


async def test_one_register_that_does_not_exist_does_not_spoil_its_neighbours() -> None:
    plc = Plc(holding=dict.fromkeys([*range(10), *range(12, 20)], 7))
    tags = {f"t{n}": {"register": "holding", "address": n} for n in range(20) if n != 11}
    with capture_logs() as logs:
        async with plc, serving(served := driver(plc, tags)) as told:
            await told.polls(3)
            plc.requests.clear()
            await told.polls(3)
    bad = {name for name, quality in told.qualities.items() if quality is Quality.bad}
    assert bad == {"t10"} == set(served.refusals)
    assert "illegal data address" in served.refusals["t10"]
    assert told.ups == [True]
    assert all(set(tags) == {reading.tag for reading in batch} for batch in told.batches)
    refused = [line for line in logs if line["event"] == "device refuses tags"]
    assert [line["tags"] for line in refused] == [["t10"]]


async def test_a_divided_block_stays_divided_so_that_polls_stay_cheap() -> None:
    plc = Plc(holding=dict.fromkeys([*range(10), *range(15, 25)], 7))
    tags = {f"t{n}": {"register": "holding", "address": n} for n in (0, 5, 9, 18, 22)}
    async with plc, serving(driver(plc, tags)) as told:
        await told.polls(2)
        plc.requests.clear()
        await told.polls(4)
    assert sorted(set(plc.requests)) == [("holding", 0, 10), ("holding", 18, 5)]
    assert set(told.qualities.values()) == {Quality.good}


@pytest.mark.parametrize("code", [1, 2, 3, 4])
async def test_a_plc_that_refuses_everything_while_it_starts_is_asked_in_whole_requests_again(
    code: int,
) -> None:
    """One poll refused as a whole says nothing about the lengths that the device wants."""
    plc = Plc(holding=dict.fromkeys(range(300), 7))
    plc.refuse, plc.exception_code = {"holding"}, ExcCodes(code)
    async with (
        plc,
        serving(driver(plc, {f"t{n}": {"register": "holding", "address": n} for n in range(300)})) as told,
    ):
        await told.until_down()
        assert len(plc.requests) <= 2 * 3 * 4  # of each request no more than three tags are tried alone
        plc.refuse = set()
        await told.until_up()
        plc.requests.clear()
        await told.polls(4)
    assert sorted(set(plc.requests)) == [("holding", 0, 125), ("holding", 125, 125), ("holding", 250, 50)]
    assert set(told.qualities.values()) == {Quality.good}


@pytest.mark.parametrize("code", [1, 4])
async def test_a_gap_refused_as_a_failure_or_a_function_is_worked_around_too(code: int) -> None:
    plc = Plc(holding=dict.fromkeys(range(30), 7))
    plc.lacking, plc.exception_code = {14}, ExcCodes(code)
    tags = {f"t{n}": {"register": "holding", "address": n} for n in (0, 5, 9, 18, 22)}
    async with plc, serving(driver(plc, tags)) as told:
        await told.polls(2)
        plc.requests.clear()
        await told.polls(4)
    assert sorted(set(plc.requests)) == [("holding", 0, 10), ("holding", 18, 5)]
    assert set(told.qualities.values()) == {Quality.good}


async def test_a_failure_of_what_was_read_before_divides_nothing() -> None:
    plc = Plc(holding=dict.fromkeys(range(20), 7))
    plc.exception_code = ExcCodes.DEVICE_FAILURE
    async with (
        plc,
        serving(driver(plc, {f"t{n}": {"register": "holding", "address": n} for n in range(20)})) as told,
    ):
        await told.until_up()
        plc.lacking = {11}
        await told.until(lambda: told.qualities["t0"] is Quality.bad)
        plc.lacking = set()
        await told.until(lambda: told.qualities["t0"] is Quality.good)
        plc.requests.clear()
        await told.polls(3)
    assert set(plc.requests) == {("holding", 0, 20)}


async def test_registers_missing_at_both_ends_spoil_no_others_for_long() -> None:
    plc = Plc(holding=dict.fromkeys(range(2, 18), 7))
    tags = {f"t{n}": {"register": "holding", "address": n} for n in range(20)}
    async with plc, serving(driver(plc, tags)) as told:
        await told.until(lambda: list(told.qualities.values()).count(Quality.good) == 16)
    assert {name for name, quality in told.qualities.items() if quality is Quality.bad} == {
        "t0", "t1", "t18", "t19"
    }  # fmt: skip


async def test_a_block_that_is_refused_is_bad_while_the_others_go_on_and_is_logged_once_each_way() -> None:
    async with Press() as press:
        with capture_logs() as logs:
            async with serving(driver(press, PRESS)) as told:
                await told.until_up()
                press.refuse = {"input"}
                await told.until(lambda: told.qualities["energy"] is Quality.bad)
                await told.polls(5)
                assert told.values["cycles"] == 0
                press.refuse = set()
                await told.until(lambda: told.qualities["energy"] is Quality.good)
    assert told.ups == [True]
    assert [line["event"] for line in logs] == ["device refuses tags", "device no longer refuses tags"]
    assert "busy" in logs[0]["reason"] and logs[0]["hint"]


async def test_a_device_that_refuses_everything_from_the_start_is_told_down_with_the_reason() -> None:
    async with Press() as press:
        press.fault = "exception"
        async with serving(driver(press, PRESS)) as told:
            await told.until_down()
            await told.polls(3)
            press.fault = None
            await told.until_up()
    assert told.ups == [False, True]
    assert "refuses every request" in told.links[0].detail and told.links[0].hint


async def test_a_gateway_that_finds_no_device_behind_it_is_a_lost_device() -> None:
    async with Press() as press, serving(driver(press, PRESS)) as told:
        await told.until_up()
        press.exception_code = type(press.exception_code)(11)
        press.fault = "exception"
        await told.until_down()
    assert "behind the gateway" in told.links[-1].detail


async def test_silence_is_told_once_as_a_loss_and_ends_with_the_first_answer() -> None:
    async with Press() as press, serving(driver(press, PRESS, timeout_s=0.3)) as told:
        await told.until_up()
        press.fault = "silence"
        await told.until_down()
        assert set(told.qualities.values()) == {Quality.bad}
        lost = len(told.batches)
        await asyncio.sleep(0.8)  # two further attempts, of which nothing is told
        assert len(told.batches) == lost
        press.stroke(3)
        press.fault = None
        await told.until_up(times=2)
        await told.until(lambda: told.values["cycles"] == 3)
    assert told.ups == [True, False, True]
    assert "no answer" in told.links[1].detail


async def test_answers_that_are_late_but_in_time_lose_nothing() -> None:
    async with Press() as press, serving(driver(press, PRESS)) as told:
        press.fault, press.delay_s = "delay", 0.05
        await told.polls(4)
    assert told.ups == [True]
    assert set(told.qualities.values()) == {Quality.good}


async def test_an_answer_that_comes_after_its_time_is_never_taken_for_the_next_ones() -> None:
    async with Press(first_count=11) as press:
        served = driver(press, PRESS, timeout_s=0.1)
        async with serving(served) as told:
            await told.until_up()
            press.fault, press.delay_s = "delay", 0.25
            await told.until_down()
            press.fault = None
            await told.until_up(times=2)
            await told.polls(5)
    counts = {r.value for batch in told.batches for r in batch if r.tag == "cycles"}
    assert counts == {11, None}


async def test_a_restarted_plc_on_the_same_port_is_found_again_with_its_count() -> None:
    async with Press(first_count=5) as press, serving(driver(press, PRESS)) as told:
        await told.until_up()
        port = press.port
        await press.power_off()
        await told.until_down()
        await press.power_on()
        await told.until_up(times=2)
        await told.until(lambda: told.values["cycles"] == 5)
    assert press.port == port
    assert told.ups == [True, False, True]
    assert "closed the connection" in told.links[1].detail


async def test_a_broken_connection_is_noticed_at_once_not_at_the_next_poll_or_time_out() -> None:
    async with Press() as press:
        slow = driver(press, PRESS, poll_interval_s=3600, timeout_s=30, retries=5)
        async with serving(slow) as told:
            await told.until_up()
            await press.power_off()
            await told.until_down()  # within the deadline of the test, far below 30 s and an hour


async def test_why_there_is_no_connection_is_said_with_what_to_do() -> None:
    async with Press() as press:
        served = driver(press, PRESS)
        await press.power_off()
        async with serving(served) as told:
            await told.until_down()
    assert "refused" in told.links[0].detail
    assert "check port" in told.links[0].hint


async def test_refresh_reads_after_it_was_asked_and_before_it_returns() -> None:
    async with Press() as press:
        served = driver(press, PRESS, poll_interval_s=3600)
        async with serving(served) as told:
            await told.until_up()
            for strokes in range(1, 20):
                press.stroke()
                await served.refresh()
                assert told.values["cycles"] == strokes


async def test_a_refresh_during_a_poll_waits_for_a_poll_of_its_own() -> None:
    async with Press() as press:
        served = driver(press, PRESS, poll_interval_s=3600)
        async with serving(served) as told:
            await told.until_up()
            press.fault, press.delay_s = "delay", 0.05
            first = asyncio.create_task(served.refresh())
            await eventually(lambda: press.requests[-1][0] == "coil")  # the count has been read
            press.stroke()
            await served.refresh()
            assert told.values["cycles"] == 1
            await first


async def test_several_refreshes_at_once_share_a_poll_and_one_may_give_up() -> None:
    async with Press() as press:
        served = driver(press, PRESS, poll_interval_s=3600)
        async with serving(served) as told:
            await told.until_up()
            before = len(told.batches)
            calls = [asyncio.create_task(served.refresh()) for _ in range(5)]
            await asyncio.sleep(0)
            calls[0].cancel()
            await asyncio.wait(calls)
            assert not any(call.exception() for call in calls[1:])
            assert len(told.batches) == before + 1


async def test_a_refresh_of_a_device_that_falls_silent_returns_with_its_tags_bad() -> None:
    async with Press() as press:
        served = driver(press, PRESS, poll_interval_s=3600, timeout_s=0.3)
        async with serving(served) as told:
            await told.until_up()
            press.fault = "silence"
            await served.refresh()
            assert set(told.qualities.values()) == {Quality.bad}


async def test_polls_missed_while_the_device_was_slow_are_not_made_up_for() -> None:
    async with Press() as press:
        served = driver(press, PRESS, poll_interval_s=0.02)
        async with serving(served) as told:
            await told.until_up()
            press.fault, press.delay_s = "delay", 0.2  # three requests: thirty polls are missed
            await told.polls(2)
            press.fault = None
            loop = asyncio.get_running_loop()
            begun = loop.time()
            await told.polls(10)
            assert loop.time() - begun > 0.02 * 8, "polls came in a burst"


async def test_two_drivers_on_one_plc_do_not_mix() -> None:
    async with Press(first_count=9) as press:
        other = Recorder()
        second = asyncio.create_task(driver(press, PRESS).run(other))
        async with serving(driver(press, {"n": PRESS["cycles"]})) as told:
            await told.polls(5)
            await other.polls(1)
        second.cancel()
        await asyncio.wait([second])
    assert told.values == {"n": 9}
    assert other.values["cycles"] == 9


async def test_bytes_that_are_no_modbus_make_a_loss_and_no_crash() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(100):
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 20)
        writer.close()
        ended.set()

    ended = asyncio.Event()
    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    plc = Plc(port=server.sockets[0].getsockname()[1])
    async with server, serving(driver(plc, PRESS, timeout_s=0.3)) as told:
        await told.until_down()
        await ended.wait()
    assert told.ups == [False]
