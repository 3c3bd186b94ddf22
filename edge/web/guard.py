"""Keeps other sites out: no page of another origin may post scans, embed ours or bring code into it.

A browser sends a form, or a fetch without preflight, to any address it is told; so a change needs
`application/json`, and where the browser says whence it comes (Origin, Sec-Fetch-Site), that must be here.
Programs without a browser send neither and pass.
"""

from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from edge.web.problems import problem

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_READING = ("GET", "HEAD", "OPTIONS")


@web.middleware
async def same_site(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what could change something and does not come from our own pages or a program."""
    if request.method not in _READING:
        if _foreign(request):
            return problem(
                403,
                "Cross-site request",
                "Scans are taken from this server's own pages. Not recorded.",
                "cross-site",
            )
        if request.content_type != "application/json":
            return problem(
                415, "Wrong content type", 'Send application/json: {"text": "LSE1042"}. Not recorded.'
            )
    return await handler(request)


async def headers(_: web.Request, response: web.StreamResponse) -> None:
    """Put the guarding headers on every answer."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)


def _foreign(request: web.Request) -> bool:
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc.lower() != request.host.lower()
