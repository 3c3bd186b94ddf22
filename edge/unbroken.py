"""Work that a stop does not break off: a commit, and what must follow it in memory."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def unbroken(work: Coroutine[Any, Any, T], name: str) -> T:
    """What the work comes to. A caller that is cancelled meanwhile ends when the work has, and not before."""
    task = asyncio.create_task(work, name=name)
    stop: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as cancelled:
            stop = cancelled
    if stop is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # taken note of: the caller is gone, the next one meets the fault
    raise stop
