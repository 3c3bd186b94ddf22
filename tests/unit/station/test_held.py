"""A held movement that a person accepts counts as what it would have been, had it been plausible."""

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given
from hypothesis import settings as tried
from hypothesis import strategies as st
from msgspec.structs import replace

from edge import events as e
from edge import settings
from edge.station.evolve import evolve
from edge.station.pending import PendingReport, PendingSetup
from edge.station.review.shown import entries
from edge.station.review.waiting import Waiting
from edge.station.review.words import Unsettled
from tests.unit.station.floor import Floor
from tests.unit.station.test_backflush import master
from tests.unit.station.test_tools import TOOLS

D = Decimal
FLOW = {"line": "20", "material": "OIL", "quantity": "0.25", "method": "metered"}
GREASE = {"line": "30", "material": "OIL-B", "quantity": "0.25"}
PEOPLE = [{"person": "1042", "roles": ["operator"]}, {"person": "2001", "roles": ["shift_leader"]}]
SHOP = master(FLOW, GREASE) | {"tools": TOOLS["tools"], "people": PEOPLE}
SHOP["work_orders"] += TOOLS["work_orders"][-3:]  # type: ignore[index]
SHOP["lots"] += [{"material": "OIL", "lot": "O9"}]
OTHERS = 3  # stations on the meter, with this one
TAGS = ("cycles", "rejects", "energy", "flow")
GRAIN = D("0.000001")  # kWh: to this a station's part of one movement of a shared meter is rounded
START = {"cycles": 500, "rejects": 50, "energy": 70_000, "flow": 90}


def plant(limit: int, *, counts: str = "all", shared: bool = False, side_by_side: bool = False) -> Floor:
    """A press whose signals are held beyond `limit` times what it can do: everything counts here."""
    rejects = {"tag": "press1.rejects", "counts": "scrap", "reason": "04", "max_rate_per_min": limit}
    flow = {"tag": "press1.flow", "material": "OIL", "unit": "DZN", "multiplier": 3}
    floor = Floor(
        SHOP,
        counters={
            "good": {"tag": "press1.cycles", "counts": counts, "max_rate_per_min": 60 * limit},
            "rejects": rejects,
        },
        meters={"oil": flow | {"max_rate_per_min": min(180 * limit, 10**6)}},
        signals={"energy": "press1.energy", "energy_multiplier": "0.001", "rated_kw": 20 * limit},
        automatic={"start": "off", "pause": "off"},
        concurrent=side_by_side,
    )
    beside = [
        settings.Station.model_validate(
            {"work_center": "WC-PRESS-1", "signals": {"energy": "press1.energy", "rated_kw": kw * limit}}
        )
        for kw in (10, 3)
    ]
    if shared:
        stations = {"OP10": beside[0], **floor.site.stations, "OP90": beside[1]}
        floor.site = replace(floor.site, stations=stations)
        floor.lives |= dict.fromkeys(("OP10", "OP90"), floor.lives["OP30"])
    return floor


class Played:
    """One shift at it, with a jump that is held or not."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.at = dict(START)

    def read(self, **moved: int) -> None:
        for tag, more in moved.items():
            self.at[tag] += more
        self.floor.wait(2).read(**{tag: self.at[tag] for tag in TAGS})

    def accept(self) -> None:
        for one in [one for one in self.floor.waiting if one.kind == "held"]:
            self.floor.settle(how="accept", settles=[one.id], person="2001")

    def finish(self) -> None:
        """Complete every job with what the counters propose."""
        floor = self.floor
        while floor.station.jobs:
            job = floor.station.job or floor.station.jobs[0]
            if floor.station.job is None:
                floor.scan(f"LSW{job.work_order} {job.operation}")
            if job.phase == "setup":
                floor.scan("LSCGO")
                if isinstance(floor.lives["OP20"].pending, PendingSetup):
                    floor.scan("LSCOK")
            floor.wait(3).scan("LSCDONE")
            pending = floor.lives["OP20"].pending
            assert isinstance(pending, PendingReport) and pending.total is not None
            floor.scan("LSCOK")

    def figures(self, *, counted: bool) -> Counter[tuple[Any, ...]]:
        """All that costs, and where a report could carry it what counters said of each order."""
        found: Counter[tuple[Any, ...]] = Counter()
        for fact in self.floor.facts():
            match fact:
                case e.WorkReported():
                    for one in fact.outputs:
                        kind = one.role, one.disposition, one.cause, one.reason
                        found["made", fact.work_order, one.material, *kind] += one.quantity  # type: ignore[assignment]
                    energy = fact.resources.energy_kwh if fact.resources else None
                    if isinstance(energy, Decimal):
                        found["energy", fact.work_order] += energy  # type: ignore[assignment]
                case e.MaterialConsumed():
                    of = fact.material, fact.lot, fact.bom_line, fact.method, fact.unit
                    found["used", fact.work_order, *of] += fact.quantity  # type: ignore[assignment]
                case e.CountUnattributed() if fact.held is None:
                    found["nobody's", fact.counter, fact.material] += fact.quantity or D(0)  # type: ignore[assignment]
                case e.CountRecorded() if fact.held is None and (counted or not fact.work_order):
                    of_ = fact.counter, fact.material, fact.role, fact.phase, fact.bom_line
                    found["counted", fact.work_order, *of_] += fact.quantity or D(0)  # type: ignore[assignment]
        return +found


JOBS: tuple[tuple[str, ...], ...] = (
    ("LSE1042", "LSW100"),
    ("LSE1042", "LSCTOOL M-4", "LSCBLOCKED 1", "LSW100"),
    ("LSE1042", "LSCTOOL FAMILY", "LSWL", "LSWR"),
    ("LSE1042", "LSCTOOL FAMILY", "LSWL"),  # nobody makes the other side
    ("LSE1042", "LSCTOOL FAMILY", "LSWLR"),
    ("LSE1042", "LSW100", "LSCSETUP"),
    ("LSE1042", "LSCTOOL FAMILY", "LSWLR", "LSCSETUP"),
    ("LSE1042", "LSW100", "LSW200"),
    ("LSE1042",),
)
MOVED = st.lists(st.tuples(st.sampled_from(TAGS), st.integers(1, 2)), max_size=4)


@example(JOBS[0], "energy", 6_000, [], [], "all", True, "completed")
@example(JOBS[0], "rejects", 7, [], [("cycles", 2)], "all", False, "at once")
@example(JOBS[0], "flow", 4_000, [], [], "all", False, "completed")
@example(JOBS[4], "cycles", 501, [("cycles", 1)], [], "all", False, "completed")
@example(JOBS[5], "cycles", 501, [("cycles", 1)], [("cycles", 1)], "all", False, "running")
@example(JOBS[7], "cycles", 501, [("cycles", 1)], [], "all", False, "at once")
@example(JOBS[7], "cycles", 501, [], [("cycles", 1)], "all", False, "running")
@example(JOBS[0], "cycles", 500, [], [("energy", 2)] * 3, "all", True, "at once")
@tried(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(JOBS),
    st.sampled_from(TAGS),
    st.integers(500, 6_000),
    MOVED,
    MOVED,
    st.sampled_from(("all", "good")),
    st.booleans(),
    st.sampled_from(("at once", "running", "completed")),
)
def test_accepted_it_counts_as_it_would_have(
    scans: tuple[str, ...],
    tag: str,
    jump: int,
    before: list[tuple[str, int]],
    after: list[tuple[str, int]],
    counts: str,
    shared: bool,
    when: str,
) -> None:
    side_by_side = "LSW200" in scans
    shifts = []
    jump = jump % 5 + 5 if tag == "rejects" else jump
    for limit in (1, 10_000):
        given_ = plant(limit, counts=counts, shared=shared, side_by_side=side_by_side)
        shift = Played(given_)
        shift.read()
        given_.scan("LSL O9", *scans)
        for _ in range(20):
            shift.read(cycles=2)
        for moved, number in before:
            shift.read(**{moved: number})
        given_.wait(31)
        shift.read(**{tag: jump})
        if when == "at once":
            shift.accept()
        given_.wait(31)  # a movement recorded by itself is rounded by itself
        for moved, number in after:
            shift.read(**{moved: number})
        if given_.station.job and given_.job.phase == "setup":
            given_.scan("LSCGO")
            if isinstance(given_.lives["OP20"].pending, PendingSetup):
                given_.scan("LSCOK")
        if when == "running":
            shift.accept()
        shift.finish()
        given_.wait(31)
        if when == "completed" and tag == "rejects" and counts == "all" and limit == 1:
            # The completed orders' good pieces hold the scrap: only a correction of them is right.
            assume(not any(claim.work_order for one in given_.waiting for claim in one.claims))
        shift.accept()
        assert not [one for one in given_.waiting if one.kind == "held"]
        assert given_.refolded() == given_.line
        shifts.append(shift)
    held, plausible = shifts
    assert any(getattr(fact, "held", None) for fact in held.floor.facts())
    assert not any(getattr(fact, "held", None) for fact in plausible.floor.facts())
    counted = when == "at once" or (when == "running" and "LSCSETUP" not in scans)
    found, due = held.figures(counted=counted), plausible.figures(counted=counted)
    # Whole pieces: what an order is owed at the moment of sharing goes to it, whichever that is.
    owed = D(side_by_side and when != "at once")
    grains = GRAIN * (1 + len(before) + len(after)) if shared else D(0)
    for key in found.keys() | due.keys():
        assert abs(found[key] - due[key]) <= max(owed, grains if "energy" in key else D(0)), key
    assert pieces(found) == pieces(due)


def pieces(figures: Counter[tuple[Any, ...]]) -> Decimal:
    """All pieces, of whichever order; what is consumed for them is that of the order that has them."""
    return sum((n for key, n in figures.items() if key[0] != "used" and "energy" not in key), D(0))  # type: ignore[misc]


def held(tag: str = "cycles", jump: int = 1_000, **how: Any) -> Played:
    """A jump that is held while order 100 runs."""
    shift = Played(plant(1, **how))
    shift.read()
    shift.floor.scan("LSE1042", "LSW100")
    shift.read(**{tag: jump})
    return shift


def of_old(floor: Floor) -> Waiting:
    """What waits of a held fact from before facts said what it would have counted as."""
    (event,) = [event for event in floor.events if getattr(event.data, "held", None)]
    old = replace(event.data, claims=(), counts=None)  # type: ignore[type-var]
    floor.line = evolve(replace(floor.line, waiting={}), e.Draft("old", floor.now.wall_ms, old))
    return floor.line.waiting["old"]


def refused(floor: Floor, **asked: Any) -> str:
    before = len(floor.events), floor.line
    with pytest.raises(Unsettled) as found:
        floor.settle(person="2001", **asked)
    assert (len(floor.events), floor.line) == before
    assert found.value.text.en.count("Nothing recorded") == 1 and "未记录" in found.value.text.zh
    return found.value.key


def test_a_fact_of_before_that_does_not_say_what_it_would_have_been_is_not_guessed_at() -> None:
    floor = held().floor
    one = of_old(floor)
    assert refused(floor, how="accept", settles=[one.id]) == "figure_needed"
    floor.settle(
        how="reassign", settles=[one.id], person="2001",
        to={"work_order": "100", "operation": "0020", "quantity": "4"},
    )  # fmt: skip
    (report,) = floor.facts(e.WorkReported)
    assert isinstance(report, e.WorkReported) and report.outputs[0].quantity == 4


def test_a_jump_that_no_fact_could_say_has_no_figure() -> None:
    floor = held(jump=10**13).floor
    (one,) = floor.waiting
    assert (one.delta, one.claims) == (10**13, ())
    assert refused(floor, how="accept", settles=[one.id]) == "figure_needed"


def test_a_counter_that_went_back_has_no_figure() -> None:
    floor = held(jump=-100).floor
    (one,) = floor.waiting
    assert refused(floor, how="accept", settles=[one.id]) == "not_forward"


def test_scrap_that_a_completed_order_booked_as_good_is_not_booked_twice() -> None:
    shift = held("rejects", 9)
    for _ in range(20):
        shift.read(cycles=2)
    shift.finish()
    (one,) = [one for one in shift.floor.waiting if one.kind == "held"]
    assert refused(shift.floor, how="accept", settles=[one.id]) == "good_then"


def test_a_total_that_waits_for_ok_ends_when_a_jump_is_accepted() -> None:
    floor = held().floor
    floor.scan("LSCDONE")
    one = floor.waiting[0]
    request = {"how": "accept", "settles": [one.id], "person": "2001"}
    answer = floor.ask(**request).answer
    assert answer is not None and answer.result == "recorded"
    assert floor.lives["OP20"].pending is None
    assert floor.wait(3).scan("LSCDONE").message.en == "Good 1000 = 0 + 1000 new"


def test_what_is_nobodys_waits_for_its_order_like_any_pieces() -> None:
    shift = Played(plant(1))
    shift.read()
    shift.read(cycles=1_000)
    shift.accept()
    (one,) = shift.floor.waiting
    assert (one.kind, one.quantity, one.counts) == ("count", 1_000, "all")


def test_an_order_that_began_anew_has_no_part_in_a_jump_of_its_earlier_run() -> None:
    shift = held("flow", 1_000)
    shift.finish()
    shift.floor.scan("LSW100", "LSCOK")
    assert shift.floor.station.job is not None
    shift.accept()
    (used,) = [f for f in shift.floor.facts(e.MaterialConsumed) if isinstance(f, e.MaterialConsumed)]
    assert (used.quantity, used.method, used.earlier_run) == (1_000, "metered", True)
    assert not shift.floor.job.metered and not shift.floor.job.consumed
    assert shift.floor.refolded() == shift.floor.line


def test_a_person_sees_what_accepting_comes_to() -> None:
    floor = plant(1)
    shift = Played(floor)
    shift.read()
    floor.scan("LSE1042", "LSCTOOL FAMILY", "LSWL", "LSCSETUP")
    shift.read(cycles=1_000)
    (shown,) = entries(floor.site, floor.line)
    assert shown["evidence"]["claims"] == "L/0020 2000 C62 LEFT setup; - 2000 RIGHT"
