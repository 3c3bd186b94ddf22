"""OAuth2 client credentials (RFC 6749, 4.4): a token is fetched, used until shortly before its end, renewed.

A token that the receiver refuses is let go of and another one fetched at once, once a call. While the
authority is away a token goes on being used to its very end. Tokens live in memory only.
"""

import asyncio
import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode

import msgspec

from edge.faults import UplinkFault
from edge.ports import Clock
from sync.outcome import Answer, printable
from sync.secret import SecretFault, secret
from sync.settings import HttpSettings
from sync.wire import Wire

_ANSWER_BYTES_MAX = 256 * 1024
_UNSAID_LIFE_S = 300  # where the authority does not say how long a token lives
_LIFE_MAX_S = 86400
_EARLY_S = 60  # renewed so long before its end, or a fifth of its life
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, 2.1


class _Granted(msgspec.Struct):
    access_token: str = ""
    token_type: str = ""
    expires_in: Any = None  # some authorities write the number as text


@dataclass(frozen=True)
class _Token:
    value: str
    renew_ms: int  # monotonic
    ends_ms: int  # monotonic


class ClientCredentials:
    """Tokens of one client."""

    def __init__(self, settings: HttpSettings, wire: Wire, clock: Clock) -> None:
        assert settings.token_url and settings.client_id and settings.client_secret_file
        self._given = settings
        self._url = settings.token_url
        self._client = settings.client_id
        self._secret_file = settings.client_secret_file
        self._wire = wire
        self._clock = clock
        self._token: _Token | None = None
        self._turn = asyncio.Lock()  # several calls at once fetch one token

    async def header(self) -> str | None:
        """The token now, fetched or renewed where that is due. Raises SecretFault, UplinkFault."""
        async with self._turn:
            held, now_ms = self._token, self._clock.now().monotonic_ms
            if held is None or now_ms >= held.renew_ms:
                try:
                    held = self._token = await self._fetched()
                except UplinkFault:
                    if held is None or now_ms >= held.ends_ms:
                        raise
            return f"Bearer {held.value}"

    def refused(self) -> bool:
        """Let go of the token; another one can be had."""
        had, self._token = self._token is not None, None
        return had

    def secrets(self) -> Sequence[str]:
        """The client's secret and the token that is held."""
        held = (self._token.value,) if self._token else ()
        return secret(self._secret_file, ascii_only=False), *held

    async def _fetched(self) -> _Token:
        hidden = secret(self._secret_file, ascii_only=False)
        form = {"grant_type": "client_credentials"}
        if self._given.scope is not None:
            form["scope"] = self._given.scope
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self._given.client_auth == "body":
            form |= {"client_id": self._client, "client_secret": hidden}
        else:
            headers["Authorization"] = _basic(self._client, hidden)
        asked_ms = self._clock.now().monotonic_ms  # its life is counted from before it was given
        body = urlencode(form).encode()
        echoes = (hidden, quote_plus(hidden), headers.get("Authorization", "")[6:])
        answer = await self._wire.call("POST", self._url, body, headers, _ANSWER_BYTES_MAX, echoes)
        return self._read(answer, asked_ms)

    def _read(self, answer: Answer, asked_ms: int) -> _Token:
        if answer.status in (400, 401, 403):
            raise SecretFault(
                f"{self._url}: no token is given to {self._client} ({_reason(answer)})",
                hint="Check client_id, scope, client_auth and the secret in client_secret_file, which is read"
                " anew for every token",
            )
        try:
            granted = msgspec.json.decode(answer.body, type=_Granted) if answer.status == 200 else _Granted()
        except (msgspec.DecodeError, RecursionError):
            granted = _Granted()
        if granted.token_type.lower() != "bearer" or not _TOKEN.fullmatch(granted.access_token):
            raise UplinkFault(
                f"{self._url}: answered {answer.status} without a bearer token",
                hint="Nothing to do unless it lasts; then check token_url, and ask who runs it",
            )
        life_s = _life_s(granted.expires_in)
        early_s = min(_EARLY_S, life_s / 5)
        ends_ms = asked_ms + round(1000 * life_s)
        return _Token(granted.access_token, ends_ms - round(1000 * early_s), ends_ms)


def _basic(client: str, hidden: str) -> str:
    """RFC 6749, 2.3.1: both are form-encoded before they become user and password."""
    pair = f"{quote_plus(client)}:{quote_plus(hidden)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _life_s(said: Any) -> float:
    text = str(said)
    return min(float(text), _LIFE_MAX_S) if re.fullmatch(r"[0-9]{1,12}", text) else _UNSAID_LIFE_S


def _reason(answer: Answer) -> str:
    """The authority's own words (RFC 6749, 5.2)."""
    try:
        said = msgspec.json.decode(answer.body, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        said = {}
    words = [str(said[key]) for key in ("error", "error_description") if key in said]
    return printable(": ".join([f"answered {answer.status}", *words]), 200)
