"""What a label is, the order at hand says: goes in, comes out, or is refused by name."""

import copy
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from edge import settings
from edge.codes.automaton import Automaton
from edge.codes.rules import Rule
from edge.events import Fact, LotMounted, MaterialConsumed
from edge.readings import Scan
from edge.station.grammar import CoProduct, Grammar, Label, Lot, OutputLot
from edge.station.scans import labels
from edge.station.step import Step
from edge.station.work import Refused, Work
from tests.unit.station.floor import MASTER, Floor

STEEL, OIL, BRACKET, TWIN = "06901234567892", "06901234567908", "06901234567915", "06901234567922"


def master() -> dict[str, Any]:
    given: dict[str, Any] = copy.deepcopy(MASTER)
    given["materials"] = [
        {"material": "STEEL-4", "unit": "KGM", "gtin": "6901234567892", "supplier_parts": ["S-77", "BOTH"],
         "units": [{"unit": "C62", "numerator": "2", "denominator": "1"}]},
        {"material": "OIL", "unit": "LTR", "gtin": OIL, "supplier_parts": ["ACME/9", "BOTH"]},
        {"material": "BRACKET-7", "unit": "H87", "gtin": BRACKET},
        {"material": "OFFCUT", "unit": "KGM", "supplier_parts": ["OTHER/9"]},
        {"material": "BRASS", "unit": "KGM", "supplier_parts": ["9"]},
        {"material": "T1", "unit": "C62", "gtin": TWIN}, {"material": "T2", "unit": "C62", "gtin": TWIN},
    ]  # fmt: skip
    given["work_orders"][0]["outputs"] = [
        {"material": "BRACKET-7", "role": "main"}, {"material": "OFFCUT", "role": "by"},
    ]  # fmt: skip
    return given


def open_floor(given: object = None) -> Floor:
    floor = Floor(given or master())
    floor.scan("LSE1042", "LSW100")
    return floor


def desk(floor: Floor) -> Work:
    site, line, live = floor.site, floor.line, floor.lives["OP20"]
    return Work(site, "OP20", line, live, floor.master, floor.now, lambda wall_ms: str(wall_ms))


def meant(given: Label, floor: Floor | None = None) -> object:
    return labels.meant(desk(floor or open_floor()), given)


def refused(given: Label, floor: Floor | None = None) -> str:
    with pytest.raises(Refused) as found:
        meant(given, floor)
    assert "Nothing recorded" in found.value.text.en and "未记录" in found.value.text.zh
    return found.value.text.en


def message(*fields: str) -> str:
    return "[)>\x1e06\x1d" + "\x1d".join(fields) + "\x1e\x04"


def consumed(floor: Floor) -> list[Fact]:
    return floor.facts(MaterialConsumed)


@pytest.mark.parametrize(
    ("code", "quantity"),
    [
        (f"01{STEEL}10A1\x1d3103001250", "1.25"),
        (f"01{STEEL}3103001250" + "10A1", "1.25"),
        (f"01{STEEL}10A1\x1d305", "10"),  # five pieces of 2 kg
        (f"01{STEEL}10A1\x1d3103009900\x1d305", "9.9"),  # both: the material's own unit counts
        (f"02{STEEL}10A1\x1d375", "10"),
        (message("PSTEEL-4", "1TA1", "Q3.5"), "3.5"),
        (message("1PS-77", "VACME", "TA1", "Q3"), "3"),
    ],
)
def test_a_label_with_material_lot_and_quantity_is_consumed_by_one_scan(code: str, quantity: str) -> None:
    floor = open_floor()
    answer = floor.scan(code)
    assert answer.result == "recorded", answer.message
    (fact,) = consumed(floor)
    assert isinstance(fact, MaterialConsumed)
    assert (fact.material, fact.lot, fact.quantity, fact.unit) == ("STEEL-4", "A1", Decimal(quantity), "KGM")


def test_a_label_without_quantity_waits_for_it_and_keeps_its_serial() -> None:
    floor = open_floor()
    assert floor.scan(message("PSTEEL-4", "1TA1", "S77")).result == "pending"
    floor.scan("LSQ2")
    (fact,) = consumed(floor)
    assert isinstance(fact, MaterialConsumed)
    assert (fact.lot, fact.serial, fact.quantity) == ("A1", "77", Decimal(2))


def test_a_label_of_backflushed_material_mounts_its_lot() -> None:
    floor = open_floor()
    assert floor.scan(f"01{OIL}10O1").result == "recorded"
    (fact,) = floor.facts(LotMounted)
    assert isinstance(fact, LotMounted) and (fact.material, fact.lot) == ("OIL", "O1")


def test_a_named_material_settles_which_of_two_lots_is_meant() -> None:
    floor = open_floor()
    assert "several" in floor.scan("LSL TWIN").message.en or "exists for" in floor.scan("LSL TWIN").message.en
    assert floor.scan(message("PSTEEL-4B", "1TTWIN", "Q1")).result == "recorded"
    (fact,) = consumed(floor)
    assert isinstance(fact, MaterialConsumed) and fact.material == "STEEL-4B"


@pytest.mark.parametrize("known", [True, False])
def test_a_material_that_the_operation_does_not_use_is_refused_by_name(known: bool) -> None:
    given = master()
    if not known:
        del given["lots"]  # never received
    floor = open_floor(given)
    answer = floor.scan(message("PBRASS", "1TX1", "Q1"))
    assert answer.result == "refused"
    assert answer.message.en.startswith(
        "BRASS is not used by this operation. Nothing recorded. It needs STEEL-4"
    )
    assert consumed(floor) == []


def test_a_lot_of_another_material_than_the_label_says_is_unknown() -> None:
    answer = open_floor().scan(message("PSTEEL-4", "1TB1", "Q1"))
    assert (answer.result, "B1" in answer.message.en) == ("refused", True)


def test_without_the_erps_lots_the_label_says_the_material() -> None:
    given = master()
    del given["lots"]
    floor = open_floor(given)
    assert floor.scan(message("PSTEEL-4B", "1TZ9", "Q1")).result == "recorded"
    (fact,) = consumed(floor)
    assert isinstance(fact, MaterialConsumed)
    assert (fact.material, fact.lot, fact.bom_line) == ("STEEL-4B", "Z9", "10")


def test_what_names_the_product_is_its_lot_or_serial() -> None:
    assert meant(Label(gtin=BRACKET, lot="2611A")) == OutputLot("2611A")
    assert meant(Label(material="BRACKET-7", serial="7")) == OutputLot(None, "7")
    assert meant(Label(lot="2611A")) == OutputLot("2611A")
    assert "but no lot or serial" in refused(Label(gtin=BRACKET))


def test_what_names_a_by_product_is_one_with_or_without_its_lot() -> None:
    assert meant(Label(material="OFFCUT")) == CoProduct("OFFCUT")
    assert meant(Label(supplier_part="9", supplier="OTHER", lot="R1")) == CoProduct("OFFCUT", "R1")


def test_suppliers_share_part_numbers_and_the_label_says_whose() -> None:
    assert meant(Label(supplier_part="9", supplier="ACME", lot="O1")) == Lot("O1", "OIL")
    assert meant(Label(supplier_part="S-77", supplier="ACME", lot="A1")) == Lot("A1", "STEEL-4")
    assert "stands for OIL, STEEL-4" in refused(Label(supplier_part="BOTH", lot="A1"))


def test_the_own_code_counts_before_others_on_the_same_label() -> None:
    assert meant(Label(material="STEEL-4", gtin=OIL, lot="A1")) == Lot("A1", "STEEL-4")
    assert meant(Label(material="THEIRS", gtin=STEEL, lot="A1")) == Lot("A1", "STEEL-4")


def test_what_cannot_be_told_is_refused_with_what_to_do() -> None:
    assert "belongs to no material" in refused(Label(gtin="00000000000017", lot="A1"))
    assert "stands for T1, T2" in refused(Label(gtin=TWIN, lot="A1"))
    assert "names STEEL-4, but no lot" in refused(Label(gtin=STEEL))
    assert "Lot A1 alone may go in or come out" in refused(Label(lot="A1"))
    assert "BRASS is not used" in refused(Label(material="BRASS"))
    given = master()
    del given["materials"]
    assert "No materials were received" in refused(Label(gtin=STEEL, lot="A1"), open_floor(given))


def test_a_material_that_goes_in_and_comes_out_is_told_by_the_plain_codes() -> None:
    given = master()
    given["work_orders"][0]["bom"].append(
        {"line": "30", "operation": "0020", "material": "BRACKET-7", "quantity": "1", "unit": "H87"}
    )
    assert "LSL for what goes in, LSO" in refused(Label(gtin=BRACKET, lot="A1"), open_floor(given))


def test_what_a_label_is_to_an_order_that_was_never_delivered_cannot_be_told() -> None:
    floor = Floor(master())
    floor.site = replace(floor.site, checks=settings.Checks(unknown_order="provisional"))
    floor.scan("LSE1042", "LSW999 0020")
    answer = floor.scan(f"01{STEEL}10A1\x1d3103001250")
    assert (answer.result, "WO 999 was not delivered" in answer.message.en) == ("refused", True)
    assert floor.scan("LSL A1", "LSQ1").result == "recorded"


def test_several_quantities_without_the_own_unit_are_refused() -> None:
    floor = open_floor()
    answer = floor.scan(f"01{OIL}10O1\x1d3103001250\x1d305")
    assert (answer.result, "several quantities" in answer.message.en) == ("refused", True)


def test_one_piece_is_one_by_whichever_name_of_the_unit() -> None:
    given = master()
    given["work_orders"][0]["unit"] = "H87"
    floor = open_floor(given)
    assert floor.scan("LSCDONE", "LSQ5 C62", "LSCOK").result == "recorded"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("LSP STEEL-4", "STEEL-4 is no co-product or by-product of WO 100"),
        (message("1H1042", "Q5"), "means two things: quantity, badge"),
        ("\x1d0106901234567893", "Label damaged or misprinted"),
        ("[)>06PSTEEL", "A code without its separators"),
    ],
)
def test_what_a_station_cannot_do_is_refused_and_leaves_all_as_it_was(code: str, words: str) -> None:
    floor = open_floor()
    before = len(floor.events)
    answer = floor.scan(code)
    assert (answer.result, words in answer.message.en) == ("refused", True), answer.message
    assert "ot recorded" in answer.message.en or "Nothing recorded" in answer.message.en
    assert len(floor.events) == before


def test_a_label_says_nothing_without_an_operator_or_an_order() -> None:
    floor = Floor(master())
    assert "Nobody is signed on" in floor.scan(f"01{STEEL}10A1").message.en
    floor.scan("LSE1042")
    assert "No work order is open" in floor.scan(f"01{STEEL}10A1").message.en


def test_commands_work_in_every_form_and_an_ok_is_never_taken_for_a_repeat() -> None:
    floor = open_floor()
    floor.scan(message("ZDONE"), message("Q5"))
    assert floor.scan(message("ZOK")).result == "recorded"
    floor.scan("LSW100", message("ZDONE"), "LSQ5")
    answer = floor.scan(message("ZOK"))
    assert answer.result == "recorded"


def test_a_sites_rule_is_worked_off_like_any_other_code() -> None:
    floor = open_floor()
    own = Rule("box", Automaton(r"BOX/(?P<lot>\w+)/(?P<quantity>\d+)"), unit="KGM", decimals=1)
    floor.site = replace(floor.site, grammar=Grammar([own]))
    done: Step = floor.put(Scan("gun1", "BOX/A1/15", floor.now), "OP20")
    assert done.answer and done.answer.result == "recorded"
    (fact,) = consumed(floor)
    assert isinstance(fact, MaterialConsumed) and (fact.lot, fact.quantity) == ("A1", Decimal("1.5"))
