"""Opening the journal so that a cancelled opening leaves no connection behind."""

import asyncio
from pathlib import Path

from edge.journal import Reader


async def open_journal(path: Path) -> Reader:
    """A reader of the journal at `path`. Raises StorageFault."""
    opening = asyncio.create_task(Reader.open(path), name="journal-opening")
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        # Its thread is at work already: only what was opened can be closed.
        await asyncio.wait([opening])
        if not opening.cancelled() and opening.exception() is None:
            await opening.result().close()
        raise
