"""Journals that were set aside are emptied first, each under its own source, in the order of writing."""

import asyncio
from pathlib import Path

import pytest

from edge.events import decode
from edge.faults import Damaged
from edge.journal import Reader
from edge.lock import Left, Lock
from edge.opening import Ground, opened
from sync.fork import Fork
from sync.outcome import FORK
from sync.status import load_forks, load_outbox
from tests.contract.uplink.receiver import puts_off, says
from tests.contract.uplink.rig import Rig, facts, rigged, watched
from tests.patience import PATIENCE_S


async def no_state(reader: Reader, posted: bool) -> str:
    return "{}"


async def renamed(rig: Rig, edge_id: str) -> None:
    """A changed edge id begins an epoch."""
    await rig.journal.close()
    ground = Ground(rig.folder / "journal.db", "site", edge_id, {})
    rig.journal, _ = await opened(ground, rig.time, no_state)


async def damaged(rig: Rig, seq: int) -> str:
    """A bit of that event flips, and the next start sets the journal aside; the id of the lost event."""
    rows = dict(await rig.journal.read_after(0, 1000))
    lost = decode(rows[seq]).id
    rig.journal.suspect("a test says so")
    await rig.journal.close()
    path = rig.folder / "journal.db"
    held = path.read_bytes()
    assert held.count(lost.encode()) == 1
    path.write_bytes(held.replace(lost.encode(), lost.replace("-", "+").encode()))
    rig.journal, _ = await opened(Ground(path, "site", "edge", {}), rig.time, no_state)
    return lost


async def everything(rig: Rig) -> list[tuple[int, str]]:
    """(seq, id) of all journals, oldest first."""
    return [one for epoch in rig.epochs() for one in await rig.expected(epoch)]


async def test_what_was_set_aside_is_delivered_first_and_nothing_twice(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.start(batch_events=7)
        await rig.until(lambda: rig.seq >= 7)
        await rig.stop()
        for number in range(3):
            await renamed(rig, f"edge{number}")
            await rig.append(*facts(5, first=100 * number + 100))
        status = rig.status
        assert status is not None
        expected = await everything(rig)
        waiting = load_outbox(rig.folder / "journal.db", status.epoch, status.seq)
        assert waiting.events == len(expected) - status.seq
        rig.start()
        epoch = rig.journal.epoch
        await rig.until(lambda: rig.status is not None and (rig.status.epoch, rig.seq) == (epoch, 6))
        assert rig.receiver.posted == expected
        assert len({call.key.rpartition(":")[0] for call in rig.receiver.calls}) == 4
        assert rig.alerts() == []


async def test_an_uplink_at_the_end_of_what_was_set_aside_goes_on_in_the_next(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.deliver()
        await renamed(rig, "other")
        await rig.append(*facts(5, first=100))
        await rig.deliver()
        assert rig.receiver.posted == await everything(rig)
        assert rig.alerts() == []


async def test_a_forked_journal_is_left_for_a_new_one_and_people_decide_what_waits_behind(
    tmp_path: Path,
) -> None:
    """The receiver is rude: it booked what stood behind the fork in the call, whosever numbers they are."""
    async with rigged(tmp_path) as rig:
        old = await rig.expected()
        rig.receiver.poison = {7}
        rig.receiver.problem = {"type": FORK, "detail": "7 is another"}
        rig.start()
        await rig.until(lambda: rig.alerts() == ["uplink.erp.halted"])
        await rig.append(*facts(5, first=50))
        rig.receiver.poison = set()  # from now on it takes whatever comes
        posted, behind = list(rig.receiver.posted), (await rig.expected())[6:]
        await rig.journal.close()
        ground = Ground(rig.folder / "journal.db", "site", "edge", {}, load_forks(rig.store.path))
        rig.journal, notice = await opened(ground, rig.time, no_state)
        assert notice is not None and "other facts under its numbers, from 7 on" in notice.text
        await rig.append(*facts(5, first=100))
        await rig.until(lambda: rig.status is not None and rig.status.epoch == rig.journal.epoch)
        await rig.drained()
        new = await rig.expected()
        assert rig.receiver.posted == [*posted, *new], "nothing behind the fork is sent by itself"
        assert [(one.seq, one.id, one.state) for one in rig.quarantine] == [
            (*one, "waiting") for one in behind
        ]
        assert "7 is another" in rig.quarantine[0].why and rig.alerts() == ["uplink.erp.quarantine"]
        assert load_forks(rig.store.path) == {}, "the new journal is gone on with"
        await rig.review("retried", [id_ for _, id_ in behind])
        await rig.until(lambda: rig.quarantine == [])
        await rig.drained()
        assert sorted(rig.receiver.posted) == sorted([*old[:6], *behind, *await rig.expected()])


async def test_a_fork_that_is_found_in_a_journal_set_aside_does_not_hold_up_the_next(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        behind = (await rig.expected())[6:]
        await renamed(rig, "other")
        rig.receiver.poison = {7}
        rig.receiver.problem = {"type": FORK, "detail": "7 is another"}
        rig.start(batch_events=7)
        await rig.until(lambda: len(rig.quarantine) == 14)
        await rig.until(lambda: rig.status is not None and rig.status.epoch == rig.journal.epoch)
        await rig.drained()
        assert [one.id for one in rig.quarantine] == [id_ for _, id_ in behind]
        assert [call.seqs for call in rig.receiver.calls] == [[*range(1, 8)], [1]]


async def test_what_lies_before_a_known_fork_is_sent_and_what_lies_behind_is_not(tmp_path: Path) -> None:
    """A cursor before the fork: its journal was gone for a while, and is delivered from its beginning."""
    async with rigged(tmp_path) as rig:
        old, epoch = await rig.expected(), rig.journal.epoch
        await rig.store.begin("erp", epoch, 0, rig.time.now_ms)
        await rig.store.forked("erp", epoch, Fork(7, "7 is another"), rig.time.now_ms)
        await renamed(rig, "other")
        rig.start()
        await rig.until(lambda: rig.status is not None and rig.status.epoch == rig.journal.epoch)
        await rig.drained()
        assert rig.receiver.posted == [*old[:6], *await rig.expected()]
        assert [(one.seq, one.id) for one in rig.quarantine] == old[6:]


async def test_what_is_not_sent_behind_a_fork_is_no_word_of_the_receiver(tmp_path: Path) -> None:
    failing, rejected = "uplink.erp.failing", "uplink.erp.quarantine"
    async with rigged(tmp_path, backoff_max_s=120) as rig:
        rig.receiver.always = says(503)
        await rig.store.begin("erp", rig.journal.epoch, 6, rig.time.now_ms)
        rig.start()
        await rig.until(lambda: failing in rig.alerts())
        await rig.stop()
        await rig.store.forked("erp", rig.journal.epoch, Fork(7, "7 is another"), rig.time.now_ms)
        await renamed(rig, "other")
        rig.start()
        await rig.until(lambda: len(rig.quarantine) == 14)
        assert set(rig.alerts()) == {failing, rejected}
        status = rig.status
        assert status is not None and (status.state, status.last_success_ms) == ("backoff", None)
        rig.receiver.always = None
        await rig.until(lambda: rig.alerts() == [rejected])


async def test_a_running_agent_follows_through_an_epoch(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.start()
        await rig.drained()
        await rig.append(*facts(3, first=60))
        await renamed(rig, "other")
        await rig.append(*facts(5, first=100))
        epoch = rig.journal.epoch
        await rig.until(lambda: rig.status is not None and (rig.status.epoch, rig.seq) == (epoch, 6))
        assert rig.receiver.posted == await everything(rig)


async def test_what_a_damaged_journal_proves_is_delivered_around_the_hole(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.start(batch_events=4)
        await rig.until(lambda: rig.seq >= 4)
        await rig.stop()
        before = await rig.expected()
        lost = await damaged(rig, 12)
        await rig.append(*facts(2, first=100))
        await rig.deliver()
        held = [one for one in before if one[1] != lost]
        assert rig.receiver.posted == held + await rig.expected()
        assert len(held) == len(before) - 1


async def test_a_cursor_beyond_what_was_saved_goes_on_in_the_next_epoch(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.deliver()
        before = list(rig.receiver.posted)
        await damaged(rig, 20)
        await rig.deliver()
        assert rig.receiver.posted == before + await rig.expected()
        assert rig.alerts() == []


async def test_a_journal_that_is_gone_raises_an_alert_and_the_rest_is_delivered(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.deliver()
        gone, before = rig.journal.epoch, list(rig.receiver.posted)
        await rig.append(*facts(5, first=100))
        await renamed(rig, "other")
        (tmp_path / f"journal-{gone}.db").unlink()
        await rig.deliver()
        assert rig.receiver.posted == before + await rig.expected()
        assert rig.alerts() == [f"uplink.erp.epoch.{gone}"]


async def test_a_decision_in_the_current_journal_releases_one_that_is_set_aside(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.receiver.poison = {12}
        rig.start(on_reject="halt", batch_events=4)
        await rig.until(lambda: "uplink.erp.halted" in rig.alerts())
        await rig.stop()
        (waiting,) = rig.quarantine
        await renamed(rig, "other")
        rig.start()
        rig.receiver.poison = set()
        await rig.review("retried", [waiting.id])
        epoch = rig.journal.epoch
        await rig.until(lambda: rig.status is not None and (rig.status.epoch, rig.seq) == (epoch, 2))
        assert sorted(rig.receiver.posted) == sorted(await everything(rig))
        assert rig.quarantine == [] and rig.alerts() == []


async def test_what_is_released_goes_out_under_the_name_that_the_edge_had_then(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.receiver.poison = {12}
        await rig.deliver()
        then = rig.journal.source
        await renamed(rig, "other")
        rig.receiver.poison = set()
        await rig.review("retried", [rig.quarantine[0].id])
        rig.start()
        await rig.until(lambda: rig.quarantine == [])
        assert [call.key for call in rig.receiver.calls if call.seqs == [12]] == [f"{then}:12-12"]


async def test_where_sync_db_is_begun_anew_everything_is_offered_again_also_where_the_head_was_the_start(
    tmp_path: Path,
) -> None:
    async with rigged(tmp_path) as rig:
        rig.start(start="head")
        await rig.drained()
        await rig.append(*facts(3, first=100))
        await rig.drained()
        await rig.stop()
        await rig.append(*facts(3, first=200))
        held = list(rig.receiver.posted)
        await rig.store.close()
        rig.store.path.write_bytes(b"no database" * 1000)
        rig.store = await watched(rig.store.path)
        await rig.store.begin_anew(["erp"], 1)
        rig.start(start="head")
        await rig.drained()
        everything = await rig.expected()
        assert sorted(rig.receiver.posted) == everything and len(held) == 3
        assert rig.alerts() == ["sync.replaced"]


async def test_a_released_fact_that_is_put_off_does_not_keep_delivery_in_its_epoch(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.receiver.poison = {12}
        await rig.deliver()
        await rig.review("retried", [rig.quarantine[0].id])
        rig.receiver.always = puts_off(12)
        await renamed(rig, "other")
        await rig.append(*facts(5, first=100))
        epoch = rig.journal.epoch
        rig.start()
        await rig.until(lambda: rig.status is not None and (rig.status.epoch, rig.seq) == (epoch, 6))
        assert [(waits.seq, waits.state) for waits in rig.quarantine] == [(12, "retrying")]
        rig.receiver.always, rig.receiver.poison = None, set()
        rig.time.now_ms += 60_000
        await rig.until(lambda: rig.quarantine == [])
        assert sorted(rig.receiver.posted) == sorted(await everything(rig))


async def test_a_page_that_cannot_be_read_is_an_alert_until_what_is_left_is_delivered(tmp_path: Path) -> None:
    async with rigged(tmp_path, count=300) as rig:
        await rig.journal.close()
        path = tmp_path / "journal.db"
        whole = path.read_bytes()
        at = whole.index(b'"sequence":"00000000000000000150"') // 4096 * 4096
        path.write_bytes(whole[:at] + bytes(4096) + whole[at + 4096 :])
        rig.start(batch_events=20)
        assert rig.task is not None
        await asyncio.wait([rig.task], timeout=PATIENCE_S)
        with pytest.raises(Damaged):
            await rig.stop()
        assert rig.alerts() == ["uplink.erp.unreadable"]
        settled = rig.seq
        assert 80 < settled < 150

        with Lock(path) as lock:
            lock.note(Left(rig.journal.epoch, open=True, suspect="its daily check says so"))
        rig.journal, notice = await opened(Ground(path, "site", "edge", {}), rig.time, no_state)
        assert notice is not None
        await rig.deliver()
        assert rig.receiver.posted == await everything(rig)
        assert rig.alerts() == []


@pytest.mark.parametrize("turned", [1, 7, 8, 12, 20], ids=lambda seq: f"seq {seq}")
async def test_a_fact_in_which_a_bit_turned_is_never_sent(tmp_path: Path, turned: int) -> None:
    """It may be JSON as before, and a figure another: only the chain can tell."""
    async with rigged(tmp_path) as rig:
        whole = dict(await rig.journal.read_after(0, 1000))
        await rig.journal.close()
        path = tmp_path / "journal.db"
        true = b'"cause":"new"' if turned == 1 else f'"reason":"{turned - 2:05d}"'.encode()
        held = path.read_bytes()
        assert whole[turned].count(true) == held.count(true) == 1
        path.write_bytes(held.replace(true, true[:-2] + bytes([true[-2] ^ 1, true[-1]])))
        rig.start(batch_events=7)
        assert rig.task is not None
        await asyncio.wait([rig.task], timeout=PATIENCE_S)
        with pytest.raises(Damaged, match=f"seq {turned} does not follow"):
            await rig.stop()
        assert rig.alerts() == ["uplink.erp.unreadable"]
        assert [seq for seq, _ in rig.receiver.posted] == list(range(1, turned))
        assert rig.quarantine == []

        with Lock(path) as lock:
            lock.note(Left(rig.journal.epoch, open=True, suspect="its daily check says so"))
        rig.journal, notice = await opened(Ground(path, "site", "edge", {}), rig.time, no_state)
        assert notice is not None
        rig.start()
        await rig.until(lambda: not rig.alerts())
        await rig.drained()
        assert rig.receiver.posted == await everything(rig)
