"""sync.db does not grow for ever: what nobody needs is forgotten, and all the rest works as before."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import aiosqlite
import msgspec

from edge.settings import Storage
from sync.certificates.record import Certificate, Counts, Findings, keep, load, load_open
from sync.keeping import CROWDED, PORTION, Keeping
from sync.status import load_document
from sync.store import Store
from sync.tables import TABLES
from sync.tally import Report
from tests.contract.uplink.rig import START_MS, Rig, facts, rigged
from tests.contract.uplink.test_epochs import renamed
from tests.contract.uplink.test_forgotten import settled_three_then_pruned
from tests.contract.uplink.test_reconciler import compared, posting, steel

DAY_MS = 86_400_000


def keeping(rig: Rig, **storage: Any) -> Keeping:
    return Keeping(
        rig.store, rig.folder / "journal.db", Storage.model_validate(storage), rig.time, rig.time.sleep
    )


def rows(rig: Rig, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(rig.store.path)) as db:
        return db.execute(sql).fetchall()


def spans(rig: Rig) -> list[tuple[int, int]]:
    return rows(rig, "SELECT first_seq, last_seq FROM receipts ORDER BY id")


def quarantined(rig: Rig) -> list[tuple[int, str]]:
    return rows(rig, "SELECT seq, state FROM quarantine ORDER BY seq")


async def test_receipts_and_settled_quarantine_go_with_their_facts(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.receiver.poison = {5, 9, 15}
        await rig.deliver(batch_events=4)
        first, second, third = [one.id for one in rig.quarantine]
        rig.receiver.poison = {15}
        await rig.review("discarded", [first])
        await rig.review("retried", [second])
        await rig.review("discarded", [third])
        rig.start()
        await rig.until(lambda: rig.quarantine == [] and rig.seq == 23)
        await rig.stop()
        before = spans(rig)
        assert (1, 4) in before and quarantined(rig) == [(5, "settled"), (9, "settled"), (15, "settled")]
        await keeping(rig).look()
        assert (spans(rig), len(quarantined(rig))) == (before, 3), "all of it is still here"
        await rig.journal.prune(10)
        await keeping(rig).look()
        assert spans(rig) == [span for span in before if span[1] >= 10]
        assert quarantined(rig) == [(15, "settled")]
        epoch = rig.journal.epoch
        assert load_document(rig.store.path, "erp", epoch, 12) is not None
        assert load_document(rig.store.path, "erp", epoch, 15) is None, "discarded, not posted"


async def test_what_waits_for_a_person_is_never_forgotten(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        rig.receiver.poison = {5}
        await rig.deliver()
        await rig.journal.prune(10)  # as collect would never do
        await keeping(rig).look()
        assert quarantined(rig) == [(5, "waiting")]


async def test_a_journal_that_is_gone_leaves_its_receipts_for_keep_days(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.deliver()
        old = rig.journal.epoch
        await renamed(rig, "edge2")
        await rig.append(*facts(3, first=100))
        await rig.deliver()
        rig.epochs()[0].unlink()
        held = rows(rig, "SELECT DISTINCT epoch FROM receipts ORDER BY id")
        assert held == [(old,), (rig.journal.epoch,)]
        rig.time.now_ms = START_MS + 89 * DAY_MS
        await keeping(rig).look()
        assert rows(rig, "SELECT DISTINCT epoch FROM receipts ORDER BY id") == held
        rig.time.now_ms = START_MS + 91 * DAY_MS
        rig.time.clock = "unsynced"
        await keeping(rig).look()
        assert rows(rig, "SELECT DISTINCT epoch FROM receipts ORDER BY id") == held, "the clock may be ahead"
        rig.time.clock = "synced"
        await keeping(rig).look()
        assert rows(rig, "SELECT DISTINCT epoch FROM receipts") == [(rig.journal.epoch,)]


async def test_what_a_receiver_never_gets_is_an_alert_for_keep_days_and_a_certificate_for_good(
    tmp_path: Path,
) -> None:
    async with rigged(tmp_path) as rig:
        await settled_three_then_pruned(rig)
        await rig.deliver(batch_events=500)
        key = f"uplink.erp.forgotten.{rig.journal.epoch}:4"
        for days, clock, alerts in ((89, "synced", [key]), (91, "unsynced", [key]), (91, "synced", [])):
            rig.time.now_ms, rig.time.clock = START_MS + days * DAY_MS, clock
            await keeping(rig).look()
            assert rig.alerts() == alerts, (days, clock)
        assert [one.span for one in load_open(rig.store.path, "erp")] == [(rig.journal.epoch, 4, 9)]


async def test_a_backlog_goes_in_portions_with_pauses(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        await rig.deliver()

        async def many(connection: aiosqlite.Connection) -> None:
            given = ((rig.journal.epoch, 1, 1) for _ in range(3 * PORTION))
            await connection.executemany(
                "INSERT INTO receipts (uplink, epoch, first_seq, last_seq, events, at_ms)"
                " VALUES ('erp', ?, ?, ?, 1, 1)",
                given,
            )

        await rig.store.transact(many)
        await rig.journal.prune(2)
        slept = len(rig.time.slept_s)
        await keeping(rig).look()
        assert spans(rig) == [(1, 20)] and len(rig.time.slept_s) - slept == 3


async def test_comparing_goes_on_where_it_was_after_facts_and_certificates_are_gone(tmp_path: Path) -> None:
    async with posting(tmp_path) as (rig, _):
        for _ in range(3):
            await rig.append(*(steel("1", lot=f"A{at}") for at in range(3)))
            rig.start()
            await rig.drained()
            assert (await compared(rig)).match
            await rig.stop()
        assert [one.span[1:] for one in load(rig.store.path)] == [(8, 10), (5, 7), (1, 4)]
        rig.time.now_ms = START_MS + 4000 * DAY_MS
        await keeping(rig).look()
        assert len(load(rig.store.path)) == 3, "old, but of facts that are here"
        await rig.journal.prune(6)
        rig.time.clock = "unsynced"
        await keeping(rig).look()
        assert len(load(rig.store.path)) == 3, "a clock that nothing holds may be ahead: proofs stay"
        rig.time.clock = "synced"
        await keeping(rig).look()
        assert [one.span[1:] for one in load(rig.store.path)] == [(8, 10), (5, 7)]
        await rig.append(steel("7"))
        rig.start()
        await rig.drained()
        outcome = await compared(rig)
        assert outcome.match and [one.span[1:] for one in outcome.certificates] == [(11, 11)]
        await rig.journal.prune(11)
        await keeping(rig).look()
        assert [one.span[1:] for one in load(rig.store.path)] == [(11, 11)]
        assert (await compared(rig)).certificates == (), "nothing is compared twice"


def made(
    number: int, occasion: str, epoch: str = "gone", at_ms: int = START_MS, match: bool = True
) -> Certificate:
    """A certificate of about 100 kB."""
    report = Report("urn:x", number, number, 1, "d" * 64, list(range(15_000)), [])
    return Certificate(0, "erp", epoch, occasion, at_ms, match, report, Findings(Counts(None, 1, 1, 1)))


async def kept(store: Store, *certificates: Certificate) -> None:
    async def work(connection: aiosqlite.Connection) -> None:
        for one in certificates:
            await keep(connection, one, b"{}")

    await store.transact(work)


def left(rig: Rig) -> list[tuple[int, str]]:
    return [(one.report.from_seq, one.occasion) for one in load(rig.store.path, limit=1000)][::-1]


async def test_certificates_stay_for_their_days(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        days = [made(at, f"day {at}", at_ms=START_MS + at * DAY_MS) for at in range(5)]
        await kept(rig.store, *days)
        rig.time.now_ms = START_MS + 12 * DAY_MS + 1
        await keeping(rig, certificates_days=10).look()
        assert left(rig) == [(3, "day 3"), (4, "day 4")]
        rig.time.now_ms += 100 * DAY_MS
        await keeping(rig, certificates_days=10).look()
        assert left(rig) == [(4, "day 4")], "the newest stays: no number is given twice"


async def test_certificates_keep_to_their_room_and_a_person_hears_of_it(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        shifts = [made(at, f"shift {at}", match=at != 2) for at in range(8)]
        await kept(rig.store, *shifts[:4], *(made(at, "") for at in range(100, 112)), *shifts[4:])
        await keeping(rig, certificates_mib=3).look()
        assert len(left(rig)) == 20 and CROWDED not in rig.alerts()
        await keeping(rig, certificates_mib=1).look()
        weight = rows(rig, "SELECT sum(length(report) + length(answer) + length(findings)) FROM certificates")
        assert weight[0][0] <= 1 << 20 and rows(rig, "SELECT sum(bytes) FROM certificates") == weight
        asked = [number for number, occasion in left(rig) if not occasion]
        assert 0 < len(asked) < 12 and asked == [*range(112 - len(asked), 112)], "the newest of them"
        assert [number for number, occasion in left(rig) if occasion] == [*range(8)]
        assert CROWDED in rig.alerts()
        await kept(rig.store, *(made(at, f"shift {at}") for at in range(8, 16)))
        await keeping(rig, certificates_mib=1).look()
        numbers = [number for number, _ in left(rig)]
        assert numbers[0] == 2, "it is not proven"
        assert 8 < len(numbers) < 15 and numbers[1:] == [*range(17 - len(numbers), 16)]
        await keeping(rig, certificates_mib=8).look()
        assert CROWDED not in rig.alerts()


async def test_what_says_through_where_it_was_compared_stays_whatever_it_weighs(tmp_path: Path) -> None:
    async with rigged(tmp_path) as rig:
        here = rig.journal.epoch
        await kept(rig.store, *(made(at, f"shift {at}", here) for at in range(1, 21)), made(99, "", here))
        await rig.journal.prune(6)
        await keeping(rig, certificates_mib=1).look()
        assert [number for number, _ in left(rig)] == [*range(6, 21), 99]


async def test_certificates_of_the_version_before_are_weighed(tmp_path: Path) -> None:
    path = tmp_path / "sync.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(f"{TABLES.first}; {TABLES.steps[0]}; {TABLES.steps[1]}")
        report, findings = (
            msgspec.json.encode(one).decode() for one in (made(1, "").report, made(1, "").findings)
        )
        columns = "uplink, epoch, from_seq, to_seq, at_ms, match, report, answer, findings"
        values = ("erp", "e", 1, 1, 1, 1, report, '{"é": 1}', findings)
        db.execute(f"INSERT INTO certificates ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        db.executescript(
            "PRAGMA application_id = 1279872581; PRAGMA user_version = 3; PRAGMA journal_mode = WAL"
        )
    async with await Store.open(path) as store:
        assert (await store.rows("SELECT bytes FROM certificates"))[0][0] == len(report) + len(findings) + 9
