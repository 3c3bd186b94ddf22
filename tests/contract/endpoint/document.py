"""docs/openapi.yaml, read with the standard library: the file is JSON, which is YAML 1.2 as well."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator

PATH = Path(__file__).parents[3] / "docs" / "openapi.yaml"
API: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))


class Shown(NamedTuple):
    """An example of an answer."""

    path: str
    status: int
    title: str
    value: Any


def resolved(part: Mapping[str, Any]) -> dict[str, Any]:
    """What a reference within the document points at."""
    found: Any = part
    while "$ref" in found:
        target: Any = API
        for name in found["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        found = target
    return dict(found)


def validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    """Of a schema that may refer to the document's components; formats are held, too."""
    whole = {**schema, "components": API["components"]}
    return Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)


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


def requests(path: str) -> dict[str, Any]:
    """The examples of what is posted there, by title."""
    (held,) = API["paths"][path]["post"]["requestBody"]["content"].values()
    return {title: example["value"] for title, example in held["examples"].items()}


def answers() -> Iterator[Shown]:
    """The examples of answers."""
    for path, item in API["paths"].items():
        for operation in item.values():
            for status, answer in operation["responses"].items():
                for held in resolved(answer).get("content", {}).values():
                    for title, example in held["examples"].items():
                        yield Shown(path, int(status), title, example["value"])
