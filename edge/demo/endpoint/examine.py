"""One event by itself: its envelope, its numbers, its canonical form. Pure, and independent of the sender.

The canonical form is built here from the parsed JSON with the standard library: RFC 8785 (sorted keys, no
spaces, UTF-8), which holds because `data` carries no JSON numbers and the keys are ASCII.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

import msgspec

from edge.demo.endpoint.problems import INVALID, Problem, problem
from edge.events import DECIMAL_PATTERN, FACTS, ClockStepped, Fact, decode, parse_instant

_DECIMAL = re.compile(DECIMAL_PATTERN)
_SOURCE = re.compile(r"urn:lineside:[A-Za-z0-9._-]+:[A-Za-z0-9._-]+:[0-9a-f]{16}")
_SEQUENCE = re.compile(r"[0-9]{20}")
_CHAIN = re.compile(r"[0-9a-f]{64}")
_LAST_SEQ = 2**63 - 1
_DECIMAL_KEYS = frozenset(
    (
        "quantity",
        "planned_quantity",
        "units_per_count",
        "cavities",
        "share",
        "micro_stops",
        "micro_stop_s",
        "delta",
        "s",
        "setup_s",
        "machine_s",
        "monotonic_s",
        "offset_s",
        "energy_kwh",
    )
)
_WORDS = frozenset(("basis", "refs"))  # their keys name figures, their values are words


class Item(NamedTuple):
    """An event as received. `seq` is 0 where source, sequence or chain cannot be used."""

    id: str
    source: str
    seq: int
    type: str
    chain: str  # as claimed
    body: bytes  # canonical, without `chain`
    fact: Fact | None  # None: invalid
    problem: Problem | None

    def follows(self, previous_chain: str) -> bool:
        """Whether the claimed chain is that of this content after the given one (empty: the first)."""
        return chain_of(previous_chain, self.body) == self.chain


def chain_of(previous_chain: str, body: bytes) -> str:
    """SHA-256 over the previous event's chain and a canonical form."""
    return hashlib.sha256(previous_chain.encode() + body).hexdigest()


def examine(event: dict[str, Any]) -> Item:
    """Everything that can be said of an event without knowing any other."""
    content = {name: value for name, value in event.items() if name != "chain"}
    faults = list(_envelope(event))
    usable = not faults
    body, fact = b"", None
    try:
        body = _canonical(content)
        _faults(event.get("data"), str(event.get("type")) in FACTS, "data", faults)
        fact = None if faults else _fact(body)
    except UnicodeEncodeError:
        body = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
        faults.append("the text is no Unicode: a surrogate stands alone")
    except RecursionError:
        faults.append("it is nested too deeply")
    except (msgspec.DecodeError, ValueError) as error:
        faults.append(str(error))
    return Item(
        id=event["id"],
        source=str(event.get("source")) if usable else "",
        seq=int(event["sequence"]) if usable else 0,
        type=str(event.get("type")),
        chain=str(event.get("chain")) if usable else "",
        body=body,
        fact=None if faults else fact,
        problem=_invalid(faults) if faults else None,
    )


_encoder = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _canonical(content: dict[str, Any]) -> bytes:
    return _encoder.encode(content).encode()


def _envelope(event: dict[str, Any]) -> Iterator[str]:
    for name, pattern in (("source", _SOURCE), ("sequence", _SEQUENCE), ("chain", _CHAIN)):
        value = event.get(name)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            yield f"`{name}` is {value!r}"
    sequence = event.get("sequence")
    if isinstance(sequence, str) and _SEQUENCE.fullmatch(sequence) and not 1 <= int(sequence) <= _LAST_SEQ:
        yield f"`sequence` is {sequence}"


def _faults(value: Any, typed: bool, path: str, faults: list[str], key: str = "") -> None:
    """Add where `data` holds a JSON number, or a figure that is no plain decimal."""
    if isinstance(value, str):
        if typed and key in _DECIMAL_KEYS and not _DECIMAL.fullmatch(value):
            faults.append(f"`{path}` is {value!r}, no plain decimal")
    elif isinstance(value, dict):
        for name, inner in value.items():
            _faults(inner, typed and name not in _WORDS, f"{path}.{name}", faults, name)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            _faults(inner, typed, f"{path}[{place}]", faults, key)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        faults.append(f"`{path}` is a JSON number; figures are decimal strings")


def _fact(body: bytes) -> Fact:
    event = decode(body)
    parse_instant(event.time)
    parse_instant(event.recordedtime)
    if event.data.posting_date is not None:
        date.fromisoformat(event.data.posting_date)
    if isinstance(event.data, ClockStepped):
        int(event.data.from_seq or 0), int(event.data.to_seq or 0)
    return event.data


def _invalid(faults: list[str]) -> Problem:
    shown = "; ".join(faults[:3]) + (f"; and {len(faults) - 3} more" if len(faults) > 3 else "")
    return problem(INVALID, f"{shown}. Not posted. Correct it with a make-up entry, or update the sender.")
