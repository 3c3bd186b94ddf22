"""Completion: what the counter saw beyond the figure waits; a completed order begins again only with OK."""

from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import events as e
from edge.replay.totals import totals
from tests.unit.station.floor import Floor


def running() -> Floor:
    """Order 100 (10 pieces planned) runs on a press whose counter stands at 500."""
    floor = Floor().read(cycles=500, running=True, energy=1.0)
    floor.scan("LSE1042", "LSW100")
    return floor


def rest(floor: Floor) -> list[e.CountUnattributed]:
    return [one for one in floor.facts(e.CountUnattributed) if isinstance(one, e.CountUnattributed)]


def completion(floor: Floor) -> e.WorkCompleted:
    done = floor.facts(e.WorkCompleted)[-1]
    assert isinstance(done, e.WorkCompleted)
    return done


def test_strokes_beyond_the_figure_of_a_completion_wait_for_a_person() -> None:
    floor = running().wait(60).read(cycles=550)
    floor.scan("LSCDONE", "LSQ44", "LSQ44")
    floor.wait(3)
    assert floor.scan("LSQ44").result == "pending"
    floor.scan("LSCOK")
    (left,) = rest(floor)
    done = next(event for event in floor.events if isinstance(event.data, e.WorkCompleted))
    assert (left.counter, left.quantity, left.unit, left.caused_by) == ("good", 6, "C62", done.id)
    assert left.delta is None and left.work_order is None, "the movement itself was recorded before"
    said = completion(floor)
    assert (said.counted_quantity, said.total_quantity) == (50, 44)


def test_a_completion_that_is_undone_takes_its_rest_back_and_the_counter_proposes_all_again() -> None:
    floor = running().wait(60).read(cycles=510)
    floor.scan("LSCDONE", "LSQ9", "LSCOK")
    assert {(key.kind, value) for key, value in totals(floor.events).items() if key.what == "good"} == {
        ("unattributed", Decimal(1))
    }
    assert [one.quantity for one in floor.line.waiting.values() if one.counter] == [1]
    floor.scan("LSCUNDO", "LSCOK")
    assert not [one for one in floor.line.waiting.values() if one.counter]
    assert not [key for key in totals(floor.events) if key.kind in ("unattributed", "good")]
    floor.scan("LSCDONE", "LSCOK")
    assert completion(floor).outputs[0].quantity == 10


def test_a_partial_report_below_the_counter_leaves_the_rest_to_the_next_report() -> None:
    floor = running().wait(60).read(cycles=510)
    floor.scan("LSCPART", "LSQ9", "LSCOK", "LSCDONE", "LSCOK")
    assert not rest(floor)
    assert completion(floor).outputs[0].quantity == 1


def test_a_completion_says_how_far_off_the_plan_it_is() -> None:
    for made, deviation in ((9, "under"), (10, None), (11, "over")):
        floor = running().wait(60).read(cycles=500 + made)
        floor.scan("LSCDONE", "LSCOK")
        said = completion(floor)
        assert (said.planned_quantity, said.total_quantity, said.deviation) == (10, made, deviation)
        assert said.counted_quantity is None, "the counter's own figure"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.sampled_from(["stroke", "part", "scrap", "undo"]), st.integers(0, 9)),
        min_size=6,
        max_size=12,
    ),
    st.integers(0, 9),
)
def test_strokes_are_reported_or_wait_whatever_lower_figures_people_enter(
    moves: list[tuple[str, int]], less: int
) -> None:
    floor, strokes = running(), 0

    def report(command: str, less: int) -> None:
        floor.wait(3).scan(command)
        pending = floor.lives["OP20"].pending
        counter = getattr(pending, "counter", None)
        if counter is None:
            floor.scan(f"LSQ{floor.job.good}")
        elif (entered := max(floor.job.good, counter - less)) != counter:
            floor.scan(f"LSQ{entered}")
            floor.wait(3).scan(f"LSQ{entered}")
        floor.scan("LSCOK")

    for kind, number in moves:
        if kind == "stroke":
            strokes += number
            floor.wait(20).read(cycles=500 + strokes)
        elif kind == "part":
            report("LSCPART", number)
        elif kind == "scrap" and strokes > sum(floor.job.counted.values(), Decimal(0)) - 1:
            if strokes - floor.job.good - floor.job.scrap >= 1:
                floor.wait(3).scan("LSCSCRAP04")
        elif kind == "undo":
            floor.wait(3).scan("LSCUNDO", "LSCOK")
            if floor.station.job is None:
                floor.scan("LSW100")
    report("LSCDONE", less)
    assert floor.station.job is None
    cancelled = {one.corrects for one in floor.facts(e.WorkCorrected) if isinstance(one, e.WorkCorrected)}
    reported = sum(
        (
            output.quantity
            for event in floor.events
            if isinstance(event.data, e.WorkReported) and event.id not in cancelled
            for output in event.data.outputs
        ),
        Decimal(0),
    )
    waits = sum((one.quantity or Decimal(0) for one in rest(floor)), Decimal(0))
    assert reported + waits == strokes


def test_an_order_completed_here_begins_again_only_with_ok() -> None:
    floor = running()
    floor.wait(10).read(cycles=510)
    floor.scan("LSCDONE", "LSCOK")
    floor.wait(3)
    answer = floor.scan("LSW100")
    assert answer.result == "pending" and "was completed here" in answer.message.en
    assert floor.station.job is None and len(floor.facts(e.WorkStarted)) == 1
    assert "Scan OK" in floor.view().next.en
    floor.wait(61)
    assert floor.lives["OP20"].pending is None and floor.station.job is None, "not by waiting"
    floor.scan("LSW100", "LSCOK")
    assert floor.job.key == ("100", "0020") and floor.job.good == 0


def test_an_order_completed_here_waits_for_the_switch_from_another_too() -> None:
    floor = running()
    floor.wait(10).read(cycles=510)
    floor.scan("LSCDONE", "LSCOK", "LSW200")
    floor.wait(10).read(cycles=514)
    floor.scan("LSW100")
    answer = floor.scan("LSCOK")
    assert answer.result == "pending" and "Good 4 = 0 + 4 new" in answer.message.en
    floor.scan("LSCOK")
    assert floor.job.key == ("100", "0020")


def test_an_order_whose_completion_was_undone_needs_no_confirmation() -> None:
    floor = running().wait(10).read(cycles=510)
    floor.scan("LSCDONE", "LSCOK", "LSCUNDO", "LSCOK")
    assert floor.job.key == ("100", "0020")
    assert floor.station.finished == ()


def test_the_running_order_scanned_again_ends_the_switch_that_waits() -> None:
    floor = running().wait(10).read(cycles=505)
    floor.scan("LSW200")
    answer = floor.scan("LSW100")
    assert answer.message.en == "WO 100 goes on; the switch to WO 200 was not recorded"
    assert floor.scan("LSCOK").result == "refused"
    assert floor.job.key == ("100", "0020") and len(floor.facts(e.WorkStarted)) == 1
