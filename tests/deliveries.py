"""Master data put where sync puts it."""

import asyncio
from pathlib import Path

import msgspec

from edge.masterdata.store import Delivery, MasterStore


async def deliver(path: Path, document: object, etag: str | None = "e", at_ms: int = 1) -> bool:
    """Take a document (bytes, or what becomes JSON) into masterdata.db; whether it was news."""
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    async with await MasterStore.open(path) as held:
        return await held.take(Delivery(body, "erp", "http://erp", etag, at_ms))


def delivered(path: Path, document: object, etag: str | None = "e", at_ms: int = 1) -> bool:
    """The same from outside a loop, or from within one."""
    return asyncio.run(deliver(path, document, etag, at_ms))
