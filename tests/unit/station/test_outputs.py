"""What comes out bears its lot and serial numbers, and co-products are reported by hand."""

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import events as e
from edge.settings import Station
from tests.unit.station.floor import MASTER, Floor


def master() -> dict[str, Any]:
    given = copy.deepcopy(MASTER)
    given["work_orders"][0]["outputs"] = [
        {"material": "BRACKET-7", "role": "main"},
        {"material": "OFFCUT", "role": "by"},
    ]
    given["materials"].append(
        {
            "material": "OFFCUT",
            "unit": "KGM",
            "units": [{"unit": "GRM", "numerator": "1", "denominator": "1000"}],
        }
    )
    return given


def running(**station: object) -> Floor:
    floor = Floor(master(), **station).read(cycles=500, running=True, energy=1.0)
    floor.scan("LSE1042", "LSW100")
    return floor


def outputs(floor: Floor) -> list[e.Output]:
    reports = floor.facts(e.WorkReported, e.WorkCompleted)
    return [one for report in reports if isinstance(report, e.WorkReported) for one in report.outputs]


def test_what_follows_the_scan_of_an_output_lot_bears_it() -> None:
    floor = running()
    assert "lot 2611A" in floor.scan("LSO 2611A").message.en
    floor.wait(10).read(cycles=505)
    floor.scan("LSCSCRAP04", "LSL A1", "LSQ2", "LSCDONE", "LSCOK")
    assert [(one.disposition, one.lot) for one in outputs(floor)] == [("scrap", "2611A"), ("good", "2611A")]
    (used,) = floor.facts(e.MaterialConsumed)
    assert isinstance(used, e.MaterialConsumed) and used.output_lot == "2611A"
    floor.scan("LSW200")
    floor.wait(10).read(cycles=507)
    floor.scan("LSCDONE", "LSCOK")
    assert outputs(floor)[-1].lot is None, "a lot is one job's"


def test_what_is_backflushed_bears_the_lot_of_what_it_went_into() -> None:
    given = master()
    given["work_orders"][0]["bom"].append(
        {"line": "90", "operation": "0020", "material": "OIL", "quantity": "0.01", "unit": "LTR",
         "method": "backflushed"}
    )  # fmt: skip
    floor = Floor(given).read(cycles=500, running=True, energy=1.0)
    floor.scan("LSE1042", "LSW100", "LSL O1", "LSO A")
    floor.wait(10).read(cycles=504)
    floor.scan("LSCDONE", "LSCOK")
    used = [one for one in floor.facts(e.MaterialConsumed) if isinstance(one, e.MaterialConsumed)]
    assert [(one.material, one.method, one.output_lot) for one in used] == [("OIL", "backflushed", "A")]


def test_pieces_of_the_lot_before_are_reported_before_the_lot_changes() -> None:
    floor = running()
    floor.scan("LSO A")
    floor.wait(10).read(cycles=504)
    answer = floor.scan("LSO B")
    assert answer.result == "pending" and "Good 4 = 0 + 4 new" in answer.message.en
    assert floor.job.output_lot == "A"
    floor.scan("LSCOK")
    floor.wait(10).read(cycles=506)
    floor.scan("LSCDONE", "LSCOK")
    assert [(one.lot, one.quantity) for one in outputs(floor)] == [("A", 4), ("B", 2)]


def test_a_change_of_lot_that_is_not_confirmed_leaves_the_lot() -> None:
    floor = running()
    floor.scan("LSO A")
    floor.wait(10).read(cycles=504)
    floor.scan("LSO B")
    floor.wait(61)
    assert floor.job.output_lot == "A" and not outputs(floor)


def test_the_lot_survives_a_restart_for_it_is_a_fact() -> None:
    floor = running()
    floor.scan("LSO A")
    assert floor.restart().job.output_lot == "A"


def test_the_same_lot_again_says_so_and_records_nothing() -> None:
    floor = running()
    floor.scan("LSO A")
    floor.wait(3)
    before = len(floor.events)
    assert "already" in floor.scan("LSO A").message.en and len(floor.events) == before


def test_serial_numbers_go_out_with_the_pieces_and_propose_them_where_nothing_counts() -> None:
    floor = Floor(master(), counters={}, signals={})
    floor.scan("LSE1042", "LSW100")
    floor.scan("[)>\x1e06\x1dPBRACKET-7\x1dSN1\x1e\x04", "[)>\x1e06\x1dPBRACKET-7\x1dSN2\x1e\x04")
    assert floor.job.serials == ("N1", "N2")
    answer = floor.scan("LSCDONE")
    assert "Good 2 = 0 + 2 new; 2 serial numbers" in answer.message.en
    floor.scan("LSCOK")
    (good,) = outputs(floor)
    assert (good.quantity, good.serials) == (2, ("N1", "N2"))
    floor.scan("LSCUNDO", "LSCOK")
    assert floor.job.serials == ("N1", "N2"), "what was undone waits for its report again"


def test_scrap_right_after_a_serial_number_is_that_piece() -> None:
    floor = Floor(master(), counters={}, signals={})
    floor.scan("LSE1042", "LSW100")
    for serial in ("N1", "N2"):
        floor.scan(f"[)>\x1e06\x1dPBRACKET-7\x1dS{serial}\x1e\x04")
    floor.scan("LSCSCRAP04")
    floor.wait(3).scan("LSCSCRAP05")
    floor.scan("LSCDONE", "LSCOK")
    assert [(one.disposition, one.serials) for one in outputs(floor)] == [
        ("scrap", ("N2",)), ("scrap", ()), ("good", ("N1",)),
    ]  # fmt: skip


def test_a_serial_number_that_waits_is_not_taken_twice() -> None:
    floor = running()
    label = "[)>\x1e06\x1dPBRACKET-7\x1dSN1\x1e\x04"
    floor.scan(label)
    floor.wait(3)
    assert "scanned already" in floor.scan(label).message.en
    assert floor.job.serials == ("N1",)


def test_the_stations_pattern_makes_the_lot_where_none_was_scanned() -> None:
    floor = running(output_lot="{production_date:%y%m%d}-{shift}-{station}")
    floor.wait(10).read(cycles=505)
    floor.scan("LSCPART", "LSCOK", "LSO X")
    floor.wait(10).read(cycles=507)
    floor.scan("LSCDONE", "LSCOK")
    assert [one.lot for one in outputs(floor)] == ["261122-day-OP20", "X"]


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("{date}", "knows no {date}"),
        ("{shift", "is no pattern"),
        ("{production_date:%Q%", "is no pattern"),
        ("{shift.__class__}", "knows no {shift.__class__}"),
        ("", "a lot has 1 to 40"),
        ("{station:50}", "a lot has 1 to 40"),
    ],
)
def test_a_pattern_that_makes_no_lot_is_refused_with_what_is_allowed(pattern: str, says: str) -> None:
    with pytest.raises(ValueError, match="output_lot") as caught:
        Station.model_validate({"work_center": "WC", "output_lot": pattern})
    assert says in str(caught.value)


def test_a_by_product_waits_for_its_quantity_and_is_reported_in_its_own_unit() -> None:
    floor = running()
    assert floor.scan("LSP OFFCUT").result == "pending"
    assert "OFFCUT in kg" in floor.view().next.en
    assert "OK does not answer" in floor.scan("LSCOK").message.en
    floor.scan("LSP OFFCUT", "LSQ250 GRM")
    (one,) = outputs(floor)
    assert (one.material, one.role, one.disposition, one.quantity, one.unit) == (
        "OFFCUT", "by", "good", Decimal("0.25"), "KGM",
    )  # fmt: skip
    assert floor.job.good == 0 and floor.job.side["OFFCUT"].good == Decimal("0.25")
    floor.scan("LSCUNDO", "LSCOK")
    assert floor.job.side["OFFCUT"].good == 0


def test_the_main_product_is_no_co_product() -> None:
    floor = running()
    answer = floor.scan("LSP BRACKET-7")
    assert answer.result == "refused" and "It has OFFCUT" in answer.message.en and not outputs(floor)


MOVES = st.one_of(
    st.sampled_from(
        ["LSO A", "LSO B", "LSCPART,LSCOK", "LSCOK", "LSCSCRAP04", "LSCUNDO,LSCOK", "LSP OFFCUT,LSQ2"]
    ),
    st.integers(1, 5),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MOVES, min_size=6, max_size=15))
def test_each_stroke_is_reported_once_whatever_lots_follow_each_other(moves: list[str | int]) -> None:
    floor, strokes = running(), 0
    floor.scan("LSO A")
    for move in moves:
        floor.wait(3)
        if isinstance(move, int):
            strokes += move
            floor.wait(5).read(cycles=500 + strokes)
        else:
            floor.scan(*move.split(","))
            if floor.station.job is None:
                floor.scan("LSW100")
    floor.wait(61).wait(61)
    floor.wait(3).scan("LSCDONE", "LSCOK")
    cancelled = {one.corrects for one in floor.facts(e.WorkCorrected) if isinstance(one, e.WorkCorrected)}
    held = [
        output
        for event in floor.events
        if isinstance(event.data, e.WorkReported) and event.id not in cancelled
        for output in event.data.outputs
        if output.role == "main"
    ]
    scrapped = sum((one.quantity for one in held if one.disposition == "scrap"), Decimal(0))
    if scrapped <= strokes and floor.station.job is None:
        assert sum((one.quantity for one in held), Decimal(0)) == strokes
    assert floor.refolded() == floor.line


def serial(floor: Floor, number: str) -> str:
    return floor.scan(f"[)>\x1e06\x1dPBRACKET-7\x1dS{number}\x1e\x04").message.en


def by_hand(level: str = "block") -> Floor:
    floor = Floor(counters={}, signals={}, checks={"missing_lot": "off", "serial": level})
    floor.scan("LSE1042", "LSW100")
    return floor


def test_a_serial_number_that_was_reported_is_refused_until_the_report_is_taken_back() -> None:
    floor = by_hand()
    serial(floor, "N1")
    floor.scan("LSCSCRAP04")
    serial(floor, "N2")
    floor.scan("LSCPART", "LSCOK")
    for number in ("N1", "N2"):
        assert serial(floor, number).startswith(f"Serial {number} was reported already, by WO 100. Nothing")
    floor.restart().scan("LSE1042")
    assert "reported already" in serial(floor, "N2")
    floor.scan("LSCUNDO", "LSCOK")
    assert "scanned already" in serial(floor, "N2"), "it waits for its report again"
    assert floor.job.serials == ("N2",) and len(floor.line.serials) == 1
    assert floor.refolded() == floor.line


def test_where_the_site_only_warns_the_second_one_is_recorded_and_says_so() -> None:
    floor = by_hand("warn")
    serial(floor, "N1")
    floor.scan("LSCPART", "LSCOK")
    assert "Warning, for review: Serial N1 was reported already" in serial(floor, "N1")
    facts = [one for one in floor.facts(e.OutputIdentified) if one.warnings]
    assert [one.warnings for one in facts] == [("serial",)]


def test_a_piece_set_aside_is_not_out_yet() -> None:
    floor = by_hand()
    serial(floor, "N1")
    floor.scan("LSCREWORK04")
    assert "1 wait for the report" in serial(floor, "N1")
