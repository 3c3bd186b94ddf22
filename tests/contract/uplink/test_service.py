"""The whole sync process: parts by name, health, metrics and status on loopback."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from edge.faults import AddressInUse
from edge.settings import Settings, load
from sync.registry import KINDS
from sync.service import Sync, serve
from tests.contract.uplink.rig import Rig, facts, rigged
from tests.patience import PATIENCE_S

TOML = """
[edge]
id = "edge"
site = "site"
line = "L3"
timezone = "Asia/Shanghai"
data_dir = "{data_dir}"

[uplinks.erp]
kind = "http"
url = "{url}"
token_file = "token"
masterdata_interval_s = {interval_s}

[sync]
listen = "127.0.0.1:{port}"
"""


def configured(rig: Rig, data_dir: Path, port: int = 0, interval_s: int = 60) -> Settings:
    (rig.folder / "token").write_text("s3cret")
    path = rig.folder / "lineside.toml"
    path.write_text(TOML.format(url=rig.receiver.url, data_dir=data_dir, port=port, interval_s=interval_s))
    return load(path, {}, KINDS)


async def get(sync: Sync, path: str) -> tuple[int, Any]:
    assert sync.listener.address is not None
    host, port = sync.listener.address
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}{path}") as response:
        text = await response.text()
        return response.status, await response.json() if path == "/status" else text


async def test_everything_runs_together(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.store.close()
        settings = configured(rig, tmp_path)
        async with await Sync.open(settings, rig.time) as sync:
            assert [name for name, _ in sync.parts()] == [
                "sync-listener",
                "sync-reserve",
                "sync-keeping",
                "sync-erp",
                "sync-erp-reconciliation",
                "sync-erp-masterdata",
                "sync-masterdata-age",
            ]
            posted = asyncio.Event()

            async def watches(receiver: Any, _: Any, events: Any) -> None:
                posted.set()

            rig.receiver.always = watches
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(run(), name=name) for name, run in sync.parts()]
                await sync.listener.listening.wait()
                await posted.wait()
                assert await get(sync, "/livez") == (200, "ok\n")
                assert await get(sync, "/readyz") == (200, "ready\n")
                while (page := (await get(sync, "/status"))[1])["uplinks"][0]["seq"] < 20:
                    assert page["uplinks"][0]["uplink"] == "erp"
                # A settlement is in the file a moment before it is counted.
                text = ""
                async with asyncio.timeout(PATIENCE_S):
                    while 'accepted",uplink="erp"} 20.0' not in text:
                        _, text = await get(sync, "/metrics")
                for task in running:
                    task.cancel()
            assert rig.receiver.posted == await rig.expected()
            assert rig.receiver.calls[0].authorization == "Bearer s3cret"
            for line in (
                'lineside_outbox_events{uplink="erp"} 0.0',
                'lineside_outbox_oldest_age_seconds{uplink="erp"} 0.0',
                'lineside_events_settled_total{outcome="accepted",uplink="erp"} 20.0',
                'lineside_uplink_state{state="idle",uplink="erp"} 1.0',
                "lineside_build_info",
            ):
                assert line in text
            status, text = await asyncio.wait_for(ready_after(sync), PATIENCE_S)
            assert status == 503


async def test_each_webhook_is_a_part_of_its_own(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.store.close()
        path = configured(rig, tmp_path).path
        for name in ("leader", "manager"):
            with path.open("a") as file:
                file.write(f'[[webhooks]]\nname = "{name}"\nurl = "{rig.receiver.url}"\n')
        async with await Sync.open(load(path, {}, KINDS), rig.time) as sync:
            names = [name for name, _ in sync.parts()]
        assert names[-2:] == ["sync-webhook-leader", "sync-webhook-manager"]


async def ready_after(sync: Sync) -> tuple[int, Any]:
    """`/readyz` while only the listener runs."""
    task = asyncio.create_task(sync.listener.run())
    await sync.listener.listening.wait()
    try:
        return await get(sync, "/readyz")
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_what_waits_is_counted_with_its_age(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.deliver()
        await rig.append(*facts(5, first=300))
        rig.time.now_ms += 90_000
        await rig.store.close()
        settings = configured(rig, tmp_path, interval_s=0)
        async with await Sync.open(settings, rig.time) as sync:
            text = (await sync._scrape()).decode()
            assert 'lineside_outbox_events{uplink="erp"} 5.0' in text
            assert 'lineside_outbox_oldest_age_seconds{uplink="erp"} 90.0' in text
            names = [name for name, _ in sync.parts()]
            assert names == [
                "sync-listener",
                "sync-reserve",
                "sync-keeping",
                "sync-erp",
                "sync-erp-reconciliation",
            ]


async def test_an_address_in_use_is_named(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    async with rigged(tmp_path) as rig:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(ExceptionGroup) as raised:
                await serve(configured(rig, data_dir, port), rig.time)
        assert raised.group_contains(AddressInUse, match=str(port))
