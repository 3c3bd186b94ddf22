"""Secrets come from files and are read anew for every call: a renewed one is taken without a restart."""

import base64
from pathlib import Path

from edge.faults import UplinkFault

_SECRET_BYTES_MAX = 16384


class SecretFault(UplinkFault):
    """A secret is missing, is none, or is refused; nothing was sent."""


def secret(path: str, ascii_only: bool = True) -> str:
    """A secret without the newline that editors put behind it. Raises SecretFault."""
    try:
        with Path(path).open("rb") as file:
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


def basic(user: str, path: str) -> str:
    """The header's value for a user and the password in a file (RFC 7617, UTF-8). Raises SecretFault."""
    pair = f"{user}:{secret(path, ascii_only=False)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
