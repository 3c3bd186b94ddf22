"""LSCSHIFT: who takes over joins, who stood there leaves, and each job's figure is asked for."""

from decimal import Decimal

from edge import events as e
from tests.unit.station.floor import Floor
from tests.unit.station.test_time import labour


def test_the_incoming_badge_takes_over_and_the_counter_s_figure_waits_for_ok() -> None:
    floor = Floor()
    floor.read(cycles=100, running=True)
    floor.scan("LSE1042", "LSW100")  # 2 s
    floor.wait(10).read(cycles=104, running=True)
    assert floor.scan("LSCSHIFT").result == "pending"  # 13 s
    assert floor.view().next.en == "Scan the badge of the person who takes over"
    answer = floor.scan("LSE1043")  # 14 s
    assert answer.message.en == (
        "1043 took over; signed off: 1042. WO 100: Good 4 = 0 + 4 new"
    )  # fmt: skip
    assert floor.station.crew == ("1043",)
    assert floor.facts(e.WorkReported) == []
    floor.scan("LSCOK")  # 15 s
    (report,) = floor.facts(e.WorkReported)
    assert isinstance(report, e.WorkReported)
    assert [one.quantity for one in report.outputs] == [Decimal(4)]
    assert report.actor == "1043"
    assert labour(report) == [("1042", "run", Decimal("12.000")), ("1043", "run", Decimal("1.000"))]
    assert floor.job.key == ("100", "0020")


def test_each_open_job_is_asked_for_in_turn() -> None:
    floor = Floor(counters={}, signals={}, concurrent=True)
    floor.scan("LSE1042", "LSW100", "LSW200", "LSCSHIFT")
    assert floor.scan("LSE1043").message.en.endswith("WO 200: 0 reported so far")
    assert floor.scan("LSQ2", "LSCOK").message.en.endswith("WO 100: 0 reported so far")
    floor.scan("LSQ3", "LSCOK")
    reports = [one for one in floor.facts(e.WorkReported) if isinstance(one, e.WorkReported)]
    assert [(one.work_order, one.outputs[0].quantity) for one in reports] == [("200", 2), ("100", 3)]
    assert [job.work_order for job in floor.station.jobs] == ["100", "200"]


def test_a_handover_without_a_badge_ends_and_says_so() -> None:
    floor = Floor(counters={}, signals={})
    floor.scan("LSE1042", "LSW100", "LSCSHIFT")
    floor.wait(61)
    assert "the change of shift" in (floor.view().message or floor.view().next).en
    floor.scan("LSE1043")
    assert floor.station.crew == ("1042", "1043"), "a badge alone joins"


def test_an_unknown_badge_takes_nothing_over() -> None:
    floor = Floor(counters={}, signals={})
    floor.scan("LSE1042", "LSW100", "LSCSHIFT")
    assert floor.scan("LSE9999").result == "refused"
    assert floor.scan("LSE1043").message.en.startswith("1043 took over")


def test_whoever_hands_over_to_themselves_stays() -> None:
    floor = Floor(counters={}, signals={})
    floor.scan("LSE1042", "LSE1043", "LSW100", "LSCSHIFT", "LSE1042")
    assert floor.station.crew == ("1042",)


def test_set_up_and_switched_jobs_are_not_asked_for() -> None:
    floor = Floor(counters={}, signals={})
    floor.scan("LSE1042", "LSW100", "LSW200", "LSQ1", "LSCOK", "LSCSETUP", "LSCSHIFT")
    assert floor.scan("LSE1043").message.en == "1043 took over; signed off: 1042"
    assert floor.lives["OP20"].pending is None
