"""Every command: what it says, with which exit code, and never a traceback."""

import asyncio
import json
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from edge.events import decode
from edge.journal import Reader, verify
from tests.faults.disk import mounted
from tests.line.plant import Line, command, invoke, line

COMMANDS = {
    ("run",): "one process",
    ("collect",): "journal",
    ("sync",): "ERP",
    ("demo",): "--once",
    ("init",): "Overwrites nothing",
    ("check",): "Nothing is started or changed",
    ("status",): "Exit code 0",
    ("scan",): "Exit code 1",
    ("review",): "makeup",
    ("review", "list"): "oldest first",
    ("review", "show"): "evidence",
    ("review", "accept"): "as the evidence says",
    ("review", "reverse"): "did not occur",
    ("review", "reassign"): "one order",
    ("review", "split"): "in parts",
    ("review", "makeup"): "补录",
    ("replay",): "Touches no journal",
    ("events",): "tail, export, verify",
    ("events", "tail"): "--follow",
    ("events", "export"): "CloudEvents",
    ("events", "verify"): "Exit code 1",
    ("outbox", "list"): "rejected",
    ("outbox", "show"): "what each receiver says",
    ("outbox", "retry"): "what the receiver lacked",
    ("outbox", "discard"): "they stay in the journal",
}

DAEMONS = (("run",), ("collect",), ("sync",))
GROUPS = (("events",), ("review",))
NEEDED = {
    ("scan",): ["OP20", "LSE1"],
    ("review", "show"): ["1"],
    ("review", "accept"): ["1", "--person", "1042"],
    ("review", "reverse"): ["1", "--person", "1042"],
    ("review", "reassign"): ["1", "--person", "1042", "--to", "100/0020"],
    ("review", "split"): ["1", "--person", "1042", "--part", "1 100/0020"],
    ("review", "makeup"): [
        "--person", "1042", "--station", "OP20", "--time", "2026-11-23T09:30", "--order", "100/0020",
        "--note", "it stood in the book",
    ],
    ("outbox", "show"): ["1"],
    ("outbox", "retry"): ["1", "--person", "1042"],
    ("outbox", "discard"): ["1", "--person", "1042", "--note", "it was a test"],
}  # fmt: skip


@asynccontextmanager
async def configured(folder: Path) -> AsyncIterator[Line]:
    """A configuration and nothing that runs."""
    async with line(folder) as floor:
        yield floor


@asynccontextmanager
async def with_journal(folder: Path) -> AsyncIterator[Line]:
    """A journal with a few facts; nothing runs any more."""
    async with line(folder) as floor:
        child = await floor.start("collect")
        await floor.sign_on()
        for badge in (2001, 2002):
            await floor.scans(f"LSE{badge}")
        assert await child.stop() == 0
        yield floor


async def test_every_commands_help_teaches() -> None:
    for names, word in COMMANDS.items():
        code, out, err = await invoke(*names, "--help")
        assert (code, err) == (0, ""), names
        assert word in " ".join(out.replace("│", " ").split()), names
        assert names in (("events",), ("review",), ("demo",), ("replay",)) or "--config" in out, names
        for option_line in [row for row in out.splitlines() if "--" in row and "│" in row]:
            assert len(option_line.strip("│ ").split("  ")) > 1, f"{names}: no word about {option_line}"


async def test_the_first_page_names_every_command_and_where_to_start() -> None:
    code, out, _ = await invoke("--help")
    assert code == 0
    assert all(names[0] in out for names in COMMANDS)
    assert "lineside demo" in out


@pytest.mark.parametrize(
    "arguments",
    [["--no-such"], ["nothing"], ["events"], ["events", "nothing"], ["events", "tail", "-n", "0"],
     ["events", "tail", "-n", "x"], ["collect", "--bogus"], ["collect", "--config"], ["scan"],
     ["scan", "OP20"],
     ["events", "export", "--from", "0"], ["demo", "now"], ["collect", "extra"]],
)  # fmt: skip
async def test_wrong_usage_is_code_2_with_the_reason(arguments: list[str]) -> None:
    code, out, err = await invoke(*arguments)
    assert code == 2
    assert out or err


async def test_wrong_usage_of_a_daemon_is_code_2_in_its_own_process_too() -> None:
    code, _, err = await command("collect", "--bogus")
    assert code == 2
    assert "--bogus" in err


async def test_a_configuration_that_is_not_there_or_wrong_is_code_2_for_every_command(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text("[edge]\nid = 'a b'\nlanguage = 'xx'\n")
    for name, said in (("none.toml", "lineside init"), ("wrong.toml", "edge.language")):
        path = tmp_path / name
        for names in COMMANDS:
            if names in (*GROUPS, ("demo",), ("init",), ("replay",)) or (
                names in DAEMONS and name == "none.toml"
            ):
                continue
            call = command if names in DAEMONS else invoke
            code, _, err = await call(*names, *NEEDED.get(names, ()), "--config", path)
            assert code == 2, names
            assert str(path) in err.replace("\n", ""), names
            assert said in err, names


# init and check


async def test_init_writes_a_configuration_that_passes_check(tmp_path: Path) -> None:
    path = tmp_path / "etc" / "lineside.toml"
    code, out, _ = await invoke("init", "--config", path, "--data-dir", tmp_path / "data", "--id", "L3-IPC1")
    assert code == 0
    assert f"lineside check --config {path}" in out
    code, out, err = await invoke("check", "--config", path)
    assert code == 0, out + err


@pytest.mark.parametrize(
    ("files", "more", "said"),
    [
        ({"token": ""}, 'token_file = "token"', "uplinks.erp: the file {folder}/token holds no secret"),
        ({"token": "two\nlines"}, 'token_file = "token"', "holds no secret"),
        ({"token/x": ""}, 'token_file = "token"', "uplinks.erp.token_file: {folder}/token cannot be read"),
        ({"pw": "\n"}, 'user = "me"\npassword_file = "pw"', "the file {folder}/pw holds no secret"),
        ({"ca.pem": "garbage"}, 'ca_file = "ca.pem"', "uplinks.erp: ca_file {folder}/ca.pem cannot be used"),
        ({"c": "x", "k": "y"}, 'cert_file = "c"\nkey_file = "k"', "cert_file {folder}/c with key_file"),
        ({"c": "x"}, 'cert_file = "c"\nkey_file = "k"', "uplinks.erp.key_file: {folder}/k cannot be read"),
        ({"pw": ""}, 'kind = "mqtt"\nuser = "me"\npassword_file = "pw"', "file {folder}/pw holds no secret"),
        ({"ca.pem": "garbage"}, 'kind = "mqtt"\nca_file = "ca.pem"', "uplinks.erp: ca_file, cert_file or"),
    ],
)  # fmt: skip
async def test_check_finds_secrets_and_certificates_that_cannot_be_used(
    files: dict[str, str], more: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "lineside.toml"
    await invoke("init", "--config", path, "--data-dir", tmp_path / "data", "--id", "L3-IPC1")
    http = 'kind = "http"\nurl = "https://erp.example/events"\n'
    given = 'host = "broker.example"\nconsumers = ["erp"]\n' if "mqtt" in more else http
    path.write_text(f"{path.read_text()}\n[uplinks.erp]\n{given}{more}\n")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    code, out, _ = await invoke("check", "--config", path, "--json")
    (problem,) = json.loads(out)["problems"]
    assert code == 1 and said.format(folder=tmp_path) in problem


@pytest.mark.parametrize("kind", ["a folder", "below a file", "in a folder that is closed"])
async def test_check_names_a_secret_that_is_no_file_to_be_read(tmp_path: Path, kind: str) -> None:
    path, secret = tmp_path / "lineside.toml", tmp_path / "above" / "token"
    await invoke("init", "--config", path, "--data-dir", tmp_path / "data", "--id", "L3-IPC1")
    http = 'kind = "http"\nurl = "https://erp.example/events"\ntoken_file = "above/token"\n'
    path.write_text(f"{path.read_text()}\n[uplinks.erp]\n{http}")
    if kind == "below a file":
        secret.parent.write_text("x")
    else:
        secret.parent.mkdir()
    if kind == "a folder":
        secret.mkdir()
    elif kind == "in a folder that is closed":
        secret.write_text("secret")
        secret.parent.chmod(0)
    code, out, _ = await command("check", "--config", path, "--json", plain_user=True)
    secret.parent.chmod(0o700)
    (problem,) = json.loads(out)["problems"]
    assert code == 1
    assert f"uplinks.erp.token_file: {secret} cannot be read. Put it there, a file readable" in problem


async def test_init_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lineside.toml"
    path.write_text("mine")
    code, _, err = await invoke("init", "--config", path)
    assert code == 1
    assert "left as it is" in err
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("option", "value", "key"),
    [("--id", 'a"b', ""), ("--id", "a b", "edge.id"), ("--timezone", "Mars/Base", "edge.timezone"),
     ("--language", "de", "edge.language"), ("--site", "", "edge.site"), ("--line", "L3\\", "")],
)  # fmt: skip
async def test_init_with_a_wrong_value_writes_nothing(
    tmp_path: Path, option: str, value: str, key: str
) -> None:
    path = tmp_path / "lineside.toml"
    code, out, err = await invoke("init", "--config", path, option, value)
    assert code == 2
    assert key in out + err
    assert not path.exists()


async def test_init_where_nothing_may_be_written_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir(mode=0o500)
    code, _, err = await command("init", "--config", folder / "x.toml", plain_user=True)
    assert code == 1
    assert "could not be written" in err
    folder.chmod(0)
    code, _, err = await command("init", "--config", folder / "x.toml", plain_user=True)
    assert code == 1
    folder.chmod(0o700)


async def test_check_shows_which_default_codes_a_sites_rule_takes(tmp_path: Path) -> None:
    async with configured(tmp_path) as floor:
        rules = """
[[grammar]]
name = "box"
pattern = 'K/(?P<lot>[A-Z0-9]+)'
[[grammar]]
name = "badge"
pattern = '(?P<badge>[A-Z]{3}\\d{4})'
"""
        floor.config.write_text(floor.config.read_text() + rules)
        code, out, _ = await invoke("check", "--config", floor.config)
        assert code == 0
        assert "grammar badge: takes 'LSC1111' and its like before the plain form (LS…) does" in out
        assert "grammar box" not in out
        code, out, _ = await invoke("check", "--config", floor.config, "--json")
        assert [one["rule"] for one in json.loads(out)["overlaps"]] == ["badge"]


async def test_check_names_what_this_machine_lacks_and_what_to_add(tmp_path: Path) -> None:
    async with configured(tmp_path) as floor:
        code, out, _ = await invoke("check", "--config", floor.config)
        assert code == 0
        assert "everything fits" in out
        assert not floor.journal.exists()
        (floor.folder / "erp-token").unlink()
        code, out, _ = await invoke("check", "--config", floor.config)
        assert code == 1
        assert "uplinks.erp.token_file" in out
        code, out, _ = await invoke("check", "--config", floor.config, "--json")
        assert code == 1
        assert "token_file" in json.loads(out)["problems"][0]
        text = floor.config.read_text()
        floor.config.write_text(text[: text.index("[uplinks.erp]")] + text[text.index("[web]") :])
        code, out, _ = await invoke("check", "--config", floor.config)
        assert "Add [uplinks.<name>]" in out
        data = floor.folder / "data"
        data.write_text("no folder")
        code, out, _ = await invoke("check", "--config", floor.config)
        assert code == 1
        assert "edge.data_dir" in out


async def refused(floor: Line, *texts: str, plain_user: bool = True) -> None:
    """Both the check and the start say so."""
    checked = await command("check", "--config", floor.config, plain_user=plain_user)
    begun = await command("collect", "--config", floor.config, plain_user=plain_user)
    for code, told, complained in (checked, begun):
        assert code == 1
        assert all(text in told + complained for text in texts), told + complained


async def test_a_data_folder_that_this_user_cannot_make_is_named_by_check(tmp_path: Path) -> None:
    async with configured(tmp_path) as floor:
        above = tmp_path / "above"
        above.mkdir(mode=0o500)
        data = above / "data"
        floor.configure(**{'data_dir = "data"': f'data_dir = "{data}"'})
        await refused(floor, f"edge.data_dir {data}", "Create it and give it to")
        above.chmod(0)
        await refused(floor, f"edge.data_dir {data}", "Create it and give it to")
        above.chmod(0o700)
        assert not data.exists()


async def test_a_file_of_another_user_is_named_with_what_to_do(tmp_path: Path) -> None:
    """Started once as root; then the folder was given to the service user, but not what is in it."""
    async with with_journal(tmp_path) as floor:
        data = floor.folder / "data"
        (data / "journal.lock").chmod(0o400)
        await refused(floor, "journal.lock", f"chown -R lineside {data}")
        (data / "journal.lock").chmod(0o600)
        (data / "journal.db").chmod(0o400)
        code, told, _ = await command("check", "--config", floor.config, plain_user=True)
        assert code == 1 and "may not write journal.db." in told and f"chown -R lineside {data}" in told


@pytest.mark.parametrize("name", ["journal.db", "journal.lock"])
async def test_a_folder_in_the_place_of_a_file_is_called_one(tmp_path: Path, name: str) -> None:
    async with configured(tmp_path) as floor:
        (floor.folder / "data" / name).mkdir(parents=True)
        await refused(floor, name, "is a folder", "Move it away", plain_user=False)


def remounted(mount: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", mount], check=True)


async def test_a_read_only_file_system_is_called_one(tmp_path: Path) -> None:
    """Rights are not what is wrong, and nobody can give them."""
    async with configured(tmp_path) as floor:
        with mounted(tmp_path, tmp_path / "disk", 16):
            data = tmp_path / "disk" / "data"
            floor.configure(**{'data_dir = "data"': f'data_dir = "{data}"'})
            for there in (False, True):
                if there:
                    data.mkdir()
                remounted(tmp_path / "disk", "ro")
                for name in ("check", "collect", "sync"):
                    code, told, complained = await command(name, "--config", floor.config)
                    said = told + complained
                    assert code == 1 and f"edge.data_dir {data}" in said and "read-only" in said.lower()
                    assert "chown" not in said and "dmesg" in said
                remounted(tmp_path / "disk", "rw")


async def test_a_journal_that_is_a_link_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    """Its log lies beside the file that it leads to; looked for beside the link it would pass for lost."""
    async with with_journal(tmp_path) as floor:
        elsewhere = tmp_path / "elsewhere.db"
        floor.journal.rename(elsewhere)
        floor.journal.symlink_to(elsewhere)
        held = elsewhere.read_bytes()
        await refused(floor, f"journal.db is a link to {elsewhere}", "elsewhere.db-wal", plain_user=False)
        assert floor.journal.is_symlink() and elsewhere.read_bytes() == held
        floor.journal.unlink()
        elsewhere.rename(floor.journal)
        child = await floor.start("collect")
        assert await child.stop() == 0
        assert not list((floor.folder / "data").glob("journal-*.db"))


async def test_a_backup_to_where_nothing_may_be_written_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    async with with_journal(tmp_path) as floor:
        closed, file = tmp_path / "closed", tmp_path / "file"
        closed.mkdir(mode=0o500)
        file.write_text("mine")
        for parent, said in (
            (closed, f"{closed / 'b'} could not be written: Permission denied. There is no backup"),
            (file, f"{file} is no folder. There is no backup"),
            (Path("/proc"), "/proc/b could not be written: No such file or directory. There is no backup"),
        ):
            code, _, err = await command("backup", parent / "b", "--config", floor.config, plain_user=True)
            assert code == 1 and said in err, err
        assert list(closed.iterdir()) == [] and file.read_text() == "mine"


async def test_a_long_path_stands_on_one_line_to_be_copied(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 60) / ("b" * 60)
    _, out, _ = await command("init", "--config", folder / "x.toml", columns=80)
    assert f"lineside check --config {folder / 'x.toml'}" in out


async def test_a_path_with_brackets_is_shown_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "[bold]line[" / "x]"
    code, out, _ = await invoke("init", "--config", folder / "x.toml")
    assert code == 0
    assert str(folder) in out


# status and scan


async def test_status_without_a_collector_is_code_3_and_json_stays_json(tmp_path: Path) -> None:
    async with configured(tmp_path) as floor:
        code, out, err = await invoke("status", "--config", floor.config)
        assert code == 3
        assert "does not answer" in out + err
        assert "systemctl status lineside-collect" in out + err
        code, out, _ = await invoke("status", "--config", floor.config, "--json")
        assert code == 3
        assert json.loads(out)["stations"] is None


async def test_scan_without_a_collector_is_code_3_and_says_what_to_start(tmp_path: Path) -> None:
    async with configured(tmp_path) as floor:
        code, out, err = await invoke("scan", "OP20", "LSE1042", "--config", floor.config)
        assert code == 3
        assert "lineside run" in out + err
        code, out, err = await invoke("scan", "OP20", "LSE1042", "--config", floor.config, "--json")
        assert code == 3
        assert not out or json.loads(out)


async def test_scan_and_status_speak_to_the_running_line(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        await floor.start("collect")
        await floor.start("sync")
        await floor.masterdata()
        config = ("--config", floor.config)
        code, out, err = await invoke("scan", "OP20", "LSE1042", *config)
        assert (code, err) == (0, "")
        assert "1042 signed on" in out
        assert "operator.signed_on" in out
        assert "next: Scan work order" in out and "othing is recorded" not in out
        code, out, _ = await invoke("scan", "OP20", "rubbish [x]", *config, "--json")
        assert code == 1
        answer = json.loads(out)
        assert (answer["result"], answer["events"]) == ("refused", [])
        await floor.posted()
        code, out, _ = await invoke("status", *config, "--json")
        assert code == 0
        found = json.loads(out)
        assert found["stations"][0]["station"] == "OP20"
        assert found["receivers"][0]["name"] == "erp"
        assert found["receivers"][0]["settled_through"] == found["receivers"][0]["posted"] > 1
        assert found["master_data"]["work_orders"] == 5
        code, out, err = await invoke("status", *config)
        assert (code, err) == (0, "")
        assert "OP20" in out
        assert "Scan work order" in out
        code, out, err = await command("status", *config, columns=40)
        assert (code, err) == (0, "")
        for text, said in (("LSW10045680", ""), ("LSCDONE", "Nothing is recorded yet")):
            code, out, _ = await invoke("scan", "OP20", text, *config)
            assert code == 0 and said in out and ("othing is recorded" in out) == bool(said), out
        code, out, _ = await invoke("scan", "OP20", "LSCDONE", *config)
        assert code == 0 and "othing is recorded" in out, out


async def test_no_code_can_break_what_scan_shows(running: Line) -> None:
    for text in ("[/]", "[/bold]", "[bold]x", "[)>\x1e06\x1dX", "\\", "工单", "{0}", "%s", "\x1b[31m"):
        code, out, err = await invoke("scan", "OP20", text, "--config", running.config)
        assert code == 1, err
        assert "Not recorded" in out
        assert "Not recorded" in out


async def test_a_station_that_does_not_exist_is_named_with_those_that_do(running: Line) -> None:
    wrong = []
    for station in ("OP99", "OP 20", "工位", "OP20/scan?x=1", "", "../OP20"):
        try:
            code, out, err = await invoke("scan", station, "LSE1042", "--config", running.config)
        except AssertionError as traceback:
            wrong.append((station, str(traceback)))
            continue
        if code not in (1, 2) or "OP20" not in out + err or "LSE" in out:
            wrong.append((station, out + err))
    assert not wrong
    assert not [one for one in running.events() if "signed_on" in one.type]


async def test_a_station_that_the_running_collector_does_not_know_yet_breaks_no_status(running: Line) -> None:
    await running.start("sync")
    config = running.config.with_name("newer.toml")
    config.write_text(running.config.read_text() + '\n[stations.OP30]\nwork_center = "WC-2"\n')
    code, out, _ = await invoke("status", "--config", config)
    assert code in (0, 1)
    assert "OP20" in out
    assert "OP30" in out


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Line]:
    async with line(tmp_path) as floor:
        await floor.start("collect")
        yield floor


@pytest.mark.parametrize("body", ["<html>hello</html>", "[1, 2]", '"x"', "{}"])
@pytest.mark.parametrize("status", [200, 404, 500])
async def test_another_program_at_the_collectors_address_is_code_3(
    tmp_path: Path, body: str, status: int
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body, status=status)

    async with configured(tmp_path) as floor:
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", floor.web_port).start()
        try:
            answers = [
                await invoke("scan", "OP20", "LSE1042", "--config", floor.config),
                await invoke("status", "--config", floor.config),
            ]
        finally:
            await runner.cleanup()
        assert [code for code, _, _ in answers] == [3, 3], answers


async def test_something_at_the_collectors_address_that_speaks_no_http_is_code_3(tmp_path: Path) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    async with configured(tmp_path) as floor:
        server = await asyncio.start_server(speak, "127.0.0.1", floor.web_port)
        async with server:
            code, out, err = await invoke("scan", "OP20", "LSE1042", "--config", floor.config)
        assert code == 3, out + err


# review


async def test_review_lists_settles_and_makes_up_at_the_running_collector(running: Line) -> None:
    config = ("--config", running.config)
    code, out, err = await invoke("review", "list", *config)
    assert (code, err) == (0, "") and "Nothing waits" in out
    code, out, err = await invoke("review", "accept", "nothing", "--person", "1042", *config)
    assert code == 2 and "does not wait" in err
    made = ["review", "makeup", "--station", "OP20", "--order", "100/0020", "--person", "1042", "--good", "5"]
    code, _, err = await invoke(*made, *config)
    assert code == 2 and "--time" in err
    code, out, _ = await invoke(*made, "--time", "soon", "--note", "gun broken", *config)
    assert code == 1 and "Nothing recorded" in out
    code, _, err = await invoke("review", "split", "x", "--person", "1", "--part", "1 2 3 4 5", *config)
    assert code == 2 and "Nothing recorded" in err


async def test_a_number_of_days_that_no_number_can_hold_is_refused_over_http(running: Line) -> None:
    async with ClientSession() as client:
        for days in ("9" * 30, "9" * 5000):
            async with client.get(f"{running.url}/api/v1/shifts?days={days}") as answer:
                assert (answer.status, (await answer.json())["title"]) == (400, "Bad days")


# events


async def test_events_shows_exports_and_verifies_the_journal(tmp_path: Path) -> None:
    async with with_journal(tmp_path) as floor:
        config = ("--config", floor.config)
        held = floor.events()
        code, out, err = await invoke("events", "tail", *config, "-n", "2")
        assert (code, err) == (0, "")
        assert [int(row.split()[0]) for row in out.splitlines()] == [held[-2].seq, held[-1].seq]
        code, out, _ = await invoke("events", "tail", *config, "--json", "-n", "1000")
        assert [json.loads(row)["id"] for row in out.splitlines()] == [one.id for one in held]

        code, out, err = await invoke("events", "export", *config)
        assert code == 0
        assert [decode(row.encode()).id for row in out.splitlines()] == [one.id for one in held]
        assert f"{len(held)} events exported" in err
        target = tmp_path / "out.jsonl"
        code, out, _ = await invoke(
            "events", "export", *config, "--from", "2", "--to", "3", "--output", target
        )
        assert (code, out) == (0, "")
        assert [decode(row).seq for row in target.read_bytes().splitlines()] == [2, 3]

        code, out, _ = await invoke("events", "verify", *config)
        assert code == 0
        assert "sound" in out
        code, out, _ = await invoke("events", "verify", *config, "--json")
        assert code == 0
        found = json.loads(out)
        assert (found["events"], found["problems"]) == (len(held), [])


async def test_export_to_a_place_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    async with with_journal(tmp_path) as floor:
        for target in (tmp_path / "none" / "x.jsonl", tmp_path):
            code, _, err = await invoke("events", "export", "--config", floor.config, "--output", target)
            assert code == 1
            assert str(target) in err.replace("\n", "")


async def test_what_was_set_aside_is_named_and_shown_by_its_epoch(tmp_path: Path) -> None:
    async with with_journal(tmp_path) as floor:
        before = [one.id for one in floor.events()]
        floor.configure(**{'id = "L3-IPC1"': 'id = "L3-IPC2"'})
        child = await floor.start("collect")
        assert await child.stop() == 0
        (kept,) = floor.journal.parent.glob("journal-*.db")
        epoch, config = kept.stem.removeprefix("journal-"), ("--config", floor.config)
        code, out, err = await invoke("events", "export", *config)
        assert (code, len(out.splitlines())) == (0, floor.head())
        assert f"Not in it, set aside before: {kept.name}" in err
        assert f"lineside events export --epoch {epoch}" in err
        code, out, err = await invoke("events", "export", *config, "--epoch", epoch)
        assert [decode(row.encode()).id for row in out.splitlines()] == before
        assert (code, err.strip()) == (0, f"{len(before)} events exported")
        code, _, err = await invoke("events", "tail", *config, "-n", "1")
        assert (code, f"lineside events tail --epoch {epoch}" in err) == (0, True)
        code, out, _ = await invoke("events", "tail", *config, "-n", "1000", "--json", "--epoch", epoch)
        assert [json.loads(row)["id"] for row in out.splitlines()] == before
        for name in ("tail", "export"):
            code, out, err = await invoke("events", name, *config, "--epoch", "../journal")
            assert (code, out) == (2, "") and f"Those set aside: {epoch}" in err


async def test_who_may_not_read_the_data_is_told_whom_to_run_it_as(tmp_path: Path) -> None:
    async with with_journal(tmp_path) as floor:
        data = floor.journal.parent
        data.chmod(0)
        try:
            for name in ("tail", "export", "samples", "verify"):
                code, out, err = await command("events", name, "--config", floor.config, plain_user=True)
                assert (code, out) == (1, ""), name
                assert f"Run this as the user lineside, or let this user read {data}" in err, name
        finally:
            data.chmod(0o750)


TOO_LARGE = (
    ("events", "tail", "-n"), ("events", "samples", "-n"), ("events", "export", "--from"),
    ("events", "export", "--to"), ("reconcile", "show"), ("reconcile", "export"),
)  # fmt: skip


@pytest.mark.parametrize("names", TOO_LARGE, ids=" ".join)
async def test_a_number_larger_than_any_can_be_is_wrong_usage(tmp_path: Path, names: tuple[str, ...]) -> None:
    async with configured(tmp_path) as floor:
        for number in (2**63, 10**30):
            code, out, err = await invoke(*names, number, "--config", floor.config)
            assert (code, out) == (2, ""), number
            unframed = "".join(err.replace("│", "").split())  # it may go on in the next line
            assert "lessthanorequalto9223372036854775807" in unframed
        code, _, err = await invoke(*names, 2**63 - 1, "--config", floor.config)
        assert "range" not in err


async def test_an_export_that_ends_before_it_begins_is_wrong_usage(tmp_path: Path) -> None:
    async with with_journal(tmp_path) as floor:
        code, out, err = await invoke("events", "export", "--from", 10, "--to", 3, "--config", floor.config)
        assert (code, out) == (2, "")
        assert "--to 3 is before --from 10. Nothing was exported" in err


async def test_samples_of_an_unknown_device_name_the_known_ones(tmp_path: Path) -> None:
    async with with_journal(tmp_path) as floor:
        config = ("--config", floor.config)
        code, out, err = await invoke("events", "samples", "-d", "nope", *config)
        assert (code, out) == (2, "")
        assert "There is no device 'nope'. Devices: press1, " in err and "gun1" in err
        assert (await invoke("events", "samples", "-d", "gun1", *config))[0] == 0


async def test_events_without_a_journal_say_what_is_missing(tmp_path: Path) -> None:
    async with configured(tmp_path) as floor:
        for names in (["tail"], ["export"], ["verify"], ["verify", "--json"]):
            code, out, err = await invoke("events", *names, "--config", floor.config)
            assert (code, out) == (1, ""), names
            assert "journal.db" in err, names


TAMPERINGS = {
    "a quantity changed": (
        "UPDATE events SET body = replace(body, '\"2001\"', '\"2009\"') WHERE body LIKE '%\"2001\"%'",
        None,
    ),
    "an event removed": ("DELETE FROM events WHERE seq = 3", 3),
    "no event any more": ("UPDATE events SET body = '{}' WHERE seq = 3", 3),
    "no JSON any more": ("UPDATE events SET body = 'x' WHERE seq = 3", 3),
    "nothing any more": ("UPDATE events SET body = '' WHERE seq = 3", 3),
    "two exchanged": ("UPDATE events SET seq = CASE seq WHEN 2 THEN 999 WHEN 3 THEN 2 ELSE seq END", 2),
    "a chain changed": (
        "UPDATE events SET body = replace(body, substr(body, 11, 4), 'zzzz') WHERE seq = 3",
        3,
    ),
}


@pytest.mark.parametrize("what", TAMPERINGS)
async def test_a_tampered_journal_is_found_and_the_event_named(tmp_path: Path, what: str) -> None:
    async with with_journal(tmp_path) as floor:
        sql, seq = TAMPERINGS[what]
        if seq is None:
            seq = next(one.seq for one in floor.events() if getattr(one.data, "operator", "") == "2001")
        with closing(sqlite3.connect(floor.journal)) as db:
            db.executescript(f"DROP TRIGGER events_never_change; {sql};")
        config = ("--config", floor.config)
        code, out, _ = await invoke("events", "verify", *config)
        assert code == 1
        assert f"seq {seq}" in out
        code, out, _ = await invoke("events", "verify", *config, "--json")
        assert code == 1
        assert f"seq {seq}" in json.loads(out)["problems"][0]
        async with await Reader.open(floor.journal) as reader:
            assert (await verify(reader)).problems
        code, _, _ = await invoke("events", "tail", *config)
        assert code in (0, 1)


async def test_a_journal_that_was_tampered_with_is_set_aside_and_the_line_goes_on(tmp_path: Path) -> None:
    async with with_journal(tmp_path) as floor:
        with closing(sqlite3.connect(floor.journal)) as db:
            db.executescript("DROP TRIGGER events_never_change; DELETE FROM snapshot;"
                             "UPDATE events SET body = '{}' WHERE seq = 2;")  # fmt: skip
        head = floor.head()
        await floor.start("collect")
        await floor.start("sync")
        config = ("--config", floor.config)
        code, out, _ = await invoke("status", *config)
        assert (code, "is damaged" in out or "does not follow" in out) == (0, True), out
        code, out, _ = await invoke("events", "verify", *config)
        assert (code, "seq 2 to 3 are missing" in out, "Kept as found damaged" in out) == (1, True, True), out
        code, out, _ = await invoke("events", "verify", "--json", *config)
        aside, current = json.loads(out)["journals"]
        assert (aside["missing"], aside["last"], aside["events"]) == ("2-3", head, head - 2)
        assert current["problems"] == [] and current["missing"] == ""


async def test_a_data_folder_that_was_moved_in_order_is_called_sound(tmp_path: Path) -> None:
    async with with_journal(tmp_path) as floor:
        data, head = floor.folder / "data", floor.head()
        shutil.copytree(data, tmp_path / "moved")
        shutil.rmtree(data)
        (tmp_path / "moved").rename(data)
        for _ in range(2):
            child = await floor.start("collect")
            assert await child.stop() == 0
            code, out, _ = await invoke("events", "verify", "--config", floor.config)
            assert (code, out.count("sound:"), "NOT" in out) == (0, 2, False), out
            assert f"holds all that the copy did, through seq {head}" in out


async def test_a_start_asks_systemd_for_patience_before_it_reads_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        async with line(tmp_path) as floor:
            await floor.start("collect")
            told = [systemd.recv(100)]
            while told[-1] != b"READY=1":
                told.append(systemd.recv(100))
    assert len(told) >= 3 and set(told[:-1]) == {b"EXTEND_TIMEOUT_USEC=60000000"}


async def test_a_data_dir_with_odd_characters_is_used_by_every_part(tmp_path: Path) -> None:
    async with line(tmp_path) as floor:
        odd = "data #1 100%41 ?mode=memory 数据"
        floor.configure(**{'data_dir = "data"': f'data_dir = "{odd}"'})
        child = await floor.start("run")
        await floor.sign_on()
        code, out, err = await invoke("events", "tail", "--config", floor.config)
        assert code == 0, err
        assert "signed_on" in out
        code, _, err = await invoke("status", "--config", floor.config)
        assert code == 0, err
        assert sorted(one.name for one in floor.folder.iterdir() if one.is_dir()) == [odd]
        assert await child.stop() == 0


async def test_version_is_told() -> None:
    code, out, _ = await invoke("--version")
    assert code == 0
    assert out.startswith("lineside ")
