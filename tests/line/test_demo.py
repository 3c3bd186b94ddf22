"""The demo proves the line, and the proof fails when something is not as it should be."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from edge.demo.compare import compare
from edge.demo.operator import Operator
from edge.demo.plant import Plant, plant
from edge.demo.show import ONCE_CYCLE_S, ONCE_ORDER, ONCE_PACE_S
from edge.faults import Fault
from edge.journal import Reader
from sync.status import load_status
from tests.contract.mqtt.broker import needs_mosquitto
from tests.line.plant import ROOT, until
from tests.patience import ATTEMPTS, PATIENCE_S, best_of


async def demo(*options: str) -> tuple[int, str]:
    """`lineside demo` to its end, in its own process group."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edge", "demo", *options, cwd=ROOT, start_new_session=True,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "COLUMNS": "160"},
    )  # fmt: skip
    try:
        out, _ = await asyncio.wait_for(process.communicate(), 4 * PATIENCE_S)
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert process.returncode is not None
    return process.returncode, out.decode()


async def test_one_order_agrees_to_the_last_digit() -> None:
    code, out = await demo("--once")
    assert code == 0, out
    assert "floor, journal and ERP agree to the last digit" in out
    assert "collector started 1 time(s)" in out
    assert "✕ NOT EQUAL" not in out
    assert "Traceback" not in out


async def test_one_order_agrees_also_through_an_outage_and_a_kill() -> None:
    code, out = await demo("--once", "--kill", "--outage")
    assert code == 0, out
    assert "floor, journal and ERP agree to the last digit" in out
    assert "collector started 2 time(s)" in out
    assert "Traceback" not in out


@needs_mosquitto
async def test_an_erp_that_only_pulls_over_mqtt_gets_the_same_also_through_an_outage_and_a_kill() -> None:
    code, out = await demo("--once", "--mqtt", "--kill", "--outage")
    assert code == 0, out
    assert "floor, journal and ERP agree to the last digit" in out
    assert "collector started 2 time(s)" in out
    assert "Traceback" not in out


async def test_where_there_is_no_mosquitto_the_broker_comes_from_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("iotcore")
    monkeypatch.setattr("edge.demo.broker.shutil.which", lambda *_, **__: None)
    async with worked(tmp_path, mqtt=True) as (built, operator):
        assert "[v5.1]" in (tmp_path / "broker.toml").read_text()
        found = await compare(built, operator.tallies[-1])
        assert found.equal, [row for row in found.rows if not row.same]


async def test_without_any_broker_the_demo_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.demo.broker.shutil.which", lambda *_, **__: None)
    monkeypatch.setattr("edge.demo.broker.importlib.util.find_spec", lambda _: None)
    with pytest.raises(Fault) as told:
        async with plant(tmp_path, 1.0, mqtt=True):
            raise AssertionError("there is a broker")
    assert "needs an MQTT 5 broker" in told.value.message
    assert "apt install mosquitto" in told.value.hint and "lineside[broker]" in told.value.hint


@pytest.mark.parametrize("options", [(), pytest.param(("--mqtt",), marks=needs_mosquitto)])
async def test_ctrl_c_ends_the_demo_within_two_seconds_and_leaves_no_process(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    folders = (tmp_path / f"kept{number}" for number in range(ATTEMPTS))

    async def broken_off() -> float:
        return await _broken_off(next(folders), *options)

    assert await best_of(broken_off, 2) < 2


async def _broken_off(folder: Path, *options: str) -> float:
    """Ctrl-C in the midst of a demo; how long it took to end, in seconds."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edge", "demo", "--keep", str(folder), *options, cwd=ROOT,
        start_new_session=True, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        while b"operator.signed_on" not in await process.stdout.readline():
            pass
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    took_s = time.monotonic() - began
    assert process.returncode == 0, out
    assert b"Traceback" not in out
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    return took_s


async def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    code, out = await demo("--once", "--keep", str(tmp_path))
    assert code == 1
    assert "is not empty" in out
    assert await asyncio.to_thread(lambda: [one.name for one in tmp_path.iterdir()]) == ["mine"]


@asynccontextmanager
async def worked(folder: Path, mqtt: bool = False) -> AsyncIterator[tuple[Plant, Operator]]:
    """A plant whose one order is done and delivered."""
    async with plant(folder, ONCE_CYCLE_S / 2, mqtt) as built:
        keep = asyncio.create_task(built.collector.keep())
        operator = Operator(built.press, built.gun, built.last_fact_ms, built.orders(), ONCE_PACE_S)
        try:
            async with asyncio.timeout(2 * PATIENCE_S):
                await operator.sign_on()
                await operator.work(next(one for one in operator.orders if one["work_order"] == ONCE_ORDER))

            async def delivered() -> bool:
                async with await Reader.open(built.journal) as reader:
                    head = await reader.head()
                return any(one.seq >= head for one in load_status(built.sync_store).uplinks)

            await until(delivered, "the delivery")
            yield built, operator
        finally:
            keep.cancel()
            await asyncio.gather(keep, return_exceptions=True)


async def test_the_comparison_fails_when_one_event_is_altered_removed_or_a_figure_differs(
    tmp_path: Path,
) -> None:
    async with worked(tmp_path) as (built, operator):
        tally = operator.tallies[-1]
        found = await compare(built, tally)
        assert found.equal, [row for row in found.rows if not row.same]

        ledger = built.erp.ledger
        undetected = []
        for what, sql in _alterations(tally.consumed).items():
            held = await ledger.run(lambda: ledger._db.execute("SELECT * FROM event").fetchall())
            changes = await ledger.run(lambda sql=sql: ledger._db.execute(sql).rowcount)  # type: ignore[misc]
            assert changes, what
            await _show_anew(built)
            if (await compare(built, tally)).equal:
                undetected.append(what)
            await ledger.run(lambda held=held: _put_back(ledger._db, held))  # type: ignore[misc]
        await _show_anew(built)
        assert not undetected
        assert (await compare(built, tally)).equal

        one = Decimal(1)
        lot = next(iter(tally.consumed))
        for wrong in (
            replace(tally, good=tally.good + 1),
            replace(tally, scrap=tally.scrap - 1),
            replace(tally, machine_s=tally.machine_s + 2 * tally.machine_within_s + 0.2),
            replace(tally, energy_kwh=tally.energy_kwh + 0.01),
            replace(tally, consumed={**tally.consumed, lot: tally.consumed[lot] + one / 1000}),
        ):
            assert not (await compare(built, wrong)).equal, wrong


async def _show_anew(built: Plant) -> None:
    """The endpoint's pages remember a cost sheet until the next posting; a restart forgets it."""
    await built.erp.cut()
    await built.erp.restore()


def _alterations(consumed: dict[str, Decimal]) -> dict[str, str]:
    """SQL that alters one thing at the ERP, by what it alters."""
    lot = next(iter(consumed))
    completed, used = "type = 'lineside.work.completed.v1'", "type = 'lineside.material.consumed.v1'"
    first = f"id = (SELECT id FROM event WHERE {used} LIMIT 1)"
    of_lot = f"{used} AND CAST(body AS TEXT) LIKE '%{lot}%'"
    body = "UPDATE event SET body = CAST(json_set(CAST(body AS TEXT)"
    return {
        "a gram more": f"{body}, '$.data.quantity', '1000.001') AS BLOB) WHERE {first}",
        "another lot": f"{body}, '$.data.lot', 'A9999') AS BLOB) WHERE {of_lot}",
        "one piece more": f"{body}, '$.data.outputs[0].quantity', '1000') AS BLOB) WHERE {completed}",
        "a millisecond more": f"{body}, '$.data.resources.machine_s', '1000.001') AS BLOB) WHERE {completed}",
        "energy unknown": f"{body}, '$.data.resources.energy_kwh', json('null')) AS BLOB) WHERE {completed}",
        "somebody's seconds": f"{body}, '$.data.resources.labour[0].s', '9999.0') AS BLOB) WHERE {completed}",
        "a consumption removed": f"DELETE FROM event WHERE {first}",
        "the completion removed": f"DELETE FROM event WHERE {completed}",
        "evidence removed": "DELETE FROM event WHERE type = 'lineside.operator.signed_on.v1'",
    }


def _put_back(db: object, held: list[tuple[object, ...]]) -> None:
    db.execute("DELETE FROM event")  # type: ignore[attr-defined]
    marks = ", ".join("?" * len(held[0]))
    db.executemany(f"INSERT INTO event VALUES ({marks})", held)  # type: ignore[attr-defined]
