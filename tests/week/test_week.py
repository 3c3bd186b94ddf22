"""One week of a line comes to what its books say: pieces, material by lot, time, energy, by posting date.

The books are kept by arithmetic of their own (`account`) from the same deeds that are scanned.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
import structlog
from msgspec.structs import replace

from edge.costing import ELEMENTS, cost_sheet, effective
from edge.events import (
    CountRecorded,
    CountUnattributed,
    Event,
    MaterialConsumed,
    ReviewSettled,
    TimeUnassigned,
    WorkCorrected,
    WorkReported,
)
from edge.masterdata import MasterData
from edge.replay.folder import load
from edge.shifts.book import totals
from tests.week import site
from tests.week.account import Account, Sums, money
from tests.week.booked import booked, differences, posted, without_lots
from tests.week.deeds import Deed, shift
from tests.week.plan import week
from tests.week.shifts import by_station, differing, summed
from tests.week.wording import inputs

STEP_MS = 60_000  # the longest silence over which a running machine is taken to have run
SEED = 1


@dataclass(frozen=True)
class Lived:
    """A week, what it must come to, and what came of it."""

    deeds: Sequence[Deed]
    expected: Sums
    events: Sequence[Event]
    facts: Sequence[Event]  # without what counters said meanwhile, which is evidence alone
    refused: Sequence[str]
    master: MasterData


def live(folder: Path, seed: int, step_ms: int = STEP_MS) -> Lived:
    """Play a week through the collector."""
    deeds = week(seed)
    for name, text in (
        ("lineside.toml", Path(__file__).with_name("lineside.toml").read_text(encoding="utf-8")),
        ("masterdata.json", site.masterdata()),
        ("inputs.txt", inputs(deeds)),
    ):
        (folder / name).write_text(text, encoding="utf-8")
    situation = load(folder)
    with _quiet():
        played = situation.play(step_ms)
    refused = [
        f"{one.text}: {came.said.message.en}"
        for one in played.happened
        for came in one.came
        if came.said is not None and came.said.result == "refused"
    ]
    facts = [one for one in played.events if type(one.data) is not CountRecorded]
    master = MasterData(situation.master, "week")
    return Lived(deeds, Account(deeds).sums, played.events, facts, refused, master)


@contextmanager
def _quiet() -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    return live(tmp_path_factory.mktemp("week"), SEED)


def test_a_week_is_booked_as_it_was_worked(lived: Lived) -> None:
    assert lived.refused == []
    assert differences(lived.expected, booked(lived.facts)) == []


def test_a_replay_tells_the_same_totals(lived: Lived) -> None:
    assert differences(without_lots(lived.expected.items()), posted(lived.facts)) == []


def test_each_order_costs_what_its_pieces_and_hours_cost(lived: Lived) -> None:
    orders = sorted({order for _, order, _, _ in lived.expected if order != "-"})
    assert len(orders) > 50
    by_order = {
        order: [event for event in lived.facts if event.data.work_order in (order, None)] for order in orders
    }
    for order, events in by_order.items():
        sheet = cost_sheet(order, events, lived.master)
        found = {element: sheet.totals[element].value for element in ELEMENTS if element != "other"}
        assert (order, found) == (order, money(lived.expected, order))


def test_each_shift_at_each_station_comes_to_what_its_books_say(lived: Lived) -> None:
    expected = by_station(Account(lived.deeds, shift).sums, lived.deeds)
    assert len({place[0] for place, _ in expected}) > 20
    assert differing(expected, summed(totals(lived.events))) == []


def test_a_fact_left_out_of_a_shift_is_seen(lived: Lived) -> None:
    """Control."""
    expected = by_station(Account(lived.deeds, shift).sums, lived.deeds)
    of = {event.id: type(event.data) for event in lived.events}

    def names(fact: object, kind: type) -> bool:
        ids = (*getattr(fact, "settles", ()), getattr(fact, "corrects", ""))
        return any(of.get(id_) is kind for id_ in ids)

    chosen = [
        next(event for event in lived.events if type(event.data) is kind)
        for kind in (WorkReported, TimeUnassigned)
    ]
    chosen += [
        next(event for event in lived.events if type(event.data) is kind and names(event.data, named))
        for kind, named in ((WorkCorrected, WorkReported), (ReviewSettled, CountUnattributed))
    ]
    for one in chosen:
        left = [event for event in lived.events if event is not one]
        assert differing(expected, summed(totals(left))), one.type


def test_the_week_had_everything_that_a_week_has(lived: Lived) -> None:
    done = Counter(deed.what for deed in lived.deeds)
    assert {
        "hand over", "set up", "switch", "pause", "report", "undo report", "scrap", "rework", "regain", "use",
        "bring back", "mount", "reset", "jump", "outage", "kill", "power cut", "stop", "reassign count",
        "split count", "reverse held", "reassign held", "make up", "undo start",
    } <= set(done)  # fmt: skip
    facts = [event.data for event in lived.events]
    counted = [fact for fact in facts if getattr(fact, "counter", None) == "strokes"]
    assert any((one.from_ or 0) > 60_000 > 5000 > one.to for one in counted)  # the counter began again
    assert any(getattr(fact, "micro_stops", None) for fact in facts)
    assert any(isinstance(fact, TimeUnassigned) and fact.category == "unconfirmed" for fact in facts)
    assert any(isinstance(fact, MaterialConsumed) and fact.lot_missing for fact in facts)
    shared = {(day, who) for day, _, who, kind in lived.expected if kind == "labour_s"}
    assert len({who for _, who in shared}) > 8
    assert any(
        value.denominator > 1 for (_, _, _, kind), value in lived.expected.items() if kind == "labour_s"
    )


def test_a_fact_left_out_or_altered_is_seen(lived: Lived) -> None:
    """Control: what the comparison cannot see, it cannot vouch for."""
    counting = effective(lived.facts)
    made = next(one for one in counting if isinstance(one.data, WorkReported) and one.data.outputs)
    timed = next(one for one in counting if isinstance(one.data, WorkReported) and one.data.resources)
    lot = next(one for one in counting if isinstance(one.data, MaterialConsumed) and one.data.lot)
    idle = next(one for one in lived.facts if isinstance(one.data, TimeUnassigned))
    reports = {one.id for one in lived.facts if isinstance(one.data, WorkReported) and one.data.outputs}
    undone = next(
        one for one in lived.facts if isinstance(one.data, WorkCorrected) and one.data.corrects in reports
    )
    for event in (made, timed, lot, idle, undone):
        left = [one for one in lived.facts if one is not event]
        assert differences(lived.expected, booked(left)), event.type
    assert isinstance(lot.data, MaterialConsumed)
    for changed in (
        replace(lot, data=replace(lot.data, quantity=lot.data.quantity + Decimal("0.000001"))),
        replace(lot, data=replace(lot.data, lot="another")),
        replace(made, data=replace(made.data, posting_date="2026-11-21")),
        replace(idle, data=replace(idle.data, operator="another")),
    ):
        altered = [changed if one.id == changed.id else one for one in lived.facts]
        assert differences(lived.expected, booked(altered)), changed.type


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_more_weeks_are_booked_as_they_were_worked(tmp_path: Path, seed: int) -> None:
    lived = live(tmp_path, seed)
    assert (lived.refused, differences(lived.expected, booked(lived.facts))) == ([], [])


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_at_the_collectors_own_pace_the_week_is_the_same(tmp_path: Path) -> None:
    lived = live(tmp_path, SEED, 1000)
    assert (lived.refused, differences(lived.expected, booked(lived.facts))) == ([], [])
