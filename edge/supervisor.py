"""Keeps the process's tasks running and tells systemd how it goes.

A task that ends with a `Fault` is started again after a growing pause; one log line on failure, one on
recovery. Anything else ends the process: systemd starts it again. The watchdog is fed only while every part
that must advance does.
"""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import structlog

from edge.faults import Fault

log = structlog.get_logger()

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_S = 60.0  # running this long means recovered
PATIENCE_S = 60.0  # before READY: how long systemd shall wait for the next word
WORD_S = 10.0


@dataclass(frozen=True)
class Service:
    """A named task to keep running."""

    name: str
    run: Callable[[], Awaitable[None]]


async def supervise(
    services: Sequence[Service],
    alive: Callable[[], bool] = lambda: True,
    started: Callable[[], None] = lambda: None,
) -> None:
    """Run the services until SIGTERM or SIGINT; then cancel them all. Raises what was not expected.

    `started` is called once a signal ends the process in order, just before systemd is told READY.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(kept(service), name=service.name) for service in services]
            tasks.append(group.create_task(_feed_watchdog(alive), name="watchdog"))
            started()
            notify("READY=1")
            await stop.wait()
            notify("STOPPING=1")
            for task in tasks:
                task.cancel()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def kept(service: Service) -> None:
    """One service, started again after each Fault."""
    pause_s = FIRST_PAUSE_S
    failed = False

    def recovered() -> None:
        nonlocal pause_s, failed
        if failed:
            log.info("runs again", task=service.name)
        pause_s, failed = FIRST_PAUSE_S, False

    while True:
        began_s = time.monotonic()
        steady = asyncio.get_running_loop().call_later(STEADY_S, recovered)
        try:
            await service.run()
            return
        except Fault as fault:
            if time.monotonic() - began_s > STEADY_S:
                recovered()  # the loop was too busy to say so
            if not failed:
                log.error("failed, trying again", task=service.name, error=fault.message, hint=fault.hint)
            failed = True
        finally:
            steady.cancel()
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


async def _feed_watchdog(alive: Callable[[], bool]) -> None:
    interval_us = int(os.environ.get("WATCHDOG_USEC", "0"))
    if not interval_us:
        return
    while True:
        if alive():
            notify("WATCHDOG=1")
        await asyncio.sleep(interval_us / 3_000_000)


@asynccontextmanager
async def patience(word_s: float = WORD_S) -> AsyncIterator[None]:
    """Have systemd wait for READY as long as the loop comes round.

    Some starts take minutes: a large journal without a snapshot is folded, a damaged one salvaged. Ended by
    TimeoutStartSec= they would begin again for ever.
    """

    async def ask() -> None:
        while True:
            notify(f"EXTEND_TIMEOUT_USEC={PATIENCE_S * 1e6:.0f}")
            await asyncio.sleep(word_s)

    task = asyncio.create_task(ask(), name="patience")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def notify(state: str) -> None:
    """Tell systemd (sd_notify(3)); does nothing outside a unit of Type=notify."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    # A supervisor that is gone must not stop the line.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
