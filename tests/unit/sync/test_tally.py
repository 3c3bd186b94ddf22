"""Totals against figures that were summed by hand."""

import gc
import hashlib
import tracemalloc
from decimal import Decimal
from typing import Any

from edge.events import (
    ClockStepped,
    Event,
    Fact,
    Labour,
    MaterialConsumed,
    Output,
    OutputReclassified,
    Resources,
    WorkCompleted,
    WorkCorrected,
    WorkReported,
    decode,
)
from sync.tally import Tally, tallied
from tests.unit.sync.making import SOURCE, paused, stored

DAY, NEXT, LATER = "2026-11-22", "2026-11-23", "2026-11-24"
JOB = {"work_order": "W1", "operation": "0020"}


def made(quantity: str, disposition: Any = "good", material: str = "P") -> Output:
    return Output(
        material=material, role="main", disposition=disposition, quantity=Decimal(quantity), unit="C62"
    )


def reported(*outputs: Output, date: str | None = DAY, **more: Any) -> WorkReported:
    return WorkReported(**JOB, posting_date=date, outputs=outputs, **more)


def consumed(quantity: str, date: str | None = DAY, **more: Any) -> MaterialConsumed:
    given: dict[str, Any] = {"method": "scanned", "posted_by": "edge", "use": "production", **JOB, **more}
    return MaterialConsumed(posting_date=date, material="S", quantity=Decimal(quantity), unit="KGM", **given)


def correction(of: str, date: str = NEXT) -> WorkCorrected:
    return WorkCorrected(corrects=of, reason="incorrect_data", person="chief", posting_date=date, **JOB)


def events(*facts: Fact, first: int = 1) -> list[Event]:
    return [decode(body) for _, body in stored(*facts, first=first)]


def totals(
    found: list[Event], excluded: set[int] | None = None, dates: dict[int, str] | None = None,
    earlier: list[Event] | None = None,
) -> dict[tuple[str | None, str | None, str, str], str]:  # fmt: skip
    tally = tallied(found, frozenset(excluded or ()), dates, earlier or ())
    report = tally.report(SOURCE, found[0].seq, found[-1].seq)
    assert {(one.work_order, one.operation) for one in report.totals} <= {("W1", "0020")}
    return {(one.posting_date, one.material, one.kind, one.unit): str(one.quantity) for one in report.totals}


def test_increments_are_summed_by_date_material_kind_and_unit() -> None:
    used = Resources(
        setup_s=Decimal("600"),
        machine_s=Decimal("62.500"),
        labour=(
            Labour(operator="1", phase="setup", s=Decimal("600")),
            Labour(operator="2", phase="run", s=Decimal("31.250")),
        ),
        energy_kwh=Decimal("1.25"),
    )
    found = events(
        reported(made("5"), made("2", "scrap"), resources=used),
        reported(made("7.000"), made("1", "rework")),
        reported(made("4"), date=NEXT, resources=Resources(machine_s=None)),
        WorkCompleted(**JOB, posting_date=DAY, final=True, outputs=(made("3"), made("9", material="CO"))),
        consumed("2.48"),
        consumed("-0.48", use="return"),
        consumed("1", method="backflushed"),
        consumed("99", posted_by="erp"),
        OutputReclassified(
            **JOB, posting_date=DAY, material="P", quantity=Decimal(1), unit="C62", from_="rework", to="good"
        ),
        paused(1),
    )
    assert totals(found) == {
        (DAY, "P", "good", "C62"): "16.000",
        (DAY, "P", "scrap", "C62"): "2",
        (NEXT, "P", "good", "C62"): "4",
        (DAY, "CO", "good", "C62"): "9",
        (DAY, "S", "scanned", "KGM"): "2.00",
        (DAY, "S", "backflushed", "KGM"): "1",
        (DAY, None, "setup_s", "SEC"): "600",
        (DAY, None, "machine_s", "SEC"): "62.500",
        (DAY, None, "labour_s", "SEC"): "631.250",
        (DAY, None, "energy_kwh", "KWH"): "1.25",
    }


def test_a_correction_subtracts_the_event_and_what_it_caused_on_its_own_date() -> None:
    first = events(reported(made("5"), resources=Resources(machine_s=Decimal(60))))
    cause = first[0].id
    found = first + events(
        consumed("2", method="backflushed", caused_by=cause),
        consumed("3", method="backflushed", caused_by="another"),
        correction(cause),
        reported(made("4"), date=NEXT, replaces=cause),
        first=2,
    )
    assert totals(found) == {
        (DAY, "P", "good", "C62"): "5",
        (DAY, None, "machine_s", "SEC"): "60",
        (DAY, "S", "backflushed", "KGM"): "5",
        (NEXT, "P", "good", "C62"): "-1",
        (NEXT, None, "machine_s", "SEC"): "-60",
        (NEXT, "S", "backflushed", "KGM"): "-2",
    }


def test_a_correction_takes_back_what_its_event_reclassified() -> None:
    first = events(reported())
    turned = OutputReclassified(
        **JOB, posting_date=DAY, material="P", quantity=Decimal(2), unit="C62", from_="rework", to="good",
        caused_by=first[0].id,
    )  # fmt: skip
    assert totals(first + events(turned, correction(first[0].id, DAY), first=2)) == {}


def test_a_correction_on_the_same_day_cancels_to_nothing() -> None:
    first = events(reported(made("5")))
    assert totals(first + events(correction(first[0].id, DAY), first=2)) == {}


def test_a_correction_reaches_back_before_the_range() -> None:
    earlier = events(reported(made("5")), consumed("1"))
    earlier += events(consumed("2", caused_by=earlier[0].id), first=3)
    found = events(correction(earlier[0].id), first=4)
    tally = Tally(frozenset(), {})
    tally.take(found[0])
    assert tally.seeking
    assert totals(found, earlier=earlier) == {
        (NEXT, "P", "good", "C62"): "-5",
        (NEXT, "S", "scanned", "KGM"): "-2",
    }


def test_of_two_corrections_of_one_event_the_first_counts_and_the_second_subtracts_nothing() -> None:
    first = events(reported(made("5")))
    cause = first[0].id
    found = first + events(
        consumed("2", caused_by=cause), correction(cause), correction(cause, LATER), reported(made("1")),
        first=2,
    )  # fmt: skip
    once = {
        (DAY, "P", "good", "C62"): "6",
        (DAY, "S", "scanned", "KGM"): "2",
        (NEXT, "P", "good", "C62"): "-5",
        (NEXT, "S", "scanned", "KGM"): "-2",
    }
    assert totals(found) == once
    assert totals(found[3:], earlier=found[:3]) == {(DAY, "P", "good", "C62"): "1"}, "it lies before"
    assert totals(found[2:4], earlier=found[:2]) == {
        (NEXT, "P", "good", "C62"): "-5",
        (NEXT, "S", "scanned", "KGM"): "-2",
    }
    assert totals(found[2:4], {3}, earlier=found[:2]) == {
        (LATER, "P", "good", "C62"): "-5",
        (LATER, "S", "scanned", "KGM"): "-2",
    }, "the first is not held there, so the second cancels"


def test_what_was_cancelled_by_itself_is_not_cancelled_again_with_its_cause() -> None:
    first = events(reported(made("5")))
    report = first[0]
    found = first + events(consumed("2", caused_by=report.id), consumed("3", caused_by=report.id), first=2)
    found += events(correction(found[1].id), first=4)
    found += events(correction(report.id, LATER), first=5)
    assert totals(found[4:], earlier=found[:4]) == {
        (LATER, "P", "good", "C62"): "-5",
        (LATER, "S", "scanned", "KGM"): "-3",
    }
    assert totals(found)[NEXT, "S", "scanned", "KGM"] == "-2"


def test_no_fact_is_kept() -> None:
    tally = Tally(frozenset(), {})
    tracemalloc.start()
    for number in range(1, 3001):
        date = DAY if number % 5 else None
        (event,) = events(reported(made(str(number % 9 + 1)), date=date), first=number)
        tally.take(event)
    gc.collect()
    held_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held_bytes < 200_000, "kept, they would be megabytes"


def test_the_second_look_asks_for_nothing_but_what_it_needs() -> None:
    first = stored(reported(made("5")), paused(1), consumed("1"))
    cause = decode(first[0][1]).id
    behind = stored(consumed("2", caused_by=cause), correction(cause), paused(2), first=4)
    tally = Tally(frozenset(), {})
    for _, body in behind[1:]:
        tally.take(decode(body))
    assert [seq for seq, body in (*first, *behind) if tally.wanted(seq, body)] == [1, 4]
    for seq, body in reversed(first + behind):
        if tally.wanted(seq, body):
            tally.look_back(decode(body))
    assert not tally.seeking


def test_what_the_receiver_does_not_hold_counts_for_nothing() -> None:
    first = events(reported(made("5")))
    found = first + events(reported(made("7")), correction(first[0].id), first=2)
    assert totals(found, {1}) == {(DAY, "P", "good", "C62"): "7"}  # the correction found nothing to cancel
    assert totals(found, {3}) == {(DAY, "P", "good", "C62"): "12"}
    tally = Tally(frozenset({2}), {})
    for event in found:
        tally.take(event)
    report = tally.report(SOURCE, 1, 3)
    expected = hashlib.sha256(f"{found[0].id}\n{found[2].id}".encode()).hexdigest()
    assert (report.count, report.digest, report.excluded) == (2, expected, [2])


def test_the_receivers_date_counts_before_our_own_and_a_step_gives_a_missing_one() -> None:
    found = events(
        reported(made("1")),
        reported(made("2"), date=None),
        reported(made("4"), date=None),
        ClockStepped(offset_s=Decimal(9), from_seq="2", to_seq="2", posting_date=DAY),
    )
    assert totals(found, dates={1: NEXT}) == {
        (NEXT, "P", "good", "C62"): "1",
        (DAY, "P", "good", "C62"): "2",
        (None, "P", "good", "C62"): "4",
    }


STEP = ClockStepped(offset_s=Decimal(9), from_seq="1", to_seq="1", posting_date=DAY)


def test_what_the_receiver_answered_to_the_step_counts_before_the_steps_own_date() -> None:
    found = events(reported(made("2"), date=None), STEP)
    assert totals(found) == {(DAY, "P", "good", "C62"): "2"}
    assert totals(found, dates={2: NEXT}) == {(NEXT, "P", "good", "C62"): "2"}


def test_a_step_that_the_receiver_does_not_hold_dates_nothing() -> None:
    found = events(reported(made("2"), date=None), STEP)
    assert totals(found, {2}) == {(None, "P", "good", "C62"): "2"}


def test_a_step_behind_the_range_dates_what_is_in_it() -> None:
    fact, step = events(reported(made("2"), date=None), STEP)
    for given, date in ((None, DAY), (NEXT, NEXT)):
        tally = Tally(frozenset(), {})
        tally.take(fact)
        assert tally.undated
        tally.take_later(step, given)
        tally.look_back(fact)
        assert not tally.undated
        (total,) = tally.report(SOURCE, 1, 1).totals
        assert total.posting_date == date
    tally = Tally(frozenset({2}), {})
    tally.take(fact)
    tally.take_later(step, None)
    tally.look_back(fact)
    (total,) = tally.report(SOURCE, 1, 1).totals
    assert total.posting_date is None, "it is rejected there"


def test_a_correction_without_a_date_waits_for_one_too() -> None:
    first = events(reported(made("5")))
    tally = Tally(frozenset(), {})
    for event in (*first, *events(correction(first[0].id, None), first=2)):  # type: ignore[arg-type]
        tally.take(event)
    assert tally.undated
