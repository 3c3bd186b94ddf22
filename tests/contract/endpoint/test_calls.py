"""Whole calls: who may, in which encoding, how large; the network that goes and comes back."""

import asyncio
import gzip
import json
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import aiohttp
import pytest
import zstandard

from edge.demo.endpoint import MASTERDATA, Endpoint, Options
from tests.contract.endpoint.chains import Journal, batch, consumed
from tests.contract.endpoint.conftest import HEADERS, Sender, content, write


def some(count: int = 3) -> bytes:
    journal = Journal()
    for _ in range(count):
        journal.add(consumed("1"))
    return batch(*journal.wire)


async def test_every_encoding_of_the_contract_is_read(sender: Sender) -> None:
    plain = some()
    for body, encoding in (
        (zstandard.compress(plain), "zstd"),
        (gzip.compress(plain), "gzip"),
        (plain, "identity"),
    ):
        status, kind, answer = await sender.call(body, Content_Encoding=encoding)
        assert (status, kind, len(answer["results"])) == (200, "application/json", 3)


async def test_an_encoding_switched_off_is_a_415_that_names_the_others(
    tmp_path: Path, sender: Sender
) -> None:
    options = Options(encodings=frozenset(("gzip", "identity")))
    async with Endpoint(tmp_path / "old.db", MASTERDATA, options=options) as old:
        body, headers = zstandard.compress(some()), HEADERS | {"Content-Encoding": "zstd"}
        async with sender.session.post(old.url, data=body, headers=headers) as answer:
            assert (answer.status, answer.headers["Accept-Encoding"]) == (415, "gzip, identity")
        assert (await Sender(sender.session, old).call(gzip.compress(some()), Content_Encoding="gzip"))[
            0
        ] == 200


async def test_another_media_type_is_a_415(sender: Sender) -> None:
    assert (await sender.call(some(), Content_Type="application/json"))[0] == 415


async def test_no_token_no_answer(sender: Sender) -> None:
    url = sender.endpoint.url
    for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic dTpw"}):
        headers = {"Content-Type": HEADERS["Content-Type"], **header}
        for method, path in (("POST", ""), ("POST", "/reconciliation"), ("GET", "/masterdata")):
            async with sender.session.request(method, url + path, data=b"[]", headers=headers) as answer:
                assert (answer.status, answer.content_type) == (401, "application/problem+json")
                assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert (await sender.json("/received.json"))["sources"] == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b"<html><body>It works!</body></html>",
        b'{"id": "one"}',
        b"[1]",
        b"[{}]",
        b'[{"id": 7}]',
        b'[{"id": "a", "data": NaN}]',
        b"\xff\xfe",
        b"[" * 100_000,
        b'[{"id": "\\ud800"}]',
    ],
)
async def test_a_malformed_body_is_a_400_and_records_nothing(sender: Sender, body: bytes) -> None:
    status, kind, problem = await sender.call(body)
    assert (status, kind) == (400, "application/problem+json")
    assert "Nothing was recorded" in problem["detail"]
    assert (await sender.json("/received.json"))["sources"] == []


@pytest.mark.parametrize("encoding", ["zstd", "gzip"])
async def test_a_broken_or_cut_off_body_is_a_400(sender: Sender, encoding: str) -> None:
    packed = zstandard.compress(some()) if encoding == "zstd" else gzip.compress(some())
    for body in (b"not packed", packed[: len(packed) // 2]):
        assert (await sender.call(body, Content_Encoding=encoding))[0] == 400


async def test_an_odd_text_is_rejected_without_harm(sender: Sender) -> None:
    journal = Journal()
    journal.add(consumed("1"))
    lone = json.dumps(journal.decoded(1)).encode().replace(b'"A2207"', b'"\\ud800"')
    assert await sender.statuses(lone) == ["invalid"]
    assert await sender.statuses(*journal.wire) == ["accepted"]


async def test_too_much_is_a_413(tmp_path: Path, sender: Sender) -> None:
    assert (await sender.call(some(501)))[0] == 413
    bomb = b" " * (64 << 20)
    for body, encoding in ((zstandard.compress(bomb), "zstd"), (gzip.compress(bomb), "gzip")):
        assert (await sender.call(body, Content_Encoding=encoding))[0] == 413
    async with Endpoint(tmp_path / "small.db", MASTERDATA, options=Options(batch_bytes=1000)) as small:
        assert (await Sender(sender.session, small).call(some(3)))[0] == 413


async def test_an_empty_batch_is_no_mistake(sender: Sender) -> None:
    assert (await sender.call(b"[]"))[2] == {"results": []}


async def test_a_wrong_path_or_method_is_a_problem_too(sender: Sender) -> None:
    status, kind, _ = await sender.call(b"", path="/nothing")
    assert (status, kind) == (404, "application/problem+json")
    assert (await sender.get("/costing/events"))[:2] == (405, "application/problem+json")


async def test_a_full_disk_is_a_503_and_the_next_try_is_taken(sender: Sender, endpoint: Endpoint) -> None:
    await sender.call(some(1))
    ledger = endpoint.ledger

    def limit(pages: int) -> None:
        ledger._db.execute(f"PRAGMA max_page_count = {pages}").fetchone()

    await ledger.run(limit, 1)
    status, kind, _ = await sender.call(some(400))
    assert (status, kind) == (503, "application/problem+json")
    await ledger.run(limit, 1 << 30)
    results = (await sender.call(some(400)))[2]["results"]
    assert [result["status"] for result in results] == ["duplicate"] + ["accepted"] * 399


async def test_the_endpoint_runs_by_itself(tmp_path: Path, sender: Sender) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edge.demo.endpoint", "--db", str(tmp_path / "own.db"), stdout=PIPE
    )
    try:
        assert process.stdout is not None
        address = (await process.stdout.readline()).split()[1].decode()
        async with sender.session.post(address, data=some(), headers=HEADERS) as answer:
            assert answer.status == 200
    finally:
        process.terminate()
    assert await process.wait() == 0


async def test_cut_refuses_and_restore_listens_at_the_same_place(sender: Sender, endpoint: Endpoint) -> None:
    await sender.call(some())
    url = endpoint.url
    await endpoint.cut()
    await endpoint.cut()
    with pytest.raises(aiohttp.ClientConnectionError):
        await sender.call(some())
    await endpoint.restore()
    assert endpoint.url == url
    results = (await sender.call(some()))[2]["results"]
    assert [result["status"] for result in results] == ["duplicate"] * 3


async def test_a_call_that_the_cut_interrupts_is_taken_whole_or_not_at_all(
    sender: Sender, endpoint: Endpoint
) -> None:
    journal = Journal()
    for _ in range(400):
        journal.add(consumed("1"))
    call = asyncio.create_task(sender.post(*journal.wire))
    await asyncio.sleep(0.01)
    await endpoint.cut()
    await asyncio.gather(call, return_exceptions=True)
    await endpoint.restore()
    results = await sender.post(*journal.wire)
    assert len({result["status"] for result in results}) == 1
    assert (await sender.received(journal))["accepted"] == 400


async def test_master_data_is_sent_once_per_version(sender: Sender, masterdata: Path) -> None:
    url, auth = sender.endpoint.url + "/masterdata", {"Authorization": HEADERS["Authorization"]}
    async with sender.session.get(url, headers=auth) as answer:
        assert (answer.status, answer.content_type) == (200, "application/json")
        assert await answer.read() == content(masterdata)
        etag = answer.headers["ETag"]
    async with sender.session.get(url, headers=auth | {"If-None-Match": etag}) as answer:
        assert (answer.status, await answer.read(), answer.headers["ETag"]) == (304, b"", etag)
    write(masterdata, '{"periods": []}')
    async with sender.session.get(url, headers=auth | {"If-None-Match": etag}) as answer:
        assert (answer.status, await answer.json()) == (200, {"periods": []})


async def test_broken_master_data_is_not_taken(sender: Sender, masterdata: Path) -> None:
    url, auth = sender.endpoint.url + "/masterdata", {"Authorization": HEADERS["Authorization"]}
    before = content(masterdata)
    write(masterdata, '{"periods": [{"from": 3}]}')
    async with sender.session.get(url, headers=auth) as answer:
        assert await answer.read() == before
