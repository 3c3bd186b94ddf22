"""JSON Schemas of the facts, generated from the types; `make schemas` writes them to docs/schemas.

One file a type, the whole CloudEvent with its data. A test compares the files with what is generated.
"""

import json
from pathlib import Path
from typing import Any

import msgspec

from edge.events import COSTED, FACTS, Fact

DRAFT = "https://json-schema.org/draft/2020-12/schema"
INSTANT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"


def schemas() -> dict[str, dict[str, Any]]:
    """The schema of each event type, by type."""
    return {kind: _event(kind, fact) for kind, fact in FACTS.items()}


def write(folder: Path) -> None:
    """Write all schemas; files of types that are gone are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = schemas()
    for old in folder.glob("lineside.*.json"):
        if old.name.removesuffix(".json") not in wanted:
            old.unlink()
    for kind, schema in wanted.items():
        (folder / f"{kind}.json").write_text(text(schema), encoding="utf-8")


def text(schema: dict[str, Any]) -> str:
    """A schema as it stands in its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _event(kind: str, fact: type[Fact]) -> dict[str, Any]:
    (data,), parts = msgspec.json.schema_components([fact], ref_template="#/$defs/{name}")
    string = {"type": "string"}
    cost = "It carries cost." if kind in COSTED else "It is evidence and carries no cost."
    return {
        "$schema": DRAFT,
        "title": kind,
        "description": f"{(fact.__doc__ or '').strip()} {cost}",
        "type": "object",
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {**string, "description": "UUIDv7", "pattern": "^[0-9a-f-]{36}$"},
            "source": {
                **string,
                "pattern": "^urn:lineside:[A-Za-z0-9._-]+:[A-Za-z0-9._-]+:[0-9a-f]{16}$",
                "description": "urn:lineside:<site>:<edge id>:<epoch>",
            },
            "type": {"const": kind},
            "subject": {**string, "description": "<work order>/<operation>"},
            "time": {**string, "pattern": INSTANT, "description": "when it happened, UTC"},
            "sequence": {**string, "pattern": "^[0-9]{20}$", "description": "seq, gapless within a source"},
            "recordedtime": {**string, "pattern": INSTANT, "description": "just before its COMMIT"},
            "chain": {
                **string,
                "pattern": "^[0-9a-f]{64}$",
                "description": "SHA-256 over the previous event's chain and this event in RFC 8785 form",
            },
            "data": data,
        },
        "required": [
            "specversion",
            "id",
            "source",
            "type",
            "time",
            "sequence",
            "recordedtime",
            "chain",
            "data",
        ],
        "$defs": parts,
    }
