"""One HTTP call and its whole answer: connections, time-outs, the proxy, and faults in plain words.

Redirects are refused, answers are bounded in size and time, no cookie is kept and no proxy is taken from the
environment. A secret that a receiver echoes is masked before anything else sees the answer.
"""

import asyncio
import io
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

import aiohttp

from edge import __version__
from edge.faults import UplinkFault
from sync import tls
from sync.outcome import Answer, printable
from sync.secret import basic, secret
from sync.settings import HttpSettings
from sync.stages import Connector, Stages, body_of, of_call

_LARGE_BYTES = 1024 * 1024  # looked through in portions
_MASKED_FROM_CHARS = 6  # a shorter one would be found by chance, and an answer spoilt
_PROXY_AUTHORIZATION = "Proxy-Authorization"
_MASK = b"[secret]"


class Late(UplinkFault):
    """The receiver was reached and did not finish in time."""


class Wire:
    """The connections to one receiver and what stands beside it. Opened when first used."""

    def __init__(self, settings: HttpSettings) -> None:
        self.settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._stamp: tls.Stamp = ()

    async def call(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: dict[str, str],
        bytes_max: int,
        secrets: Iterable[str] = (),
    ) -> Answer:
        """One call and its whole answer, within the time-outs. Raises SecretFault, UplinkFault."""
        way, now = self._way(url, headers), None
        try:
            session = await self._opened()
            async with asyncio.timeout(None) as limit:
                now = Stages(self.settings, limit, sends=body is not None)
                of_call.set(now)
                data = None if body is None else body_of(body, now.sent)
                async with session.request(
                    method, url, data=data, headers=headers, allow_redirects=False, **way
                ) as response:
                    now.sent()
                    answer = Answer(
                        response.status, _lower(response.headers), await _read(response, bytes_max)
                    )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, EOFError) as error:
            if now is not None and now.over:
                raise _late(f"{method} {url}", now) from error
            what, hint = _explained(error, url, self.settings)
            raise UplinkFault(f"{method} {url}: {what}", hint=hint) from error
        hidden = [*secrets, *self._proxy_secrets()]
        if len(answer.body) > _LARGE_BYTES:
            return await asyncio.to_thread(masked, answer, hidden)
        return masked(answer, hidden)

    async def close(self) -> None:
        """Let go of all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _way(self, url: str, headers: dict[str, str]) -> dict[str, Any]:
        """Through the proxy, where there is one. It is told who we are, the receiver is not told that."""
        given = self.settings
        if given.proxy is None:
            return {}
        if given.proxy_user is None or given.proxy_password_file is None:
            return {"proxy": given.proxy}
        proof = basic(given.proxy_user, given.proxy_password_file)
        if _encrypted(url):
            return {"proxy": given.proxy, "proxy_headers": {_PROXY_AUTHORIZATION: proof}}
        headers[_PROXY_AUTHORIZATION] = proof
        return {"proxy": given.proxy}

    def _proxy_secrets(self) -> tuple[str, ...]:
        """What the proxy is told; a plain call's receiver sees it too where the proxy hands it on."""
        given = self.settings
        if given.proxy_user is None or given.proxy_password_file is None:
            return ()
        proof = basic(given.proxy_user, given.proxy_password_file)
        return secret(given.proxy_password_file, ascii_only=False), proof.partition(" ")[2]

    async def _opened(self) -> aiohttp.ClientSession:
        """The session; a new one where a certificate's file was renewed."""
        given, stamp = self.settings, tls.stamp(self.settings)
        if stamp != self._stamp:
            await self.close()
        if self._session is None:
            context = tls.context(given) if given.encrypted else True
            self._stamp = stamp
            self._session = aiohttp.ClientSession(
                connector=Connector(ssl=context, limit=4),
                timeout=aiohttp.ClientTimeout(total=None),  # each stage has its own
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"lineside/{__version__}", "Accept": "application/json"},
            )
        return self._session


def masked(answer: Answer, secrets: Iterable[str]) -> Answer:
    """The answer without our own secrets: what it says is shown to people and kept."""
    found = [one for one in secrets if len(one) >= _MASKED_FROM_CHARS]
    body, location = answer.body, answer.headers.get("location", "")
    if not any(_holds(body, one.encode()) or one in location for one in found):
        return answer
    for one in found:
        body, location = body.replace(one.encode(), _MASK), location.replace(one, _MASK.decode())
    return Answer(answer.status, {**answer.headers, "location": location}, body)


def _holds(body: bytes, sought: bytes) -> bool:
    """Whether it is in there; looked for in portions, for a search holds the interpreter's lock."""
    ends = range(_LARGE_BYTES, len(body) + _LARGE_BYTES, _LARGE_BYTES)
    return any(body.find(sought, end - _LARGE_BYTES, end + len(sought)) >= 0 for end in ends)


def _late(call: str, at: Stages) -> UplinkFault:
    """What was not done in time, in words."""
    what, hint = _LATE[at.now]
    kind = UplinkFault if at.now == "connect" else Late
    return kind(f"{call}: {what} within {at.limit_s:g} s", hint=f"Nothing to do unless it lasts; {hint}")


def _explained(error: Exception, url: str, settings: HttpSettings) -> tuple[str, str]:
    """A transport's error in words, and what to do."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return (
            f"the receiver's certificate is not trusted ({printable(str(error), 200)})",
            "Put the PEM file of the authority that signed it into ca_file, or correct this machine's clock",
        )
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return (
            f"the proxy answered {error.status}",
            "Check proxy, proxy_user and the file of proxy_password_file, and what the proxy lets through",
        )
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name {error.host} is unknown", "Check the uplink's url and this machine's DNS server"
    if isinstance(error, aiohttp.ClientConnectorSSLError | ssl.SSLError) or (
        _encrypted(url) and isinstance(error, aiohttp.ClientConnectorError) and error.os_error.errno is None
    ):
        return f"no TLS connection ({printable(str(error), 200)})", _TLS_HINT
    if isinstance(error, aiohttp.ClientConnectorError):
        return (
            f"no connection ({printable(error.os_error.strerror or str(error), 200)})",
            "Nothing to do unless it lasts; then check the url, the network and the receiver",
        )
    return (
        f"the call broke off ({printable(f'{type(error).__name__}: {error}', 200)})",
        "Nothing to do unless it lasts; then check the network and the receiver's log"
        + (f". {_TLS_HINT}" if _encrypted(url) and settings.cert_file is None else ""),
    )


async def _read(response: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    """The whole body; bounded, for a receiver gone mad must not fill our memory."""
    body = io.BytesIO()  # gives its bytes away without a copy, which would hold up the loop
    async for chunk in response.content.iter_any():
        if body.tell() + len(chunk) > bytes_max:
            raise ValueError(f"the answer is larger than {bytes_max} bytes")
        body.write(chunk)
    return body.getvalue()


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _encrypted(url: str) -> bool:
    return url.startswith("https:")


_LATE = {
    "connect": ("no connection", "then check the url, the network and the receiver (connect_timeout_s)"),
    "send": (
        "the call was not sent whole",
        "then see whether the network is slow or the receiver reads nothing (send_timeout_s)",
    ),
    "answer": (
        "no whole answer",
        "then ask who runs the receiver why it takes so long (answer_timeout_s, batch_events)",
    ),
}
_TLS_HINT = (
    "The receiver must speak TLS 1.2 or newer; where it asks for a certificate, see cert_file and key_file"
)
