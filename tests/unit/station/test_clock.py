"""A clock that is set, dies or changes its zone: annotated, never a wrong date, never a wrong duration."""

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from edge import events as e
from edge.calendar import Calendar
from edge.readings import Moment, Scan
from edge.timekeeper import BEHIND
from tests.unit.station.floor import START_MS
from tests.unit.station.test_time import labour
from tests.unit.station.watched import Watched

HOUR = 3600
DAY = 24 * HOUR
IN_1970 = 90_000  # ms: a minute and a half


def floor() -> Watched:
    return Watched(counters={}, signals={})


def at_work(**station: object) -> Watched:
    """10:00:02 in Shanghai, one operator, one order; nothing holds the clock."""
    found = Watched(**({"counters": {}, "signals": {}} | station))
    found.scan("LSE1042", "LSW100")
    return found


def taken(found: Watched, quantity: int = 1) -> e.Event:
    """One consumption."""
    found.scan("LSL A1", f"LSQ{quantity}")
    (event,) = [one for one in found.events[-1:] if isinstance(one.data, e.MaterialConsumed)]
    return event


def span(step: e.ClockStepped) -> tuple[int, int]:
    return int(step.from_seq or 0), int(step.to_seq or 0)


# Detection


@pytest.mark.parametrize("seconds", [1, -1, 3 * HOUR, -3 * HOUR, 40 * 365 * DAY])
def test_a_step_either_way_is_annotated_before_what_comes_after_it(seconds: int) -> None:
    line = at_work()
    line.set(seconds)
    taken(line)
    (step,) = line.steps
    assert step.offset_s == seconds
    assert (step.boot_id, span(step), step.posting_date) == ("boot-1", (1, 2), None)
    first, *_, last = [type(one) for one in line.facts()][2:]
    assert (first, last) == (e.ClockStepped, e.MaterialConsumed), "between them only what the calendar says"


def test_a_leap_second_is_annotated_and_changes_no_date() -> None:
    line = at_work()
    line.now = replace(line.now, clock="synced")
    line.set(-1, "synced")
    event = taken(line)
    (step,) = line.steps
    assert (step.offset_s, step.clock) == (Decimal("-1.000"), "synced")
    assert (event.data.posting_date, event.data.clock) == ("2026-11-22", "synced")
    assert not line.standing


def test_slewing_is_no_step_however_long_it_lasts() -> None:
    line = at_work()
    for _ in range(3000):
        line.set(-0.0005)
        line.pass_(1)
        line.settle()
    assert line.steps == []
    assert taken(line).data.posting_date == "2026-11-22"


def test_a_suspended_machine_has_not_stepped() -> None:
    line = at_work()
    line.pass_(8 * HOUR)  # both clocks went on: CLOCK_BOOTTIME counts the suspension
    taken(line)
    assert line.steps == []


def test_a_step_while_the_collector_was_down_is_seen_at_its_start() -> None:
    line = at_work()
    line.pass_(30)
    line.set(120)
    line.start()
    (step,) = line.steps
    assert (step.offset_s, span(step)) == (120, (1, 2))


def test_each_step_names_only_what_came_since_the_one_before() -> None:
    line = at_work()
    line.set(60)
    taken(line)
    line.set(-30)
    taken(line)
    assert [span(one) for one in line.steps] == [(1, 2), (4, 4)]
    line.set(1).settle()
    line.set(1).settle()
    assert (line.steps[-1].from_seq, line.steps[-1].to_seq) == (None, None), "nothing came between the two"


def test_facts_under_a_set_clock_say_so_until_ntp_holds_it() -> None:
    line = at_work()
    line.set(60)
    assert taken(line).data.clock == "stepped"
    line.now = replace(line.now, clock="synced")
    assert taken(line).data.clock == "synced"
    line.now = replace(line.now, clock="unsynced")
    assert taken(line).data.clock == "unsynced"


# A clock that is behind


def test_facts_of_a_clock_that_was_set_back_have_no_date_until_a_step_gives_it() -> None:
    line = at_work()
    line.set(-3 * HOUR)
    event = taken(line)
    data = event.data
    assert (data.posting_date, data.production_date, data.shift, data.clock) == (None, None, None, "stepped")
    assert line.standing == [BEHIND]
    line.correct().settle()
    step = line.steps[-1]
    assert (span(step), step.posting_date, step.offset_s) == ((4, 4), "2026-11-22", 3 * HOUR)
    assert line.date_of(event) == "2026-11-22"
    assert not line.standing
    assert taken(line).data.posting_date == "2026-11-22"


def test_a_start_in_1970_is_dated_fact_by_fact_once_the_clock_is_set() -> None:
    line = at_work()
    line.reboot(60, IN_1970)
    first = taken(line)
    line.pass_(15 * HOUR)
    night = taken(line)  # 01:01 of the next day, in the night shift that began on this one
    line.pass_(8 * HOUR)
    next_day = taken(line)
    assert (first.data.posting_date, first.data.clock) == (None, "unsynced")
    line.correct().settle()
    one, two = line.steps[-2:]
    assert (span(one), one.posting_date) == ((first.seq, night.seq), "2026-11-22")
    assert (span(two), two.posting_date) == ((next_day.seq, next_day.seq), "2026-11-23")
    assert one.offset_s == two.offset_s
    assert [line.date_of(each) for each in (first, night, next_day)] == [
        "2026-11-22", "2026-11-22", "2026-11-23",
    ]  # fmt: skip
    assert not line.standing


def test_an_edge_whose_first_start_ever_is_in_1970_dates_everything_later() -> None:
    line = Watched(counters={}, signals={})
    line.events.clear(), line.bodies.clear()
    line.reboot(0, IN_1970)
    line.scan("LSE1042", "LSW100")
    event = taken(line)
    line.correct("unsynced").settle()  # by hand
    assert line.date_of(event) == "2026-11-22"
    assert taken(line).data.posting_date == "2026-11-22"


def test_two_wrong_settings_in_a_row_are_dated_by_the_right_one() -> None:
    line = at_work()
    line.reboot(60, IN_1970)
    first = taken(line)
    line.set(15 * 365 * DAY)  # 1985
    second = taken(line)
    line.correct("unsynced").settle()
    assert [step.posting_date for step in line.steps] == [None, "2026-11-22"]
    assert [line.date_of(event) for event in (first, second)] == ["2026-11-22", "2026-11-22"]


@pytest.mark.parametrize("seconds", [-2, -90, -600])
def test_a_small_step_back_within_the_day_changes_no_date(seconds: int) -> None:
    line = at_work()
    line.set(seconds)
    assert taken(line).data.posting_date == "2026-11-22"
    assert not line.standing


def test_small_steps_back_do_not_add_up_unseen() -> None:
    line = at_work()
    line.set(-600)
    assert taken(line).data.posting_date == "2026-11-22"
    line.set(-600)
    assert taken(line).data.posting_date is None


def test_a_small_step_back_over_the_end_of_the_day_gives_no_date_until_it_is_known() -> None:
    line = at_work()
    line.pass_(22 * HOUR)  # 08:00:02: the day shift began
    taken(line)
    line.set(-10)
    event = taken(line)
    assert event.data.posting_date is None
    line.wait(20)
    assert line.date_of(event) == "2026-11-23", "before and after it was the 23rd"
    assert line.steps[-1].offset_s is None, "no step was seen: the clock went past what is known"


def test_a_clock_that_ntp_holds_is_believed_whatever_the_journal_says() -> None:
    line = at_work()
    line.set(40 * DAY)
    taken(line)
    line.correct("synced")
    assert taken(line).data.posting_date == "2026-11-22"


def test_a_wrong_step_ahead_can_be_taken_back_by_hand() -> None:
    line = at_work()
    line.set(3650 * DAY)
    ahead = taken(line)
    assert ahead.data.posting_date == "2036-11-19"
    line.correct("unsynced")
    assert taken(line).data.posting_date == "2026-11-22"
    assert isinstance(line.events[ahead.seq - 2].data, e.ShiftChanged), "of the wrong day, too"
    assert f"clock.doubted.{line.epoch}.{ahead.seq - 2}-{ahead.seq}" not in line.standing
    assert f"clock.doubted.{line.epoch}.{ahead.seq - 1}-{ahead.seq}" in line.standing


def test_a_clock_in_the_seventies_is_not_believed_even_where_the_kernel_says_synced() -> None:
    line = at_work()
    line.reboot(60, IN_1970, "synced")
    event = taken(line)
    assert (event.data.posting_date, event.data.clock) == (None, "unsynced")


# Over a restart


def test_the_state_that_dates_them_survives_a_restart_in_between() -> None:
    line = at_work()
    line.reboot(60, IN_1970)
    event = taken(line)
    line.pass_(30)
    line.start()
    assert line.line == line.refolded()
    line.correct()
    taken(line)
    assert line.date_of(event) == "2026-11-22"


def test_a_boot_whose_clock_was_never_set_is_dated_by_the_days_around_it() -> None:
    line = at_work()
    line.reboot(60, IN_1970)
    event = taken(line)
    line.reboot(60)
    (step,) = line.steps
    assert (step.posting_date, step.offset_s) == ("2026-11-22", None)
    assert line.date_of(event) == "2026-11-22"
    assert not line.standing


def test_where_the_days_around_differ_a_person_is_told() -> None:
    line = at_work()
    line.reboot(60, IN_1970)
    event = taken(line)
    line.reboot(DAY)
    assert line.standing == [f"clock.undated.{line.epoch}.{event.seq}-{event.seq}"]
    assert "between 2026-11-22 and 2026-11-23" in line.alerts.standing[line.standing[0]].text
    assert line.date_of(event) is None
    (step,) = line.steps
    assert (step.posting_date, int(step.to_seq or 0)) == (None, event.seq)
    before = len(line.events)
    line.start()
    assert len(line.events) == before, "it is said once"
    line.set(60).settle()
    assert line.date_of(event) is None, "no later step dates it by chance"


def test_two_boots_of_which_only_the_second_was_set() -> None:
    line = at_work()
    line.reboot(60, IN_1970)
    lost = taken(line)
    line.reboot(2 * DAY, IN_1970)
    known = taken(line)
    line.correct().settle()
    assert line.date_of(known) == "2026-11-24"
    assert line.date_of(lost) is None
    assert line.standing == [f"clock.undated.{line.epoch}.{lost.seq}-{lost.seq}"]


def test_a_start_before_the_last_facts_under_ntp_says_that_those_were_ahead() -> None:
    line = at_work()
    line.set(5 * DAY)
    last = taken(line)
    line.reboot(60, clock="synced")
    assert taken(line).data.posting_date == "2026-11-22"
    key = line.standing[-1]
    assert key == f"clock.ahead.{line.epoch}.{last.seq}"
    assert "2026-11-27" in line.alerts.standing[key].text


def test_the_same_numbers_in_two_journals_are_two_alerts() -> None:
    first, second = at_work(), at_work()
    second.epoch, second.alerts = 16 * "f", first.alerts  # as the next journal takes them over
    for line in (first, second):
        line.set(5 * DAY)
        taken(line)
        line.reboot(60, clock="synced")
    said = [key for key in first.alerts.standing if key.startswith("clock.ahead.")]
    assert said == [f"clock.ahead.{first.epoch}.6", f"clock.ahead.{second.epoch}.6"]


# An unsynchronised clock


def test_a_correction_that_would_change_dates_goes_to_a_person_and_changes_none() -> None:
    line = at_work()
    first = taken(line)
    line.pass_(10)
    second = taken(line)
    line.true_ms += 2 * DAY * 1000  # the clock was slow all the time
    line.correct().settle()
    (step,) = line.steps
    assert (span(step), step.posting_date) == ((1, second.seq), None)
    assert line.standing == [f"clock.doubted.{line.epoch}.1-{second.seq}"]
    assert "posting date 2026-11-22" in line.alerts.standing[line.standing[0]].text
    assert "belong to 2026-11-24" in line.alerts.standing[line.standing[0]].text
    assert [line.date_of(event) for event in (first, second)] == ["2026-11-22"] * 2


def test_a_correction_that_changes_no_date_bothers_nobody() -> None:
    line = at_work()
    line.true_ms += 2 * HOUR * 1000
    line.correct().settle()
    assert line.steps
    assert not line.standing


def test_what_ntp_vouched_for_is_not_doubted() -> None:
    line = at_work()
    line.now = replace(line.now, clock="synced")
    taken(line)
    line.set(2 * DAY).settle()
    assert not line.standing


# The time zone


def test_a_changed_time_zone_is_annotated_and_dates_what_comes_after() -> None:
    line = at_work()
    line.pass_(15 * HOUR)  # 01:00 in Shanghai, 18:00 in Berlin
    before = taken(line)
    shifts = line.site.calendar._shifts
    line.site = replace(line.site, calendar=Calendar(ZoneInfo("Europe/Berlin"), shifts))
    with capture_logs() as logs:
        line.start()
    (step,) = line.steps
    assert (step.offset_s, step.from_seq, step.posting_date, step.utc_offset) == (0, None, None, "+01:00")
    assert {"before": "+08:00", "now": "+01:00"}.items() <= next(
        entry for entry in logs if entry["event"].startswith("the time zone changed")
    ).items()
    after = taken(line)
    assert (before.data.shift, after.data.shift) == ("night", "day")
    line.start()
    assert len(line.steps) == 1


def test_summer_time_is_no_step() -> None:
    line = floor()
    line.site = replace(line.site, calendar=Calendar(ZoneInfo("Europe/Berlin"), line.site.calendar._shifts))
    line.true_ms = int(datetime(2027, 3, 28, 0, 59, 50, tzinfo=UTC).timestamp() * 1000)
    line.correct("unsynced")
    line.watch()
    line.scan("LSE1042", "LSW100")
    line.pass_(60)
    taken(line)
    line.start()
    assert line.steps == []
    offsets = [fact.utc_offset for fact in line.facts()]
    assert (offsets[0], offsets[-1]) == ("+01:00", "+02:00")
    assert {fact.production_date for fact in line.facts()} == {"2027-03-27"}


# Durations


@pytest.mark.parametrize("seconds", [-40 * 365 * DAY, -3 * HOUR, 3 * HOUR, 3650 * DAY])
def test_a_step_changes_no_duration(seconds: int) -> None:
    line = at_work()
    line.wait(9)
    line.set(seconds)
    line.scan("LSCDONE", "LSQ10", "LSCOK")
    (done,) = line.facts(e.WorkCompleted)
    assert labour(done) == [("1042", "run", Decimal("12.000"))]
    assert isinstance(done, e.WorkCompleted) and done.interval is not None
    began, ended = map(e.parse_instant, (done.interval.from_, done.interval.to))
    assert ended - began == 12_000


def test_a_reboot_with_a_clock_that_can_be_right_counts_as_presence() -> None:
    line = at_work()
    line.reboot(120)
    line.scan("LSCDONE", "LSQ10", "LSCOK")
    (done,) = line.facts(e.WorkCompleted)
    assert labour(done) == [("1042", "run", Decimal("123.000"))]


def test_a_reboot_that_nobody_timed_leaves_a_gap() -> None:
    line = at_work()
    line.wait(7)
    line.scan("LSE1043")
    line.reboot(120, IN_1970)
    line.scan("LSE1042")
    line.scan("LSL A1", "LSQ1")
    line.wait(10)
    line.scan("LSCPART", "LSQ4", "LSCOK")
    (part,) = line.facts(e.WorkReported)
    assert labour(part) == [("1042", "run", Decimal("21.000")), ("1043", "run", Decimal("13.000"))]
    assert isinstance(part, e.WorkReported) and part.resources is not None
    assert "labour" not in (part.resources.basis or {}), "at least so long, not measured"
    line.scan("LSCUNDO", "LSCOK")
    assert line.job.gap
    line.scan("LSCDONE", "LSQ10", "LSCOK")
    (done,) = line.facts(e.WorkCompleted)
    assert isinstance(done, e.WorkCompleted) and "labour" not in (done.resources.basis or {})  # type: ignore[union-attr]


def test_no_interval_is_made_up_over_a_boot_that_nobody_timed() -> None:
    line = at_work()
    line.reboot(120, IN_1970)
    line.scan("LSCDONE", "LSQ10", "LSCOK")
    (done,) = line.facts(e.WorkCompleted)
    assert isinstance(done, e.WorkCompleted) and done.interval is None


def test_an_undo_restores_the_interval_over_a_step() -> None:
    line = at_work()
    line.wait(9)
    line.set(3 * HOUR)
    line.scan("LSCPART", "LSQ4", "LSCOK", "LSCUNDO", "LSCOK")
    line.scan("LSCPART", "LSQ4", "LSCOK")
    first, second = line.facts(e.WorkReported)
    for report, lasted_ms in ((first, 12_000), (second, 17_000)):
        assert isinstance(report, e.WorkReported) and report.interval is not None
        began, ended = map(e.parse_instant, (report.interval.from_, report.interval.to))
        assert ended - began == lasted_ms


def test_the_machine_runs_on_over_a_short_reboot_only_where_its_length_is_known() -> None:
    for wall_ms, machine_s in ((None, Decimal("40.000")), (IN_1970, Decimal("0.000"))):
        line = at_work(signals={"running": "press1.running"})
        line.read(running=True).wait(5)
        line.read(running=True)
        before = line.quantity(running(line))
        line.reboot(40, wall_ms)
        line.read(running=True)
        line.scan("LSCPART", "LSQ1", "LSCOK")
        gone = line.quantity(running(line)) - before
        assert machine_s <= gone <= machine_s + 4, "the reboot, and the scans after it"
        assert any(fact.incomplete for fact in running(line)) == (wall_ms is not None)


def running(line: Watched) -> list[e.CountRecorded]:
    found = line.facts(e.CountRecorded)
    return [one for one in found if isinstance(one, e.CountRecorded) and one.counter == "running"]


def test_a_counter_over_a_boot_that_nobody_timed_is_bounded_by_the_boot() -> None:
    line = at_work(counters={"good": {"tag": "press1.cycles", "max_rate_per_min": 60}})
    line.read(cycles=100).scan("LSCPAUSE21", "LSCGO")
    line.reboot(600, IN_1970)  # up for 20 s
    line.read(cycles=115).wait(31)
    assert not [one for one in line.facts(e.CountUnattributed) if getattr(one, "held", None)]
    line.reboot(600, IN_1970)
    line.read(cycles=615)
    (held,) = [one for one in line.facts(e.CountUnattributed) if getattr(one, "held", None)]
    assert getattr(held, "held", None) == "implausible"


def test_moments_of_two_boots_have_no_difference_in_monotonic_time() -> None:
    earlier, later = Moment(1000, 500, "a"), Moment(4000, 20, "b")
    with pytest.raises(ValueError, match="two boots"):
        later.since(earlier)
    assert later.elapsed(earlier) == 3000
    assert earlier.elapsed(later) is None, "not negative: unknown"
    assert replace(later, sound=False).elapsed(earlier) is None


# What else a wrong clock could do


def test_an_expired_lot_does_not_pass_in_1970() -> None:
    line = at_work()
    line.reboot(60, IN_1970)
    line.scan("LSE1042")
    assert "expired" in line.scan("LSL OLD").message.en


def test_a_repeat_is_suppressed_and_a_pending_entry_expires_by_time_since_boot() -> None:
    line = at_work()
    line.scan("LSL A1")
    line.set(-3 * HOUR)
    answer = line.put(Scan("gun1", "LSL A1", line.now), "OP20").answer
    assert answer is not None and answer.result == "repeated"
    for seconds in (3 * HOUR, -5 * HOUR):
        line.set(seconds).wait(29)
        assert line.lives["OP20"].pending is not None
    line.wait(3)
    assert line.lives["OP20"].pending is None


def test_start_is_where_the_clock_says() -> None:
    assert floor().now.wall_ms == START_MS
