"""Who lineside is to a server: nobody, a user with a password, or one with a certificate and its key.

The files are read anew at each login, so that a changed one counts.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto import uacrypto
from asyncua.crypto.security_policies import SecurityPolicyNone
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from drivers.opcua.settings import OpcUaSettings
from edge.faults import DeviceFault


@dataclass(frozen=True)
class Identity:
    """What is shown at the login; all None is anonymous."""

    user: str | None = None
    password: str | None = None
    certificate: x509.Certificate | None = None
    key: RSAPrivateKey | None = None  # the certificate's


async def login(client: Client, settings: OpcUaSettings) -> None:
    """Activate the client's session as the configured user. Raises as asyncua and DeviceFault."""
    who = await _identity(settings)
    client.user_private_key = who.key
    await client.activate_session(who.user, who.password, who.certificate)


def check_password(client: Client, settings: OpcUaSettings) -> None:
    """Whether the password goes over the network in a form that others can read. Raises DeviceFault."""
    if settings.user is None or settings.allow_plain_password or settings.security == "sign-and-encrypt":
        return
    if client.server_policy(ua.UserTokenType.UserName).SecurityPolicyUri == SecurityPolicyNone.URI:
        raise DeviceFault(
            f"{settings.address} wants the password unencrypted",
            hint='Set security = "sign-and-encrypt", or allow_plain_password = true',
        )


async def _identity(settings: OpcUaSettings) -> Identity:
    try:
        if settings.user is not None and settings.password_file is not None:
            content = await asyncio.to_thread(_read, settings.password_file)
            return Identity(settings.user, content.decode().rstrip("\r\n"))
        if settings.user_certificate_file is not None and settings.user_key_file is not None:
            shown = await asyncio.to_thread(_read, settings.user_certificate_file)
            secret = await asyncio.to_thread(_read, settings.user_key_file)
            key = await uacrypto.load_private_key(secret, extension=_form(secret))
            return Identity(None, None, await uacrypto.load_certificate(shown, _form(shown)), key)
    except (OSError, ValueError) as error:
        raise DeviceFault(
            f"the password or certificate of the user could not be read: {error}",
            hint="Put the file there, readable by the user that lineside runs as",
        ) from error
    return Identity()


def _form(content: bytes) -> str:
    return "pem" if content.lstrip().startswith(b"-----") else "der"


def _read(path: str) -> bytes:
    return Path(path).read_bytes()
