"""Lots that are unmounted, brought back, issued in addition, or picked as a kit."""

from decimal import Decimal

from edge import events as e
from tests.unit.station.floor import Floor
from tests.unit.station.test_backflush import OIL, consumed, floor, master, report

D = Decimal
STEEL = {"line": "10", "material": "STEEL-4", "quantity": "0.5", "unit": "KGM", "method": "scanned"}


def kit(**steel: object) -> Floor:
    """A kit K1 of steel and oil for the running order, which also needs brass."""
    given = master(STEEL, OIL, {"line": "30", "material": "BRASS", "quantity": "1", "unit": "KGM"})
    given["lots"] += [
        {"material": "STEEL-4", "lot": "K1", "quantity": "6"} | steel,
        {"material": "OIL", "lot": "K1", "quantity": "3"},
        {"material": "COPPER", "lot": "K1", "quantity": "3"},
    ]
    here = Floor(given, counters={}, signals={})
    here.scan("LSE1042", "LSW100")
    return here


def test_a_lot_that_is_unmounted_leaves_with_what_is_left_of_it() -> None:
    here = floor()
    here.scan("LSL O1")
    report(here, 6)
    answer = here.scan("LSCUNMOUNT", "LSL O1")
    (fact,) = here.facts(e.LotUnmounted)
    assert isinstance(fact, e.LotUnmounted) and (fact.lot, fact.quantity, fact.unit) == (
        "O1",
        D("18.5"),
        "LTR",
    )
    assert here.station.mounted == () and "18.5 l left" in answer.message.en
    assert here.refolded() == here.line


def test_only_what_is_mounted_can_be_unmounted() -> None:
    here = floor()
    assert "No lot is mounted here" in here.scan("LSCUNMOUNT").message.en
    here.scan("LSL O1")
    answer = here.scan("LSCUNMOUNT", "LSL O2")
    assert answer.result == "refused" and "Mounted: O1" in answer.message.en
    assert here.scan("LSL O1").result == "recorded", "the command still waits for the right lot"


def test_a_lot_mounted_twice_is_told_and_a_label_with_a_quantity_says_what_there_is() -> None:
    here = floor()
    here.scan("LSL O1", "LSL O2")
    assert "mounted already" in here.scan("LSL O1").message.en
    assert [lot.lot for lot in here.station.mounted] == ["O1", "O2"]


def test_a_lot_used_up_may_be_mounted_again() -> None:
    here = floor()
    here.scan("LSL O2")
    report(here, 4)
    assert here.scan("LSL O2").result == "recorded"
    assert [lot.quantity for lot in here.station.mounted] == [D(1)]


def test_a_return_is_a_negative_consumption_of_the_same_line() -> None:
    here = floor(STEEL)
    here.scan("LSL A1", "LSQ5")
    answer = here.scan("LSCRETURN", "LSL A1", "LSQ1D5")
    back = consumed(here)[1]
    assert (back.quantity, back.use, back.method, back.bom_line) == (D("-1.5"), "return", "scanned", "10")
    assert back.entered == e.Entered(quantity=D("-1.5"), unit="KGM")
    assert "1.5 kg returned" in answer.message.en and here.job.consumed == {"10": D("3.5")}


def test_no_more_comes_back_than_was_taken() -> None:
    here = floor(STEEL)
    here.scan("LSL A1", "LSQ5", "LSCRETURN", "LSL A1", "LSQ4")
    answer = here.scan("LSCRETURN", "LSL A1", "LSQ1D1")
    assert answer.result == "refused" and "more than the 1 kg taken" in answer.message.en
    assert here.scan("LSQ1").result == "recorded", "the lot still waits for its quantity"
    assert "took nothing of lot A1" in here.scan("LSCRETURN", "LSL A1").message.en


def test_a_return_in_pounds_is_judged_in_the_materials_own_unit() -> None:
    here = floor(STEEL)
    here.scan("LSL A1", "LSQ1", "LSCRETURN", "LSL A1")
    assert here.scan("LSQ3 LBR").result == "refused"
    assert here.scan("LSQ2 LBR").result == "recorded"
    assert consumed(here)[1].quantity == D("-0.907185")


def test_what_reports_consume_goes_back_by_unmounting() -> None:
    here = floor()
    here.scan("LSL O1")
    report(here, 2)
    assert "Scan UNMOUNT" in here.scan("LSCRETURN", "LSL O1").message.en


def test_a_return_taken_back_is_consumed_again() -> None:
    here = floor(STEEL)
    here.scan("LSL A1", "LSQ5", "LSCRETURN", "LSL A1", "LSQ2", "LSCUNDO", "LSCOK")
    assert here.job.consumed == {"10": D(5)} and here.refolded() == here.line


def test_an_extra_issue_comes_back_as_it_was_posted() -> None:
    """What the ERP backflushes it knows of; what was issued beyond it was posted from here."""
    here = floor(STEEL | {"posted_by": "erp"})
    here.scan("LSL A1", "LSQ2", "LSCEXTRA07", "LSL A1", "LSQ1")
    answer = here.scan("LSCRETURN", "LSL A1", "LSQ1D5")
    back = consumed(here)[2:]
    assert [(one.posted_by, one.quantity) for one in back] == [("edge", D(-1)), ("erp", D("-0.5"))]
    assert "1.5 kg returned" in answer.message.en and here.job.consumed == {"10": D("1.5")}
    assert "more than the 1.5 kg taken" in here.scan("LSCRETURN", "LSL A1", "LSQ1D6").message.en
    assert here.refolded() == here.line


def test_a_return_that_was_posted_in_two_is_undone_whole() -> None:
    here = floor(STEEL | {"posted_by": "erp"})
    here.scan("LSL A1", "LSQ2", "LSCEXTRA07", "LSL A1", "LSQ1", "LSCRETURN", "LSL A1", "LSQ1D5")
    assert "lot A1, -1.5 kg" in here.scan("LSCUNDO").message.en
    here.scan("LSCOK")
    assert here.job.consumed == {"10": D(3)} and here.refolded() == here.line


def test_an_extra_issue_needs_a_reason_that_the_erp_knows() -> None:
    here = floor(STEEL)
    assert "Reason 99 is unknown" in here.scan("LSCEXTRA99").message.en
    assert here.scan("LSCEXTRA07").result == "pending"
    here.scan("LSL A1", "LSQ2")
    assert (consumed(here)[0].use, consumed(here)[0].reason) == ("extra", "07")


def test_an_extra_issue_is_posted_from_here_even_where_the_erp_backflushes() -> None:
    here = floor(OIL | {"posted_by": "erp"})
    here.scan("LSCEXTRA07", "LSL O1", "LSQ2")
    assert consumed(here)[0].posted_by == "edge"


def test_another_scan_ends_what_a_command_waited_for() -> None:
    here = floor(STEEL)
    answer = here.scan("LSCEXTRA07", "LSCPAUSE21")
    assert "the extra issue was not recorded" in answer.message.en
    assert here.lives["OP20"].pending is None


def test_one_scan_takes_a_kit() -> None:
    here = kit()
    answer = here.scan("LSK K1")
    (steel,) = consumed(here)
    assert (steel.material, steel.lot, steel.quantity, steel.bom_line) == ("STEEL-4", "K1", D(6), "10")
    assert [(lot.material, lot.lot, lot.quantity) for lot in here.station.mounted] == [("OIL", "K1", D(3))]
    assert answer.message.en == "Kit K1: STEEL-4 recorded; OIL mounted; not in it: BRASS"


def test_a_kit_is_taken_once() -> None:
    here = kit()
    here.scan("LSK K1")
    assert "recorded already" in here.scan("LSCPAUSE21", "LSCGO", "LSK K1").message.en
    assert len(consumed(here)) == 1


def test_a_kit_taken_back_may_be_taken_again_though_part_of_it_is_still_mounted() -> None:
    here = kit()
    here.scan("LSK K1", "LSCUNDO", "LSCOK")
    assert here.scan("LSK K1").result == "recorded"
    assert here.job.consumed == {"10": D(6)} and len(here.station.mounted) == 1


def test_a_kit_of_which_one_lot_may_not_be_used_is_refused_whole() -> None:
    here = kit(status="blocked")
    assert here.scan("LSK K1").result == "refused"
    assert consumed(here) == [] and here.station.mounted == ()
    assert "how much STEEL-4" in kit(quantity=None).scan("LSK K1").message.en
    assert "unknown" in here.scan("LSK NONE").message.en


def test_a_kit_taken_back_brings_back_all_that_was_consumed() -> None:
    given = master(STEEL, STEEL | {"line": "15", "material": "BRASS"})
    given["lots"] += [
        {"material": "STEEL-4", "lot": "K1", "quantity": "6"},
        {"material": "BRASS", "lot": "K1", "quantity": "3"},
    ]
    here = Floor(given, counters={}, signals={})
    here.scan("LSE1042", "LSW100", "LSK K1")
    first, second = (event for event in here.events if isinstance(event.data, e.MaterialConsumed))
    assert isinstance(second.data, e.MaterialConsumed) and second.data.caused_by == first.id
    assert "kit K1: 2 materials" in here.scan("LSCUNDO").message.en
    here.scan("LSCOK")
    assert not any(here.job.consumed.values()) and here.refolded() == here.line
    assert here.scan("LSK K1").result == "recorded"
