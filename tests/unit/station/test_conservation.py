"""For any interleaving of scans, readings and restarts: nothing is lost and nothing counted twice."""

import re
from decimal import Decimal

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import events as e
from edge.events import DECIMAL_PATTERN
from edge.station.state import Line
from tests.unit.station.floor import BACKFLUSHED, START_MS, Floor

SCANS = (
    "LSE1042", "LSE1043", "LSCOUT", "LSW100", "LSW200", "LSL A1", "LSL O1", "LSQ3", "LSQ1", "LSCSCRAP04",
    "LSCREWORK04", "LSCPAUSE21", "LSCGO", "LSCSETUP", "LSCDONE", "LSCPART", "LSCOK", "LSCUNDO", "garbage",
    "LSE1042,LSW100", "LSE1042,LSW100", "LSCDONE,LSCOK", "LSCPART,LSCOK", "LSCUNDO,LSCOK", "LSCUNDO,LSCOK",
    "LSCDONE,LSQ3,LSCOK", "LSCDONE,LSQ9,LSCOK",
    "LSW200,LSCOK", "LSL A1,LSQ3", "LSCSCRAP04,LSQ3", "LSCSETUP,LSCGO,LSCOK",
)  # fmt: skip
MOVES = st.one_of(
    st.sampled_from(SCANS),
    st.sampled_from(SCANS),
    st.tuples(st.just("read"), st.integers(0, 3), st.booleans()),
    st.tuples(st.just("silent"), st.just(0), st.just(False)),
    st.tuples(st.just("restart"), st.just(0), st.just(False)),
    st.tuples(st.just("wait"), st.integers(1, 90), st.just(False)),
)


def played(moves: list[object], signals: bool = True) -> tuple[Floor, int]:
    """A floor after the moves, and the strokes that the press made."""
    floor = Floor(BACKFLUSHED) if signals else Floor(BACKFLUSHED, counters={}, signals={})
    raw = 2**32 - 5  # the counter rolls over on the way
    strokes = 0
    floor.read(cycles=raw, running=True, energy=1.0)
    for move in moves:
        match move:
            case ("read", int(step), bool(on)):
                strokes += step
                floor.wait(2).read(cycles=(raw + strokes) % 2**32, running=on, energy=1.0 + strokes / 1000)
            case ("silent", _, _):
                floor.read(good=False)
            case ("restart", _, _):
                floor.restart()
            case ("wait", int(seconds), _):
                floor.wait(seconds)
            case str(text):
                floor.scan(*text.split(","))
    floor.read(cycles=(raw + strokes) % 2**32)
    floor.wait(61).wait(61)  # pending entries end, what moved is recorded
    return floor, strokes


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MOVES, min_size=10, max_size=40))
def test_every_stroke_is_in_exactly_one_fact(moves: list[object]) -> None:
    floor, strokes = played(moves)
    counts = [
        fact
        for fact in floor.facts(e.CountRecorded, e.CountUnattributed)
        if isinstance(fact, e.CountRecorded) and fact.counter == "good"
    ]
    assert sum((fact.delta or Decimal(0) for fact in counts), Decimal(0)) == strokes
    assert [a.to for a in counts[:-1]] == [b.from_ for b in counts[1:]], "raw values without a hole"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MOVES, min_size=10, max_size=40), st.booleans())
def test_the_state_folded_from_the_journal_is_the_live_state(moves: list[object], signals: bool) -> None:
    floor, _ = played(moves, signals)
    assert floor.refolded() == floor.line
    stored = msgspec.json.encode(floor.line)
    assert msgspec.json.decode(stored, type=Line) == floor.line, "through a snapshot too"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MOVES, min_size=10, max_size=40))
def test_every_quantity_is_a_plain_decimal_string(moves: list[object]) -> None:
    floor, _ = played(moves)
    for body in floor.bodies:
        for value in leaves(msgspec.json.decode(body)["data"]):
            assert not isinstance(value, int | float) or isinstance(value, bool)
        assert not re.search(rb'"-?[0-9.]+E[-+]?[0-9]+"', body)
    for event in floor.events:
        for name in ("delta", "quantity", "from_", "to", "monotonic_s"):
            value = getattr(event.data, name, None)
            assert not isinstance(value, Decimal) or re.match(DECIMAL_PATTERN, str(value))


def leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for one in value.values() for leaf in leaves(one)]
    if isinstance(value, list):
        return [leaf for one in value for leaf in leaves(one)]
    return [value]


def test_start_is_where_the_clock_says() -> None:
    assert Floor().now.wall_ms == START_MS


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MOVES.filter(lambda move: "LSQ" not in str(move)), min_size=10, max_size=40))
def test_what_the_counter_moved_is_reported_or_open_or_waits_for_a_person(moves: list[object]) -> None:
    """Without figures by hand: counter = reported by all jobs + not yet reported + unattributed."""
    floor, strokes = played(moves)
    floor.scan("LSE1042")
    cancelled = {fact.corrects for fact in floor.facts(e.WorkCorrected) if isinstance(fact, e.WorkCorrected)}
    reported = sum(
        one.quantity
        for event in floor.events
        if isinstance(event.data, e.WorkReported) and event.id not in cancelled
        for one in event.data.outputs
    )
    waits = sum(
        fact.delta or Decimal(0)
        for fact in floor.facts(e.CountUnattributed)
        if isinstance(fact, e.CountUnattributed) and fact.counter == "good"
    )
    # Before the first job nothing is anybody's; scrap beyond the count makes an open job's rest negative.
    still_open = sum(
        sum(job.counted.values()) - job.good - job.scrap - job.rework
        + sum(job.setup_counted.values()) - job.setup_scrap
        for job in floor.station.jobs
    )  # fmt: skip
    assert strokes == reported + waits + still_open
