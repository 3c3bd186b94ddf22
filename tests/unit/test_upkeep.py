"""What may be forgotten, what is, and that damage in a quiet corner is found while the line runs."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from edge import epochs
from edge.alerts import Alerts
from edge.epochs import Epoch
from edge.events import decode
from edge.faults import RestartNeeded
from edge.journal import Journal, Reader, Snapshot, verify
from edge.lock import Lock
from edge.upkeep import PORTION, Upkeep
from sync.retention import done
from sync.status import UplinkStatus
from tests.unit.clocks import ManualClock
from tests.unit.test_opening import put, start

FIRST, SECOND, THIRD = (
    Epoch(f"{number}" * 16, Path(f"journal-{number}.db"), number, 100 * number, "", "")
    for number in (1, 2, 3)
)
ALL = (FIRST, SECOND, THIRD)


def uplink(name: str, at: Epoch, seq: int) -> UplinkStatus:
    return UplinkStatus(name, at.epoch, seq, "idle", "", "", 0, None, None, 0, 0, 0)


@pytest.mark.parametrize(
    ("configured", "uplinks", "quarantined", "expected"),
    [
        (["erp"], [uplink("erp", SECOND, 50)], {}, (100, 50, 0)),
        (["erp"], [uplink("erp", THIRD, 7)], {}, (100, 200, 7)),
        (["erp"], [uplink("erp", THIRD, 7)], {FIRST.epoch: 20, THIRD.epoch: 3}, (19, 200, 2)),
        (["erp", "bi"], [uplink("erp", THIRD, 7), uplink("bi", FIRST, 30)], {}, (30, 0, 0)),
        (["erp", "new"], [uplink("erp", THIRD, 7)], {}, (0, 0, 0)),
        (["erp"], [uplink("erp", THIRD, 7), uplink("removed", FIRST, 1)], {}, (100, 200, 7)),
        ([], [uplink("erp", THIRD, 7)], {}, (0, 0, 0)),
    ],
    ids=["within", "current", "quarantine", "the slowest", "a new uplink", "a removed one", "no uplink"],
)
def test_only_what_every_receiver_is_done_with_may_be_forgotten(
    configured: list[str], uplinks: list[UplinkStatus], quarantined: dict[str, int], expected: tuple[int, ...]
) -> None:
    found = done(ALL, configured, uplinks, quarantined)
    assert tuple(found[one.epoch] for one in ALL) == expected


def upkeep(
    journal: Journal, clock: ManualClock, settled: Mapping[str, int], *, days: int = 0, snapshot: int = 10**9
) -> Upkeep:
    async def sleep(delay_s: float) -> None:
        clock.advance(delay_s)

    def known(found: Sequence[Epoch]) -> Mapping[str, int]:
        return settled

    return Upkeep(journal, clock, days, Alerts(journal, clock), lambda: snapshot, known, sleep)


async def seqs(path: Path) -> list[int]:
    async with await Reader.open(path) as reader:
        return [seq for seq, _ in await reader.read_after(0, 100_000)]


async def written(folder: Path, events: int) -> tuple[Journal, ManualClock]:
    journal, _ = await start(folder)
    await put(journal, 2, events)
    clock = ManualClock()
    clock.advance(60)
    return journal, clock


@pytest.mark.parametrize(
    ("settled", "snapshot", "first"),
    [(1000, 1000, 951), (650, 1000, 601), (1000, 410, 401), (0, 1000, 1), (PORTION, 1000, 1)],
)
async def test_pruning_stays_behind_every_receiver_and_the_snapshot(
    tmp_path: Path, settled: int, snapshot: int, first: int
) -> None:
    journal, clock = await written(tmp_path, 1000)
    async with journal:
        await upkeep(journal, clock, {journal.epoch: settled}, snapshot=snapshot).forget()
        assert await seqs(journal.path) == list(range(first, 1001))
        await put(journal, 1001, 1003)
        async with await Reader.open(journal.path) as reader:
            found = await verify(reader)
        assert (found.problems, found.first, found.last) == ((), first, 1003)


async def test_what_is_younger_than_keep_days_stays(tmp_path: Path) -> None:
    journal, clock = await written(tmp_path, 500)
    async with journal:
        everything = {journal.epoch: 500}
        await upkeep(journal, clock, everything, days=3).forget()
        assert len(await seqs(journal.path)) == 500
        clock.advance(3 * 86_400 + 1)
        await upkeep(journal, clock, everything, days=3).forget()
        assert await seqs(journal.path) == list(range(451, 501))


async def test_a_pruned_journal_opens_restores_and_says_where_more_is_missing(tmp_path: Path) -> None:
    journal, clock = await written(tmp_path, 500)
    async with journal:
        await upkeep(journal, clock, {journal.epoch: 500}).forget()
        await journal.save_snapshot(Snapshot(500, "1", b"{}"))
        epoch = journal.epoch
    journal, notice = await start(tmp_path)
    async with journal:
        assert (journal.epoch, journal.head, notice) == (epoch, 500, None)
        await journal.note("DELETE FROM events WHERE seq < 455")
        async with await Reader.open(journal.path) as reader:
            assert (await verify(reader)).problems == ("seq 451 to 454 are missing",)


async def test_damage_to_a_pruned_journal_is_not_taken_for_the_pruned_part(tmp_path: Path) -> None:
    journal, clock = await written(tmp_path, 500)
    async with journal:
        await upkeep(journal, clock, {journal.epoch: 500}).forget()
        epoch = journal.epoch
        journal.suspect("a test says so")
    journal, _ = await start(tmp_path)
    async with journal:
        (kept, _) = epochs.listed(journal.path)
        assert (kept.epoch, kept.head, kept.missing) == (epoch, 500, "")
        assert await seqs(kept.path) == list(range(451, 501))


async def test_damage_in_a_quiet_corner_ends_the_process_and_the_next_start_sets_it_aside(
    tmp_path: Path,
) -> None:
    journal, clock = await written(tmp_path, 300)
    path = journal.path
    rows = dict(await journal.read_after(0, 1000))
    async with journal:
        await upkeep(journal, clock, {}).prove()
    lost = decode(rows[40]).id
    held = path.read_bytes()
    path.write_bytes(held.replace(lost.encode(), lost.replace("-", "+").encode()))
    journal, notice = await start(tmp_path)
    assert notice is None  # a start looks at the end only
    async with journal:
        with pytest.raises(RestartNeeded, match="seq 40 does not follow"):
            await upkeep(journal, clock, {}).prove()
    with Lock(path) as lock:
        assert "seq 40" in lock.left.suspect
    journal, notice = await start(tmp_path)
    async with journal:
        assert notice is not None and "missing of it: 40" in notice.text


async def test_a_page_that_cannot_be_read_ends_the_process_and_the_next_start_sets_it_aside(
    tmp_path: Path,
) -> None:
    journal, _ = await written(tmp_path, 300)
    path = journal.path
    await journal.close()
    held = path.read_bytes()
    at = held.index(b'"sequence":"00000000000000000150"') // 4096 * 4096
    path.write_bytes(held[:at] + bytes(4096) + held[at + 4096 :])
    journal, notice = await start(tmp_path)
    assert notice is None
    async with journal:
        with pytest.raises(RestartNeeded, match="malformed"):
            await upkeep(journal, ManualClock(), {}).prove()
    journal, notice = await start(tmp_path)
    async with journal:
        assert notice is not None and "missing of it: 1" in notice.text


async def test_a_journal_set_aside_is_deleted_once_settled_and_old(tmp_path: Path) -> None:
    journal, clock = await written(tmp_path, 5)
    before = journal.epoch
    await journal.close()
    journal, _ = await start(tmp_path, edge_id="other")
    aside = tmp_path / f"journal-{before}.db"
    seconds = clock.now().wall_ms / 1000
    os.utime(aside, (seconds, seconds))
    async with journal:
        current = {journal.epoch: journal.head}
        for settled, days, kept in (({before: 4}, 0, True), ({before: 5}, 3, True), ({before: 5}, 0, False)):
            clock.advance(60)
            await upkeep(journal, clock, {**current, **settled}, days=days).forget()
            assert aside.exists() == kept
        assert await seqs(journal.path) == [1]
