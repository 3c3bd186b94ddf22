"""One MQTT 5 connection on the event loop: made, subscribed, kept alive, closed.

paho does the protocol; the loop tells it when its socket can be read or written, so no thread serves it. Only
making the connection happens in a thread, because paho resolves the name and connects in one blocking call.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.faults import DeviceFault
from lineside_mqtt_sensor.settings import SensorSettings

_REFUSED = _UNSPECIFIED = 0x80  # reason codes from here on are refusals (MQTT 5, 2.4)
_UNREACHABLE = "Check that the broker runs, and host and port"


class Connection:
    """Lives from `open` to `close`; `lost` is done, with the reason, when the broker is gone."""

    def __init__(
        self, name: str, settings: SensorSettings, on_message: Callable[[str, bytes, bool], None]
    ) -> None:
        """`on_message` is given topic, payload, and whether the broker had kept the message."""
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._connack: asyncio.Future[str] = self._loop.create_future()
        self._suback: asyncio.Future[list[Any]] = self._loop.create_future()
        self.lost: asyncio.Future[str] = self._loop.create_future()
        self._opened = False
        # Random, so that a probe can connect beside the collector: a broker drops the elder of two equal ids.
        client_id = f"lineside-{name}-{secrets.token_hex(4)}"
        self._client = client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv5)
        client.connect_timeout = settings.timeout_s
        client.on_connect = lambda _c, _u, _f, reason, _p: _settle(self._connack, _why(reason))
        client.on_subscribe = lambda _c, _u, _m, reasons, _p: _settle(self._suback, reasons)
        client.on_disconnect = lambda _c, _u, _f, reason, _p: _settle(self.lost, _gone(reason))
        client.on_message = lambda _c, _u, message: on_message(
            message.topic, bytes(message.payload), message.retain
        )

    async def open(self) -> None:
        """Connect and wait for the broker's welcome. Raises DeviceFault."""
        settings = self._settings
        at = f"{settings.host}:{settings.port}"
        connecting = self._loop.run_in_executor(
            None, lambda: self._client.connect(settings.host, settings.port, settings.keepalive_s)
        )
        try:
            await asyncio.shield(connecting)
        except asyncio.CancelledError:
            connecting.add_done_callback(self._discard)
            raise
        except TimeoutError as error:
            raise DeviceFault(f"no connection to {at}: no answer", hint=_UNREACHABLE) from error
        except (OSError, UnicodeError) as error:
            cause = getattr(error, "strerror", None) or str(error)
            raise DeviceFault(f"no connection to {at}: {cause}", hint=_UNREACHABLE) from error
        self._attach()
        if refused := await self._answer(self._connack, "the connection"):
            raise DeviceFault(f"{at} refuses the connection: {refused}", hint="Look at the broker's log")

    async def subscribe(self, topics: Sequence[str]) -> Mapping[str, str]:
        """Ask for the topics' messages; by topic why the broker refuses it. Raises DeviceFault."""
        self._client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in topics])
        reasons = await self._answer(self._suback, "the subscription")
        return {
            topic: str(reason)
            for topic, reason in zip(topics, reasons, strict=True)
            if reason.value >= _REFUSED
        }

    def tend(self) -> None:
        """Keep the connection alive; to be called about once a second."""
        self._client.loop_misc()

    def close(self) -> None:
        """Say goodbye if the line takes it, and close. Nothing is left behind; once more is harmless."""
        if not self._opened:
            return  # a thread may still be connecting: what it opens is discarded
        client = self._client
        if client.socket() is not None:
            client.disconnect()
            client.loop_write()  # closes the socket behind the goodbye
        if (socket := client.socket()) is not None:
            self._detach(socket)
            # paho would call these with the closed socket when it is collected.
            client.on_socket_close = client.on_socket_register_write = client.on_socket_unregister_write = (
                None
            )
            socket.close()

    async def _answer(self, answer: "asyncio.Future[Any]", to: str) -> Any:
        settings = self._settings
        await asyncio.wait(
            {answer, self.lost}, timeout=settings.timeout_s, return_when=asyncio.FIRST_COMPLETED
        )
        if answer.done():
            return answer.result()
        what = f"{settings.host}:{settings.port} did not answer {to}"
        if self.lost.done():
            raise DeviceFault(
                f"{what}: {self.lost.result()}", hint="Look at the broker's log; it must speak MQTT 5"
            )
        raise DeviceFault(f"{what} within {settings.timeout_s:g} s", hint="Check that a broker listens there")

    def _discard(self, connecting: "asyncio.Future[Any]") -> None:
        if not connecting.cancelled() and connecting.exception() is None:
            self._opened = True
            self.close()

    def _attach(self) -> None:
        self._opened = True
        client = self._client
        client.on_socket_close = lambda _c, _u, socket: self._detach(socket)
        client.on_socket_register_write = lambda _c, _u, socket: self._loop.add_writer(
            socket, client.loop_write
        )
        client.on_socket_unregister_write = lambda _c, _u, socket: self._quiet(socket)
        if (socket := client.socket()) is not None:
            self._loop.add_reader(socket, client.loop_read)

    def _detach(self, socket: Any) -> None:
        self._loop.remove_reader(socket)
        self._loop.remove_writer(socket)

    def _quiet(self, socket: Any) -> None:
        self._loop.remove_writer(socket)


def _why(reason: Any) -> str:
    return str(reason) if reason.is_failure else ""


def _gone(reason: Any) -> str:
    return "the connection broke" if reason.value == _UNSPECIFIED else str(reason)


def _settle(future: "asyncio.Future[Any]", result: Any) -> None:
    if not future.done():
        future.set_result(result)
