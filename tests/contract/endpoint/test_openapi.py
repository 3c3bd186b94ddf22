"""docs/openapi.yaml is sound, and says what the reference endpoint does."""

import json
from pathlib import Path
from typing import Any

import zstandard
from jsonschema import Draft202012Validator

from edge.demo.endpoint import MASTERDATA, Endpoint, Options
from tests.contract.endpoint.chains import Journal, consumed, whole_order
from tests.contract.endpoint.conftest import HEADERS, Sender
from tests.contract.endpoint.document import API, resolved, validator
from tests.contract.endpoint.test_reconciliation import WHOLE, claim


def test_every_schema_is_one_and_every_reference_leads_somewhere() -> None:
    for schema in API["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            if "$ref" in part:
                resolved(part)
            for inner in part.values():
                walk(inner)
        elif isinstance(part, list):
            for inner in part:
                walk(inner)

    walk(API)


def test_what_is_really_sent_fits_the_schemas() -> None:
    journal = whole_order()
    for seq in range(1, len(journal.wire) + 1):
        validator({"$ref": "#/components/schemas/Event"}).validate(journal.decoded(seq))
    validator({"$ref": "#/components/schemas/Claim"}).validate(json.loads(claim(journal, WHOLE)))
    validator({"$ref": "#/components/schemas/MasterData"}).validate(json.loads(MASTERDATA.read_text()))


async def assert_answer(
    sender: Sender, path: str, expected: int, body: bytes | None = None, **headers: str
) -> Any:
    """Call, then hold the answer against the document; its JSON."""
    given = HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}
    method = "GET" if body is None else "POST"
    url = sender.endpoint.url + path.removeprefix("/events")
    async with sender.session.request(method, url, data=body, headers=given) as answer:
        assert answer.status == expected, await answer.text()
        said = resolved(API["paths"][path][method.lower()]["responses"][str(expected)])
        if "content" not in said:
            assert await answer.read() == b""
            return None
        value = await answer.json(content_type=None)
        validator(said["content"][answer.content_type]["schema"]).validate(value)
        return value


async def test_every_answer_is_in_the_document(tmp_path: Path, sender: Sender) -> None:
    unknown = Journal()
    unknown.add(consumed("1", work_order="10049999"))
    rejected = await assert_answer(sender, "/events", 200, b"[" + unknown.wire[0] + b"]")
    assert rejected["results"][0]["status"] == "rejected"
    await assert_answer(sender, "/events", 400, b"<html>")
    await assert_answer(sender, "/events", 401, b"[]", Authorization="Bearer wrong")
    await assert_answer(sender, "/events", 413, b"[" + b",".join([unknown.wire[0]] * 501) + b"]")
    await assert_answer(sender, "/events", 415, b"[]", Content_Encoding="br")
    await assert_answer(sender, "/events/reconciliation", 400, b"[]")
    mismatch = await assert_answer(sender, "/events/reconciliation", 200, claim(whole_order(), WHOLE))
    assert mismatch["match"] is False
    async with sender.session.get(sender.endpoint.url + "/masterdata", headers=HEADERS) as answer:
        etag = answer.headers["ETag"]
    await assert_answer(sender, "/events/masterdata", 304, If_None_Match=etag)
    options = Options(encodings=frozenset(("identity",)))
    async with Endpoint(tmp_path / "old.db", MASTERDATA, options=options) as old:
        await assert_answer(
            Sender(sender.session, old), "/events", 415, zstandard.compress(b"[]"), Content_Encoding="zstd"
        )
