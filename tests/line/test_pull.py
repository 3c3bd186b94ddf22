"""`lineside pull` against a real broker: into a database once, whatever happens between the steps."""

import asyncio
import socket
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from edge.pulling.ledger import Ledger
from edge.pulling.line import Address, Line
from tests.contract.mqtt.broker import BASE, Broker, Rig, needs_mosquitto, rigged
from tests.contract.uplink.rig import facts
from tests.contract.uplink.test_epochs import renamed
from tests.patience import PATIENCE_S

pytestmark = needs_mosquitto


async def started(rig: Rig, database: Path, *options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edge", "pull", "--host", "127.0.0.1", "--port", str(rig.broker.port),
        "--topic", BASE, "--consumer", "erp", "--database", f"sqlite:///{database}", "--no-tls",
        "--limit", "7", *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip


async def pulled(rig: Rig, database: Path, *options: str) -> tuple[int, str]:
    """Run the command to its end; exit code and what it printed."""
    process = await started(rig, database, "--once", *options)
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


def held(database: Path) -> list[tuple[int, str]]:
    with sqlite3.connect(database) as db:
        rows = db.execute("SELECT sequence, id FROM lineside_events ORDER BY sequence").fetchall()
    db.close()
    return [(int(sequence), id_) for sequence, id_ in rows]


async def test_a_database_holds_every_fact_once(tmp_path: Path) -> None:
    database = tmp_path / "erp.db"
    async with rigged(tmp_path) as rig:
        await rig.client()
        code, said = await pulled(rig, database)
        assert code == 0, said
        assert held(database) == await rig.expected() and rig.status().seq == 20
        await rig.append(*facts(5, first=500))
        assert (await pulled(rig, database))[0] == 0
        assert held(database) == await rig.expected() and rig.status().seq == 25


async def test_a_question_does_not_wait_for_the_acknowledgement_sent_before_it(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    await broker.start()
    try:
        address = Address("127.0.0.1", broker.port, BASE, "erp", tls=False)
        line = await asyncio.to_thread(Line, address, f"{BASE}/answer/erp/me", PATIENCE_S)
        sock: Any = line._client.socket()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        line.close()
    finally:
        await broker.kill()


async def test_a_crash_between_commit_and_ack_doubles_nothing(tmp_path: Path) -> None:
    database = tmp_path / "erp.db"
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        page = await rig.ask(client, "pull", {"limit": 9})
        assert Ledger(f"sqlite:///{database}", "erp").take(page["events"], page["next"]).new == 9
        assert rig.status().seq == 0  # the ack was never sent
        assert (await pulled(rig, database))[0] == 0
        assert held(database) == await rig.expected() and rig.status().seq == 20


async def test_what_a_database_lost_is_found_by_halving_and_pulled_again(tmp_path: Path) -> None:
    database = tmp_path / "erp.db"
    async with rigged(tmp_path, count=60) as rig:
        await rig.client()
        code, said = await pulled(rig, database, "--compare")
        assert code == 0 and "agree" in said, said
        with sqlite3.connect(database) as db:
            gone = db.execute("DELETE FROM lineside_events WHERE sequence LIKE '%0'").rowcount
            db.execute("UPDATE lineside_events SET id = 'forged' WHERE sequence LIKE '%033'")
        db.close()
        code, said = await pulled(rig, database, "--compare")
        assert f"{gone + 1} facts were lacking" in said and gone == 6, said
        assert code == 1 and "differs: urn:lineside:site:edge:" in said, said  # what was forged is there, too
        with sqlite3.connect(database) as db:
            db.execute("DELETE FROM lineside_events WHERE id = 'forged'")
        db.close()
        code, said = await pulled(rig, database, "--compare")
        assert code == 0 and "agree" in said, said
        assert held(database) == await rig.expected() and rig.status().seq == 60


@pytest.mark.parametrize("wrong", [("--consumer", "epr"), ("--topic", BASE + "1")])
async def test_a_wrong_name_is_told_and_ends(wrong: tuple[str, str], tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.client()
        code, said = await pulled(rig, tmp_path / "erp.db", *wrong, "--again-s", "0.5")
        said = " ".join(said.split())
        assert code == 3 and f"no answer on {BASE}" in said and wrong[1] in said
        assert "No matching subscribers" in said and "`consumers` of the mqtt uplink" in said
        assert "edge id" in said and "is lineside running" in said and rig.status().seq == 0


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        (None, 2, "Invalid value for '--password-file': file"),
        (b"", 3, "holds no secret. It must hold the secret alone"),
        (b"\xff\xfe", 3, "could not be read: it is no text"),
    ],
    ids=["missing", "empty", "no text"],
)
async def test_a_password_file_that_holds_none_is_told(
    content: bytes | None, code: int, told: str, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edge", "pull", "--host", "127.0.0.1", "--port", "1", "--topic", BASE,
        "--consumer", "erp", "--database", f"sqlite:///{tmp_path / 'erp.db'}", "--no-tls", "--once",
        "--user", "erp", "--password-file", str(file),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == code and told in said.decode() and "Traceback" not in said.decode()


async def test_without_once_silence_is_told_once_and_waited_out(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.client()
        await rig.stop()
        process = await started(rig, tmp_path / "erp.db", "--again-s", "0.5")
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            told = (await process.stdout.readline()).decode()
        assert told.startswith("Asking goes on: no answer on ") and "is lineside running" in told
        rig.start()
        async with asyncio.timeout(PATIENCE_S):
            assert (await process.stdout.readline()).startswith(b"7 new facts, through ")
        process.terminate()
        await process.communicate()


async def test_an_empty_database_behind_the_cursor_is_told_and_compare_fills_it(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.client()
        assert (await pulled(rig, tmp_path / "erp.db"))[0] == 0
        await rig.append(*facts(5, first=500))
        fresh = tmp_path / "fresh.db"
        code, said = await pulled(rig, fresh)
        assert code == 0 and "is empty" in said and f"through {rig.journal.epoch}:20" in said
        assert "--compare" in said and "5 new facts" in said, said
        code, said = await pulled(rig, fresh, "--compare")
        assert code == 0 and "is empty" not in said and "20 facts were lacking" in said, said
        assert held(fresh) == await rig.expected()


async def test_an_empty_database_at_the_head_does_not_agree_before_it_is_filled(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.client()
        assert (await pulled(rig, tmp_path / "erp.db"))[0] == 0
        code, said = await pulled(rig, tmp_path / "fresh.db", "--compare")
        assert code == 0 and "is empty" in said and "20 facts were lacking" in said, said
        assert held(tmp_path / "fresh.db") == await rig.expected()


async def test_what_is_kept_no_more_is_said_and_the_rest_is_compared_and_pulled(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.client()
        assert (await pulled(rig, tmp_path / "erp.db"))[0] == 0
        await rig.journal.prune(10)
        gone = f"{rig.journal.source} 1 to 9: kept no more, so not compared; "
        code, said = await pulled(rig, tmp_path / "erp.db", "--compare")
        assert code == 0 and gone + "9 of 9 are here" in said and "agree" in said, said
        code, said = await pulled(rig, tmp_path / "fresh.db", "--compare")
        assert code == 0 and gone + "0 of 9 are here" in said and "11 facts were lacking" in said, said
        assert held(tmp_path / "fresh.db") == await rig.expected()
        code, said = await pulled(rig, tmp_path / "fresh.db", "--compare")
        assert code == 0 and gone + "0 of 9 are here" in said and "agree" in said, said
        assert rig.alerts() == [], "what is kept no more is no difference"


async def test_a_journal_that_is_gone_is_said_and_the_next_one_is_compared(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.client()
        before = rig.journal.source
        assert (await pulled(rig, tmp_path / "erp.db"))[0] == 0
        await renamed(rig, "edge2")  # type: ignore[arg-type]
        await rig.append(*facts(5, first=100))
        assert (await pulled(rig, tmp_path / "erp.db"))[0] == 0
        for file in tmp_path.glob(f"journal-{before[-16:]}.db*"):
            file.unlink()
        with sqlite3.connect(tmp_path / "erp.db") as db:
            db.execute("DELETE FROM lineside_events WHERE source <> ? AND sequence LIKE '%3'", (before,))
        db.close()
        code, said = await pulled(rig, tmp_path / "erp.db", "--compare")
        gone = f"{before} 1 to 20: not a journal that is kept there, so not compared; 20 of 20 are here"
        assert code == 0 and gone in said and "1 fact was lacking" in said, said
        assert "of what lineside keeps, it and this database agree" in said, said


async def test_a_database_of_which_lineside_keeps_nothing_does_not_agree(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.client()
        assert (await pulled(rig, tmp_path / "erp.db"))[0] == 0
        with sqlite3.connect(tmp_path / "erp.db") as db:
            db.execute("UPDATE lineside_events SET source = 'urn:lineside:site:other:0123456789abcdef'")
        db.close()
        code, said = await pulled(rig, tmp_path / "erp.db", "--compare")
        assert code == 1 and "nothing was compared" in said and "agree" not in said, said


async def test_an_empty_database_is_told_of_earlier_journals_too(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.client()
        assert (await pulled(rig, tmp_path / "erp.db"))[0] == 0
        before = rig.journal.epoch
        await renamed(rig, "edge2")  # type: ignore[arg-type]
        await rig.append(*facts(5, first=100))
        code, said = await pulled(rig, tmp_path / "fresh.db")
        assert code == 0 and "is empty" in said and f"through {before}:20" in said, said


@pytest.mark.parametrize("twice", [False, True])
def test_a_page_that_comes_twice_is_inserted_once(tmp_path: Path, twice: bool) -> None:
    event = {"id": "a", "source": "s", "sequence": "1", "type": "t", "time": "now", "data": {}}
    ledger = Ledger(f"sqlite:///{tmp_path}/erp.db", "erp")
    assert ledger.cursor() is None
    assert ledger.take([event, event], "e:1").new == 1
    if twice:
        assert ledger.take([event, {**event, "id": "b"}], "e:2").new == 1
    assert ledger.cursor() == ("e:2" if twice else "e:1")
