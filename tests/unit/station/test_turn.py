"""Shifts, posting dates and breaks end at their very millisecond, at all stations; nobody is signed off."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from edge import events as e
from edge.calendar import Calendar
from edge.readings import Moment
from edge.settings import Crew, Posting, Shift
from tests.unit.station.floor import START_MS, Floor
from tests.unit.station.test_time import labour
from tests.unit.station.watched import Watched

HOUR = 3600
TEN = 10 * HOUR  # the floor's clock at its start, in seconds of the local day


def until(floor: Floor, clock: str, day: int = 0) -> Floor:
    """Let time pass until a local time, `day` days after the first."""
    hours, minutes, seconds = clock.split(":")
    wanted = day * 86400 + int(hours) * HOUR + int(minutes) * 60 + float(seconds)
    return floor.wait(wanted - TEN - (floor.now.wall_ms - START_MS) / 1000)


def by_hand(**crew: float) -> Floor:
    floor = Floor(counters={}, signals={})
    floor.site = replace(floor.site, crew=Crew(**{"confirm_after_h": 0} | crew))
    return floor


def with_breaks(floor: Floor, *breaks: dict[str, object], rule: str = "production") -> Floor:
    shifts = (
        Shift.model_validate({"name": "day", "start": "08:00", "end": "20:00", "breaks": breaks}),
        Shift.model_validate({"name": "night", "start": "20:00", "end": "08:00"}),
    )
    posting = Posting.model_validate({"date": rule})
    floor.site = replace(floor.site, calendar=Calendar(ZoneInfo("Asia/Shanghai"), shifts, posting))
    return floor


def told(floor: Floor, *kinds: type[e.Fact]) -> list[tuple[str, str | None, Decimal]]:
    return [
        (one.operator or "", getattr(one, "category", None), one.s)
        for one in floor.facts(*(kinds or (e.TimeUnassigned, e.BreakTaken)))
        if isinstance(one, e.TimeUnassigned | e.BreakTaken)
    ]


def test_at_the_end_of_a_shift_what_was_open_is_reported_for_it_and_goes_on() -> None:
    floor = by_hand()
    floor.scan("LSE1042", "LSW100")  # 10:00:02
    until(floor, "20:00:00.7")
    (report,) = floor.facts(e.WorkReported)
    assert isinstance(report, e.WorkReported)
    assert labour(report) == [("1042", "run", Decimal("35998.000"))]
    assert (report.origin, report.outputs, report.shift, report.production_date) == (
        "signal", (), "day", "2026-11-22",
    )  # fmt: skip
    assert report.interval == e.Interval(from_="2026-11-22T02:00:02.000Z", to="2026-11-22T12:00:00.000Z")
    assert floor.events[-1].time == "2026-11-22T12:00:00.000Z", "not when somebody looked"
    (change,) = floor.facts(e.ShiftChanged)
    assert (change.shift, change.production_date) == ("night", "2026-11-22")
    assert floor.station.crew == ("1042",)
    assert floor.job.key == ("100", "0020")
    assert floor.view().next.en.startswith("The shift ended: scan PART")
    floor.scan("LSCDONE", "LSQ10", "LSCOK")
    (done,) = floor.facts(e.WorkCompleted)
    assert labour(done) == [("1042", "run", Decimal("3.700"))]
    assert done.shift == "night"


def test_what_the_machine_took_up_to_the_boundary_goes_along_and_pieces_stay_the_job_s() -> None:
    floor = Floor()
    floor.read(cycles=100, running=True, energy=10.0)
    floor.scan("LSE1042", "LSW100")
    until(floor, "19:59:30").read(cycles=101, running=True, energy=10.0)
    until(floor, "19:59:50").read(cycles=103, running=True, energy=11.0)
    until(floor, "20:00:05").read(cycles=106, running=True, energy=11.5)
    (report,) = floor.facts(e.WorkReported)
    assert isinstance(report, e.WorkReported) and report.resources is not None
    # Seen running at 19:59:30 after hours of silence: from there on it is known to have run.
    assert (report.resources.machine_s, report.resources.energy_kwh) == (Decimal("30.000"), Decimal("1.000"))
    assert floor.job.counted == {"good": 3}
    floor.wait(5)
    floor.scan("LSCDONE", "LSCOK")
    (done,) = floor.facts(e.WorkCompleted)
    assert isinstance(done, e.WorkCompleted) and done.resources is not None
    assert done.resources.machine_s == Decimal("12.000")
    assert done.resources.energy_kwh == Decimal("0.500")
    assert [one.quantity for one in done.outputs] == [Decimal(6)]


def test_a_figure_that_waits_for_ok_over_the_boundary_stays_what_it_was() -> None:
    floor = Floor()
    floor.read(cycles=100, running=True)
    floor.scan("LSE1042", "LSW100")
    until(floor, "19:59:00").read(cycles=107, running=True)
    until(floor, "19:59:58")
    floor.scan("LSCDONE")
    floor.wait(0.5).read(cycles=109, running=True)
    until(floor, "20:00:05")
    floor.scan("LSCOK")
    (done,) = floor.facts(e.WorkCompleted)
    assert isinstance(done, e.WorkCompleted)
    assert [one.quantity for one in done.outputs] == [Decimal(7)]
    assert floor.quantity(floor.facts(e.CountUnattributed)) == 2


def test_one_person_at_two_stations_is_split_at_both() -> None:
    floor = by_hand()
    floor.scan("LSE1042", "LSW100")  # 10:00:02
    floor.scan("LSE1042", "LSW200", station="OP30")  # 10:00:04
    until(floor, "20:00:01")
    first, second = floor.facts(e.WorkReported)
    assert labour(first) == [("1042", "run", Decimal("18000.000"))]  # 2 s alone, half of 35 996
    assert labour(second) == [("1042", "run", Decimal("17998.000"))]
    assert [fact.station for fact in floor.facts(e.ShiftChanged)] == ["OP20", "OP30"]


def test_time_without_a_job_is_told_when_the_shift_ends_and_when_the_person_leaves() -> None:
    floor = by_hand()
    floor.scan("LSE1042")  # 10:00:01
    until(floor, "19:59:59")
    floor.scan("LSE1043")  # 20:00:00: of the night
    floor.scan("LSCOUT", "LSE1042")  # 20:00:02
    assert told(floor) == [
        ("1042", "waiting", Decimal("35999.000")), ("1042", "waiting", Decimal("2.000")),
    ]  # fmt: skip
    assert [one.shift for one in floor.facts(e.TimeUnassigned)] == ["day", "night"]


def test_a_pause_without_labour_is_unassigned_with_its_reason() -> None:
    floor = by_hand()
    floor.scan("LSE1042", "LSW100", "LSCPAUSE21")  # 10:00:03
    floor.wait(60)
    floor.scan("LSCGO", "LSCOUT", "LSE1042")
    waited, paused = floor.facts(e.TimeUnassigned)
    assert isinstance(waited, e.TimeUnassigned) and isinstance(paused, e.TimeUnassigned)
    assert (waited.category, waited.s) == ("waiting", Decimal("1.000"))
    assert (paused.category, paused.reason, paused.s) == ("paused", "21", Decimal("61.000"))


def test_whoever_leaves_one_of_two_stations_is_still_present() -> None:
    floor = by_hand()
    floor.scan("LSE1042")
    floor.scan("LSE1042", station="OP30")
    floor.scan("LSCOUT", "LSE1042")
    assert told(floor) == []
    floor.scan("LSCOUT", "LSE1042", station="OP30")
    assert told(floor) == [("1042", "waiting", Decimal("5.000"))]


@pytest.mark.parametrize(("paid", "kind"), [(False, None), (True, "break")])
def test_a_break_is_no_job_s_whatever_goes_on(paid: bool, kind: str | None) -> None:
    floor = with_breaks(by_hand(), {"start": "12:00", "end": "12:30", "paid": paid})
    floor.scan("LSE1042", "LSW100", "LSCSETUP")  # 10:00:03
    until(floor, "12:10:00")
    until(floor, "12:30:09")
    floor.scan("LSCGO", "LSCDONE", "LSQ10", "LSCOK", "LSCOUT", "LSE1042")
    (done,) = floor.facts(e.WorkCompleted)
    assert isinstance(done, e.WorkCompleted) and done.resources is not None
    assert labour(done) == [("1042", "run", Decimal("4.000")), ("1042", "setup", Decimal("7207.000"))]
    assert done.resources.setup_s == Decimal("7207.000")
    assert ("1042", kind, Decimal("1800.000")) in told(floor)
    starts, ends = floor.facts(e.ShiftChanged)
    assert isinstance(starts, e.ShiftChanged) and isinstance(ends, e.ShiftChanged)
    assert (starts.on_break, ends.on_break) == ("paid" if paid else "unpaid", None)
    assert floor.facts(e.WorkReported) == [], "a break ends no shift"


def test_whoever_comes_during_a_break_begins_with_it() -> None:
    floor = with_breaks(by_hand(), {"start": "12:00", "end": "12:30"})
    until(floor, "12:09:58")
    floor.scan("LSE1042", "LSW100")  # 12:09:59, 12:10:00
    until(floor, "12:30:10")
    floor.scan("LSCDONE", "LSQ10", "LSCOK", "LSCOUT", "LSE1042")
    (done,) = floor.facts(e.WorkCompleted)
    assert labour(done) == [("1042", "run", Decimal("13.000"))]
    assert told(floor, e.BreakTaken) == [("1042", None, Decimal("1201.000"))]


def test_the_posting_date_splits_a_night_where_it_is_the_calendar_day() -> None:
    floor = with_breaks(by_hand(), rule="calendar")
    until(floor, "20:00:00")
    floor.scan("LSE1042", "LSW100")  # 20:00:02
    until(floor, "00:00:01", day=1)
    (report,) = floor.facts(e.WorkReported)
    assert (report.shift, report.production_date, report.posting_date) == (
        "night",
        "2026-11-22",
        "2026-11-22",
    )
    assert labour(report) == [("1042", "run", Decimal("14398.000"))]
    (change,) = floor.facts(e.ShiftChanged)
    assert (change.shift, change.production_date, change.posting_date) == (
        "night",
        "2026-11-22",
        "2026-11-23",
    )


def test_a_report_of_the_shift_before_cannot_be_undone_but_a_lot_of_the_same_shift_can() -> None:
    for scan, possible in (("LSL A1,LSQ1", True), ("LSCPART,LSQ3,LSCOK", False)):
        floor = with_breaks(by_hand(), rule="calendar")
        until(floor, "23:59:00")
        floor.scan("LSE1042", "LSW100", *scan.split(","))
        until(floor, "00:00:01", day=1)
        assert (floor.scan("LSCUNDO").result == "pending") is possible


def test_nothing_is_reported_of_a_job_that_took_nothing() -> None:
    floor = by_hand()
    floor.scan("LSE1042", "LSW100", "LSCPAUSE21", "LSCPART")
    floor.scan("LSQ0", "LSCOK", "LSCOUT", "LSE1042")
    until(floor, "20:00:01")
    assert len(floor.facts(e.WorkReported)) == 1
    assert len(floor.facts(e.ShiftChanged)) == 1
    floor.scan("LSE1043", "LSCGO", "LSCDONE", "LSQ4", "LSCOK")
    (done,) = floor.facts(e.WorkCompleted)
    assert isinstance(done, e.WorkCompleted) and done.interval is not None
    assert done.interval.from_ == "2026-11-22T12:00:00.000Z", "no report reaches over a shift's end"


def test_a_floor_without_people_and_jobs_turns_silently() -> None:
    floor = by_hand()
    floor.scan("LSE1042", "LSCOUT", "LSE1042")
    known = len(floor.events)
    until(floor, "20:00:01")
    until(floor, "08:00:01", day=3)
    assert len(floor.events) == known


# The collector was down


def test_a_collector_that_was_down_over_several_boundaries_splits_at_each() -> None:
    floor = by_hand()
    floor.scan("LSE1042", "LSW100")  # 10:00:02
    floor.now = replace(
        floor.now,
        wall_ms=floor.now.wall_ms + 25 * HOUR * 1000,
        monotonic_ms=floor.now.monotonic_ms + 25 * HOUR * 1000,
    )
    floor.restart()  # 11:00:02 on the next day
    reports = floor.facts(e.WorkReported)
    assert [(one.shift, one.production_date) for one in reports] == [
        ("day", "2026-11-22"), ("night", "2026-11-22"),
    ]  # fmt: skip
    assert [labour(one)[0][2] for one in reports] == [Decimal("35998.000"), Decimal("43200.000")]
    floor.scan("LSCDONE", "LSQ10", "LSCOK")
    (done,) = floor.facts(e.WorkCompleted)
    assert labour(done) == [("1042", "run", Decimal("10805.000"))]


def test_a_machine_that_was_off_over_a_boundary_for_minutes_splits_by_the_wall_clock() -> None:
    line = Watched(counters={}, signals={})
    line.scan("LSE1042", "LSW100")  # 10:00:02
    line.pass_(10 * HOUR - 62)  # 19:59:00
    line.scan("LSL A1", "LSQ1")  # 19:59:02
    line.reboot(118)  # 20:01:00
    (report,) = line.facts(e.WorkReported)
    assert labour(report) == [("1042", "run", Decimal("35998.000"))]
    assert (report.shift, report.boot_id) == ("day", "boot-2")
    assert isinstance(report, e.WorkReported) and "labour" in report.resources.basis  # type: ignore[union-attr,operator]
    line.scan("LSCDONE", "LSQ10", "LSCOK")
    (done,) = line.facts(e.WorkCompleted)
    assert labour(done) == [("1042", "run", Decimal("63.000"))]


def test_a_machine_that_was_off_over_a_weekend_invents_no_labour_and_says_that_some_may_lack() -> None:
    line = Watched(counters={}, signals={})
    line.pass_(9 * HOUR)
    line.scan("LSE1042", "LSW100")  # 19:00:02
    line.pass_(58)
    line.scan("LSL A1", "LSQ1")  # 19:01:02
    line.reboot(2 * 86400 + 12 * HOUR)  # 07:01:02 of the third day after
    (report,) = line.facts(e.WorkReported)
    assert labour(report) == [("1042", "run", Decimal("60.000"))]
    assert isinstance(report, e.WorkReported) and "labour" in report.resources.basis  # type: ignore[union-attr,operator]
    assert report.production_date == "2026-11-22"
    (change,) = line.facts(e.ShiftChanged)
    assert isinstance(change, e.ShiftChanged)
    assert (change.incomplete, change.production_date) == (True, "2026-11-24")
    assert isinstance(line.events[-1].data, e.OperatorDoubted), "who knows whether 1042 is here"
    line.pass_(600)
    line.scan("LSE1042")
    line.wait(29)
    line.scan("LSCDONE", "LSQ10", "LSCOK")
    (done,) = line.facts(e.WorkCompleted)
    assert labour(done) == [("1042", "run", Decimal("32.000"))]
    assert isinstance(done, e.WorkCompleted) and "labour" not in (done.resources.basis or {})  # type: ignore[union-attr]


def test_a_clock_that_is_set_into_another_shift_takes_the_time_since_the_last_fact_along() -> None:
    line = Watched(counters={}, signals={})
    line.scan("LSE1042", "LSW100")  # 10:00:02
    line.pass_(100)
    line.set(11 * HOUR)
    line.wait(1)  # 21:01:43
    (report,) = line.facts(e.WorkCompleted, e.WorkReported) or (None,)
    assert report is None, "nothing had passed until the last fact"
    line.scan("LSCDONE", "LSQ10", "LSCOK")
    (done,) = line.facts(e.WorkCompleted)
    assert labour(done) == [("1042", "run", Decimal("104.000"))]
    assert done.shift == "night"


def test_while_the_clock_cannot_be_right_no_shift_ends() -> None:
    line = Watched(counters={}, signals={})
    line.scan("LSE1042", "LSW100")
    line.set(-40 * 365 * 86400)
    line.pass_(15 * HOUR)
    line.wait(1)
    assert line.facts(e.ShiftChanged) == []
    line.correct().wait(1)
    assert [one.shift for one in line.facts(e.WorkReported)] == ["day"]
    assert labour(line.facts(e.WorkReported)[0]) == [("1042", "run", Decimal("35998.000"))]


# Forgotten sign-off


def test_whoever_forgot_to_sign_off_is_asked_for_the_badge_and_works_no_more_meanwhile() -> None:
    floor = by_hand(confirm_after_h=14)
    floor.scan("LSE1042", "LSW100")  # 10:00:01, 10:00:02
    until(floor, "00:30:00", day=1)
    (doubt,) = floor.facts(e.OperatorDoubted)
    assert isinstance(doubt, e.OperatorDoubted)
    assert (doubt.operator, doubt.present_s) == ("1042", Decimal("50400.000"))
    assert floor.line.people["1042"].doubted
    assert floor.station.crew == ("1042",), "nobody is signed off"
    floor.scan("LSE1042")  # 00:30:01
    assert not floor.line.people["1042"].doubted
    floor.scan("LSCDONE", "LSQ10", "LSCOK", "LSCOUT", "LSE1042")
    (done,) = floor.facts(e.WorkCompleted)
    assert labour(done) == [("1042", "run", Decimal("14404.000"))]  # 20:00:00 to 00:00:01, and 3 s
    assert ("1042", "unconfirmed", Decimal("1800.000")) in told(floor)


def test_the_one_who_is_here_is_not_asked_for_the_one_who_is_not() -> None:
    floor = by_hand(confirm_after_h=2)
    floor.scan("LSE1042", "LSW100")
    until(floor, "11:30:00")
    floor.scan("LSE1043")
    until(floor, "12:30:00")
    assert [one.operator for one in floor.facts(e.OperatorDoubted) if isinstance(one, e.OperatorDoubted)] == [
        "1042"
    ]
    floor.scan("LSCDONE", "LSQ10", "LSCOK")
    (done,) = floor.facts(e.WorkCompleted)
    # 1042 from 10:00:02 until 12:00:01, 1043 from 11:30:01 on.
    assert labour(done) == [("1042", "run", Decimal("7199.000")), ("1043", "run", Decimal("3602.000"))]


def test_moments_before_a_boot_are_told_in_it() -> None:
    line = Watched(counters={}, signals={})
    line.pass_(10 * HOUR - 60)
    line.scan("LSE1042", "LSW100")  # 19:59:02
    line.reboot(300)
    (report,) = line.facts(e.WorkReported)
    boundary = Moment(START_MS + 10 * HOUR * 1000, 0, "boot-2").wall_ms
    assert e.parse_instant(line.events[-2].time) == boundary
    assert report.monotonic_s is not None and report.monotonic_s < 0


def test_a_power_cut_makes_no_more_than_a_quarter_of_an_hour_unknown() -> None:
    line = Watched(counters={}, signals={})
    line.scan("LSE1042", "LSW100")  # 10:00:02
    for _ in range(4 * 60):
        line.wait(60)
    line.reboot(12 * HOUR)
    (report,) = line.facts(e.WorkReported)
    assert Decimal(4 * HOUR - 960) <= labour(report)[0][2] <= 4 * HOUR
    kept = line.facts(e.CrewRecorded)
    assert 14 <= len(kept) <= 16
    assert {one.operators for one in kept} == {("1042",)}


def test_a_boot_without_a_clock_is_reported_for_the_shift_before_once_the_clock_is_right() -> None:
    line = Watched(counters={}, signals={})
    line.scan("LSE1042", "LSW100")  # 10:00:02
    line.reboot(60, 20_000)
    line.scan("LSL A1", "LSQ1")  # 2 s later in 1970
    line.reboot(24 * HOUR)
    (report,) = line.facts(e.WorkReported)
    assert (report.shift, report.production_date, report.posting_date) == ("day", "2026-11-22", "2026-11-22")
    assert isinstance(report, e.WorkReported) and "labour" not in (report.resources.basis or {})  # type: ignore[union-attr]
    known = len(line.events)
    line.start()
    assert len(line.events) == known, "it is said once"
