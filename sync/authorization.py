"""Who we are to a receiver: the value of the Authorization header."""

from collections.abc import Sequence
from typing import Protocol

from edge.ports import Clock
from sync.oauth2 import ClientCredentials
from sync.secret import basic, secret
from sync.settings import HttpSettings
from sync.wire import Wire


class Authorization(Protocol):
    """Gives the header's value for each call."""

    async def header(self) -> str | None:
        """The value now, or None to send none. Raises SecretFault, UplinkFault."""

    def refused(self) -> bool:
        """The receiver answered 401: whether another value can be had at once."""

    def secrets(self) -> Sequence[str]:
        """What an answer must not show to anyone. Raises SecretFault."""


class Anonymous:
    """No authorization, or by the client's certificate."""

    async def header(self) -> str | None:
        return None

    def refused(self) -> bool:
        return False

    def secrets(self) -> Sequence[str]:
        return ()


class Bearer(Anonymous):
    """A token from a file (RFC 6750)."""

    def __init__(self, path: str) -> None:
        self._path = path

    async def header(self) -> str | None:
        return f"Bearer {secret(self._path)}"

    def secrets(self) -> Sequence[str]:
        return (secret(self._path),)


class Basic(Anonymous):
    """User and password (RFC 7617, UTF-8)."""

    def __init__(self, user: str, path: str) -> None:
        self._user = user
        self._path = path

    async def header(self) -> str | None:
        return basic(self._user, self._path)

    def secrets(self) -> Sequence[str]:
        return secret(self._path, ascii_only=False), basic(self._user, self._path).partition(" ")[2]


def authorization(settings: HttpSettings, wire: Wire, clock: Clock) -> Authorization:
    """The provider that settings with absolute paths ask for."""
    if settings.token_file is not None:
        return Bearer(settings.token_file)
    if settings.user is not None and settings.password_file is not None:
        return Basic(settings.user, settings.password_file)
    if settings.token_url is not None:
        return ClientCredentials(settings, wire, clock)
    return Anonymous()
