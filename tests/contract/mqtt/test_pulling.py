"""Consumers pull over a real mosquitto: pages, acks, and everything that must not move a cursor."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from edge.opening import Ground, opened
from sync.mqtt.journals import Journals
from sync.status import load_forks, load_status
from tests.contract.mqtt.broker import BASE, Asking, Rig, needs_mosquitto, numbered, rigged
from tests.contract.uplink.rig import facts
from tests.contract.uplink.test_epochs import no_state, renamed
from tests.patience import PATIENCE_S

pytestmark = needs_mosquitto


async def drained(rig: Rig, client: Asking, consumer: str = "erp", limit: int = 7) -> list[tuple[int, str]]:
    """Pull and ack until there is no more."""
    got: list[tuple[int, str]] = []
    while True:
        page = await rig.ask(client, "pull", {"limit": limit}, consumer)
        got += numbered(page)
        answer = await rig.ask(client, "ack", {"upto": page["next"]}, consumer)
        assert answer == {"cursor": page["next"]}
        if not page["more"]:
            return got


async def test_everything_comes_once_in_order(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        assert await drained(rig, client) == await rig.expected()
        assert rig.status().seq == 20 and rig.status().state == "shipping"
        page = await rig.ask(client, "pull", {})
        assert page["events"] == [] and page["next"] == page["head"] and page["more"] is False


async def test_only_an_ack_moves_the_cursor(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        first = await rig.ask(client, "pull", {"limit": 5})
        assert numbered(first) == (await rig.expected())[:5] and first["more"] is True
        again = await rig.ask(client, "pull", {"limit": 5})
        assert again == first and rig.status().seq == 0
        ahead = await rig.ask(client, "pull", {"after": first["next"], "limit": 5})
        assert numbered(ahead) == (await rig.expected())[5:10] and rig.status().seq == 0
        assert await rig.ask(client, "ack", {"upto": ahead["next"]}) == {"cursor": ahead["next"]}
        assert await rig.ask(client, "ack", {"upto": first["next"]}) == {"cursor": ahead["next"]}
        assert rig.status().seq == 10


async def test_what_was_acked_can_be_pulled_again(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        await drained(rig, client)
        epoch = rig.journal.epoch
        page = await rig.ask(client, "pull", {"after": f"{epoch}:3", "limit": 4})
        assert numbered(page) == (await rig.expected())[3:7]
        assert numbered(await rig.ask(client, "pull", {"after": f"{epoch}:0"})) == await rig.expected()


async def test_a_page_keeps_to_its_bytes(tmp_path: Path) -> None:
    async with rigged(tmp_path, count=60, page_bytes=8192) as rig:
        client = await rig.client()
        await asyncio.to_thread(client.publish, f"{BASE}/pull/erp", {}, None, b"x")
        message = await asyncio.to_thread(client.next)
        page = json.loads(message.payload)
        assert 8192 // 2 < len(message.payload) <= 8192 and 1 < len(page["events"]) < 60 and page["more"]
        assert await drained(rig, client, limit=500) == await rig.expected()


async def test_consumers_have_cursors_of_their_own(tmp_path: Path) -> None:
    async with rigged(tmp_path, consumers=("erp", "mes")) as rig:
        erp, mes = await rig.client(), await rig.client("mes")
        assert await drained(rig, erp) == await rig.expected()
        assert (rig.status().seq, rig.status("mes").seq) == (20, 0)
        assert await drained(rig, mes, "mes") == await rig.expected()


async def test_a_consumer_that_is_added_may_begin_at_the_head(tmp_path: Path) -> None:
    async with rigged(tmp_path, start="head") as rig:
        client = await rig.client()
        assert (await rig.ask(client, "pull", {}))["events"] == []
        more = await rig.append(*facts(2, first=100))
        assert [id_ for _, id_ in await drained(rig, client)] == more


async def test_a_rejected_event_waits_and_is_offered_again_when_released(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        page = await rig.ask(client, "pull", {"limit": 10})
        bad = page["events"][4]["id"]
        problem = {"title": "closed", "detail": "order 4711 is closed"}
        request = {"upto": page["next"], "rejected": [{"id": bad, "problem": problem}]}
        for _ in range(2):  # a broker may deliver it twice
            assert await rig.ask(client, "ack", request) == {"cursor": page["next"]}
        assert [(one.id, one.state, one.problem) for one in rig.quarantine] == [(bad, "waiting", problem)]
        assert "uplink.bus/erp.quarantine" in rig.alerts()
        await rig.review("retried", bad)
        await drained(rig, client)
        page = await rig.ask(client, "pull", {})
        assert [one["id"] for one in page["again"]] == [bad] and page["events"] == []
        assert (await rig.ask(client, "pull", {}))["again"] == page["again"]
        await rig.ask(client, "ack", {"accepted": [bad]})
        assert rig.quarantine == [] and "uplink.bus/erp.quarantine" not in rig.alerts()
        assert (await rig.ask(client, "pull", {}))["again"] == []
        assert rig.status().seq == 21


async def test_a_released_event_may_be_rejected_again(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        page = await rig.ask(client, "pull", {"limit": 10})
        bad = page["events"][4]["id"]
        await rig.ask(client, "ack", {"upto": page["next"], "rejected": [{"id": bad}]})
        await rig.review("retried", bad)
        await drained(rig, client)
        await rig.ask(client, "ack", {"rejected": [{"id": bad, "problem": {"title": "still closed"}}]})
        found = rig.quarantine[0]
        assert (found.state, found.problem) == ("waiting", {"title": "still closed"})


REFUSALS: list[tuple[str, Any, str]] = [
    ("pull", {"after": "{epoch}:21"}, "beyond-head"),
    ("ack", {"upto": "{epoch}:21"}, "beyond-head"),
    ("pull", {"after": "0000000000000000:1"}, "unknown-cursor"),
    ("pull", {"after": "7"}, "malformed"),
    ("pull", {"after": 7}, "malformed"),
    ("pull", {"limit": 0}, "malformed"),
    ("pull", b"\xff\x00 no json", "malformed"),
    ("pull", b"[" * 100_000, "malformed"),
    ("ack", {"upto": None, "rejected": "all"}, "malformed"),
    ("ack", b"{" + b" " * 300_000 + b"}", "too-large"),
    ("ack", {"upto": "{epoch}:5", "rejected": [{"id": "nobody"}]}, "not-rejectable"),
    ("ack", {"upto": "{epoch}:5", "accepted": ["x"] * 5001}, "malformed"),
]


async def test_what_is_refused_says_why_and_changes_nothing(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        for what, body, kind in REFUSALS:
            given = body
            if isinstance(body, dict):
                given = json.loads(json.dumps(body).replace("{epoch}", rig.journal.epoch))
            answer = await rig.ask(client, what, given)
            assert answer["problem"]["type"] == f"urn:lineside:problem:{kind}", (what, body)
            assert answer["problem"]["detail"]
        assert rig.status().seq == 0 and rig.quarantine == []
        assert await drained(rig, client) == await rig.expected()


@pytest.mark.parametrize(
    "topic", ["elsewhere", f"{BASE}/answer/mes", f"{BASE}/answer/erpx", f"{BASE}/pull/erp"]
)
async def test_answers_go_nowhere_else(tmp_path: Path, topic: str) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        spy = await asyncio.to_thread(Asking, rig.broker.port, "#")
        rig.asking.append(spy)
        await asyncio.to_thread(client.publish, f"{BASE}/pull/erp", {}, topic, b"m")
        answer = await asyncio.to_thread(client.next)
        assert json.loads(answer.payload)["problem"]["type"] == "urn:lineside:problem:response-topic"
        assert answer.topic == f"{BASE}/answer/erp" and answer.properties.CorrelationData == b"m"
        while not spy.came.empty():
            message = spy.next()
            assert message.topic != topic or message.payload == b"{}"


async def test_a_request_that_came_twice_is_answered_twice(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        page = await rig.ask(client, "pull", {"limit": 3})
        for body in ({"upto": page["next"]}, {"upto": page["next"]}):
            client.publish(f"{BASE}/ack/erp", body, f"{BASE}/answer/erp", b"same")
        found = [await asyncio.to_thread(client.next) for _ in range(2)]
        assert [json.loads(one.payload) for one in found] == [{"cursor": page["next"]}] * 2
        assert rig.status().seq == 3


async def test_a_broker_that_is_killed_costs_nothing(tmp_path: Path) -> None:
    """SIGKILL with the package's persistence: what it acknowledged is gone, nothing of ours is."""
    async with rigged(tmp_path, count=100) as rig:
        client = await rig.client()
        got: list[tuple[int, str]] = []
        for number in range(5):
            page = await rig.ask(client, "pull", {"limit": 11})
            got += numbered(page)
            await rig.ask(client, "ack", {"upto": page["next"]})
            if number % 2:
                client.publish(f"{BASE}/pull/erp", {"limit": 11}, f"{BASE}/answer/erp", b"lost")
                await rig.broker.kill()
                await rig.append(*facts(3, first=1000 + 10 * number))
                await rig.broker.start()
                await asyncio.to_thread(client.close)
                rig.asking.remove(client)
                client = await rig.client()
        got += await drained(rig, client)
        assert got == await rig.expected() and len(got) == 106


async def test_a_restart_of_sync_goes_on_at_the_cursor(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        page = await rig.ask(client, "pull", {"limit": 8})
        await rig.ask(client, "ack", {"upto": page["next"]})
        await rig.stop()
        rig.start()
        client = await rig.client()
        assert await drained(rig, client) == (await rig.expected())[8:]


async def test_an_absent_broker_is_named_and_delivery_goes_on_when_it_is_back(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.client()
        async with rig.store.committed:
            await rig.broker.kill()
            await asyncio.wait_for(rig.store.committed.wait_for(lambda: rig.status().state == "backoff"), 60)
        assert rig.status().detail and rig.status().hint
        await rig.broker.start()
        client = await rig.client()
        assert await drained(rig, client) == await rig.expected()
        assert {one.state for one in load_status(rig.store.path).uplinks} == {"shipping"}


async def test_a_broker_away_for_long_is_an_alert_for_each_consumer_until_it_is_back(tmp_path: Path) -> None:
    async with rigged(tmp_path, consumers=("erp", "mes")) as rig:

        def later() -> bool:
            rig.time.now_ms += 60_000
            return len(rig.alerts()) == 2

        await rig.client()
        async with asyncio.timeout(PATIENCE_S), rig.store.committed:
            await rig.broker.kill()
            await rig.store.committed.wait_for(lambda: rig.status("mes").state == "backoff")
            assert rig.alerts() == []
            await rig.store.committed.wait_for(later)
        found = load_status(rig.store.path).alerts
        assert {one.key for one in found} == {"uplink.bus/erp.failing", "uplink.bus/mes.failing"}
        assert all("20 facts wait; nothing is lost" in one.text for one in found)
        await rig.broker.start()
        await rig.client()
        async with asyncio.timeout(PATIENCE_S), rig.store.committed:
            await rig.store.committed.wait_for(lambda: rig.alerts() == [])


async def test_journals_that_were_set_aside_come_first_and_one_ack_may_settle_them(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        page = await rig.ask(client, "pull", {"limit": 7})
        await rig.ask(client, "ack", {"upto": page["next"]})
        before = await rig.expected()
        await renamed(rig, "edge2")  # type: ignore[arg-type]
        await rig.append(*facts(5, first=100))
        behind = await rig.ask(client, "pull", {})
        assert numbered(behind) == before[7:] and behind["more"] is True
        current = await rig.ask(client, "pull", {"after": behind["next"]})
        assert numbered(current) == await rig.expected() and current["more"] is False
        assert await rig.ask(client, "ack", {"upto": current["next"]}) == {"cursor": current["head"]}
        assert rig.status().epoch == rig.journal.epoch and rig.status().seq == rig.journal.head


async def test_an_ack_may_end_in_the_middle_of_the_page(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client, epoch = await rig.client(), rig.journal.epoch
        page = await rig.ask(client, "pull", {"limit": 7})
        for upto in (4, 6, 7):
            assert await rig.ask(client, "ack", {"upto": f"{epoch}:{upto}"}) == {"cursor": f"{epoch}:{upto}"}
            assert rig.status().seq == upto
        assert page["next"] == f"{epoch}:7"


async def test_a_page_of_an_earlier_journal_is_not_what_an_ack_of_the_next_settles(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client, before = await rig.client(), rig.journal.epoch
        await drained(rig, client)
        await renamed(rig, "edge2")  # type: ignore[arg-type]
        await rig.append(*facts(5, first=100))
        again = await rig.ask(client, "pull", {"after": f"{before}:0", "limit": 3})
        assert again["next"] == f"{before}:3"
        upto = f"{rig.journal.epoch}:4"
        assert await rig.ask(client, "ack", {"upto": upto}) == {"cursor": upto}
        assert (rig.status().epoch, rig.status().seq) == (rig.journal.epoch, 4)
        taken = await rig.store.rows("SELECT epoch, first_seq, last_seq FROM receipts ORDER BY id")
        assert taken[-1] == (rig.journal.epoch, 1, 4), "what it was"


async def test_a_journal_that_is_replaced_behind_a_look_is_delivered_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        await drained(rig, client)
        await renamed(rig, "edge2")  # type: ignore[arg-type]
        await rig.append(*facts(5, first=100))
        wanted, second, look = await rig.expected(), rig.journal.epoch, Journals.look
        replaced = asyncio.Event()

        async def looked(journals: Journals) -> None:
            await look(journals)
            if not replaced.is_set() and journals.row[-1].epoch == second:
                replaced.set()
                await renamed(rig, "edge3")  # type: ignore[arg-type]

        monkeypatch.setattr(Journals, "look", looked)
        page = await rig.ask(client, "pull", {})
        assert replaced.is_set() and numbered(page) == wanted and page["next"].startswith(second)
        assert await rig.ask(client, "ack", {"upto": page["next"]}) == {"cursor": page["next"]}
        assert numbered(await rig.ask(client, "pull", {})) == await rig.expected()


async def test_a_fork_halts_until_a_new_journal_begins_and_people_decide_what_it_holds(
    tmp_path: Path,
) -> None:
    async with rigged(tmp_path) as rig:
        client, old = await rig.client(), await rig.expected()
        page = await rig.ask(client, "pull", {"limit": 10})
        problem = {"type": "urn:lineside:problem:fork", "detail": "7 is another"}
        said = {"upto": page["next"], "rejected": [{"id": old[6][1], "problem": problem}]}
        assert await rig.ask(client, "ack", said) == {"cursor": f"{rig.journal.epoch}:6"}
        assert rig.status().state == "halted" and rig.alerts() == ["uplink.bus/erp.halted"]
        forks = load_forks(tmp_path / "sync.db")
        assert forks == {rig.journal.epoch: 7}

        await rig.journal.close()
        ground = Ground(tmp_path / "journal.db", "site", "edge", {}, forks)
        rig.journal, notice = await opened(ground, rig.time, no_state)
        assert notice is not None and "from 7 on" in notice.text
        assert await rig.ask(client, "ack", said) == {"cursor": page["next"]}, (
            "a rejection like any other now"
        )
        assert [one.id for one in rig.quarantine] == [old[6][1]]
        last = await rig.ask(client, "pull", {})
        assert numbered(last) == old[10:]
        await rig.ask(client, "ack", {"upto": last["next"]})
        assert numbered(await rig.ask(client, "pull", {})) == await rig.expected()
        assert load_forks(tmp_path / "sync.db") == {} and "uplink.bus/erp.halted" not in rig.alerts()
