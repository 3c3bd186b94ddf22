"""`lineside reconcile`: compared by the running sync with the reference endpoint; shown, kept, printed."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import aiosqlite
import msgspec
from aiohttp import web

from edge.demo.endpoint import Endpoint
from edge.demo.plant import free_port
from edge.settings import load
from sync.certificates.record import Certificate, Counts, Findings, keep
from sync.comparison import Difference
from sync.heldback import Discarded
from sync.registry import KINDS
from sync.service import Sync
from sync.status import load_quarantine, load_status
from sync.store import Store
from sync.tally import Report
from tests.contract.uplink.rig import START_MS, Rig, Time, rigged
from tests.contract.uplink.test_reconciler import changes, steel, swallows
from tests.line.plant import command, invoke, until
from tests.patience import PATIENCE_S

EDGE = """
[edge]
id = "edge"
site = "site"
line = "L3"
timezone = "Asia/Shanghai"
data_dir = "{folder}"
[sync]
listen = "127.0.0.1:{port}"
"""
CONFIG = (
    EDGE
    + """
[uplinks.erp]
kind = "http"
url = "{url}"
masterdata_interval_s = 0
reconcile = "off"
"""
)
PULLED = (
    EDGE
    + """
[uplinks.bus]
kind = "mqtt"
host = "127.0.0.1"
port = 9
tls = false
consumers = ["erp"]
"""
)


@dataclass
class Plant:
    """A journal with a few facts, an endpoint, and where the configuration is."""

    endpoint: Endpoint
    config: Path
    rig: Rig

    async def reconcile(self, *arguments: str) -> tuple[int, str, str]:
        return await invoke("reconcile", *arguments, "--config", self.config)


@asynccontextmanager
async def planted(folder: Path) -> AsyncIterator[Plant]:
    prices = folder / "prices.json"
    prices.write_text("{}")
    async with Endpoint(folder / "erp.db", prices) as endpoint, rigged(folder, 1) as rig:
        await rig.append(steel("1"), steel("2"), steel("4"))
        await rig.store.close()
        config = folder / "lineside.toml"
        config.write_text(CONFIG.format(folder=folder, port=free_port(), url=endpoint.url))
        yield Plant(endpoint, config, rig)


@asynccontextmanager
async def delivering(plant: Plant) -> AsyncIterator[None]:
    """sync runs, and everything is settled."""
    settings = load(plant.config, {}, KINDS)
    async with await Sync.open(settings, Time(START_MS + 1000)) as sync:
        tasks = [asyncio.create_task(run(), name=name) for name, run in sync.parts()]
        try:
            async with asyncio.timeout(PATIENCE_S):
                await sync.listener.listening.wait()
            store = settings.edge.data_dir / "sync.db"
            await until(lambda: any(one.seq == 4 for one in load_status(store).uplinks), "everything settled")
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def status(plant: Plant) -> str:
    """What `lineside status` prints, its cells in one line."""
    _, text, _ = await invoke("status", "--config", plant.config)
    return text


async def metrics(plant: Plant) -> str:
    """What sync tells Prometheus."""
    listen = load(plant.config, {}, KINDS).sync.listen
    async with aiohttp.ClientSession() as session, session.get(f"http://{listen}/metrics") as answer:
        return await answer.text()


async def test_what_matches_is_certified_listed_shown_and_printed(tmp_path: Path) -> None:
    async with planted(tmp_path) as plant:
        code, text, _ = await plant.reconcile("list")
        assert code == 0 and "Nothing was compared yet" in text
        async with delivering(plant):
            code, text, _ = await plant.reconcile("run")
            assert (code, text) == (0, "✓ erp: certificates 1\n")
        code, text, _ = await plant.reconcile("list", "--json")
        (row,) = json.loads(text)["certificates"]
        assert code == 0
        assert (row["verdict"], row["stored"], row["sent"], row["posted"], row["scanned"]) == (
            "match", 4, 4, 4, None,
        )  # fmt: skip
        code, text, _ = await plant.reconcile("show")
        assert code == 0 and "✓ match" in text and "asked" in text
        for name in ("c.html", "c.json"):
            code, _, _ = await plant.reconcile("export", "1", "--to", str(tmp_path / name))
            assert code == 0
        html = (tmp_path / "c.html").read_text(encoding="utf-8")
        assert "对账证明" in html and "scanned 扫码领料" in html and "7 kg" in html
        assert "<script" not in html and "src=" not in html and "href=" not in html
        said = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
        assert said["match"] is True and said["report"]["totals"][0]["quantity"] == "7"
        assert (await plant.reconcile("export", "--to", str(tmp_path / "c.pdf")))[0] == 2
        assert (await plant.reconcile("show", "2"))[0] == 2
        assert (await plant.reconcile("run", "--uplink", "sap"))[0] == 2


async def test_what_differs_ends_with_1_until_it_is_put_right(tmp_path: Path) -> None:
    async with planted(tmp_path) as plant:
        swallows(plant.endpoint, 3)
        async with delivering(plant):
            changes(plant.endpoint, 2, '"quantity":"1"', '"quantity":"11"')
            code, text, _ = await plant.reconcile("run", "--json")
            answer = json.loads(text.splitlines()[-1])["erp"]  # before it a log line of sync
            assert (code, answer["match"], answer["certificates"]) == (1, False, [2])
            code, text, _ = await plant.reconcile("show")
            assert code == 1 and "here" in text and "7" in text and "17" in text
            code, text, _ = await plant.reconcile("list")
            assert code == 1 and "Not proven: certificates 2" in text
            assert "✕ 1 not proven" in await status(plant)
            assert 'lineside_reconciliation_unproven_ranges{uplink="erp"} 1.0' in await metrics(plant)
            assert (await plant.reconcile("show", "1"))[0] == 1
            changes(plant.endpoint, 2, '"quantity":"11"', '"quantity":"1"')
            assert (await plant.reconcile("run"))[0] == 0
            assert (await plant.reconcile("list"))[0] == 0
            assert "not proven" not in await status(plant)
            assert 'lineside_reconciliation_unproven_ranges{uplink="erp"} 0.0' in await metrics(plant)


async def test_what_was_discarded_is_named_with_who_and_why_and_ends_with_0(tmp_path: Path) -> None:
    async with planted(tmp_path) as plant:
        store = tmp_path / "sync.db"
        async with delivering(plant):
            ids = await plant.rig.append(steel("8", work_order=None))
            await until(lambda: len(load_quarantine(store)) == 1, "the rejection")
            code, text, _ = await plant.reconcile("run")
            assert code == 1 and "1 facts wait in quarantine" in text and "1 not proven" in text
            code, text, _ = await plant.reconcile("show")
            assert code == 1 and "✕ no match" in text and "Not posted, undecided: seq 5" in text
            assert "Held back, without a known price and not in it: 1" in text
            await plant.rig.review("discarded", ids, "posted by hand")
            await until(lambda: not load_quarantine(store), "the discard")
            code, text, _ = await plant.reconcile("run")
            assert (code, text.splitlines()[-1]) == (
                0, "! erp: certificates 2, 3; 1 discarded by decision",
            )  # fmt: skip
            assert (await plant.reconcile("run"))[:2] == (0, "✓ erp: nothing new to compare\n")
        code, text, _ = await plant.reconcile("show", "2")
        assert code == 1 and "! agrees but for 1 discarded" in text and "undecided" not in text
        for said in ("Discarded by decision", ids[0][-8:], "chief", "posted by hand"):
            assert said in text, said
        assert "Held back" not in text
        code, text, _ = await plant.reconcile("list", "--json")
        row = next(one for one in json.loads(text)["certificates"] if one["id"] == 2)
        assert code == 0 and (row["verdict"], row["discarded"], row["unposted"]) == ("open", 1, 1)
        code, text, _ = await plant.reconcile("list")
        assert code == 0 and "Not proven" not in text


async def test_where_receivers_pull_nobody_is_told_to_run_and_what_they_found_counts(tmp_path: Path) -> None:
    config = tmp_path / "lineside.toml"
    config.write_text(PULLED.format(folder=tmp_path, port=free_port()))
    code, text, _ = await invoke("reconcile", "list", "--config", config)
    assert code == 0 and "Nothing was compared yet" in text
    assert "reconcile run" not in text and "compares by itself" in text
    code, _, errors = await invoke("reconcile", "run", "--config", config)
    assert code == 2 and "compares by itself" in errors
    await stored(tmp_path, differing("bus/erp", ""))
    code, text, _ = await invoke("reconcile", "list", "--config", config)
    assert code == 1 and "Not proven: certificates 1" in text
    code, text, _ = await invoke("status", "--config", config)
    assert "1 not proven" in " ".join(text.replace("│", " ").split())


def differing(uplink: str, occasion: str, first: int = 1) -> Certificate:
    """A certificate that does not match."""
    report = Report("urn:x", first, first + 2, 3, "d" * 64, [], [])
    findings = Findings(Counts(None, 3, 3, 3), differences=(Difference("count", "3", "1"),))
    return Certificate(0, uplink, "e" * 16, occasion, START_MS, False, report, findings)


async def stored(folder: Path, *made: Certificate) -> None:
    async def work(connection: aiosqlite.Connection) -> None:
        for one in made:
            await keep(connection, one, b"")

    async with await Store.open(folder / "sync.db") as store:
        await store.transact(work)


async def test_a_receiver_that_is_configured_no_more_counts_only_where_it_is_asked_for(
    tmp_path: Path,
) -> None:
    config = tmp_path / "lineside.toml"
    config.write_text(CONFIG.format(folder=tmp_path, port=free_port(), url="http://127.0.0.1:9/events"))
    await stored(tmp_path, differing("sap", "day 2026-11-17"), differing("sap", "day 2026-11-18", 4))

    async def reconcile(*arguments: str) -> tuple[int, str, str]:
        code, text, errors = await invoke("reconcile", *arguments, "--config", config)
        return code, " ".join(text.replace("│", " ").split()), errors

    code, text, _ = await reconcile("list")
    assert code == 0 and "Not proven" not in text
    assert "configured no more (sap), and never proven: 1, 2" in text
    code, text, _ = await reconcile("list", "--json")
    said = json.loads(text)
    assert code == 0 and (said["open"], said["removed"]) == ([], [1, 2])
    assert [one["configured"] for one in said["certificates"]] == [False, False]
    code, text, _ = await reconcile("list", "-u", "sap")
    assert code == 1 and "Not proven: certificates 1, 2" in text
    code, text, _ = await reconcile("show", "1")
    assert code == 1 and "sap (configured no more)" in text
    code, _, errors = await reconcile("run", "-u", "sap")
    assert (
        code == 2 and "configured no more" in errors and "reconcile list -u sap" in errors.replace("\n", " ")
    )
    code, _, errors = await reconcile("list", "-u", "nobody")
    assert code == 2 and "There is no receiver" in errors
    await stored(tmp_path, differing("erp", "asked"))
    code, text, _ = await reconcile("list")
    assert code == 1 and "Not proven: certificates 3." in text


async def test_no_metric_counts_a_receiver_that_is_configured_no_more(tmp_path: Path) -> None:
    async with planted(tmp_path) as plant:
        await stored(tmp_path, differing("sap", "day 2026-11-17"), differing("erp", "asked"))
        async with delivering(plant):
            text = await metrics(plant)
        assert 'lineside_reconciliation_unproven_ranges{uplink="erp"} 1.0' in text
        assert 'reconciliation_unproven_ranges{uplink="sap"}' not in text


async def test_a_list_reads_at_80_columns_and_says_the_zone_once(tmp_path: Path) -> None:
    config = tmp_path / "lineside.toml"
    config.write_text(CONFIG.format(folder=tmp_path, port=free_port(), url="http://127.0.0.1:9/events"))
    gone = tuple(Discarded(n, f"{n:036}", "material.consumed", "10045678", "1043", "by hand", START_MS)
                 for n in (2, 3))  # fmt: skip
    one = differing("erp", "shift night 2026-11-22", 100_001)
    report = msgspec.structs.replace(one.report, excluded=[2, 3])
    findings = Findings(Counts(53, 53, 53, 51, 2), waiting=1, discarded=gone)
    match = msgspec.structs.replace(one, match=True, findings=msgspec.structs.replace(findings, discarded=()))
    agrees = msgspec.structs.replace(one, report=report, findings=findings, occasion="day 2026-11-22")
    await stored(tmp_path, match, agrees, differing("bus/erp", ""))
    code, text, _ = await command("reconcile", "list", "--config", config, columns=80)
    assert code == 0 and max(map(len, text.splitlines())) <= 83, "the last line is a sentence"
    assert "…" not in text and text.count("Asia/Shanghai") == 1
    for said in ("2026-11-22", "2026-11-18", "receiver", "occasion", "quarantine", "discarded", "19:06"):
        assert said in text, said
    code, text, _ = await command("reconcile", "show", "2", "--config", config, columns=80)
    assert code == 1 and "material.consumed" in text and text.count("Asia/Shanghai") == 1
    code, text, _ = await command("reconcile", "show", "1", "--config", config, columns=80)
    assert code == 0 and "! match, quarantine open" in text, "it speaks of its own range"


async def test_status_shows_what_a_receiver_says_as_it_stands(tmp_path: Path) -> None:
    async with planted(tmp_path) as plant:
        said = "[/orders] is [red]closed[/]"
        async with delivering(plant):
            pass
        connection = sqlite3.connect(tmp_path / "sync.db")
        with connection:
            connection.execute("UPDATE uplinks SET state = 'backoff', detail = ?", (said,))
        connection.close()
        text = await status(plant)
        assert "".join(said.split()) in text.replace(" ", "").replace("\n", "").replace("│", "")


async def test_sync_compares_for_programs_and_not_for_pages_of_other_sites(tmp_path: Path) -> None:
    async with planted(tmp_path) as plant, delivering(plant):
        url = f"http://{load(plant.config, {}, KINDS).sync.listen}/api/v1/reconciliations"
        async with aiohttp.ClientSession() as session:

            async def asked(body: bytes, content_type: str = "application/json") -> int:
                async with session.post(url, data=body, headers={"Content-Type": content_type}) as answer:
                    return answer.status

            assert await asked(b'{"uplink": "erp"}', "text/plain") == 415
            assert await asked(b'{"uplink": 1}') == 400
            assert await asked(b'{"uplink": "sap"}') == 404
            assert await asked(b'{"uplink": "erp"}') == 200


async def test_who_does_not_answer_ends_with_3(tmp_path: Path) -> None:
    async with planted(tmp_path) as plant:
        code, _, errors = await plant.reconcile("run")
        assert code == 3 and "systemctl status lineside-sync" in errors
        async with delivering(plant):
            await plant.endpoint.cut()
            code, text, _ = await plant.reconcile("run")
            assert code == 3 and "✕ erp: " in text


async def test_an_answer_that_is_none_is_said_with_the_name_once(tmp_path: Path) -> None:
    async with planted(tmp_path) as plant:
        receiver = plant.rig.receiver
        text = plant.config.read_text().replace(plant.endpoint.url, receiver.url)
        plant.config.write_text(text)
        receiver.reconciling = lambda: web.json_response({"match": "yes"})
        async with delivering(plant):
            code, text, _ = await plant.reconcile("run")
            assert code == 3 and "✕ erp: reconciliation answered 200 with something that is no" in text
            assert "Expected `bool`" in text and "no certificate was made" in text
