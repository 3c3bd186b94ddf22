"""Answers that say no: RFC 9457 problem details, each with what happened and what to do."""

import re
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from edge.events import DECIMAL_PATTERN

_PREFIX = "urn:lineside:problem:"
BODY_BYTES = 8192  # of a request


def answered(body: object, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


def problem(status: int, title: str, detail: str, kind: str | None = None, **more: Any) -> web.Response:
    """A refusal; `kind` names its type, else the status does (RFC 9457, 4.2.1)."""
    body = {"type": f"{_PREFIX}{kind}" if kind else "about:blank", "title": title, "status": status}
    return web.Response(
        body=msgspec.json.encode(body | {"detail": detail} | more),
        status=status,
        content_type="application/problem+json",
    )


def unfit(error: Exception) -> str:
    """What msgspec says against a body, as a sentence for a person."""
    said, _, place = str(error).partition(" - at `$")
    name = _NUMBERED.sub(lambda at: f" {int(at[1]) + 1}", place.strip("`.").replace(".", ", ")) or "the body"
    for form, sentence in _UNFIT:
        if found := form.fullmatch(said):
            return sentence.format(*found.groups(), name=name)
    return f"{name} is not as it must be ({said})"


_NUMBERED = re.compile(r"\[([0-9]+)\]")
_UNFIT = tuple(
    (re.compile(form), sentence)
    for form, sentence in (
        (f"Expected `str` matching regex {re.escape(repr(DECIMAL_PATTERN))}",
         "{name} must be a decimal number without a unit, such as 2.2"),
        ("Expected `str` of length >= 1", "{name} is empty"),
        ("Expected `str` of length <= ([0-9]+)", "{name} is too long: at most {0} characters"),
        ("Expected `array` of length >= ([0-9]+)", "{name}: at least {0} must be given"),
        ("Expected `array` of length <= ([0-9]+)", "{name}: at most {0} may be given"),
        ("Invalid enum value (.+)", "{name} {0} is not known: good, concession, rework or scrap"),
        ("Invalid value (.+)", "{name} {0} is not known"),
        ("Object missing required field `(.+)`", "{0} is missing from {name}"),
        ("Object contains unknown field `(.+)`", "{0} is not known in {name}"),
        ("Expected `([a-z]+)[^`]*`, got `([a-z]+)`", "{name} must be a JSON {0}, not {1}"),
        ("Input data was truncated|JSON is malformed.*", "the body is no JSON"),
    )
)  # fmt: skip


@web.middleware
async def worded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What the framework refuses at the API is a problem document too."""
    try:
        return await handler(request)
    except web.HTTPRequestEntityTooLarge:
        detail = f"A scan of at most {BODY_BYTES} bytes is expected. Not recorded."
        return problem(413, "Body too large", detail)
    except web.HTTPException as refusal:
        if refusal.status < 400 or not request.path.startswith("/api/"):
            raise
        detail = f"{request.method} {request.path} is not offered."
        answer = problem(refusal.status, refusal.reason, detail)
        if "Allow" in refusal.headers:
            answer.headers["Allow"] = refusal.headers["Allow"]
        return answer
