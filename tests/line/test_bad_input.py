"""What people and devices get wrong: a plain message that says what to do, nothing lost, nothing crashes."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.line.plant import Child, Line, command, facts, invoke, line, until

ORDER = "10045680"
NOTHING = ("Not recorded", "Nothing recorded", "NOT RECORDED", "Nothing new recorded", "was not recorded")


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Line]:
    """A line with both processes, an operator and master data."""
    async with line(folder) as floor:
        await floor.start("collect")
        await floor.start("sync")
        await floor.sign_on()
        await floor.masterdata()
        yield floor


def production(floor: Line) -> list[str]:
    """Types of all facts that people made."""
    return [one.type for one in floor.events() if ".count." not in one.type and ".journal." not in one.type]


async def refused(floor: Line, text: str) -> str:
    """A scan that the gun must beep bad at; what the screen says then."""
    before = production(floor)
    assert await floor.scan(text) == "bad", text
    assert production(floor) == before
    message = (await floor.screen())["message"]
    assert any(part in message["en"] for part in NOTHING), message
    assert any(part in message["zh"] for part in ("未记录", "无新记录", "无法记录")), message
    return str(message["en"])


async def test_codes_that_nobody_knows_and_half_codes_are_refused_with_what_to_do(tmp_path: Path) -> None:
    async with running(tmp_path) as floor:
        for text, said in (
            ("4006381333931", "not recognised"),
            ("LS", "not recognised"),
            ("lsx1", "not recognised"),
            ("LSW", "Right form: LSW10045678 0020"),
            ("LSW1004##78", "Right form"),
            ("LSE", "Right form: LSE1042"),
            ("LSCDON", "Right form"),
            ("LSCSCRAP", "LSCSCRAP04"),
            ("LSW99999999", "WO 99999999 is unknown"),
            ("LSW10045690", "WC-WELD-5"),
            ("LSW10045601", "closed"),
            ("LSE9999", "Badge 9999 is unknown"),
            ("工单", "not recognised"),
            ("[/bold]", "not recognised"),
            ("<script>", "not recognised"),
        ):
            assert said in await refused(floor, text), text
        # Half a code: the gun's line ends in silence.
        before = production(floor)
        floor.gun.heard = b""
        await floor.gun.send(b"LSW1004")
        assert await floor.gun.verdict(5) == "bad"
        floor.gun.heard = b""
        await floor.gun.send(b"\xff\x00\x81\r")
        assert await floor.gun.verdict(5) == "bad"
        floor.gun.heard = b""
        await floor.gun.send(b"L" * 3000 + b"\r")
        assert await floor.gun.verdict(5) == "bad"
        assert "Not recorded. Scan again" in (await floor.screen())["message"]["en"]
        assert production(floor) == before
        await floor.scans(f"LSW{ORDER}")  # and the line works on


async def test_scans_in_a_wrong_order_are_refused_with_what_comes_first(tmp_path: Path) -> None:
    async with running(tmp_path) as floor:
        for text, said in (
            ("LSL A2207", "Scan the work order first"),
            ("LSQ5", "Scan lot or DONE first"),
            ("LSCDONE", "Scan the work order first"),
            ("LSCSCRAP04", "Scan the work order first"),
            ("LSCOK", "Nothing waits for OK"),
            ("LSCGO", "Scan the work order first"),
            ("LSCUNDO", "nothing of yours"),
        ):
            assert said in await refused(floor, text), text
        await floor.scans(f"LSW{ORDER}")
        for text, said in (
            ("LSL A2199", "blocked"),
            ("LSL A2101", "expired"),
            ("LSL NOWHERE", "unknown"),
            ("LSL R5120", "does not use"),
            ("LSCSCRAP99", "Allowed: 04, 07"),
        ):
            assert said in await refused(floor, text), text


QUANTITIES = ["1e9", "1000000000", "-3", "NaN", "0", "1D0000001", "1,5", "５", "inf", "", "5 XXX"]


async def test_a_quantity_that_is_none_is_refused_and_the_right_one_then_taken(tmp_path: Path) -> None:
    async with running(tmp_path) as floor:
        await floor.scans(f"LSW{ORDER}")
        for number, quantity in enumerate(QUANTITIES, 1):
            await floor.scans("LSL A2207")
            await refused(floor, f"LSQ{quantity}")
            status, answer = await floor.typed(f"LSQ{quantity}")
            assert (status, answer["events"]) == (422, [])
            await floor.scans("LSL A2207", f"LSQ{number}")
        taken = facts(floor.events(), "material.consumed")
        assert [one.data.quantity for one in taken] == list(range(1, len(QUANTITIES) + 1))  # type: ignore[union-attr]
        for quantity in ("1e9", "-3", "NaN", "1000000000", ""):
            await floor.scans("LSCDONE")
            await refused(floor, f"LSQ{quantity}")
        assert not facts(floor.events(), "work.completed", "work.reported")
        await floor.posted()


async def test_a_register_that_does_not_exist_is_named_and_the_rest_works(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        floor.configure(**{"address = 100": "address = 500"})
        child = await floor.start("collect")
        await floor.start("sync")
        await child.says("device refuses tags")
        assert "cycles" in child.log
        assert "hint=" in child.log
        await floor.sign_on()
        await floor.masterdata()
        await floor.scans(f"LSW{ORDER}")
        floor.press.start()

        async def seen() -> bool:
            return (await floor.screen())["machine_running"] is True

        await until(seen, "the running bit")
        # Without a counter nobody guesses: the quantity is asked for.
        await floor.scans("LSCDONE")
        assert await floor.scan("LSCOK") == "bad"
        await floor.scans("LSCDONE", "LSQ24", "LSCOK")
        await floor.posted()


@pytest.mark.parametrize("fault", ["exception", "silence"])
async def test_a_device_that_answers_with_an_exception_or_not_at_all_stops_no_scan_and_loses_no_stroke(
    tmp_path: Path, fault: Any
) -> None:
    async with running(tmp_path) as floor:
        await floor.scans(f"LSW{ORDER}")
        child = floor.children["collect"]
        floor.press.stroke(2)
        floor.press.fault = fault
        await child.says("refuses" if fault == "exception" else "press1")
        await floor.scans("LSL A2207", "LSQ5", "LSCPAUSE21", "LSCGO", "LSCSCRAP04")
        floor.press.stroke(2)
        floor.press.fault = None

        async def counted() -> bool:
            return (await floor.screen())["good"] in ("3", "1")

        await until(counted, "the strokes")
        await floor.scans("LSCPAUSE22")
        moved = sum(one.data.delta for one in facts(floor.events(), "count.recorded", "count.unattributed")
                    if one.data.counter == "good")  # type: ignore[union-attr]  # fmt: skip
        assert moved == 4
        assert child.code is None


async def test_a_device_that_is_silent_from_the_start_stops_no_scan_and_is_told(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        floor.press.fault = "silence"
        child = await floor.start("collect")
        await floor.sign_on()
        await until(lambda: "press1" in child.log, "the log line about the press")


async def test_a_gun_that_is_not_there_is_told_and_taken_when_it_comes(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        floor.gun.unplug()
        child = await floor.start("collect")
        await until(lambda: "gun1" in child.log, "the log line about the gun")
        floor.gun.plug()
        await floor.sign_on()


async def test_an_endpoint_that_answers_html_loses_nothing_and_says_so(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        await floor.erp.cut()
        async with portal(floor, "<html><h1>Sign in to the guest network</h1></html>", "text/html"):
            await floor.start("collect")
            sync = await floor.start("sync")
            await floor.sign_on()
            await sync.says("delivery waits")
            code, out, err = await invoke("status", "--config", floor.config)
            assert (code, err) == (0, "")
            assert "backoff" in out or "paused" in out
        await floor.erp.restore()
        await floor.posted()
        assert [one[0] for one in await floor.at_erp()] == [one.id for one in floor.events()]


UNREADABLE = {
    "gb18030": '{"people": [{"person": "1042", "name": "操作工"}]}'.encode("gb18030"),
    "nested": b'{"work_orders": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "nested where nobody looks": b'{"x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "NaN": b'{"work_orders": [{"work_order": "1", "product": "P", "quantity": "NaN", "unit": "C62"}]}',
    "no text": b"\xff\xfe\x00",
    "nothing": b"",
}


def _asked_twice(asked: "Counter[str]", sync: Child) -> bool:
    return asked["masterdata"] > 1 or sync.code is not None


async def test_master_data_that_cannot_be_read_ends_no_delivery_and_keeps_what_is_held(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as floor:
        await floor.posted()
        sync = floor.children["sync"]
        crashed = []
        for name, body in UNREADABLE.items():
            await floor.erp.cut()
            async with portal(floor, body, "application/json") as asked:
                await until(partial(_asked_twice, asked, sync), "two questions")
            await floor.erp.restore()
            if sync.code is not None:
                crashed.append((name, sync.log))
                sync = await floor.start("sync")
        assert not crashed
        assert "no new master data" in sync.log
        await floor.scans(f"LSW{ORDER}")
        await floor.posted()


@asynccontextmanager
async def portal(floor: Line, body: str | bytes, content_type: str) -> AsyncIterator["Counter[str]"]:
    """Something else at the endpoint's address, which answers 200 to everything; what was asked for."""
    asked: Counter[str] = Counter()

    async def answer(request: web.Request) -> web.Response:
        asked[request.path.rpartition("/")[2]] += 1
        raw = body.encode() if isinstance(body, str) else body
        return web.Response(body=raw, content_type=content_type)

    app = web.Application(client_max_size=1 << 24)
    app.router.add_route("*", "/{any:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    port = int(floor.erp.pages_url.rpartition(":")[2])
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield asked
    finally:
        await runner.cleanup()


def _readonly_file(data: Path) -> None:
    for file in data.glob("journal.*"):
        file.chmod(0o400)


def _unreadable_file(data: Path) -> None:
    for file in data.glob("journal.db*"):
        file.chmod(0)


def _readonly_folder(data: Path) -> None:
    data.chmod(0o500)


def _closed_folder(data: Path) -> None:
    data.chmod(0)


def _no_database(data: Path) -> None:
    for file in data.glob("journal.db-*"):
        file.unlink()
    (data / "journal.db").write_bytes(b"notes of the shift leader\n" * 400)


def _another_database(data: Path) -> None:
    for file in data.glob("journal.db*"):
        file.unlink()
    with closing(sqlite3.connect(data / "journal.db")) as db:
        db.execute("CREATE TABLE t (x)")


@pytest.mark.parametrize(
    "harm",
    [
        _readonly_file,
        _unreadable_file,
        _readonly_folder,
        _closed_folder,
    ],
)
async def test_a_journal_that_cannot_be_used_is_a_plain_message_with_what_to_do(
    tmp_path: Path, harm: Any
) -> None:
    async with line(tmp_path) as floor:
        child = await floor.start("collect")
        await floor.sign_on()
        assert await child.stop() == 0
        data = floor.folder / "data"
        harm(data)
        try:
            child = await floor.start("collect", plain_user=True, wait=False)
            assert await child.ended() == 1, child.log
            assert str(data) in child.log
            last = child.log.strip().splitlines()[-1]
            assert ". " in last, last  # what happened, and then what to do
            asked = (["status"], ["events", "verify"])
            answers = await asyncio.gather(
                *(command(*what, "--config", floor.config, plain_user=True) for what in asked)
            )
            assert {code for code, _, _ in answers} <= {0, 1, 3}, answers
        finally:
            data.chmod(0o700)
            for file in data.iterdir():
                file.chmod(0o600)


@pytest.mark.parametrize("harm", [_no_database, _another_database])
async def test_a_foreign_file_in_the_journals_place_is_kept_and_the_line_goes_on(
    tmp_path: Path, harm: Any
) -> None:
    async with line(tmp_path) as floor:
        child = await floor.start("collect")
        assert await child.stop() == 0
        data = floor.folder / "data"
        harm(data)
        held = (data / "journal.db").read_bytes()
        await floor.start("collect")
        await floor.sign_on()
        (kept,) = data.glob("journal-damaged-*.db")
        assert kept.read_bytes() == held
        await floor.start("sync")
        code, out, _ = await invoke("status", "--config", floor.config)
        assert (code, kept.name in out.replace("\n", "")) == (0, True), out


async def test_a_journal_whose_rights_go_away_while_at_work_still_has_everything_it_acknowledged(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as floor:
        await floor.scans(f"LSW{ORDER}", "LSCSCRAP04")
        before = production(floor)
        _readonly_file(floor.folder / "data")
        await floor.scan("LSCSCRAP07")
        assert production(floor)[: len(before)] == before
        assert floor.children["collect"].code is None


async def test_a_sync_db_that_is_no_database_stops_no_scan(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        (floor.folder / "data").mkdir()
        (floor.folder / "data" / "sync.db").write_bytes(b"notes of the shift leader\n" * 400)
        sync = await floor.start("sync")
        assert "sync.db" in sync.log
        assert len(list((floor.folder / "data").glob("sync-damaged-*.db"))) == 1
        await floor.start("collect")
        await floor.sign_on()
        for what in ("status", "check"):
            code, _, err = await invoke(what, "--config", floor.config)
            assert code in (0, 1), err


async def test_a_port_that_is_taken_is_a_plain_message_with_what_to_do(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        floor.web_port = int(floor.erp.pages_url.rpartition(":")[2])
        floor.configure()
        child = await floor.start("collect", wait=False)
        assert await child.ended() == 1
        assert f"127.0.0.1:{floor.web_port}" in child.log
        assert "web.listen" in child.log


async def test_a_missing_token_file_keeps_all_facts_and_says_which_file(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        (floor.folder / "erp-token").unlink()
        await floor.start("collect")
        sync = await floor.start("sync", wait=False)
        await floor.sign_on()
        await until(lambda: "erp-token" in sync.log, "the file's name")
        (floor.folder / "erp-token").write_text("t0ken")
        if sync.code is not None:
            await floor.start("sync")
        await floor.posted()
