"""One connection to the broker, from CONNECT to its end; no thread, whoever waits for something drives it."""

import socket
import ssl
import struct
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTv5, error_string
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.faults import UplinkFault

_KEEPALIVE_S = 30
_STEP_S = 0.2
_PACKET_BYTES_MAX = 32 * 1024 * 1024  # lineside's pages are smaller
_MALFORMED = (ValueError, IndexError, KeyError, TypeError, AttributeError, AssertionError, struct.error)


@dataclass(frozen=True)
class Address:
    """A broker, the edge's topic and the consumer's name."""

    host: str
    port: int
    base: str
    consumer: str
    user: str | None = None
    password: str | None = None
    ca_file: str | None = None
    tls: bool = True


class Line:
    """Connected and subscribed to `topic`. Everything raises UplinkFault where the connection ends.

    `within_s` is how long the broker may take for each word of its own.
    """

    def __init__(self, address: Address, topic: str, within_s: float) -> None:
        self._within_s = within_s
        self._who = f"{address.host}:{address.port}"
        self._came: deque[MQTTMessage] = deque(maxlen=100)
        self._told: dict[str, ReasonCode] = {}  # the broker's word on CONNECT and SUBSCRIBE
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5, reconnect_on_failure=False)
        self._client.connect_timeout = within_s
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_publish = self._on_publish
        self._client.on_message = lambda _client, _data, message: self._came.append(message)
        try:
            self._connect(address)
            self._subscribe(topic)
        except BaseException:
            self.close()
            raise

    def publish(
        self, topic: str, body: bytes, properties: Properties | None = None, retain: bool = False
    ) -> None:
        """Send with QoS 1. What became of it, an answer tells."""
        self._client.publish(topic, body, qos=1, retain=retain, properties=properties)

    @property
    def objection(self) -> str:
        """What the broker had to say of what was published last; empty where it passed it on."""
        code = self._told.get("publish", _FINE)
        return "" if code.value == _FINE.value else str(code)

    def receive(self, within_s: float) -> MQTTMessage | None:
        """The next message; None where none comes in time."""
        end_s = time.monotonic() + within_s
        while not self._came and (left_s := end_s - time.monotonic()) > 0:
            self._step(min(left_s, _STEP_S))
        return self._came.popleft() if self._came else None

    def close(self) -> None:
        """Part in order, where there is still somebody to part from."""
        self._client.disconnect()
        if (sock := self._client.socket()) is not None:
            sock.close()

    def _connect(self, address: Address) -> None:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = _PACKET_BYTES_MAX
        if address.user is not None:
            self._client.username_pw_set(address.user, address.password)
        try:
            if address.tls:
                self._client.tls_set_context(ssl.create_default_context(cafile=address.ca_file))
            self._client.connect(address.host, address.port, _KEEPALIVE_S, properties=properties)
            self._unhindered()
        except OSError as error:
            raise UplinkFault(
                f"{self._who} cannot be reached: {error}",
                hint="Check host, port, --tls or --no-tls, and whether the broker runs",
            ) from error
        if (code := self._word("connect")).is_failure:
            hint = "Check --user and --password-file; the broker must speak MQTT 5"
            raise UplinkFault(f"{self._who} refuses the connection ({code})", hint=hint)

    def _unhindered(self) -> None:
        """An acknowledgement must not hold back the question behind it (Nagle): 40 ms a page."""
        sock: Any = self._client.socket()
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _subscribe(self, topic: str) -> None:
        self._client.subscribe(topic, qos=1)
        if (code := self._word("subscribe")).is_failure:
            hint = "Give this account the right to read there (docs/mqtt.md)"
            raise UplinkFault(f"{self._who} does not let us listen to {topic} ({code})", hint=hint)

    def _on_connect(self, *given: Any) -> None:
        self._told["connect"] = given[3]

    def _on_subscribe(self, *given: Any) -> None:
        self._told["subscribe"] = given[3][0]

    def _on_publish(self, *given: Any) -> None:
        self._told["publish"] = given[3]

    def _word(self, on: str) -> ReasonCode:
        end_s = time.monotonic() + self._within_s
        while on not in self._told:
            if time.monotonic() > end_s:
                raise UplinkFault(f"{self._who} does not answer", hint="Is it an MQTT broker?")
            self._step(_STEP_S)
        return self._told[on]

    def _step(self, within_s: float) -> None:
        """Let the client read and write."""
        why: Any = ""
        try:
            if (code := self._client.loop(within_s)) and not self._told.get("connect", _FINE).is_failure:
                why = error_string(code)
        except _MALFORMED as error:
            why = f"the broker sent something that is no MQTT 5 ({type(error).__name__}: {error})"
        if why:
            raise UplinkFault(f"{self._who}: {why}", hint="Check the network and the broker")


_FINE = ReasonCode(PacketTypes.CONNACK, "Success")
