"""For any sequence of steps, reboots, dead batteries, work and time: order, durations and dates hold."""

from decimal import Decimal
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import events as e
from edge.costing import carries_cost
from edge.events import ClockStepped
from edge.wallclock import EARLIEST_MS
from tests.unit.station.watched import Watched

DAY = 24 * 3600
SCANS = (
    "LSE1042", "LSE1043", "LSCOUT,LSE1042", "LSW100", "LSW200,LSCOK", "LSL A1,LSQ3", "LSCSCRAP04,LSQ2",
    "LSCPAUSE21", "LSCGO", "LSCSETUP", "LSCGO,LSCOK", "LSCDONE,LSQ9,LSCOK", "LSCPART,LSQ3,LSCOK",
    "LSCUNDO,LSCOK",
)  # fmt: skip
STEPS = st.sampled_from(
    (-40 * 365 * DAY, -DAY, -3 * 3600, -700, -2, -1, 1, 2, 700, 3 * 3600, DAY, 3650 * DAY)
)
CLOCKS = st.sampled_from(("synced", "unsynced", "unsynced"))
MOVES = st.one_of(
    st.tuples(st.just("scan"), st.sampled_from(SCANS)),
    st.tuples(st.just("scan"), st.sampled_from(SCANS)),
    st.tuples(st.just("read"), st.booleans()),
    st.tuples(st.just("set"), STEPS),
    st.tuples(st.just("correct"), CLOCKS),
    st.tuples(st.just("kernel"), CLOCKS),
    st.tuples(st.just("pass"), st.sampled_from((1, 45, 4000, DAY))),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("reboot"), st.sampled_from((30, 4000, 2 * DAY))),
    st.tuples(st.just("dead battery"), st.sampled_from((30, 4000, 2 * DAY))),
)
PLAYS = st.lists(MOVES, min_size=10, max_size=30)
RULES = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def played(moves: list[tuple[str, object]]) -> Watched:
    """The line after the moves; in the end NTP holds the clock, and it is right."""
    line = Watched()
    line.scan("LSE1042", "LSW100")
    for move in moves:
        match move:
            case "scan", str(texts):
                line.scan(*texts.split(","))
            case "read", bool(on):
                line.wait(1).read(cycles=7, running=on, energy=1.0)
            case "set", int(seconds):
                line.set(seconds if line.now.wall_ms + seconds * 1000 > 0 else 1)
            case "correct", ("synced" | "unsynced") as clock:
                line.correct(clock)
            case "kernel", ("synced" | "unsynced") as clock:
                line.now = type(line.now)(line.now.wall_ms, line.now.monotonic_ms, line.now.boot_id, clock)
            case "pass", int(seconds):
                line.pass_(seconds)
            case "restart", _:
                line.start()
            case "reboot", int(seconds):
                line.reboot(seconds)
            case "dead battery", int(seconds):
                line.reboot(seconds, 20_000)
    line.correct("synced").settle()
    return line


@RULES
@given(PLAYS)
def test_events_keep_their_order_and_time_since_boot_never_runs_back(moves: list[tuple[str, object]]) -> None:
    line = played(moves)
    assert [event.seq for event in line.events] == list(range(1, len(line.events) + 1))
    # A shift that ended before the clock was set right is reported behind that step.
    for before, after in pairwise(one for one in line.events if not isinstance(one.data, ClockStepped)):
        if before.data.boot_id == after.data.boot_id:
            assert before.data.monotonic_s <= after.data.monotonic_s  # type: ignore[operator]
    assert line.refolded() == line.line


@RULES
@given(PLAYS)
def test_no_duration_is_negative(moves: list[tuple[str, object]]) -> None:
    line = played(moves)
    for fact in line.facts():
        if isinstance(fact, e.WorkReported) and fact.resources:
            used = fact.resources
            figures = [used.setup_s, used.machine_s, *(one.s for one in used.labour or ())]  # type: ignore[union-attr]
            assert all(figure >= 0 for figure in figures if isinstance(figure, Decimal))
        if isinstance(fact, e.WorkReported) and fact.interval:
            assert e.parse_instant(fact.interval.from_) <= e.parse_instant(fact.interval.to)
        if isinstance(fact, e.CountRecorded) and fact.delta is not None:
            assert fact.delta >= 0 or fact.held
        if isinstance(fact, e.TimeUnassigned):
            assert fact.s >= 0


@RULES
@given(PLAYS)
def test_every_costed_fact_has_a_posting_date_in_the_end_or_an_alert_names_it(
    moves: list[tuple[str, object]],
) -> None:
    line = played(moves)
    assert line.line.wall.undated is None
    named = [key.rpartition(".")[2].split("-") for key in line.standing if key.startswith("clock.undated.")]
    spans = [(int(first), int(last)) for first, last in named]
    for event in line.events:
        if carries_cost(event.data) or isinstance(event.data, e.WorkCorrected):
            told = any(first <= event.seq <= last for first, last in spans)
            assert (line.date_of(event) is None) == told, event
    for step in line.steps:
        assert (step.from_seq is None) == (step.to_seq is None)
        if step.from_seq and step.to_seq:
            assert 1 <= int(step.from_seq) <= int(step.to_seq)


@RULES
@given(PLAYS)
def test_a_date_that_a_right_clock_gives_later_is_the_right_one(moves: list[tuple[str, object]]) -> None:
    line = played(moves)
    for event in line.events:
        if not isinstance(event.data, e.ClockStepped) or not event.data.posting_date:
            continue
        right = abs(e.parse_instant(event.time) - line.true_of[event.seq]) < 500
        if not right or not event.data.offset_s:
            continue
        for seq in range(int(event.data.from_seq or 0), int(event.data.to_seq or 0) + 1):
            fact = line.events[seq - 1].data
            if fact.posting_date is None and not isinstance(fact, e.ClockStepped):
                assert line.site.calendar.day(line.true_of[seq]).posting_date == event.data.posting_date


@RULES
@given(PLAYS)
def test_no_fact_is_dated_before_the_software_was_written(moves: list[tuple[str, object]]) -> None:
    line = played(moves)
    earliest = line.site.calendar.day(EARLIEST_MS).posting_date or ""
    assert all(fact.posting_date is None or fact.posting_date >= earliest for fact in line.facts())
