"""`lineside outbox`: what was rejected and why, in words; decisions go to the collector."""

import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from edge.demo.plant import free_port
from edge.station.review.requests import Discard, Request, Retry
from tests.contract.uplink.rig import Rig, rigged
from tests.line.plant import invoke

PROBLEM = {
    "type": "urn:lineside:problem:period",
    "title": "期间已关闭",
    "detail": "2026-10 is closed\x1b[2J",
    "status": 422,
    "period": "2026-10",
}
CONFIG = """
[edge]
id = "edge"
enterprise = "acme"
site = "site"
area = "assembly"
line = "L3"
timezone = "Asia/Shanghai"
data_dir = "{folder}"
[web]
listen = "127.0.0.1:{port}"
[uplinks.erp]
kind = "http"
url = "http://127.0.0.1:9/events"
"""


@dataclass
class Collector:
    """What a collector answers to settlements, and what came."""

    status: int = 200
    answer: dict[str, Any] = field(default_factory=lambda: {"result": "recorded", "message": "3 by chief"})
    asked: list[dict[str, Any]] = field(default_factory=list)
    config: Path = Path()
    ids: list[str] = field(default_factory=list)
    rig: Rig | None = None

    async def decided(self, how: str, *ids: str) -> None:
        """As if a person had decided, while sync does not run."""
        assert self.rig is not None
        await self.rig.review(how, ids)

    async def synced(self) -> None:
        """sync runs until it has read everything, and was answered on all that was released."""
        assert self.rig is not None
        rig = self.rig
        rig.start()
        await rig.drained()
        await rig.until(lambda: not any(one.state == "retrying" for one in rig.quarantine))
        await rig.stop()

    async def settle(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        return web.json_response(self.answer, status=self.status)


@asynccontextmanager
async def quarantined(
    folder: Path, rejected: int = 3, serves: bool = True, **settings: Any
) -> AsyncIterator[Collector]:
    """Some facts in quarantine, and a collector."""
    found, port, app = Collector(config=folder / "lineside.toml"), free_port(), web.Application()
    app.router.add_post("/api/v1/settlements", found.settle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    if serves:
        await web.TCPSite(runner, "127.0.0.1", port).start()
    found.config.write_text(CONFIG.format(folder=folder, port=port))
    try:
        async with rigged(folder, rejected + 10) as rig:
            rig.receiver.poison, rig.receiver.problem = set(range(5, 5 + rejected)), PROBLEM
            await rig.deliver(**settings)
            found.ids, found.rig = [one.id for one in rig.quarantine], rig
            yield found
    finally:
        await runner.cleanup()


async def outbox(collector: Collector, *arguments: str) -> tuple[int, str, str]:
    return await invoke("outbox", *arguments, "--config", collector.config)


async def test_the_list_says_what_waits_where_and_why(tmp_path: Path) -> None:
    async with quarantined(tmp_path) as collector:
        code, said, _ = await outbox(collector, "list")
        assert code == 0 and "0 to send, 3 in quarantine" in said
        assert all(one[-8:] in said for one in collector.ids)
        assert "期间已关闭" in said and "\x1b[2J" not in said
        code, said, _ = await outbox(collector, "list", "--json")
        found = json.loads(said)
        assert [one["id"] for one in found["quarantine"]] == collector.ids
        assert found["quarantine"][0]["why"] == "期间已关闭: 2026-10 is closed [2J. period: 2026-10"
        assert found["receivers"][0]["quarantined"] == 3
        assert found["receivers"][0]["settled_through"] == found["receivers"][0]["posted"] == 13


async def test_what_is_kept_back_behind_a_rejected_fact_is_one_line_for_its_order(tmp_path: Path) -> None:
    async with quarantined(tmp_path, rejected=2, on_reject="hold_order", batch_events=4) as collector:
        first, second, *kept = collector.ids  # 5 and 6; what followed them in their call was taken
        assert len(kept) == 4
        code, said, _ = await outbox(collector, "list")
        assert code == 0 and first[-8:] in said and second[-8:] in said
        assert not any(one[-8:] in said for one in kept)
        (line,) = [line for line in said.splitlines() if "9-12" in line]
        assert "4711" in line and "4 facts" in line and "held" in line
        code, said, _ = await outbox(collector, "list", "--all")
        assert code == 0 and all(one[-8:] in said for one in collector.ids) and "4 facts" not in said


async def test_one_fact_is_shown_with_what_to_do(tmp_path: Path) -> None:
    async with quarantined(tmp_path) as collector:
        code, said, _ = await outbox(collector, "show", collector.ids[1][-8:])
        assert code == 0 and collector.ids[1] in said and "seq 6" in said and "19:06 Asia/Shanghai" in said
        assert "2026-10 is closed" in said and "outbox retry" in said
        code, said, _ = await outbox(collector, "show", collector.ids[1], "--json")
        assert json.loads(said)[0]["event"]["id"] == collector.ids[1]


@pytest.mark.parametrize(("how", "note"), [("retry", None), ("discard", "scrapped sample")])
async def test_a_decision_goes_to_the_collector(how: str, note: str | None, tmp_path: Path) -> None:
    async with quarantined(tmp_path) as collector:
        noted = ["--note", note] if note else []
        code, said, _ = await outbox(collector, how, collector.ids[0][-8:], "--person", "2001", *noted)
        assert code == 0 and "3 by chief" in said
        expected = {"how": how, "settles": [collector.ids[0]], "person": "2001"}
        assert collector.asked == [expected | ({"note": note} if note else {})]
        assert isinstance(
            msgspec.convert(collector.asked[0], Request), Retry | Discard
        )  # as it is read there


async def test_all_are_settled_in_portions(tmp_path: Path) -> None:
    async with quarantined(tmp_path, rejected=130) as collector:
        code, _, _ = await outbox(collector, "retry", "--all", "--uplink", "erp", "--person", "2001")
        assert code == 0
        assert [len(one["settles"]) for one in collector.asked] == [100, 30]
        assert [id_ for one in collector.asked for id_ in one["settles"]] == collector.ids


async def test_a_refusal_is_told_and_is_code_1(tmp_path: Path) -> None:
    async with quarantined(tmp_path) as collector:
        collector.status, collector.answer = 403, {"title": "Nothing recorded", "detail": "2001 may not"}
        code, said, _ = await outbox(collector, "retry", "--all", "--person", "2001")
        assert code == 1 and "2001 may not" in said


async def test_what_is_decided_while_sync_is_stopped_is_not_decided_twice(tmp_path: Path) -> None:
    async with quarantined(tmp_path) as collector:
        first, *others = collector.ids
        await collector.decided("retried", first)
        _, said, _ = await outbox(collector, "list")
        (line,) = [line for line in said.splitlines() if first[-8:] in line]
        assert "waiting, retried" in line and said.count("retried") == 2 and "lineside sync" in said
        _, said, _ = await outbox(collector, "list", "--json")
        assert [one["decided"] for one in json.loads(said)["quarantine"]] == ["retried", None, None]
        code, _, said = await outbox(collector, "retry", first[-8:], "--person", "2001")
        assert code == 1 and "is to be offered again by chief at " in said
        assert "lineside sync acts on it when it runs" in said and "Nothing recorded" in said
        assert collector.asked == []
        assert (await outbox(collector, "retry", "--all", "--person", "2001"))[0] == 0
        assert [one["settles"] for one in collector.asked] == [others]
        await collector.decided("retried", *others)
        code, _, said = await outbox(collector, "retry", "--all", "--person", "2001")
        assert code == 1 and "3 were rejected and are decided" in said and "Nothing recorded" in said
        assert len(collector.asked) == 1
        # To be offered again may still be discarded, and that is the end of it.
        assert (await outbox(collector, "discard", first[-8:], "--person", "1", "--note", "n"))[0] == 0
        await collector.decided("discarded", first)
        for how in (["retry"], ["discard", "--note", "n"]):
            code, _, said = await outbox(collector, *how, first[-8:], "--person", "2001")
            assert code == 1 and "is discarded by chief" in said and "Nothing recorded" in said


async def test_a_decision_that_was_carried_out_does_not_stand_in_the_way_of_the_next(tmp_path: Path) -> None:
    async with quarantined(tmp_path) as collector:
        await collector.decided("retried", *collector.ids)
        await collector.synced()  # rejected again
        _, said, _ = await outbox(collector, "list")
        assert "retried" not in said
        assert (await outbox(collector, "retry", "--all", "--person", "2001"))[0] == 0
        assert collector.asked[0]["settles"] == collector.ids


async def test_a_held_fact_names_what_it_waits_behind(tmp_path: Path) -> None:
    async with quarantined(tmp_path, rejected=2, on_reject="hold_order", batch_events=4) as collector:
        first, _, *kept = collector.ids
        behind = f"is kept back behind {first[-8:]} (seq 5, rejected) of its work order"
        code, said, _ = await outbox(collector, "show", kept[0][-8:])
        assert code == 0 and behind in said and "outbox retry" not in said and "Nothing recorded" not in said
        for how in (["retry"], ["discard", "--note", "n"]):
            code, _, said = await outbox(collector, *how, kept[0][-8:], "--person", "2001")
            assert code == 1 and behind in said and "Nothing recorded" in said
        assert collector.asked == []


async def test_what_is_decided_and_done_is_told_so(tmp_path: Path) -> None:
    async with quarantined(tmp_path) as collector:
        assert collector.rig is not None
        first, second, _ = collector.ids
        await collector.decided("discarded", first)
        collector.rig.receiver.poison = {7}
        await collector.decided("retried", second)
        await collector.synced()
        for fact, told in ((first, "was discarded by chief at "), (second, "was released and is posted now")):
            code, _, said = await outbox(collector, "retry", fact[-8:], "--person", "2001")
            assert code == 1 and told in said and "Nothing recorded" in said
            code, said, _ = await outbox(collector, "show", fact[-8:])
            assert code == 0 and told in said and "outbox retry" not in said
        assert collector.asked == []


async def test_a_receiver_that_did_not_reject_the_fact_is_told_from_the_one_that_did(tmp_path: Path) -> None:
    async with quarantined(tmp_path) as collector:
        more = '[uplinks.ref]\nkind = "http"\nurl = "http://127.0.0.1:9/ref"\nmasterdata_interval_s = 0\n'
        collector.config.write_text(collector.config.read_text() + more)
        fact = collector.ids[0][-8:]
        code, _, said = await outbox(collector, "retry", fact, "-u", "ref", "--person", "2001")
        assert code == 2 and f"{fact} is not in quarantine for ref, but for erp. Nothing recorded" in said
        assert collector.asked == []


async def test_check_says_what_a_renamed_receiver_will_be_sent(tmp_path: Path) -> None:
    async with quarantined(tmp_path) as collector:

        async def warned() -> list[str]:
            _, said, _ = await invoke("check", "--config", collector.config, "--json")
            found: list[str] = json.loads(said)["warnings"]
            return found

        assert await warned() == []
        known = collector.config.read_text()
        collector.config.write_text(known.replace("uplinks.erp", "uplinks.sap"))
        (warning,) = await warned()
        assert warning.startswith(
            "uplinks.sap is new: it begins at the oldest fact and will be sent 13 facts"
        )
        assert "discarded" in warning and "give it its old name back (erp)" in warning
        _, said, _ = await invoke("check", "--config", collector.config)
        assert "give it its old name back (erp)" in " ".join(said.split())
        collector.config.write_text(collector.config.read_text() + 'start = "head"\n')
        (warning,) = await warned()
        assert "begins at what comes next" in warning and "old name back (erp)" in warning
        bus = 'kind = "mqtt"\nhost = "127.0.0.1"\ntls = false\nconsumers = ["a"]\n'
        collector.config.write_text(f"{known}[uplinks.bus]\n{bus}")
        (warning,) = await warned()
        assert warning.startswith("uplinks.bus/a is new") and warning.endswith('or set start = "head"')


async def test_check_warns_of_no_first_receiver(tmp_path: Path) -> None:
    config = tmp_path / "lineside.toml"
    config.write_text(CONFIG.format(folder=tmp_path, port=1))
    _, said, _ = await invoke("check", "--config", config, "--json")
    assert json.loads(said)["warnings"] == []


async def test_a_released_fact_is_counted_apart(tmp_path: Path) -> None:
    async with quarantined(tmp_path) as collector:
        await collector.decided("retried", collector.ids[0])
        with closing(sqlite3.connect(tmp_path / "sync.db")) as db:
            db.execute("UPDATE quarantine SET state = 'retrying' WHERE id = ?", (collector.ids[0],))
            db.commit()
        code, said, _ = await outbox(collector, "list")
        assert code == 0 and "2 in quarantine, 1 released to be sent again" in said
        code, _, said = await outbox(collector, "retry", collector.ids[0][-8:], "--person", "2001")
        assert code == 1 and "is released and goes out again with the next call" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["retry", "--person", "1"], "Name the facts, or give --all. Nothing recorded"),
        (
            ["retry", "--all", "x", "--person", "1"],
            "Name the facts or give --all, not both. Nothing recorded",
        ),
        (["retry", "x", "--person", "1"], "No fact that a receiver rejected ends in 'x'"),
        (["show", "x"], "No fact that a receiver rejected ends in 'x'; `lineside outbox list` names them\n"),
    ],
)
async def test_what_names_nothing_is_told_why(arguments: list[str], said: str, tmp_path: Path) -> None:
    async with quarantined(tmp_path, rejected=0) as collector:
        assert (await outbox(collector, *arguments))[2].startswith(said)


async def test_an_end_that_several_facts_have_names_none(tmp_path: Path) -> None:
    async with quarantined(tmp_path, rejected=17) as collector:
        end = Counter(one[-1] for one in collector.ids).most_common(1)[0][0]  # of sixteen one is there twice
        code, _, said = await outbox(collector, "retry", end, "--person", "1")
        assert code == 2 and f" facts that a receiver rejected end in {end!r}; `lineside outbox" in said
        assert collector.asked == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["retry", "--person", "1"], 2),
        (["retry", "no-such-fact", "--person", "1"], 2),
        (["retry", "", "--person", "1"], 2),
        (["retry", "--all", "no-such-fact", "--person", "1"], 2),
        (["retry", "--all"], 2),
        (["discard", "--all", "--person", "1"], 2),
        (["list", "--uplink", "nobody"], 2),
        (["show", "no-such-fact"], 2),
    ],
)
async def test_what_names_nothing_records_nothing(arguments: list[str], code: int, tmp_path: Path) -> None:
    async with quarantined(tmp_path) as collector:
        assert (await outbox(collector, *arguments))[0] == code
        assert collector.asked == []


async def test_a_collector_that_is_down_is_code_3(tmp_path: Path) -> None:
    async with quarantined(tmp_path, serves=False) as collector:
        code, _, said = await outbox(collector, "retry", "--all", "--person", "2001")
        assert code == 3 and "lineside-collect" in said


async def test_nothing_in_quarantine_is_said(tmp_path: Path) -> None:
    async with quarantined(tmp_path, rejected=0) as collector:
        assert "Nothing is in quarantine" in (await outbox(collector, "list"))[1]
        code, _, said = await outbox(collector, "retry", "--all", "--person", "2001")
        assert code == 1 and "Nothing recorded" in said
