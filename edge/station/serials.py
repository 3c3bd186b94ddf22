"""Serial numbers that were reported: a piece comes out of an operation once.

Of a product and operation each number is kept with the order that reported it, the latest 2048; a correction
forgets it again. A piece set aside as rework is not out yet; one that a rework job brings is out of that job.
"""

import msgspec
from msgspec.structs import replace

from edge import events
from edge.events import Fact, Output, WorkCorrected, WorkReported
from edge.station.state import Job, Line

_KEPT = 2048


def after(line: Line, fact: Fact) -> Line:
    """The line after a fact, as far as it brings numbers or takes them back."""
    if isinstance(fact, WorkReported):
        return reported(line, fact)
    if isinstance(fact, WorkCorrected) and fact.station is not None:
        last = line.station(fact.station).last
        if last is not None and last.id == fact.corrects:
            original = msgspec.json.decode(last.data, type=events.FACTS[f"lineside.{last.type}.v1"])
            return taken_back(line, original)
    return line


def reported(line: Line, fact: WorkReported) -> Line:
    """The line with a report's numbers."""
    found = dict.fromkeys(_keys(fact), fact.work_order or "")
    return replace(line, serials=dict([*line.serials.items(), *found.items()][-_KEPT:])) if found else line


def taken_back(line: Line, fact: Fact) -> Line:
    """The line without a report's numbers."""
    gone = set(_keys(fact)) if isinstance(fact, WorkReported) else set()
    if not gone:
        return line
    return replace(line, serials={key: order for key, order in line.serials.items() if key not in gone})


def order_of(line: Line, job: Job, material: str, serial: str) -> str | None:
    """The order that has reported this number of a material at the job's operation, or is about to."""
    place = _place(job.work_order if job.reworks else None, job.operation)
    reported_by = line.serials.get(_key(material, place, serial))
    if reported_by is not None or job.reworks:
        return reported_by
    for station in line.stations.values():
        for one in station.jobs:
            same = (one.product, one.operation) == (material, job.operation) and one.reworks is None
            if same and one.key != job.key and serial in one.serials:
                return one.work_order
    return None


def _keys(fact: WorkReported) -> list[str]:
    made = [(one, None) for one in fact.outputs if one.disposition != "rework"]
    made += [(one, fact.work_order) for one in fact.reworked]  # type: ignore[misc]
    return [
        _key(_material(one), _place(order, fact.operation or ""), serial)
        for one, order in made
        for serial in one.serials
    ]


def _material(output: Output) -> str:
    return output.material or ""


def _place(order: str | None, operation: str) -> str:
    return f"{order}/{operation}" if order else operation


def _key(material: str, place: str, serial: str) -> str:
    return f"{material}\x1f{place}\x1f{serial}"
