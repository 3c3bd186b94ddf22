"""docs/openapi.yaml says what the reference endpoint does. The file is JSON, which is YAML 1.2 as well, so
that it is read here with the standard library."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from jsonschema import Draft202012Validator

from edge.demo.endpoint import MASTERDATA, Endpoint, Options
from tests.contract.endpoint.chains import Journal, consumed, whole_order
from tests.contract.endpoint.conftest import HEADERS, Sender
from tests.contract.endpoint.test_reconciliation import WHOLE, claim

API: dict[str, Any] = json.loads((Path(__file__).parents[3] / "docs" / "openapi.yaml").read_text())


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """What a reference within the document points at."""
    found: Any = {"$ref": part["$ref"]} if "$ref" in part else part
    while "$ref" in found:
        target: Any = API
        for name in found["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        found = target
    return dict(found)


def assert_valid(schema: dict[str, Any], value: Any) -> None:
    """The value fits a schema that may refer to the document's components."""
    Draft202012Validator(
        {**schema, "components": API["components"]}, format_checker=Draft202012Validator.FORMAT_CHECKER
    ).validate(value)


def bodies() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every media type object of the document with a name for it."""
    for path, item in API["paths"].items():
        for method, operation in item.items():
            if "requestBody" in operation:
                for held in operation["requestBody"]["content"].values():
                    yield f"{method} {path}", held
            for status, answer in operation["responses"].items():
                for held in resolved(answer).get("content", {}).values():
                    yield f"{method} {path} {status}", held


EXAMPLES = [
    pytest.param(held["schema"], example["value"], id=f"{name}: {title}")
    for name, held in bodies()
    for title, example in held.get("examples", {}).items()
]


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


@pytest.mark.parametrize(("schema", "example"), EXAMPLES)
def test_examples_fit_their_schemas(schema: dict[str, Any], example: Any) -> None:
    assert_valid(schema, example)


def test_what_is_really_sent_fits_the_schemas() -> None:
    journal = whole_order()
    for seq in range(1, len(journal.wire) + 1):
        assert_valid({"$ref": "#/components/schemas/Event"}, journal.decoded(seq))
    assert_valid({"$ref": "#/components/schemas/Claim"}, json.loads(claim(journal, WHOLE)))
    assert_valid({"$ref": "#/components/schemas/MasterData"}, json.loads(MASTERDATA.read_text()))


def example_of(path: str, title: str) -> bytes:
    """A request body of the document."""
    (held,) = API["paths"][path]["post"]["requestBody"]["content"].values()
    return json.dumps(held["examples"][title]["value"]).encode()


async def assert_answer(
    sender: Sender, path: str, expected: int, body: bytes | None = None, **headers: str
) -> Any:
    """Call, then hold the answer against the document; its JSON."""
    given = HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}
    method = "GET" if body is None else "POST"
    url = sender.endpoint.url + path.rstrip("/")
    async with sender.session.request(method, url, data=body, headers=given) as answer:
        assert answer.status == expected, await answer.text()
        said = resolved(API["paths"][path][method.lower()]["responses"][str(expected)])
        if "content" not in said:
            assert await answer.read() == b""
            return None
        value = await answer.json(content_type=None)
        assert_valid(said["content"][answer.content_type]["schema"], value)
        return value


async def test_the_answers_to_the_examples_are_those_of_the_document(sender: Sender) -> None:
    first = await assert_answer(sender, "/", 200, example_of("/", "two facts"))
    assert [result["status"] for result in first["results"]] == ["accepted", "accepted"]
    again = await assert_answer(sender, "/", 200, example_of("/", "two facts"))
    assert [result["status"] for result in again["results"]] == ["duplicate", "duplicate"]
    await assert_answer(sender, "/", 200, example_of("/", "nothing"))
    compared = await assert_answer(sender, "/reconciliation", 200, example_of("/reconciliation", "one lot"))
    assert compared["match"] is True
    await assert_answer(sender, "/masterdata", 200)


async def test_every_other_answer_is_in_the_document_too(tmp_path: Path, sender: Sender) -> None:
    unknown = Journal()
    unknown.add(consumed("1", work_order="10049999"))
    rejected = await assert_answer(sender, "/", 200, b"[" + unknown.wire[0] + b"]")
    assert rejected["results"][0]["status"] == "rejected"
    await assert_answer(sender, "/", 400, b"<html>")
    await assert_answer(sender, "/", 401, b"[]", Authorization="Bearer wrong")
    await assert_answer(sender, "/", 413, b"[" + b",".join([unknown.wire[0]] * 501) + b"]")
    await assert_answer(sender, "/", 415, b"[]", Content_Encoding="br")
    await assert_answer(sender, "/reconciliation", 400, b"[]")
    mismatch = await assert_answer(sender, "/reconciliation", 200, claim(whole_order(), WHOLE))
    assert mismatch["match"] is False
    async with sender.session.get(sender.endpoint.url + "/masterdata", headers=HEADERS) as answer:
        etag = answer.headers["ETag"]
    await assert_answer(sender, "/masterdata", 304, If_None_Match=etag)
    options = Options(encodings=frozenset(("identity",)))
    async with Endpoint(tmp_path / "old.db", MASTERDATA, options=options) as old:
        await assert_answer(
            Sender(sender.session, old), "/", 415, zstandard.compress(b"[]"), Content_Encoding="zstd"
        )
