"""Work that a stop does not break off: a commit, and what must follow it in memory."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def unbroken(work: Coroutine[Any, Any, T], name: str, stop: Callable[[], object] | None = None) -> T:
    """What the work comes to. A caller that is cancelled meanwhile ends when the work has, and not before.

    `stop` asks work that has no end of its own to come to one.
    """
    task = asyncio.create_task(work, name=name)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
            if stop is not None:
                stop()
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # taken note of: the caller is gone, the next one meets the fault
    raise cancelled
