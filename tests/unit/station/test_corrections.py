"""What a person corrects later is in state and totals as if it had been recorded so at once."""

import copy
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st
from msgspec.structs import replace

from edge import events as e
from edge.masterdata import MasterData, parse
from edge.replay.totals import totals
from edge.station.review.waiting import Waiting
from edge.station.review.words import Unsettled
from tests.unit.station.floor import BACKFLUSHED, Floor

PEOPLE = [
    {"person": "1042", "badges": ["1042"], "roles": ["operator"], "qualifications": ["WC-PRESS-1"]},
    {"person": "2001", "roles": ["shift_leader"]},
]
LOTS = [
    {"material": "OIL", "lot": "O1", "quantity": "20"},
    {"material": "OIL", "lot": "O2", "quantity": "30"},
    {"material": "STEEL-4", "lot": "A1", "quantity": "5"},
]


def master() -> dict[str, Any]:
    """Order 100 backflushes 0.01 l of oil a piece."""
    given = copy.deepcopy(BACKFLUSHED)
    given["people"], given["lots"] = PEOPLE, LOTS
    given["work_orders"][0]["bom"][1]["lot_required"] = True
    return given


def floor(pieces: int = 10, **station: object) -> Floor:
    """So many strokes of order 100, nothing mounted."""
    checks = {"missing_lot": "off", "output": "warn", "lot_consumed": "warn"}
    made = Floor(master(), **({"checks": checks} | station))
    made.read(cycles=0, running=True, energy=1.0).scan("LSE1042", "LSW100")
    return strokes(made, pieces)


def strokes(made: Floor, pieces: int) -> Floor:
    raw = int(made.lives["OP20"].counters["good"].raw)
    return made.wait(60).read(cycles=raw + pieces, running=True, energy=1.0)


def waiting(made: Floor, kind: str) -> Waiting:
    return next(one for one in made.waiting if one.kind == kind)


def settle(made: Floor, how: str, kind: str, **more: Any) -> None:
    made.settle(how=how, settles=[waiting(made, kind).id], person="2001", **more)
    assert made.refolded() == made.line


def sums(made: Floor, *kinds: str) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for key, value in totals(made.events).items():
        if key.kind in kinds:
            found[key.kind] = found.get(key.kind, Decimal(0)) + value
    return {kind: value for kind, value in found.items() if value}


def make_up(made: Floor, **more: Any) -> None:
    asked = {"time": "2026-11-22T10:00:30+08:00", "work_order": "100", "operation": "0020", "person": "2001"}
    made.settle(how="make_up", station="OP20", note="gun broken", **(asked | more))
    assert made.refolded() == made.line


def drawn(made: Floor, lot: str) -> Decimal:
    return sum((one.quantity for one in made.station.drawn if one.lot == lot), Decimal(0))


def test_a_lot_that_a_person_names_later_is_drawn_from_and_stands_lower() -> None:
    made = floor()
    made.scan("LSCPART", "LSCOK", "LSL O2")
    missing = waiting(made, "lot")
    assert (missing.quantity, drawn(made, "O2")) == (Decimal("0.1"), 0)
    settle(made, "reassign", "lot", to={"lot": "O2"})
    assert drawn(made, "O2") == Decimal("0.1")
    assert [(one.lot, one.quantity) for one in made.station.mounted] == [("O2", Decimal("29.9"))]
    assert [(one.lot, one.quantity) for one in made.job.used] == [("O2", Decimal("0.1"))]
    assert sums(made, "backflushed") == {"backflushed": Decimal("0.1")}


def test_material_that_was_not_used_after_all_is_not_consumed_by_the_next_report() -> None:
    made = floor()
    made.scan("LSCPART", "LSCOK")
    settle(made, "reverse", "lot")
    assert sums(made, "backflushed") == {} and not made.job.used
    strokes(made, 10).scan("LSCPART", "LSCOK")
    assert sums(made, "backflushed") == {"backflushed": Decimal("0.1")}


def test_a_report_of_whose_material_a_person_decided_is_not_undone() -> None:
    made = floor()
    made.scan("LSCPART", "LSCOK")
    settle(made, "reverse", "lot")
    assert "nothing of yours" in made.scan("LSCUNDO").message.en


def test_a_made_up_report_is_backflushed_from_what_stands_there() -> None:
    made = floor(0)
    made.scan("LSL O1")
    make_up(made, outputs=[{"quantity": "50"}])
    (oil,) = made.facts(e.MaterialConsumed)
    assert isinstance(oil, e.MaterialConsumed)
    assert (oil.lot, oil.quantity, oil.method, oil.origin) == ("O1", Decimal("0.5"), "backflushed", "manual")
    assert drawn(made, "O1") == Decimal("0.5")
    strokes(made, 10).scan("LSCPART", "LSCOK")
    assert sums(made, "backflushed", "good") == {"backflushed": Decimal("0.6"), "good": 60}


def test_a_line_whose_material_the_person_gives_is_not_backflushed_too() -> None:
    made = floor(0)
    made.scan("LSL O1")
    make_up(
        made, outputs=[{"quantity": "50"}], materials=[{"material": "OIL", "lot": "O2", "quantity": "0.7"}]
    )
    assert sums(made, "backflushed", "manual") == {"manual": Decimal("0.7")}
    assert (drawn(made, "O1"), drawn(made, "O2")) == (0, Decimal("0.7"))
    strokes(made, 10).scan("LSCPART", "LSCOK")
    assert sums(made, "backflushed") == {"backflushed": Decimal("0.1")}


def test_what_is_made_up_behind_a_completion_is_not_taken_from_the_counter_when_it_is_undone() -> None:
    made = floor(20)
    made.scan("LSCDONE", "LSCOK")
    make_up(made, outputs=[{"quantity": "5"}])
    made.scan("LSCUNDO", "LSCOK", "LSCDONE", "LSCOK")
    assert sums(made, "good", "unattributed") == {"good": 25}


def test_a_made_up_report_without_a_lot_at_hand_waits_for_it() -> None:
    made = floor(0)
    strokes(made, 1).scan("LSCDONE", "LSCOK", "LSW200")
    strokes(made, 1).scan("LSCDONE", "LSCOK")
    settle(made, "accept", "lot")
    make_up(made, outputs=[{"quantity": "20"}])
    consumed = [one.quantity for one in made.facts(e.MaterialConsumed) if isinstance(one, e.MaterialConsumed)]
    assert consumed == [Decimal("0.01"), Decimal("0.2")], "also where the order is completed"
    settle(made, "reassign", "lot", to={"lot": "O2"})
    assert drawn(made, "O2") == Decimal("0.2")


def flagged(pieces: int = 20) -> Floor:
    """A partial report of more than was planned, which waits for its check; oil comes from O1."""
    made = floor(0)
    made.scan("LSL O1")
    strokes(made, pieces).scan("LSCPART", "LSCOK")
    assert waiting(made, "check").category == "output"
    return made


def test_a_report_is_restated_and_all_that_hangs_on_it() -> None:
    made = flagged()
    parts = [{"quantity": "16"}, {"quantity": "3", "disposition": "scrap", "reason": "04"}]
    settle(made, "split", "check", parts=parts)
    assert sums(made, "good", "scrap", "backflushed") == {
        "good": 16,
        "scrap": 3,
        "backflushed": Decimal("0.19"),
    }
    assert (made.job.good, made.job.scrap) == (16, 3)
    assert [one.good for one in made.station.made] == [16]
    assert [one.quantity for one in made.station.mounted] == [Decimal("19.81")]
    assert drawn(made, "O1") == Decimal("0.19")
    assert sums(made, "labour_s") == {"labour_s": totals_of_labour(made)}
    strokes(made, 5).scan("LSCPART")
    assert made.view().next.en.startswith("Good 21?"), "five are new, as the counter says"
    made.scan("LSCOK")
    assert sums(made, "good", "backflushed") == {"good": 21, "backflushed": Decimal("0.24")}


def totals_of_labour(made: Floor) -> Decimal:
    (first, *_) = [one for one in made.facts(e.WorkReported) if isinstance(one, e.WorkReported)]
    assert first.resources is not None and isinstance(first.resources.labour, tuple)
    return sum((one.s for one in first.resources.labour), Decimal(0))


def test_a_report_that_did_not_occur_leaves_nothing_but_unassigned_time() -> None:
    made = flagged()
    spent = totals_of_labour(made)
    settle(made, "reverse", "check")
    assert sums(made, "good", "backflushed", "labour_s", "machine_s") == {}
    assert made.job.good == 0 and not any(one.good for one in made.station.made)
    assert [one.quantity for one in made.station.mounted] == [20]
    (person, *_) = [
        one for one in made.facts(e.TimeUnassigned) if isinstance(one, e.TimeUnassigned) and one.operator
    ]
    assert (person.operator, person.category, person.s) == ("1042", "undone", spent)


def slow() -> Floor:
    """Ten pieces that took the machine five minutes, by the standard twenty seconds; oil comes from O1."""
    made = floor(0, checks={"missing_lot": "off", "time": "warn"})
    made.scan("LSL O1")
    for _ in range(5):
        strokes(made, 2)
    return made


def test_time_of_a_report_that_did_not_occur_is_held_against_none_that_follows() -> None:
    made = slow()
    made.scan("LSCPART", "LSCOK")
    assert waiting(made, "check").category == "time"
    settle(made, "reverse", "check")
    assert (made.job.spent_labour_s, made.job.spent_machine_s) == (0, 0)
    made.wait(5).read(cycles=15, running=True, energy=1.0)
    answer = made.scan("LSCPART")
    assert "Good 15" in answer.message.en and "machine time" not in answer.message.en


def test_the_time_of_restated_pieces_is_spent_on_them_once() -> None:
    made = slow()
    made.scan("LSCPART", "LSCOK")
    spent = made.job.spent_labour_s, made.job.spent_machine_s
    settle(made, "reassign", "check", to={"quantity": "9"})
    assert (made.job.spent_labour_s, made.job.spent_machine_s) == spent
    assert spent > (300, 300)


def test_made_up_time_is_held_against_the_pieces_as_measured_time_is() -> None:
    made = floor(0, checks={"missing_lot": "off", "time": "warn"})
    made.wait(600)
    make_up(made, outputs=[{"quantity": "10"}], machine_s="600", labour=[{"operator": "1042", "s": "90"}])
    assert (made.job.spent_labour_s, made.job.spent_machine_s) == (90, 600)
    assert "11 min of machine time so far" in made.scan("LSCPART").message.en


def test_a_completion_is_restated_after_its_order_is_closed() -> None:
    made = floor(0)
    strokes(made, 20).scan("LSCDONE", "LSCOK")
    settle(made, "reassign", "check", to={"quantity": "18"})
    (_, restated) = [one for one in made.facts(e.WorkCompleted) if isinstance(one, e.WorkCompleted)]
    assert (restated.total_quantity, restated.deviation, restated.outputs[0].quantity) == (18, "over", 18)
    assert [one.good for one in made.station.made] == [18] and made.station.job is None
    assert sums(made, "good") == {"good": 18}


def beyond() -> Floor:
    """A completion of eighteen that waits for its check; the counter saw twenty."""
    made = floor(0)
    made.scan("LSL O1")
    strokes(made, 20).scan("LSCDONE", "LSQ18", "LSCOK")
    assert waiting(made, "count").quantity == 2
    return made


def test_what_a_counter_saw_beyond_a_restated_completion_waits_on() -> None:
    made = beyond()
    settle(made, "reassign", "check", to={"quantity": "17"})
    (left,) = [one for one in made.waiting if one.kind == "count"]
    assert (left.quantity, left.counter, left.unit) == (2, "good", "C62")
    assert sums(made, "good", "unattributed") == {"good": 17, "unattributed": 2}
    settle(made, "reassign", "count", to={"work_order": "200", "operation": "0020"})
    assert sums(made, "good") == {"good": 19} and not [one for one in made.waiting if one.kind == "count"]


def test_a_completion_that_did_not_occur_opens_its_job_again_and_proposes_all_that_was_counted() -> None:
    made = beyond()
    settle(made, "reverse", "check")
    assert sums(made, "good", "backflushed") == {} and made.station.finished == ()
    assert not [one for one in made.waiting if one.kind == "count"], "the job proposes them again"
    strokes(made, 3)
    (job,) = made.station.jobs
    assert (job.paused, job.counted) == ("switched", {"good": 20}), "set aside until its order is scanned"
    made.scan("LSW100")
    strokes(made, 5).scan("LSCDONE", "LSCOK")
    assert sums(made, "good", "unattributed") == {"good": 25, "unattributed": 3}
    assert sums(made, "backflushed") == {"backflushed": Decimal("0.25")} and drawn(made, "O1") == Decimal(
        "0.25"
    )
    (*_, done) = [one for one in made.facts(e.WorkCompleted) if isinstance(one, e.WorkCompleted)]
    assert (done.total_quantity, done.final) == (25, True)


def test_the_order_keeps_the_time_of_a_completion_that_did_not_occur() -> None:
    made = flagged_completion()
    spent = sums(made, "labour_s", "machine_s")
    settle(made, "reverse", "check")
    assert sums(made, "labour_s", "machine_s", "good") == spent
    made.wait(600).scan("LSW100")
    strokes(made, 1).scan("LSCDONE", "LSCOK")
    assert sums(made, "labour_s")["labour_s"] - spent["labour_s"] < 600, "not while it was set aside"
    undone = [one for one in made.facts(e.TimeUnassigned) if isinstance(one, e.TimeUnassigned)]
    assert not [one for one in undone if one.category == "undone"]


def test_time_of_a_report_that_did_not_occur_waits_for_a_person() -> None:
    made = flagged()
    strokes(made.wait(1000), 1).scan("LSCPART", "LSCOK")
    last = [one for one in made.waiting if one.kind == "check"][-1]
    made.settle(how="reverse", settles=[last.id], person="2001")
    (time,) = [one for one in made.waiting if one.kind == "time"]
    assert (time.subject, time.category, time.job) == ("1042", "undone", ("100", "0020"))
    labour = sums(made, "labour_s")["labour_s"]
    settle(made, "reassign", "time", to={"work_order": "100", "operation": "0020"})
    assert sums(made, "labour_s")["labour_s"] == labour + (time.quantity or 0)


@pytest.mark.parametrize("between", [(), ("LSW500 0020,LSCOK", "LSCDONE,LSCOK")])
def test_a_job_is_opened_again_behind_others_that_are_at_work(between: tuple[str, ...]) -> None:
    """Whether it was the last to be completed or not."""
    made = flagged_completion()
    for codes in between:
        made.wait(3).scan(*codes.split(","))
    assert [job.work_order for job in made.station.doubted] == ["100"] * bool(between)
    made.wait(3).scan("LSW200")
    settle(made, "reverse", "check")
    assert made.job.work_order == "200"
    strokes(made, 4).scan("LSCDONE", "LSCOK", "LSW100", "LSCDONE", "LSCOK")
    totals_ = [one for one in made.facts(e.WorkCompleted) if isinstance(one, e.WorkCompleted)]
    assert [(one.work_order, one.total_quantity) for one in totals_][-2:] == [("200", 4), ("100", 20)]
    assert sums(made, "good") == {"good": 24} and not made.station.jobs


def test_what_waits_of_no_completion_is_forgotten_when_the_next_job_is_completed() -> None:
    made = flagged_completion()
    made.wait(3).scan("LSW200")
    strokes(made, 1).scan("LSCDONE", "LSCOK")
    assert [job.work_order for job in made.station.doubted] == ["100"]
    settle(made, "accept", "check")
    made.wait(3).scan("LSW500 0020", "LSCOK", "LSCDONE", "LSCOK")
    assert not made.station.doubted


@pytest.mark.parametrize(("order", "proposed"), [("100", 20), ("200", 18), (None, 18)])
def test_a_remainder_that_somebody_decided_on_is_not_proposed_again(order: str | None, proposed: int) -> None:
    made = beyond()
    if order is None:
        settle(made, "accept", "count")
    else:
        settle(made, "reassign", "count", to={"work_order": order, "operation": "0020"})
    settle(made, "reverse", "check")
    made.wait(3).scan("LSW100")
    assert made.scan("LSCDONE").message.en.startswith(f"Good {proposed} = ")
    made.scan("LSCOK")
    assert sums(made, "good") == {"good": 20 if order else 18}


def test_a_completion_and_what_follows_from_it_are_settled_one_by_one() -> None:
    made = beyond()
    ids = [waiting(made, kind).id for kind in ("count", "check")]
    with pytest.raises(Unsettled) as found:
        made.settle(how="reverse", settles=ids, person="2001")
    assert found.value.key == "one_by_one" and len(made.waiting) == 2


def test_what_was_settled_of_a_completion_does_not_wait_again() -> None:
    made = beyond()
    settle(made, "accept", "count")
    settle(made, "reassign", "check", to={"quantity": "17"})
    assert not [one for one in made.waiting if one.kind == "count"]


def begun_anew() -> Floor:
    """A completion of twenty pieces that waits for its check; five more since the order began anew."""
    made = flagged_completion()
    made.wait(3).scan("LSW100", "LSCOK")
    assert made.job.good == 0
    return strokes(made, 5)


def flagged_completion() -> Floor:
    made = floor(0)
    made.scan("LSL O1")
    strokes(made, 20).scan("LSCDONE", "LSCOK")
    assert waiting(made, "check").category == "output"
    return made


@pytest.mark.parametrize("typed", [[], ["LSQ5"]])
def test_a_completion_that_did_not_occur_leaves_the_order_that_began_anew_alone(typed: list[str]) -> None:
    made = begun_anew()
    settle(made, "reverse", "check")
    made.scan("LSCPART", *typed, "LSCOK")
    assert made.job.good == 5
    assert sums(made, "good", "backflushed") == {"good": 5, "backflushed": Decimal("0.05")}
    assert drawn(made, "O1") == Decimal("0.05")


@pytest.mark.parametrize("typed", [[], ["LSQ5"]])
def test_a_completion_is_restated_beside_the_order_that_began_anew(typed: list[str]) -> None:
    made = begun_anew()
    settle(made, "reassign", "check", to={"quantity": "18"})
    made.scan("LSCPART", *typed, "LSCOK")
    assert (made.job.good, made.job.consumed) == (5, {"20": Decimal("0.05")})
    assert sums(made, "good", "backflushed") == {"good": 23, "backflushed": Decimal("0.23")}
    assert drawn(made, "O1") == Decimal("0.23") == 20 - (made.station.mounted[0].quantity or 0)
    made.scan("LSCDONE", "LSCOK", "LSCUNDO", "LSCOK")
    assert made.job.good == 5


def test_a_lot_named_later_is_no_material_of_the_order_that_began_anew() -> None:
    made = floor()
    made.scan("LSCDONE", "LSCOK", "LSW100", "LSCOK")
    settle(made, "reassign", "lot", to={"lot": "O2"})
    assert drawn(made, "O2") == Decimal("0.1") and not made.job.consumed and not made.job.used
    strokes(made, 10).scan("LSCPART", "LSCOK")
    assert sums(made, "backflushed") == {"backflushed": Decimal("0.2")}


def test_what_waits_of_an_order_that_goes_on_is_of_no_earlier_run() -> None:
    made = flagged()
    made.scan("LSCSETUP", "LSCGO", "LSCPAUSE21", "LSW100", "LSCGO")
    settle(made, "reverse", "check")
    made.scan("LSCPART", "LSCOK")
    assert sums(made, "good") == {"good": 20}


def test_a_consumption_beyond_its_lot_is_restated_and_drawn_so() -> None:
    made = floor(0)
    made.scan("LSL A1", "LSQ9")
    assert drawn(made, "A1") == 9
    settle(made, "reassign", "check", to={"lot": "A1", "quantity": "0.9"})
    assert drawn(made, "A1") == Decimal("0.9") and made.job.consumed == {"10": Decimal("0.9")}
    assert sums(made, "scanned") == {"scanned": Decimal("0.9")}


def last_of(made: Floor, kind: type[e.Fact]) -> Any:
    return made.facts(kind)[-1]


@pytest.mark.parametrize("level", ["warn", "confirm", "block"])
def test_what_is_restated_goes_through_the_checks_of_a_scan_and_is_flagged_whatever_their_level(
    level: str,
) -> None:
    made = flagged()
    station = made.site.stations["OP20"]
    checked = station.checks.model_copy(update={"output": level})
    made.site = replace(
        made.site, stations={**made.site.stations, "OP20": station.model_copy(update={"checks": checked})}
    )
    asked: dict[str, Any] = {"how": "reassign", "settles": [waiting(made, "check").id], "person": "2001"}
    done = made.settle(**asked, to={"quantity": "19"})
    assert last_of(made, e.WorkReported).warnings == ("output",)
    assert "19 good pieces are more than the planned 10" in done.message.en
    assert not [one for one in made.waiting if one.kind == "check"], "whoever decided was told"
    assert made.refolded() == made.line


def test_what_is_restated_within_the_plan_is_not_flagged() -> None:
    made = flagged()
    settle(made, "reassign", "check", to={"quantity": "10"})
    assert last_of(made, e.WorkReported).warnings == ()


def test_pieces_that_a_person_enters_beyond_the_plan_are_flagged_also_where_the_job_is_open_no_more() -> None:
    made = floor(0)
    make_up(made, outputs=[{"quantity": "8"}])
    assert last_of(made, e.WorkReported).warnings == ()
    made.scan("LSCDONE", "LSCOK")
    for order in ("200", "500 0020"):
        made.wait(3).scan(f"LSW{order}", "LSCOK", "LSCDONE", "LSCOK")
    assert made.station.held(("100", "0020")) is None
    make_up(made, outputs=[{"quantity": "2"}])
    assert last_of(made, e.WorkReported).warnings == ()
    make_up(made, outputs=[{"quantity": "2"}])
    assert last_of(made, e.WorkReported).warnings == ("output",)


@pytest.mark.parametrize(
    ("lot", "codes"),
    [("O2", ()), ("NONE", ("lot_unknown",)), ("BLOCKED", ("lot_status",)), ("LITTLE", ("lot_consumed",))],
)
def test_a_lot_that_a_person_names_later_is_checked_as_a_scanned_one(
    lot: str, codes: tuple[str, ...]
) -> None:
    made = floor()
    given = master()
    given["lots"] += [
        {"material": "OIL", "lot": "BLOCKED", "status": "blocked"},
        {"material": "OIL", "lot": "LITTLE", "quantity": "0.05"},
    ]
    made.master = MasterData(parse(msgspec.json.encode(given)), "etag-2")
    made.scan("LSCPART", "LSCOK")
    settle(made, "reassign", "lot", to={"lot": lot})
    assert last_of(made, e.MaterialConsumed).warnings == codes
    assert not made.waiting


def test_where_a_consequence_was_corrected_by_itself_the_whole_is_only_accepted() -> None:
    made = floor(0)
    strokes(made, 20).scan("LSCPART", "LSCOK")
    settle(made, "reassign", "lot", to={"lot": "O2"})
    with pytest.raises(Unsettled) as found:
        settle(made, "reverse", "check")
    assert found.value.key == "not_so"
    settle(made, "accept", "check")


def test_a_report_is_not_restated_on_another_order() -> None:
    made = flagged()
    with pytest.raises(Unsettled) as found:
        settle(made, "reassign", "check", to={"quantity": "5", "work_order": "200", "operation": "0020"})
    assert found.value.key == "own_order"


@pytest.mark.parametrize("order", ["100", "200"])
def test_a_completion_whose_remainder_was_given_away_is_not_undone_and_reported_twice(order: str) -> None:
    made = floor(10)
    made.scan("LSCDONE", "LSQ9", "LSCOK")
    assert waiting(made, "count").quantity == 1
    settle(made, "reassign", "count", to={"work_order": order, "operation": "0020"})
    assert "nothing of yours" in made.scan("LSCUNDO").message.en
    assert sums(made, "good") == {"good": 10}


def test_a_completion_that_is_undone_takes_its_remainder_back_before_anybody_is_given_it() -> None:
    made = floor(10)
    made.scan("LSCDONE", "LSQ9", "LSCOK", "LSCUNDO", "LSCOK")
    assert not [one for one in made.waiting if one.kind == "count"]
    made.scan("LSCDONE", "LSCOK")
    assert sums(made, "good", "unattributed") == {"good": 10}


STEPS = (
    "strokes", "strokes", "LSCPART,LSCOK", "LSCDONE,LSCOK,LSW100,LSCOK", "LSCSCRAP04", "LSCUNDO,LSCOK",
    "LSL O1", "LSL O2", "LSCUNMOUNT,LSL O1", "LSL A1,LSQ4", "make up", "restart",
    "accept check", "reverse check", "split check", "reverse lot", "reassign lot", "reassign count",
)  # fmt: skip
DECISIONS: dict[str, dict[str, Any]] = {
    "split check": {"parts": [{"quantity": "3"}, {"quantity": "1", "disposition": "scrap", "reason": "04"}]},
    "reassign lot": {"to": {"lot": "O2"}},
    "reassign count": {"to": {"work_order": "100", "operation": "0020"}},
}


@tried(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(STEPS), min_size=12, max_size=25))
def test_the_state_holds_what_the_facts_that_count_say(steps: list[str]) -> None:
    made = floor(8)
    for step in steps:
        how, _, kind = step.partition(" ")
        if step == "strokes":
            strokes(made, 7)
        elif step == "restart":
            made.restart()
            made.read(cycles=int(made.station.counters["good"].raw), running=True, energy=1.0)
        elif step == "make up":
            make_up(made, outputs=[{"quantity": "2"}])
        elif how in ("accept", "reverse", "split", "reassign"):
            if any(one.kind == kind for one in made.waiting):
                decide(made, how, kind, DECISIONS.get(step, {}))
        else:
            made.scan(*step.split(","))
    assert made.refolded() == made.line
    cancelled = {fact.corrects for fact in made.facts(e.WorkCorrected) if isinstance(fact, e.WorkCorrected)}
    held = [
        event.data for event in made.events
        if not {event.id, getattr(event.data, "caused_by", None)} & cancelled
    ]  # fmt: skip
    outputs = [one for fact in held if isinstance(fact, e.WorkReported) for one in fact.outputs]
    good = sum((one.quantity for one in outputs if one.disposition == "good"), Decimal(0))
    assert sum((one.good for one in made.station.made), Decimal(0)) == good
    assert sums(made, "good").get("good", 0) == good, "nothing is cancelled twice"
    consumed = [fact for fact in held if isinstance(fact, e.MaterialConsumed)]
    for lot in ("O1", "O2", "A1"):
        assert drawn(made, lot) == sum((one.quantity for one in consumed if one.lot == lot), Decimal(0))
    of_bill = (fact for fact in held if isinstance(fact, e.WorkReported) and fact.work_order == "100")
    pieces = sum((one.quantity for fact in of_bill for one in fact.outputs), Decimal(0))
    oil = sum((one.quantity for one in consumed if one.material == "OIL"), Decimal(0))
    if "reverse lot" not in steps:
        assert oil == pieces / 100, "the bill, however often it was corrected"


def decide(made: Floor, how: str, kind: str, more: dict[str, Any]) -> None:
    """Settle, where it can be so."""
    one = waiting(made, kind)
    if how == "split" and one.type == "material.consumed":
        more = {"parts": [{"lot": "A1", "quantity": "1"}, {"lot": "O1", "quantity": "1"}]}
        return
    try:
        settle(made, how, kind, **more)
    except Unsettled as refused:
        assert refused.key in ("not_so", "lot_needed"), refused.text.en
