"""OAuth2 client credentials: tokens are fetched, kept, renewed in time, and replaced when refused."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import pytest
from aiohttp import web

from edge.faults import UplinkFault
from sync.oauth2 import ClientCredentials
from sync.settings import HttpSettings
from sync.wire import Wire
from tests.contract.uplink.receiver import Receiver
from tests.contract.uplink.rig import Time, rigged
from tests.contract.uplink.test_delivery import posted_once_in_order

SECRET = "s3cr3t :&é/+%"


@dataclass
class Authority:
    """Gives tokens that live `life_s`; knows one client."""

    life_s: Any = 3600
    answers: list[web.Response] = field(default_factory=list)  # instead of the next ones
    asked: list[dict[str, str]] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    url: str = ""

    async def token(self, request: web.Request) -> web.Response:
        form = {key: value[0] for key, value in parse_qs(await request.text()).items()}
        if "client_id" not in form:
            user, _, password = (
                base64.b64decode(request.headers["Authorization"].removeprefix("Basic "))
                .decode()
                .partition(":")
            )
            form |= {"client_id": unquote_plus(user), "client_secret": unquote_plus(password), "by": "basic"}
        self.asked.append(form)
        if self.answers:
            return self.answers.pop(0)
        if (form["client_id"], form["client_secret"]) != ("edge 1", SECRET):
            problem = {"error": "invalid_client", "error_description": f"{form['client_secret']} is wrong"}
            return web.json_response(problem, status=401)
        self.given.append(f"token-{len(self.given)}")
        said = {"access_token": self.given[-1], "token_type": "bearer", "expires_in": self.life_s}
        return web.json_response({key: value for key, value in said.items() if value is not None})


@pytest.fixture
async def authority() -> AsyncIterator[Authority]:
    found, app = Authority(), web.Application()
    app.router.add_post("/token", found.token)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/token"
    yield found
    await runner.cleanup()


def configured(authority: Authority, folder: Path, **more: Any) -> dict[str, Any]:
    (folder / "client").write_text(f"{SECRET}\n")
    given = {"token_url": authority.url, "client_id": "edge 1", "client_secret_file": str(folder / "client")}
    return {**given, "batch_events": 5, **more}


@asynccontextmanager
async def asking(authority: Authority, folder: Path) -> AsyncIterator[tuple[Time, ClientCredentials]]:
    """A client of the authority, and its clock."""
    given = {"kind": "http", "url": "http://127.0.0.1:9/events", **configured(authority, folder)}
    settings, time = HttpSettings.model_validate(given), Time()
    wire = Wire(settings)
    try:
        yield time, ClientCredentials(settings, wire, time)
    finally:
        await wire.close()


def takes(*tokens: str) -> Any:
    """401 to a call without one of these."""

    async def mood(_: Receiver, request: web.Request, __: Any) -> web.Response | None:
        right = request.headers.get("Authorization") in {f"Bearer {token}" for token in tokens}
        return None if right else web.Response(status=401, text="no such token")

    return mood


@pytest.mark.parametrize("how", ["basic", "body"])
async def test_one_token_serves_all_calls(how: str, authority: Authority, tmp_path: Path) -> None:
    async with rigged(tmp_path, **configured(authority, tmp_path, scope="a b", client_auth=how)) as rig:
        rig.receiver.always = takes("token-0")
        await rig.deliver()
        await posted_once_in_order(rig)
        assert len(authority.asked) == 1 and rig.time.slept_s == []
        form = authority.asked[0]
        assert (form["grant_type"], form["scope"]) == ("client_credentials", "a b")
        assert form.get("by") == ("basic" if how == "basic" else None)


async def test_a_token_is_renewed_before_it_ends(authority: Authority, tmp_path: Path) -> None:
    async with asking(authority, tmp_path) as (time, client):
        proofs = [await client.header()]
        for forward_s in (3539, 2, 3500):
            time.now_ms += 1000 * forward_s
            proofs.append(await client.header())
        assert proofs == ["Bearer token-0", "Bearer token-0", "Bearer token-1", "Bearer token-1"]


async def test_a_token_that_is_refused_is_replaced_at_once(authority: Authority, tmp_path: Path) -> None:
    async with rigged(tmp_path, **configured(authority, tmp_path)) as rig:
        rig.receiver.always = takes("token-1")
        await rig.deliver()
        await posted_once_in_order(rig)
        assert authority.given == ["token-0", "token-1"]
        assert rig.time.slept_s == [] and rig.alerts(standing=False) == []


async def test_a_receiver_that_refuses_every_token_is_a_pause(authority: Authority, tmp_path: Path) -> None:
    async with rigged(tmp_path, **configured(authority, tmp_path)) as rig:
        rig.receiver.always = takes("never")
        rig.start()
        await rig.until(lambda: rig.alerts() == ["uplink.erp.paused"])
        rig.receiver.always = None
        await rig.drained()
        await posted_once_in_order(rig)


async def test_calls_at_once_fetch_one_token(authority: Authority, tmp_path: Path) -> None:
    async with asking(authority, tmp_path) as (_, client):
        assert set(await asyncio.gather(*[client.header() for _ in range(8)])) == {"Bearer token-0"}
        assert len(authority.asked) == 1


async def test_a_wrong_secret_is_a_pause_until_the_file_is_right(
    authority: Authority, tmp_path: Path
) -> None:
    async with rigged(tmp_path, **configured(authority, tmp_path)) as rig:
        (tmp_path / "client").write_text("wr0ng-s3cret")
        rig.start()
        await rig.until(lambda: rig.status is not None and rig.status.state == "paused")
        assert rig.status is not None and rig.receiver.calls == []
        assert "invalid_client" in rig.status.detail and "client_secret_file" in rig.status.hint
        assert "wr0ng-s3cret" not in rig.status.detail
        (tmp_path / "client").write_text(SECRET)
        await rig.drained()
        await posted_once_in_order(rig)


NO_TOKENS = {
    "503": {"status": 503},
    "HTML": {"text": "<html>", "content_type": "text/html"},
    "redirect": {"status": 302, "headers": {"Location": "http://127.0.0.1:9/"}},
    "no token": {"text": '{"token_type": "bearer"}'},
    "another type": {"text": '{"access_token": "x", "token_type": "mac"}'},
    "a token with a line break": {"text": '{"access_token": "x\\r\\nX-A: b", "token_type": "Bearer"}'},
    "nesting": {"text": "[" * 100_000},
}


@pytest.mark.parametrize("name", NO_TOKENS)
async def test_an_authority_out_of_order_is_asked_again(
    name: str, authority: Authority, tmp_path: Path
) -> None:
    async with rigged(tmp_path, **configured(authority, tmp_path)) as rig:
        authority.answers = [web.Response(**NO_TOKENS[name]), web.Response(**NO_TOKENS[name])]
        await rig.deliver()
        await posted_once_in_order(rig)
        assert len(rig.time.slept_s) == 2 and rig.alerts(standing=False) == []


async def test_a_token_is_used_to_its_end_while_the_authority_is_away(
    authority: Authority, tmp_path: Path
) -> None:
    async with asking(authority, tmp_path) as (time, client):
        await client.header()
        authority.answers = [web.Response(status=503) for _ in range(2)]
        time.now_ms += 3_590_000
        assert await client.header() == "Bearer token-0"
        time.now_ms += 11_000
        with pytest.raises(UplinkFault, match="without a bearer token"):
            await client.header()
        assert await client.header() == "Bearer token-1"


@pytest.mark.parametrize(
    ("said", "kept_s"), [("120", 95), (None, 235), (-5, 235), (10**9, 86_339), ("x", 235)]
)
async def test_how_long_a_token_is_kept(said: Any, kept_s: int, authority: Authority, tmp_path: Path) -> None:
    authority.life_s = said
    async with asking(authority, tmp_path) as (time, client):
        await client.header()
        time.now_ms += 1000 * kept_s
        assert await client.header() == "Bearer token-0"
        time.now_ms += 10_000
        assert await client.header() == "Bearer token-1"
