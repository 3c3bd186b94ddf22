"""Trying devices out: the finding is what the device said, within its own time, and nothing stays open."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from drivers.barcode.simulator import Gun
from drivers.modbus.simulator import Plc, Press
from drivers.registry import KINDS, build
from edge import probe as probing
from edge.clock import SystemClock
from edge.faults import DeviceFault
from edge.ports import Observer, Verdict
from edge.probe import Change, Probe, Watch, probed, watched
from edge.readings import Moment, Quality, Reading
from tests.contract.observing import eventually
from tests.patience import PATIENCE_S, best_of

CLOCK = SystemClock()
TAGS: dict[str, Any] = {
    "cycles": {"register": "holding", "address": 100, "type": "uint32"},
    "energy": {"register": "input", "address": 20, "type": "float32", "unit": "kWh"},
}


def plc(at: Plc, name: str = "press1", tags: dict[str, Any] = TAGS, **more: Any) -> Probe:
    table = {"driver": "modbus-tcp", "host": at.host, "port": at.port, "tags": tags, "timeout_s": 30}
    table |= {"retries": 0, "poll_interval_s": 0.02, "reconnect_min_s": 0.05, "reconnect_max_s": 0.05} | more
    settings = KINDS["modbus-tcp"]().model_validate(table)
    return Probe(build(name, settings, CLOCK), settings.tag_names)


def gun(link: Path, name: str = "gun1") -> Probe:
    table = {"driver": "scanner-serial", "port": str(link)}
    return Probe(build(name, KINDS["scanner-serial"]().model_validate(table), CLOCK))


class Ending:
    """A driver that does not serve: `error` ends it."""

    name = "odd1"

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def run(self, observer: Observer) -> None:
        raise self._error

    async def refresh(self) -> None: ...

    def signal(self, verdict: Verdict) -> None: ...


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_device_that_answers_is_found_with_value_unit_and_round_trip_of_every_tag() -> None:
    async with Press(first_count=70_000) as press:
        (found,) = await probed([plc(press)], CLOCK, PATIENCE_S)
    assert found.fine and found.reachable and found.hint == ""
    assert {tag: (one.value, one.unit, one.quality) for tag, one in found.tags.items()} == {
        "cycles": (70_000, None, Quality.good),
        "energy": (1200.0, "kWh", Quality.good),
    }
    assert found.round_trip_ms is not None and found.round_trip_ms >= 0


async def test_a_refused_tag_is_named_with_the_reason_and_its_neighbours_are_fine() -> None:
    tags = TAGS | {"wrong": {"register": "holding", "address": 9000}}
    async with Press() as press:
        (found,) = await probed([plc(press, tags=tags)], CLOCK, PATIENCE_S)
    assert found.reachable and not found.fine
    assert "illegal data address" in found.tags["wrong"].reason
    assert [tag for tag, one in found.tags.items() if one.fine] == ["cycles", "energy"]


async def test_a_device_that_refuses_is_told_with_its_own_words_at_once(tmp_path: Path) -> None:
    async with Press() as press:
        pass  # its port is free again
    found = await probed([plc(press), gun(tmp_path / "gun1")], CLOCK, 2 * PATIENCE_S)
    assert [one.reachable for one in found] == [False, False]
    assert "refused" in found[0].detail and "is not there" in found[1].detail
    assert all(one.hint for one in found)
    assert found[0].tags["cycles"].reason == "the device does not answer"


async def test_a_silent_device_spoils_no_other_and_many_take_no_longer_than_one() -> None:
    async with Press() as press, Press() as dead:
        dead.fault = "silence"
        silent = [plc(dead, f"dead{number}") for number in range(5)]

        async def attempt() -> float:
            began_s = time.monotonic()
            found = await probed([*silent, plc(press)], CLOCK, 1.0)
            assert [one.reachable for one in found] == [False] * 5 + [found[-1].reachable]
            assert "no answer within 1 s" in found[0].detail
            return time.monotonic() - began_s if found[-1].fine else float("inf")

        assert await best_of(attempt, 2.5) < 2.5


async def test_a_scanner_is_reachable_when_its_port_opens_and_a_held_port_is_said_plainly(
    tmp_path: Path,
) -> None:
    async with Gun(tmp_path / "gun1") as scanner, watched([gun(scanner.link)], CLOCK) as watch:
        await asyncio.wait_for(watch.changes(), PATIENCE_S)
        (held,) = await probed([gun(scanner.link)], CLOCK, PATIENCE_S)
    assert not held.reachable and "in use by another program" in held.detail
    async with Gun(tmp_path / "gun1") as scanner:
        (found,) = await probed([gun(scanner.link)], CLOCK, PATIENCE_S)
    assert found.fine and found.tags == {}


async def test_after_a_probe_and_after_a_cancelled_one_nothing_is_open(tmp_path: Path) -> None:
    async with Press() as press, Gun(tmp_path / "gun1") as scanner:
        await probed([plc(press), gun(scanner.link)], CLOCK, PATIENCE_S)
        before, tasks = _descriptors(), len(asyncio.all_tasks())
        await probed([plc(press), gun(scanner.link)], CLOCK, PATIENCE_S)
        press.fault = "silence"
        asked = len(press.requests)
        endless = asyncio.create_task(probed([plc(press), gun(scanner.link)], CLOCK, 1000))
        await eventually(lambda: len(press.requests) > asked)
        endless.cancel()
        with pytest.raises(asyncio.CancelledError):
            await endless
        await eventually(lambda: _descriptors() <= before)
        await eventually(lambda: len(asyncio.all_tasks()) <= tasks)


async def test_a_driver_that_ends_with_a_fault_is_unreachable_and_one_that_breaks_is_not_hidden() -> None:
    fault = DeviceFault("the certificate has expired", hint="Renew it")
    (found,) = await probed([Probe(Ending(fault), {"a"})], CLOCK, PATIENCE_S)
    assert (found.reachable, found.detail, found.hint) == (False, "the certificate has expired", "Renew it")
    with pytest.raises(BaseExceptionGroup) as broken:
        await probed([Probe(Ending(ZeroDivisionError()), {"a"})], CLOCK, PATIENCE_S)
    assert broken.group_contains(ZeroDivisionError)


async def test_watching_tells_each_change_once_and_the_device_going_and_coming() -> None:
    async with Press(first_count=5) as press, watched([plc(press)], CLOCK) as watch:
        seen: list[Change] = []

        async def until(count: int) -> None:
            async with asyncio.timeout(PATIENCE_S):
                while len(seen) < count:
                    seen.extend(await watch.changes())

        await until(3)
        press.set_count(6)
        await until(4)
        await press.power_off()
        await until(7)
        await press.power_on()
        await until(10)
    assert [_told(one) for one in seen] == [
        True, ("cycles", 5), ("energy", 1200.0), ("cycles", 6),
        False, ("cycles", None), ("energy", None),
        True, ("cycles", 6), ("energy", 1200.0),
    ]  # fmt: skip


def _told(change: Change) -> object:
    if change.link is not None:
        return change.link.up
    assert change.reading is not None
    return change.reading.tag, change.reading.value


async def test_a_terminal_that_lags_loses_the_oldest_changes_and_can_say_how_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probing, "_WAITING_CHANGES", 3)
    watch = Watch({"press1": {"cycles"}})
    now = Moment(0, 0, "boot")

    def read(*values: int) -> Sequence[Reading]:
        return [Reading("press1", "cycles", value, Quality.good, now) for value in values]

    watch.readings(read(1, 2, 2, 3, 4, 5))
    watch.readings([Reading("press1", "other", 1, Quality.good, now)])
    assert [_told(one) for one in await watch.changes()] == [("cycles", 3), ("cycles", 4), ("cycles", 5)]
    assert watch.lost == 2
