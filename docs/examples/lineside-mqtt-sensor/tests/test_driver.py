"""What is particular to sensors behind a broker: kept values, silence, payloads of any kind."""

import asyncio

import pytest
from broker import Sensors
from lineside_mqtt_sensor.payload import parsed, value_at
from lineside_mqtt_sensor.settings import SensorSettings
from pydantic import ValidationError
from test_contract import TAGS, driver

from edge.clock import SystemClock
from edge.probe import Probe, probed
from edge.readings import Quality
from tests.contract.observing import serving
from tests.patience import PATIENCE_S
from tests.unit.clocks import ManualClock

STATE = '{"sensor": {"temperature": 181.5}, "door": true}'


async def test_a_message_is_one_batch_of_its_topics_tags_with_their_units(sensors: Sensors) -> None:
    async with serving(driver(sensors)) as told:
        await told.until_up()
        await sensors.publish("plant/oven1/state", STATE)
        await told.until(lambda: bool(told.batches))
    (batch,) = told.batches
    assert [(one.tag, one.value, one.unit, one.quality) for one in batch] == [
        ("temperature", 181.5, "Cel", Quality.good),
        ("door", True, None, Quality.good),
    ]
    assert len({one.received for one in batch}) == 1


async def test_a_kept_value_is_uncertain_until_the_sensor_speaks(sensors: Sensors) -> None:
    await sensors.publish("plant/pump1/pressure", "2.5", retain=True)
    async with serving(driver(sensors)) as told:
        await told.until(lambda: "pressure" in told.values)
        assert told.qualities["pressure"] is Quality.uncertain and told.values["pressure"] == 2.5
        assert told.ups == [True]
        await sensors.publish("plant/pump1/pressure", "2.75", retain=True)
        await told.until(lambda: told.values["pressure"] == 2.75)
        assert told.qualities["pressure"] is Quality.good


async def test_a_silent_sensor_goes_bad_once_and_good_again_with_its_next_message(sensors: Sensors) -> None:
    clock = ManualClock()
    async with serving(driver(sensors, clock, stale_after_s=60)) as told:
        await told.until_up()
        await sensors.publish("plant/oven1/state", STATE)
        await told.until(lambda: "door" in told.values)
        clock.advance(59)
        await sensors.publish("plant/pump1/pressure", "1")
        await told.until(lambda: "pressure" in told.values)
        clock.advance(1)
        await told.until(lambda: told.qualities["temperature"] is Quality.bad)
        await sensors.publish("plant/oven1/state", STATE)
        await told.until(lambda: told.qualities["temperature"] is Quality.good)
    assert [[(one.tag, one.value) for one in batch] for batch in told.batches] == [
        [("temperature", 181.5), ("door", True)],
        [("pressure", 1)],
        [("temperature", None), ("door", None)],
        [("temperature", 181.5), ("door", True)],
    ]
    assert told.ups == [True]


async def test_whatever_is_published_spoils_its_own_tags_only(sensors: Sensors) -> None:
    async with serving(driver(sensors)) as told:
        await told.until_up()
        for count, odd in enumerate((b"", b"\xff\x00", b"{", b"[[1]]", b"NaN", b"null", b"[" * 5000), 1):
            await sensors.publish("plant/pump1/pressure", odd)
            await told.until(lambda count=count: len(told.batches) == count)
            assert told.qualities == {"pressure": Quality.bad}, odd
        await sensors.publish("plant/pump1/pressure", "3")
        await told.until(lambda: told.values["pressure"] == 3)
    assert told.ups == [True]


async def test_two_connections_of_one_device_live_side_by_side(sensors: Sensors) -> None:
    async with serving(driver(sensors)) as told:
        await told.until_up()
        async with serving(driver(sensors)) as probing:
            await probing.until_up()
            await sensors.publish("plant/pump1/pressure", "3")
            await asyncio.gather(
                told.until(lambda: "pressure" in told.values),
                probing.until(lambda: "pressure" in probing.values),
            )
    assert (told.ups, probing.ups) == ([True], [True])


async def test_a_server_that_speaks_no_mqtt_is_told_in_words() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await writer.drain()
        await reader.read(1000)
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        wrong = driver(sensors=_At(server.sockets[0].getsockname()[1]))
        (found,) = await probed([Probe(wrong, TAGS)], SystemClock(), PATIENCE_S)
    assert not found.reachable
    assert "did not answer the connection" in found.detail and found.hint


class _At(Sensors):
    def __init__(self, port: int) -> None:
        self.port = port


@pytest.mark.parametrize(
    ("payload", "field", "value"),
    [(b"21.5", "", 21.5), (b'"on"', "", "on"), (b"true", "", True), (b'{"a": {"b": 3}}', "a.b", 3),
     (b'{"a": 3}', "a.b", None), (b'{"a": {}}', "a", None), (b"{}", "a", None), (b"[1]", "0", None),
     (b"Infinity", "", None), (b"1e999", "", None), ("\"温度\"".encode(), "", "温度"),
     (b"9" * 5000, "", None)],
)  # fmt: skip
def test_a_value_is_a_scalar_at_its_place_or_nothing(payload: bytes, field: str, value: object) -> None:
    found = value_at(parsed(payload), field)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "change",
    [{"tags": {}}, {"tags": {"t": {"topic": "a/#"}}}, {"tags": {"t": {"topic": ""}}}, {"port": 0},
     {"stale_after_s": 0}, {"reconnect_min_s": 20}, {"qos": 1}],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    table = {"driver": "mqtt-sensor", "host": "broker", "tags": TAGS}
    assert SensorSettings.model_validate(table).place == "broker:1883"
    with pytest.raises(ValidationError):
        SensorSettings.model_validate(table | change)
