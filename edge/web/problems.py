"""Answers that say no: RFC 9457 problem details, each with what happened and what to do."""

from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

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
