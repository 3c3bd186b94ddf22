"""The OPC UA driver against a server that another project wrote: node-opcua, run by Node.js."""

import asyncio
import fcntl
import json
import shutil
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers.opcua import pki
from drivers.opcua.driver import OpcUaDriver
from drivers.opcua.session import Session
from drivers.opcua.settings import OpcUaSettings
from edge.readings import Quality
from tests.contract.observing import Recorder, TestClock, serving
from tests.patience import PATIENCE_S

HERE = Path(__file__).parent / "nodeopcua"
PLACE = Path(__file__).parents[2] / "build" / "node-opcua-2.170.1"  # the newest that Node.js 18 and 20 run
URI = "urn:lineside:test:oven"


class NodeOven:
    """The process; `port` stays the same over a restart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._process: Process | None = None

    @property
    def endpoint(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}"

    async def start(self) -> None:
        script = HERE / "oven.js"
        self._process = await asyncio.create_subprocess_exec(
            "node",
            str(script),
            str(self.folder),
            str(self.port),
            stdin=PIPE,
            stdout=PIPE,
            env={"NODE_PATH": str(PLACE / "node_modules"), "PATH": _path(), "HOME": str(self.folder)},
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(3 * PATIENCE_S):
            while not (line := await self._process.stdout.readline()).startswith(b"{"):
                assert line, "the server ended before it listened"
        self.port = json.loads(line)["port"]

    async def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await process.communicate()

    async def set(self, name: str, value: float) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(f"{name} {value}\n".encode())
        await self._process.stdin.drain()


class Wire:
    """A TCP relay before the server that can be cut and mended."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers |= {writer, back}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pour(reader, back), name="oven's wire there")
                group.create_task(_pour(there, writer), name="oven's wire back")
        finally:
            self._writers -= {writer, back}


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


def _path() -> str:
    node = shutil.which("node")
    assert node is not None
    return str(Path(node).parent)


@pytest.fixture(scope="module")
def installed() -> None:
    """node-opcua below build/, made from its lock file once."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("needs Node.js with npm to run node-opcua (Debian: apt-get install nodejs npm)")
    PLACE.parent.mkdir(exist_ok=True)
    with PLACE.with_name("node-opcua.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not PLACE.exists():
            fresh = PLACE.with_name("node-opcua.fresh")
            shutil.rmtree(fresh, ignore_errors=True)
            shutil.copytree(HERE, fresh)
            command = [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(fresh)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=280)
            assert done.returncode == 0, (
                "node-opcua, the other server of these tests, could not be installed: npm must reach its "
                f"registry once (`npm config get registry` names it). npm said:\n{done.stderr}"
            )
            fresh.rename(PLACE)


@pytest.fixture
async def oven(installed: None, tmp_path: Path) -> AsyncIterator[NodeOven]:
    made = NodeOven(tmp_path / "server")
    made.folder.mkdir()
    await made.start()
    yield made
    await made.kill()


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


async def test_every_value_of_another_server_is_told_once_and_in_order(oven: NodeOven) -> None:
    async with served(settings(oven.endpoint)) as (driver, told):
        for number in range(1, 51):
            await oven.set("Batches", number)
        await told.until(lambda: told.values["batches"] == 50)
        assert set(driver.refusals) == {"unknown"}
        await driver.refresh()
    assert counts(told)[-1] == 50 and counts(told) == sorted(counts(told))
    assert list(dict.fromkeys(counts(told))) == list(range(51))


async def test_a_cut_wire_to_another_server_costs_no_value_and_doubles_none(oven: NodeOven) -> None:
    wire = Wire(oven.port)
    await wire.mend()
    async with served(settings(f"opc.tcp://127.0.0.1:{wire.port}")) as (_, told):
        await oven.set("Batches", 1)
        await told.until(lambda: told.values["batches"] == 1)
        await wire.cut()
        await told.until_down()
        for number in range(2, 42):
            await oven.set("Batches", number)
        await wire.mend()
        await told.until_up(times=2)
        await told.until(lambda: told.values["batches"] == 41)
        await told.until(lambda: told.values["temperature"] == 180.5)
    await wire.cut()
    assert counts(told) == list(range(42))


async def test_another_server_that_was_killed_is_found_again(oven: NodeOven) -> None:
    async with served(settings(oven.endpoint)) as (_, told):
        await oven.kill()
        await told.until_down()
        await oven.start()
        await told.until_up(times=2)
        await oven.set("Batches", 7)
        await told.until(lambda: told.values["batches"] == 7)
    assert told.ups == [True, False, True]


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes256Sha256RsaPss"])
async def test_another_servers_security_and_user_are_understood(
    oven: NodeOven, tmp_path: Path, policy: str
) -> None:
    secret = tmp_path / "password"
    secret.write_text("oven-180\n")
    wanted = settings(
        oven.endpoint,
        security="sign-and-encrypt",
        policy=policy,
        pki_dir=tmp_path / "own",
        user="lineside",
        password_file=str(secret),
    )
    pki.trust(tmp_path / "own", "oven1", await Session("oven1", wanted).shown())
    async with served(wanted) as (_, told):
        await oven.set("Batches", 3)
        await told.until(lambda: told.values["batches"] == 3)
