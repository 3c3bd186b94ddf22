"""Correcting what is not the last fact and does not wait: whatever it was, once, and the fold knows of it."""

from decimal import Decimal
from typing import Any

import pytest

from edge import events as e
from edge.station.review.originals import Traced, after, concerns
from edge.station.review.words import Unsettled
from tests.unit.station.floor import Floor
from tests.unit.station.test_corrections import drawn, floor, make_up, strokes, sums, waiting

D = Decimal


def traced(made: Floor, id_: str) -> Traced:
    found = Traced(id=id_)
    for event, body in zip(made.events, made.bodies, strict=True):
        if concerns(body, id_):
            found = after(found, event)
    return found


def correct(made: Floor, id_: str, **more: Any) -> None:
    asked = {"how": "correct", "corrects": id_, "person": "2001", "note": "counted again"} | more
    made.settle(traced=traced(made, id_), **asked)
    assert made.refolded() == made.line


def refused(made: Floor, id_: str, **more: Any) -> str:
    before = len(made.events), made.line
    with pytest.raises(Unsettled) as found:
        correct(made, id_, **more)
    assert (len(made.events), made.line) == before
    assert found.value.text.en.count("Nothing recorded") == 1 and "未记录" in found.value.text.zh
    return found.value.key


def ids(made: Floor, kind: type[e.Fact]) -> list[str]:
    return [event.id for event in made.events if type(event.data) is kind]


def two_reports() -> Floor:
    """18 and 1 by the counter, in two reports; 0.01 l of oil a piece from lot O1."""
    made = floor(18, checks={"missing_lot": "off"})
    made.scan("LSL O1", "LSCPART", "LSCOK")
    strokes(made, 1).scan("LSCPART", "LSCOK")
    assert not made.waiting
    return made


def test_an_older_report_is_restated_with_its_material_and_keeps_its_time() -> None:
    made = two_reports()
    first, _ = ids(made, e.WorkReported)
    labour = sums(made, "labour_s")
    correct(made, first, parts=[{"quantity": "10"}])
    assert sums(made, "good", "backflushed") == {"good": 11, "backflushed": D("0.11")}
    assert (sums(made, "labour_s"), drawn(made, "O1"), made.job.good) == (labour, D("0.11"), 11)
    assert not made.waiting, "what is decided waits no more"
    strokes(made, 1)
    assert made.scan("LSCPART").message.en == "Good 12 = 11 + 1 new"


def test_an_older_report_that_did_not_occur_is_taken_back_with_all_that_it_caused() -> None:
    made = two_reports()
    first, _ = ids(made, e.WorkReported)
    correct(made, first, reverse=True)
    assert sums(made, "good", "backflushed") == {"good": 1, "backflushed": D("0.01")}
    assert made.scan("LSCPART").message.en == "Good 19 = 1 + 18 new", "the counter proposes them again"


def test_a_fact_is_corrected_once_and_then_what_replaced_it() -> None:
    made = two_reports()
    first, _ = ids(made, e.WorkReported)
    correct(made, first, parts=[{"quantity": "10"}])
    assert refused(made, first, reverse=True) == "corrected_before"
    (*_, again) = ids(made, e.WorkReported)
    correct(
        made, again, parts=[{"quantity": "12"}, {"quantity": "3", "disposition": "scrap", "reason": "04"}]
    )
    assert sums(made, "good", "scrap", "backflushed") == {"good": 13, "scrap": 3, "backflushed": D("0.16")}


def test_what_an_operator_undid_is_not_corrected_too() -> None:
    made = two_reports()
    (_, last) = ids(made, e.WorkReported)
    made.scan("LSCUNDO", "LSCOK")
    assert refused(made, last, reverse=True) == "corrected_before"


def test_what_was_corrected_is_not_undone_at_the_station() -> None:
    made = two_reports()
    (_, last) = ids(made, e.WorkReported)
    correct(made, last, reverse=True)
    assert "nothing of yours" in made.scan("LSCUNDO").message.en


def test_a_wrong_make_up_entry_is_corrected_and_its_time_was_nobodys() -> None:
    made = floor(10, checks={"missing_lot": "off"})
    made.wait(600)
    make_up(made, outputs=[{"quantity": "8"}], labour=[{"operator": "1042", "s": "300"}])
    (entered,) = ids(made, e.WorkReported)
    correct(made, entered, parts=[{"quantity": "5"}])
    assert made.scan("LSCPART").message.en == "Good 15 = 5 + 10 new"
    (*_, restated) = ids(made, e.WorkReported)
    correct(made, restated, reverse=True)
    made.wait(3)
    assert made.scan("LSCPART").message.en == "Good 10 = 0 + 10 new"
    assert sums(made, "good", "labour_s") == {}


def test_time_of_a_made_up_entry_that_did_not_occur_is_nobodys() -> None:
    made = floor(10)
    made.wait(600)
    make_up(made, labour=[{"operator": "1042", "s": "300"}])
    correct(made, *ids(made, e.WorkReported), reverse=True)
    assert sums(made, "labour_s") == {} and not made.facts(e.TimeUnassigned)


def test_a_consumption_was_of_another_lot_or_quantity() -> None:
    made = floor(0)
    made.scan("LSL A1", "LSQ2", "LSL O1", "LSCSCRAP04")
    (steel, _) = ids(made, e.MaterialConsumed)
    correct(made, steel, parts=[{"lot": "TWIN"}])
    (*_, again) = ids(made, e.MaterialConsumed)
    correct(made, again, parts=[{"quantity": "1.5"}])
    used = [(one.lot, one.quantity) for one in made.job.used if one.material == "STEEL-4"]
    assert used == [("TWIN", D("1.5"))] and sums(made, "scanned") == {"scanned": D("1.5")}


def test_a_return_stays_one() -> None:
    made = floor(0)
    made.scan("LSL A1", "LSQ2", "LSCRETURN", "LSL A1", "LSQ1")
    (_, back) = ids(made, e.MaterialConsumed)
    correct(made, back, parts=[{"quantity": "0.5"}])
    assert sums(made, "scanned") == {"scanned": D("1.5")}


def test_a_completion_that_waits_no_more_opens_its_job_again() -> None:
    made = floor(20, checks={"missing_lot": "off"})
    made.scan("LSL O1", "LSCDONE", "LSCOK")
    correct(made, *ids(made, e.WorkCompleted), reverse=True)
    assert sums(made, "good") == {}
    made.scan("LSW100")
    assert made.scan("LSCDONE").message.en.startswith("Good 20 = 0 + 20 new")


def test_a_report_of_an_earlier_run_leaves_the_present_one_alone() -> None:
    made = two_reports()
    made.scan("LSCDONE", "LSCOK", "LSW100", "LSCOK")
    strokes(made, 4).scan("LSCPART", "LSCOK")
    first = ids(made, e.WorkReported)[0]
    correct(made, first, parts=[{"quantity": "10"}])
    assert made.job.good == 4 and sums(made, "good") == {"good": 15}


def test_a_waiting_report_is_corrected_as_the_entry_it_is() -> None:
    made = floor(20, checks={"missing_lot": "off", "output": "warn"})
    made.scan("LSL O1", "LSCPART", "LSCOK")
    one = waiting(made, "check")
    correct(made, one.id, parts=[{"quantity": "18"}])
    assert not made.waiting and not made.facts(e.ReviewOpened) and sums(made, "good") == {"good": 18}


def test_what_cannot_be_corrected_is_refused_with_its_reason() -> None:
    made = two_reports()
    first, _ = ids(made, e.WorkReported)
    oil = ids(made, e.MaterialConsumed)[0]
    assert refused(made, "01a205b8-0000-7000-8000-000000000000", reverse=True) == "fact_unknown"
    assert refused(made, ids(made, e.OperatorSignedOn)[0], reverse=True) == "not_cost"
    assert refused(made, first) == "figures_or_reverse"
    assert refused(made, first, reverse=True, parts=[{"quantity": "1"}]) == "figures_or_reverse"
    assert refused(made, first, reverse=True, note=None) == "note_missing"
    assert refused(made, first, reverse=True, note="   ") == "note_missing"
    assert refused(made, first, reverse=True, person="1042") == "not_allowed"
    assert refused(made, first, parts=[{"quantity": "1", "work_order": "200"}]) == "own_order"
    assert refused(made, oil, parts=[{"quantity": "0"}]) == "quantity_above_nought"
    correct(made, oil, parts=[{"quantity": "0.2"}])
    assert refused(made, first, reverse=True) == "corrected_apart"


def test_a_completion_whose_remainder_somebody_settled_is_not_taken_back() -> None:
    """Its job would propose these pieces once more."""
    made = floor(20, checks={"missing_lot": "off"})
    made.scan("LSL O1", "LSCDONE", "LSQ19", "LSCOK")
    made.settle(how="accept", settles=[waiting(made, "count").id], person="2001")
    (done,) = ids(made, e.WorkCompleted)
    assert refused(made, done, reverse=True) == "rest_settled"
    correct(made, done, parts=[{"quantity": "18"}])
    assert sums(made, "good") == {"good": 18}
