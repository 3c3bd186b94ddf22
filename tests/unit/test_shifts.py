"""Shift totals: what is corrected, reclassified or settled later, and where in the journals they begin."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from edge.events import (
    CountUnattributed,
    Disposition,
    Draft,
    Event,
    Fact,
    Labour,
    Output,
    OutputReclassified,
    Resources,
    ReviewSettled,
    TimeUnassigned,
    WorkCorrected,
    WorkReported,
)
from edge.ids import new_id
from edge.journal import Journal
from edge.shifts import Place, Reading, Row
from edge.shifts.book import totals
from tests.unit.test_opening import CLOCK, start

D = Decimal
DAY, NIGHT = Place("2026-11-22", "day", "OP20"), Place("2026-11-22", "night", "OP20")


def at(place: Place) -> dict[str, Any]:
    return {"production_date": place.production_date, "shift": place.shift, "station": place.station}


def made(quantity: int, disposition: Disposition = "good", unit: str = "C62", role: Any = "main") -> Output:
    return Output(role=role, disposition=disposition, quantity=D(quantity), unit=unit)


def worked(s: int) -> Resources:
    return Resources(labour=(Labour(operator="1042", phase="run", s=D(s)),), machine_s=D(s))


def numbered(*facts: Fact) -> list[Event]:
    """Facts with the ids "1", "2" and so on."""
    return [
        Event(specversion="1.0", id=str(n), source="", type=fact.type, subject=None, time="", sequence="",
              recordedtime="", chain="", data=fact)
        for n, fact in enumerate(facts, 1)
    ]  # fmt: skip


def test_a_correction_takes_an_event_and_what_it_caused_out_of_its_own_shift() -> None:
    report = WorkReported(**at(DAY), outputs=(made(9), made(1, "scrap")), resources=worked(60))
    left = CountUnattributed(**at(DAY), counter="good", quantity=D(3), unit="C62", caused_by="1", delta=D(3))
    undone = WorkCorrected(**at(NIGHT), corrects="1", reason="did_not_occur", person="2001")
    assert totals(numbered(report, left))[DAY] == Row(
        good={"C62": D(9)}, scrap={"C62": D(1)}, labour_s=D(60), machine_s=D(60), unattributed={"C62": D(3)}
    )
    assert totals(numbered(report, left, undone)) == {}


def test_units_stay_apart_and_by_products_are_no_pieces() -> None:
    outputs = (made(9), made(2, unit="KGM"), made(5, unit="KGM", role="by"))
    row = totals(numbered(WorkReported(**at(DAY), outputs=outputs)))[DAY]
    assert row.good == {"C62": D(9), "KGM": D(2)}


def test_rework_that_turned_good_counts_where_it_turned() -> None:
    aside = WorkReported(**at(DAY), outputs=(made(4, "rework"),))
    turned = OutputReclassified(
        **at(NIGHT), material="B", quantity=D(3), unit="C62", from_="rework", to="good", reason="04"
    )
    found = totals(numbered(aside, turned))
    assert (found[DAY].rework, found[NIGHT].rework, found[NIGHT].good) == (
        {"C62": D(4)},
        {"C62": D(-3)},
        {"C62": D(3)},
    )


def test_unknown_machine_time_is_not_nought() -> None:
    report = WorkReported(**at(DAY), outputs=(), resources=Resources(machine_s=None))
    known = WorkReported(**at(DAY), outputs=(), resources=worked(60))
    row = totals(numbered(known, report))[DAY]
    assert (row.machine_s, row.machine_known) == (D(60), False)
    undone = WorkCorrected(**at(DAY), corrects="2", reason="did_not_occur", person="2001")
    assert totals(numbered(known, report, undone))[DAY].machine_known


@pytest.mark.parametrize(("given", "left"), [(0, 100), (40, 60), (100, 0)], ids=["nobody's", "a part", "all"])
def test_time_stays_unassigned_as_far_as_no_order_got_it(given: int, left: int) -> None:
    idle = [TimeUnassigned(**at(DAY), operator="1042", category="waiting", s=D(50)) for _ in "12"]
    report = WorkReported(**at(DAY), outputs=(), resources=worked(given))
    how = ReviewSettled(**at(NIGHT), settles=("1", "2"), how="split", person="2001", led_to=("3",))
    row = totals(numbered(*idle, report, how))[DAY]
    assert (row.unassigned_s, row.labour_s) == (D(left), D(given))


def test_what_waits_of_a_counter_waits_until_it_is_settled() -> None:
    facts: Sequence[Fact] = (
        CountUnattributed(**at(DAY), counter="good", quantity=D(3), unit="C62", delta=D(3)),
        CountUnattributed(**at(DAY), counter="good", delta=D(900), held="implausible"),
        CountUnattributed(**at(DAY), counter="energy", quantity=D(2), unit="KWH", delta=D(2)),
    )
    row = totals(numbered(*facts))[DAY]
    assert (row.unattributed, row.held) == ({"C62": D(3)}, 1)
    settled = ReviewSettled(**at(DAY), settles=("1", "2"), how="accepted", person="2001")
    assert totals(numbered(*facts, settled)) == {}


async def report(journal: Journal, good: int) -> None:
    fact = WorkReported(**at(DAY), outputs=(made(good),))
    await journal.append([Draft(new_id(CLOCK.now().wall_ms), CLOCK.now().wall_ms, fact)])


async def test_only_what_was_recorded_since_is_read_over_journals_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CLOCK, "moment", CLOCK.moment)
    begins_ms, path = CLOCK.now().wall_ms, tmp_path / "journal.db"
    for number, edge_id in enumerate(("L3-IPC1", "L3-IPC2")):
        journal, _ = await start(tmp_path, edge_id=edge_id)
        async with journal:
            for one in range(7):
                await report(journal, 10 ** (one % 5 + number))
                CLOCK.advance(60)

    def good(after_min: int) -> Decimal:
        rows = Reading(path, begins_ms + after_min * 60_000).rows()
        return rows[DAY].good["C62"] if rows else D(0)

    assert [good(minute) for minute in (0, 1, 5, 7, 13, 14)] == [
        11122 + 111220,
        11121 + 111220,
        11 + 111220,
        111220,
        100,
        0,
    ]


async def test_a_reading_goes_on_where_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CLOCK, "moment", CLOCK.moment)
    reading = Reading(tmp_path / "journal.db", CLOCK.now().wall_ms)
    for edge_id, pieces in (("L3-IPC1", (1, 10)), ("L3-IPC1", (100,)), ("L3-IPC2", (1000,))):
        journal, _ = await start(tmp_path, edge_id=edge_id)
        async with journal:
            for good in pieces:
                await report(journal, good)
                found = reading.rows()[DAY].good["C62"]
                assert found == D(10) ** len(str(good)) // 9  # each once
