"""The end of a child process."""

import asyncio
from contextlib import suppress


def runs(process: asyncio.subprocess.Process | None) -> bool:
    """Whether it was started and has not ended."""
    return process is not None and process.returncode is None


async def end(process: asyncio.subprocess.Process | None, patience_s: float) -> None:
    """Ask it to end; insist after so long. One that does not run is left alone."""
    if process is None or not runs(process):
        return
    with suppress(ProcessLookupError):
        process.terminate()
        try:
            async with asyncio.timeout(patience_s):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
