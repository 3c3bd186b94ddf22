"""An oven served by node-opcua in a process of its own, and a driver before it."""

import asyncio
import json
import shutil
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from drivers.opcua.driver import OpcUaDriver
from drivers.opcua.settings import OpcUaSettings
from drivers.opcua.simulator import Identity
from edge.readings import Quality
from tests.contract.observing import Recorder, TestClock, serving
from tests.line.nodejs import packages
from tests.patience import PATIENCE_S

HERE = Path(__file__).parent / "nodeopcua"
PACKAGES = "node-opcua-2.170.1"  # the newest that Node.js 18 and 20 run
URI = "urn:lineside:test:oven"


class NodeOven:
    """The process; `port` stays the same over a restart. `given` is what oven.js understands besides."""

    def __init__(self, folder: Path, **given: Any) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.port = 0
        self.given = given
        self._process: Process | None = None

    @property
    def endpoint(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}"

    def shows(self, identity: Identity) -> None:
        """From the next start on the server has this certificate."""
        certificate, key = self.folder / "own.crt", self.folder / "own.key"
        parsed = x509.load_der_x509_certificate(identity.certificate)
        certificate.write_bytes(parsed.public_bytes(Encoding.PEM))
        key.write_bytes(identity.key)
        self.given |= {"certificate": str(certificate), "key": str(key)}

    def lets_in(self, name: str, certificate: bytes) -> None:
        """From the next start on who shows this certificate may log in."""
        folder = self.folder / "users" / "trusted" / "certs"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.der").write_bytes(certificate)

    async def start(self) -> None:
        place = packages(HERE, PACKAGES)
        node = shutil.which("node")
        assert node is not None
        wanted = {"folder": str(self.folder), "port": self.port} | self.given
        self._process = await asyncio.create_subprocess_exec(
            node,
            str(HERE / "oven.js"),
            json.dumps(wanted),
            stdin=PIPE,
            stdout=PIPE,
            env={
                "NODE_PATH": str(place / "node_modules"),
                "PATH": str(Path(node).parent),
                "HOME": str(self.folder),
            },
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(3 * PATIENCE_S):
            while not (line := await self._process.stdout.readline()).startswith(b"{"):
                assert line, "the server ended before it listened"
        self.port = json.loads(line)["port"]

    async def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.communicate()

    def freeze(self) -> None:
        """It says nothing any more; the system keeps its connections."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def set(self, name: str, value: float) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(f"{name} {value}\n".encode())
        await self._process.stdin.drain()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()


def settings(endpoint: str, **more: Any) -> OpcUaSettings:
    table: dict[str, Any] = {
        "driver": "opcua",
        "endpoint": endpoint,
        "sampling_interval_s": 0,
        "publishing_interval_s": 0.1,
        "timeout_s": 30,
        "reconnect_min_s": 0.05,
        "reconnect_max_s": 0.2,
        "tags": {
            "batches": {"node": f"nsu={URI};s=Oven.Batches"},
            "temperature": {"path": "Oven/Temperature", "namespace": URI, "unit": "Cel"},
            "unknown": {"node": f"nsu={URI};s=Oven.Nothing"},
        },
    }
    return OpcUaSettings.model_validate(table | more)


@asynccontextmanager
async def served(wanted: OpcUaSettings) -> AsyncIterator[tuple[OpcUaDriver, Recorder]]:
    driver = OpcUaDriver("oven1", wanted, TestClock())
    async with serving(driver) as told:
        await told.until(lambda: told.values.get("batches") is not None)
        await told.until(lambda: told.values.get("temperature") == 180.5)
        yield driver, told


def counts(told: Recorder) -> list[Any]:
    return [
        reading.value
        for batch in told.batches
        for reading in batch
        if reading.tag == "batches" and reading.quality is Quality.good
    ]
