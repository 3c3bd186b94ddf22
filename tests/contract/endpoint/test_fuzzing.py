"""schemathesis reads docs/openapi.yaml as anybody would and tries the reference endpoint with what it makes
up: examples, boundaries, what fits and what does not, compressed or not. Endpoint and document must agree.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from edge.demo.endpoint import Endpoint
from tests.contract.endpoint.conftest import TOKEN
from tests.contract.endpoint.document import API, PATH

HERE = Path(__file__).parent


async def tried(endpoint: Endpoint, document: Path, folder: Path, *options: str) -> tuple[int, str]:
    """Run schemathesis; its exit code (0: nothing found) and what it says."""
    command = [sys.executable, "-W", "ignore", "-m", "schemathesis.cli"]
    process = await asyncio.create_subprocess_exec(
        *command,
        "--config-file",
        str(HERE / "schemathesis.toml"),
        "run",
        str(document),
        f"--url={endpoint.url.removesuffix('/events')}",
        "--header",
        f"Authorization: Bearer {TOKEN}",
        "--no-color",
        *options,
        cwd=folder,  # it leaves files where it stands
        env=os.environ | {"PYTHONPATH": str(HERE.parents[2])},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, said.decode()


async def test_what_fits_the_document_is_taken_and_what_does_not_is_refused(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    code, said = await tried(endpoint, PATH, tmp_path, "--seed=1", "--max-examples=60")
    assert code == 0, said
    assert "Tested: 3" in said


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_nothing_is_found_by_looking_long_either(endpoint: Endpoint, tmp_path: Path) -> None:
    code, said = await tried(endpoint, PATH, tmp_path, "--max-examples=1000")
    assert code == 0, said  # it names its seed


async def test_a_document_that_promises_what_is_not_kept_is_found(endpoint: Endpoint, tmp_path: Path) -> None:
    promised = json.loads(json.dumps(API))
    promised["components"]["schemas"]["Comparison"]["required"].append("signature")
    document = tmp_path / "promised.json"
    document.write_text(json.dumps(promised))
    code, said = await tried(endpoint, document, tmp_path, "--seed=1", "--phases=examples")
    assert code == 1
    assert "'signature' is a required property" in said or '"signature" is a required property' in said, said
