"""Whose a movement is, and how many units of what: by the mounted tool, by the jobs that are open beside each
other at a concurrent station, by rated power on a shared meter.

Parts of one movement sum exactly to the whole: of a tool and a meter each is the difference of two rounded
running sums, of jobs each has whole pieces by largest remainder.
"""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Literal

import msgspec

from edge.events import plain
from edge.station.owning import at_work, owner
from edge.station.quantities import with_pieces
from edge.station.signals.apportion import apportioned
from edge.station.state import SWITCHED, ZERO, Job, Tool
from edge.station.work import Work

_PIECE = Decimal(1)
_FINEST = Decimal("1E-6")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a counter's movement: whose it is, how many units of what."""

    job: Job | None  # None: nobody's
    material: str | None = None  # None: the job's product
    role: Literal["co", "by"] | None = None  # None: the job's main product
    quantity: Decimal
    unit: str | None
    units: Decimal | None = None  # per count
    share: Decimal | None = None  # of a movement that several jobs share
    carried: Decimal | None = None
    bom_line: str | None = None  # that a meter measures for


def parts(work: Work, name: str, delta: Decimal, late: Job | None) -> list[Part]:
    """A piece counter's movement by whose it is. `late`: the job whose figure was shown before it."""
    tool = _tool(work, name)
    if tool is not None and tool.shares:
        return _by_shares(work, _units_by_material(work, name, tool), delta, late)
    jobs, units = _sharing(work, late), units_per_count(work, name)
    if len(jobs) > 1:
        return _by_jobs(work, name, jobs, delta * units, units, late)
    owned = owner(work.station, name)
    job = work.station.find(owned) if owned and late is None else None
    if jobs and late is None:
        job = jobs[0]
    return [Part(job=job, quantity=plain(delta * units), unit=job.unit if job else None, units=units)]


def of_machine(work: Work, name: str, quantity: Decimal, step: Decimal) -> list[Part]:
    """Machine time or energy by whose it is, in multiples of `step`; nobody's where no job is at work."""
    jobs = [job for job in _sharing(work, None) if job.paused is None]
    if not jobs or (len(jobs) > 1 and not quantity):
        owned = owner(work.station, name)
        jobs = [job for job in (work.station.find(owned) if owned else None,) if job]
    if len(jobs) < 2:
        return [Part(job=jobs[0] if jobs else None, quantity=quantity, unit=None)]
    weights = _weights(work, jobs)
    shares = apportioned(quantity, weights, [ZERO] * len(jobs), step)
    return [
        Part(job=job, quantity=plain(part.quantity), unit=None, share=_ratio(weight / sum(weights)))
        for job, weight, part in zip(jobs, weights, shares, strict=True)
    ]


def _sharing(work: Work, late: Job | None) -> list[Job]:
    """The jobs that share what a counter counts; `late` has its part even where it is closed by now."""
    if not work.settings.concurrent or work.settings.job_shares == "selected":
        return []
    jobs = list(at_work(work.station))
    if late is not None and all(job.key != late.key for job in jobs):
        jobs.append(late)
    return jobs


def _by_jobs(
    work: Work, name: str, jobs: list[Job], whole: Decimal, units: Decimal, late: Job | None
) -> list[Part]:
    """One part for each job, in whole pieces where whole pieces came; nobody's is that of `late`."""
    weights = _weights(work, jobs)
    whole = plain(whole)
    step = _PIECE if whole == whole.to_integral_value() else _FINEST
    shares = apportioned(whole, weights, [job.carried.get(name, ZERO) for job in jobs], step)
    parts = [
        Part(
            job=None if late is not None and job.key == late.key else job,
            quantity=plain(part.quantity),
            unit=job.unit,
            units=units,
            share=_ratio(weight / sum(weights)),
            carried=part.carried,
        )
        for job, weight, part in zip(jobs, weights, shares, strict=True)
    ]
    return [part for part in parts if part.job is not None or part.quantity]


def _weights(work: Work, jobs: list[Job]) -> list[Fraction]:
    """By planned quantity where the station says so and each has one; else all alike."""
    weights = [Fraction(job.planned) for job in jobs]
    by_plan = work.settings.job_shares == "planned" and min(weights) > 0
    return weights if by_plan else [Fraction(1)] * len(jobs)


def _ratio(value: Fraction) -> Decimal:
    return plain((Decimal(value.numerator) / Decimal(value.denominator)).quantize(_FINEST).normalize())


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
