"""The technician's commands: what is configured, does it answer, what does it say. Nothing is recorded."""

import asyncio
import fcntl
import json
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.line.plant import ROOT, command, invoke, line, until
from tests.unit.drivers.test_registry import Site

LONG = ("--timeout", "60")


async def read_json(*arguments: object) -> tuple[int, Any]:
    code, out, err = await invoke(*arguments, "--json")
    assert err == "", err
    return code, json.loads(out)


@pytest.mark.parametrize(
    ("names", "word"),
    [(("check",), "second connection"), (("devices",), "--kinds"), (("plc",), "takes only one refuses"),
     (("plc", "read"), "Exit code 1"), (("plc", "watch"), "Ctrl-C")],
)  # fmt: skip
async def test_the_help_says_what_a_probe_does_to_a_running_line(names: tuple[str, ...], word: str) -> None:
    code, out, err = await invoke(*names, "--help")
    assert (code, err) == (0, "")
    assert word in " ".join(out.replace("│", " ").split())


async def test_check_with_probe_is_code_0_only_where_every_device_and_tag_is_fine(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        config = ("--config", floor.config)
        code, out, _ = await invoke("check", "--probe", *LONG, *config)
        assert code == 0, out
        assert "1200.0" in out and "everything fits" in out
        code, found = await read_json("check", "--probe", *LONG, *config)
        assert (code, found["problems"]) == (0, [])
        press, gun = found["devices"]
        assert (press["device"], press["reachable"], gun["reachable"]) == ("press1", True, True)
        assert press["tags"]["energy"]["unit"] == "kWh" and press["tags"]["energy"]["quality"] == "good"
        assert press["round_trip_ms"] is not None and gun["tags"] == {}
        assert "devices" not in (await read_json("check", *config))[1]
        assert floor.head() == 0 and not floor.journal.exists()


async def test_a_refused_tag_is_code_1_and_a_device_that_does_not_answer_code_3(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        config = ("--config", floor.config)
        floor.configure(**{"address = 20,": "address = 4000,"})
        code, out, _ = await invoke("check", "--probe", *LONG, *config)
        assert code == 1
        assert "refused: illegal data address" in out and "everything fits" not in out
        await floor.press.power_off()
        code, out, _ = await invoke("check", "--probe", *LONG, *config)
        assert code == 3
        assert "everything fits" not in out and "systemctl stop lineside-collect" in out
        assert "Nothing was recorded" in out
        (floor.folder / "erp-token").unlink()
        code, found = await read_json("check", "--probe", *LONG, *config)
        assert code == 1, "what is wrong with the configuration comes first"
        assert [one["reachable"] for one in found["devices"]] == [False, True]


async def test_a_scanner_that_the_running_collector_holds_is_said_plainly_and_loses_no_scan(
    tmp_path: Path,
) -> None:
    async with line(tmp_path) as floor:
        await floor.start("collect")
        await floor.sign_on()
        config = ("--config", floor.config)
        code, out, err = await command("check", "--probe", *LONG, *config)
        assert code == 0, out
        assert "the running collector has it, and it answers there" in out and "everything fits" in out
        (warning,) = err.splitlines()  # log lines of drivers have no place between tables
        assert warning.startswith("press1: `lineside collect` runs here and is connected")
        found = json.loads((await command("check", "--probe", *LONG, *config, "--json"))[1])
        assert [(one["reachable"], one["answers_collector"]) for one in found["devices"]] == [
            (True, False),
            (False, True),
        ]
        assert "in use by another program" in found["devices"][1]["detail"]
        head = floor.head()
        await floor.scans("LSE2001")
        assert floor.head() == head + 1
        floor.gun.unplug()
        await floor.children["collect"].says("device is lost")
        code, out, _ = await command("check", "--probe", *LONG, *config)
        assert code == 3, "the collector does not have it either"
        assert "is not there" in out and "If `lineside collect` runs here" in out


async def test_a_port_that_another_program_holds_is_code_3_with_what_to_stop(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        other = os.open(floor.gun.link, os.O_RDWR | os.O_NOCTTY)
        try:
            fcntl.flock(other, fcntl.LOCK_EX)
            code, out, _ = await invoke("check", "--probe", *LONG, "--config", floor.config)
        finally:
            os.close(other)
    assert code == 3
    assert "in use by another program" in out and "Stop the other program" in out


async def test_a_configuration_that_is_not_there_is_code_2_for_every_command(tmp_path: Path) -> None:
    for arguments in (("devices",), ("check", "--probe"), ("plc", "read", "x"), ("plc", "watch", "x")):
        code, _, err = await invoke(*arguments, "--config", tmp_path / "none.toml")
        assert code == 2, arguments
        assert "lineside init" in err


async def test_a_plug_in_that_cannot_be_used_is_said_by_check_and_spoils_no_other_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.syspath_prepend(tmp_path)
    Site(tmp_path).install("acme-drivers", driver="import no_such_library")
    async with line(tmp_path) as floor:
        text = floor.config.read_text()
        floor.config.write_text(text + '\n[devices.a1]\ndriver = "acme"\nhost = "10.0.0.1"\n')
        code, found = await read_json("check", "--probe", *LONG, "--config", floor.config)
        assert code == 1
        assert "acme-drivers 1.5" in found["problems"][0] and "no_such_library" in found["problems"][0]
        assert [(one["device"], one["reachable"]) for one in found["devices"]] == [
            ("press1", True),
            ("gun1", True),
        ]
        code, out, _ = await invoke("devices", "--config", floor.config)
        assert code == 0 and "acme" in out and "10.0.0.1" in out


async def test_devices_lists_what_is_configured_where_it_is_and_who_uses_it(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        config = ("--config", floor.config)
        code, out, _ = await invoke("devices", *config)
        assert code == 0
        assert f"127.0.0.1:{floor.press.port}" in out and "OP20" in out
        text = floor.config.read_text()
        floor.config.write_text(
            text + '\n[devices.spare]\ndriver = "scanner-serial"\nport = "/dev/[spare]"\n'
        )
        code, found = await read_json("devices", *config)
        assert code == 0
        assert [(one["name"], one["kind"], one["stations"]) for one in found] == [
            ("press1", "modbus-tcp", ["OP20"]),
            ("gun1", "scanner-serial", ["OP20"]),
            ("spare", "scanner-serial", []),
        ]
        assert found[0]["tags"] == ["cycles", "energy", "running"] and found[1]["scans"]
        assert "/dev/[spare]" in (await invoke("devices", *config))[1]


async def test_the_kinds_are_listed_without_a_configuration_each_with_a_readme_that_is_there() -> None:
    code, found = await read_json("devices", "--kinds")
    assert code == 0
    own = [one for one in found if one["origin"] == "lineside"]
    assert {"modbus-tcp", "scanner-serial"} <= {one["kind"] for one in own}
    assert all(Path(one["readme"]).is_file() for one in own)


async def test_plc_read_reads_devices_and_single_tags_and_its_code_tells(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        config = ("--config", floor.config)
        code, (press,) = await read_json("plc", "read", "press1", *LONG, *config)
        assert code == 0
        assert {tag: one["value"] for tag, one in press["tags"].items()} == {
            "cycles": 1000, "energy": 1200.0, "running": False,
        }  # fmt: skip
        code, (press,) = await read_json("plc", "read", "press1.cycles", "press1.running", *LONG, *config)
        assert (code, sorted(press["tags"])) == (0, ["cycles", "running"])
        floor.configure(**{"address = 20,": "address = 4000,"})
        code, _, _ = await invoke("plc", "read", "press1.cycles", *LONG, *config)
        assert code == 0, "a tag that nobody asked for spoils nothing"
        code, out, _ = await invoke("plc", "read", "press1.energy", *LONG, *config)
        assert code == 1 and "illegal data address" in out
        await floor.press.power_off()
        code, out, _ = await invoke("plc", "read", "press1", *LONG, *config)
        assert code == 3 and "refused" in out


@pytest.mark.parametrize(
    ("typed", "said"),
    [("press9", "no device or tag"), ("press1.cycle", "no device or tag"), ("gun1", "has no tags")],
)
@pytest.mark.parametrize("verb", ["read", "watch"])
async def test_a_name_that_cannot_be_read_is_code_2_with_those_that_can(
    tmp_path: Path, verb: str, typed: str, said: str
) -> None:
    async with line(tmp_path) as floor:
        code, _, err = await invoke("plc", verb, typed, "--config", floor.config)
        assert code == 2
        assert said in err and "Nothing was asked" in err
        assert floor.press.requests == []


async def test_plc_watch_tells_one_line_a_change_and_ends_by_itself(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        watching = asyncio.create_task(
            command("plc", "watch", "press1.cycles", "--json", "--count", "4", "--config", floor.config)
        )
        for count in (1001, 1002):
            asked = len(floor.press.requests)
            # A poll is three requests: two polls later the count has been told.
            await until(lambda asked=asked: len(floor.press.requests) > asked + 6, "polls")  # type: ignore[misc]
            floor.press.set_count(count)
        code, out, err = await watching
    lines = [json.loads(one) for one in out.splitlines()]
    assert (code, err) == (0, "")
    assert lines[0]["device"] == "press1" and lines[0]["up"] is True
    assert [one["value"] for one in lines[1:]] == [1000, 1001, 1002]


async def test_plc_watch_of_a_dead_device_ends_in_time_with_code_3(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        await floor.press.power_off()
        code, out, err = await command("plc", "watch", "press1", "--for", "6", "--config", floor.config)
        assert code == 3
        assert "press1 does not answer" in out and "Not answering: press1" in err


async def test_ctrl_c_ends_a_live_table_cleanly_and_leaves_the_terminal_usable(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        master, slave = os.openpty()
        shown = b""
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "edge", "plc", "watch", "press1", "--config", str(floor.config),
                stdin=asyncio.subprocess.DEVNULL, stdout=slave, stderr=slave, cwd=ROOT,
                env={**os.environ, "TERM": "xterm", "PYTHONPATH": str(ROOT)},
                # What was started in the background ignores Ctrl-C, and so would its children.
                preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
            )  # fmt: skip
            os.set_blocking(master, False)

            def look() -> bytes:
                nonlocal shown
                try:
                    shown += os.read(master, 65536)
                except BlockingIOError:
                    pass
                return shown

            await until(lambda: b"1200.0" in look(), "the table")
            process.send_signal(signal.SIGINT)
            # Read on: what nobody reads would keep it from ending.
            await until(lambda: look() and process.returncode is not None, "the end")
            code = process.returncode
        except AssertionError:
            process.kill()
            raise
        finally:
            os.close(slave)
            os.close(master)
    assert code == 0, shown.decode(errors="replace")
    assert b"Traceback" not in shown
    assert shown.count(b"\x1b[?25l") == shown.count(b"\x1b[?25h"), "the cursor is hidden and shown again"


async def test_a_device_that_stays_lost_is_an_alert_in_status_until_it_is_back(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        floor.configure(**{"poll_interval_s = 0.25": "poll_interval_s = 0.25\nalert_after_s = 1"})
        await floor.start("collect")

        async def alerts() -> list[str]:
            _, found = await read_json("status", "--config", floor.config)
            return [alert["key"] for alert in found["alerts"]]

        await floor.press.power_off()
        await until(alerts, "the alert")
        assert await alerts() == ["device.press1"]
        await floor.press.power_on()

        async def none() -> bool:
            return await alerts() == []

        await until(none, "its end")
        log = floor.children["collect"].log
        assert (log.count("device is lost"), log.count("alert cleared")) == (1, 1)


async def test_without_devices_it_names_the_table_to_add(tmp_path: Path) -> None:
    config = tmp_path / "lineside.toml"
    await invoke("init", "--config", config)
    code, told, _ = await invoke("devices", "--config", config)
    assert code == 0
    assert "Add [devices.<name>]" in told
