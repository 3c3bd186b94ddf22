"""A counter that goes on jumping: nothing is lost, little is kept, and a person hears of it."""

from decimal import Decimal

import msgspec
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st

from edge import events as e
from edge.station.handover import carried
from tests.unit.station.floor import Floor
from tests.unit.station.test_held import PEOPLE, SHOP, refused
from tests.unit.station.test_reminders import Reminded

D = Decimal
HOUR_S = 3600


def press() -> Floor:
    """Order 100 runs; whoever may settles."""
    floor = Floor(SHOP)
    floor.read(cycles=1_000).wait(1)
    floor.scan("LSE1042", "LSW100")
    return floor


def flap(floor: Floor, seconds: int, high: int = 60_000) -> None:
    """Every other reading is another register's."""
    for second in range(seconds):
        at = floor.now
        floor.now = msgspec.structs.replace(
            at, wall_ms=at.wall_ms + 1_000, monotonic_ms=at.monotonic_ms + 1_000
        )
        floor.read(cycles=1_000 if second % 2 else high)
        if second % 10 == 9:
            floor.wait(0)


def held(floor: Floor) -> list[e.CountUnattributed]:
    facts = [fact for fact in floor.facts(e.CountUnattributed) if isinstance(fact, e.CountUnattributed)]
    return [fact for fact in facts if fact.held is not None]


def test_two_hours_of_jumps_are_a_few_facts_and_entries() -> None:
    floor = press()
    flap(floor, 2 * HOUR_S)
    assert len(held(floor)) <= 3 + 8 + 1
    (one,) = floor.waiting
    assert one.doubt == "implausible, backwards"
    assert len(carried(floor.line)) < 5_000
    flap(floor, 60)
    floor.wait(40)
    assert sum(int(fact.jumps or 1) for fact in held(floor)) == 2 * HOUR_S + 60
    (one,) = floor.waiting
    assert one.jumps == 2 * HOUR_S + 60
    assert refused(floor, how="accept", settles=[one.id]) == "not_forward"
    floor.settle(how="reverse", settles=[one.id], person="2001")
    assert floor.waiting == [] and floor.refolded() == floor.line


def test_a_boundary_and_a_stop_record_what_was_gathered() -> None:
    floor = press()
    flap(floor, 7)
    assert len(held(floor)) == 3
    floor.scan("LSCPAUSE21")
    assert [fact.jumps for fact in held(floor)] == [None, None, None, D(4)]
    assert sum((fact.delta or D(0) for fact in held(floor)), D(0)) == 59_000


def test_a_machine_faster_than_set_up_is_one_entry_that_can_be_accepted() -> None:
    floor = press()
    for number in range(1, 121):
        floor.wait(1).read(cycles=1_000 + 5 * number)
    floor.wait(40)
    (one,) = floor.waiting
    assert (one.jumps, one.delta, one.doubt) == (119, 595, "implausible")  # the first could be
    floor.settle(how="accept", settles=[one.id], person="2001")
    assert floor.job.counted == {"good": 600}
    assert floor.refolded() == floor.line


def test_a_counter_that_is_set_back_between_its_jumps_has_no_figure() -> None:
    floor = press()
    for number in range(60):
        floor.wait(1).read(cycles=0 if number % 2 else 1_500)
    floor.wait(40)
    (one,) = [one for one in floor.waiting if one.kind == "held"]
    assert not one.claims
    assert refused(floor, how="accept", settles=[one.id]) in ("not_forward", "figure_needed")


@tried(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.one_of(
            st.integers(0, 2),
            st.sampled_from((50_000, -50_000, 100, -100)),
            st.sampled_from(("LSCPART,LSCOK", "LSCPAUSE21", "LSCGO", "LSCDONE", "LSW100", "LSCUNDO,LSCOK")),
            st.sampled_from(("restart", "tick", "rest", "silent")),
        ),
        min_size=10,
        max_size=80,
    )
)
def test_each_raw_unit_is_counted_or_held_once(moves: list[int | str]) -> None:
    """Whatever is restarted: a step of the counter is one of both, in the facts or on its way to them."""
    floor = Floor(
        SHOP | {"people": PEOPLE},
        counters={"good": {"tag": "press1.cycles", "max_rate_per_min": 60, "reset": False}},
    )
    raw = 10**6
    floor.read(cycles=raw).wait(1)
    floor.scan("LSE1042", "LSW100")
    for move in moves:
        if isinstance(move, int):
            raw += move
            floor.wait(1).read(cycles=raw)
        elif move == "restart":
            floor.restart()
            floor.read(cycles=raw)
        elif move == "silent":
            floor.read(good=False)
        elif move in ("tick", "rest"):
            floor.wait(1 if move == "tick" else 45)
        else:
            floor.scan(*move.split(","))
    floor.read(cycles=raw).wait(61).wait(61)
    counts = [
        fact
        for fact in floor.facts(e.CountRecorded, e.CountUnattributed)
        if isinstance(fact, e.CountRecorded) and fact.counter == "good"
    ]
    assert sum((fact.delta or D(0) for fact in counts), D(0)) == raw - 10**6
    waiting = {id_ for one in floor.waiting for id_ in one.ids}
    ids = {event.id for event in floor.events if getattr(event.data, "held", None)}
    assert ids <= waiting
    assert floor.refolded() == floor.line


def test_a_person_hears_of_a_counter_that_jumps_and_that_it_stopped() -> None:
    floor = Reminded().begin("LSE1042", "LSW200")
    flap(floor, 3)
    assert "station.OP20.jumps.good" not in floor.look().due
    flap(floor, 3)
    found = floor.look()
    assert "good jumps again and again" in found.due["station.OP20.jumps.good"].text.en
    assert "max_rate_per_min" in found.due["station.OP20.jumps.good"].hint.zh
    floor.wait(500)
    assert "station.OP20.jumps.good" in floor.look().due
    floor.wait(120)
    found = floor.look()
    assert "station.OP20.jumps.good" not in found.open


def test_after_a_restart_nobody_knows_whether_a_counter_still_jumps() -> None:
    floor = Reminded().begin("LSE1042", "LSW200")
    flap(floor, 6)
    floor.restart()
    floor.watch = type(floor.watch)()
    found = floor.look()
    assert "station.OP20.jumps.good" in found.open and "station.OP20.jumps.good" not in found.due
    floor.wait(601)
    assert "station.OP20.jumps.good" not in floor.look().open
