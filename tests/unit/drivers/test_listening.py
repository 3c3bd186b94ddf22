"""A server that ends leaves no connection open, whenever that one was made: each client is told."""

import asyncio
import socket

import pytest

from drivers.modbus.simulator import Plc
from tests.patience import PATIENCE_S


@pytest.mark.parametrize("turns", range(8))
async def test_a_plc_without_power_serves_no_connection_that_was_just_made(turns: int) -> None:
    loop = asyncio.get_running_loop()
    async with Plc(holding={0: 1}) as plc:
        with socket.create_connection(("127.0.0.1", plc.port)) as client:
            client.setblocking(False)
            for _ in range(turns):
                await asyncio.sleep(0)
            await plc.power_off()
            async with asyncio.timeout(PATIENCE_S):
                try:
                    assert await loop.sock_recv(client, 1) == b""
                except ConnectionResetError:
                    pass
