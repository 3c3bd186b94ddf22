"""Faults are tried again with growing pauses; anything else ends the process; systemd is told the truth."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge import supervisor
from edge.faults import DeviceFault
from edge.supervisor import Service, kept, notify, patience, supervise
from tests.patience import PATIENCE_S, best_of, ends


class Systemd:
    """What a unit of Type=notify tells, over a real socket."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(path)

    async def heard(self) -> str:
        """The next state told."""
        loop = asyncio.get_running_loop()
        return (await asyncio.wait_for(loop.sock_recv(self._socket, 4096), PATIENCE_S)).decode()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "AsyncIterator[Systemd]":
    path = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    found = Systemd(path)
    yield found  # type: ignore[misc]
    found.close()


async def forever() -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def supervised(
    *services: Service, alive: Callable[[], bool] = lambda: True
) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(supervise(services, alive))
    await asyncio.sleep(0)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def pauses(
    monkeypatch: pytest.MonkeyPatch, times: int, run: Callable[[int], Awaitable[None]]
) -> list[float]:
    """The pauses between so many runs of a service."""
    slept: list[float] = []
    runs = 0
    original = asyncio.sleep

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await original(0)

    async def service() -> None:
        nonlocal runs
        runs += 1
        if runs > times:
            return
        await run(runs)

    with monkeypatch.context() as patch:
        patch.setattr(supervisor.asyncio, "sleep", sleep)
        await kept(Service("device-press1", service))
    return slept


async def fault(_: int) -> None:
    raise DeviceFault("the press does not answer", hint="Check its cable")


async def test_a_fault_is_tried_again_with_growing_capped_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    found = await pauses(monkeypatch, 9, fault)
    assert found[0] <= 1
    assert all(b == min(2 * a, supervisor.LONGEST_PAUSE_S) for a, b in pairwise(found))
    assert found[-1] == supervisor.LONGEST_PAUSE_S


async def test_after_a_steady_run_the_pause_is_short_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "STEADY_S", 0.05)

    async def steady_at_six(run: int) -> None:
        if run == 6:
            time.sleep(0.1)  # noqa: ASYNC251 sleep is the test's here
        await fault(run)

    found = await pauses(monkeypatch, 7, steady_at_six)
    assert found[5] == supervisor.FIRST_PAUSE_S


async def test_a_fault_that_goes_on_is_one_log_line_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with capture_logs() as logs:
        await pauses(monkeypatch, 8, fault)
    lines = [line for line in logs if line["log_level"] == "error"]
    (line,) = lines
    assert (line["task"], line["error"], line["hint"]) == (
        "device-press1", "the press does not answer", "Check its cable",
    )  # fmt: skip


async def test_recovery_is_one_log_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "STEADY_S", 0.05)
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.01)
    runs = 0

    async def service() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            await fault(1)
        await forever()

    with capture_logs() as logs:
        task = asyncio.create_task(kept(Service("device-press1", service)))
        deadline = time.monotonic() + PATIENCE_S
        while len(logs) < 2 and time.monotonic() < deadline:  # noqa: ASYNC110 nobody announces a log line
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [line["log_level"] for line in logs] == ["error", "info"]


async def test_one_services_fault_stops_no_other(systemd: Systemd) -> None:
    turns = asyncio.Event()
    failed = asyncio.Event()

    async def failing() -> None:
        failed.set()
        await fault(1)

    async def working() -> None:
        await failed.wait()
        await asyncio.sleep(0.05)
        turns.set()
        await forever()

    async with supervised(Service("failing", failing), Service("working", working)) as task:
        await asyncio.wait_for(turns.wait(), PATIENCE_S)
        assert not task.done()


async def test_anything_unexpected_ends_everything_and_is_raised(systemd: Systemd) -> None:
    ended = asyncio.Event()

    async def other() -> None:
        try:
            await forever()
        finally:
            ended.set()

    async def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(supervise([Service("broken", broken), Service("other", other)]), PATIENCE_S)
    assert caught.group_contains(ZeroDivisionError)
    assert ended.is_set()


async def test_ready_is_told_and_then_stopping_at_sigterm(systemd: Systemd) -> None:
    async with supervised(Service("one", forever)) as task:
        assert await systemd.heard() == "READY=1"
        os.kill(os.getpid(), signal.SIGTERM)
        assert await systemd.heard() == "STOPPING=1"
        assert await ends(task, 1)
        task.result()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_all_services_within_a_second(systemd: Systemd, number: signal.Signals) -> None:
    ended: list[int] = []

    async def service(which: int) -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(0.05)
            ended.append(which)

    services = [Service(f"s{which}", lambda which=which: service(which)) for which in range(20)]  # type: ignore[misc]
    async with supervised(*services) as task:
        await systemd.heard()
        os.kill(os.getpid(), number)
        assert await ends(task, 1)
        task.result()
    assert sorted(ended) == list(range(20))


async def test_a_service_that_waits_to_be_tried_again_does_not_delay_the_end(systemd: Systemd) -> None:
    async def failing() -> None:
        await fault(1)

    async with supervised(Service("failing", failing)) as task:
        await systemd.heard()
        await asyncio.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)
        assert await ends(task, 1)
        task.result()


async def test_who_hears_that_it_started_may_end_it_at_once_in_order(systemd: Systemd) -> None:
    def end() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    task = asyncio.create_task(supervise([Service("one", forever)], started=end))
    assert await ends(task, 1)
    task.result()


async def test_signals_are_the_callers_again_afterwards(systemd: Systemd) -> None:
    async with supervised(Service("one", forever)) as task:
        await systemd.heard()
        os.kill(os.getpid(), signal.SIGTERM)
        assert await ends(task, 1)
        task.result()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


async def test_the_watchdog_is_fed_faster_than_it_bites(
    systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "300000")
    async with supervised(Service("one", forever)):
        assert sorted([await systemd.heard() for _ in range(2)]) == ["READY=1", "WATCHDOG=1"]

        async def next_fed() -> float:
            began = time.monotonic()
            assert await systemd.heard() == "WATCHDOG=1"
            return time.monotonic() - began

        assert await best_of(next_fed, 0.2) < 0.2


async def test_a_stuck_part_starves_the_watchdog(systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "60000")
    alive = True
    asked = 0

    def check() -> bool:
        nonlocal asked
        asked += 1
        return alive

    async with supervised(Service("one", forever), alive=check):
        while await systemd.heard() != "WATCHDOG=1":
            pass
        alive = False
        now = asked
        while asked < now + 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        told: list[str] = []
        try:
            async with asyncio.timeout(0.1):
                while True:
                    told.append(await systemd.heard())
        except TimeoutError:
            pass
        assert len(told) <= 1  # one may have been under way


async def test_a_start_that_takes_minutes_is_not_ended_by_systemd(systemd: Systemd) -> None:
    async with patience(word_s=0.01):
        told = [await systemd.heard() for _ in range(3)]
    assert told == ["EXTEND_TIMEOUT_USEC=60000000"] * 3


async def test_an_abstract_socket_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"lineside-test-{os.getpid()}"
    listener = Systemd(f"\0{name}")
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
    try:
        notify("READY=1")
        assert await listener.heard() == "READY=1"
    finally:
        listener.close()


def test_outside_a_unit_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")


async def test_a_notify_socket_that_is_gone_ends_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    ran = asyncio.Event()

    async def service() -> None:
        ran.set()
        await forever()

    async with supervised(Service("one", service)) as task:
        await asyncio.wait_for(
            asyncio.wait([task, asyncio.create_task(ran.wait())], return_when="FIRST_COMPLETED"), 5
        )
        assert not task.done() or task.exception() is None


PROGRAM = """
import asyncio
from edge.supervisor import Service, supervise

async def broken():
    await asyncio.sleep(0.1)
    raise ZeroDivisionError("unexpected")

asyncio.run(supervise([Service("broken", broken)]))
"""


async def test_the_process_of_an_unexpected_error_ends_with_a_code_that_makes_systemd_restart_it() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    _, stderr = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 1
    assert b"ZeroDivisionError" in stderr
