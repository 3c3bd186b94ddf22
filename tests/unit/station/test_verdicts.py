"""Pieces in rework: they turn good, or quality accepts them; no piece is counted twice on the way."""

import copy
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import events as e
from edge.replay.totals import totals
from tests.unit.station.floor import MASTER, Floor


def master() -> dict[str, Any]:
    given = copy.deepcopy(MASTER)
    given["people"].append({"person": "2001", "badges": ["Q1"], "roles": ["quality"]})
    given["reasons"].append({"reason": "04", "kind": "concession", "text": {"en": "Burr"}})
    return given


def running(counts: str = "all", rework: int = 3) -> Floor:
    """Ten strokes of order 100, of which so many are in rework."""
    counter = {"tag": "press1.cycles", "max_rate_per_min": 60, "counts": counts}
    floor = Floor(master(), counters={"good": counter}).read(cycles=500, running=True, energy=1.0)
    floor.scan("LSE1042", "LSW100")
    floor.wait(60).read(cycles=510)
    for _ in range(rework):
        floor.wait(3).scan("LSCREWORK04")
    return floor


def figures(floor: Floor) -> dict[str, Decimal]:
    kinds = ("good", "concession", "rework", "scrap")
    return {key.kind: value for key, value in totals(floor.events).items() if key.kind in kinds}


def test_rework_that_turned_good_is_no_correction_and_no_new_piece() -> None:
    floor = running()
    assert "Rework" not in floor.scan("LSCGOOD").message.en
    assert floor.view().next.en == "good 3? Scan OK, or scan/enter quantity"
    floor.scan("LSQ2", "LSCOK")
    (fact,) = floor.facts(e.OutputReclassified)
    assert isinstance(fact, e.OutputReclassified)
    assert (fact.from_, fact.to, fact.quantity, fact.material) == ("rework", "good", 2, "BRACKET-7")
    floor.scan("LSCDONE", "LSCOK")
    assert figures(floor) == {"good": 9, "rework": 1}


def test_a_counter_of_good_pieces_does_not_swallow_what_turned_good() -> None:
    floor = running(counts="good")
    floor.scan("LSCGOOD", "LSQ2", "LSCOK", "LSCDONE", "LSCOK")
    assert figures(floor) == {"good": 12, "rework": 1}, "ten counted as good, two regained beside them"


def test_a_concession_needs_a_badge_of_quality_who_does_not_join_the_crew() -> None:
    floor = running()
    floor.scan("LSCCONCESSION04")
    assert "OK grants no concession" in floor.scan("LSCOK").message.en
    assert "1043 may not grant" in floor.scan("LSE1043").message.en
    assert not floor.facts(e.OutputReclassified)
    assert floor.scan("LSEQ1").result == "recorded"
    (fact,) = floor.facts(e.OutputReclassified)
    assert isinstance(fact, e.OutputReclassified)
    assert (fact.to, fact.reason, fact.person, fact.actor) == ("concession", "04", "2001", "1042")
    assert floor.station.crew == ("1042",)
    floor.scan("LSCDONE", "LSCOK")
    assert figures(floor) == {"good": 7, "concession": 3}


def test_more_than_is_in_rework_is_refused_and_what_waits_goes_on() -> None:
    floor = running()
    assert "more than the 3 in rework" in floor.scan("LSCGOOD", "LSQ4").message.en
    floor.scan("LSCOK")
    assert floor.job.rework == 0


def test_without_rework_there_is_nothing_to_decide() -> None:
    floor = running(rework=0)
    assert "No piece of this order is in rework" in floor.scan("LSCGOOD").message.en


def test_a_verdict_is_undone_like_any_fact() -> None:
    floor = running()
    floor.scan("LSCGOOD", "LSCOK")
    assert "3 of rework as good" in floor.scan("LSCUNDO").message.en
    floor.scan("LSCOK")
    assert (floor.job.rework, floor.job.good, floor.job.regained) == (3, 0, 0)
    assert figures(floor) == {"rework": 3}


SCANS = (
    "LSCREWORK04", "LSCGOOD,LSCOK", "LSCGOOD,LSQ1,LSCOK", "LSCCONCESSION04,LSEQ1", "LSCUNDO,LSCOK",
    "LSCPART,LSCOK", "LSCSCRAP04", "LSCGOOD", "LSCDONE", "strokes",
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(SCANS), min_size=6, max_size=14))
def test_every_stroke_has_one_disposition_at_the_end_or_waits_for_a_person(moves: list[str]) -> None:
    floor, strokes = running(rework=1), 10
    for move in moves:
        floor.wait(3)
        if move == "strokes":
            strokes += 2
            floor.wait(5).read(cycles=500 + strokes)
        else:
            floor.scan(*move.split(","))
    floor.wait(61).wait(61)
    floor.scan("LSCDONE", "LSCOK")
    if floor.station.job is None:  # else more was scrap than was made, which OK confirmed
        kinds = {"good", "concession", "rework", "scrap", "unattributed"}
        assert sum(value for key, value in totals(floor.events).items() if key.kind in kinds) == strokes
    assert floor.refolded() == floor.line
    assert floor.job.rework >= 0 if floor.station.job else True
