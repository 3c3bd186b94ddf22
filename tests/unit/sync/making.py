"""Stored events for pure tests, without a journal."""

from typing import Any

from edge.events import Draft, Fact, WorkPaused, chain_of, seal
from edge.ids import uuid7

SOURCE = "urn:lineside:site:edge:0123456789abcdef"
EPOCH = "0123456789abcdef"


def stored(*facts: Fact, first: int = 1) -> list[tuple[int, bytes]]:
    """(seq, body) as the journal keeps them."""
    chain, rows = "", []
    for seq, fact in enumerate(facts, first):
        draft = Draft(uuid7(1_795_000_000_000 + seq, seq), 1_795_000_000_000 + seq, fact)
        _, body = seal(draft, SOURCE, seq, "2026-11-22T08:00:00.000Z", chain)
        chain = chain_of(body)
        rows.append((seq, body))
    return rows


def paused(number: int, order: str | None = "4711", **more: Any) -> WorkPaused:
    """A fact like no other."""
    return WorkPaused(reason=f"{number}", work_order=order, operation="0010" if order else None, **more)
