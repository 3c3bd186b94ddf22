"""No secret is shown to anyone: not in a log, an address, a page, a command's output or a file of ours.

Every kind of secret is planted, and the receiver, the authority and the proxy do their worst: whatever they
were sent comes back in what they say, the way debug pages do it. Then everything is searched.
"""

import base64
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus

import aiohttp
import pytest
from aiohttp import web

from edge.demo.plant import free_port
from edge.events import Draft
from edge.ids import new_id
from edge.journal import Journal
from tests.contract.uplink.receiver import decoded
from tests.contract.uplink.rig import START_MS, Time, facts
from tests.line.plant import Child, invoke, spawn, until

SECRETS = {
    "token": "b3arer-PLANTED-1/x+y=",
    "password": "b4sic PLANTED 2:é",
    "client": "cl1ent&PLANTED=3",
    "granted": "gr4nted-PLANTED-4",
    "proxy": "pr0xy-PLANTED-5",
}
CONFIG = """
[edge]
id = "edge"
enterprise = "acme"
site = "site"
area = "assembly"
line = "L3"
timezone = "Asia/Shanghai"
data_dir = "{folder}/data"
[web]
listen = "127.0.0.1:{web}"
[sync]
listen = "127.0.0.1:{sync}"
[uplinks.bearer]
kind = "http"
url = "http://127.0.0.1:{port}/bearer"
token_file = "token"
{common}
[uplinks.basic]
kind = "http"
url = "http://127.0.0.1:{port}/basic"
user = "edge"
password_file = "password"
{common}
[uplinks.oauth]
kind = "http"
url = "http://127.0.0.1:{port}/oauth"
token_url = "http://127.0.0.1:{port}/token"
client_id = "edge"
client_secret_file = "client"
client_auth = "body"
{common}
[uplinks.proxied]
kind = "http"
url = "http://erp.invalid/proxied"
proxy = "http://127.0.0.1:{port}"
proxy_user = "edge"
proxy_password_file = "proxy"
{common}
"""
FACTS = 200
COMMON = """backoff_max_s = 0.2
batch_events = 5
masterdata_interval_s = 0"""


class Echo:
    """Says back what it was sent, in every place where something of an answer is kept or shown."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.held: set[str] = set()  # what came, to prove that secrets really were on the wire

    async def answer(self, request: web.Request) -> web.Response:
        path, body = request.path, await request.read()
        self.calls[path] += 1
        said = json.dumps(dict(request.headers))
        for name in ("Authorization", "Proxy-Authorization"):
            self.held.add(request.headers.get(name, ""))
        if path == "/token":
            self.held.add(body.decode())
            if self.calls[path] % 2:
                return web.json_response({"error": "denied", "error_description": body.decode()}, status=400)
            return web.json_response({"access_token": SECRETS["granted"], "token_type": "Bearer"})
        proof = request.headers.get("Authorization") or request.headers.get("Proxy-Authorization") or ""
        match self.calls[path] % 6:
            case 1:
                return web.Response(status=500, text=f"{proof} {said}")
            case 2:
                return web.Response(status=401, text=f"{proof} {said}")
            case 3:
                return web.Response(status=302, headers={"Location": f"/login?{proof.partition(' ')[2]}"})
            case 4:
                return web.Response(status=200, text=f"<html>{proof}</html>")
        events = json.loads(decoded(body, request.headers.get("Content-Encoding", "identity")))
        problem = {"title": "bad fact", "detail": f"{proof} {said}", proof: proof}
        results = [
            {"id": one["id"], "status": "rejected", "problem": problem, "document": proof} for one in events
        ]
        return web.json_response({"results": results})


@asynccontextmanager
async def syncing(folder: Path) -> AsyncIterator[tuple[Child, Echo, int]]:
    """`lineside sync` at work on four uplinks that echo."""
    for name, secret in SECRETS.items():
        (folder / name).write_text(secret + "\n")
    (folder / "data").mkdir()
    async with await Journal.open(folder / "data" / "journal.db", "site", "edge", Time()) as journal:
        await journal.append(
            [Draft(new_id(START_MS + n), START_MS, fact) for n, fact in enumerate(facts(FACTS - 1))]
        )
    echo, app, port = Echo(), web.Application(), free_port()
    app.router.add_route("*", "/{path:.*}", echo.answer)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sync = free_port()
    text = CONFIG.format(folder=folder, web=port, sync=sync, port=runner.addresses[0][1], common=COMMON)
    (folder / "lineside.toml").write_text(text)
    log = folder / "sync.log"
    child = await spawn("sync", "--config", folder / "lineside.toml", log=log)
    try:
        yield child, echo, sync
    finally:
        await child.kill()
        await runner.cleanup()


def forms() -> dict[str, bytes]:
    """Each secret as it is, and as it goes over the wire."""
    found = {}
    for name, secret in SECRETS.items():
        found[name] = secret.encode()
        found[f"{name}, quoted"] = quote(secret, safe="").encode()
        found[f"{name}, in a form"] = quote_plus(secret).encode()
        found[f"{name}, base64"] = base64.b64encode(f"edge:{secret}".encode())
        found[f"{name}, as JSON"] = json.dumps(secret).strip('"').encode()
    return found


def leaks(where: str, text: bytes) -> list[str]:
    return [f"{where} shows the secret of {name}" for name, form in forms().items() if form in text]


@pytest.mark.timeout(120)
async def test_no_planted_secret_is_shown_anywhere(tmp_path: Path) -> None:
    found: list[str] = []
    async with syncing(tmp_path) as (child, echo, port):
        paths = ("/bearer", "/basic", "/oauth", "/proxied")
        await until(lambda: all(echo.calls[path] >= 13 for path in paths), "enough calls")
        config = ("--config", tmp_path / "lineside.toml")
        for command in (
            ["status"], ["status", "--json"], ["check"], ["outbox", "list"], ["outbox", "list", "--json"]
        ):  # fmt: skip
            _, said, err = await invoke(*command, *config)
            found += leaks(" ".join(command), (said + err).encode())
        async with aiohttp.ClientSession() as session:
            for page in ("status", "metrics", "readyz"):
                async with session.get(f"http://127.0.0.1:{port}/{page}") as answer:
                    found += leaks(page, await answer.read())
        _, said, _ = await invoke("outbox", "list", "--json", *config)
        assert json.loads(said)["quarantine"], "nothing was rejected, so nothing was kept of an echo"
        await child.stop()
        found += leaks("the log", child.log.encode())
        assert "delivery waits" in child.log
    for path in (tmp_path / "data").rglob("*"):
        if path.is_file():
            found += leaks(path.name, path.read_bytes())
    assert not found, "\n".join(found)
    on_the_wire = " ".join(echo.held).encode()
    for name in SECRETS:
        sent = [form for key, form in forms().items() if key.startswith(name)]
        assert any(form in on_the_wire for form in sent), f"{name} never was on the wire"
