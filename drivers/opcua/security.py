"""The security of a connection: what a server offers, whether it is trusted, the keys on both sides."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.client.client import Client
from asyncua.crypto import uacrypto
from asyncua.crypto.security_policies import (
    SecurityPolicy,
    SecurityPolicyAes256Sha256RsaPss,
    SecurityPolicyBasic256Sha256,
)

from drivers.opcua import channel, pki
from drivers.opcua.settings import OpcUaSettings
from edge.faults import DeviceFault

Connected = Callable[[Client], Awaitable[None]]

_POLICIES: dict[str, type[SecurityPolicy]] = {
    "Basic256Sha256": SecurityPolicyBasic256Sha256,
    "Aes256Sha256RsaPss": SecurityPolicyAes256Sha256RsaPss,
}
_MODES = {
    "none": ua.MessageSecurityMode.None_,
    "sign": ua.MessageSecurityMode.Sign,
    "sign-and-encrypt": ua.MessageSecurityMode.SignAndEncrypt,
}


async def secure(client: Client, device: str, settings: OpcUaSettings, connected: Connected) -> None:
    """Give a client the keys for a server that is trusted. Raises as asyncua and DeviceFault."""
    folder = _folder(settings)
    # A first key takes some tenths of a second, in which the line goes on.
    own = await asyncio.to_thread(pki.own, folder)
    shown = await trusted_certificate(device, settings, connected)
    client.application_uri = own.uri
    policy: Any = _POLICIES[settings.policy](
        pki.parsed(shown),
        pki.parsed(own.certificate),
        await uacrypto.load_private_key(own.key),
        _MODES[settings.security],
    )
    client.security_policy = policy
    client.uaclient.set_security(policy)


async def trusted_certificate(device: str, settings: OpcUaSettings, connected: Connected) -> bytes:
    """The certificate that the server shows. Raises Untrusted, and else as `shown_certificate`."""
    known = await asyncio.to_thread(pki.trusted, _folder(settings), device)
    shown = await shown_certificate(settings, connected)
    pki.check(device, shown, known, accept_expired=settings.accept_expired)
    return shown


async def shown_certificate(settings: OpcUaSettings, connected: Connected) -> bytes:
    """The certificate that the server shows for the wanted security. Raises as asyncua and DeviceFault."""
    finder = channel.client(settings.endpoint, settings.timeout_s)
    try:
        await connected(finder)
        await finder.open_secure_channel()
        offers = await finder.get_endpoints()
        await finder.close_secure_channel()
    finally:
        protocol = finder.uaclient.protocol
        if protocol is not None and protocol.transport is not None:
            protocol.transport.close()
        finder.disconnect_socket()
    uri, mode = _POLICIES[settings.policy].URI, _MODES[settings.security]
    for offer in offers:
        if offer.SecurityPolicyUri == uri and offer.SecurityMode == mode and offer.ServerCertificate:
            return first_of_chain(offer.ServerCertificate)
    raise DeviceFault(
        f"the server offers no {settings.security} with {settings.policy}, but {_offered(offers)}",
        hint="Set security and policy to one of these, or switch the wanted one on in the server",
    )


def first_of_chain(der: bytes) -> bytes:
    """A server may send its certificate with those of its issuers behind it."""
    if len(der) < 4 or der[1] != 0x82:
        return der
    return der[: int.from_bytes(der[2:4], "big") + 4]


def _offered(offers: Sequence[ua.EndpointDescription]) -> str:
    named = {mode: name for name, mode in _MODES.items()}
    found = {
        f"{named.get(offer.SecurityMode, '?')} with {str(offer.SecurityPolicyUri).rpartition('#')[2]}"
        for offer in offers
    }
    return ", ".join(sorted(found)) or "nothing"


def _folder(settings: OpcUaSettings) -> Path:
    if settings.pki_dir is None:
        raise DeviceFault("there is no folder for certificates", hint="Set pki_dir")
    return settings.pki_dir
