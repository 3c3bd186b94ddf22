"""`lineside opcua` against a real server: what browse shows can be pasted, and trust lets a device in."""

import asyncio
import json
import sys
import tomllib
from asyncio.subprocess import PIPE
from pathlib import Path

from drivers.opcua import pki
from drivers.opcua.driver import OpcUaDriver
from drivers.opcua.settings import OpcUaSettings
from drivers.opcua.simulator import URI, Identity, Oven
from tests.contract.observing import TestClock, serving

EDGE = """
[edge]
id = "L3-IPC1"
site = "suzhou"
line = "L3"
timezone = "Asia/Shanghai"
data_dir = "data"
"""


async def lineside(*args: str, answer: str = "") -> tuple[int, str, str]:
    """Exit code, output and errors of a command."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edge", *args, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    told, errors = await process.communicate(answer.encode())
    assert process.returncode is not None
    return process.returncode, told.decode(), errors.decode()


def configured(folder: Path, endpoint: str, more: str = "") -> Path:
    path = folder / "lineside.toml"
    tags = f'[devices.oven1.tags]\nbatches = {{ node = "nsu={URI};s=Oven.Batches" }}'
    path.write_text(
        f'{EDGE}\n[devices.oven1]\ndriver = "opcua"\nendpoint = "{endpoint}"\n{more}\n{tags}\n',
        encoding="utf-8",
    )
    return path


async def test_what_browse_shows_can_be_pasted_as_tags_and_is_served() -> None:
    async with Oven() as machine:
        code, told, errors = await lineside("opcua", "browse", machine.endpoint)
        assert code == 0, errors
        lines = [line.strip() for line in told.splitlines() if URI in line]  # and not what each server has
        tags = tomllib.loads("\n".join(lines))
        assert set(tags) == {"temperature", "batches", "running"}
        settings = OpcUaSettings.model_validate(
            {"driver": "opcua", "endpoint": machine.endpoint, "tags": tags}
        )
        async with serving(OpcUaDriver("oven1", settings, TestClock())) as seen:
            await seen.until(lambda: set(seen.values) == set(tags))
            assert seen.values == {"temperature": 180.5, "batches": 0, "running": False}
        code, told, _ = await lineside("opcua", "browse", machine.endpoint, "--json")
    found = json.loads(told)
    assert found["whole"] and {"name": "Oven", "depth": 1, "node": None, "value": None} in found["nodes"]


async def test_a_server_that_is_not_there_is_said_with_the_exit_code_for_it() -> None:
    machine = Oven()
    await machine.power_on()
    await machine.__aexit__(None, None, None)
    code, told, errors = await lineside("opcua", "browse", machine.endpoint)
    assert (code, told) == (3, "") and "refused" in errors
    code, _, errors = await lineside("opcua", "browse", "http://somewhere")
    assert code == 2 and "opc.tcp://" in errors


async def test_trust_asks_first_and_lets_the_device_in(tmp_path: Path) -> None:
    identity = Identity()
    async with Oven(identity=identity, security="sign-and-encrypt") as machine:
        path = configured(tmp_path, machine.endpoint, 'security = "sign-and-encrypt"')
        code, told, _ = await lineside("opcua", "trust", "oven1", "--config", str(path), answer="n\n")
        assert code == 1 and pki.fingerprint(identity.certificate) in told
        assert pki.trusted(tmp_path / "data" / "pki", "oven1") is None
        code, _, errors = await lineside("opcua", "browse", "oven1", "--config", str(path))
        assert code == 3 and "lineside opcua trust oven1" in errors
        code, told, _ = await lineside("opcua", "trust", "oven1", "--config", str(path), answer="y\n")
        assert code == 0 and "own.der" in told
        code, told, errors = await lineside("opcua", "browse", "oven1", "--config", str(path))
        assert code == 0 and "Oven.Batches" in told, errors
        code, told, _ = await lineside("opcua", "trust", "oven1", "--config", str(path))
        assert code == 0 and "trusted already" in told
    code, _, errors = await lineside("opcua", "trust", "press9", "--config", str(path))
    assert code == 2 and "oven1" in errors
