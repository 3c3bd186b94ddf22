"""What a station's counters, signals and automatic behaviour may be set to, and what is refused by name."""

from pathlib import Path

import pytest

from drivers import registry as device_kinds
from edge.faults import SettingsFault
from edge.settings import Settings, load
from sync import registry as uplink_kinds

SITE = """
[edge]
id = "E"
site = "S"
line = "L"
timezone = "Asia/Shanghai"
[devices.m]
driver = "modbus-tcp"
host = "192.168.10.21"
[devices.m.tags]
cycles  = { register = "holding", address = 1 }
rejects = { register = "holding", address = 2 }
state   = { register = "holding", address = 3 }
tool    = { register = "holding", address = 4 }
kwh     = { register = "holding", address = 5 }
"""


def site(tmp_path: Path, stations: str) -> Settings:
    path = tmp_path / "lineside.toml"
    path.write_text(SITE + stations, encoding="utf-8")
    return load(path, device_kinds.KINDS, uplink_kinds.KINDS)


def test_everything_a_machine_may_say(tmp_path: Path) -> None:
    loaded = site(
        tmp_path,
        """
[stations.A]
work_center = "W"
counters.rejects = { tag = "m.rejects", counts = "scrap", reason = "04" }
counters.cycles = { tag = "m.cycles" }
signals = { state = { tag = "m.state", running = [6, "RUN"] }, tool = "m.tool", energy = "m.kwh" }
automatic = { start = "on", pause = "propose", pause_after_s = 60, pause_reason = "99" }
""",
    )
    station = loaded.stations["A"]
    assert station.main_counter == "cycles" and list(station.scrap_counters) == ["rejects"]
    assert not station.counters["rejects"].follows_tool and station.counters["cycles"].follows_tool
    assert {*station.tags.values()} == {"m.cycles", "m.rejects", "m.state", "m.tool", "m.kwh"}


def test_by_default_a_start_is_proposed_and_a_pause_is_not(tmp_path: Path) -> None:
    automatic = site(tmp_path, '[stations.A]\nwork_center = "W"\n').stations["A"].automatic
    assert (automatic.start, automatic.pause) == ("propose", "off")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ('counters.a = { tag = "m.cycles", counts = "scrap" }', "stations.A.counters.a: `reason` belongs to"),
        ('counters.a = { tag = "m.cycles", reason = "04" }', "stations.A.counters.a: `reason` belongs to"),
        ('counters.running = { tag = "m.cycles" }', "this name is taken by the signal"),
        (
            'meters.energy = { tag = "m.cycles", material = "OIL", unit = "LTR", max_rate_per_min = 1 }',
            "stations.A.meters.energy: a counter or signal has this name",
        ),
        (
            'meters.oil = { tag = "m.oil", material = "OIL", unit = "LTR", max_rate_per_min = 1 }',
            "stations.A.meters.oil.tag = 'm.oil': there is no such tag",
        ),
        (
            'counters.c = { tag = "m.cycles" }\n'
            'meters.oil = { tag = "m.cycles", material = "OIL", unit = "LTR", max_rate_per_min = 1 }',
            "stations.A.meters.oil.tag = 'm.cycles': already counts for stations.A",
        ),
        ('meters.oil = { tag = "m.cycles", material = "OIL", unit = "LTR" }', "meters.oil.max_rate_per_min"),
        (
            'signals = { running = "m.cycles", state = { tag = "m.state", running = [6] } }',
            "stations.A.signals: `state` already says what",
        ),
        (
            'signals = { state = { tag = "m.state", running = [6, 5], fault = ["6"] } }',
            "stations.A.signals.state: 6 stands for two states",
        ),
        ('signals = { state = { tag = "m.state", running = [] } }', "stations.A.signals.state.running"),
        ('signals = { state = { tag = "m.nothing", running = [6] } }', "signals.state.tag = 'm.nothing'"),
        ('signals = { tool = "x.tool" }', "stations.A.signals.tool = 'x.tool': there is no such tag"),
        ('signals = { fault = "m.alarm" }', "stations.A.signals.fault = 'm.alarm': there is no such tag"),
        ('automatic = { pause = "on" }', 'automatic.pause = "on" needs something that says whether'),
        ('automatic = { start = "yes" }', "stations.A.automatic.start = 'yes'"),
        ('automatic = { pause_after_s = 1 }', "stations.A.automatic.pause_after_s = 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_by_its_key(tmp_path: Path, lines: str, told: str) -> None:
    with pytest.raises(SettingsFault) as fault:
        site(tmp_path, f'[stations.A]\nwork_center = "W"\n{lines}\n')
    assert [told in problem for problem in fault.value.problems] == [True]


def test_a_meter_of_several_stations_needs_the_rated_power_of_each(tmp_path: Path) -> None:
    stations = """
[stations.A]
work_center = "W"
signals = { energy = "m.kwh", rated_kw = 30 }
[stations.B]
work_center = "W"
signals = { energy = "m.kwh" }
"""
    with pytest.raises(SettingsFault) as fault:
        site(tmp_path, stations)
    (problem,) = fault.value.problems
    assert "stations.B.signals.rated_kw is missing" in problem and "shared with stations.A" in problem
    assert site(tmp_path, stations.replace('"m.kwh" }', '"m.kwh", rated_kw = 10 }')).stations
