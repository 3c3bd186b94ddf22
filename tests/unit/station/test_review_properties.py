"""Whatever a shift and its settlements do: no stroke is lost, none is settled twice."""

from decimal import Decimal
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.events import CountRecorded, CountUnattributed, ReviewSettled, WorkReported
from tests.unit.station.floor import MASTER, Floor

PEOPLE = [{"person": "1042", "roles": ["operator"]}, {"person": "2001", "roles": ["shift_leader"]}]
ORDERS = st.sampled_from(["100", "200"])
WAYS = st.sampled_from(["accept", "reassign", "split"])
STEPS = st.one_of(
    st.tuples(st.just("strokes"), st.integers(1, 20)),
    st.tuples(st.just("start"), ORDERS),
    st.tuples(st.just("complete"), st.none()),
    st.tuples(st.just("settle"), st.tuples(WAYS, ORDERS)),
    st.tuples(st.just("restart"), st.none()),
)


def settle(floor: Floor, how: str, order: str) -> None:
    waiting = [one for one in floor.waiting if one.kind == "count"]
    if not waiting:
        return
    one = waiting[0]
    to: dict[str, Any] = {"work_order": order, "operation": "0020"}
    asked: dict[str, Any] = {"how": how, "settles": [one.id], "person": "2001"}
    if how == "reassign":
        asked["to"] = to
    elif how == "split":
        rest = (one.quantity or 0) - 1
        if rest < 1:
            return
        asked["parts"] = [to | {"quantity": "1"}, {"quantity": str(rest)}]
    floor.settle(**asked)


@example(
    [("strokes", 5), ("start", "100"), ("strokes", 9), ("settle", ("reassign", "100")), ("complete", None)]
)
@settings(max_examples=80, deadline=None)
@given(st.lists(STEPS, min_size=6, max_size=25))
def test_every_stroke_is_reported_or_waits_or_was_said_to_be_nobodys(steps: list[tuple[str, Any]]) -> None:
    floor = Floor(MASTER | {"people": PEOPLE}, automatic={"start": "off", "pause": "off"})
    struck = 0
    floor.read(cycles=0).wait(1)
    floor.scan("LSE1042")
    for what, value in steps:
        if what == "strokes":
            struck += value
            floor.wait(30).read(cycles=struck).wait(31)
        elif what == "start" and floor.station.job is None:
            floor.scan(f"LSW{value} 0020")
        elif what == "complete" and floor.station.job is not None:
            floor.scan("LSCDONE", "LSCOK")
        elif what == "settle":
            settle(floor, *value)
        elif what == "restart":
            floor.restart()
            floor.read(cycles=struck).wait(1)
    if floor.station.job is not None:
        floor.scan("LSCDONE", "LSCOK")
    reports = [one for one in floor.facts() if isinstance(one, WorkReported)]
    reported = sum((out.quantity for one in reports for out in one.outputs), Decimal(0))
    waiting = sum((one.quantity or Decimal(0) for one in floor.waiting), Decimal(0))
    assert reported + waiting + nobodys(floor) == struck
    assert floor.refolded() == floor.line


def nobodys(floor: Floor) -> Decimal:
    """What settlements gave to no order; each fact is settled at most once."""
    quantities = {
        event.id: event.data.quantity or Decimal(0)
        for event in floor.events
        if isinstance(event.data, CountUnattributed | CountRecorded)
    }
    settlements = [one for one in floor.facts(ReviewSettled) if isinstance(one, ReviewSettled)]
    ids = [id_ for one in settlements for id_ in one.settles]
    assert len(ids) == len(set(ids))
    by_id = {event.id: event.data for event in floor.events}
    given_out = sum(
        (out.quantity for one in settlements for id_ in one.led_to for out in by_id[id_].outputs),  # type: ignore[attr-defined]
        Decimal(0),
    )
    return sum((quantities[id_] for id_ in ids), Decimal(0)) - given_out
