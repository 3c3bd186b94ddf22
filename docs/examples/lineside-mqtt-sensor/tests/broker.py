"""The simulator: a real MQTT 5 broker (iotcore, in a process of its own) and sensors that publish to it."""

import asyncio
import socket
from pathlib import Path

from iotcore import Broker
from paho.mqtt import publish
from paho.mqtt.enums import MQTTProtocolVersion

_CONFIG = """\
id = 0

[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 1048576
max_segment_count = 10

[v5.1]
name = "v5-1"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1

[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 20480
max_inflight_count = 100
dynamic_filters = true
"""


class Sensors:
    """What publishes, and the broker in between, which can go and come. It keeps nothing over that."""

    host = "127.0.0.1"

    def __init__(self, config: Path) -> None:
        with socket.socket() as free:
            free.bind((self.host, 0))
            self.port: int = free.getsockname()[1]
        config.write_text(_CONFIG.format(port=self.port))
        self._broker = Broker(config_path=str(config))

    async def come(self) -> None:
        await asyncio.to_thread(self._broker.start, 60)

    async def go(self) -> None:
        await asyncio.to_thread(self._broker.stop)

    async def publish(self, topic: str, payload: str | bytes, *, retain: bool = False) -> None:
        """Return when the broker has it."""
        await asyncio.to_thread(
            publish.single, topic, payload, 1, retain, self.host, self.port,
            protocol=MQTTProtocolVersion.MQTTv5,
        )  # fmt: skip
