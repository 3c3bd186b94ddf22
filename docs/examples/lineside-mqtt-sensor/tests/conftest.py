"""A real broker, and the contract suite of lineside's source tree."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.contract.suite", "tests.contract.observing")

from broker import Sensors  # noqa: E402  # after the rewriting is asked for


@pytest.fixture
async def sensors(tmp_path: Path) -> AsyncIterator[Sensors]:
    """A broker that runs, on a port from the system; gone after the test."""
    made = Sensors(tmp_path / "broker.toml")
    await made.come()
    yield made
    await made.go()
