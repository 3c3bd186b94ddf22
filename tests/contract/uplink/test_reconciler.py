"""Comparing as time goes by, against the reference endpoint, which keeps books of its own, and a rude one."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import structlog
from aiohttp import web

from edge.calendar import Calendar
from edge.demo.endpoint import Endpoint
from edge.demo.endpoint.examine import Item
from edge.events import MaterialConsumed, WorkCorrected, WorkPaused
from edge.faults import UplinkFault
from edge.masterdata.store import Delivery
from edge.settings import Shift
from sync.certificates.record import Certificate, load, load_open
from sync.reconcile import Range, Reconciliation
from sync.reconciler import Outcome, Reconciler
from sync.status import load_status
from tests.contract.uplink.receiver import says
from tests.contract.uplink.rig import START_MS, Rig, facts, rigged
from tests.contract.uplink.test_epochs import renamed
from tests.patience import PATIENCE_S

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
MASTERDATA = {
    "materials": [{"material": "S", "unit": "KGM", "price": "2.50", "price_per": "1", "currency": "CNY"}]
}


def steel(quantity: str, **more: Any) -> MaterialConsumed:
    given: dict[str, Any] = {"work_order": "W", "operation": "1", "posting_date": "2026-11-18", **more}
    return MaterialConsumed(
        material="S", quantity=Decimal(quantity), unit="KGM", method="scanned", use="production",
        posted_by="edge", **given,
    )  # fmt: skip


def correction(of: str, date: str = "2026-11-19") -> WorkCorrected:
    return WorkCorrected(
        corrects=of, reason="did_not_occur", person="chief", posting_date=date, work_order="W", operation="1",
    )  # fmt: skip


@asynccontextmanager
async def posting(folder: Path, **settings: Any) -> AsyncIterator[tuple[Rig, Endpoint]]:
    """A rig that delivers to the reference endpoint."""
    prices = folder / "prices.json"
    prices.write_text(json.dumps(MASTERDATA))
    async with (
        Endpoint(folder / "erp.db", prices) as endpoint,
        rigged(folder, 1, url=endpoint.url, reconcile_after_s=0, **settings) as rig,
    ):
        yield rig, endpoint


def reconciler(rig: Rig, shifts: tuple[Shift, ...] = ()) -> Reconciler:
    """One whose waits take a moment and no time of the rig's clock."""
    assert rig.uplink is not None and rig.agent is not None

    async def sleep(_: float) -> None:
        await asyncio.sleep(0.01)

    calendar = Calendar(ZoneInfo("UTC"), shifts)
    journal = rig.folder / "journal.db"
    return Reconciler(
        rig.uplink, rig.store, journal, calendar, rig.time, rig.agent.resend, sleep=sleep, chance=lambda: 0.5
    )


async def compared(rig: Rig) -> Outcome:
    async with asyncio.timeout(PATIENCE_S):
        return await reconciler(rig).now()


def kept(rig: Rig) -> list[Certificate]:
    """All certificates, oldest first."""
    return load(rig.store.path, limit=1000)[::-1]


def swallows(endpoint: Endpoint, *seqs: int) -> None:
    """From now on the endpoint says of these that it took them, and forgets them; once each."""
    take, left = endpoint.ledger.take, set(seqs)

    def forgetful(items: list[Item], prices: Any) -> list[dict[str, Any]]:
        results = iter(take([item for item in items if item.seq not in left], prices))
        found = [
            {"id": item.id, "status": "accepted"} if item.seq in left else next(results) for item in items
        ]
        left.difference_update(item.seq for item in items)
        return found

    endpoint.ledger.take = forgetful  # type: ignore[method-assign,assignment]


def changes(endpoint: Endpoint, seq: int, what: str, into: str) -> None:
    """Somebody changes the books."""
    ledger = endpoint.ledger
    ledger._thread.submit(
        ledger._db.execute,
        "UPDATE event SET body = CAST(replace(CAST(body AS TEXT), ?, ?) AS BLOB) WHERE seq = ?",
        (what, into, seq),
    ).result()


def held(endpoint: Endpoint) -> list[int]:
    """The seqs in the books in the order of posting."""
    ledger = endpoint.ledger
    rows = ledger._thread.submit(lambda: list(ledger.rows("ORDER BY received_ms, rowid"))).result()
    return [row.seq for row in rows if row.status == "accepted"]


async def test_what_the_receiver_swallowed_is_found_sent_again_and_posted_once(tmp_path: Path) -> None:
    async with posting(tmp_path) as (rig, endpoint):
        swallows(endpoint, 3, 4)
        ids = await rig.append(steel("1"), steel("2"), steel("4"), steel("8"))
        await rig.append(correction(ids[2]))
        rig.start()
        await rig.drained()
        assert sorted(held(endpoint)) == [1, 2, 5, 6]
        outcome = await compared(rig)
        assert outcome.match, outcome
        assert [(one.match, one.missing) for one in kept(rig)] == [(False, (3, 4)), (True, ())]
        assert kept(rig)[-1].findings.resent == 2
        assert held(endpoint) == [1, 2, 5, 6, 3, 4], "in their order, each once"
        assert rig.alerts() == [] and rig.quarantine == []
        outcome = await compared(rig)
        assert outcome.match and outcome.certificates == (), "nothing is left to compare"


async def test_of_two_corrections_the_one_that_was_posted_first_counts_whatever_their_numbers(
    tmp_path: Path,
) -> None:
    async with posting(tmp_path) as (rig, endpoint):
        swallows(endpoint, 4)
        ids = await rig.append(steel("1"), steel("2"))
        await rig.append(correction(ids[0], "2026-11-19"), correction(ids[0], "2026-11-20"))
        rig.start()
        await rig.drained()
        outcome = await compared(rig)
        assert held(endpoint) == [1, 2, 3, 5, 4], "the earlier correction was posted behind the later one"
        assert outcome.match, kept(rig)[-1].differences
        assert rig.alerts() == []


async def test_a_correction_that_was_overtaken_from_beyond_its_range_takes_nothing_back(
    tmp_path: Path,
) -> None:
    async with posting(tmp_path) as (rig, endpoint):
        swallows(endpoint, 4)
        ids = await rig.append(steel("1"), steel("2"))
        await rig.append(correction(ids[0], "2026-11-19"))
        await rig.append(correction(ids[0], "2026-11-20"), correction(ids[1], "2026-11-20"))
        rig.start()
        await rig.drained()
        assert rig.uplink is not None and rig.agent is not None
        journal = rig.folder / "journal.db"
        one = Reconciliation(rig.uplink, rig.store, journal, rig.time)
        assert await one.send_again(Range(journal, 1, 4), [4]) == 1
        rig.agent.resend()
        await rig.until(lambda: held(endpoint)[-1] == 4 and not rig.quarantine)
        for given in (Range(journal, 1, 4), Range(journal, 5, 6), Range(journal, 1, 6)):
            found = await one.compare(given)
            assert found is not None and found.match, (given, found.differences)


async def test_a_quantity_changed_there_raises_an_alert_with_both_figures(tmp_path: Path) -> None:
    async with posting(tmp_path) as (rig, endpoint):
        await rig.append(steel("1"), steel("2"), steel("4"))
        rig.start()
        await rig.drained()
        changes(endpoint, 3, '"quantity":"2"', '"quantity":"3"')
        outcome = await compared(rig)
        assert not outcome.match
        (difference,) = kept(rig)[-1].differences
        assert (difference.here, difference.there) == ("7", "8")
        assert difference.what == "2026-11-18 W 1 S scanned KGM"
        (alert,) = [one for one in load_status(rig.store.path).alerts if one.cleared_ms is None]
        assert alert.key == "uplink.erp.reconciliation"
        assert "S scanned KGM: here 7, there 8" in alert.text
        assert not (await compared(rig)).match
        assert len(kept(rig)) == 1, "a certificate that says the same is not kept twice"
        changes(endpoint, 3, '"quantity":"3"', '"quantity":"2"')
        assert (await compared(rig)).match
        assert rig.alerts() == [] and load_open(rig.store.path) == []


async def test_there_is_no_match_over_an_open_quarantine_and_what_is_held_back_has_its_worth(
    tmp_path: Path,
) -> None:
    async with posting(tmp_path) as (rig, endpoint):
        await rig.held.take(Delivery(json.dumps(MASTERDATA).encode(), "erp", "", None, START_MS))
        ids = await rig.append(steel("1"), steel("8", work_order=None), steel("2"), *facts(1))
        rig.start()
        await rig.drained()
        outcome = await compared(rig)
        assert (outcome.match, outcome.waiting) == (False, 1)
        (found,) = kept(rig)
        counts = found.findings.counts
        assert (counts.scanned, counts.stored, counts.sent, counts.posted) == (None, 5, 5, 4)
        (line,) = found.findings.held_back
        assert (line.material, line.quantity, line.value, line.currency) == ("S", 8, Decimal(20), "CNY")
        assert len(kept(rig)) == 1
        await rig.append(*facts(2))
        await rig.drained()
        assert [one.report.from_seq for one in load_open(rig.store.path)] == [1]
        outcome = await compared(rig)
        assert not outcome.match, "what is new matches, yet a fact waits"
        assert [one.match for one in kept(rig)] == [False, True]
        await rig.review("discarded", ids[1:2])
        await rig.drained()
        assert rig.quarantine == []
        assert load_open(rig.store.path) == [], "a person decided that it stays away"
        assert not kept(rig)[0].match, "and yet it is missing there"
        assert len(held(endpoint)) == 7


async def test_what_a_person_discarded_is_named_apart_from_what_is_held_back(tmp_path: Path) -> None:
    async with posting(tmp_path) as (rig, _):
        await rig.held.take(Delivery(json.dumps(MASTERDATA).encode(), "erp", "", None, START_MS))
        ids = await rig.append(
            steel("1"), steel("8", work_order=None), steel("2", work_order=None), steel("4", work_order=None)
        )
        rig.start()
        await rig.drained()
        assert not (await compared(rig)).match
        assert kept(rig)[0].findings.discarded == () and kept(rig)[0].undecided == [3, 4, 5]
        await rig.review("discarded", ids[1:3], "posted by hand")
        await rig.drained()
        assert not (await compared(rig)).match, "one of them waits"
        await rig.review("discarded", ids[3:], "scrapped")
        await rig.drained()
        outcome = await compared(rig)
        assert outcome.match and (outcome.unproven, outcome.discarded) == (0, 3)
        last = [one for one in kept(rig) if one.report.from_seq == 1]
        assert [one.findings.counts.discarded for one in last] == [0, 2, 3]
        two, all_ = last[1:]
        assert (two.only_discarded, two.undecided) == (False, [5])
        assert [line.quantity for line in two.findings.held_back] == [4]
        assert [line.quantity for line in two.findings.written_off] == [10]
        assert (all_.match, all_.only_discarded, all_.undecided, all_.unposted) == (False, True, [], 3)
        assert all_.findings.held_back == ()
        assert sum(line.value or 0 for line in all_.findings.written_off) == 35
        named = [(one.seq, one.id, one.work_order, one.person, one.note) for one in all_.findings.discarded]
        assert named == [
            (3, ids[1], None, "chief", "posted by hand"),
            (4, ids[2], None, "chief", "posted by hand"),
            (5, ids[3], None, "chief", "scrapped"),
        ]
        assert {one.at_ms for one in all_.findings.discarded} == {rig.time.now_ms}
        assert (await compared(rig)).certificates == () and load_open(rig.store.path) == []


async def test_a_range_of_which_one_was_posted_since_and_the_rest_discarded_lacks_nothing_more(
    tmp_path: Path,
) -> None:
    async with rigged(tmp_path, 10, reconcile_after_s=0) as rig:
        rig.receiver.poison = {5, 7}
        rig.receiver.reconciliation = {"match": True}
        rig.start()
        await rig.drained()
        assert not (await compared(rig)).match
        rig.receiver.poison = {7}
        by_seq = {one.seq: one.id for one in rig.quarantine}
        await rig.review("retried", [by_seq[5]])
        await rig.until(lambda: [one.seq for one in rig.quarantine] == [7])
        await rig.review("discarded", [by_seq[7]])
        await rig.drained()
        outcome = await compared(rig)
        assert outcome.match, load_open(rig.store.path)
        assert [(one.seq, one.what) for one in kept(rig)[1].findings.discarded] == [(7, "work.paused")]


async def test_what_was_released_and_posted_since_makes_its_range_match(tmp_path: Path) -> None:
    async with rigged(tmp_path, 10, reconcile_after_s=0) as rig:
        rig.receiver.poison = {5}
        rig.receiver.reconciliation = {"match": True}
        rig.start()
        await rig.drained()
        assert not (await compared(rig)).match
        asked = len(rig.receiver.reconciliations)
        await compared(rig)
        assert len(rig.receiver.reconciliations) == asked, "nothing changed, so nothing is asked"
        rig.receiver.poison = set()
        await rig.review("retried", [rig.quarantine[0].id])
        await rig.until(lambda: not rig.quarantine)
        await rig.drained()
        outcome = await compared(rig)
        assert outcome.match and [one.report.from_seq for one in outcome.certificates] == [1, 11]


async def test_a_receiver_that_lies_about_what_is_missing_has_nothing_doubled(tmp_path: Path) -> None:
    async with rigged(tmp_path, 20) as rig:
        rig.receiver.poison = {7}
        rig.start()
        await rig.drained()
        calls = len(rig.receiver.calls)
        absurd = [0, -5, 21, 10**15, 7, 5, 5, 6]
        rig.receiver.reconciliation = {"match": False, "missing": absurd, "differences": [1, "x" * 9999]}
        outcome = await compared(rig)
        assert not outcome.match
        assert kept(rig)[-1].missing == (5, 6), "7 is rejected there, the rest is none of the range"
        assert kept(rig)[-1].findings.absurd == 4
        assert [call.seqs for call in rig.receiver.calls[calls:]] == [[5, 6]], "offered again, once"
        assert [seq for seq, _ in rig.receiver.posted] == [seq for seq in range(1, 21) if seq != 7]
        assert max(len(one.what) for one in kept(rig)[-1].differences) <= 200
        assert rig.uplink is not None
        one = Reconciliation(rig.uplink, rig.store, rig.folder / "journal.db", rig.time)
        await one.send_again(Range(rig.folder / "journal.db", 1, 20), [7, 99])
        assert [(waits.seq, waits.state) for waits in rig.quarantine] == [(7, "waiting")], "it is a person's"
        assert "2 facts are missing there, the first is seq 5" in str(load_status(rig.store.path).alerts)


async def test_a_match_that_is_contradicted_is_none(tmp_path: Path) -> None:
    async with rigged(tmp_path, 20) as rig:
        rig.start()
        await rig.drained()
        rig.receiver.reconciliation = {"match": True, "count": 19}
        assert not (await compared(rig)).match
        assert [(one.what, one.here, one.there) for one in kept(rig)[-1].differences] == [
            ("count", "20", "19")
        ]


@pytest.mark.parametrize("count", [17, 52])
async def test_posted_is_the_count_of_the_receiver_that_lies(tmp_path: Path, count: int) -> None:
    async with rigged(tmp_path, 20) as rig:
        rig.start()
        await rig.drained()
        rig.receiver.reconciliation = {"match": True, "count": count}
        assert not (await compared(rig)).match
        (one,) = kept(rig)
        assert (one.findings.counts.stored, one.posted) == (20, count)
        assert (one.unposted, one.surplus) == ((3, 0) if count == 17 else (0, 32))


async def test_what_is_missing_there_is_held_back_with_its_worth(tmp_path: Path) -> None:
    async with rigged(tmp_path, 1) as rig:
        await rig.held.take(Delivery(json.dumps(MASTERDATA).encode(), "erp", "", None, START_MS))
        await rig.append(*(steel(str(quantity)) for quantity in (1, 2, 4, 8, 16)))
        rig.receiver.poison = {6}
        rig.start()
        await rig.drained()
        rig.receiver.reconciliation = {"match": False, "missing": [2, 4, 5, 6]}
        await compared(rig)
        one = kept(rig)[-1]
        assert (one.posted, one.unposted, one.unnamed) == (2, 4, 0)
        (line,) = one.findings.held_back
        assert (line.quantity, line.value) == (1 + 4 + 8 + 16, Decimal("72.50")), "each once"


async def test_each_day_is_compared_once_across_restarts_and_an_outage_is_caught_up_with(
    tmp_path: Path,
) -> None:
    async with posting(tmp_path) as (rig, _):
        rig.start()

        async def day(*quantities: str) -> None:
            rig.time.now_ms += DAY_MS
            await rig.append(*(steel(quantity) for quantity in quantities))

        await rig.append(steel("1"))
        await rig.drained()
        await reconciler(rig).look()
        assert kept(rig) == [], "what ended before holds nothing"
        await day("2", "4")
        await rig.drained()
        await reconciler(rig).look()
        await reconciler(rig).look()  # as after a restart
        spans = [(one.occasion, one.report.from_seq, one.report.to_seq) for one in kept(rig)]
        assert spans == [("day 2026-11-18", 1, 2)]
        await rig.stop()
        await day("8")
        await day()
        await day("16")
        rig.start()
        await rig.drained()
        await reconciler(rig).look()
        spans = [(one.occasion, one.report.from_seq, one.report.to_seq) for one in kept(rig)]
        assert spans[1:] == [("day 2026-11-19", 3, 4), ("day 2026-11-20", 5, 5)], (
            "of an idle day there is none"
        )
        assert all(one.match for one in kept(rig))


async def test_a_shift_is_compared_with_what_is_recorded_a_little_behind_its_end(
    tmp_path: Path,
) -> None:
    at = HOUR_MS - START_MS % HOUR_MS  # the next full hour
    hour = (START_MS + at) // HOUR_MS % 24
    shifts = (Shift(name="day", start=f"{hour - 8:02}:00", end=f"{hour:02}:00"),)  # type: ignore[arg-type]
    async with posting(tmp_path) as (rig, _):
        rig.start(reconcile_after_s=120)
        await rig.append(steel("1"))
        rig.time.now_ms += at + 60_000
        await rig.append(steel("2"))
        await rig.drained()
        one = reconciler(rig, shifts)
        await one.look()
        assert kept(rig) == []
        rig.time.now_ms += 60_000
        await one.look()
        rig.time.now_ms += 60_000
        await rig.append(steel("4"))
        await rig.drained()
        await one.look()
        assert [(c.occasion, c.report.to_seq, c.match) for c in kept(rig)] == [
            ("shift day 2026-11-18", 3, True)
        ]


async def test_a_clock_that_was_years_ahead_for_a_while_hides_nothing(tmp_path: Path) -> None:
    async with posting(tmp_path) as (rig, _):
        for ahead_ms in (0, 4000 * DAY_MS, 0):
            rig.time.now_ms += ahead_ms
            for number in range(10):
                await rig.append(steel(f"{number + 1}"))
            rig.time.now_ms -= ahead_ms
        rig.time.now_ms += DAY_MS
        await rig.append(steel("1"))
        rig.start()
        await rig.drained()
        await reconciler(rig).look()
        assert [(c.report.from_seq, c.report.to_seq, c.match) for c in kept(rig)] == [(1, 31, True)]


async def test_a_receiver_behind_is_compared_when_it_has_caught_up(tmp_path: Path) -> None:
    async with rigged(tmp_path, 5, reconcile_after_s=0) as rig:
        rig.receiver.reconciliation = {"match": True}
        rig.start()
        await rig.drained()
        rig.receiver.always = says(503)
        await rig.append(*facts(5, first=50))
        rig.time.now_ms += DAY_MS
        one = reconciler(rig)
        with structlog.testing.capture_logs() as logs:
            await one.look()
            silent = not any(line["event"] == "no reconciliation" for line in logs)
            assert silent, "it may be a little behind, also at a start long after that day"
            rig.time.now_ms += 15 * 60_000 + 1
            await one.look()
            await one.look()
        assert kept(rig) == [], "5 facts of that day are not settled yet"
        said = [line["detail"] for line in logs if line["event"] == "no reconciliation"]
        assert len(said) == 1 and said[0].startswith("not everything until the end of")
        rig.receiver.always = None
        await rig.drained()
        await one.look()
        assert [(c.report.from_seq, c.report.to_seq, c.match) for c in kept(rig)] == [(1, 10, True)]


@pytest.mark.parametrize("mood", ["refused", "error", "garbage", "unknown"])
async def test_a_failing_comparison_stops_no_delivery_and_stays_due(tmp_path: Path, mood: str) -> None:
    async with rigged(tmp_path, 5, reconcile_after_s=0) as rig:
        rig.start()
        await rig.drained()
        rig.time.now_ms += DAY_MS
        answers = {"error": 500, "garbage": 200, "refused": 401}
        broken: Callable[[], web.Response] = lambda: web.Response(status=answers[mood], text="<html>")  # noqa: E731
        rig.receiver.reconciling = broken if mood in answers else None
        one = reconciler(rig)
        wait_s = await one.look()
        assert (wait_s > 0) == (mood in answers)
        await rig.append(*facts(5, first=50))
        await rig.drained()
        rig.receiver.reconciling, rig.receiver.reconciliation = None, {"match": True}
        await one.look()
        found = [(c.report.to_seq, c.match) for c in kept(rig)]
        assert found == ([(5, True)] if mood in answers else []), "404: not offered, so nothing is due"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, '{"match": "yes"}', "no comparison (Expected `bool`, got `str` - at `$.match`)"),
        (200, "<html>", "no comparison (JSON is malformed"),
        (401, "", "Renew the token"),
        (403, "", "Give this account the right to compare"),
        (500, "", "Try again"),
    ],
)
async def test_what_is_wrong_with_an_answer_is_said(
    tmp_path: Path, status: int, body: str, said: str
) -> None:
    async with rigged(tmp_path, 5) as rig:
        rig.start()
        await rig.drained()
        rig.receiver.reconciling = lambda: web.Response(status=status, text=body)
        with pytest.raises(UplinkFault) as raised:
            await compared(rig)
        assert said in str(raised.value) and "Nothing was compared" in str(raised.value)
        assert ("Try again" in str(raised.value)) == (status == 500)
        assert kept(rig) == []


async def test_the_end_of_a_journal_that_was_set_aside_is_compared_too(tmp_path: Path) -> None:
    async with posting(tmp_path) as (rig, _):
        await rig.append(steel("1"), steel("2"))
        rig.start()
        await rig.drained()
        assert (await compared(rig)).match
        await rig.append(steel("4"))
        await rig.stop()
        await renamed(rig, "another")
        await rig.append(steel("8"))
        rig.start()
        await rig.until(lambda: rig.status is not None and rig.status.seq == 2 and rig.status.state == "idle")
        outcome = await compared(rig)
        assert outcome.match
        spans = [(one.epoch == rig.journal.epoch, *one.span[1:]) for one in kept(rig)]
        assert spans == [(False, 1, 3), (False, 4, 4), (True, 1, 2)]


async def test_without_an_answer_a_person_hears_so(tmp_path: Path) -> None:
    async with posting(tmp_path) as (rig, endpoint):
        await rig.append(steel("1"), WorkPaused(reason="1", work_order="W", operation="1"))
        rig.start()
        await rig.drained()
        await endpoint.cut()
        with pytest.raises(UplinkFault):
            await compared(rig)
        assert kept(rig) == []
