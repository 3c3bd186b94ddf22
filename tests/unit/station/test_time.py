"""People's time: shared over the jobs they work on, exactly, and never lost."""

from decimal import Decimal

from edge import events as e
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
