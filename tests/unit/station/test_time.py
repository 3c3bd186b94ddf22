"""People's time: shared over the jobs they work on, exactly, and never lost."""

from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from edge import events as e
from edge.masterdata import MasterData, parse
from edge.station.hours import parts
from tests.unit.station.floor import MASTER, Floor


def labour(fact: e.Fact) -> list[tuple[str, str, Decimal]]:
    assert isinstance(fact, e.WorkReported) and fact.resources is not None
    assert isinstance(fact.resources.labour, tuple)
    return [(one.operator, one.phase, one.s) for one in fact.resources.labour]


def test_each_of_a_crew_has_their_own_time() -> None:
    floor = Floor(counters={}, signals={})
    floor.scan("LSE1042", "LSW100")
    floor.wait(9).scan("LSE1043")
    floor.wait(20)
    floor.scan("LSCDONE", "LSQ10", "LSCOK")
    (done,) = floor.facts(e.WorkCompleted)
    assert labour(done) == [("1042", "run", Decimal("33.000")), ("1043", "run", Decimal("23.000"))]


def test_one_person_at_two_stations_is_shared_over_both_and_the_sum_is_exact() -> None:
    floor = Floor(counters={}, signals={})
    floor.scan("LSE1042", "LSW100")  # t = 2 s
    floor.scan("LSE1042", "LSW200", station="OP30", device="gun2")  # order at t = 4 s
    floor.wait(10.001)
    floor.scan("LSCDONE", "LSQ10", "LSCOK")  # t = 17.001 s
    floor.scan("LSCDONE", "LSQ5", "LSCOK", station="OP30", device="gun2")  # t = 20.001 s
    first, second = floor.facts(e.WorkCompleted)
    # 2 s alone at OP20; 13.001 s shared, the odd millisecond to the first; then 3 s alone at OP30.
    assert labour(first) == [("1042", "run", Decimal("8.501"))]
    assert labour(second) == [("1042", "run", Decimal("9.500"))]
    assert Decimal("8.501") + Decimal("9.500") == Decimal("20.001") - 2


def test_a_pause_stops_labour_unless_its_reason_lets_it_go_on() -> None:
    master = {name: rows for name, rows in MASTER.items() if name != "reasons"}
    for reason, expected in (("21", "3.000"), ("22", "63.000")):
        floor = Floor(master=master, counters={}, signals={})
        floor.scan("LSE1042", "LSW100", f"LSCPAUSE{reason}")
        floor.wait(59)
        floor.scan("LSCGO", "LSCPART", "LSQ1", "LSCOK")
        (report,) = floor.facts(e.WorkReported)
        assert labour(report) == [("1042", "run", Decimal(expected) + 1)]


def test_time_in_set_up_is_labour_of_the_set_up_phase() -> None:
    floor = Floor(counters={}, signals={})
    floor.scan("LSE1042", "LSW100", "LSCSETUP")
    floor.wait(9)
    floor.scan("LSCGO", "LSCPART", "LSQ1", "LSCOK")
    (report,) = floor.facts(e.WorkReported)
    assert labour(report) == [("1042", "run", Decimal("4.000")), ("1042", "setup", Decimal("10.000"))]


def test_an_undone_start_leaves_its_time_unassigned() -> None:
    floor = Floor(counters={})
    floor.scan("LSE1042", "LSW100")
    floor.wait(8)
    floor.scan("LSCUNDO", "LSCOK")
    (unassigned,) = floor.facts(e.TimeUnassigned)
    assert isinstance(unassigned, e.TimeUnassigned)
    assert (unassigned.operator, unassigned.category, unassigned.s) == ("1042", "undone", Decimal("10.000"))
    assert floor.station.jobs == ()


def test_a_start_on_which_pieces_were_counted_cannot_be_undone() -> None:
    floor = Floor()
    floor.read(cycles=1)
    floor.scan("LSE1042", "LSW100")
    floor.wait(5).read(cycles=4)
    floor.scan("LSCPART")
    assert "already counted" in floor.scan("LSCUNDO").message.en


def test_a_clock_that_was_set_does_not_change_a_duration() -> None:
    floor = Floor(counters={}, signals={})
    floor.scan("LSE1042", "LSW100")
    floor.wait(10)
    now = floor.now
    floor.now = now.__class__(now.wall_ms - 3_600_000, now.monotonic_ms, now.boot_id)
    floor.scan("LSCDONE", "LSQ10", "LSCOK")
    (done,) = floor.facts(e.WorkCompleted)
    assert labour(done) == [("1042", "run", Decimal("13.000"))]


# Shared by standard hours


def standard(labour_a: str | None = "2", labour_b: str | None = "6") -> dict[str, object]:
    """Orders 100 at OP20 and 200 at OP30 with standard labour per unit."""
    orders = [
        {
            "work_order": number, "product": product, "quantity": "50", "unit": "C62",
            "operations": [{"operation": "0020", "work_center": "WC-PRESS-1", "labour_s": s}],
        }
        for number, product, s in (("100", "BRACKET-7", labour_a), ("200", "COVER-2", labour_b))
    ]  # fmt: skip
    return MASTER | {"work_orders": orders}


def two_stations(master: object) -> Floor:
    """OP20 with a counter at 100, OP30 by hand; 1042 works at both from 4 s on."""
    floor = Floor(master=master)
    floor.read(cycles=100, running=True, energy=1.0)
    floor.scan("LSE1042", "LSW100")  # t = 2 s
    floor.scan("LSE1042", "LSW200", station="OP30", device="gun2")  # t = 4 s
    return floor


def test_time_at_two_jobs_is_shared_by_the_standard_hours_of_what_came_out() -> None:
    floor = two_stations(standard())
    floor.wait(30).read(cycles=130)
    floor.wait(66)  # t = 100 s: 30 pieces of 2 s at OP20
    floor.scan("LSCPART", "LSQ10", "LSCOK", station="OP30")  # t = 103 s: 10 of 6 s at OP30
    (report,) = floor.facts(e.WorkReported)
    # 99 s shared as 60 : 60.
    assert labour(report) == [("1042", "run", Decimal("49.500"))]
    assert floor.job.labour[0].ms == 2_000 + 49_500
    floor.wait(20).read(cycles=145)
    floor.wait(17)  # t = 140 s: 15 more of 2 s
    floor.scan("LSCPART", "LSQ15", "LSCOK", station="OP30")  # t = 143 s: 5 more of 6 s
    assert labour(floor.facts(e.WorkReported)[1]) == [("1042", "run", Decimal("20.000"))]
    floor.wait(7).read(cycles=160)  # t = 150 s
    floor.scan("LSCDONE", "LSQ15", "LSCOK", station="OP30")
    (done,) = floor.facts(e.WorkCompleted)
    assert labour(done) == [], "nothing came out of it since: the 10 s are the other job's"
    assert floor.job.labour[0].ms == 2_000 + 49_500 + 20_000 + 10_000


def test_the_first_report_takes_what_counters_say_of_the_other_job() -> None:
    floor = two_stations(standard())
    floor.wait(45).read(cycles=145)
    floor.wait(48).read(cycles=190)  # 90 of 2 s
    floor.scan("LSCPART", "LSQ10", "LSCOK", station="OP30")  # 10 of 6 s, t = 100 s
    (report,) = floor.facts(e.WorkReported)
    assert labour(report) == [("1042", "run", Decimal("24.000"))]  # 60 of 240 parts of 96 s


def test_where_one_standard_or_one_output_is_unknown_the_share_is_equal() -> None:
    for master, at in ((standard(labour_b=None), "OP30"), (standard(), "OP20")):
        floor = two_stations(master)
        floor.wait(45).read(cycles=145)
        floor.wait(48).read(cycles=190)
        floor.scan("LSCPART", "LSQ90" if at == "OP20" else "LSQ10", "LSCOK", station=at)
        (report,) = floor.facts(e.WorkReported)
        alone = Decimal(2) if at == "OP20" else Decimal(0)
        assert labour(report) == [("1042", "run", alone + Decimal("48.000"))], at


def test_an_undone_report_gives_back_its_part_and_the_other_job_keeps_its_own() -> None:
    floor = two_stations(standard())
    floor.wait(45).read(cycles=145)
    floor.wait(48).read(cycles=190)
    floor.scan("LSCPART", "LSQ10", "LSCOK", station="OP30")
    held = floor.job.labour
    floor.scan("LSCUNDO", "LSCOK", station="OP30")  # t = 102 s
    other = floor.line.station("OP30").job
    assert other is not None
    assert [(one.operator, one.ms) for one in other.labour] == [("1042", 24_000)]
    assert floor.job.labour == held
    assert [pool.ms for pool in floor.line.pools] == [2_000]


def test_the_standard_that_counts_is_the_one_of_the_start() -> None:
    floor = two_stations(standard())
    floor.master = MasterData(parse(msgspec.json.encode(standard(labour_a="2000"))), "etag-2")
    floor.wait(30).read(cycles=130)
    floor.wait(66)
    floor.scan("LSCPART", "LSQ10", "LSCOK", station="OP30")
    assert labour(floor.facts(e.WorkReported)[0]) == [("1042", "run", Decimal("49.500"))]


@given(st.integers(0, 10**10), st.lists(st.decimals(0, 10**6, places=3), min_size=1, max_size=5))
def test_parts_sum_exactly_and_follow_their_weights(ms: int, weights: list[Decimal]) -> None:
    weights = [*weights, Decimal(1)]
    found = parts(ms, weights)
    assert sum(found) == ms
    for part, weight in zip(found, weights, strict=True):
        assert abs(part - ms * weight / sum(weights)) <= 1
