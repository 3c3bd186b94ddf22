"""`lineside status` beside a line of which something is missing: it says so, and shows the rest."""

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from time import tzset
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from edge.delivering import ABSENT
from tests.line.plant import Line, command, invoke, line, until


async def told(floor: Line) -> tuple[int, str, dict[str, Any]]:
    """Exit code, text and JSON of `lineside status`."""
    code, text, _ = await invoke("status", "--config", floor.config)
    again, found, _ = await invoke("status", "--json", "--config", floor.config)
    assert code == again
    return code, text, json.loads(found)


async def badges(floor: Line, number: int) -> None:
    """Sign on so many people: a fact each at least."""
    for badge in range(number):
        status, _ = await floor.typed("LSE2001" if badge % 2 else "LSE1042")
        assert status == 200


async def test_delivery_that_was_killed_is_said_by_status_outbox_and_page(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        await floor.start("collect")
        sync = await floor.start("sync")
        await floor.masterdata()
        await floor.posted()
        code, text, found = await told(floor)
        assert (code, found["delivery"]) == (0, {"needed": True, "running": True})
        assert "not running" not in text
        await sync.kill()
        await badges(floor, 2)
        code, text, found = await told(floor)
        assert (code, found["delivery"]["running"]) == (3, False)
        # The cursor may have been killed behind the receiver.
        posted = found["receivers"][0]["settled_through"]
        assert found["receivers"][0]["waiting"] == floor.head() - posted >= 2
        assert f"lineside sync is not running: {floor.head() - posted} facts wait here, none is lost" in text
        assert "systemctl start lineside-sync" in text
        assert "OP20" in text
        assert (found["receivers"][0]["state"], found["receivers"][0]["online"]) == ("stopped", False)
        _, listed, _ = await invoke("outbox", "list", "--config", floor.config)
        assert "in quarantine, stopped" in listed
        assert "lineside sync is not running" in listed

        async def page() -> bool:
            shown = (await floor.screen())["delivery"]
            (one,) = shown["receivers"]
            assert one["settled_through"] == one["posted"], "both names, for those that read the first one"
            said = f"Delivery not running: {floor.head() - posted} waiting, safe"
            return shown["running"] is False and shown["summary"]["text"]["en"] == said

        await until(page, "the page says that delivery does not run")
        await floor.start("sync")
        await floor.posted()
        assert (await told(floor))[0] == 0


@pytest.mark.parametrize("refused", ["a newer sync.db", "sync.lock is a directory"])
async def test_delivery_that_refuses_to_start_is_not_running(tmp_path: Path, refused: str) -> None:
    async with line(tmp_path) as floor:
        await floor.start("collect")
        sync = await floor.start("sync")
        await floor.posted()
        assert await sync.stop() == 0
        data = floor.journal.parent
        if refused == "a newer sync.db":
            with closing(sqlite3.connect(data / "sync.db")) as db:
                db.execute("PRAGMA user_version = 9900")
        else:
            (data / "sync.lock").unlink()
            (data / "sync.lock").mkdir()
        sync = await floor.start("sync", wait=False)
        assert await sync.ended() == 1
        code, text, _ = await told(floor)
        assert code == 3
        assert "lineside sync is not running" in text


async def test_delivery_that_was_never_started_is_missed_and_what_waits_is_counted(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        await floor.start("collect")
        await badges(floor, 1)
        code, text, found = await told(floor)
        assert code == 3
        assert found["receivers"][0]["waiting"] == floor.head()
        assert f"lineside sync is not running: {floor.head()} facts wait here" in text


async def test_one_process_for_both_is_delivery_that_runs(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        await floor.start("run")
        code, _, found = await told(floor)
        assert (code, found["delivery"]) == (0, {"needed": True, "running": True})
        assert ABSENT not in {one["key"] for one in found["alerts"]}


async def test_a_line_without_receivers_misses_no_delivery(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        text = floor.config.read_text()
        floor.config.write_text(text[: text.index("[uplinks.erp]")] + text[text.index("[web]") :])
        await floor.start("collect")
        code, text, found = await told(floor)
        assert (code, found["delivery"]) == (0, {"needed": False, "running": False})
        assert "sync" not in text


@pytest.mark.parametrize("name", ["masterdata.db", "sync.db"])
async def test_what_cannot_be_read_hides_nothing_else(tmp_path: Path, name: str) -> None:
    async with line(tmp_path) as floor:
        await floor.start("collect")
        await floor.start("sync")
        await floor.masterdata()
        await floor.posted()
        assert await floor.children["sync"].stop() == 0
        await floor.start("sync")
        path = floor.journal.with_name(name)
        path.rename(path.with_name("kept"))
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        stops = name == "sync.db"  # whose writer ends where its file is another one
        if stops:
            await until(lambda: floor.children["sync"].code is not None, "the end of sync")
        code, text, found = await told(floor)
        assert code == (3 if stops else 1)
        assert text.count(f"{name} cannot be") == 1
        assert len(found["problems"]) == 1
        assert "Scan badge" in text
        if name == "sync.db":
            assert found["receivers"] is None
            assert "Master data: 5 work orders" in text
        else:
            assert found["master_data"] is None
            assert "erp" in text.partition("Receivers")[2]
        path.rmdir()
        path.with_name("kept").rename(path)


async def test_times_are_those_of_the_site_whatever_the_pc_is_set_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    tzset()
    try:
        async with line(tmp_path) as floor:
            assert (await command("init", "--replace", "--config", floor.config))[0] == 0
            _, text, found = await told(floor)
            monkeypatch.chdir(tmp_path)
            assert (await invoke("backup", "--config", floor.config))[0] == 0
    finally:
        monkeypatch.undo()
        tzset()
    (alert,) = found["alerts"]
    at = datetime.fromtimestamp(alert["raised_ms"] / 1000, ZoneInfo("Asia/Shanghai"))
    assert "times in Asia/Shanghai" in text.splitlines()[0]
    assert f"! {at:%Y-%m-%d %H:%M} " in text
    (backup,) = tmp_path.glob("lineside-*-20*")
    taken = datetime.strptime(backup.name[-15:], "%Y%m%d-%H%M%S").replace(tzinfo=at.tzinfo)
    assert timedelta(seconds=-1) <= taken - at < timedelta(minutes=5)


async def test_an_empty_scan_is_refused_in_a_plain_sentence(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        await floor.start("collect")
        code, text, _ = await invoke("scan", "OP20", "", "--config", floor.config)
        assert (code, text.strip()) == (1, "✕ The scan is empty. Not recorded. Scan or type a code.")


async def test_a_successor_is_begun_with_one_sentence_and_no_log_line(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        code, text, complained = await command("init", "--replace", "--config", floor.config)
        assert (code, complained) == (0, "")
        assert text.count("\n") == 1
        assert text.endswith("Now start lineside\n")
        _, _, found = await told(floor)
        assert [one["key"].partition(".")[0] for one in found["alerts"]] == ["journal"]
