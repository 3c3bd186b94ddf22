"""The OPC UA driver against a server that another project wrote: node-opcua, run by Node.js."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.opcua import pki
from drivers.opcua.session import Session
from tests.line.nodeoven import NodeOven, counts, served, settings


class Wire:
    """A TCP relay before the server that can be cut and mended."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers |= {writer, back}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pour(reader, back), name="oven's wire there")
                group.create_task(_pour(there, writer), name="oven's wire back")
        finally:
            self._writers -= {writer, back}


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@pytest.fixture
async def oven(tmp_path: Path) -> AsyncIterator[NodeOven]:
    async with NodeOven(tmp_path / "server") as made:
        yield made


async def test_every_value_of_another_server_is_told_once_and_in_order(oven: NodeOven) -> None:
    async with served(settings(oven.endpoint)) as (driver, told):
        for number in range(1, 51):
            await oven.set("Batches", number)
        await told.until(lambda: told.values["batches"] == 50)
        assert set(driver.refusals) == {"unknown"}
        await driver.refresh()
    assert counts(told)[-1] == 50 and counts(told) == sorted(counts(told))
    assert list(dict.fromkeys(counts(told))) == list(range(51))


async def test_a_cut_wire_to_another_server_costs_no_value_and_doubles_none(oven: NodeOven) -> None:
    wire = Wire(oven.port)
    await wire.mend()
    async with served(settings(f"opc.tcp://127.0.0.1:{wire.port}")) as (_, told):
        await oven.set("Batches", 1)
        await told.until(lambda: told.values["batches"] == 1)
        await wire.cut()
        await told.until_down()
        for number in range(2, 42):
            await oven.set("Batches", number)
        await wire.mend()
        await told.until_up(times=2)
        await told.until(lambda: told.values["batches"] == 41)
        await told.until(lambda: told.values["temperature"] == 180.5)
    await wire.cut()
    assert counts(told) == list(range(42))


async def test_another_server_that_was_killed_is_found_again_with_its_namespaces_renumbered(
    oven: NodeOven,
) -> None:
    async with served(settings(oven.endpoint)) as (_, told):
        await oven.kill()
        await told.until_down()
        oven.given["before"] = ["urn:another", "urn:third"]
        await oven.start()
        await told.until_up(times=2)
        await oven.set("Batches", 7)
        await told.until(lambda: told.values["batches"] == 7)
    assert told.ups == [True, False, True]


async def test_another_server_that_freezes_is_told_lost_and_gives_what_it_kept_once_it_goes_on(
    oven: NodeOven,
) -> None:
    async with served(settings(oven.endpoint, keep_alive_s=0.5, timeout_s=4)) as (_, told):
        oven.freeze()
        await told.until_down()
        assert "has been silent for 4.75 s" in told.links[1].detail  # a keep-alive and a half, and an answer
        assert set(told.values.values()) == {None}
        for number in range(1, 6):
            await oven.set("Batches", number)
        oven.thaw()
        await told.until_up(times=2)
        await told.until(lambda: told.values["batches"] == 5)
        await told.until(lambda: told.values["temperature"] == 180.5)
    assert counts(told) == list(range(6))


@pytest.mark.parametrize("polled", [False, True])
async def test_keys_of_another_server_are_renewed_before_it_breaks_the_connection(
    tmp_path: Path, polled: bool
) -> None:
    async with NodeOven(tmp_path / "server", keysLiveMs=10_000, polled=polled) as oven:
        rare = {"publishing_interval_s": 14} if polled else {"keep_alive_s": 0.5}
        own = tmp_path / "own"
        wanted = settings(oven.endpoint, security="sign-and-encrypt", pki_dir=own, **rare)
        pki.trust(own, "oven1", await Session("oven1", wanted).shown())
        async with served(wanted) as (_, told):
            for number in range(1, 4):
                # The server breaks the connection when keys are a quarter older than they may be, at 12.5 s.
                await asyncio.sleep(4.4)
                await oven.set("Batches", number)
            await told.until(lambda: told.values["batches"] == 3)
        assert told.ups == [True], told.links
        assert polled or counts(told) == list(range(4))
