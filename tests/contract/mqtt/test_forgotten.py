"""What the journal forgot, or is known to have lost, stops no consumer and is passed over by name."""

from pathlib import Path

from edge.lock import Left, Lock
from edge.opening import Ground, opened
from edge.settings import Storage
from sync.certificates.record import load_open
from sync.keeping import Keeping
from sync.status import load_status
from tests.contract.mqtt.broker import Asking, Rig, needs_mosquitto, numbered, rigged
from tests.contract.uplink.rig import facts
from tests.contract.uplink.test_epochs import no_state

pytestmark = needs_mosquitto


async def taken(rig: Rig, client: Asking, consumer: str = "erp") -> list[tuple[int, str]]:
    """Pull and ack until there is no more."""
    got: list[tuple[int, str]] = []
    while True:
        page = await rig.ask(client, "pull", {"limit": 7}, consumer)
        got += numbered(page)
        assert await rig.ask(client, "ack", {"upto": page["next"]}, consumer) == {"cursor": page["next"]}
        if not page["more"]:
            return got


def told(rig: Rig, key: str) -> list[str]:
    return [one.text for one in load_status(rig.store.path).alerts if one.key == key and not one.cleared_ms]


async def test_a_consumer_added_after_pruning_begins_where_the_journal_does_now(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await taken(rig, await rig.client())
        await rig.journal.prune(10)
        await rig.stop()
        rig.start(consumers=("erp", "bi"))
        bi = await rig.client("bi")
        assert rig.status("bi").seq == 9  # or it would hold pruning
        (text,) = told(rig, "uplink.bus/bi.begun")
        assert f"begins at seq 10 of {rig.journal.epoch}: seq 1 to 9 are forgotten" in text
        refused = await rig.ask(bi, "pull", {"after": f"{rig.journal.epoch}:0"}, "bi")
        assert refused["problem"]["type"] == "urn:lineside:problem:forgotten"
        assert await taken(rig, bi, "bi") == await rig.expected()
        await rig.store.retire(["bus/erp", "bus/bi"], 1)
        assert rig.alerts() == []


async def test_a_consumer_put_back_after_pruning_goes_on_behind_what_it_never_gets(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        await rig.ask(client, "ack", {"upto": f"{rig.journal.epoch}:3"})
        await rig.stop()
        await rig.journal.prune(10)
        rig.start()
        client = await rig.client()
        (text,) = told(rig, f"uplink.bus/erp.forgotten.{rig.journal.epoch}:4")
        assert "seq 4 to 9 are not" in text
        page = await rig.ask(client, "pull", {"after": f"{rig.journal.epoch}:3"})  # as who keeps its cursor
        assert numbered(page) == await rig.expected()
        assert await taken(rig, client) == await rig.expected()
        rig.time.now_ms += 91 * 86_400_000
        await Keeping(rig.store, tmp_path / "journal.db", Storage(), rig.time, rig.time.sleep).look()
        assert rig.alerts() == []
        page = await rig.ask(client, "pull", {"after": f"{rig.journal.epoch}:3"})
        assert numbered(page) == await rig.expected(), "it is told for good: the certificate stays"


async def test_a_consumer_that_the_collector_does_not_know_goes_on_behind_what_is_pruned(
    tmp_path: Path,
) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        page = await rig.ask(client, "pull", {"limit": 15})
        await rig.journal.prune(10)  # while it runs, and what it pulled is not acked yet
        assert await rig.ask(client, "ack", {"upto": page["next"]}) == {"cursor": page["next"]}
        assert told(rig, f"uplink.bus/erp.forgotten.{rig.journal.epoch}:1") == []
        await rig.journal.prune(18)
        assert numbered(await rig.ask(client, "pull", {})) == await rig.expected()
        (text,) = told(rig, f"uplink.bus/erp.forgotten.{rig.journal.epoch}:16")
        assert "seq 16 to 17 are not" in text


async def test_a_consumer_pulls_and_acks_around_what_a_damaged_journal_lost(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client = await rig.client()
        await rig.ask(client, "ack", {"upto": f"{rig.journal.epoch}:4"})
        before = await rig.expected()
        await rig.stop()
        lost = {before[11][1], before[12][1]}
        rig.journal.suspect("a test says so")
        await rig.journal.close()
        path = tmp_path / "journal.db"
        held = path.read_bytes()
        for id_ in lost:
            held = held.replace(id_.encode(), id_.replace("-", "+").encode())
        path.write_bytes(held)
        rig.journal, _ = await opened(Ground(path, "site", "edge", {}), rig.time, no_state)
        await rig.append(*facts(3, first=100))
        rig.start()
        client = await rig.client()
        left = [one for one in before[4:] if one[1] not in lost]
        assert await taken(rig, client) == left + await rig.expected()
        assert rig.alerts() == []


async def test_a_turned_bit_refuses_the_page_and_its_alert_ends_when_what_is_left_is_taken(
    tmp_path: Path,
) -> None:
    async with rigged(tmp_path) as rig:
        before = await rig.expected()
        await rig.stop()
        await rig.journal.close()
        path = tmp_path / "journal.db"
        held, true = path.read_bytes(), b'"reason":"00010"'  # of seq 12
        assert held.count(true) == 1
        path.write_bytes(held.replace(true, b'"reason":"00011"'))
        rig.start()
        client = await rig.client()
        page = await rig.ask(client, "pull", {"limit": 11})
        assert numbered(page) == before[:11]
        refused = await rig.ask(client, "pull", {"after": page["next"]})
        assert refused["problem"]["type"] == "urn:lineside:problem:damaged"
        assert rig.alerts() == ["uplink.bus/erp.unreadable"]
        assert await rig.ask(client, "ack", {"upto": page["next"]}) == {"cursor": page["next"]}
        assert numbered(await rig.ask(client, "pull", {"after": f"{rig.journal.epoch}:2", "limit": 5}))
        assert rig.alerts() == ["uplink.bus/erp.unreadable"], "what was read before it changes nothing"

        with Lock(path) as lock:
            lock.note(Left(rig.journal.epoch, open=True, suspect="its daily check says so"))
        rig.journal, _ = await opened(Ground(path, "site", "edge", {}), rig.time, no_state)
        assert await taken(rig, client) == before[12:] + await rig.expected()
        assert rig.alerts() == []


async def test_what_a_consumer_never_gets_matches_nothing(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        client, epoch = await rig.client(), rig.journal.epoch
        await rig.ask(client, "ack", {"upto": f"{epoch}:3"})
        await rig.stop()
        await rig.journal.prune(10)
        rig.start()
        client = await rig.client()
        await taken(rig, client)
        request = {"source": f"urn:lineside:site:edge:{epoch}", "from_seq": 1, "to_seq": 20, "count": 11}
        answer = await rig.ask(client, "reconcile", request)
        assert answer["count"] == 11 and answer["match"] is False
        assert ["seq 4 to 9" in one["here"] for one in answer["differences"]] == [True]
        answer = await rig.ask(client, "reconcile", {**request, "from_seq": 10})
        assert answer["match"] is True
        assert next(one.span for one in load_open(rig.store.path)) == (epoch, 4, 9)
