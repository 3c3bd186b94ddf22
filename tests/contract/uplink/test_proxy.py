"""Calls go through the proxy that the settings name, and through no other."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sync.batch import pack
from sync.http import HttpUplink
from sync.outcome import Again, Settled
from sync.settings import HttpSettings
from tests.contract.uplink.rig import Time, rigged
from tests.contract.uplink.test_delivery import posted_once_in_order
from tests.contract.uplink.test_tls import context, self_signed, served
from tests.unit.sync.making import EPOCH, SOURCE, paused, stored

PASSWORD = "pr0xy-s3cret"
RIGHT = "Basic " + base64.b64encode(f"edge:{PASSWORD}".encode()).decode()


class Proxy:
    """Hands on what proves itself: whole addresses, and tunnels."""

    def __init__(self) -> None:
        self.asked: list[str] = []  # request lines
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, _, rest = head.partition("\r\n")
        self.asked.append(line)
        if f"Proxy-Authorization: {RIGHT}" not in rest:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            return
        method, address, _ = line.split(" ")
        port = int(address.rpartition(":")[2].partition("/")[0])
        upstream, onward = await asyncio.open_connection("127.0.0.1", port)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            onward.write(f"{method} /{address.split('/', 3)[3]} HTTP/1.1\r\n{rest}".encode())
        await asyncio.gather(_copied(reader, onward), _copied(upstream, writer))


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while part := await reader.read(65536):
            writer.write(part)
    except OSError:
        pass
    finally:
        writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    found = Proxy()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()


def through(proxy: Proxy, folder: Path) -> dict[str, str]:
    (folder / "proxy").write_text(f"{PASSWORD}\n")
    return {
        "proxy": f"http://127.0.0.1:{proxy.port}",
        "proxy_user": "edge",
        "proxy_password_file": str(folder / "proxy"),
    }


async def test_plain_calls_go_through_the_proxy(proxy: Proxy, tmp_path: Path) -> None:
    async with rigged(tmp_path, **through(proxy, tmp_path)) as rig:
        await rig.deliver()
        await posted_once_in_order(rig)
        assert proxy.asked == [f"POST {rig.receiver.url} HTTP/1.1"]


async def test_tls_goes_through_a_tunnel_and_ends_at_the_receiver(proxy: Proxy, tmp_path: Path) -> None:
    self_signed(tmp_path, "ca", "receiver")
    async with served(context(tmp_path)) as receiver:
        given = {"kind": "http", "url": receiver.url, "ca_file": str(tmp_path / "ca.pem")}
        settings = HttpSettings.model_validate({**given, **through(proxy, tmp_path)})
        uplink = HttpUplink("erp", settings, Time())
        try:
            assert isinstance(await uplink.ship(pack(EPOCH, SOURCE, stored(paused(1)))), Settled)
        finally:
            await uplink.close()
        assert [line.partition(" ")[0] for line in proxy.asked] == ["CONNECT"]


async def test_a_proxy_that_does_not_know_us_is_named(proxy: Proxy, tmp_path: Path) -> None:
    self_signed(tmp_path, "ca", "receiver")
    given = through(proxy, tmp_path)
    (tmp_path / "proxy").write_text("wrong")
    async with served(context(tmp_path)) as receiver:
        settings = {"kind": "http", "url": receiver.url, "ca_file": str(tmp_path / "ca.pem"), **given}
        uplink = HttpUplink("erp", HttpSettings.model_validate(settings), Time())
        try:
            found = await uplink.ship(pack(EPOCH, SOURCE, stored(paused(1))))
        finally:
            await uplink.close()
        assert isinstance(found, Again) and "407" in found.detail and "proxy_password_file" in found.hint


async def test_the_environments_proxy_is_not_taken(
    proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    async with rigged(tmp_path) as rig:
        await rig.deliver()
        await posted_once_in_order(rig)
        assert proxy.asked == []
