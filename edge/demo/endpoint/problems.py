"""Problem details (RFC 9457): what is wrong with an event or a call, and what to do about it."""

from typing import Any

CONTENT_TYPE = "application/problem+json"
FORK = "urn:lineside:problem:fork"
CHANGED = "urn:lineside:problem:changed"
CHAIN = "urn:lineside:problem:chain"
INVALID = "urn:lineside:problem:invalid"
UNKNOWN_ORDER = "urn:lineside:problem:unknown-order"
PERIOD_CLOSED = "urn:lineside:problem:period-closed"

_TITLES = {
    FORK: "Two journals under one name",
    CHANGED: "The event was changed",
    CHAIN: "The chain does not follow",
    INVALID: "The event does not fit the contract",
    UNKNOWN_ORDER: "Unknown work order",
    PERIOD_CLOSED: "No open period",
}

Problem = dict[str, Any]


def problem(kind: str, detail: str) -> Problem:
    """A problem of one event; `detail` says what happened and what to do next."""
    return {"type": kind, "title": _TITLES[kind], "detail": detail}


class Refused(Exception):
    """A whole call that is not taken; nothing of it was recorded."""

    def __init__(self, status: int, title: str, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.problem: Problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
