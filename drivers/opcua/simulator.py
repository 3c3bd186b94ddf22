"""A machine to try things on: a real OPC UA server whose values and faults are set from Python.

`OpcUaServer` holds values and misbehaves on demand; `Oven` is one with an oven behind it. Nothing outlives
`async with`. Values lie below the object `Oven` of the namespace `URI`, their ids are `Oven.<name>`.
"""

import asyncio
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self, cast

from asyncua import ua
from asyncua.common.node import Node
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.server import Server
from asyncua.server.user_managers import UserManager
from asyncua.ua.status_codes import StatusCodes
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from drivers.listening import stop_listening

URI = "urn:lineside:simulator:oven"

_POLICIES = {
    ("Basic256Sha256", "sign"): ua.SecurityPolicyType.Basic256Sha256_Sign,
    ("Basic256Sha256", "sign-and-encrypt"): ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    ("Aes256Sha256RsaPss", "sign"): ua.SecurityPolicyType.Aes256Sha256RsaPss_Sign,
    ("Aes256Sha256RsaPss", "sign-and-encrypt"): ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
}


class Identity:
    """A server's certificate and key; `valid` is how long from now, negative for one that has run out."""

    def __init__(self, *, uri: str = URI, valid: timedelta = timedelta(days=30)) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "oven")])
        now = datetime.now(UTC)
        names = [x509.UniformResourceIdentifier(uri), x509.DNSName("localhost")]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + valid)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(key, hashes.SHA256())
        )
        self.certificate = certificate.public_bytes(serialization.Encoding.DER)
        self.key = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


class _Users(UserManager):
    """Who may log in: everybody where neither users nor their certificates are given."""

    def __init__(self, users: Mapping[str, str], certificates: Collection[bytes]) -> None:
        self._users = users
        self._certificates = certificates

    def get_user(
        self,
        iserver: Any,
        username: str | None = None,
        password: Any = None,
        certificate: Any = None,
    ) -> User | None:
        if self._certificates:
            return User(role=UserRole.User) if certificate in self._certificates else None
        given = password.decode() if isinstance(password, bytes) else password
        if not self._users or (username is not None and self._users.get(username) == given):
            return User(role=UserRole.User, name=username)
        return None


class OpcUaServer:
    """An OPC UA server on `host`; port 0 lets the system choose, and a restart keeps the chosen one."""

    def __init__(
        self,
        values: Mapping[str, Any],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        identity: Identity | None = None,
        security: str = "none",
        policy: str = "Basic256Sha256",
        users: Mapping[str, str] | None = None,
        user_certificates: Collection[bytes] = (),
    ) -> None:
        self.host = host
        self.port = port
        self.values: dict[str, Any] = dict(values)
        self.identity = identity
        self.security = security
        self.policy = policy
        self.users = users or {}
        self.user_certificates = user_certificates  # DER; only who shows one of them may log in
        self.before: tuple[str, ...] = ()  # namespaces that come first; counts from the next start on
        self.refuses_subscriptions = False  # counts from the next start on
        self._nodes: dict[str, Node] = {}
        self._made: Server | None = None
        self._server: Server | None = None  # while the power is on

    @property
    def endpoint(self) -> str:
        return f"opc.tcp://{self.host}:{self.port}"

    @property
    def keys(self) -> int:
        """The number of the newest keys among its secure channels; 0 without any."""
        if self._server is None or self._server.bserver is None:
            return 0
        served = [one.processor for one in self._server.bserver.clients if one.processor is not None]
        return max((one._connection.security_token.TokenId for one in served), default=0)

    async def set(
        self, name: str, value: Any, *, status: int = StatusCodes.Good, at: datetime | None = None
    ) -> None:
        """Set a value with its status and source time (now); a server that is off shows it when it is on."""
        self.values[name] = value
        node = self._nodes.get(name)
        if node is not None and self._server is not None:
            variant = value if isinstance(value, ua.Variant) else ua.Variant(value)
            data = ua.DataValue(
                variant,
                ua.StatusCode(ua.UInt32(status)),
                SourceTimestamp=at or datetime.now(UTC),  # type: ignore[arg-type]
            )
            await self._server.write_attribute_value(node.nodeid, data)

    async def add(self, name: str, value: Any) -> None:
        """A value that was not there before."""
        self.values[name] = value
        if self._server is not None:
            await self._add(await self._server.get_namespace_index(URI), name, value)

    async def power_on(self) -> None:
        """Answer from now on. Raises OSError when the port is taken."""
        if self._server is not None:
            return
        if self._made is None:
            self._made = await self._make()
        server = self._made
        before = asyncio.all_tasks()
        if server.bserver is None:
            await server.start()
        else:
            await server.bserver.start()
        listening = server.bserver._server if server.bserver is not None else None
        self.port = cast(asyncio.Server, listening).sockets[0].getsockname()[1]
        server.set_endpoint(self.endpoint)
        if server.bserver is not None:
            server.bserver.port = self.port
        for task in asyncio.all_tasks() - before:
            task.set_name(f"oven on port {self.port}")
        self._server = server

    async def power_off(self) -> None:
        """Close every connection and the port, without a word to the clients, and forget every session."""
        server, self._server = self._server, None
        if server is None or server.bserver is None:
            return
        # asyncua waits without end for a connection that is accepted while it closes.
        await stop_listening(cast(asyncio.Server, server.bserver._server))
        _cut(server)
        await server.bserver.stop()
        for session in list(server.iserver._external_sessions.values()):
            await session.close_session(True)

    def cut(self) -> None:
        """Break every connection; the server goes on and keeps its sessions."""
        if self._server is not None:
            _cut(self._server)

    def cut_at(self, service: str, *, done: bool) -> asyncio.Event:
        """Break every connection at the next request for this service of subscriptions.

        The event says that it happened. The client never hears the answer; `done`: the server did as asked.
        """
        assert self._server is not None
        services: Any = self._server.iserver.subscription_service
        serve, cut = getattr(services, service), asyncio.Event()

        async def once(*args: Any, **kwargs: Any) -> Any:
            setattr(services, service, serve)
            cut.set()
            if not done:
                self.cut()
                raise ServiceError(StatusCodes.BadShutdown)
            answer = await serve(*args, **kwargs)
            self.cut()
            return answer

        setattr(services, service, once)
        return cut

    def hang(self) -> None:
        """Every subscription says nothing any more, not even that it lives; other requests are answered."""
        if self._server is not None:
            for one in self._server.iserver.subscription_service.subscriptions.values():
                if one._task is not None:
                    one._task.cancel()

    async def renumber(self, *before: str) -> None:
        """With the next start these namespaces come first, as after a change of the machine's program."""
        self.before = before
        await self._unmake()

    async def _make(self) -> Server:
        server = Server(user_manager=_Users(self.users, self.user_certificates))
        await server.init()
        server.disable_clock()
        server.set_endpoint(self.endpoint)
        await self._secure(server)
        for uri in self.before:
            await server.register_namespace(uri)
        index = await server.register_namespace(URI)
        self._oven = await server.nodes.objects.add_object(
            ua.NodeId(ua.String("Oven"), ua.Int16(index)), ua.QualifiedName("Oven", ua.UInt16(index))
        )
        for name, value in self.values.items():
            await self._add(index, name, value)
        subscriptions: Any = server.iserver.subscription_service
        if self.refuses_subscriptions:
            subscriptions.create_subscription = _refuse
        return server

    async def _unmake(self) -> None:
        await self.power_off()
        made, self._made = self._made, None
        self._nodes = {}
        if made is not None:
            await made.stop()

    async def _add(self, index: int, name: str, value: Any) -> None:
        self._nodes[name] = await self._oven.add_variable(
            ua.NodeId(ua.String(f"Oven.{name}"), ua.Int16(index)),
            ua.QualifiedName(name, ua.UInt16(index)),
            value,
        )

    async def _secure(self, server: Server) -> None:
        if self.identity is None:
            server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
            return
        await server.set_application_uri(URI)
        await server.load_certificate(self.identity.certificate, "der")
        await server.load_private_key(self.identity.key, format="pem")
        server.set_security_policy([_POLICIES[self.policy, self.security]])
        if self.user_certificates:
            server.set_identity_tokens([ua.X509IdentityToken])
        elif self.users:
            server.set_identity_tokens([ua.UserNameIdentityToken])

    async def __aenter__(self) -> Self:
        await self.power_on()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._unmake()


def _cut(server: Server) -> None:
    for transport in list(server.iserver.asyncio_transports):
        transport.abort()


async def _refuse(*args: object, **kwargs: object) -> None:
    raise ServiceError(StatusCodes.BadServiceUnsupported)


class Oven(OpcUaServer):
    """An oven: `Temperature` (Cel), `Batches` (a counter) and `Running`."""

    def __init__(self, **more: Any) -> None:
        super().__init__(
            {"Temperature": 180.5, "Batches": ua.Variant(0, ua.VariantType.UInt32), "Running": False}, **more
        )
        self.batches = 0

    async def batch(self, batches: int = 1) -> None:
        """The oven finishes batches, each with a change of its own."""
        for _ in range(batches):
            self.batches += 1
            await self.set("Batches", ua.Variant(self.batches, ua.VariantType.UInt32))
