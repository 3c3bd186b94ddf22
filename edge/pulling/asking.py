"""Questions to lineside over MQTT 5: publish with Response Topic and Correlation Data, wait for the answer.

What is not answered in time is asked again: asking costs nothing and changes nothing.
"""

import queue
import secrets
import ssl
import time
from dataclasses import dataclass
from typing import Any

import msgspec
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.faults import UplinkFault

_AGAIN_S = 5.0
_GIVE_UP_S = 60.0


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


class Refusal(UplinkFault):
    """lineside refused a question, and says why."""


class Asking:
    """One connection; paho's thread connects again by itself. Use it with `with`."""

    def __init__(self, address: Address) -> None:
        self._at = address
        self._answers: queue.Queue[MQTTMessage] = queue.Queue(100)
        self._topic = f"{address.base}/answer/{address.consumer}/{secrets.token_hex(4)}"
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        if address.user is not None:
            self._client.username_pw_set(address.user, address.password)
        if address.tls:
            self._client.tls_set_context(ssl.create_default_context(cafile=address.ca_file))
        self._client.on_connect = self._connected
        self._client.on_message = self._came

    def __enter__(self) -> "Asking":
        try:
            self._client.connect(self._at.host, self._at.port)
        except OSError as error:
            raise UplinkFault(
                f"{self._at.host}:{self._at.port} cannot be reached: {error}",
                hint="Check host, port, --tls or --no-tls, and whether the broker runs",
            ) from error
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def ask(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer. Raises Refusal, UplinkFault after a minute without one."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ResponseTopic = self._topic
        properties.CorrelationData = mark = secrets.token_bytes(8)
        topic, payload = f"{self._at.base}/{what}/{self._at.consumer}", msgspec.json.encode(body)
        end_s = time.monotonic() + _GIVE_UP_S
        while time.monotonic() < end_s:
            self._client.publish(topic, payload, qos=1, properties=properties)
            if (found := self._heard(mark)) is not None:
                return _understood(found)
        raise UplinkFault(f"nobody answers on {topic}", hint="Does lineside sync run, with this consumer?")

    def _heard(self, mark: bytes) -> bytes | None:
        """The answer to this question; others came late and are let go of."""
        end_s = time.monotonic() + _AGAIN_S
        while (left_s := end_s - time.monotonic()) > 0:
            try:
                message = self._answers.get(timeout=left_s)
            except queue.Empty:
                return None
            if getattr(message.properties, "CorrelationData", None) == mark:
                return bytes(message.payload)
        return None

    def _connected(self, client: Client, *_: Any) -> None:
        client.subscribe(self._topic, qos=1)

    def _came(self, _client: Client, _: Any, message: MQTTMessage) -> None:
        try:
            self._answers.put_nowait(message)
        except queue.Full:
            pass  # asked again


def _understood(body: bytes) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    if "problem" in found:
        detail = str(found["problem"].get("detail", ""))
        raise Refusal(f"lineside refuses: {detail}", hint="Nothing was settled by this question")
    return found
