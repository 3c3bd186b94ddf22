"""A real endpoint on loopback, and a sender that speaks to it as the contract says."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from edge.demo.endpoint import MASTERDATA, Endpoint
from tests.contract.endpoint.chains import Journal, batch

TOKEN = "token-for-tests"
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/cloudevents-batch+json"}


class Sender:
    """Calls an endpoint. `post` gives the results, `call` the whole answer."""

    def __init__(self, session: aiohttp.ClientSession, endpoint: Endpoint) -> None:
        self.session = session
        self.endpoint = endpoint

    async def call(self, body: bytes, path: str = "", **headers: str) -> tuple[int, str, Any]:
        """Status, content type and JSON of an answer."""
        given = HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.post(self.endpoint.url + path, data=body, headers=given) as answer:
            return answer.status, answer.content_type, await answer.json(content_type=None)

    async def post(self, *bodies: bytes) -> list[dict[str, Any]]:
        """The results of a batch."""
        status, _, answer = await self.call(batch(*bodies))
        assert status == 200, answer
        results: list[dict[str, Any]] = answer["results"]
        return results

    async def statuses(self, *bodies: bytes) -> list[str]:
        """`accepted`, `duplicate`, or the last word of the problem's type."""
        results = await self.post(*bodies)
        return [
            result["problem"]["type"].rpartition(":")[2] if "problem" in result else result["status"]
            for result in results
        ]

    async def get(self, path: str, **headers: str) -> tuple[int, str, str]:
        """Status, content type and text of a page or of its JSON."""
        async with self.session.get(self.endpoint.pages_url + path, headers=headers) as answer:
            return answer.status, answer.content_type, await answer.text()

    async def json(self, path: str) -> Any:
        """A page's JSON."""
        return json.loads((await self.get(path))[2])

    async def received(self, journal: Journal) -> dict[str, Any]:
        """What the endpoint counts of a journal."""
        held = (await self.json("/received.json"))["sources"]
        found: dict[str, Any] = next(row for row in held if row["source"] == journal.source)
        return found


@pytest.fixture
def masterdata(tmp_path: Path) -> Path:
    """A master data file of the test's own."""
    path = tmp_path / "masterdata.json"
    path.write_bytes(MASTERDATA.read_bytes())
    return path


@pytest.fixture
async def endpoint(tmp_path: Path, masterdata: Path) -> AsyncIterator[Endpoint]:
    """An endpoint that asks for the token."""
    async with Endpoint(tmp_path / "erp.db", masterdata, token=TOKEN) as served:
        yield served


@pytest.fixture
async def sender(endpoint: Endpoint) -> AsyncIterator[Sender]:
    """A sender with the right token."""
    async with aiohttp.ClientSession() as session:
        yield Sender(session, endpoint)


def write(path: Path, text: str) -> None:
    """Replace a master data file, as the ERP would."""
    path.write_text(text)


def content(path: Path) -> bytes:
    """A master data file."""
    return path.read_bytes()


def edit(path: Path, **lists: Any) -> None:
    """Replace lists of a master data file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | lists))
