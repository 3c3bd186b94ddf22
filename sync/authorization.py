"""Who we are to a receiver: the value of the Authorization header.

Secrets come from files and are read anew for every call, so that a renewed one is taken without a restart.
OAuth2 client credentials would be a third provider that keeps a token and lets go of it in `refused`.
"""

import base64
from pathlib import Path
from typing import Protocol

from edge.faults import UplinkFault
from sync.settings import HttpSettings

_SECRET_BYTES_MAX = 16384


class SecretFault(UplinkFault):
    """A secret's file is missing or holds no secret; nothing was sent."""


class Authorization(Protocol):
    """Gives the header's value for each call."""

    async def header(self) -> str | None:
        """The value now, or None to send none. Raises SecretFault, UplinkFault."""

    def refused(self) -> None:
        """The receiver answered 401: do not use the same again where another can be had."""


class Anonymous:
    """No authorization, or by the client's certificate."""

    async def header(self) -> str | None:
        return None

    def refused(self) -> None:
        pass


class Bearer(Anonymous):
    """A token from a file (RFC 6750)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def header(self) -> str | None:
        return f"Bearer {_secret(self._path)}"


class Basic(Anonymous):
    """User and password (RFC 7617, UTF-8)."""

    def __init__(self, user: str, path: Path) -> None:
        self._user = user
        self._path = path

    async def header(self) -> str | None:
        pair = f"{self._user}:{_secret(self._path, ascii_only=False)}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"


def authorization(settings: HttpSettings) -> Authorization:
    """The provider that settings with absolute paths ask for."""
    if settings.token_file is not None:
        return Bearer(Path(settings.token_file))
    if settings.user is not None and settings.password_file is not None:
        return Basic(settings.user, Path(settings.password_file))
    return Anonymous()


def _secret(path: Path, ascii_only: bool = True) -> str:
    """A secret without the newline that editors put behind it. Raises SecretFault."""
    try:
        with path.open("rb") as file:
            text = file.read(_SECRET_BYTES_MAX).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SecretFault(
            f"the secret in {path} could not be read: {reason}",
            hint="Put it there, readable for this user only; it is read anew for every call",
        ) from error
    if not text or not text.isprintable() or (ascii_only and not text.isascii()):
        raise SecretFault(
            f"the file {path} holds no secret",
            hint="It must hold the secret alone, in one line of printable characters",
        )
    return text
