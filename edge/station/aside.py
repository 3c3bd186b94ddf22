"""Pieces set aside as rework: where they wait, and what becomes of them, at whichever station.

A fold over the facts alone. Set aside = turned good, conceded or scrap by reclassification + still waiting;
a correction gives back what it takes. Pieces keep their station, job and lot, and the oldest go first.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from edge import events
from edge.events import Fact, Output, OutputReclassified, WorkCorrected, WorkReported
from edge.station import known, quantities
from edge.station.state import ZERO, Job, JobKey, Last, Line, SetAside, Station

_KEPT = 1024


def after(line: Line, fact: Fact) -> Line:
    """The line after a fact, as far as it sets pieces aside or decides about them."""
    match fact:
        case WorkReported(station=str()):
            return _set_aside(line, fact, 1)
        case OutputReclassified(station=str()):
            return _moved(line, fact, 1)
        case WorkCorrected(station=str(station)):
            last = line.station(station).last
            return _of_last(line, last) if last is not None and last.id == fact.corrects else line
    return line


def of(line: Line, order: str, operation: str | None) -> tuple[SetAside, ...]:
    """What order and operation (or any of the order's) have set aside, the oldest first."""
    return tuple(one for one in line.aside if one.job[0] == order and operation in (None, one.job[1]))


def at(line: Line, station: str, key: JobKey) -> Decimal:
    """How many pieces of a job wait, of those that were set aside at a station."""
    return sum((one.quantity for one in line.aside if (one.station, one.job) == (station, key)), ZERO)


def set_aside(fact: Fact) -> Decimal:
    """How many pieces a fact set aside."""
    outputs = fact.outputs if isinstance(fact, WorkReported) else ()
    return sum((one.quantity for one in outputs if _waits(one)), ZERO)


def _waits(output: Output) -> bool:
    return output.role == "main" and output.disposition == "rework"


def _of_last(line: Line, last: Last) -> Line:
    moved = [msgspec.json.decode(data, type=OutputReclassified) for data in last.moved]
    return taken_back(
        line, msgspec.json.decode(last.data, type=events.FACTS[f"lineside.{last.type}.v1"]), moved
    )


def taken_back(line: Line, original: Fact, moved: Sequence[OutputReclassified]) -> Line:
    """The line without what a fact set aside or decided, and what it caused to be moved."""
    for fact in reversed(moved):
        line = _moved(line, fact, -1)
    match original:
        case WorkReported():
            return _set_aside(line, original, -1)
        case OutputReclassified():
            return _moved(line, original, -1)
    return line


def _set_aside(line: Line, fact: WorkReported, sign: int) -> Line:
    for output in fact.outputs:
        if _waits(output):
            place = _place(fact, fact.station or "", output.lot, output.material, output.unit)
            line = _with(line, replace(place, quantity=sign * output.quantity))
    return line


def _moved(line: Line, fact: OutputReclassified, sign: int) -> Line:
    """The line with pieces that changed their disposition, or changed it back."""
    name = fact.from_station or fact.station or ""
    if fact.from_ == "rework":
        place = _place(fact, name, fact.lot, fact.material, fact.unit)
        line = (
            _less(line, place, fact.quantity)
            if sign > 0
            else _with(line, replace(place, quantity=fact.quantity))
        )
    station = _of_jobs(line.station(name), fact, sign)
    if fact.to in ("good", "concession"):
        station = known.turned(station, _key(fact), sign * fact.quantity)
    return replace(line, stations={**line.stations, name: station})


def _of_jobs(station: Station, fact: OutputReclassified, sign: int) -> Station:
    """The station whose job, open or completed, has these pieces; one that began anew since has not."""

    def moved(job: Job) -> Job:
        held: Decimal = getattr(job, fact.from_ if sign > 0 else fact.to)
        return quantities.with_verdict(job, fact, sign) if held >= fact.quantity else job

    return station.with_held(_key(fact), moved)


def _less(line: Line, place: SetAside, quantity: Decimal) -> Line:
    """The line with so many fewer waiting: of the same lot first, then the oldest; the rest is owed."""
    here = [one for one in line.aside if (one.station, one.job) == (place.station, place.job)]
    for one in sorted(here, key=lambda one: one.lot != place.lot):
        taken = min(max(one.quantity, ZERO), quantity)
        if taken:
            line, quantity = _with(line, replace(one, quantity=-taken)), quantity - taken
    return _with(line, replace(place, quantity=-quantity)) if quantity else line


def _with(line: Line, more: SetAside) -> Line:
    for number, one in enumerate(line.aside):
        if (one.station, one.job, one.lot) == (more.station, more.job, more.lot):
            held = replace(one, quantity=one.quantity + more.quantity)
            return replace(line, aside=(*line.aside[:number], held, *line.aside[number + 1 :]))
    return replace(line, aside=_bounded((*line.aside, more)))


def _bounded(aside: tuple[SetAside, ...]) -> tuple[SetAside, ...]:
    """Without the oldest of which nothing waits any more, if there are too many; else without the oldest."""
    if len(aside) <= _KEPT:
        return aside
    gone = next((number for number, one in enumerate(aside) if not one.quantity), 0)
    return (*aside[:gone], *aside[gone + 1 :])


def _place(fact: Fact, station: str, lot: str | None, material: str | None, unit: str) -> SetAside:
    return SetAside(
        station=station,
        job=_key(fact),
        order_line=fact.order_line,
        refs=fact.refs,
        material=material,
        unit=unit,
        lot=lot,
        quantity=ZERO,
    )


def _key(fact: Fact) -> JobKey:
    return fact.work_order or "", fact.operation or ""
