"""The station function under 10^6 inputs: CPU an input, what a second costs a station, memory.

Two presses and a bench (those of tests/week) live through four days: a reading or a tick a second each, a
scan every twenty, orders one after the other. Facts are dropped as they come: only the state may grow.
"""

import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count, cycle
from pathlib import Path

import msgspec

from edge.ids import new_id
from edge.main import site_of
from edge.masterdata import MasterData
from edge.readings import Moment, Quality, Reading, Scan
from edge.replay.folder import load
from edge.station.live import Live
from edge.station.reminders import Watch, look
from edge.station.state import Line
from edge.station.step import Input, Observed, Step, Tick, step
from edge.station.turn import turn
from edge.station.work import Site, Work
from tests.bench.table import Row
from tests.soak.memory import resident
from tests.week import site as plant

INPUTS = 1_000_000
SCAN_EVERY_S = 20
TARGET_S = (
    1e-3  # CPU a second and station: a thousandth of a core, so that five are what a collector may take
)
TARGET_MB = 2.0  # growth from the first look to the last; 900,000 facts of it would be hundreds
_BEGIN = Moment(1_795_392_000_000, 86_400_000, "bench")  # a Monday, 08:00 in Shanghai
_SHIFT_S = 8 * 3600
_PRESSES = {"OP20": "press1", "OP30": "press2"}
_GUNS = {"OP20": "gun1", "OP30": "gun2", "OP40": "gun3"}
_WHO = {"OP20": "1101", "OP30": "1102", "OP40": "1103"}


@dataclass
class Took:
    """What the child process measured, in seconds of CPU and MB."""

    inputs: int = 0
    facts: int = 0
    step_s: float = 0.0
    turn_s: float = 0.0
    remind_s: float = 0.0
    raw_s: float = 0.0
    simulated_s: int = 0
    first_mb: float = 0.0
    last_mb: float = 0.0
    first_bytes: int = 0
    last_bytes: int = 0


@dataclass
class _Machine:
    """A press and its counters."""

    cycles: int = 0
    energy: float = 0.0
    works: bool = False

    def strike(self, second: int) -> None:
        if self.works and second % 3 == 0:
            self.cycles += 1
            self.energy += 0.01


@dataclass
class _Floor:
    """The line, as the collector holds it."""

    site: Site
    master: MasterData
    line: Line = field(default_factory=Line)
    lives: dict[str, Live] = field(default_factory=dict)
    now: Moment = _BEGIN
    facts: int = 0

    @property
    def shift_s(self) -> int:
        """How far the next or the last change of shift is away; there is one every eight hours."""
        passed_s = (self.now.wall_ms // 1000 + 2 * 3600) % _SHIFT_S
        return min(passed_s, _SHIFT_S - passed_s)

    def put(self, name: str, given: Input) -> Step:
        done = step(self.site, name, self.line, self.lives[name], given, self.master, self.now, new_id)
        self.line, self.lives[name] = done.line, done.live
        self.facts += len(done.drafts)
        return done

    def scan(self, name: str, text: str) -> None:
        answer = self.put(name, Scan(_GUNS[name], text, self.now)).answer
        if answer is None or answer.result not in ("recorded", "pending"):
            raise AssertionError(f"{name} {text}: {answer}")  # else other work is measured than is meant

    def turn(self) -> None:
        turned = turn(self.site, self.line, self.lives, self.master, self.now, new_id)
        if turned is not None:
            self.line, self.lives = turned.line, dict(turned.lives)
            self.facts += len(turned.drafts)


def _scans(name: str, floor: _Floor) -> Iterator[str]:
    """One order after the other: begun, scrap, a report taken back, a pause, completed."""
    for order, good in zip(cycle(plant.ORDERS[name]), count(1), strict=False):
        figure = [f"LSQ{good % 50 + 20}"] if name == "OP40" else []
        used = ["LSL N8841", "LSQ4"] if name == "OP40" else []
        yield from (f"LSE{_WHO[name]}", f"LSW{order}", *used, "LSCSETUP", "LSCGO", "LSCSCRAP04", "LSQ2")
        yield from ("LSCPART", *figure, "LSCOK")
        if floor.shift_s > 2 * SCAN_EVERY_S:  # what another shift reported nobody may take back
            yield from ("LSCUNDO", "LSCOK")
        yield from ("LSCPAUSE21", "LSCGO", "LSCDONE", *figure, "LSCOK")


def _floor(folder: Path) -> _Floor:
    document = json.loads(plant.masterdata())
    for lot in document["lots"]:
        lot["quantity"] = "1000000000"  # no lot is ever used up: what waits for a person would pile up
    (folder / "masterdata.json").write_text(json.dumps(document))
    (folder / "inputs.txt").write_text("2026-11-23 08:00 end\n")
    settings = Path(plant.__file__).with_name("lineside.toml").read_text(encoding="utf-8")
    (folder / "lineside.toml").write_text(settings, encoding="utf-8")
    situation = load(folder)
    found = _Floor(site_of(situation.settings), MasterData(situation.master, "bench"))
    found.lives = {name: Live() for name in found.site.stations}
    return found


def run(folder: Path, inputs: int, first: int) -> Took:
    """Put so many inputs through, a second of all stations at a time."""
    floor, took = _floor(folder), Took()
    machines = {name: _Machine() for name in _PRESSES}
    scans = {name: _scans(name, floor) for name in floor.site.stations}
    watches = {name: Watch() for name in floor.site.stations}
    _begin(floor, machines)
    raw: dict[str, Decimal] = {}
    for second in count(1):
        floor.now = _later(floor.now)
        given = {name: _said(floor, machines, name, second) for name in floor.site.stations}
        began_s = time.process_time()
        _counted(raw, given)
        counted_s = time.process_time()
        floor.turn()
        turned_s = time.process_time()
        for name, one in given.items():
            floor.put(name, one)
        took.inputs += len(given)
        for number, name in enumerate(scans):
            if second % SCAN_EVERY_S == 6 * number:
                text = next(scans[name])
                floor.scan(name, text)
                took.inputs += 1
                if name in machines:
                    machines[name].works = _goes_on(text, works=machines[name].works)
        stepped_s = time.process_time()
        for name in watches:
            work = Work(floor.site, name, floor.line, floor.lives[name], floor.master, floor.now, new_id)
            watches[name] = look(work, watches[name]).watch
        took.raw_s += counted_s - began_s
        took.turn_s += turned_s - counted_s
        took.step_s += stepped_s - turned_s
        took.remind_s += time.process_time() - stepped_s
        if not took.first_mb and took.inputs >= first:
            took.first_mb, took.first_bytes = _held(floor)
        if took.inputs >= inputs:
            break
    took.last_mb, took.last_bytes = _held(floor)
    took.simulated_s, took.facts = second, floor.facts
    # What waits for a person may grow: time between two orders does, by one entry a person and shift.
    left = [one for one in floor.line.waiting.values() if one.kind != "time"]
    assert not left, left
    return took


def _begin(floor: _Floor, machines: dict[str, _Machine]) -> None:
    """People come; the coil that never ends is mounted with the first press's first order."""
    for name in floor.site.stations:
        floor.put(name, _said(floor, machines, name, 0))
        floor.scan(name, f"LSE{_WHO[name]}")
    for text in (f"LSW{plant.ORDERS['OP20'][-1]}", f"LSL {plant.STRIP_LOTS[0]}", "LSCDONE", "LSCOK"):
        floor.now = _later(floor.now)
        floor.scan("OP20", text)


def _goes_on(text: str, *, works: bool) -> bool:
    """Whether the press strikes behind a scan: in the run of an order, while no figure of it is shown."""
    if text in ("LSCGO", "LSCOK"):
        return text == "LSCGO"
    return works and text != "LSCDONE" and not text.startswith(("LSCPAUSE", "LSCSETUP"))


def _said(floor: _Floor, machines: dict[str, _Machine], name: str, second: int) -> Input:
    machine = machines.get(name)
    if machine is None:
        return Tick()
    machine.strike(second)
    said: dict[str, bool | int | float] = {"cycles": machine.cycles, "running": machine.works}
    if name == "OP20":
        said["energy"] = round(machine.energy, 3)
    press = _PRESSES[name]
    return Observed([Reading(press, tag, value, Quality.good, floor.now) for tag, value in said.items()])


def _later(now: Moment) -> Moment:
    return msgspec.structs.replace(now, wall_ms=now.wall_ms + 1000, monotonic_ms=now.monotonic_ms + 1000)


def _counted(raw: dict[str, Decimal], given: dict[str, Input]) -> None:
    """The bare counterpart: each value's movement as an exact decimal, and nothing else."""
    for one in given.values():
        for reading in one.readings if isinstance(one, Observed) else ():
            value = Decimal(repr(reading.value + 0))  # type: ignore[operator]
            raw[reading.name] = value - raw.get(reading.name, value)


def _held(floor: _Floor) -> tuple[float, int]:
    gc.collect()
    return resident("VmRSS"), len(msgspec.json.encode(floor.line))


def measure(inputs: int = INPUTS) -> list[Row]:
    """One run in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.stations", str(inputs)]
    child = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path.cwd())
    took = msgspec.json.decode(child.stdout, type=Took)
    stations = len(_GUNS)
    each_s, raw_s = took.step_s / took.inputs, took.raw_s / took.inputs
    second_s = (took.step_s + took.turn_s + took.remind_s) / took.simulated_s / stations
    turn_us, remind_us = (one / took.simulated_s / stations * 1e6 for one in (took.turn_s, took.remind_s))
    grown_mb = took.last_mb - took.first_mb
    return [
        Row(
            f"station function, {took.inputs:,} scans, readings and ticks, CPU each",
            f"{each_s * 1e6:.0f} µs ({took.facts:,} facts)", f"bare counting: {raw_s * 1e6:.1f} µs",
            each_s / raw_s, "", None,
        ),
        Row(
            "a station's second: inputs, calendar, reminders, CPU",
            f"{second_s * 1e6:.0f} µs (calendar {turn_us:.0f}, reminders {remind_us:.0f})", "",
            second_s / TARGET_S, "≤ 1 ms (0.1 % of a core)", second_s <= TARGET_S,
        ),
        Row(
            f"memory after {inputs:,} inputs, state as JSON",
            f"{took.last_mb:.1f} MB, {took.last_bytes:,} bytes",
            f"after {inputs // 10:,}: {took.first_mb:.1f} MB, {took.first_bytes:,} bytes",
            took.last_mb / took.first_mb, f"≤ {TARGET_MB:.0f} MB more", grown_mb <= TARGET_MB,
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        wanted = int(sys.argv[1])
        print(msgspec.json.encode(run(Path(place), wanted, wanted // 10)).decode())
