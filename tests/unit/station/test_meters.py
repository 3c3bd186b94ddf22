"""Material that meters measure: a flow counter, a weight; recorded as evidence, consumed with the report."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edge import events as e
from edge.readings import Quality, Reading
from edge.settings import Meter
from edge.station.step import Observed
from tests.unit.station.floor import Floor
from tests.unit.station.test_backflush import OIL, consumed, master

D = Decimal
METERED = OIL | {"method": "metered"}
FLOW = {"tag": "press1.flow", "material": "OIL", "unit": "LTR", "max_rate_per_min": 60}
WEIGHT = {
    "tag": "press1.weight", "material": "OIL", "unit": "LTR", "measures": "weight", "max_rate_per_min": 60,
    "tolerance": "0.1",
}  # fmt: skip


def floor(meter: dict[str, Any], *lines: dict[str, Any]) -> Floor:
    return Floor(master(*(lines or (METERED,))), counters={}, signals={}, meters={"oil": meter})


def say(here: Floor, value: object, tag: str = "flow", good: bool = True) -> None:
    """The meter's value, two seconds later."""
    here.wait(2)
    quality = Quality.good if good else Quality.bad
    here.put(Observed([Reading("press1", tag, value, quality, here.now)]), "OP20")  # type: ignore[arg-type]


def running(meter: dict[str, Any], first: object, tag: str, *lines: dict[str, Any]) -> Floor:
    here = floor(meter, *lines)
    say(here, first, tag)
    here.scan("LSE1042", "LSW100")
    return here


def recorded(here: Floor) -> list[e.CountRecorded]:
    facts = here.facts(e.CountRecorded, e.CountUnattributed)
    return [fact for fact in facts if isinstance(fact, e.CountRecorded)]


def test_what_flowed_is_consumed_with_the_report_from_the_mounted_lots() -> None:
    here = running(FLOW, 100, "flow")
    here.scan("LSL O2", "LSL O1")
    say(here, 100.75)
    say(here, 101.5)
    assert consumed(here) == []
    here.scan("LSCPART", "LSQ4", "LSCOK")
    first, second = consumed(here)
    assert (first.lot, first.quantity, first.method, first.bom_line) == ("O2", D(1), "metered", "20")
    assert (second.lot, second.quantity, second.unit) == ("O1", D("0.5"), "LTR")
    assert first.caused_by is not None and first.caused_by == second.caused_by
    moved = [fact for fact in recorded(here) if fact.delta]
    assert [(fact.bom_line, fact.material, fact.quantity, fact.unit) for fact in moved] == [
        ("20", "OIL", D("1.5"), "LTR")
    ]
    assert here.refolded() == here.line


def test_a_metered_line_is_not_backflushed_and_scrap_alone_takes_nothing() -> None:
    here = running(FLOW, 100, "flow")
    say(here, 101)
    here.scan("LSCSCRAP04")
    assert consumed(here) == []
    here.scan("LSCDONE", "LSQ9", "LSCOK")
    assert [(fact.method, fact.quantity) for fact in consumed(here)] == [("metered", D(1))]


def test_a_report_taken_back_leaves_what_was_measured_for_the_next() -> None:
    here = running(FLOW, 100, "flow")
    say(here, 101)
    here.scan("LSCPART", "LSQ4", "LSCOK", "LSCUNDO", "LSCOK")
    assert here.job.metered == {"20": D(1)} and not any(here.job.consumed.values())
    say(here, 101.5)
    here.scan("LSCPART", "LSQ4", "LSCOK")
    assert consumed(here)[-1].quantity == D("1.5")


def test_what_flows_without_an_order_or_a_metered_line_waits_for_a_person() -> None:
    here = floor(FLOW)
    say(here, 100)
    say(here, 101)
    here.scan("LSE1042", "LSW200")  # needs no oil
    say(here, 103)
    here.scan("LSCDONE", "LSQ1", "LSCOK")
    lost = [fact for fact in recorded(here) if isinstance(fact, e.CountUnattributed)]
    assert [(fact.quantity, fact.unit, fact.material) for fact in lost] == [
        (D(1), "LTR", "OIL"),
        (D(2), "LTR", "OIL"),
    ]
    assert consumed(here) == []


def test_a_meter_in_another_unit_counts_in_the_materials_own() -> None:
    here = running(FLOW | {"unit": "DZN", "multiplier": 3}, 100, "flow")
    say(here, 102)
    here.scan("LSCPART", "LSQ4", "LSCOK")
    assert consumed(here)[0].quantity == D(2)  # 2 steps of 3 dozen of a third of a litre


def test_a_flow_that_cannot_be_is_held() -> None:
    here = running(FLOW, 100, "flow")
    say(here, 200)  # a litre a second at most
    assert recorded(here)[-1].held == "implausible"
    here.scan("LSCPART", "LSQ4", "LSCOK")
    assert consumed(here) == []


def test_a_flow_counter_that_starts_again_goes_on() -> None:
    here = running(FLOW | {"modulus": 1000}, 999, "flow")
    say(here, 0.5)
    here.scan("LSCPART", "LSQ4", "LSCOK")
    assert consumed(here)[0].quantity == D("1.5")


def test_a_restart_goes_on_from_the_last_value() -> None:
    here = running(FLOW, 100, "flow")
    say(here, 101)
    here.restart()
    say(here, 102)
    here.scan("LSCPART", "LSQ4", "LSCOK")
    assert consumed(here)[0].quantity == D(2)


def test_each_order_takes_what_flowed_while_it_was_open() -> None:
    here = running(FLOW, 100, "flow")
    say(here, 101)
    here.scan("LSW500 0020", "LSQ4", "LSCOK")
    say(here, 103)
    here.scan("LSW100", "LSQ0", "LSCOK")
    say(here, 103.5)
    here.scan("LSCPART", "LSQ5", "LSCOK")
    assert [fact.quantity for fact in consumed(here)] == [D(1), D("0.5")]
    lost = [fact for fact in recorded(here) if isinstance(fact, e.CountUnattributed)]
    assert [fact.quantity for fact in lost] == [D(2)]


def test_material_that_flows_is_no_output_by_which_a_persons_time_is_shared() -> None:
    here = running(FLOW, 100, "flow")
    here.scan("LSE1042", "LSW100", station="OP30")
    for value in (101, 102):
        here.wait(31)
        say(here, value)
    here.wait(31)
    assert sum(fact.quantity or 0 for fact in recorded(here)) == 2
    made = [share.made for pool in here.line.pools for share in pool.shares]
    assert made == [{}, {}]


def test_a_new_meter_begins_anew() -> None:
    here = running(FLOW, 100, "flow")
    say(here, 101)
    here.scan("LSCMETER OIL")
    say(here, 3)
    say(here, 3.5)
    here.scan("LSCPART", "LSQ4", "LSCOK")
    assert consumed(here)[0].quantity == D("1.5")


def test_a_shift_that_ends_takes_what_was_measured_in_it() -> None:
    here = running(FLOW, 100, "flow")  # at 10:00
    here.scan("LSCOUT", "LSE1042")  # nobody's time is reported in the night
    say(here, 101)
    _hours(here, 11)
    say(here, 103)
    _hours(here, 12)
    assert [(fact.quantity, fact.shift) for fact in consumed(here)] == [(D(1), "day"), (D(2), "night")]


def _hours(here: Floor, hours: int) -> None:
    for _ in range(hours):
        here.wait(3600)


def test_an_order_on_which_material_was_used_cannot_be_unstarted() -> None:
    here = running(FLOW, 100, "flow")
    say(here, 101)
    assert "already counted" in here.scan("LSCUNDO").message.en


def test_a_weight_that_falls_is_used_and_one_that_rises_was_filled_up() -> None:
    here = running(WEIGHT, 10, "weight")
    for value in (9.0, 8.5, 20, 19.5):
        say(here, value, "weight")
    here.scan("LSCPART", "LSQ4", "LSCOK")
    assert consumed(here)[0].quantity == D(2)


def test_noise_of_a_scale_does_not_add_up() -> None:
    here = running(WEIGHT, 10, "weight")
    for _ in range(20):
        say(here, 9.95, "weight")
        say(here, 10.04, "weight")
    here.scan("LSCPART", "LSQ4", "LSCOK")
    assert consumed(here) == []


def test_a_drum_lifted_off_the_scale_is_for_a_person() -> None:
    here = running(WEIGHT, 10, "weight")
    say(here, 0, "weight")
    say(here, 50, "weight")
    assert [fact.held for fact in recorded(here) if fact.held] == ["implausible"]
    say(here, 49, "weight")
    here.scan("LSCPART", "LSQ4", "LSCOK")
    assert consumed(here)[0].quantity == D(1)


def test_after_a_refill_a_restart_counts_from_the_full_weight() -> None:
    here = running(WEIGHT, 2, "weight")
    say(here, 20, "weight")
    here.restart()
    say(here, 19, "weight")
    here.scan("LSCPART", "LSQ4", "LSCOK")
    assert consumed(here)[0].quantity == D(1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (WEIGHT | {"tolerance": 0}, "`tolerance` is missing"),
        (FLOW | {"tolerance": 1}, "`tolerance` belongs to a weight"),
        (WEIGHT | {"modulus": 100}, "`modulus` belongs to a flow counter"),
    ],
)
def test_a_meter_that_contradicts_itself_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Meter.model_validate(given)


MOVES = st.one_of(
    st.integers(0, 4),  # quarter litres that flow
    st.just("silent"),
    st.just("restart"),
    st.sampled_from(
        (
            "LSW100", "LSW500 0020,LSQ30,LSCOK", "LSW100,LSQ30,LSCOK", "LSCPART,LSQ30,LSCOK", "LSCUNDO,LSCOK",
            "LSL O1", "LSL O2", "LSCSCRAP04", "LSCDONE,LSQ40,LSCOK", "LSCPAUSE21", "LSCGO", "LSCSETUP",
        )
    ),
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MOVES, min_size=6, max_size=25))
def test_what_flowed_is_consumed_waits_for_a_report_or_waits_for_a_person(moves: list[object]) -> None:
    here = floor(FLOW)
    say(here, 0.0)
    here.scan("LSE1042", "LSW100")
    flowed = D(0)
    for move in moves:
        if isinstance(move, int):
            flowed += D(move) / 4
            say(here, float(flowed))
        elif move == "silent":
            say(here, None, good=False)
        elif move == "restart":
            here.restart()
        else:
            here.scan(*str(move).split(","))
    say(here, float(flowed))
    here.wait(61).wait(61)
    gone = {fact.corrects for fact in here.facts(e.WorkCorrected) if isinstance(fact, e.WorkCorrected)}
    used = sum((fact.quantity for fact in consumed(here) if fact.caused_by not in gone), D(0))
    waits = sum((sum(job.metered.values(), D(0)) for job in here.station.jobs), D(0))
    lost = here.quantity(fact for fact in recorded(here) if isinstance(fact, e.CountUnattributed))
    assert used + waits + lost == flowed
    assert here.refolded() == here.line
