"""The state that a journal set aside leaves to the next one, and a fold over what a damage left."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from edge.events import Draft, JournalOpened, WorkReported, decode
from edge.station.evolve import evolve, fold
from edge.station.handover import carried, posted_unknown
from edge.station.state import Line
from tests.unit.station.floor import BACKFLUSHED, Floor
from tests.unit.station.test_scans import working


def shift() -> Floor:
    """Most of what a shift records."""
    floor = Floor(BACKFLUSHED)
    floor.read(cycles=500, running=True, energy=10.0)
    floor.scan("LSE1042", "LSW100 0020", "LSL O1")
    floor.wait(60).read(cycles=530, running=True, energy=11.0)
    floor.scan("LSCSCRAP04", "LSL A2207", "LSQ2", "LSCPAUSE21")
    floor.wait(30).scan("LSCGO")
    floor.wait(30).read(cycles=560, running=True, energy=12.0)
    floor.scan("LSCPART", "LSCOK", "LSCUNDO", "LSCPART", "LSCOK")
    floor.wait(30).read(cycles=575, running=True, energy=13.0)
    floor.scan("LSE1043", "LSCDONE", "LSCOK", "LSE1042", "LSCOUT")
    return floor


SHIFT = shift()


def test_the_shift_of_these_tests_holds_what_they_are_about() -> None:
    types = {decode(body).type for body in SHIFT.bodies}
    assert len(types) >= 8, types


@given(st.sets(st.integers(0, len(SHIFT.bodies) - 1)))
def test_a_fold_over_what_a_damage_left_never_fails(lost: set[int]) -> None:
    line = Line()
    for number, body in enumerate(SHIFT.bodies):
        if number not in lost:
            line = fold(line, decode(body))
    carried(line)


def test_the_next_journal_goes_on_with_the_state_of_the_one_before() -> None:
    floor = working()
    floor.wait(60).read(cycles=530, running=True, energy=11.0)
    floor.scan("LSCPAUSE21")
    opened = JournalOpened(cause="renamed", follows="0:1", state=carried(floor.line))
    line = evolve(Line(), Draft("1", floor.now.wall_ms, opened))
    assert line.stations == floor.line.stations and line.at == floor.line.at
    assert line.station("OP20").crew == ("1042",) and line.station("OP20").job is not None


def test_an_opening_without_a_state_begins_empty() -> None:
    assert evolve(Line(), Draft("1", 0, JournalOpened(cause="new"))).stations == {}


def test_what_receivers_may_hold_already_is_not_posted_once_more() -> None:
    floor = working()
    floor.wait(60).read(cycles=530, running=True, energy=11.0)
    floor.scan("LSCPAUSE21", "LSCGO")
    assert floor.job.labour and floor.job.machine_s
    floor.restart()
    floor.line = posted_unknown(floor.line)
    floor.wait(5).read(cycles=540, running=True, energy=12.0)
    floor.wait(5).read(cycles=545, running=True, energy=12.5)
    floor.scan("LSCPART", "LSQ40", "LSCOK")
    (report,) = floor.facts(WorkReported)
    assert isinstance(report, WorkReported) and report.resources is not None
    resources = report.resources
    assert sum((share.s for share in resources.labour or ()), Decimal(0)) <= 10  # type: ignore[union-attr]
    assert not resources.machine_s or resources.machine_s <= 10
    assert not resources.energy_kwh or resources.energy_kwh <= Decimal("0.5")
    counted = floor.job.counted
    assert counted["good"] == 30 + 5  # the ten strokes behind the damage wait, unattributed
