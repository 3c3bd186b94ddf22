"""Scrap that the machine counts, and scrap that is more than the machine made."""

from decimal import Decimal

import pytest

from edge import events as e
from tests.unit.station.floor import Floor

ALL = {"tag": "press1.cycles", "max_rate_per_min": 60}
GOOD = ALL | {"counts": "good"}
SCRAP = {"tag": "press1.rejects", "counts": "scrap", "reason": "04", "max_rate_per_min": 60}


def press(**counters: object) -> Floor:
    floor = Floor(counters=counters)
    floor.read(cycles=500, running=True, rejects=70)
    floor.scan("LSE1042", "LSW100")
    return floor


def outputs(floor: Floor, kind: type[e.WorkReported] = e.WorkReported) -> list[list[tuple[object, ...]]]:
    return [
        [(o.disposition, o.quantity, o.reason, o.cause, o.counter) for o in f.outputs]
        for f in floor.facts(kind)
        if isinstance(f, e.WorkReported)
    ]


def test_what_the_scrap_counter_saw_is_reported_as_scrap_and_is_not_good() -> None:
    floor = press(all=ALL, rejects=SCRAP)
    floor.wait(20).read(cycles=512, rejects=73)
    assert (floor.view().good, floor.view().scrap) == ("9", "3")
    assert floor.scan("LSCDONE").message.en == "Good 9 = 0 + 9 new; scrap 3 counted"
    floor.scan("LSCOK")
    expected = [("good", 9, None, None, None), ("scrap", 3, "04", "process", "rejects")]
    assert outputs(floor, e.WorkCompleted) == [expected]


def test_the_order_of_the_counters_does_not_matter() -> None:
    floor = press(rejects=SCRAP, all=ALL)
    floor.wait(20).read(cycles=512, rejects=73)
    assert floor.scan("LSCDONE").message.en == "Good 9 = 0 + 9 new; scrap 3 counted"


def test_beside_a_counter_of_good_pieces_the_scrap_comes_on_top() -> None:
    floor = press(good=GOOD, rejects=SCRAP)
    floor.wait(20).read(cycles=512, rejects=73)
    assert floor.scan("LSCDONE").message.en == "Good 12 = 0 + 12 new; scrap 3 counted"


def test_counted_scrap_is_reported_once() -> None:
    floor = press(all=ALL, rejects=SCRAP)
    floor.wait(20).read(cycles=512, rejects=73)
    floor.scan("LSCPART", "LSCOK")
    floor.wait(10).read(cycles=515, rejects=74)
    assert floor.scan("LSCPART").message.en == "Good 11 = 9 + 2 new; scrap 1 counted"
    floor.scan("LSCOK", "LSCUNDO", "LSCOK")
    assert floor.scan("LSCPART").message.en == "Good 11 = 9 + 2 new; scrap 1 counted", "an undo gives it back"


def test_scrap_by_hand_comes_beside_the_counted() -> None:
    floor = press(all=ALL, rejects=SCRAP)
    floor.wait(20).read(cycles=512, rejects=73)
    floor.scan("LSCSCRAP05")
    assert floor.scan("LSCDONE").message.en == "Good 8 = 0 + 8 new; scrap 3 counted"


def test_a_scrap_counter_alone_proposes_no_good_quantity() -> None:
    floor = press(rejects=SCRAP)
    floor.wait(20).read(rejects=73)
    assert floor.scan("LSCDONE").message.en == "0 reported so far; scrap 3 counted"
    floor.scan("LSQ20", "LSCOK")
    assert outputs(floor, e.WorkCompleted)[0][1] == ("scrap", 3, "04", "process", "rejects")


def test_scrap_counted_after_the_shown_figure_is_nobodys() -> None:
    floor = press(all=ALL, rejects=SCRAP)
    floor.wait(20).read(cycles=512, rejects=73)
    floor.scan("LSCDONE")
    floor.wait(5).read(cycles=514, rejects=75)
    floor.scan("LSCOK")
    lost = [f for f in floor.facts(e.CountUnattributed) if isinstance(f, e.CountUnattributed)]
    assert [(f.counter, f.quantity) for f in lost] == [("all", 2), ("rejects", 2)]


@pytest.mark.parametrize(("first", "scrap"), [(ALL, 5), (GOOD, 7)])
def test_rejects_of_set_up_are_set_up_scrap_once(first: object, scrap: int) -> None:
    floor = press(main=first, rejects=SCRAP)
    floor.scan("LSCSETUP")
    floor.wait(9).read(cycles=505, rejects=72)
    floor.scan("LSCGO", "LSCOK")
    assert outputs(floor) == [[("scrap", scrap, None, "setup", None)]]
    assert floor.scan("LSCDONE").message.en == "Good 0 = 0 + 0 new"


def test_more_scrap_than_was_made_is_asked_for_again() -> None:
    floor = press(all=ALL)
    floor.wait(10).read(cycles=505)
    assert floor.scan("LSCSCRAP04").result == "recorded"
    answer = floor.scan("LSQ50")
    assert answer.result == "refused"
    assert "scrap 50 would be more than the 5 pieces made. Nothing recorded yet." in answer.message.en
    assert floor.view().next.en == "scrap 50? Scan OK, or scan/enter quantity"
    assert floor.job.scrap == 1
    assert floor.scan("LSCOK").result == "recorded"
    assert floor.job.scrap == 50
    (corrected,) = floor.facts(e.WorkCorrected)
    reports = floor.facts(e.WorkReported)
    assert isinstance(corrected, e.WorkCorrected) and isinstance(reports[-1], e.WorkReported)
    assert reports[-1].replaces == corrected.corrects


def test_the_right_quantity_answers_the_doubt_too() -> None:
    floor = press(all=ALL)
    floor.wait(10).read(cycles=505)
    floor.scan("LSCSCRAP04", "LSQ50")
    assert floor.scan("LSQ5").result == "recorded"
    assert floor.job.scrap == 5 and floor.lives["OP20"].pending is None


def test_a_doubted_scrap_ends_after_60_s_without_posting() -> None:
    floor = press(all=ALL)
    floor.wait(10).read(cycles=505)
    floor.scan("LSCSCRAP04", "LSQ50")
    floor.wait(61)
    said = floor.lives["OP20"].said
    assert said is not None and "the scrap of 50 was not recorded" in said.message.en
    assert floor.job.scrap == 1
    assert floor.scan("LSCOK").result == "refused"


def test_scrap_of_a_phase_is_measured_by_the_strokes_of_the_phase() -> None:
    floor = press(all=ALL)
    floor.wait(10).read(cycles=510)
    floor.scan("LSCSETUP", "LSCSCRAP04")
    assert floor.scan("LSQ5").result == "refused", "no stroke was made in set-up"


def test_rejects_that_wait_for_a_report_are_scrap_already() -> None:
    floor = press(all=ALL, rejects=SCRAP)
    floor.wait(10).read(cycles=505, rejects=75)
    floor.scan("LSCSCRAP05")
    assert floor.scan("LSQ3").result == "refused"


@pytest.mark.parametrize("counters", [{}, {"good": GOOD}])
def test_without_a_counter_of_all_pieces_scrap_is_believed(counters: dict[str, object]) -> None:
    floor = press(**counters)
    floor.scan("LSCSCRAP04")
    assert floor.scan("LSQ50").result == "recorded"
    assert floor.job.scrap == Decimal(50)


def test_a_doubt_says_what_it_ended() -> None:
    floor = press(all=ALL)
    floor.wait(10).read(cycles=501)
    floor.scan("LSCSCRAP04", "LSE1042", "LSCSCRAP04", "LSE1042", "LSCSCRAP04", "LSL A1")
    answer = floor.scan("LSCSCRAP04")
    assert answer.result == "refused" and "lot A1 was not recorded" in answer.message.en


def test_what_is_set_aside_in_set_up_is_of_its_strokes_and_not_of_the_runs() -> None:
    floor = press(all=ALL)
    floor.scan("LSCSETUP")
    floor.wait(60).read(cycles=520)
    floor.scan("LSCREWORK04", "LSQ5", "LSCSCRAP04")
    assert "14 pieces" in floor.scan("LSCGO").message.en, "20 strokes, 5 of them rework, 1 scrap already"
    floor.scan("LSCOK")
    floor.wait(60).read(cycles=560)
    assert floor.scan("LSCDONE").message.en.startswith("Good 40 = 0 + 40 new")
    floor.scan("LSCUNDO", "LSCDONE", "LSCOK")
    assert floor.station.closed is not None and floor.refolded() == floor.line
    assert (floor.station.closed.good, floor.station.closed.setup_scrap) == (40, 15)


def test_rework_of_the_set_up_that_turned_good_comes_on_top_of_the_run() -> None:
    floor = press(all=ALL)
    floor.scan("LSCSETUP")
    floor.wait(60).read(cycles=520)
    floor.scan("LSCREWORK04", "LSQ5", "LSCGO", "LSCOK")
    floor.wait(60).read(cycles=540)
    floor.scan("LSCREWORK04", "LSCGOOD", "LSQ6", "LSCOK")
    assert floor.scan("LSCDONE").message.en.startswith("Good 25 = 6 + 19 new"), (
        "20 of the run and 5 of set-up"
    )


def test_no_more_is_set_aside_in_set_up_than_was_made_there_without_ok() -> None:
    floor = press(all=ALL)
    floor.scan("LSCSETUP")
    floor.wait(60).read(cycles=510)
    floor.scan("LSCREWORK04", "LSQ8")
    assert floor.scan("LSCSCRAP04", "LSQ5").result == "refused", "13 of 10"
