"""For any shift: presence = labour + unassigned + breaks for each person, to the millisecond."""

from collections import Counter
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from edge import events as e
from edge.calendar import Calendar
from edge.events import decode
from edge.settings import Crew, Posting, Shift
from edge.station import hours
from edge.station.evolve import fold
from edge.station.hours import LONGEST_ABSENCE_MS
from edge.station.state import Line
from tests.unit.station.watched import Watched

HOUR = 3600
SHIFTS = tuple(
    Shift.model_validate(row)
    for row in (
        {"name": "day", "start": "08:00", "end": "20:00", "breaks": [
            {"start": "10:01", "end": "10:02", "paid": True}, {"start": "12:00", "end": "12:30"},
        ]},
        {"name": "night", "start": "20:00", "end": "08:00", "breaks": [{"start": "23:50", "end": "00:20"}]},
    )
)  # fmt: skip
AT_OP20 = (
    "LSE1042", "LSE1043", "LSCOUT,LSE1042", "LSCOUT,LSE1043", "LSW100", "LSW200,LSQ1,LSCOK", "LSCPAUSE21",
    "LSCPAUSE22", "LSCGO", "LSCSETUP", "LSCGO,LSCOK", "LSCDONE,LSQ9,LSCOK", "LSCPART,LSQ3,LSCOK",
    "LSCUNDO,LSCOK", "LSCSCRAP04", "LSCSHIFT,LSE1043,LSQ1,LSCOK",
)  # fmt: skip
AT_OP30 = (
    "LSE1042",
    "LSE1043",
    "LSCOUT,LSE1042",
    "LSW200",
    "LSW500 0030",
    "LSCDONE,LSQ1,LSCOK",
    "LSCUNDO,LSCOK",
)
MOVES = st.one_of(
    st.tuples(st.just("OP20"), st.sampled_from(AT_OP20)),
    st.tuples(st.just("OP20"), st.sampled_from(AT_OP20)),
    st.tuples(st.just("OP30"), st.sampled_from(AT_OP30)),
    st.tuples(st.just("read"), st.integers(0, 3)),
    st.tuples(st.just("pass"), st.sampled_from((0.001, 0.333, 45, 4000, 5 * HOUR, 30 * HOUR))),
    st.tuples(st.just("set"), st.sampled_from((-3 * HOUR, -2, 2, 3 * HOUR, -26 * HOUR, 24 * HOUR))),
    st.tuples(st.just("correct"), st.sampled_from(("synced", "unsynced"))),
    st.tuples(st.just("restart"), st.none()),
)
REBOOTS = st.tuples(st.just("reboot"), st.sampled_from((30, 4000, 11 * HOUR, 60 * HOUR)))
RULES = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CONFIRM_AFTER_H = 9


def played(moves: list[tuple[str, object]], rule: str, signals: bool = True) -> Watched:
    """The line after the moves, and one tick later."""
    line = Watched(**({} if signals else {"counters": {}, "signals": {}}), concurrent=not signals)
    posting = Posting.model_validate({"date": rule})
    calendar = Calendar(ZoneInfo("Asia/Shanghai"), SHIFTS, posting)
    line.site = replace(line.site, calendar=calendar, crew=Crew(confirm_after_h=CONFIRM_AFTER_H))
    line.watch()
    strokes = 5
    line.scan("LSE1042", "LSW100")
    for move in moves:
        match move:
            case "read", int(more):
                strokes += more
                line.wait(1).read(cycles=strokes, running=bool(more), energy=1.0)
            case "pass", (float() | int()) as seconds:
                line.pass_(seconds)
            case "set", int(seconds):
                line.set(seconds)
            case "correct", ("synced" | "unsynced") as clock:
                line.correct(clock)
            case "restart", _:
                line.start()
            case "reboot", int(seconds):
                line.reboot(seconds)
            case ("OP20" | "OP30") as station, str(texts):
                line.scan(*texts.split(","), station=station, device=station)
    line.wait(1)
    return line


def presence(line: Watched) -> Counter[str]:
    """Each person's milliseconds from sign-on to sign-off, as long as one boot lasts."""
    found: Counter[str] = Counter()
    present: Counter[str] = Counter()
    before: tuple[str | None, int] = None, 0
    for fact in [*(event.data for event in line.events if not isinstance(event.data, e.ClockStepped)), None]:
        now = (line.now.boot_id, line.now.monotonic_ms) if fact is None else since_boot(fact)
        unknown = isinstance(fact, e.ShiftChanged) and fact.incomplete
        if now[0] == before[0] and not unknown:
            for operator in present:
                found[operator] += now[1] - before[1]
        if isinstance(fact, e.OperatorSignedOn):
            present[fact.operator] |= 1 << ["OP20", "OP30"].index(fact.station or "")
        if isinstance(fact, e.OperatorSignedOff):
            present[fact.operator] &= ~(1 << ["OP20", "OP30"].index(fact.station or ""))
            present += Counter()
        before = now
    return +found


def since_boot(fact: e.Fact) -> tuple[str | None, int]:
    """Boot and milliseconds; a shift that ended before the boot is told in it, and lies before its nought."""
    return fact.boot_id, max(0, round((fact.monotonic_s or Decimal(0)) * 1000))


def told(line: Watched) -> Counter[str]:
    """Each person's labour, unassigned time and breaks: in facts that stand, and in the state."""
    found: Counter[str] = Counter()
    corrected = {one.corrects for one in line.facts(e.WorkCorrected) if isinstance(one, e.WorkCorrected)}
    for event in line.events:
        fact = event.data
        if isinstance(fact, e.TimeUnassigned | e.BreakTaken) and fact.operator:
            found[fact.operator] += round(fact.s * 1000)
        if isinstance(fact, e.WorkReported) and event.id not in corrected and fact.resources:
            for one in fact.resources.labour or ():  # type: ignore[union-attr]
                found[one.operator] += round(one.s * 1000)
    return found + waiting(line)


def waiting(line: Watched) -> Counter[str]:
    """Each person's time that no fact carries yet."""
    found: Counter[str] = Counter()
    state = hours.passed(line.line, line.now)
    for station in state.stations.values():
        for job in station.jobs:
            for held in job.labour:
                found[held.operator] += held.ms
    for one in (*state.pools, *state.idle):
        found[one.operator] += one.ms
    return found


@RULES
@given(st.lists(MOVES, min_size=10, max_size=30), st.sampled_from(("production", "calendar")), st.booleans())
def test_presence_is_labour_and_unassigned_time_and_breaks(
    moves: list[tuple[str, object]], rule: str, signals: bool
) -> None:
    line = played(moves, rule, signals)
    assert told(line) == presence(line)
    assert line.refolded() == line.line


@RULES
@given(st.lists(st.one_of(MOVES, REBOOTS), min_size=10, max_size=30))
def test_over_boots_at_least_presence_is_told_and_at_most_a_shift_more(
    moves: list[tuple[str, object]],
) -> None:
    line = played(moves, "production")
    found, within = told(line), presence(line)
    boots = len({event.data.boot_id for event in line.events} | {line.now.boot_id}) - 1
    for operator in found | within:
        assert 0 <= found[operator] - within[operator] <= boots * LONGEST_ABSENCE_MS
    assert line.refolded() == line.line


@RULES
@given(st.lists(MOVES, min_size=10, max_size=30), st.sampled_from(("production", "calendar")), st.booleans())
def test_no_report_carries_time_of_two_shifts(
    moves: list[tuple[str, object]], rule: str, signals: bool
) -> None:
    line = played([move for move in moves if move[0] not in ("set", "correct")], rule, signals)
    calendar = line.site.calendar
    for fact in line.facts(e.WorkReported, e.WorkCompleted):
        if isinstance(fact, e.WorkReported) and fact.resources and fact.interval:
            begins, ends = e.parse_instant(fact.interval.from_), e.parse_instant(fact.interval.to)
            last = calendar.day(max(begins, ends - 1)).period.dates
            assert (
                calendar.day(begins).period.dates
                == last
                == (fact.shift, fact.production_date, fact.posting_date)
            )
            for one in fact.resources.labour or ():  # type: ignore[union-attr]
                assert 0 <= one.s * 1000 <= ends - begins


@RULES
@given(st.lists(MOVES, min_size=10, max_size=30), st.booleans())
def test_labour_is_time_at_running_jobs_outside_breaks_and_within_the_limit(
    moves: list[tuple[str, object]], signals: bool
) -> None:
    line = played([move for move in moves if move[0] not in ("set", "correct")], "production", signals)
    expected: Counter[str] = Counter()
    state, signed_ms = Line(), dict[str, int]()
    for body, after in pairwise([*line.bodies, None]):
        event = decode(body or b"")
        state = fold(state, event)
        begins = e.parse_instant(event.time)
        if isinstance(event.data, e.OperatorSignedOn):
            signed_ms[event.data.operator] = begins
        ends = e.parse_instant(decode(after).time) if after else line.now.wall_ms
        for operator in {one for station in state.stations.values() for one in station.crew}:
            theirs = (station for station in state.stations.values() if operator in station.crew)
            if any(job.working for station in theirs for job in station.jobs):
                limit = signed_ms[operator] + CONFIRM_AFTER_H * HOUR * 1000
                expected[operator] += outside_breaks(line.site.calendar, begins, min(ends, limit))
    idle = Counter[str]()
    for fact in line.facts(e.TimeUnassigned, e.BreakTaken):
        if isinstance(fact, e.TimeUnassigned | e.BreakTaken) and getattr(fact, "category", "") != "undone":
            idle[fact.operator or ""] += round(fact.s * 1000)
    for one in hours.passed(line.line, line.now).idle:
        idle[one.operator] += one.ms
    assert told(line) - idle == +expected


def outside_breaks(calendar: Calendar, begins_ms: int, ends_ms: int) -> int:
    edges = [begins_ms, *calendar.edges(begins_ms, ends_ms), max(begins_ms, ends_ms)]
    return sum(b - a for a, b in pairwise(edges) if calendar.day(a).on_break is None)


def test_the_play_of_these_tests_reaches_what_they_are_about() -> None:
    moves = [
        ("OP30", "LSE1042"),
        ("OP30", "LSW200"),
        ("pass", 5 * HOUR),
        ("pass", 30 * HOUR),
        ("OP20", "LSE1042"),
    ]
    line = played(moves, "calendar")
    kinds = {type(fact) for fact in line.facts()}
    assert kinds >= {e.WorkReported, e.ShiftChanged, e.BreakTaken, e.TimeUnassigned, e.OperatorDoubted}
    assert sum(presence(line).values()) > 35 * HOUR * 1000
    assert Decimal(told(line)["1042"]) == presence(line)["1042"]
