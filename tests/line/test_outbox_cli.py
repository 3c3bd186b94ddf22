"""`lineside outbox`: what was rejected and why, in words; decisions go to the collector."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from edge.demo.plant import free_port
from edge.station.review.requests import Discard, Request, Retry
from tests.contract.uplink.rig import rigged
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
            found.ids = [one.id for one in rig.quarantine]
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
