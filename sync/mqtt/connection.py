"""One connection to a broker: paho-mqtt on the running loop, from CONNECT to its end.

A new client for each connection: what was under way when one ended is forgotten, for answers are asked for
again. Messages that come in are acknowledged by whoever worked them off (`done`), so that the broker holds
back what exceeds the receive maximum. The reason in each PUBACK and SUBACK is looked at.
"""

import asyncio
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from paho.mqtt.client import Client, MQTTv5, error_string
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.faults import UplinkFault
from sync.mqtt.packets import Incoming, Outgoing, Packed, incoming
from sync.mqtt.settings import MqttSettings
from sync.outcome import printable
from sync.secret import secret

INCOMING_BYTES_MAX = 16 * 1024 * 1024  # a packet; the largest is master data
_IN_FLIGHT = 20
_MISC_S = 1.0


class Denied(UplinkFault):
    """The broker will not have us until a person acts."""


class Connection:
    """Open it with `Connection.open`; `lost` ends when it does."""

    def __init__(
        self,
        client: "_Client",
        tls: "_Context | None",
        received: Callable[[Incoming], None],
        settings: MqttSettings,
    ) -> None:
        self._client = client
        self._tls = tls
        self._received = received
        host, port = settings.address
        self._who = f"{host}:{port}"
        self._patience_s = 2 * settings.keepalive_s  # for each PUBACK and SUBACK
        self._loop = asyncio.get_running_loop()
        self._connected: asyncio.Future[tuple[ReasonCode, Properties | None]] = self._loop.create_future()
        self._ended: asyncio.Future[str] = self._loop.create_future()
        self._answers: dict[int, asyncio.Future[ReasonCode]] = {}
        self._window = asyncio.Semaphore(_IN_FLIGHT)
        self._misc: asyncio.Task[None] | None = None
        self._watched: int | None = None
        self._full = False  # the socket takes no more now: the loop says when it does
        self.bytes_max: int | None = None  # of a packet, as the broker says

    @classmethod
    async def open(
        cls,
        settings: MqttSettings,
        client_id: str,
        will: Outgoing,
        received: Callable[[Incoming], None],
    ) -> "Connection":
        """Connect and have the broker's word. Raises UplinkFault, Denied where a person must act."""
        tls = await asyncio.to_thread(context, settings) if settings.tls else None
        client = await asyncio.to_thread(_client, settings, client_id, will)
        if tls is not None:
            client.tls_set_context(tls)
        one = cls(client, tls, received, settings)
        try:
            await one._connect(settings)
        except BaseException:
            one._let_go()
            raise
        return one

    def fits(self, message: Outgoing) -> bool:
        """Whether the broker takes a packet of this size; a larger one would end the connection."""
        return self.bytes_max is None or message.packet_bytes <= self.bytes_max

    async def publish(self, message: Outgoing) -> ReasonCode:
        """Send with QoS 1; the broker's word on it. Raises UplinkFault where the connection ends first."""
        async with self._window:
            return await self._answered(lambda: self._published(message))

    async def subscribe(self, topic: str) -> ReasonCode:
        """Subscribe with QoS 1; the broker's word. Raises UplinkFault."""
        return await self._answered(lambda: self._client.subscribe(topic, qos=1))

    def done(self, message: Incoming) -> None:
        """A message is worked off: the broker may forget it."""
        if not self._ended.done():
            self._client.ack(message.mid, message.qos)

    async def lost(self) -> str:
        """Wait for the end of the connection; why it ended."""
        return await asyncio.shield(self._ended)

    async def close(self) -> None:
        """Part in order, so that the Will is not sent."""
        if not self._ended.done():
            self._client.disconnect()
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self.lost()
        self._let_go()

    async def _connect(self, settings: MqttSettings) -> None:
        host, port = settings.address
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = settings.session_expiry_s
        properties.ReceiveMaximum = settings.receive_maximum
        properties.MaximumPacketSize = INCOMING_BYTES_MAX
        given = self._client

        def connect() -> None:
            given.connect(host, port, settings.keepalive_s, clean_start=False, properties=properties)

        given.on_connect = self._on_connect
        given.on_disconnect = self._on_disconnect
        connecting = asyncio.ensure_future(asyncio.to_thread(connect))
        try:
            await asyncio.shield(connecting)
        except asyncio.CancelledError:
            connecting.add_done_callback(lambda _: self._let_go())
            raise
        except (OSError, ValueError) as error:
            raise _unreachable(self._who, error, settings) from error
        self._attach()
        try:
            async with asyncio.timeout(settings.connect_timeout_s):
                await asyncio.wait((self._connected, self._ended), return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise UplinkFault(f"{self._who} does not answer", hint="Is it an MQTT broker?") from None
        if not self._connected.done():
            raise self._over()
        code, given_back = self._connected.result()
        if code.is_failure:
            raise _refused(self._who, code)
        self.bytes_max = getattr(given_back, "MaximumPacketSize", None)

    def _attach(self) -> None:
        """Have the loop watch the socket."""
        client = self._client
        sock: Any = client.socket()
        if sock is None:
            return self._end("the connection broke off")
        fd = sock.fileno()
        self._watched = fd
        self._loop.add_reader(fd, self._readable)
        client.took = self._received
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_socket_close = lambda *_: self._unwatch()
        client.on_socket_register_write = self._write_soon
        client.on_socket_unregister_write = self._have_written
        if client.want_write():
            self._write_soon()
        self._misc = asyncio.create_task(self._keep(), name="mqtt-keepalive")
        return None

    def _readable(self) -> None:
        """Take what has come; TLS may hold more than the socket shows."""
        try:
            self._client.loop_read()
            while (sock := self._client.socket()) is not None and getattr(sock, "pending", int)():
                self._client.loop_read()
        except _MALFORMED as error:
            self._end(f"the broker sent something that is no MQTT 5 ({type(error).__name__}: {error})")

    def _write_soon(self, *_: Any) -> None:
        """Not at once: paho may be in the middle of a packet."""
        self._loop.call_soon(self._write)

    def _write(self) -> None:
        """Send what waits. Most often the socket takes it whole, and nobody need watch it."""
        self._client.loop_write()
        if self._watched is not None and not self._full and self._client.want_write():
            self._full = True
            self._loop.add_writer(self._watched, self._write)

    def _have_written(self, *_: Any) -> None:
        if self._watched is not None and self._full:
            self._full = False
            self._loop.remove_writer(self._watched)

    async def _keep(self) -> None:
        while not self._ended.done():
            await asyncio.sleep(_MISC_S)
            self._client.loop_misc()

    async def _answered(self, send: Callable[[], Any]) -> ReasonCode:
        if self._ended.done():
            raise self._over()
        code, mid = send()
        if code or mid is None:
            raise UplinkFault(f"{self._who}: nothing was sent ({error_string(code)})", hint=_BROKER_HINT)
        answer: asyncio.Future[ReasonCode] = self._loop.create_future()
        self._answers[mid] = answer
        try:
            async with asyncio.timeout(self._patience_s):
                return await answer
        except TimeoutError:
            self._end(f"the broker acknowledged nothing for {self._patience_s} s")
            raise self._over() from None
        finally:
            self._answers.pop(mid, None)

    def _published(self, message: Outgoing) -> tuple[int, int]:
        info = self._client.publish(
            message.topic, message.body, 1, message.retain, cast(Properties, Packed(message))
        )
        return info.rc, info.mid

    def _on_connect(self, *given: Any) -> None:
        _, _, _, code, properties = given
        if not self._connected.done():
            self._connected.set_result((code, properties))

    def _on_disconnect(self, *given: Any) -> None:
        code = given[3]
        self._loop.call_soon_threadsafe(self._end, f"the connection ended ({code})")

    def _on_publish(self, _client: Client, _: Any, mid: int, code: ReasonCode, *__: Any) -> None:
        self._answer(mid, code)

    def _on_subscribe(self, _client: Client, _: Any, mid: int, codes: list[ReasonCode], *__: Any) -> None:
        self._answer(mid, codes[0])

    def _answer(self, mid: int, code: ReasonCode) -> None:
        if (answer := self._answers.get(mid)) is not None and not answer.done():
            answer.set_result(code)

    def _end(self, why: str) -> None:
        if not self._ended.done():
            self._ended.set_result(why)
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(self._over())

    def _over(self) -> UplinkFault:
        """What to say to whoever still waits."""
        return UplinkFault(f"{self._who}: {self._ended.result()}", hint=_BROKER_HINT)

    def _unwatch(self) -> None:
        if self._watched is not None:
            self._loop.remove_reader(self._watched)
            self._loop.remove_writer(self._watched)
            self._watched, self._full = None, False

    def _let_go(self) -> None:
        """Nothing of this connection stays behind, orderly or not."""
        self._unwatch()
        if self._misc is not None:
            self._misc.cancel()
        self._end("closed")
        for sock in (self._client.socket(), self._tls and self._tls.made):
            if sock:
                sock.close()


class _Client(Client):
    """paho's, but for the two places where a page costs most."""

    took: Callable[[Incoming], None]  # what a message that came in is given to

    def _handle_publish(self) -> MQTTErrorCode:
        """A message came in. Raises ValueError, IndexError where it is none."""
        self.took(incoming(self._in_packet["command"], bytes(self._in_packet["packet"])))
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _packet_queue(self, command: int, packet: Any, *rest: Any, **named: Any) -> Any:
        """As a view: paho cuts what is left off a packet for each try to send, half a megabyte of a page."""
        return super()._packet_queue(command, cast(bytes, memoryview(packet)), *rest, **named)


def _client(settings: MqttSettings, client_id: str, will: Outgoing) -> _Client:
    """A client as configured, not connected yet. Reads files. Raises UplinkFault."""
    client = _Client(
        CallbackAPIVersion.VERSION2, client_id, protocol=MQTTv5, reconnect_on_failure=False, manual_ack=True
    )
    client.connect_timeout = settings.connect_timeout_s
    if settings.user is not None and settings.password_file is not None:
        client.username_pw_set(settings.user, secret(settings.password_file, ascii_only=False))
    client.will_set(will.topic, will.body, 1, will.retain, _properties(PacketTypes.WILLMESSAGE, will))
    return client


class _Context(ssl.SSLContext):
    """Remembers its socket: paho leaves it open where the handshake fails."""

    made: ssl.SSLSocket | None = None

    def wrap_socket(self, *given: Any, **named: Any) -> ssl.SSLSocket:
        self.made = super().wrap_socket(*given, **named)
        return self.made


def context(settings: MqttSettings) -> _Context:
    """TLS 1.2 or newer, verified. Raises Denied."""
    try:
        found = _Context(ssl.PROTOCOL_TLS_CLIENT)  # which verifies certificate and name
        found.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.ca_file is not None:
            found.load_verify_locations(settings.ca_file)
        else:
            found.load_default_certs()
        if settings.cert_file is not None:
            # Without a password of its own OpenSSL would ask the terminal for it, and wait.
            found.load_cert_chain(settings.cert_file, settings.key_file, password=lambda: "")
    except OSError as error:  # ssl.SSLError is one
        raise Denied(
            f"ca_file, cert_file or key_file cannot be used ({error})",
            hint="They must be PEM files that this user can read; key_file belongs to cert_file",
        ) from error
    return found


def _properties(kind: int, message: Outgoing) -> Properties:
    properties = Properties(kind)  # type: ignore[no-untyped-call]
    if message.content_type is not None:
        properties.ContentType = message.content_type
        properties.PayloadFormatIndicator = 1
    if message.correlation is not None:
        properties.CorrelationData = message.correlation
    return properties


def _unreachable(who: str, error: Exception, settings: MqttSettings) -> UplinkFault:
    """Why there is no connection, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return UplinkFault(
            f"{who}: the broker's certificate is not trusted ({printable(error.verify_message, 200)})",
            hint="Put the PEM file of the authority that signed it into ca_file, or correct the clock",
        )
    if isinstance(error, ssl.SSLError):
        hint = "Check port, tls and cert_file: the broker may want another certificate, or speak no TLS there"
        return UplinkFault(f"{who}: no TLS ({printable(str(error), 200)})", hint=hint)
    text = printable(str(error) or type(error).__name__, 200)
    return UplinkFault(f"{who}: no connection ({text})", hint=_BROKER_HINT)


def _refused(who: str, code: ReasonCode) -> UplinkFault:
    if code.value in _DENIALS:
        return Denied(f"{who} refuses this account ({code})", hint="Check user, password_file and cert_file")
    if code.value in (0x01, 0x84):
        return Denied(f"{who} does not speak MQTT 5", hint="Brokers since 2019 do; it may have to be enabled")
    return UplinkFault(f"{who} refuses the connection ({code})", hint=_BROKER_HINT)


_DENIALS = (0x85, 0x86, 0x87, 0x8A, 0x8C)  # client id, password, not authorized, banned, method
_BROKER_HINT = "Nothing to do unless it lasts; then check host, port, the network and the broker"
_MALFORMED = (ValueError, IndexError, KeyError, TypeError, AttributeError, AssertionError, struct.error)
