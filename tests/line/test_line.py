"""The whole line with real processes: a scan becomes a fact, a fact becomes a cost, network or not."""

import asyncio
import json
import time
from decimal import Decimal
from pathlib import Path
from statistics import median

from edge.demo.endpoint import MASTERDATA
from edge.journal import Reader, verify
from tests.line.plant import facts, invoke, line, until
from tests.patience import best_of

ORDER = "10045680"


async def test_a_scan_is_a_fact_when_the_gun_beeps_and_a_cost_once_it_is_delivered(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        await floor.start("collect")
        await floor.start("sync")
        await floor.sign_on()
        await floor.masterdata()
        await floor.scans(f"LSW{ORDER} 0020")
        assert facts(floor.events(), "work.started")[0].subject == f"{ORDER}/0020"
        await floor.scans("LSL A2207", "LSQ12")
        (taken,) = facts(floor.events(), "material.consumed")
        assert (taken.data.lot, taken.data.quantity) == ("A2207", Decimal("12"))  # type: ignore[union-attr]
        await floor.scans("LSL N8841", "LSQ48")
        floor.press.start()
        await asyncio.sleep(0.5)
        floor.press.stroke(2)
        floor.press.stop()
        await floor.scans("LSCSCRAP04", "LSCDONE")
        good = Decimal((await floor.screen())["good"])
        assert good == (floor.press.count - 1000) - 1
        await floor.scans("LSCOK")
        await floor.posted()
        sheet = await floor.sheet(ORDER)
        events = floor.events()
        held = await floor.at_erp()
    prices = {one["material"]: one for one in json.loads(MASTERDATA.read_bytes())["materials"]}
    expected = sum(
        Decimal(prices[material]["price"]) / Decimal(prices[material]["price_per"]) * quantity
        for material, quantity in (("STEEL-4", Decimal(12)), ("NUT-M6", Decimal(48)))
    )
    assert Decimal(sheet["totals"]["material"]["value"]) == expected
    assert {o["disposition"]: Decimal(o["quantity"]) for o in sheet["outputs"]} == {"good": good, "scrap": 1}
    assert held == [(event.id, event.seq, "accepted") for event in events]


async def test_raw_scans_and_readings_are_kept_as_evidence_and_shown(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        collect = await floor.start("collect")
        await floor.sign_on()
        await floor.gun.scan("no code of ours")
        await floor.gun.verdict()
        floor.press.start()
        await until(lambda: floor.press.switchings[-1].noticed_s, "the start noticed")
        floor.press.stroke(2)
        floor.press.stop()
        await until(lambda: floor.press.switchings[-1].noticed_s, "the stop noticed")
        await collect.stop()
        code, told, _ = await invoke("events", "samples", "--config", floor.config, "--json")
        _, shown, _ = await invoke("events", "samples", "--config", floor.config, "-d", "gun1")
    found = [json.loads(one) for one in told.splitlines()]
    assert code == 0
    scans = [(one["name"], one["value"], one["verdict"]) for one in found if one["kind"] == "scan"]
    assert scans[-2:] == [("OP20", "LSE1042", "recorded"), ("OP20", "no code of ours", "refused")]
    moved = [one for one in found if one["kind"] == "span" and one["name"] == "cycles"]
    assert moved[-1]["value"] == moved[-1]["high"] >= 1002
    assert "no code of ours  refused" in shown and "press1" not in shown


async def test_the_line_works_on_while_the_erp_is_away_and_everything_arrives_once_it_is_back(
    tmp_path: Path,
) -> None:
    async with line(tmp_path) as floor:
        await floor.start("collect")
        sync = await floor.start("sync")
        await floor.sign_on()
        await floor.masterdata()
        await floor.posted()
        await floor.erp.cut()
        await floor.scans(f"LSW{ORDER}")
        took = []
        for number in range(10):
            await floor.scans("LSL A2207")
            began = time.monotonic()
            await floor.scans(f"LSQ0D{number + 1}")
            took.append(time.monotonic() - began)
        assert median(took) < 0.5
        await sync.says("delivery waits")
        assert floor.head() > (await floor.at_erp())[-1][1]
        await floor.erp.restore()
        await floor.posted()
        assert [one[0] for one in await floor.at_erp()] == [event.id for event in floor.events()]
        await sync.says("delivery goes on")
        assert sync.log.count("delivery waits") == 1


async def test_an_order_is_unknown_until_master_data_arrives_and_no_restart_is_needed(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        await floor.erp.cut()
        await floor.start("collect")
        await floor.start("sync")
        await floor.sign_on()
        assert await floor.scan(f"LSW{ORDER}") == "bad"
        assert "No work orders were received" in (await floor.screen())["message"]["en"]
        await floor.erp.restore()
        await floor.masterdata()
        await floor.scans(f"LSW{ORDER}")


async def test_collect_works_with_sync_down_and_sync_with_collect_down(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        sync = await floor.start("sync")  # before there is a journal
        collect = await floor.start("collect")
        await floor.sign_on()
        await floor.masterdata()
        assert await sync.stop() == 0
        await floor.scans(f"LSW{ORDER}", "LSCSCRAP04")
        assert await collect.stop() == 0
        head = floor.head()
        await floor.start("sync")
        await floor.posted()
        assert len(await floor.at_erp()) == head


async def test_a_stopped_collector_goes_on_where_it_was(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        collect = await floor.start("collect")
        await floor.start("sync")
        await floor.sign_on()
        await floor.masterdata()
        await floor.scans(f"LSW{ORDER}", "LSL A2207", "LSQ5", "LSCSCRAP04")
        floor.press.stroke(3)
        assert await collect.stop() == 0
        floor.press.stroke(2)
        await floor.start("collect")

        async def counted() -> bool:
            return (await floor.screen())["good"] == "4"

        await until(counted, "the strokes of the pause")
        shown = await floor.screen()
        assert (shown["work_order"], shown["scrap"], shown["state"]) == (ORDER, "1", "running")
        async with await Reader.open(floor.journal) as reader:
            assert not (await verify(reader)).problems


async def test_both_processes_end_within_a_second_also_with_an_open_page(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:

        async def stopped() -> float:
            collect = await floor.start("collect")
            sync = await floor.start("sync")
            reader, writer = await asyncio.open_connection("127.0.0.1", floor.web_port)
            writer.write(b"GET /api/v1/stations/OP20/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert b"200" in await reader.readline()
            began = time.monotonic()
            assert [await collect.stop(), await sync.stop()] == [0, 0]
            took_s = time.monotonic() - began
            writer.close()
            return took_s

        assert await best_of(stopped, 2) < 2


async def test_run_is_both_in_one_process(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        child = await floor.start("run")
        await floor.sign_on()
        await floor.posted()
        assert await child.stop() == 0


async def test_a_second_collector_on_the_same_journal_is_refused_with_a_reason(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        first = await floor.start("collect")
        second = await floor.start("run", wait=False)
        assert await second.ended() == 1
        assert "in use by another lineside" in second.log
        assert "Stop that one first" in second.log
        assert first.code is None
        await floor.sign_on()
        async with await Reader.open(floor.journal) as reader:
            assert not (await verify(reader)).problems
