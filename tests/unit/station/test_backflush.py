"""What reports consume by the bill: quantities, lots, and what an undo brings back."""

import copy
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from edge import events as e
from edge import settings
from edge.events import Draft
from edge.station.evolve import FIXED, evolve
from edge.station.lots import once
from tests.unit.station.floor import MASTER, Floor

D = Decimal


def master(*lines: dict[str, Any], quantity: str = "10") -> dict[str, Any]:
    """Master data in which order 100 has these BOM lines."""
    given: dict[str, Any] = copy.deepcopy(MASTER)
    common = {"operation": "0020", "unit": "LTR", "method": "backflushed"}
    given["work_orders"][0] |= {"bom": [common | line for line in lines], "quantity": quantity}
    given["materials"] += [
        {"material": "OIL", "unit": "LTR", "units": [{"unit": "DZN", "numerator": "1", "denominator": "3"}]},
        {"material": "OIL-B", "unit": "LTR"},
        {"material": "OIL-G", "unit": "KGM"},
    ]
    given["lots"] += [
        {"material": "OIL", "lot": "O2", "quantity": "1"},
        {"material": "OIL", "lot": "O3"},
        {"material": "OIL-B", "lot": "P1", "quantity": "5"},
        {"material": "OIL-G", "lot": "G1", "quantity": "5"},
    ]
    given["reasons"].append({"reason": "07", "kind": "extra", "text": {"en": "Spilled"}})
    return given


OIL = {"line": "20", "material": "OIL", "quantity": "0.25"}


def floor(*lines: dict[str, Any], places: dict[str, int] | None = None, **given: Any) -> Floor:
    """An order running at a station without a counter."""
    found = Floor(master(*(lines or (OIL,)), **given), counters={}, signals={})
    found.site = _with_places(found, places or {})
    found.scan("LSE1042", "LSW100")
    return found


def _with_places(found: Floor, places: dict[str, int]) -> Any:
    return replace(found.site, consumption=settings.Consumption(decimals=places))


def report(found: Floor, total: int) -> None:
    assert found.scan("LSCPART", f"LSQ{total}", "LSCOK").result == "recorded"


def drawn(found: Floor) -> list[tuple[str | None, Decimal]]:
    """Lots and quantities that were backflushed, corrections left out."""
    return [(fact.lot, fact.quantity) for fact in consumed(found) if fact.method == "backflushed"]


def consumed(found: Floor) -> list[e.MaterialConsumed]:
    return [fact for fact in found.facts(e.MaterialConsumed) if isinstance(fact, e.MaterialConsumed)]


def test_a_report_consumes_what_the_bill_asks_and_names_the_report() -> None:
    here = floor()
    here.scan("LSL O1")
    report(here, 6)
    (fact,) = consumed(here)
    (said,) = (one for one in here.events if isinstance(one.data, e.WorkReported))
    assert (fact.material, fact.lot, fact.quantity, fact.unit) == ("OIL", "O1", D("1.5"), "LTR")
    assert (fact.bom_line, fact.method, fact.use, fact.origin) == (
        "20",
        "backflushed",
        "production",
        "backflush",
    )
    assert fact.caused_by == said.id and fact.actor is None and not fact.lot_missing
    assert isinstance(said.data, e.WorkReported)
    assert said.data.needs == (e.Need(bom_line="20", quantity=D("1.50"), unit="LTR"),)


def test_every_first_piece_counts_whatever_became_of_it() -> None:
    here = floor()
    here.scan("LSL O1", "LSCSCRAP04", "LSCREWORK04", "LSCPART", "LSQ4", "LSCOK")
    assert sum(quantity for _, quantity in drawn(here)) == D("1.5"), "1 scrap, 1 rework, 4 good"


def test_lots_are_used_in_the_order_in_which_they_were_mounted() -> None:
    here = floor()
    here.scan("LSL O2", "LSL O1")
    report(here, 3)
    report(here, 7)
    assert drawn(here) == [("O2", D("0.75")), ("O2", D("0.25")), ("O1", D("0.75"))]
    assert [(lot.lot, lot.quantity) for lot in here.station.mounted] == [("O2", D(0)), ("O1", D("19.25"))]
    report(here, 8)
    assert [lot.lot for lot in here.station.mounted] == ["O1"], "an empty one is forgotten by the next report"


def test_beyond_the_mounted_lots_the_lot_is_null_and_the_operator_hears_of_it() -> None:
    here = floor()
    here.scan("LSL O2")
    answer = here.scan("LSCPART", "LSQ10", "LSCOK")
    assert drawn(here) == [("O2", D(1)), (None, D("1.5"))]
    assert [fact.lot_missing for fact in consumed(here)] == [False, True]
    assert "1.5 l of OIL recorded without a lot" in answer.message.en


def test_a_material_without_lots_asks_nobody_for_one() -> None:
    here = floor()
    answer = here.scan("LSCPART", "LSQ10", "LSCOK")
    assert drawn(here) == [(None, D("2.5"))] and not consumed(here)[0].lot_missing
    assert "without a lot" not in answer.message.en


def test_a_line_that_needs_a_lot_misses_it_even_where_none_was_ever_mounted() -> None:
    here = floor(OIL | {"lot_required": True})
    report(here, 1)
    assert consumed(here)[0].lot_missing


def test_a_lot_of_unknown_quantity_counts_until_it_is_unmounted() -> None:
    here = floor()
    answer = here.scan("LSL O3")
    assert "until it is unmounted" in answer.message.en
    here.scan("LSL O1")
    report(here, 8)
    assert drawn(here) == [("O3", D(2))]
    here.scan("LSCUNMOUNT", "LSL O3")
    report(here, 10)
    assert drawn(here)[1:] == [("O1", D("0.5"))]


def test_many_small_reports_consume_what_one_large_one_would() -> None:
    here = floor(OIL | {"quantity": "0.4", "unit": "DZN"}, places={"LTR": 0}, quantity="40")
    here.scan("LSL O1")
    for total in range(1, 11):
        report(here, total)
    # 0.4 dozen a piece is 0.1333… l: 1.333 l for ten. Rounded each by itself it would be nothing.
    assert drawn(here) == [("O1", D(1))]


def test_a_report_that_asks_for_less_than_a_rounding_step_consumes_nothing_yet() -> None:
    here = floor(OIL | {"quantity": "0.3"}, places={"LTR": 0})
    report(here, 1)
    assert drawn(here) == []
    report(here, 2)
    assert drawn(here) == [(None, D(1))]  # 0.6


def test_a_fixed_quantity_is_consumed_once_per_order_with_its_first_report() -> None:
    here = floor(OIL | {"quantity": "2", "basis": "fixed"})
    here.scan("LSL O1")
    report(here, 1)
    report(here, 3)
    assert drawn(here) == [("O1", D(2))]


def test_a_fixed_quantity_is_not_consumed_again_at_another_station_or_start() -> None:
    here = floor(OIL | {"quantity": "2", "basis": "fixed"})
    report(here, 1)
    here.scan("LSCDONE", "LSQ2", "LSCOK", "LSW100", "LSCPART", "LSQ1", "LSCOK")
    here.scan("LSE1042", "LSW100", "LSCPART", "LSQ1", "LSCOK", station="OP30")
    assert drawn(here) == [(None, D(2))]


def test_a_fixed_quantity_is_not_consumed_again_however_many_orders_came_since_the_order_began() -> None:
    here = floor(OIL | {"quantity": "2", "basis": "fixed"})
    report(here, 1)
    (first,) = here.facts(e.WorkReported)
    before = here.line
    for number in range(FIXED + 1000):
        other = replace(first, station="OP30", work_order=f"W{number}")
        here.line = evolve(here.line, Draft(f"id{number}", 0, other))
    assert len(here.line.fixed) == FIXED + 1  # memory is bounded
    assert [*here.line.fixed][-1] == once(f"W{FIXED + 999}", "20")
    here.line = replace(before, fixed=here.line.fixed)
    report(here, 3)
    assert drawn(here) == [(None, D(2))]


def test_the_first_report_taken_back_makes_the_fixed_quantity_due_again() -> None:
    here = floor(OIL | {"quantity": "2", "basis": "fixed"})
    report(here, 1)
    here.scan("LSCUNDO", "LSCOK")
    report(here, 1)
    assert len(drawn(here)) == 2 and here.job.consumed == {"20": D(2)}


def test_a_report_taken_back_brings_its_material_back_to_the_lots() -> None:
    here = floor()
    here.scan("LSL O2", "LSL O1")
    before = here.station.mounted
    report(here, 6)
    assert [lot.quantity for lot in here.station.mounted] == [D(0), D("19.5")]
    here.scan("LSCUNDO", "LSCOK")
    assert here.station.mounted == before and not any(here.job.consumed.values()) and not here.job.required
    report(here, 6)
    assert drawn(here)[2:] == drawn(here)[:2]
    assert here.refolded() == here.line


def test_a_completion_taken_back_brings_its_material_back_too() -> None:
    here = floor()
    here.scan("LSL O1", "LSCDONE", "LSQ6", "LSCOK")
    assert here.station.mounted[0].quantity == D("18.5")
    here.scan("LSCUNDO", "LSCOK")
    assert here.station.mounted[0].quantity == D(20) and not any(here.job.consumed.values())
    assert here.refolded() == here.line


def test_a_lot_that_was_unmounted_is_not_mounted_by_an_undo() -> None:
    here = floor()
    here.scan("LSL O1")
    report(here, 6)
    here.scan("LSCUNMOUNT", "LSL O1", "LSCUNDO", "LSCOK")
    assert here.station.mounted == ()


def test_scrap_made_three_consumes_for_three() -> None:
    here = floor()
    here.scan("LSL O1", "LSCSCRAP04", "LSQ3")
    assert here.job.consumed == {"20": D("0.75")} and here.station.mounted[0].quantity == D("19.25")


def test_set_up_pieces_consume_for_set_up() -> None:
    here = floor()
    here.scan("LSCSETUP", "LSCSCRAP04")
    assert consumed(here)[0].use == "setup"


def test_scanned_lines_are_never_backflushed() -> None:
    here = floor(OIL | {"method": "scanned"})
    report(here, 6)
    (said,) = here.facts(e.WorkReported)
    assert consumed(here) == [] and isinstance(said, e.WorkReported) and said.needs == ()


def test_what_the_erp_backflushes_itself_is_evidence_and_misses_no_lot() -> None:
    here = floor(OIL | {"posted_by": "erp", "lot_required": True})
    here.scan("LSL O2")
    report(here, 8)
    assert [(fact.posted_by, fact.lot, fact.lot_missing) for fact in consumed(here)] == [
        ("erp", "O2", False),
        ("erp", None, False),
    ]


def test_a_line_of_no_operation_is_the_first_operations() -> None:
    given = master(OIL | {"operation": None})
    given["work_orders"][0]["operations"] = [
        {"operation": "0010", "work_center": "WC-X"},
        {"operation": "0020", "work_center": "WC-PRESS-1"},
    ]
    here = Floor(given, counters={}, signals={})
    here.scan("LSE1042", "LSW100", "LSCPART", "LSQ6", "LSCOK")
    assert consumed(here) == []
    given["work_orders"][0]["operations"].reverse()
    here = Floor(given, counters={}, signals={})
    here.scan("LSE1042", "LSW100", "LSCPART", "LSQ6", "LSCOK")
    assert drawn(here) == [(None, D("1.5"))]


def test_a_scanned_line_of_no_operation_may_be_scanned_at_each() -> None:
    given = master({"line": "10", "operation": None, "material": "STEEL-4", "quantity": "1", "unit": "KGM",
                    "method": "scanned"})  # fmt: skip
    given["work_orders"][0]["operations"].insert(0, {"operation": "0010", "work_center": "WC-X"})
    here = Floor(given, counters={}, signals={})
    assert here.scan("LSE1042", "LSW100", "LSL A1", "LSQ2").result == "recorded"


def test_a_substitute_stands_in_under_its_own_name() -> None:
    here = floor(OIL | {"substitutes": ["OIL-B", "OIL-G"]})
    here.scan("LSL P1")
    report(here, 6)
    (fact,) = consumed(here)
    assert (fact.material, fact.lot, fact.bom_line) == ("OIL-B", "P1", "20")
    assert "cannot stand in" in here.scan("LSL G1").message.en


def test_a_bill_that_changes_leaves_what_was_consumed() -> None:
    here = floor()
    report(here, 4)
    changed = floor(OIL | {"quantity": "1"})
    here.master = changed.master
    report(here, 6)
    assert drawn(here) == [(None, D(1)), (None, D(2))]


def test_pieces_reported_before_the_order_came_are_backflushed_with_the_next_report() -> None:
    here = Floor({"work_orders": []}, counters={}, signals={})
    here.site = replace(here.site, checks=settings.Checks(unknown_order="provisional"))
    here.scan("LSE1042", "LSW100 0020", "LSCPART", "LSQ4", "LSCOK")
    assert consumed(here) == [] and here.job.unbilled == 4
    here.master = floor().master
    report(here, 6)
    assert drawn(here) == [(None, D("1.5"))] and here.job.unbilled == 0
    here.scan("LSCUNDO", "LSCOK")
    assert here.job.unbilled == 4
    report(here, 7)
    assert drawn(here)[1:] == [(None, D("1.75"))]


def test_a_report_whose_order_the_erp_took_away_says_that_the_bill_is_unknown() -> None:
    here = floor()
    full = here.master
    here.master = Floor({"work_orders": []}).master
    report(here, 4)
    (said,) = here.facts(e.WorkReported)
    assert isinstance(said, e.WorkReported) and said.bill_unknown and consumed(here) == []
    here.master = full
    report(here, 6)
    assert drawn(here) == [(None, D("1.5"))]


def test_extra_issues_leave_the_bill_as_it_is() -> None:
    here = floor()
    here.scan("LSL O1", "LSCEXTRA07", "LSL O1", "LSQ2")
    report(here, 6)
    extra, standard = consumed(here)
    assert (extra.use, extra.reason, extra.method, extra.quantity) == ("extra", "07", "scanned", D(2))
    assert standard.quantity == D("1.5")
    assert here.station.mounted[0].quantity == D("16.5")


def test_a_lot_named_afterwards_is_no_second_consumption_and_its_report_no_more_undone_here() -> None:
    here = floor(OIL | {"lot_required": True})
    given = master(OIL | {"lot_required": True})
    given["people"].append({"person": "2001", "roles": ["shift_leader"]})
    here.master = Floor(given).master
    report(here, 4)
    (waits,) = here.waiting
    assert waits.kind == "lot" and waits.quantity == 1
    here.settle(
        how="split",
        settles=[waits.id],
        person="2001",
        parts=[{"lot": "O1", "quantity": "0.4"}, {"lot": "O2", "quantity": "0.6"}],
    )
    assert [fact.lot for fact in consumed(here)] == [None, "O1", "O2"]
    assert here.job.consumed == {"20": D(1)} and here.refolded() == here.line
    assert "nothing of yours" in here.scan("LSCUNDO").message.en
    report(here, 8)
    assert consumed(here)[-1].quantity == D(1)


def test_a_material_without_lots_waits_for_nobody() -> None:
    here = floor()
    report(here, 4)
    assert here.waiting == []
