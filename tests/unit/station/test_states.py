"""The machine's state by priority and debounce; its running time, short stops within, and its meter."""

from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from edge import events as e
from edge import settings
from edge.calendar import Calendar
from edge.readings import Quality, Reading
from edge.station.step import Observed
from edge.station.work import Site
from tests.unit.station.floor import Floor

SEPARATE = {"running": "press1.running", "fault": "press1.fault", "setup": "press1.setup"}
WORD = {"state": {"tag": "press1.state", "running": [6], "fault": [8, 9], "setup": ["3", 15]}}


def press(signals: dict[str, Any], **tags: object) -> Floor:
    floor = Floor(signals=signals)
    floor.read(cycles=500, **tags)  # type: ignore[arg-type]
    floor.scan("LSE1042", "LSW100")
    return floor


def reported(floor: Floor) -> e.Resources:
    floor.scan("LSCPART", "LSCOK")
    report = floor.facts(e.WorkReported)[-1]
    assert isinstance(report, e.WorkReported) and report.resources is not None
    return report.resources


@pytest.mark.parametrize(("running", "fault", "setup"), list(product([False, True], repeat=3)))
def test_fault_goes_before_set_up_before_running_before_idle(running: bool, fault: bool, setup: bool) -> None:
    floor = press(SEPARATE, running=running, fault=fault, setup=setup)
    expected = "fault" if fault else "setup" if setup else "running" if running else "idle"
    assert floor.view().machine == expected
    floor.read(good=False, fault=None)
    assert floor.view().machine == "lost", "communication lost goes before all"


def test_a_change_counts_after_1_s_on_and_3_s_off() -> None:
    floor = press(SEPARATE, running=False, fault=False, setup=False)
    floor.read(running=True)
    floor.wait(0.9)
    assert floor.view().machine == "idle"
    floor.wait(0.1)
    assert floor.view().machine == "running"
    floor.read(running=False)
    floor.wait(2.9)
    assert floor.view().machine == "running"
    floor.wait(0.1)
    assert floor.view().machine == "idle"


def test_a_flicker_never_shows() -> None:
    floor = press(SEPARATE, running=True, fault=False, setup=False)
    for _ in range(10):
        floor.wait(0.4).read(fault=True)
        floor.wait(0.4).read(fault=False)
        assert floor.view().machine == "running"


@pytest.mark.parametrize(
    ("value", "state"),
    [(6, "running"), (6.0, "running"), (9, "fault"), (8, "fault"), (3, "setup"), (15, "setup"), (2, "idle")],
)
def test_a_state_word_is_read_by_its_lists(value: object, state: str) -> None:
    assert press(WORD, state=value).view().machine == state


def test_machine_time_runs_in_the_running_state_only() -> None:
    floor = press(WORD, state=6)
    floor.wait(10).read(state=9)
    floor.wait(100).read(state=6)
    floor.wait(20).read(state=2)
    assert reported(floor).machine_s == Decimal("30.000")


def test_a_fault_stops_machine_time_though_the_machine_says_it_runs() -> None:
    floor = press(SEPARATE, running=True, fault=False, setup=False)
    floor.wait(10).read(running=True, fault=True)
    floor.wait(100).read(running=True, fault=False)
    floor.wait(20).read(running=False)
    assert reported(floor).machine_s == Decimal("30.000")


def test_machine_time_is_unknown_while_one_of_its_signals_is() -> None:
    floor = press(SEPARATE, running=True, fault=False)
    assert floor.view().machine == "lost", "nothing was heard of set-up"
    assert reported(floor).machine_s is None


def stopped(seconds: float, **more: object) -> Floor:
    """A press that ran for 8 s with its job open, stood for so long, and ran on for 10 s."""
    floor = press({"running": "press1.running"} | more, running=True)
    floor.wait(8).read(running=False)
    for _ in range(int(seconds)):
        floor.wait(seconds / int(seconds)).read(running=False)
    floor.read(running=True)
    floor.wait(10).read(running=False)
    floor.wait(5)
    return floor


def micro_stops(floor: Floor) -> list[tuple[Decimal | None, Decimal | None]]:
    found = [f for f in floor.facts(e.CountRecorded) if isinstance(f, e.CountRecorded) and f.micro_stops]
    return [(f.micro_stops, f.micro_stop_s) for f in found]


@pytest.mark.parametrize(
    ("seconds", "stops", "machine_s"),
    [(2, [], 20), (30, [(1, 30)], 18), (59, [(1, 59)], 18), (60, [], 18), (200, [], 18)],
)
def test_a_stop_below_60_s_is_a_micro_stop_and_no_machine_time(
    seconds: int, stops: list[tuple[int, int]], machine_s: int
) -> None:
    floor = stopped(seconds)
    assert reported(floor).machine_s == machine_s
    assert micro_stops(floor) == stops


def test_micro_stops_are_machine_time_where_the_setting_says_so() -> None:
    floor = stopped(30, micro_stops_run=True)
    assert reported(floor).machine_s == 48 and micro_stops(floor) == [(1, 30)]


def test_a_stop_over_a_change_of_hands_is_nobodys_micro_stop() -> None:
    floor = press({"running": "press1.running", "micro_stops_run": True}, running=True)
    floor.wait(8).read(running=False)
    floor.wait(10).scan("LSW200", "LSCOK")
    floor.wait(10).read(running=True)
    floor.wait(10).read(running=False)
    assert reported(floor).machine_s == 10 and micro_stops(floor) == []


def test_a_silence_within_a_stop_makes_it_no_micro_stop() -> None:
    floor = press({"running": "press1.running"}, running=True)
    floor.wait(8).read(running=False)
    floor.wait(5).read(good=False)
    floor.wait(5).read(running=True)
    floor.wait(40)
    assert micro_stops(floor) == []


METER = {"energy": "press1.energy", "rated_kw": 60}


def test_the_meter_is_multiplied_and_its_bound_with_it() -> None:
    floor = press(METER | {"energy_multiplier": "0.1"}, energy=4000)
    floor.wait(60).read(energy=4007)  # 0.7 kWh; 60 kW may draw 1.3 kWh in a minute
    floor.wait(60).read(energy=4037)  # 3 kWh
    floor.wait(60).read(energy=4040)
    assert reported(floor).energy_kwh == Decimal("1.0")
    held = [f for f in floor.facts(e.CountUnattributed) if isinstance(f, e.CountUnattributed)]
    assert [(f.counter, f.held, f.from_, f.to) for f in held] == [("energy", "implausible", 4007, 4037)]


def test_a_coarse_meter_is_read_to_the_watt_hour() -> None:
    floor = press({"energy": "press1.energy", "energy_multiplier": 1000}, energy=12.0)
    floor.wait(60).read(energy=12.000123)  # MWh
    assert reported(floor).energy_kwh == Decimal("0.123")


def test_a_replaced_meter_begins_anew_and_nothing_is_held() -> None:
    floor = press(METER, energy=812.5)
    floor.wait(60).read(energy=813.0)
    assert "counts nothing" in floor.scan("LSCMETER ENERGY").message.en
    floor.wait(60).read(energy=3.25)
    floor.wait(60).read(energy=3.5)
    assert reported(floor).energy_kwh == Decimal("0.75")
    assert floor.facts(e.CountUnattributed) == []
    (replaced,) = floor.facts(e.MeterReplaced)
    assert isinstance(replaced, e.MeterReplaced)
    assert (replaced.counter, replaced.from_) == ("energy", Decimal("813.0"))


def test_a_replaced_counter_begins_anew_after_a_restart_too() -> None:
    floor = press(METER, energy=1)
    floor.wait(9).read(cycles=505)
    floor.scan("LSCMETER GOOD")
    floor.restart()
    floor.wait(9).read(cycles=90_000)
    floor.wait(9).read(cycles=90_002)
    assert floor.scan("LSCDONE").message.en == "Good 7 = 0 + 7 new"


class Sharing(Floor):
    """Three stations on one meter, rated 10, 20 and 3 kW."""

    def __init__(self) -> None:
        super().__init__(signals={"energy": "hall.kwh", "rated_kw": 10})
        others = {
            name: settings.Station.model_validate(
                {"work_center": "WC-PRESS-1", "signals": {"energy": "hall.kwh", "rated_kw": kw}}
            )
            for name, kw in (("OP30", 20), ("OP40", 3))
        }
        calendar: Calendar = self.site.calendar
        self.site = Site("L3", calendar, {**self.site.stations, **others}, {})
        self.lives |= {"OP40": self.lives["OP30"]}


@pytest.mark.parametrize("kwh", ["0.1", "0.333", "0.007"])
def test_a_shared_meter_is_split_by_rated_power_and_the_parts_are_the_whole(kwh: str) -> None:
    floor = Sharing()
    for value in (Decimal(100), Decimal(100) + Decimal(kwh)):
        for name in floor.site.stations:
            reading = Reading("hall", "kwh", float(value), Quality.good, floor.now)
            floor.put(Observed([reading]), name)
        floor.wait(60)
    found = [f for f in floor.facts(e.CountRecorded) if isinstance(f, e.CountRecorded) and f.delta]
    assert sum((f.quantity or Decimal(0) for f in found), Decimal(0)) == Decimal(kwh)
    assert [round(f.share or 0, 6) for f in found] == [
        Decimal("0.303030"),
        Decimal("0.606061"),
        Decimal("0.090909"),
    ]
