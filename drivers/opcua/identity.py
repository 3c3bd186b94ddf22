"""Who lineside is to a server: nobody, a user with a password, or one with a certificate and its key.

The files are read anew at each login, so that a changed one counts.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto import uacrypto
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaStatusCodeError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from drivers.opcua.settings import OpcUaSettings
from drivers.opcua.words import Refused
from edge.faults import DeviceFault

# What a server answers to a login that it does not want.
_ABOUT_USERS = (
    StatusCodes.BadIdentityTokenInvalid,
    StatusCodes.BadIdentityTokenRejected,
    StatusCodes.BadUserAccessDenied,
    StatusCodes.BadUserSignatureInvalid,
)


@dataclass(frozen=True)
class Identity:
    """What is shown at the login; all None is anonymous."""

    user: str | None = None
    password: str | None = None
    certificate: x509.Certificate | None = None
    key: RSAPrivateKey | None = None  # the certificate's

    def hint(self) -> str:
        """What to do where a server does not want it."""
        if self.certificate is not None:
            return _about(self.certificate)
        if self.user is not None:
            return "Check user and password_file, and the rights that the server gives this user"
        return "Set user and password_file, or user_certificate_file and user_key_file: nobody else is let in"


async def login(client: Client, settings: OpcUaSettings) -> None:
    """Activate the client's session as the configured user. Raises as asyncua, DeviceFault and Refused."""
    who = await _identity(settings)
    client.user_private_key = who.key
    try:
        await client.activate_session(who.user, who.password, who.certificate)
    except UaStatusCodeError as error:
        if error.code not in _ABOUT_USERS:
            raise
        raise Refused(f"logging in at {settings.address}", error.code, who.hint()) from error


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
            return await _pair(settings.user_certificate_file, settings.user_key_file)
    except (OSError, ValueError, TypeError) as error:
        raise DeviceFault(
            f"the password or certificate of the user could not be read: {error}",
            hint="Put the file there, readable by the user that lineside runs as",
        ) from error
    return Identity()


async def _pair(certificate_file: str, key_file: str) -> Identity:
    shown = await asyncio.to_thread(_read, certificate_file)
    secret = await asyncio.to_thread(_read, key_file)
    certificate = await uacrypto.load_certificate(shown, _form(shown))
    key = await uacrypto.load_private_key(secret, extension=_form(secret))
    public = certificate.public_key()
    if not isinstance(public, RSAPublicKey) or public != key.public_key():
        raise DeviceFault(
            f"{key_file} is not the RSA key of the certificate {certificate_file}",
            hint="Put a certificate there and the key that it was made with",
        )
    return Identity(certificate=certificate, key=key)


def _about(certificate: x509.Certificate) -> str:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    mark = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    if begin <= datetime.now(UTC) <= end:
        return (
            f"Trust the certificate of user_certificate_file (SHA-256 {mark}) among the users' certificates "
            "on the server, and give that user rights"
        )
    return (
        f"The certificate of user_certificate_file is valid from {begin:%Y-%m-%d} to {end:%Y-%m-%d}: "
        "renew it with its key and trust the new one on the server, or check this machine's clock"
    )


def _form(content: bytes) -> str:
    return "pem" if content.lstrip().startswith(b"-----") else "der"


def _read(path: str) -> bytes:
    return Path(path).read_bytes()
