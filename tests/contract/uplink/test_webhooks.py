"""Webhooks against a real server: at least once, over outages and restarts, and no secret in a log."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web

from edge.alerts import Alerts
from edge.settings import Edge, Webhook
from sync.backoff import Backoff
from sync.store import Store
from sync.webhooks.agent import WebhookAgent
from sync.webhooks.body import Template
from sync.webhooks.call import Caller
from tests.patience import PATIENCE_S
from tests.unit.clocks import ManualClock
from tests.unit.test_journal import opened

EDGE = Edge(id="E1", site="s", line="L3", timezone="Asia/Shanghai")
TAKEN: dict[str, Any] = {"errcode": 0, "errmsg": "ok"}


class Robot:
    """A chat robot that answers as it is told; notes what it took."""

    def __init__(self) -> None:
        self.calls: list[web.Request] = []
        self.bodies: list[dict[str, Any]] = []
        self.answers: list[web.Response | None] = []  # the next; None: taken
        self.port = 0
        self.took = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        self.calls.append(request)
        body = await request.json()
        given = self.answers.pop(0) if self.answers else None
        if given is not None:
            return given
        self.bodies.append(body)
        self.took.set()
        return web.json_response(TAKEN)

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(body["alert"]["key"], body["what"]) for body in self.bodies]


@asynccontextmanager
async def listening(robot: Robot) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_post("/robot/send", robot.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", robot.port)
    await site.start()
    robot.port = runner.addresses[0][1]
    try:
        yield
    finally:
        await runner.cleanup()


class Desk:
    """One webhook with its store, begun as often as a test likes."""

    def __init__(self, folder: Path, robot: Robot, **given: object) -> None:
        (folder / "url").write_text(f"http://127.0.0.1:{robot.port}/robot/send?key=s3cret-key\n")
        self.folder = folder
        self.clock = ManualClock()
        values = {"name": "leader", "url_file": str(folder / "url")} | given
        self.webhook = Webhook.model_validate(values)

    @asynccontextmanager
    async def begun(self) -> AsyncIterator[None]:
        self.store = await Store.open(self.folder / "sync.db")
        journal = self.folder / "journal.db"
        self.agent = WebhookAgent(
            self.webhook, EDGE, self.store, journal, self.clock, Backoff(300, lambda: 0.5)
        )
        self.caller = Caller(self.webhook, Template(self.webhook, EDGE), lambda: self.clock.now().wall_ms)
        self.since_ms = await self.agent._begin()
        try:
            yield
        finally:
            await self.caller.close()
            await self.store.close()

    async def round(self) -> float:
        return await self.agent.round(self.caller, self.since_ms)

    async def stand(self, *keys: str) -> None:
        for key in keys:
            await self.store.raise_alert(key, f"{key} happened", "do this", self.clock.now().wall_ms)
            self.clock.advance(1)

    async def standing(self) -> set[str]:
        rows = await self.store.rows("SELECT key FROM alerts WHERE cleared_ms IS NULL")
        return {row[0] for row in rows}


async def test_each_is_told_once_over_a_restart_and_that_it_is_over(tmp_path: Path) -> None:
    robot = Robot()
    async with listening(robot):
        desk = Desk(tmp_path, robot)
        async with desk.begun():
            await desk.stand("a", "b")
            await desk.round()
            await desk.round()
            assert robot.told == [("a", "raised"), ("b", "raised")]
        async with desk.begun():
            await desk.store.clear_alert("a", desk.clock.now().wall_ms)
            await desk.round()
            await desk.round()
            assert robot.told[2:] == [("a", "cleared")]


async def test_the_collectors_alerts_are_told_beside_syncs_own(tmp_path: Path) -> None:
    robot = Robot()
    async with listening(robot), await opened(tmp_path) as journal:
        desk = Desk(tmp_path, robot, alerts=["station.*", "uplink.*"])
        alerts = Alerts(journal, desk.clock)
        async with desk.begun():
            await alerts.stand("station.OP20.no_job", "counts without an order", "scan it")
            await desk.stand("disk", "uplink.erp.paused")
            await desk.round()
            await alerts.clear("station.OP20.no_job")
            await desk.round()
    first, second = ("station.OP20.no_job", "raised"), ("uplink.erp.paused", "raised")
    assert robot.told == [first, second, ("station.OP20.no_job", "cleared")]


async def test_an_outage_costs_nothing_and_is_an_alert_of_its_own(tmp_path: Path) -> None:
    robot = Robot()
    async with listening(robot):
        pass  # the port is known, and nobody listens
    desk = Desk(tmp_path, robot)
    async with desk.begun():
        await desk.stand("a", "b")
        waits = [await desk.round() for _ in range(3)]
        assert waits == [1.0, 2.0, 4.0]
        assert await desk.standing() == {"a", "b"}
        desk.clock.advance(301)
        await desk.round()
        assert await desk.standing() == {"a", "b", "webhook.leader.failing"}
        async with listening(robot):
            await desk.round()
        assert robot.told == [("a", "raised"), ("b", "raised")]
        assert await desk.standing() == {"a", "b"}


async def test_a_robot_that_answers_200_and_an_error_took_nothing(tmp_path: Path) -> None:
    robot = Robot()
    async with listening(robot):
        desk = Desk(tmp_path, robot, kind="wecom")
        async with desk.begun():
            await desk.stand("a")
            robot.answers = [
                web.json_response({"errcode": 93000, "errmsg": "invalid"}),
                web.Response(text="<html>"),
            ]
            await desk.round()
            await desk.round()
            assert robot.bodies == []
            await desk.round()
            assert len(robot.bodies) == 1 and "a happened" in robot.bodies[0]["markdown"]["content"]


async def test_what_is_refused_does_not_hold_up_the_others(tmp_path: Path) -> None:
    robot = Robot()
    async with listening(robot):
        desk = Desk(tmp_path, robot)
        async with desk.begun():
            await desk.stand("a", "b", "c")
            robot.answers = [web.Response(status=400)]
            await desk.round()
            assert robot.told == [("b", "raised"), ("c", "raised")]
            await desk.round()
            assert robot.told[2:] == [("a", "raised")]


async def test_a_wish_to_wait_is_granted(tmp_path: Path) -> None:
    robot = Robot()
    async with listening(robot):
        desk = Desk(tmp_path, robot)
        async with desk.begun():
            await desk.stand("a", "b")
            robot.answers = [web.Response(status=429, headers={"Retry-After": "77"})]
            assert await desk.round() == 77.0
            assert len(robot.calls) == 1


async def test_a_dingtalk_call_is_signed_beside_its_token(tmp_path: Path) -> None:
    robot = Robot()
    async with listening(robot):
        (tmp_path / "secret").write_text("SECabc\n")
        desk = Desk(tmp_path, robot, kind="dingtalk", secret_file=str(tmp_path / "secret"))
        async with desk.begun():
            await desk.stand("a")
            await desk.round()
    query = robot.calls[0].query
    assert query["key"] == "s3cret-key" and query["timestamp"] == str(desk.clock.now().wall_ms)
    assert len(query["sign"]) == 44  # 32 bytes in base64, as they were before they were put into the address


@pytest.mark.parametrize("status", [404, 500])
async def test_no_log_line_and_no_alert_bears_the_secret(tmp_path: Path, status: int) -> None:
    robot = Robot()
    async with listening(robot):
        desk = Desk(tmp_path, robot)
        async with desk.begun():
            await desk.stand("a")
            echo = f"no robot at http://127.0.0.1:{robot.port}/robot/send?key=s3cret-key"
            robot.answers = [web.Response(status=status, text=echo) for _ in range(2)]
            with structlog.testing.capture_logs() as logs:
                await desk.round()
                desk.clock.advance(301)
                await desk.round()
            rows = await desk.store.rows("SELECT text, hint FROM alerts WHERE key GLOB 'webhook.*'")
            said = str(logs) + str([tuple(row) for row in rows])
            assert str(status) in said and "s3cret" not in said


async def test_it_runs_until_it_is_told_to_stop(tmp_path: Path) -> None:
    robot = Robot()
    async with listening(robot):
        desk = Desk(tmp_path, robot)
        async with desk.begun():
            await desk.stand("a")
            running = asyncio.create_task(desk.agent.run())
            await asyncio.wait_for(robot.took.wait(), PATIENCE_S)
            running.cancel()
            await asyncio.wait([running])
        assert robot.told == [("a", "raised")]
