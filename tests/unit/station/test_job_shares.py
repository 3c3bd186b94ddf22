"""One counter over several orders that are open beside each other: every stroke is of exactly one of them."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st
from pydantic import ValidationError

from edge import events as e
from edge import settings
from edge.station.signals.apportion import apportioned
from tests.unit.station.floor import START_MS, Floor

WEIGHTS = st.lists(st.integers(1, 9), min_size=1, max_size=5)
COUNTER = {"good": {"tag": "press1.cycles", "max_rate_per_min": 600}}


def press(job_shares: str = "equal") -> Floor:
    """Orders 100 (ten planned) and 200 (five planned) side by side at OP20."""
    floor = Floor(counters=COUNTER, concurrent=True, job_shares=job_shares)
    floor.read(cycles=0, running=True, energy=1.0)
    floor.scan("LSE1042", "LSW100", "LSW200")
    return floor


def strokes(floor: Floor, number: int, at_once: int = 1) -> Floor:
    raw = int(floor.lives["OP20"].counters["good"].raw)
    for made in range(raw + at_once, raw + number + 1, at_once):
        floor.wait(2).read(cycles=made, running=True, energy=1.0)
    return floor.wait(31)


def made(floor: Floor) -> dict[str, Decimal]:
    """Pieces of the counter by order; under "" nobody's."""
    found: dict[str, Decimal] = {}
    for fact in floor.facts(e.CountRecorded, e.CountUnattributed):
        assert isinstance(fact, e.CountRecorded)
        if fact.counter == "good" and fact.quantity:
            order = fact.work_order or ""
            found[order] = found.get(order, Decimal(0)) + fact.quantity
    return found


def test_jobs_side_by_side_share_a_counter_equally_in_whole_pieces() -> None:
    floor = strokes(press(), 11)
    assert made(floor) == {"100": 6, "200": 5}
    assert {job.key[0]: job.counted["good"] for job in floor.station.jobs} == {"100": 6, "200": 5}
    counted = [one for one in floor.facts(e.CountRecorded) if isinstance(one, e.CountRecorded)]
    assert {one.share for one in counted if one.counter == "good" and one.quantity} == {Decimal("0.5")}


@pytest.mark.parametrize("at_once", [1, 3, 30])
def test_by_plan_a_job_has_as_much_of_many_small_movements_as_of_a_large_one(at_once: int) -> None:
    floor = press("planned")
    for _ in range(30 // at_once):
        strokes(floor, at_once, at_once)
    assert made(floor) == {"100": 20, "200": 10}


def test_where_the_site_says_so_all_strokes_are_the_selected_ones() -> None:
    assert made(strokes(press("selected"), 8)) == {"200": 8}


def test_a_paused_job_has_no_part() -> None:
    floor = press()
    floor.scan("LSCPAUSE21")
    assert made(strokes(floor, 6)) == {"100": 6}
    floor.scan("LSCGO")
    assert made(strokes(floor, 6)) == {"100": 9, "200": 3}


def test_what_comes_behind_a_completions_figure_is_nobodys_only_as_far_as_it_was_its() -> None:
    floor = strokes(press(), 10)
    floor.scan("LSCDONE")
    floor.wait(1).read(cycles=14, running=True, energy=1.0)
    floor.scan("LSCOK")
    (done,) = floor.facts(e.WorkCompleted)
    assert isinstance(done, e.WorkCompleted) and done.total_quantity == 5
    assert made(floor) == {"100": 7, "200": 5, "": 2}
    assert made(strokes(floor, 4)) == {"100": 11, "200": 5, "": 2}


def test_machine_time_and_energy_are_shared_to_the_last_digit() -> None:
    floor = press()
    for second in range(7):
        floor.wait(1.001).read(cycles=0, running=True, energy=1.0 + second / 1000)
    floor.wait(31).read(cycles=0, running=True, energy=1.007)
    floor.scan("LSCPART", "LSQ1", "LSCOK", "LSW100", "LSCPART", "LSQ1", "LSCOK")
    facts = [fact for fact in floor.facts(e.CountRecorded) if isinstance(fact, e.CountRecorded)]
    of_time = [fact for fact in facts if fact.counter == "running" and fact.work_order]
    first, second_ = (
        sum(fact.quantity or 0 for fact in of_time if fact.work_order == order) for order in ("100", "200")
    )
    assert Decimal("1") <= first - second_ <= Decimal("1.001"), "the first was alone for a second"
    moved = sum(fact.delta or 0 for fact in facts if fact.counter == "running")
    assert sum(fact.quantity or 0 for fact in facts if fact.counter == "running") == moved
    assert moved * 1000 == floor.now.wall_ms - START_MS
    of_energy = [fact for fact in facts if fact.counter == "energy" and fact.quantity]
    assert sum(fact.quantity or 0 for fact in of_energy) == Decimal("0.007")
    assert {fact.work_order for fact in of_energy} == {"100", "200"}


def test_shares_need_jobs_side_by_side() -> None:
    with pytest.raises(ValidationError, match="needs concurrent = true"):
        settings.Station.model_validate({"work_center": "WC", "job_shares": "planned"})


@given(WEIGHTS, st.lists(st.integers(0, 40), max_size=30), st.sampled_from(["1", "0.000001"]))
def test_parts_are_the_whole_and_nothing_drifts(weights: list[int], wholes: list[int], step: str) -> None:
    carried = [Decimal(0)] * len(weights)
    sums = [Decimal(0)] * len(weights)
    for whole in wholes:
        given_ = Decimal(whole) * Decimal(step)
        shares = apportioned(given_, [Fraction(one) for one in weights], carried, Decimal(step))
        assert sum((part.quantity for part in shares), Decimal(0)) == given_
        assert all(part.quantity >= 0 and part.quantity % Decimal(step) == 0 for part in shares)
        carried = [part.carried for part in shares]
        sums = [held + part.quantity for held, part in zip(sums, shares, strict=True)]
    whole_sum = sum(wholes) * Fraction(step)
    for held, weight in zip(sums, weights, strict=True):
        assert abs(Fraction(held) - whole_sum * weight / sum(weights)) < 2 * Fraction(step)


def test_a_job_that_went_with_more_than_its_share_leaves_no_hole() -> None:
    shares = apportioned(Decimal(1), [Fraction(1)] * 2, [Decimal("0.9"), Decimal("0.9")], Decimal(1))
    assert [part.quantity for part in shares] == [0, 1] or [part.quantity for part in shares] == [1, 0]


def test_what_a_silent_counter_moved_while_the_jobs_at_work_changed_is_nobodys() -> None:
    floor = strokes(press(), 4)
    floor.read(good=False, energy=1.0)
    floor.scan("LSCPAUSE21")
    floor.wait(5).read(cycles=10, running=True, energy=1.0).wait(31)
    assert made(floor) == {"100": 2, "200": 2, "": 6}


SCANS = (
    "LSW100", "LSW200", "LSW500 0020", "LSCPAUSE21", "LSCGO", "LSCPART,LSCOK", "LSCDONE,LSCOK", "LSCDONE",
    "LSCPART", "LSCOK", "LSCUNDO,LSCOK", "LSCSCRAP04", "LSCREWORK04", "LSCSETUP", "LSCGO,LSCOK",
)  # fmt: skip
MOVES = st.lists(
    st.one_of(
        st.sampled_from(SCANS),
        st.tuples(st.just("read"), st.integers(1, 7)),
        st.tuples(st.just("read"), st.integers(0, 3)),
        st.tuples(st.just("silent"), st.just(0)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 90)),
    ),
    min_size=10,
    max_size=30,
)


@tried(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(MOVES, st.sampled_from(["equal", "planned", "selected"]))
def test_every_stroke_is_reported_or_open_or_waits(moves: list[object], job_shares: str) -> None:
    floor, raw = press(job_shares), 0
    for move in moves:
        match move:
            case ("read", int(more)):
                raw += more
                floor.wait(2).read(cycles=raw, running=bool(more), energy=1.0 + raw / 1000)
            case ("silent", _):
                floor.read(good=False)
            case ("restart", _):
                floor.restart()
            case ("wait", int(seconds)):
                floor.wait(seconds)
            case str(text):
                floor.scan(*text.split(","))
    floor.read(cycles=raw, running=True, energy=1.0 + raw / 1000)
    floor.wait(61).wait(61)
    assert sum(made(floor).values()) == raw
    cancelled = {fact.corrects for fact in floor.facts(e.WorkCorrected) if isinstance(fact, e.WorkCorrected)}
    reported = sum(
        one.quantity
        for event in floor.events
        if isinstance(event.data, e.WorkReported) and event.id not in cancelled
        for one in event.data.outputs
    )
    still_open = sum(
        sum(job.counted.values()) - job.good - job.scrap - job.rework
        + sum(job.setup_counted.values()) - job.setup_scrap
        for job in floor.station.jobs
    )  # fmt: skip
    left = sum(
        fact.quantity or 0
        for event in floor.events
        if isinstance(fact := event.data, e.CountUnattributed) and fact.counter == "good"
        if fact.caused_by not in cancelled and (fact.caused_by or fact.quantity)
    )
    assert raw == reported + still_open + left
    assert floor.refolded() == floor.line
