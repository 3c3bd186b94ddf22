"""One call of a webhook: its address and signature from files, read anew each time; what its answer means.

WeCom, DingTalk and Feishu answer 200 whatever became of it, and say it in `errcode` or `code`: 0 is taken.
An address may be a secret: no message and no log line bears more of it than its host.
"""

import base64
import hashlib
import hmac
import ssl
from collections.abc import Callable
from urllib.parse import quote_plus, urlsplit

import aiohttp
import msgspec
from yarl import URL

from edge import __version__
from edge.faults import UplinkFault
from edge.settings import Webhook
from sync.outcome import printable, retry_after_s
from sync.secret import SecretFault, secret
from sync.webhooks.body import Template
from sync.webhooks.due import Notice

_ANSWER_BYTES_MAX = 65536


class NotTaken(UplinkFault):
    """A webhook did not take a notice; it is tried again."""

    def __init__(self, message: str, hint: str, wish_s: float | None = None, refused: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.wish_s = wish_s
        self.refused = refused  # this notice; another may be taken


class Caller:
    """Calls one webhook; its paths are absolute."""

    def __init__(self, webhook: Webhook, template: Template, now_ms: Callable[[], int]) -> None:
        self._webhook = webhook
        self._template = template
        self._now_ms = now_ms
        self._session: aiohttp.ClientSession | None = None

    async def tell(self, notice: Notice) -> None:
        """Tell a notice; returns once it is taken. Raises NotTaken, SecretFault, TemplateFault."""
        given, now_ms = self._webhook, self._now_ms()
        url, host = self._address()
        body_sign: dict[str, str] = {}
        if given.secret_file is not None:
            signature = secret(given.secret_file)
            if given.kind == "dingtalk":
                url += ("&" if "?" in url else "?") + dingtalk_signed(signature, now_ms)
            else:
                body_sign = feishu_signed(signature, now_ms)
        headers = {"Content-Type": "application/json; charset=utf-8"}
        if given.token_file is not None:
            headers["Authorization"] = f"Bearer {secret(given.token_file)}"
        body = self._template.render(notice, now_ms, body_sign)
        try:
            async with self._opened().post(
                URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
            ) as response:
                answer = await response.content.read(_ANSWER_BYTES_MAX)
                status, answered = response.status, dict(response.headers)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise NotTaken(f"{host}: {_explained(error)}", "Check the network and the address") from error
        lower = {name.lower(): value for name, value in answered.items()}
        if wrong := _wrong(given.kind, status, answer):
            passing = status in (408, 429) or status >= 500
            raise NotTaken(
                f"{host}: {_without(wrong, url)}",
                "Check the address, the secret and the robot's settings; every notice is tried again",
                retry_after_s(lower, now_ms),
                refused=not passing,
            )

    async def close(self) -> None:
        """Let go of all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _address(self) -> tuple[str, str]:
        """The address and its host. Raises SecretFault."""
        given = self._webhook
        url = given.url if given.url_file is None else secret(given.url_file)
        parts = urlsplit(url or "")
        try:
            host = parts.hostname if parts.scheme in ("http", "https") else None
            _ = parts.port
        except ValueError:
            host = None
        if url is None or host is None:
            raise SecretFault(
                f"the file {given.url_file} holds no http or https address",
                hint="It must hold the whole address alone, in one line",
            )
        return url, host

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = ssl.create_default_context(cafile=self._webhook.ca_file)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context, limit=1),
                timeout=aiohttp.ClientTimeout(total=self._webhook.answer_timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"lineside/{__version__}"},
            )
        return self._session


def dingtalk_signed(key: str, now_ms: int) -> str:
    """The query that signs a call: HMAC-SHA256 of time and secret (DingTalk, custom robot security)."""
    digest = hmac.new(key.encode(), f"{now_ms}\n{key}".encode(), hashlib.sha256).digest()
    return f"timestamp={now_ms}&sign={quote_plus(base64.b64encode(digest))}"


def feishu_signed(key: str, now_ms: int) -> dict[str, str]:
    """What signs a body: time and secret are the HMAC's key, its message is empty (Feishu, custom bot)."""
    timestamp = str(now_ms // 1000)
    digest = hmac.new(f"{timestamp}\n{key}".encode(), b"", hashlib.sha256).digest()
    return {"timestamp": timestamp, "sign": base64.b64encode(digest).decode()}


def _wrong(kind: str, status: int, answer: bytes) -> str:
    """Why an answer does not say that the notice was taken; empty where it does."""
    text = printable(answer.decode("utf-8", "replace"), 200)
    if not 200 <= status < 300:
        return f"it answered {status} {text}".rstrip()
    if kind == "json":
        return ""
    try:
        said = msgspec.json.decode(answer, type=dict[str, object])
    except msgspec.DecodeError:
        return f"it did not answer as a {kind} robot does: {text}"
    code = said.get("errcode", said.get("code", said.get("StatusCode")))
    return "" if code == 0 else f"the robot refused it: {text}"


def _without(text: str, url: str) -> str:
    """A text without what is secret of an address: its path and query."""
    parts = urlsplit(url)
    values = [pair.partition("=")[2] for pair in parts.query.split("&")]
    for one in (url, parts.query, parts.path, *values):
        if len(one) > 3:
            text = text.replace(one, "…")
    return text


def _explained(error: Exception) -> str:
    """A transport's error without the address that its own text may hold."""
    if isinstance(error, TimeoutError):
        return "no whole answer in time"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLError):
        return "its certificate is not trusted"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection ({printable(error.os_error.strerror or 'unknown', 100)})"
    return f"the call broke off ({type(error).__name__})"
