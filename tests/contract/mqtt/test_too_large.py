"""A fact that the broker does not carry waits in quarantine; everything else goes on, for every consumer."""

import asyncio
import json
from pathlib import Path

from edge.events import WorkPaused
from edge.journal import Reader
from edge.opening import Ground, opened
from tests.contract.mqtt.broker import BASE, Asking, needs_mosquitto, numbered, rigged
from tests.contract.mqtt.test_forgotten import taken
from tests.contract.uplink.rig import facts
from tests.patience import PATIENCE_S

pytestmark = needs_mosquitto
LIMIT = "max_packet_size 20000"
LARGE = WorkPaused(reason="x" * 30_000, work_order="1", operation="0010")


async def test_one_fact_waits_for_each_consumer_and_the_others_go_on(tmp_path: Path) -> None:
    async with rigged(tmp_path, LIMIT, count=5, consumers=("erp", "mes")) as rig:
        (large,) = await rig.append(LARGE)
        await rig.append(*facts(3, first=50))
        rest = [one for one in await rig.expected() if one[1] != large]
        erp, mes = await rig.client(), await rig.client("mes")
        assert await taken(rig, erp) == rest
        assert [(one.uplink, one.seq, one.id, one.state) for one in rig.quarantine] == [
            ("bus/erp", 6, large, "waiting")
        ]
        assert "seq 6 of" in rig.quarantine[0].why and "bytes" in rig.quarantine[0].why
        assert rig.alerts() == ["uplink.bus/erp.quarantine"]
        assert await taken(rig, mes, "mes") == rest
        assert rig.status().state == rig.status("mes").state == "shipping"


async def test_the_live_feed_leaves_it_out_and_goes_on(tmp_path: Path) -> None:
    async with rigged(tmp_path, LIMIT, count=2) as rig:
        await rig.client()
        listening = await asyncio.to_thread(Asking, rig.broker.port, f"{BASE}/events")
        rig.asking.append(listening)
        await rig.append(LARGE, *facts(2, first=50))
        heard = [json.loads((await asyncio.to_thread(listening.next)).payload) for _ in range(2)]
        assert [int(one["sequence"]) for one in heard] == [4, 5]


async def test_elsewhere_than_at_the_cursor_it_is_refused_by_its_seq(tmp_path: Path) -> None:
    async with rigged(tmp_path, LIMIT, count=5) as rig:
        await rig.append(LARGE, *facts(1, first=50))
        client, epoch = await rig.client(), rig.journal.epoch
        page = await rig.ask(client, "pull", {})
        assert [seq for seq, _ in numbered(page)] == [1, 2, 3, 4, 5] and page["more"]
        refused = (await rig.ask(client, "pull", {"after": page["next"]}))["problem"]
        assert refused["type"] == "urn:lineside:problem:fact-too-large" and "seq 6 of" in refused["detail"]
        assert rig.quarantine == [] and rig.status().seq == 0
        assert [seq for seq, _ in numbered(await rig.ask(client, "pull", {"after": f"{epoch}:6"}))] == [7]


async def test_the_first_fact_of_the_next_journal_may_be_the_large_one(tmp_path: Path) -> None:
    async def carried(_reader: Reader, _posted: bool) -> str:
        return "s" * 30_000

    async with rigged(tmp_path, LIMIT, count=5) as rig:
        client = await rig.client()
        before = await taken(rig, client)
        await rig.journal.close()
        rig.journal, _ = await opened(Ground(tmp_path / "journal.db", "site", "other", {}), rig.time, carried)
        await rig.append(*facts(3, first=50))
        found = await rig.expected()
        assert len(before) == 5 and await taken(rig, client) == found[1:]
        assert [(one.epoch, one.seq) for one in rig.quarantine] == [(rig.journal.epoch, 1)]


async def test_released_it_waits_again_until_the_broker_takes_more(tmp_path: Path) -> None:
    async with rigged(tmp_path, LIMIT, count=5) as rig:
        (large,) = await rig.append(LARGE)
        client = await rig.client()
        await taken(rig, client)
        await rig.review("retried", large)
        await taken(rig, client)
        assert (await rig.ask(client, "pull", {}))["again"] == []
        assert [one.state for one in rig.quarantine] == ["waiting"]
        config = tmp_path / "broker" / "mosquitto.conf"
        config.write_text(config.read_text().replace("20000", "200000"))
        await rig.broker.kill()
        await rig.broker.start()
        client = await rig.client()
        await rig.review("retried", large)
        await taken(rig, client)
        page = await rig.ask(client, "pull", {})
        assert [one["id"] for one in page["again"]] == [large]
        await rig.ask(client, "ack", {"accepted": [large]})
        assert rig.quarantine == [] and rig.alerts() == []


async def test_a_broker_that_takes_next_to_nothing_pauses_and_puts_no_fact_away(tmp_path: Path) -> None:
    async with rigged(tmp_path, "max_packet_size 2000") as rig:
        async with asyncio.timeout(PATIENCE_S), rig.store.committed:
            while "uplink.bus/erp.paused" not in rig.alerts():
                await rig.store.committed.wait()
        assert "2000 bytes" in rig.status().detail and "maximum packet size" in rig.status().hint
        assert rig.alerts() == ["uplink.bus/erp.paused"] and rig.quarantine == []
