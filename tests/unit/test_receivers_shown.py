"""What `lineside status` says of how far a receiver is proven."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from edge.cli.status import _proven


@pytest.mark.parametrize(
    ("changed", "end"),
    [
        ({}, "✓"),
        ({"state": "backoff"}, "✓, not since: it waits"),
        ({"state": "paused"}, "✓, not since: it waits"),
        ({"state": "backoff", "waiting": 0}, "✓"),
        ({"unproven": 2}, "✕ 2 not proven: lineside reconcile list"),
    ],
)
def test_a_receiver_that_waits_is_not_green_beyond_what_was_compared(
    changed: dict[str, Any], end: str
) -> None:
    one = {"state": "shipping", "waiting": 5, "unproven": 0, "compared_ms": 1_795_000_000_000, **changed}
    assert _proven(ZoneInfo("Asia/Shanghai"), one) == f"2026-11-18 19:06 {end}"
