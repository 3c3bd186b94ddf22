"""Rework jobs: pieces set aside elsewhere come back good or as scrap, and none of them is made twice."""

import copy
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import events as e
from edge.faults import MasterDataInvalid
from edge.masterdata import parse
from edge.replay.totals import totals
from edge.station import aside
from tests.unit.station.floor import MASTER, Floor

REWORK_ORDER = {
    "work_order": "900", "product": "BRACKET-7", "quantity": "4", "unit": "C62", "use": "rework",
    "reworks": "100", "refs": {"FMoId": "99"},
    "operations": [{"operation": "0010", "work_center": "WC-GRIND", "labour_s": "30"}],
    "bom": [{"line": "10", "operation": "0010", "material": "STEEL-4", "quantity": "0.1", "unit": "KGM",
             "method": "backflushed"}],
}  # fmt: skip


def master() -> dict[str, Any]:
    """Order 100 with a grinding operation for its rework, and rework order 900."""
    given = copy.deepcopy(MASTER)
    given["work_orders"][0]["operations"].append(
        {"operation": "0025", "work_center": "WC-GRIND", "use": "rework", "reworks": "0020"}
    )
    given["work_orders"].append(copy.deepcopy(REWORK_ORDER))
    given["people"].append({"person": "2001", "badges": ["Q1"], "roles": ["quality"]})
    given["reasons"].append({"reason": "04", "kind": "concession", "text": {"en": "Burr"}})
    return given


def floor(rework: int = 4, rework_level: str = "block") -> Floor:
    """Ten strokes of order 100 at the press, of which so many are set aside; OP30 grinds."""
    counter = {"tag": "press1.cycles", "max_rate_per_min": 60, "counts": "all"}
    made = Floor(master(), counters={"good": counter})
    grinding = {"work_center": "WC-GRIND", "checks": {"rework": rework_level}}
    stations = dict(made.site.stations) | {"OP30": type(made.site.stations["OP30"]).model_validate(grinding)}
    made.site = msgspec.structs.replace(made.site, stations=stations)
    made.read(cycles=500, running=True, energy=1.0).scan("LSE1042", "LSW100")
    made.wait(60).read(cycles=510)
    for _ in range(rework):
        made.wait(3).scan("LSCREWORK04")
    return made


def grind(made: Floor, *scans: str) -> str:
    return made.scan(*scans, station="OP30", device="gun3").message.en


def figures(made: Floor, order: str | None = None) -> dict[str, Decimal]:
    kinds = ("good", "concession", "rework", "scrap")
    found: dict[str, Decimal] = {}
    for key, value in totals(made.events).items():
        if key.kind in kinds and (order is None or key.job.startswith(order)):
            found[key.kind] = found.get(key.kind, Decimal(0)) + value
    return {kind: value for kind, value in found.items() if value}


def waits(made: Floor) -> Decimal:
    return sum((one.quantity for one in made.line.aside), Decimal(0))


def test_a_rework_order_makes_no_new_piece_and_bears_the_time() -> None:
    made = floor()
    made.scan("LSCDONE", "LSCOK")
    assert figures(made) == {"good": 6, "rework": 4}
    assert "4 wait for rework" in grind(made, "LSE1043", "LSW900")
    made.wait(600)
    grind(made, "LSCDONE", "LSQ3", "LSCOK")
    (done,) = [fact for fact in made.facts(e.WorkCompleted) if fact.work_order == "900"]
    assert isinstance(done, e.WorkCompleted) and done.resources is not None
    assert not done.outputs and [one.quantity for one in done.reworked] == [3]
    assert isinstance(done.resources.labour, tuple) and done.resources.labour[0].s >= 600
    (moved,) = made.facts(e.OutputReclassified)
    assert isinstance(moved, e.OutputReclassified)
    assert (moved.work_order, moved.operation, moved.from_, moved.to) == ("100", "0020", "rework", "good")
    assert (moved.quantity, moved.refs, moved.from_station) == (3, {"FMoId": "77"}, "OP20")
    assert moved.reworked_by == e.Reworks(work_order="900", operation="0010")
    assert figures(made) == {"good": 9, "rework": 1} and not figures(made, "900")
    assert waits(made) == 1


def test_a_rework_operation_takes_the_pieces_of_its_order_while_that_is_still_running() -> None:
    made = floor()
    assert "4 wait for rework" in grind(made, "LSE1043", "LSW100 0025")
    grind(made, "LSCSCRAP04", "LSQ2")
    grind(made, "LSCPART", "LSQ1", "LSCOK")
    assert (made.job.rework, made.job.scrap, made.job.good) == (1, 2, 1)
    made.scan("LSCDONE", "LSCOK")
    (done,) = made.facts(e.WorkCompleted)
    assert isinstance(done, e.WorkCompleted) and done.total_quantity == 7
    assert figures(made) == {"good": 7, "scrap": 2, "rework": 1}, "ten strokes"


def test_its_material_is_of_use_rework_and_backflushed_for_what_was_reworked() -> None:
    made = floor()
    grind(made, "LSE1043", "LSW900", "LSCSCRAP04")
    grind(made, "LSCPART", "LSQ2", "LSCOK")
    consumed = [fact for fact in made.facts(e.MaterialConsumed) if fact.work_order == "900"]
    assert [(one.use, one.quantity) for one in consumed if isinstance(one, e.MaterialConsumed)] == [
        ("rework", Decimal("0.1")),
        ("rework", Decimal("0.2")),
    ]


def test_more_than_was_set_aside_is_refused() -> None:
    made = floor(rework=2)
    grind(made, "LSE1043", "LSW900")
    message = grind(made, "LSCDONE", "LSQ3")
    assert (
        message.startswith("3 more reworked pieces than before, and 2 wait") and "Nothing recorded" in message
    )
    assert "Nothing recorded" in grind(made, "LSCDONE", "LSQ2", "LSCSCRAP04", "LSQ3")
    grind(made, "LSCDONE", "LSQ1", "LSCOK")
    assert waits(made) == 0, "one scrap, one good"


def test_beyond_what_is_known_a_site_may_only_warn_and_the_fact_says_so() -> None:
    made = floor(rework=2, rework_level="warn")
    grind(made, "LSE1043", "LSW900", "LSCDONE", "LSQ3", "LSCOK")
    (done,) = made.facts(e.WorkCompleted)
    assert done.warnings == ("rework",)
    assert waits(made) == -1 and figures(made) == {"good": 3, "rework": -1}


def test_a_piece_under_rework_is_not_set_aside_anew() -> None:
    made = floor()
    assert "stay set aside" in grind(made, "LSE1043", "LSW900", "LSCREWORK04")
    assert waits(made) == 4


def test_undo_of_a_rework_report_puts_the_pieces_back_where_they_waited() -> None:
    made = floor()
    before = made.line.aside
    grind(made, "LSE1043", "LSW900", "LSCPART", "LSQ3", "LSCOK")
    assert (waits(made), made.job.good) == (1, 3)
    grind(made, "LSCUNDO", "LSCOK")
    assert made.line.aside == before and (made.job.rework, made.job.good) == (4, 0)
    assert figures(made) == {"rework": 4}
    made.scan("LSCDONE", "LSCOK")
    assert figures(made) == {"good": 6, "rework": 4}


def test_what_was_reworked_meanwhile_is_not_undone_where_it_was_set_aside() -> None:
    made = floor(rework=1)
    grind(made, "LSE1043", "LSW900", "LSCPART", "LSQ1", "LSCOK")
    assert "reworked meanwhile" in made.scan("LSCUNDO").message.en
    assert waits(made) == 0


def test_rework_that_turned_good_counts_for_the_operation_that_follows() -> None:
    made = floor()
    made.scan("LSCDONE", "LSCOK")
    assert [one.good for one in made.station.made] == [6]
    grind(made, "LSE1043", "LSW900", "LSCDONE", "LSQ3", "LSCOK")
    assert [one.good for one in made.station.made] == [9]


def test_of_a_rework_order_of_two_operations_the_last_turns_pieces_good() -> None:
    given = master()
    given["work_orders"][-1]["operations"].append({"operation": "0020", "work_center": "WC-GRIND"})
    made = floor()
    made.master = type(made.master)(parse(msgspec.json.encode(given)), "etag-2")
    grind(made, "LSE1043", "LSW900 0010", "LSCSCRAP04", "LSCDONE", "LSQ3", "LSCOK")
    assert (waits(made), figures(made)) == (3, {"rework": 3, "scrap": 1})
    grind(made, "LSW900 0020", "LSCDONE", "LSQ3", "LSCOK")
    assert (waits(made), figures(made)) == (0, {"good": 3, "scrap": 1})


def test_the_oldest_pieces_go_first_and_keep_their_lots() -> None:
    made = floor(rework=1)
    made.scan("LSO L2", "LSCOK", "LSCREWORK04")
    made.wait(3).scan("LSCREWORK04")
    assert [(one.lot, one.quantity) for one in made.line.aside] == [(None, 1), ("L2", 2)]
    grind(made, "LSE1043", "LSW900", "LSCDONE", "LSQ2", "LSCOK")
    moved = [(one.lot, one.quantity) for one in made.facts(e.OutputReclassified)]  # type: ignore[attr-defined]
    assert moved == [(None, 1), ("L2", 1)]


@pytest.mark.parametrize("reworks", [None, "900"])
def test_a_rework_order_names_another_order(reworks: str | None) -> None:
    with pytest.raises(MasterDataInvalid, match="`reworks` must name the work order"):
        parse(msgspec.json.encode({"work_orders": [REWORK_ORDER | {"reworks": reworks}]}))


def test_pieces_of_an_earlier_run_of_the_order_are_not_reworked_twice() -> None:
    made = floor(rework=1)
    made.scan("LSCDONE", "LSCOK", "LSW100", "LSCOK", "LSCREWORK04")
    assert waits(made) == 2
    grind(made, "LSE1043", "LSW900", "LSCDONE", "LSQ2", "LSCOK")
    assert waits(made) == 0
    assert "No piece of this order is in rework" in made.scan("LSCGOOD").message.en
    made.scan("LSCCONCESSION04", "LSEQ1")
    assert figures(made, "100") == {"good": 11}


SCANS = (
    "press LSCREWORK04", "press LSCREWORK04", "press LSCREWORK04,LSQ2", "press LSCUNDO,LSCOK",
    "press LSCGOOD,LSQ1,LSCOK",
    "press LSCPART,LSCOK", "press LSCDONE,LSCOK", "press LSW100,LSCOK", "press LSCCONCESSION04,LSQ1,LSEQ1",
    "grind LSW900", "grind LSW100 0025", "grind LSCSCRAP04", "grind LSCSCRAP04,LSQ2",
    "grind LSCPART,LSQ1,LSCOK",
    "grind LSCPART,LSQ3,LSCOK", "grind LSCDONE,LSQ2,LSCOK", "grind LSCUNDO,LSCOK", "grind LSCOK",
    "strokes", "restart",
)  # fmt: skip


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(SCANS), min_size=12, max_size=25))
def test_what_was_set_aside_turned_good_or_scrap_or_still_waits(moves: list[str]) -> None:
    made, raw = floor(rework=2), 510
    grind(made, "LSE1043")
    for move in moves:
        made.wait(3)
        where, _, scans = move.partition(" ")
        if move == "strokes":
            raw += 2
            made.wait(5).read(cycles=raw)
        elif move == "restart":
            made.restart()
        elif where == "press":
            made.scan(*scans.split(","))
        else:
            grind(made, *scans.split(","))
    cancelled = {fact.corrects for fact in made.facts(e.WorkCorrected) if isinstance(fact, e.WorkCorrected)}
    held = [
        event.data for event in made.events
        if not {event.id, getattr(event.data, "caused_by", None)} & cancelled
    ]  # fmt: skip
    put = sum((aside.set_aside(fact) for fact in held), Decimal(0))
    left = sum((one.quantity for one in held if isinstance(one, e.OutputReclassified)), Decimal(0))
    assert waits(made) == put - left >= 0
    assert waits(made) == figures(made).get("rework", 0)
    assert made.refolded() == made.line
    taken = sum(
        one.quantity for fact in held if isinstance(fact, e.WorkReported) for one in fact.reworked
    )  # fmt: skip
    assert taken == sum(
        one.quantity for one in held if isinstance(one, e.OutputReclassified) and one.reworked_by
    )
