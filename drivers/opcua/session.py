"""A session with an OPC UA server: services in, results out; everything that means "lost" is a DeviceFault.

asyncua frames, encrypts and matches answers to requests. Its own reconnecting, its watchdogs and its publish
loop are left aside: that loop skips notifications that it cannot parse and goes on after errors by itself,
where a driver has to know of both.

Invariants:
- A session outlives its connections: after a loss `connect` asks the server to go on with it, so that the
  values which the server kept meanwhile are not lost.
- A request that is cancelled or times out leaves nothing behind that a later one could take for its answer.
"""

import asyncio
import logging
import struct
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import urlsplit

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UaClient
from asyncua.client.ua_session import UaSession
from asyncua.crypto import uacrypto
from asyncua.crypto.security_policies import (
    SecurityPolicy,
    SecurityPolicyAes256Sha256RsaPss,
    SecurityPolicyBasic256Sha256,
    SecurityPolicyNone,
)
from asyncua.ua.uaerrors import UaError, UaStatusCodeError
from cryptography.exceptions import InvalidSignature

from drivers.opcua import channel, pki
from drivers.opcua.settings import OpcUaSettings
from drivers.opcua.words import Garbled, Refused
from edge.faults import DeviceFault

# Each failed attempt would be some lines with a dump; the driver tells of changes only.
logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)

P = ParamSpec("P")
T = TypeVar("T")

POLICIES: dict[str, type[SecurityPolicy]] = {
    "Basic256Sha256": SecurityPolicyBasic256Sha256,
    "Aes256Sha256RsaPss": SecurityPolicyAes256Sha256RsaPss,
}
MODES = {
    "none": ua.MessageSecurityMode.None_,
    "sign": ua.MessageSecurityMode.Sign,
    "sign-and-encrypt": ua.MessageSecurityMode.SignAndEncrypt,
}

# What asyncua raises where an answer is not what it should be: mostly whatever its parser ran into.
_GARBLED = (
    struct.error,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RecursionError,
    InvalidSignature,
)
_CHANNEL_S = 3600.0  # how long a secure channel's keys are asked for; renewed at three quarters of it
_FAREWELL_S = 0.4  # a server that is asked to forget the session gets so long; the cancelled driver has 1 s


class Session:
    """One session, over one connection at a time."""

    def __init__(self, device: str, settings: OpcUaSettings) -> None:
        self._device = device
        self._settings = settings
        self._client: Client | None = None
        self._transport: UaClient | None = None
        self._own: pki.Own | None = None
        self._serving = False  # whether the session is active over the present connection
        self._renew_at = 0.0
        self._resume_by = 0.0  # when the server has surely let the session go
        self.lost = asyncio.Event()  # set while there is no connection
        self.lost.set()

    async def connect(self) -> bool:
        """Connect, and go on with the session where the server still has it: whether it had.

        Raises DeviceFault; a later call tries again to go on unless `forget` was called.
        """
        with self._told(f"no connection to {self._at()}"):
            if asyncio.get_running_loop().time() > self._resume_by:
                # Some servers answer an unknown session by closing the connection, which looks like a loss.
                self.forget()
            client = self._client
            if client is not None:
                try:
                    await self._channel(client)
                    client.uaclient.session.rebind_authentication_token()
                    await client.activate_session(*await self._identity(client))
                    self._serving = True
                    return True
                except (UaError, *_GARBLED):
                    self.forget()  # restarted, or it waited too long for us
            client = await self._prepared()
            await self._channel(client)
            await client.create_session()
            self._check_password(client)
            await client.activate_session(*await self._identity(client))
            self._client = client
            self._serving = True
            return False

    def forget(self) -> None:
        """Begin a new session with the next connection."""
        self.drop()
        self._client = None

    def drop(self) -> None:
        """Close the connection now; requests that wait for an answer end as lost."""
        transport, self._transport = self._transport, None
        if self._serving:
            self._resume_by = asyncio.get_running_loop().time() + self._settings.resume_s
        self._serving = False
        protocol = transport.protocol if transport is not None else None
        # asyncua's own closing does nothing where the connection broke off while it was made.
        if protocol is not None and protocol.transport is not None:
            protocol.transport.abort()
        if transport is not None:
            transport.disconnect_socket()
        self.lost.set()

    async def leave(self) -> None:
        """Tell the server that the session ends, if it listens, and close the connection."""
        client, self._client = self._client, None
        try:
            if client is not None and not self.lost.is_set():
                with self._told("the farewell"):
                    async with asyncio.timeout(_FAREWELL_S):
                        await client.uaclient.close_session(True)
                        await client.uaclient.close_secure_channel()
                        await asyncio.sleep(0)
        except DeviceFault:
            pass  # the server ends it by itself, after the session's time-out
        finally:
            self.drop()
            await asyncio.sleep(0)  # the transport closes its socket in the next turn of the loop

    async def shown(self) -> bytes:
        """The certificate that the server shows, trusted or not. Raises DeviceFault."""
        try:
            with self._told(f"no connection to {self._at()}"):
                return await shown_certificate(self._settings, self._connected)
        finally:
            self.drop()

    # --- services

    async def call(
        self,
        operation: str,
        service: Callable[Concatenate[UaSession, P], Coroutine[Any, Any, T]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """What a service of the session answers. Raises DeviceFault, and of it Refused and Garbled."""
        with self._told(operation):
            answer = await service(self._services(), *args, **kwargs)
            # What asyncua waits with may drop a cancellation that meets an answer.
            _obey()
            return answer

    async def renew(self) -> None:
        """New keys for the channel when it is time; otherwise nothing."""
        client = self._client
        if client is None or asyncio.get_running_loop().time() < self._renew_at:
            return
        with self._told("renewing the secure channel"):
            await client.open_secure_channel(renew=True)
            client.uaclient.revolve_security_token()
            self._renew_later(client)

    def _services(self) -> UaSession:
        if self._client is None or self.lost.is_set():
            raise ConnectionError("the connection is closed")
        return self._client.uaclient.session

    # --- connecting

    async def _prepared(self) -> Client:
        settings = self._settings
        client = channel.client(settings.endpoint, settings.timeout_s)
        client.name = client.description = "lineside"
        client.product_uri = client.application_uri = "urn:lineside"
        client.session_timeout = round(settings.resume_s * 1000)
        client.secure_channel_timeout = round(_CHANNEL_S * 1000)
        if settings.secured:
            await self._secure(client)
        return client

    async def _secure(self, client: Client) -> None:
        settings = self._settings
        folder = settings.pki_dir
        if folder is None:
            raise DeviceFault("there is no folder for certificates", hint="Set pki_dir")
        # A first key takes some tenths of a second, in which the line goes on.
        self._own = await asyncio.to_thread(pki.own, folder)
        known = await asyncio.to_thread(pki.trusted, folder, self._device)
        shown = await shown_certificate(settings, self._connected)
        pki.check(self._device, shown, known, accept_expired=settings.accept_expired)
        client.application_uri = self._own.uri
        policy: Any = POLICIES[settings.policy](
            pki.parsed(shown),
            pki.parsed(self._own.certificate),
            await uacrypto.load_private_key(self._own.key),
            MODES[settings.security],
        )
        client.security_policy = policy
        client.uaclient.set_security(policy)

    async def _channel(self, client: Client) -> None:
        await self._connected(client)
        await client.open_secure_channel()
        self._renew_later(client)

    async def _connected(self, client: Client) -> None:
        self._transport = client.uaclient
        await client.connect_socket()
        # Python 3.11's wait_for, within asyncua, drops a cancellation that meets the connection.
        _obey()
        protocol = client.uaclient.protocol
        if protocol is None or protocol.transport is None:
            raise ConnectionError("closed at once")
        self.lost.clear()
        tell = protocol.on_connection_lost

        def lost(error: Exception | None) -> None:
            if self._transport is client.uaclient and client.uaclient.protocol is protocol:
                self.lost.set()
            if tell is not None:
                tell(error)

        protocol.on_connection_lost = lost
        await client.send_hello()
        _obey()

    def _renew_later(self, client: Client) -> None:
        self._renew_at = asyncio.get_running_loop().time() + client.secure_channel_timeout * 0.75 / 1000

    def _check_password(self, client: Client) -> None:
        """Whether the password goes over the network in a form that others can read. Raises DeviceFault."""
        settings = self._settings
        if settings.user is None or settings.allow_plain_password or settings.security == "sign-and-encrypt":
            return
        if client.server_policy(ua.UserTokenType.UserName).SecurityPolicyUri == SecurityPolicyNone.URI:
            raise DeviceFault(
                f"{self._at()} wants the password unencrypted",
                hint='Set security = "sign-and-encrypt", or allow_plain_password = true',
            )

    async def _identity(self, client: Client) -> tuple[str | None, str | None, Any]:
        """User, password and certificate, read anew each time so that a changed file counts."""
        settings = self._settings
        try:
            if settings.user is not None and settings.password_file is not None:
                content = await asyncio.to_thread(_read, settings.password_file)
                return settings.user, content.decode().rstrip("\r\n"), None
            if settings.user_certificate_file is not None and settings.user_key_file is not None:
                certificate = await asyncio.to_thread(_read, settings.user_certificate_file)
                key = await asyncio.to_thread(_read, settings.user_key_file)
                client.user_private_key = await uacrypto.load_private_key(key, extension=_form(key))
                return None, None, await uacrypto.load_certificate(certificate, _form(certificate))
        except (OSError, ValueError) as error:
            raise DeviceFault(
                f"the password or certificate of the user could not be read: {error}",
                hint="Put the file there, readable by the user that lineside runs as",
            ) from error
        return None, None, None

    # --- faults

    @contextmanager
    def _told(self, operation: str) -> Iterator[None]:
        """What can go wrong within, as a DeviceFault."""
        try:
            yield
        except UaStatusCodeError as error:
            raise Refused(operation, error.code) from error
        except UaError as error:
            raise Garbled(
                f"{operation}: {error or type(error).__name__}",
                hint="Check security, policy and user against what the server offers, and the server's log",
            ) from error
        except TimeoutError as error:
            raise DeviceFault(
                f"{operation}: no answer from {self._at()} within {self._settings.timeout_s:g} s",
                hint="Check the server's power and network cable, endpoint, and whether it is overloaded",
            ) from error
        except ConnectionRefusedError as error:
            raise DeviceFault(
                f"{operation}: refused",
                hint="The address is in use but nothing listens there: check endpoint, and that the OPC UA "
                "server is switched on",
            ) from error
        except ConnectionError as error:
            raise DeviceFault(
                f"{self._at()} closed the connection",
                hint="Check the server's power and network, and how many sessions it allows",
            ) from error
        except OSError as error:
            raise DeviceFault(
                f"{operation}: {error.strerror or error or type(error).__name__}",
                hint="Check the server's power, the network cable, and endpoint",
            ) from error
        except _GARBLED as error:
            raise Garbled(
                f"{operation}: the answer cannot be understood ({type(error).__name__}: {error})",
                hint="Check that endpoint is an OPC UA server, and its version",
            ) from error

    def _at(self) -> str:
        return urlsplit(self._settings.endpoint).netloc


async def shown_certificate(
    settings: OpcUaSettings, connected: Callable[[Client], Coroutine[Any, Any, None]]
) -> bytes:
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
    uri, mode = POLICIES[settings.policy].URI, MODES[settings.security]
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
    named = {mode: name for name, mode in MODES.items()}
    found = {
        f"{named.get(offer.SecurityMode, '?')} with {str(offer.SecurityPolicyUri).rpartition('#')[2]}"
        for offer in offers
    }
    return ", ".join(sorted(found)) or "nothing"


def _form(content: bytes) -> str:
    return "pem" if content.lstrip().startswith(b"-----") else "der"


def _read(path: str) -> bytes:
    return Path(path).read_bytes()


def _obey() -> None:
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
