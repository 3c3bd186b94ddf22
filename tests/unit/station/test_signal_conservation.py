"""Tools, blocked cavities, family moulds, scrap counters, restarts: each stroke is of somebody, once."""

from decimal import Decimal
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import events as e
from edge.station.evolve import fold
from edge.station.state import Line, Tool
from tests.unit.station.floor import MASTER, Floor
from tests.unit.station.test_tools import TOOLS

SCANS = (
    "LSE1042", "LSE1042,LSWLR", "LSE1042,LSWL", "LSE1042,LSWR", "LSWLR", "LSWL", "LSWR", "LSW100",
    "LSCTOOL M-4", "LSCTOOL FAMILY", "LSCTOOL THIRDS", "LSCNOTOOL", "LSCBLOCKED 1", "LSCBLOCKED 1 LEFT",
    "LSCBLOCKED 2 RIGHT", "LSCBLOCKED 0", "LSCSCRAP04", "LSCREWORK04,LSCOK", "LSCSETUP",
    "LSCSETUP,LSCGO,LSCOK", "LSCGO", "LSCGO,LSCOK", "LSCPAUSE21", "LSCDONE", "LSCPART",
    "LSCOK", "LSCDONE,LSCOK", "LSCPART,LSCOK",
    "LSWLR,LSCOK", "LSWL,LSCOK", "LSCUNDO,LSCOK", "LSCUNDO,LSCOK", "LSCMETER REJECTS",
)  # fmt: skip
MOVES = st.lists(
    st.one_of(
        st.sampled_from(SCANS),
        st.sampled_from(SCANS),
        st.tuples(st.just("read"), st.integers(0, 3), st.integers(0, 1)),
        st.tuples(st.just("read"), st.integers(1, 3), st.integers(0, 1)),
        st.tuples(st.just("silent"), st.just(0), st.just(0)),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 90), st.just(0)),
    ),
    min_size=10,
    max_size=40,
)
COUNTERS = {
    "strokes": {"tag": "press1.cycles", "max_rate_per_min": 600},
    "rejects": {"tag": "press1.rejects", "counts": "scrap", "reason": "04", "max_rate_per_min": 600},
}


def played(moves: list[object], concurrent: bool, start: str) -> tuple[Floor, int]:
    """A floor after the moves, and the strokes that the press made."""
    automatic = {"start": start, "pause": "on", "pause_after_s": 60}
    signals = {"running": "press1.running"}
    station = {"counters": COUNTERS, "concurrent": concurrent, "automatic": automatic, "signals": signals}
    floor = Floor(MASTER | TOOLS, **station)  # type: ignore[operator]
    strokes = rejects = 0
    floor.read(cycles=strokes, rejects=rejects, running=True)
    for move in moves:
        match move:
            case ("read", int(made), int(rejected)):
                strokes, rejects = strokes + made, rejects + rejected
                floor.wait(2).read(cycles=strokes, rejects=rejects, running=bool(made))
            case ("silent", _, _):
                floor.read(good=False, rejects=None)
            case ("restart", _, _):
                floor.restart()
            case ("wait", int(seconds), _):
                floor.wait(seconds)
            case str(text):
                floor.scan(*text.split(","))
    floor.read(cycles=strokes, rejects=rejects)
    floor.wait(61).wait(61)  # pending entries end, what moved is recorded
    return floor, strokes


def counts(floor: Floor, counter: str, kind: type[e.CountRecorded] | None = None) -> list[e.CountRecorded]:
    kinds = (kind,) if kind else (e.CountRecorded, e.CountUnattributed)
    found = [fact for fact in floor.facts(*kinds) if isinstance(fact, e.CountRecorded)]
    return [fact for fact in found if fact.counter == counter]


def total(values: object) -> Decimal:
    return sum((value or Decimal(0) for value in values), Decimal(0))  # type: ignore[attr-defined]


def units(tool: Tool | None) -> Decimal:
    """What a stroke brings, worked out once more."""
    if tool is None:
        return Decimal(1)
    return (tool.units_per_count or Decimal(1)) - total(one.cavities for one in tool.blocked)


many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@many
@given(MOVES, st.booleans(), st.sampled_from(["off", "propose", "on"]))
def test_the_parts_of_a_movement_are_what_its_strokes_brought(
    moves: list[object], concurrent: bool, start: str
) -> None:
    floor, strokes = played(moves, concurrent, start)
    own = counts(floor, "strokes")
    moved = [fact for fact in own if fact.delta is not None]
    assert total(fact.delta for fact in own) == strokes
    assert all(a.to == b.from_ for a, b in pairwise(moved)), "raw values without a hole"
    line, due, brought = Line(), Decimal(0), Decimal(0)
    for body, event in zip(floor.bodies, floor.events, strict=True):
        fact = event.data
        if isinstance(fact, e.CountRecorded) and fact.counter == "strokes":
            if fact.delta is not None:
                assert brought == due
                due, brought = fact.delta * units(line.station("OP20").tool), Decimal(0)
            brought += fact.quantity or 0
        line = fold(line, e.decode(body))
    assert brought == due


@many
@given(MOVES, st.booleans(), st.sampled_from(["off", "propose", "on"]))
def test_pieces_are_reported_or_open_or_wait(moves: list[object], concurrent: bool, start: str) -> None:
    floor, _ = played(moves, concurrent, start)
    cancelled = {fact.corrects for fact in floor.facts(e.WorkCorrected) if isinstance(fact, e.WorkCorrected)}
    outputs = [
        one
        for event in floor.events
        if isinstance(event.data, e.WorkReported) and event.id not in cancelled
        for one in event.data.outputs
    ]
    open_now = Decimal(0)
    rejects_open = Decimal(0)
    for job in floor.station.jobs:
        for made in (job, *job.side.values()):
            open_now += made.counted.get("strokes", 0) + made.setup_counted.get("strokes", 0)
            rejects_open += made.counted.get("rejects", 0) + made.setup_counted.get("rejects", 0)
            rejects_open -= total(made.counter_scrap.values())
        open_now -= job.good + job.scrap + job.rework + job.setup_scrap
        open_now -= total(one.good + one.defective + one.setup_scrap for one in job.side.values())
    waits = total(fact.quantity for fact in counts(floor, "strokes", e.CountUnattributed))
    all_pieces = total(fact.quantity for fact in counts(floor, "strokes"))
    assert all_pieces == total(one.quantity for one in outputs) + open_now + waits

    in_setup = total(f.quantity for f in counts(floor, "rejects") if f.phase == "setup")
    done_in_setup = in_setup - total(
        one.setup_counted.get("rejects", 0) for job in floor.station.jobs for one in (job, *job.side.values())
    )
    taken = total(one.quantity for one in outputs if one.counter == "rejects")
    rejects_wait = total(fact.quantity for fact in counts(floor, "rejects", e.CountUnattributed))
    all_rejects = total(fact.quantity for fact in counts(floor, "rejects"))
    assert all_rejects == taken + rejects_open + done_in_setup + rejects_wait


@many
@given(MOVES, st.booleans(), st.sampled_from(["off", "propose", "on"]))
def test_the_state_folded_from_the_journal_is_the_live_state(
    moves: list[object], concurrent: bool, start: str
) -> None:
    floor, _ = played(moves, concurrent, start)
    assert floor.refolded() == floor.line


@many
@given(MOVES)
def test_machine_time_and_micro_stops_are_never_longer_than_the_clock(moves: list[object]) -> None:
    floor, _ = played(moves, False, "on")
    first, last = floor.events[0].data.monotonic_s, floor.now.monotonic_ms
    seconds = total(fact.quantity for fact in counts(floor, "running"))
    stops = total(fact.micro_stop_s for fact in counts(floor, "running"))
    assert first is not None and seconds + stops <= Decimal(last) / 1000 - first
