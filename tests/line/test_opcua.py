"""The OPC UA driver against a real server that changes values, refuses, forgets and restarts."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.status_codes import StatusCodes
from structlog.testing import capture_logs

from drivers.opcua.driver import OpcUaDriver
from drivers.opcua.settings import OpcUaSettings
from drivers.opcua.simulator import URI, OpcUaServer, Oven
from edge.readings import Quality, Reading
from tests.contract.observing import Recorder, TestClock, serving

OVEN: dict[str, Any] = {
    "temperature": {"node": f"nsu={URI};s=Oven.Temperature", "unit": "Cel"},
    "batches": {"node": f"nsu={URI};s=Oven.Batches"},
    "running": {"node": f"nsu={URI};s=Oven.Running"},
}


def node(name: str, **more: Any) -> dict[str, Any]:
    return {"node": f"nsu={URI};s=Oven.{name}", **more}


def driver(server: OpcUaServer, tags: dict[str, Any], **more: Any) -> OpcUaDriver:
    table = {"driver": "opcua", "endpoint": server.endpoint, "tags": tags} | {
        "sampling_interval_s": 0,
        "publishing_interval_s": 0.05,
        "timeout_s": 30,
        "reconnect_min_s": 0.05,
        "reconnect_max_s": 0.1,
    }
    return OpcUaDriver("oven1", OpcUaSettings.model_validate(table | more), TestClock())


def told_of(told: Recorder, tag: str) -> list[Reading]:
    return [reading for batch in told.batches for reading in batch if reading.tag == tag]


def values_of(told: Recorder, tag: str) -> list[Any]:
    return [reading.value for reading in told_of(told, tag) if reading.quality is Quality.good]


@asynccontextmanager
async def oven(**more: Any) -> AsyncIterator[tuple[Oven, OpcUaDriver, Recorder]]:
    """An oven with its driver, all tags told."""
    async with Oven() as machine:
        served = driver(machine, OVEN, **more)
        async with serving(served) as told:
            await told.until(lambda: set(told.values) == set(OVEN))
            yield machine, served, told


async def test_values_arrive_as_the_server_holds_them() -> None:
    moment = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
    given: dict[str, Any] = {
        "flag": True,
        "u64": ua.Variant(2**64 - 1, ua.VariantType.UInt64),
        "i32": ua.Variant(-(2**31), ua.VariantType.Int32),
        "f32": ua.Variant(1.5, ua.VariantType.Float),
        "f64": math.pi,
        "nan": math.nan,
        "inf": math.inf,
        "text": "炉 1",
        "local": ua.LocalizedText("hot", "en"),
        "time": moment,
        "array": [1.0, 2.0],
        "bytes": b"\x01",
    }
    tags = {name: node(name) for name in given}
    tags["scaled"] = node("i32", scale=0.1, offset=1)
    tags["shifted"] = node("f64", scale=2, offset=-1)
    tags["wrong"] = node("text", scale=2)
    async with OpcUaServer(given) as server:
        served = driver(server, tags)
        async with serving(served) as told:
            await told.until(lambda: set(told.values) == set(tags))
            refusals = dict(served.refusals)
    assert told.values == {
        "flag": True,
        "u64": 2**64 - 1,
        "i32": -(2**31),
        "f32": 1.5,
        "f64": math.pi,
        "nan": None,
        "inf": None,
        "text": "炉 1",
        "local": "hot",
        "time": moment.isoformat(),
        "array": None,
        "bytes": None,
        "scaled": (-(2**31) + 10) / 10,
        "shifted": math.pi * 2 - 1,
        "wrong": None,
    }
    bad = {name for name, quality in told.qualities.items() if quality is Quality.bad}
    assert bad == {"nan", "inf", "array", "bytes", "wrong"}
    assert set(refusals) == {"array", "bytes", "wrong"}
    assert "array" in refusals["array"] and "scale" in refusals["wrong"]


async def test_status_and_time_of_the_source_become_quality_and_source_time() -> None:
    at = datetime(2026, 11, 22, 8, 0, 0, 123000, tzinfo=UTC)
    async with oven() as (machine, _, told):
        await machine.set("Temperature", 190.0, status=StatusCodes.UncertainLastUsableValue, at=at)
        await told.until(lambda: told.qualities["temperature"] is Quality.uncertain)
        uncertain = told_of(told, "temperature")[-1]
        await machine.set("Temperature", 200.0, status=StatusCodes.BadSensorFailure)
        await told.until(lambda: told.qualities["temperature"] is Quality.bad)
        await machine.set("Temperature", 201.0)
        await told.until(lambda: told.values["temperature"] == 201.0)
    assert (uncertain.value, uncertain.unit) == (190.0, "Cel")
    assert uncertain.source_ms == round(at.timestamp() * 1000)
    assert told_of(told, "temperature")[-2].value is None
    assert told.ups == [True]


async def test_every_value_between_two_publishings_is_told_once_and_in_order() -> None:
    async with oven(publishing_interval_s=0.3) as (machine, _, told):
        await machine.batch(80)
        await told.until(lambda: told.values["batches"] == 80)
        await machine.batch(20)
        await told.until(lambda: told.values["batches"] == 100)
    assert values_of(told, "batches") == list(range(101))


async def test_a_broken_connection_costs_no_value_and_doubles_none() -> None:
    async with oven() as (machine, _, told):
        for round_ in range(1, 4):
            await machine.batch(5)
            machine.cut()
            await told.until_down(times=round_)
            await machine.batch(25)
            await told.until_up(times=round_ + 1)
            await told.until(lambda round_=round_: told.values["batches"] == 30 * round_)
            # What did not change is known again too, though no news of it came.
            await told.until(lambda: set(told.qualities.values()) == {Quality.good})
    assert values_of(told, "batches") == list(range(91))
    assert told.ups == [True, False] * 3 + [True]
    assert set(values_of(told, "temperature")) == {180.5}


@pytest.mark.parametrize("service", ["create_subscription", "create_monitored_items"])
@pytest.mark.parametrize("done", [False, True])
async def test_a_connection_that_breaks_while_values_are_asked_for_costs_none_of_them(
    service: str, done: bool
) -> None:
    async with Oven() as machine:
        breaks = machine.cut_at(service, done=done)
        async with serving(driver(machine, OVEN)) as told:
            await told.until(lambda: set(told.values) == set(OVEN))
            assert breaks.is_set()
            await machine.batch()
            await told.until(lambda: told.values["batches"] == 1)
            await machine.power_off()  # it keeps the first session for a while


async def test_the_simulators_power_goes_off_though_clients_come_at_that_moment() -> None:
    held: list[asyncio.StreamWriter] = []

    async def come(port: int) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                held.append(writer)
                await reader.read()
            except OSError:
                await asyncio.sleep(0.001)

    async with Oven() as machine:
        clients = [asyncio.create_task(come(machine.port)) for _ in range(20)]
        for _ in range(10):
            await asyncio.sleep(0.02)
            await asyncio.wait_for(machine.power_off(), 10)
            await machine.power_on()
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
    for writer in held:
        writer.close()


async def test_more_than_the_servers_queue_holds_is_the_newest_and_is_logged() -> None:
    with capture_logs() as logs:
        async with oven(queue_size=10) as (machine, _, told):
            machine.cut()
            await told.until_down()
            await machine.batch(50)
            await told.until(lambda: told.values["batches"] == 50)
    kept = values_of(told, "batches")[1:]
    assert kept == sorted(set(kept)) and kept[-1] == 50
    assert not [line for line in logs if line["log_level"] == "error"]


async def test_a_restarted_server_with_other_namespace_indices_is_followed() -> None:
    tags = {
        "temperature": OVEN["temperature"],
        "batches": {"path": "Oven/Batches", "namespace": URI},
    }
    async with Oven() as machine, serving(driver(machine, tags)) as told:
        await told.until(lambda: set(told.values) == set(tags))
        await machine.renumber("urn:another", "urn:third")
        await told.until_down()
        await machine.power_on()
        await told.until_up(times=2)
        await machine.batch()
        await told.until(lambda: told.values["batches"] == 1)
        await told.until(lambda: told.values["temperature"] == 180.5)
    assert told.ups == [True, False, True]


async def test_one_wrong_node_does_not_spoil_the_others_and_is_told_once() -> None:
    wrong = {
        "unknown": node("Nothing"),
        "namespace": {"node": "nsu=urn:nowhere;s=Oven.Temperature"},
        "path": {"path": "Oven/Nothing", "namespace": URI},
        "folder": {"node": f"nsu={URI};s=Oven"},
    }
    with capture_logs() as logs:
        async with Oven() as machine:
            served = driver(machine, OVEN | wrong)
            async with serving(served) as told:
                await told.until(lambda: told.values.get("batches") == 0)
                await machine.batch()
                await told.until(lambda: told.values["batches"] == 1)
                await served.refresh()
                refusals = dict(served.refusals)
                machine.cut()
                await told.until_up(times=2)
    assert set(refusals) == set(wrong)
    assert "BadNodeIdUnknown" in refusals["unknown"]
    assert "urn:nowhere" in refusals["namespace"]
    refused = [line for line in logs if line["event"] == "device refuses tags"]
    assert sorted(tag for line in refused for tag in line["tags"]) == sorted(wrong)
    assert all(line["hint"] for line in refused)
    assert {name for name, quality in told.qualities.items() if quality is Quality.bad} >= set(wrong)
    assert len(told_of(told, "unknown")) == 2  # refused, and lost


async def test_a_server_that_refuses_every_tag_is_told_down_with_the_reason() -> None:
    async with Oven() as machine, serving(driver(machine, {"n": node("Nothing")})) as told:
        await told.until_down()
        await told.until(lambda: told.qualities.get("n") is Quality.bad)
    assert told.ups == [False]
    assert "refuses every tag" in told.links[0].detail and "browse" in told.links[0].hint


async def test_a_server_without_subscriptions_is_polled() -> None:
    machine = Oven()
    machine.refuses_subscriptions = True
    tags = OVEN | {"unknown": node("Nothing")}
    with capture_logs() as logs:
        async with machine:
            served = driver(machine, tags)
            async with serving(served) as told:
                await told.until_up()
                assert set(told.values) == set(tags)
                await machine.batch(3)
                await told.until(lambda: told.values["batches"] == 3)
                assert set(served.refusals) == {"unknown"}
                await machine.power_off()
                await told.until_down()
                await machine.power_on()
                await told.until_up(times=2)
                await told.until(lambda: told.values["batches"] == 3)
    assert told.ups == [True, False, True]
    assert [line["event"] for line in logs].count("device is polled: it takes no subscription") == 1


async def test_refresh_reads_after_it_was_asked_and_before_it_returns() -> None:
    async with oven(publishing_interval_s=3600) as (machine, served, told):
        for number in range(1, 20):
            await machine.batch()
            await served.refresh()
            assert told.values["batches"] == number


async def test_nothing_older_follows_what_a_refresh_read() -> None:
    async with oven(publishing_interval_s=0.3) as (machine, served, told):
        for _ in range(3):
            await machine.batch(10)
            await served.refresh()
            await machine.batch(1)
            await told.until(lambda: told.values["batches"] == machine.batches)
    counts = values_of(told, "batches")
    assert counts == sorted(counts)


async def test_a_refresh_of_a_server_that_goes_away_returns_with_its_tags_bad() -> None:
    async with oven(publishing_interval_s=3600) as (machine, served, told):
        machine.cut()
        await served.refresh()
        assert set(told.qualities.values()) == {Quality.bad}
        await told.until_up(times=2)


async def test_a_silent_server_is_told_lost_though_its_connection_stands() -> None:
    release = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    silent = await asyncio.start_server(deaf, "127.0.0.1", 0)
    machine = Oven(port=silent.sockets[0].getsockname()[1])
    async with silent, serving(driver(machine, OVEN, timeout_s=0.2)) as told:
        await told.until_down()
        await asyncio.sleep(0.5)  # further attempts, of which nothing is told
        release.set()
    assert told.ups == [False]
    assert "no answer" in told.links[0].detail and told.links[0].hint


async def test_bytes_that_are_no_opc_ua_make_a_loss_and_no_crash() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 20)
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    machine = Oven(port=server.sockets[0].getsockname()[1])
    async with server, serving(driver(machine, OVEN, timeout_s=2)) as told:
        await told.until_down()
    assert told.ups == [False]


async def test_a_deadband_keeps_small_changes_away_where_the_server_has_one() -> None:
    tags = {"temperature": node("Temperature", deadband=5.0), "batches": OVEN["batches"]}
    async with Oven() as machine, serving(driver(machine, tags)) as told:
        await told.until(lambda: told.values.get("temperature") == 180.5)
        await machine.set("Temperature", 182.0)
        await machine.set("Temperature", 190.0)
        await told.until(lambda: told.values["temperature"] == 190.0)
    assert values_of(told, "temperature") == [180.5, 190.0]


async def test_a_subscription_that_hangs_is_told_lost_and_given_up_for_a_new_one() -> None:
    async with oven(keep_alive_s=0.1, timeout_s=4) as (machine, _, told):
        machine.hang()  # what is asked is still answered
        await told.until_down()
        assert "has been silent for 4.15 s" in told.links[1].detail
        # The same one goes on first, for what it may have kept; and is silent again.
        await told.until_down(times=2)
        await machine.batch()
        await told.until_up(times=3)
        await told.until(lambda: told.values["batches"] == 1)
        await machine.batch()
        await told.until(lambda: told.values["batches"] == 2)
        assert told.ups == [True, False, True, False, True]
        await machine.power_off()  # it still has the session that was given up
