"""Readers on the network over real connections, in both directions: who is served, and what gets through."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from structlog.testing import capture_logs

from drivers.barcode.settings import TcpScannerSettings
from drivers.barcode.simulator import DialingReader, ServingReader
from drivers.barcode.tcp import TcpScannerDriver
from edge.demo.plant import free_port
from tests.contract.observing import TestClock, eventually, serving


def driver(**table: Any) -> TcpScannerDriver:
    table = {"driver": "scanner-tcp", "feedback": "plain", "timeout_s": 30, "expect_s": 30} | table
    return TcpScannerDriver("reader1", TcpScannerSettings.model_validate(table), TestClock())


def dialled(port: int, **more: Any) -> TcpScannerDriver:
    return driver(listen=f"127.0.0.1:{port}", **more)


@pytest.fixture
async def reader() -> AsyncIterator[ServingReader]:
    one = ServingReader()
    await one.power_on()
    yield one
    await one.power_off()


@pytest.fixture
async def readers() -> AsyncIterator[list[DialingReader]]:
    """Two readers that connect to one port, not yet switched on."""
    port = free_port()
    pair = [DialingReader(port), DialingReader(port, at="127.0.0.2")]
    yield pair
    for one in pair:
        await one.power_off()


async def test_codes_arrive_in_order_each_with_its_own_moment(reader: ServingReader) -> None:
    codes = [f"LSW{number}" for number in range(200)]
    async with serving(driver(host=reader.host, port=reader.port)) as told:
        await told.until_up()
        for code in codes:
            await reader.scan(code)
        await told.until(lambda: len(told.scans) == len(codes))
    assert told.texts == codes
    moments = [scan.received.monotonic_ms for scan in told.scans]
    assert moments == sorted(set(moments))


async def test_a_code_in_its_frame_arrives_without_it_and_the_reader_hears_its_verdicts(
    reader: ServingReader,
) -> None:
    served = driver(host=reader.host, port=reader.port, frame="stx-etx", prefix="R1:")
    async with serving(served) as told:
        await told.until_up()
        reader.send(b"\x02R1:LSW100\x1d45678\x03\r\n")
        await told.until(lambda: told.texts == ["LSW100\x1d45678"])
        served.signal("good")
        served.signal("bad")
        assert [await reader.verdict(30), await reader.verdict(30)] == ["good", "bad"]


async def test_a_connection_lost_in_the_middle_of_a_code_leaves_its_half_as_evidence(
    reader: ServingReader,
) -> None:
    async with serving(driver(host=reader.host, port=reader.port, frame="idle", idle_s=10)) as told:
        await told.until_up()
        reader.send(b"LSW2")
        await reader.until(1)
        for wire in reader.wires:
            assert wire.transport is not None
            wire.transport.close()
        await told.until_down()
        await told.until_up(times=2)
    assert [(flaw.reason, flaw.raw) for flaw in told.flaws] == [("incomplete", b"LSW2")]
    assert "closed the connection" in told.links[1].detail


async def test_a_reader_that_takes_no_bytes_holds_nothing_up_and_is_logged_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        served = driver(host="127.0.0.1", port=deaf.getsockname()[1], feedback={"good": "x" * 1000})
        async with serving(served) as told:
            await told.until_up()
            gun, _ = deaf.accept()
            with gun, capture_logs() as logs:
                for _ in range(20_000):
                    served.signal("good")
                gun.sendall(b"LSOK\r")
                await told.until(lambda: told.texts == ["LSOK"])
                assert served._line is not None and served._line.transport is not None
                assert served._line.transport.get_write_buffer_size() < 6000
    assert [line["event"] for line in logs] == ["scanner takes no feedback"]


async def test_nobody_at_the_address_is_told_with_what_to_do() -> None:
    async with serving(driver(host="127.0.0.1", port=free_port())) as told:
        await told.until_down()
    assert "no connection: refused" in told.links[0].detail
    assert "port" in told.links[0].hint


async def test_a_name_that_nobody_knows_is_told_and_not_fatal() -> None:
    async with serving(driver(host="reader.invalid", port=1)) as told:
        await told.until_down()
    assert told.links[0].detail.startswith("reader.invalid:1")
    assert told.links[0].hint


# Where readers connect to lineside


async def test_a_reader_that_was_switched_off_unnoticed_takes_its_own_place_again() -> None:
    port = free_port()
    async with serving(dialled(port)) as told, AsyncExitStack() as stack:
        reader = DialingReader(port)
        await reader.power_on()
        await told.until_up()
        assert reader._task is not None
        reader._task.cancel()  # what is off does not dial again
        again, writer = await asyncio.open_connection("127.0.0.1", port)
        stack.callback(writer.close)
        await reader.until(0)
        writer.write(b"LSOK\r")
        await told.until(lambda: told.texts == ["LSOK"])
        assert told.ups == [True]
        writer.close()
        await told.until_down()
        assert await again.read() == b""
        await reader.power_off()


async def test_a_second_reader_is_refused_while_the_first_is_there_and_is_never_read(
    readers: list[DialingReader],
) -> None:
    first, second = readers
    with capture_logs() as logs:
        async with serving(dialled(first.port)) as told:
            await first.power_on()
            await told.until_up()
            with socket.socket() as other:
                other.bind(("127.0.0.2", 0))
                await asyncio.to_thread(other.connect, ("127.0.0.1", first.port))
                await asyncio.to_thread(_said, other, b"LSFALSE\r")
            await first.scan("LSOK")
            await told.until(lambda: bool(told.scans))
            assert told.ups == [True]
            await first.power_off()
            await told.until_down()
            await second.power_on()
            await told.until_up(times=2)
            await second.scan("LSNEXT")
            await told.until(lambda: len(told.scans) > 1)
    assert told.texts == ["LSOK", "LSNEXT"]
    assert [line["why"] for line in logs] == ["another reader is connected"]


async def test_only_the_peer_that_the_settings_name_is_served(readers: list[DialingReader]) -> None:
    right, wrong = readers
    with capture_logs() as logs:
        async with serving(dialled(right.port, peer="127.0.0.1")) as told:
            await wrong.power_on()
            await eventually(lambda: bool(logs))
            await right.power_on()
            await told.until_up()
            await right.scan("LSOK")
            await told.until(lambda: bool(told.scans))
    assert told.texts == ["LSOK"]
    assert [(line["peer"], line["why"]) for line in logs] == [("127.0.0.2", "it is not `peer`")]


async def test_a_reader_that_never_connects_is_told_with_where_it_should(
    readers: list[DialingReader],
) -> None:
    port = readers[0].port
    async with serving(dialled(port, expect_s=0.1)) as told:
        await told.until_down()
    assert f"127.0.0.1:{port}" in told.links[0].detail
    assert "connects to this machine" in told.links[0].hint


async def test_a_port_that_another_program_listens_at_is_told_and_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        async with serving(dialled(port)) as told:
            await told.until_down()
            other.close()
            reader = DialingReader(port)
            await reader.power_on()
            await told.until_up()
            await reader.power_off()
    assert "in use by another program" in told.links[0].detail


# A peer that dies


_ECHO = """
import socket
with socket.create_server(("10.199.77.2", 4001)) as server:
    print("listens", flush=True)
    gun, _ = server.accept()
    gun.sendall(b"LSOK\\r")
    gun.recv(1)
"""


@pytest.fixture
def remote() -> Iterator[str]:
    """The name of a network namespace with a reader at 10.199.77.2:4001; its cable is `<name>a`."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and iproute2 to make a network")
    name = f"ls{os.getpid()}"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    try:
        ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"makes no network here: {error.stderr!r}")
    try:
        ip("link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b", "netns", name)
        ip("address", "add", "10.199.77.1/24", "dev", f"{name}a")
        ip("link", "set", f"{name}a", "up")
        ip("-n", name, "address", "add", "10.199.77.2/24", "dev", f"{name}b")
        ip("-n", name, "link", "set", f"{name}b", "up")
        command = ["ip", "netns", "exec", name, sys.executable, "-c", _ECHO]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as reader:
            assert reader.stdout is not None
            assert reader.stdout.readline()
            yield name
            reader.kill()
    finally:
        subprocess.run(["ip", "link", "delete", f"{name}a"], check=False, capture_output=True)
        ip("netns", "delete", name)


@pytest.mark.parametrize("feedback", [False, True])
async def test_a_reader_that_lost_its_power_is_noticed_whether_or_not_it_was_spoken_to(
    remote: str, feedback: bool
) -> None:
    served = driver(host="10.199.77.2", port=4001, keepalive_s=4)
    async with serving(served) as told:
        await told.until_up()
        await told.until(lambda: told.texts == ["LSOK"])
        command = ["ip", "-n", remote, "link", "set", f"{remote}b", "down"]
        await asyncio.to_thread(subprocess.run, command, check=True)
        if feedback:
            served.signal("good")
        await told.until_down()
    assert "is gone" in told.links[1].detail


def _said(connection: socket.socket, data: bytes) -> None:
    """Send, and wait until the other end has closed."""
    connection.settimeout(30)
    try:
        connection.sendall(data)
        while connection.recv(100):
            pass
    except ConnectionError:
        pass
