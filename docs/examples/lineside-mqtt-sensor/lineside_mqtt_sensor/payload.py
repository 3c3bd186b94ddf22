"""From a message's bytes to a value: pure, and never an error, whatever was published."""

import json
import math
from typing import Any

from edge.readings import Value

_DEEPEST = 64  # brackets; Python's decoder recurses


def parsed(payload: bytes) -> Any:
    """The JSON of a message; None where it is none."""
    if payload.count(b"[") + payload.count(b"{") > _DEEPEST:
        return None
    try:
        return json.loads(payload)
    except ValueError:  # UnicodeDecodeError and an integer of too many digits are ValueErrors too
        return None


def value_at(document: Any, field: str) -> Value | None:
    """The value at `field` (a.b is b within a), or None: it is not there, or no number, text or truth."""
    for part in field.split(".") if field else ():
        if not isinstance(document, dict):
            return None
        document = document.get(part)
    if isinstance(document, float) and not math.isfinite(document):
        return None
    return document if isinstance(document, bool | int | float | str) else None
