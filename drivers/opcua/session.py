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
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any, Concatenate, ParamSpec, TypeVar

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UaClient
from asyncua.client.ua_session import UaSession
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaerrors import UaError

from drivers.opcua import channel, identity, security
from drivers.opcua.faults import GARBLED, told
from drivers.opcua.settings import OpcUaSettings
from drivers.opcua.words import Garbled, Refused
from edge.faults import DeviceFault

# Each failed attempt would be some lines with a dump; the driver tells of changes only.
logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)

P = ParamSpec("P")
T = TypeVar("T")

_CHANNEL_S = 3600.0  # how long a secure channel's keys are asked for; renewed at three quarters of it
_SOONEST_S = 1.0  # however short a life the server names
_FAREWELL_S = 0.4  # a server that is asked to forget the session gets so long; the cancelled driver has 1 s
_STATE = ua.ReadParameters(
    NodesToRead=[ua.ReadValueId(ua.NodeId(ua.Int32(ObjectIds.Server_ServerStatus_State)), AttributeIds.Value)]
)


class Session:
    """One session, over one connection at a time."""

    def __init__(self, device: str, settings: OpcUaSettings) -> None:
        self._device = device
        self._settings = settings
        self._client: Client | None = None
        self._transport: UaClient | None = None
        self._serving = False  # whether the session is active over the present connection
        self.renew_at = 0.0  # when `renew` is due, by the loop's time
        self._resume_by = 0.0  # when the server has surely let the session go
        self.lost = asyncio.Event()  # set while there is no connection
        self.lost.set()

    async def connect(self) -> bool:
        """Connect, and go on with the session where the server still has it: whether it had.

        Raises DeviceFault; a later call tries again to go on unless `forget` was called.
        """
        settings = self._settings
        with self._connecting():
            if asyncio.get_running_loop().time() > self._resume_by:
                # Some servers answer an unknown session by closing the connection, which looks like a loss.
                self.forget()
            client = self._client
            if client is not None:
                if await self._resumed(client):
                    self._serving = True
                    return True
                self.forget()
            client = await self._prepared()
            await self._connected(client)
            await self._channel(client)
            await client.create_session()
            identity.check_password(client, settings)
            await identity.login(client, settings)
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
                with told("the farewell", self._settings):
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
        settings = self._settings
        try:
            with self._connecting():
                return await security.shown_certificate(settings, self._connected)
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
        with told(operation, self._settings):
            answer = await service(self._services(), *args, **kwargs)
            # What asyncua waits with may drop a cancellation that meets an answer.
            _obey()
            return answer

    async def results(
        self,
        operation: str,
        number: int,
        service: Callable[Concatenate[UaSession, P], Coroutine[Any, Any, list[T]]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> list[T]:
        """What a service answers to so many questions, one each. Raises as `call`."""
        found = await self.call(operation, service, *args, **kwargs) or []  # an empty array may be null
        if len(found) != number:
            raise Garbled(
                f"{operation}: {len(found)} results came, and {number} were asked for",
                hint="Check the server's version",
            )
        return found

    async def renew(self) -> None:
        """New keys for the channel when it is time; otherwise nothing."""
        client = self._client
        if client is None or asyncio.get_running_loop().time() < self.renew_at:
            return
        with told("renewing the secure channel", self._settings):
            await client.open_secure_channel(renew=True)
            client.uaclient.revolve_security_token()
            self._renew_later(client)
            # Many servers go on with the old keys until a message has come with the new ones.
            await client.uaclient.session.read(_STATE)
            _obey()

    async def stand(self, until: float) -> None:
        """Keep the connection up to a moment of the loop's time. Raises DeviceFault when it is lost."""
        loop = asyncio.get_running_loop()
        while not self.lost.is_set():
            await self.renew()
            wait_s = min(until, self.renew_at) - loop.time()
            try:
                async with asyncio.timeout(max(wait_s, 0.0)):
                    await self.lost.wait()
            except TimeoutError:
                if loop.time() >= until:
                    return
        with self._connecting():
            raise ConnectionError("the connection is closed")

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
            await security.secure(client, self._device, settings, self._connected)
        return client

    async def _resumed(self, client: Client) -> bool:
        """Go on with the session over a new connection: whether the server still had it."""
        await self._connected(client)
        try:
            await self._channel(client)
            client.uaclient.session.rebind_authentication_token()
            await identity.login(client, self._settings)
        except (Refused, UaError, *GARBLED):
            return False  # restarted, or it waited too long for us
        except OSError:
            if self._settings.secured:
                # A server with another certificate than before breaks off, or says nothing.
                self.drop()
                await security.trusted_certificate(self._device, self._settings, self._connected)
            raise
        return True

    async def _channel(self, client: Client) -> None:
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
        life_s = max(client.secure_channel_timeout * 0.75 / 1000, _SOONEST_S)
        self.renew_at = asyncio.get_running_loop().time() + life_s

    def _connecting(self) -> AbstractContextManager[None]:
        at = self._settings.address
        return told(f"no connection to {at}", self._settings, request=f"connecting to {at}")


def _obey() -> None:
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
