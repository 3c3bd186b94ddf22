"""Whose a movement is, and how many units of what: by the mounted tool, by rated power on a shared meter.

Parts of one movement sum exactly to the whole: each is the difference of two rounded running sums.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Literal

import msgspec

from edge.events import plain
from edge.station.evolve import owner
from edge.station.quantities import with_pieces
from edge.station.state import SWITCHED, ZERO, Job, Tool
from edge.station.work import Work


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a counter's movement: whose it is, how many units of what."""

    job: Job | None  # None: nobody's
    material: str | None = None  # None: the job's product
    role: Literal["co", "by"] | None = None  # None: the job's main product
    quantity: Decimal
    unit: str | None
    units: Decimal | None = None  # per count


def parts(work: Work, name: str, delta: Decimal, late: Job | None) -> list[Part]:
    """A piece counter's movement by whose it is. `late`: the job whose figure was shown before it."""
    tool = _tool(work, name)
    if tool is not None and tool.shares:
        return _by_shares(work, _units_by_material(work, name, tool), delta, late)
    owned = owner(work.station, name)
    job = work.station.find(owned) if owned and late is None else None
    units = units_per_count(work, name)
    return [Part(job=job, quantity=plain(delta * units), unit=job.unit if job else None, units=units)]


def with_movement(work: Work, job: Job) -> Job:
    """A job with what its counters moved since they were last recorded."""
    for name, live in work.live.counters.items():
        if name not in work.settings.counters or not live.delta:
            continue
        for part in parts(work, name, live.delta, None):
            if part.job is not None and part.job.key == job.key and part.role is None:
                job = with_pieces(job, name, part.quantity, job.phase == "setup")
    return job


def units_per_count(work: Work, name: str) -> Decimal:
    """Units of all materials that one count brings now: blocked cavities give none."""
    tool = _tool(work, name)
    blocked = sum((one.cavities for one in tool.blocked), ZERO) if tool else ZERO
    return max(ZERO, _open_units(work, name, tool) - blocked)


def units_of(work: Work, name: str, material: str) -> Decimal:
    """Units of one material that one count brings now."""
    tool = _tool(work, name)
    if tool is None or not tool.shares:
        return units_per_count(work, name)
    return _units_by_material(work, name, tool).get(material, ZERO)


def rated_kw_on_meter(work: Work) -> Decimal:
    """The rated power of all stations whose energy this station's meter measures."""
    return sum((kw for _, kw in _on_meter(work)), ZERO)


def of_meter(work: Work, delta: Decimal) -> tuple[Decimal, Decimal | None]:
    """This station's kWh of what its meter moved, and its share where others hang on the meter too."""
    kwh = delta * work.settings.signals.energy_multiplier
    stations = list(_on_meter(work))
    if len(stations) == 1:
        return plain(kwh), None
    total = rated_kw_on_meter(work)
    before = ZERO
    for name, kw in stations:
        if name == work.name:
            break
        before += kw
    own = work.settings.signals.rated_kw
    # By running sums, so that the stations' parts of one movement are the whole.
    return plain(kwh * (before + own) / total) - plain(kwh * before / total), plain(own / total)


def _on_meter(work: Work) -> Iterable[tuple[str, Decimal]]:
    """The stations that name this station's meter, and their rated power."""
    for name, station in work.site.stations.items():
        if station.signals.energy == work.settings.signals.energy:
            yield name, station.signals.rated_kw


def _tool(work: Work, name: str) -> Tool | None:
    """The mounted tool, if it says what a count of this counter is."""
    return work.station.tool if work.settings.counters[name].follows_tool else None


def _open_units(work: Work, name: str, tool: Tool | None) -> Decimal:
    given = tool.units_per_count if tool else None
    return work.settings.counters[name].units_per_count if given is None else given


def _units_by_material(work: Work, name: str, tool: Tool) -> dict[str, Decimal]:
    """What one count brings of each material, the blocked cavities left out."""
    total, units = sum((one.share for one in tool.shares), ZERO), _open_units(work, name, tool)
    blocked = {one.material: one.cavities for one in tool.blocked}
    return {
        one.material: max(ZERO, units * one.share / total - blocked.get(one.material, ZERO))
        for one in tool.shares
    }


def _by_shares(work: Work, units: dict[str, Decimal], delta: Decimal, late: Job | None) -> list[Part]:
    found = []
    upto = ZERO
    for material, each in units.items():
        if not each:
            continue
        quantity = plain(delta * (upto + each)) - plain(delta * upto)
        upto += each
        job, role = _claimant(work, material)
        if late is not None and (job is None or job.key == late.key or material == late.product):
            job, role = None, None
        unit = _unit(work, material, job, role)
        found.append(
            Part(job=job, material=material, role=role, quantity=quantity, unit=unit, units=plain(each))
        )
    return found or [Part(job=work.station.job, quantity=ZERO, unit=None, units=ZERO)]


def _claimant(work: Work, material: str) -> tuple[Job | None, Literal["co", "by"] | None]:
    """The open job that makes a material: as its product, or beside it as its order says.

    A job that the station switched away from makes nothing.
    """
    selected = work.station.job
    others = [job for job in work.station.jobs if job is not selected and job.paused != SWITCHED]
    others.sort(key=lambda job: job.paused is not None)
    jobs = [selected, *others] if selected else others
    for job in jobs:
        if job.product == material:
            return job, None
    for job in jobs:
        order = work.master.orders.get(job.work_order)
        for output in order.outputs if order else ():
            if output.material == material and output.role != "main":
                return job, output.role
    return None, None


def _unit(work: Work, material: str, job: Job | None, role: str | None) -> str | None:
    if job is not None and role is None:
        return job.unit
    known = work.master.materials.get(material)
    return known.unit if known else job.unit if job else None
