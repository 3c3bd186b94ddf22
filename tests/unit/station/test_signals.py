"""Counters, running time and energy: what moves becomes a fact once, and belongs to the right job."""

from decimal import Decimal

import pytest

from edge import events as e
from edge.station.counters import Rule, move
from tests.unit.station.floor import Floor

RULE = Rule(per_s=Decimal(1), slack=Decimal(2), modulus=Decimal(65536), reset=True)


@pytest.mark.parametrize(
    ("before", "current", "elapsed_s", "kind", "delta"),
    [
        (100, 100, 1, "counted", 0),
        (100, 103, 1, "counted", 3),  # cap = 1 × 1 × 1.2 + 2 = 3.2
        (100, 104, 1, "implausible", None),
        (100, 112, 10, "counted", 12),  # cap = 14
        (65530, 4, 10, "rollover", 10),
        (65530, 20, 10, "backwards", None),  # 26 is above 14 either way
        (500, 3, 10, "reset", 3),
        (500, 15, 10, "backwards", None),
        (500, 499, 1, "backwards", None),
    ],
)
def test_the_delta_rule(before: int, current: int, elapsed_s: int, kind: str, delta: int | None) -> None:
    found = move(RULE, Decimal(before), Decimal(current), elapsed_s * 1000)
    assert (found.kind, found.delta) == (kind, None if delta is None else Decimal(delta))


def test_a_counter_that_may_not_be_reset_is_held_when_it_goes_back() -> None:
    rule = Rule(per_s=Decimal(1), slack=Decimal(2), reset=False)
    assert move(rule, Decimal(500), Decimal(0), 10_000).kind == "backwards"


def started(**station: object) -> Floor:
    floor = Floor(**station)
    floor.read(cycles=500, running=True, energy=10.0)
    floor.scan("LSE1042", "LSW100")
    return floor


def test_the_first_value_is_a_baseline_and_counts_nothing() -> None:
    floor = Floor().read(cycles=4711)
    (baseline,) = floor.facts()
    assert isinstance(baseline, e.CountRecorded)
    assert (baseline.from_, baseline.to, baseline.delta) == (None, 4711, 0)
    assert baseline.type == "count.recorded"


def test_movement_is_recorded_at_least_once_a_minute_and_idle_counters_are_not() -> None:
    floor = started()
    before = len(floor.events)
    for second in range(1, 61):
        floor.wait(1).read(cycles=500 + second, running=True, energy=10.0)
    counts = [f for f in floor.facts(e.CountRecorded)[0:] if isinstance(f, e.CountRecorded)]
    pieces = [f for f in counts if f.counter == "good" and f.delta]
    assert 1 <= len(pieces) <= 3
    assert sum(f.delta or 0 for f in pieces) >= 30
    assert len(floor.events) - before <= 6
    quiet = len(floor.events)
    for _ in range(120):
        floor.wait(1).read(cycles=560, running=False, energy=10.0)
    assert len(floor.events) - quiet <= 3, "a machine at rest writes nothing"


def test_strokes_without_a_job_wait_for_a_settlement() -> None:
    floor = Floor().read(cycles=10)
    floor.wait(40).read(cycles=15)
    floor.wait(31)
    (lost,) = floor.facts(e.CountUnattributed)
    assert isinstance(lost, e.CountUnattributed)
    assert (lost.from_, lost.to, lost.quantity, lost.work_order) == (10, 15, 5, None)


def test_units_per_count_multiply_the_pieces() -> None:
    floor = started(counters={"good": {"tag": "press1.cycles", "units_per_count": 4, "max_rate_per_min": 60}})
    floor.wait(10).read(cycles=503)
    assert floor.scan("LSCDONE").message.en == "Good 12 = 0 + 12 new"


def test_rollover_counts_through() -> None:
    floor = Floor()
    floor.read(cycles=2**32 - 3)
    floor.scan("LSE1042", "LSW100")
    floor.wait(8).read(cycles=5)
    assert floor.scan("LSCDONE").message.en == "Good 8 = 0 + 8 new"


def test_an_implausible_jump_is_held_and_counts_nothing() -> None:
    floor = started()
    floor.wait(1).read(cycles=90_000)
    (held,) = floor.facts(e.CountUnattributed)
    assert isinstance(held, e.CountUnattributed)
    assert (held.held, held.quantity, held.from_, held.to) == ("implausible", None, 500, 90_000)
    floor.wait(2).read(cycles=90_002)
    assert floor.scan("LSCDONE").message.en == "Good 2 = 0 + 2 new"


def test_after_a_restart_the_counter_goes_on_from_its_last_recorded_value() -> None:
    floor = started()
    floor.wait(20).read(cycles=510, running=True, energy=10.0)
    floor.restart()
    floor.wait(10).read(cycles=515, running=True, energy=10.0)
    assert floor.scan("LSCDONE").message.en == "Good 15 = 0 + 15 new"


def test_a_short_gap_with_the_machine_running_on_both_sides_counts_as_running() -> None:
    floor = started()
    floor.restart()
    floor.wait(50).read(running=True)
    floor.scan("LSCPART", "LSQ1", "LSCOK")
    (report,) = floor.facts(e.WorkReported)
    assert isinstance(report, e.WorkReported) and report.resources is not None
    assert report.resources.machine_s == Decimal("53.000")


def test_a_long_gap_is_not_counted_and_marked_incomplete() -> None:
    floor = started()
    floor.restart()
    floor.wait(100).read(running=True)
    floor.scan("LSCPART", "LSQ1", "LSCOK")
    (report,) = floor.facts(e.WorkReported)
    assert isinstance(report, e.WorkReported) and report.resources is not None
    assert report.resources.machine_s == Decimal("3.000")
    assert any(isinstance(f, e.CountRecorded) and f.incomplete for f in floor.facts())


def test_a_gap_with_the_machine_at_rest_afterwards_is_not_counted() -> None:
    floor = started()
    floor.wait(10).read(good=False)
    floor.wait(30).read(running=False)
    floor.wait(30).read(running=False)
    floor.scan("LSCPART", "LSQ1", "LSCOK")
    (report,) = floor.facts(e.WorkReported)
    assert isinstance(report, e.WorkReported) and report.resources is not None
    assert report.resources.machine_s is None, "nobody knows whether it ran for some of the gap: not nought"


def test_machine_time_with_a_hole_is_not_called_measured_until_a_report_carried_it() -> None:
    floor = started()
    floor.restart()
    floor.wait(100).read(running=True)
    for scans in (("LSCPART", "LSQ1", "LSCOK"), ("LSCUNDO", "LSCOK", "LSCPART", "LSQ1", "LSCOK")):
        floor.scan(*scans)
        report = floor.facts(e.WorkReported)[-1]
        assert isinstance(report, e.WorkReported) and report.resources is not None
        assert report.resources.machine_s, "what was seen is reported"
        assert "machine_s" not in (report.resources.basis or {})
    floor.wait(5).scan("LSCPART", "LSQ2", "LSCOK")
    report = floor.facts(e.WorkReported)[-1]
    assert isinstance(report, e.WorkReported) and report.resources is not None
    assert report.resources.basis == {"labour": "measured", "machine_s": "measured"}


def test_a_delta_that_crosses_an_order_change_while_the_device_was_silent_is_nobodys() -> None:
    floor = started()
    floor.wait(5).read(cycles=505, running=True)
    floor.wait(1).read(good=False)
    floor.scan("LSW200", "LSCOK")
    assert floor.job.work_order == "200"
    floor.wait(10).read(cycles=512)
    floor.wait(31)
    lost = [f for f in floor.facts(e.CountUnattributed) if isinstance(f, e.CountUnattributed)]
    assert [(f.from_, f.to, f.delta) for f in lost] == [(505, 512, 7)]
    floor.read(cycles=515)
    floor.scan("LSCDONE")
    assert floor.job.counted == {"good": Decimal(3)}, "from then on the counter is the new job's"


def test_silence_with_the_same_order_open_loses_nothing() -> None:
    floor = started()
    floor.wait(5).read(cycles=505, running=True)
    floor.wait(1).read(good=False)
    floor.wait(30).read(cycles=530, running=True)
    assert floor.scan("LSCDONE").message.en == "Good 30 = 0 + 30 new"


def test_energy_follows_the_job_and_a_jump_is_held() -> None:
    floor = started(signals={"energy": "press1.energy", "rated_kw": 60})
    floor.wait(60).read(cycles=500, energy=10.5)
    floor.wait(1).read(cycles=500, energy=99.0)
    floor.wait(60).read(cycles=500, energy=99.25)
    floor.scan("LSCPART", "LSQ1", "LSCOK")
    (report,) = floor.facts(e.WorkReported)
    assert isinstance(report, e.WorkReported) and report.resources is not None
    assert report.resources.energy_kwh == Decimal("0.75")
    held = [f for f in floor.facts(e.CountUnattributed) if isinstance(f, e.CountUnattributed)]
    assert [(f.counter, f.held) for f in held] == [("energy", "implausible")]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "12", True])
def test_a_value_that_is_no_number_counts_nothing(value: object) -> None:
    floor = started()
    before = len(floor.events)
    floor.wait(1).read(cycles=value)
    assert len(floor.events) == before
    floor.wait(3).read(cycles=504)
    assert floor.scan("LSCDONE").message.en == "Good 4 = 0 + 4 new"


def test_a_machine_that_has_begun_to_run_is_known_to_the_journal_before_a_crash() -> None:
    floor = Floor()
    floor.read(cycles=500, running=False)
    floor.scan("LSE1042", "LSW100")
    floor.wait(1).read(cycles=500, running=True)
    floor.wait(2).read(cycles=502, running=True)
    floor.wait(1).read(cycles=503, running=True)
    floor.restart()
    floor.wait(6).read(cycles=509, running=True)
    floor.scan("LSCPART", "LSCOK")
    (report,) = floor.facts(e.WorkReported)
    assert isinstance(report, e.WorkReported) and report.resources is not None
    # 3 s seen running, 6 s down with the machine running on both sides, 2 s until OK
    assert report.resources.machine_s == Decimal("11.000")


def test_a_flickering_signal_does_not_fill_the_journal() -> None:
    floor = started()
    before = len(floor.events)
    for tick in range(240):
        floor.wait(0.25).read(cycles=500, running=bool(tick % 2), energy=10.0)
    assert len(floor.events) - before <= 3


def test_a_boundary_writes_nothing_for_counters_that_stood_still() -> None:
    floor = started()
    floor.read(cycles=500, running=False, energy=10.0)
    floor.wait(5).read(cycles=500, running=False, energy=10.0)
    before = len(floor.facts(e.CountRecorded))
    floor.scan("LSCPAUSE21", "LSCGO", "LSCSETUP", "LSCGO")
    assert len(floor.facts(e.CountRecorded)) == before
    floor.wait(4).read(cycles=503, running=True)
    assert floor.scan("LSCDONE").message.en == "Good 3 = 0 + 3 new"


def test_strokes_before_an_order_change_right_after_a_restart_are_not_the_new_orders() -> None:
    floor = started()
    floor.wait(5).read(cycles=505, running=True)
    floor.wait(31)
    floor.restart()
    floor.wait(10)  # the press goes on, nobody reads it yet
    floor.scan("LSW200", "LSCOK")
    floor.wait(5).read(cycles=515)
    floor.wait(2).read(cycles=517)
    floor.scan("LSCDONE")
    assert floor.job.counted == {"good": Decimal(2)}
    lost = [f for f in floor.facts(e.CountUnattributed) if isinstance(f, e.CountUnattributed)]
    assert [(f.from_, f.to) for f in lost] == [(505, 515)]


def test_only_the_gap_itself_is_nobodys_when_the_device_comes_back() -> None:
    floor = started()
    floor.wait(1).read(good=False)
    floor.scan("LSW200", "LSCOK")
    floor.wait(5).read(cycles=500)
    floor.wait(20).read(cycles=518)
    floor.scan("LSCDONE")
    assert floor.job.counted == {"good": Decimal(18)}


@pytest.mark.parametrize(("to", "held"), [(1500, "implausible"), (400, "backwards"), (503, None)])
def test_a_counter_that_stood_still_for_hours_before_a_kill_has_no_hours_to_jump_in(
    to: int, held: str | None
) -> None:
    """Falling back to 400 strokes would else pass for a reset, and count 400 pieces."""
    floor = Floor()
    floor.read(cycles=500, running=True, energy=1.0).scan("LSE1042", "LSW100")
    floor.wait(5 * 3600).read(cycles=500, running=False, energy=1.0).scan("LSCSCRAP04")
    floor.wait(1).restart()
    floor.wait(20).read(cycles=to, running=True, energy=1.0)
    counts = [fact for fact in floor.facts(e.CountUnattributed) if isinstance(fact, e.CountUnattributed)]
    assert [one.held for one in counts] == ([held] if held else [])


def test_what_was_made_while_lineside_was_down_is_counted() -> None:
    floor = Floor()
    floor.read(cycles=500, running=True, energy=1.0).scan("LSE1042", "LSW100")
    floor.wait(1).restart()
    floor.wait(3600).read(cycles=500 + 3600, running=True, energy=1.0)
    floor.scan("LSCPART")
    assert "Good 3600" in floor.view().next.en
