"""The suite's assertions say what they compared, although it is no test module.

Drivers keep their contract on both loops: asyncio's, and uvloop's, on which the collector runs and whose
transports are other classes.
"""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

pytest.register_assert_rewrite("tests.contract.suite", "tests.contract.observing")


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Which loops a test runs on."""
    both = item.path.name == "test_drivers.py"
    return {"asyncio": asyncio.new_event_loop} | ({"uvloop": uvloop.new_event_loop} if both else {})
