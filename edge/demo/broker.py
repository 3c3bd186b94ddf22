"""The demo's MQTT broker: mosquitto where it is installed, else the one of the package iotcore.

It keeps nothing: what it acknowledged is gone when it ends, and that costs nothing.
"""

import asyncio
import importlib.util
import shutil
import socket
import sys
from pathlib import Path

from edge.demo import child
from edge.faults import Fault

_START_S, _STOP_S = 10.0, 0.3
_MOSQUITTO = """
listener {port} 127.0.0.1
allow_anonymous true
persistence false
"""
_IOTCORE = """
id = 0
[router]
id = 0
max_connections = 20
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v5.1]
name = "demo"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 5000
max_payload_size = 16777216
max_inflight_count = 100
dynamic_filters = true
"""


class Broker:
    """A broker on loopback as a child process. Raises Fault where none is to be had."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "broker.log"
        self.port = _free_port()
        found, text = _found()
        config = folder / "broker.toml"  # rumqttd goes by the name
        config.write_text(text.format(port=self.port), encoding="utf-8")
        self._command = [*found, str(config)]
        self._process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> bool:
        return child.runs(self._process)

    async def start(self) -> None:
        """Start it, with an empty memory, and wait until it listens. Raises Fault. Twice is harmless."""
        if self.running:
            return
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            async with asyncio.timeout(_START_S):
                while not await self._listens():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            await self.stop()
            raise Fault("the MQTT broker does not start", hint=f"See {self._log}") from None

    async def stop(self) -> None:
        """Ask it to end; insist after a moment. Twice is harmless."""
        await child.end(self._process, _STOP_S)

    async def _listens(self) -> bool:
        if not self.running:
            said = self._log.read_text(errors="replace").splitlines()[-1:]
            raise Fault(f"the MQTT broker ends at once: {''.join(said)}", hint="Try the demo without --mqtt")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True


def _found() -> tuple[list[str], str]:
    """The command of a broker, up to its configuration file, and what goes in there. Raises Fault."""
    mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if mosquitto is not None:
        return [mosquitto, "-c"], _MOSQUITTO
    if importlib.util.find_spec("iotcore") is not None:
        return [sys.executable, "-m", "iotcore", "--log-level", "WARNING", "--config"], _IOTCORE
    raise Fault(
        "`lineside demo --mqtt` needs an MQTT 5 broker, and there is none",
        hint="Install one: `sudo apt install mosquitto`, or beside lineside: pip install 'lineside[broker]'",
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
