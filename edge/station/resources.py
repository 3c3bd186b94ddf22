"""Time and energy of a job as reports carry them: what no report carries yet, and what all carried."""

from decimal import Decimal

from msgspec import UNSET
from msgspec.structs import replace

from edge.events import Labour as Reported
from edge.events import Resources
from edge.station import hours
from edge.station.state import ZERO, Job, Labour


def carried(job: Job, resources: Resources | None, sign: int = 1) -> Job:
    """The job when a report carries what was not reported yet, or with `sign=-1` gives it back."""
    if resources is None:
        return job
    if isinstance(resources.setup_s, Decimal):
        job = replace(job, setup_ms=job.setup_ms - sign * int(resources.setup_s * 1000))
    if isinstance(resources.machine_s, Decimal):
        job = replace(job, machine_s=(job.machine_s or ZERO) - sign * resources.machine_s)
    unmeasured = resources.machine_s is not UNSET and "machine_s" not in (resources.basis or {})
    job = replace(job, machine_gap=sign < 0 and (job.machine_gap or unmeasured))
    if isinstance(resources.energy_kwh, Decimal):
        job = replace(job, energy_kwh=(job.energy_kwh or ZERO) - sign * resources.energy_kwh)
    job = replace(job, gap=sign < 0 and (job.gap or "labour" not in (resources.basis or {})))
    shares = [Labour(one.operator, one.phase, int(one.s * 1000)) for one in _labour(resources)]
    return spent(replace(job, labour=hours.summed(job.labour, shares, -sign)), resources, sign)


def spent(job: Job, resources: Resources | None, sign: int = 1) -> Job:
    """The job with the time of production that a report says it took, or with `sign=-1` without it."""
    if resources is None:
        return job
    labour_s = sum((one.s for one in _labour(resources) if one.phase == "run"), ZERO)
    machine_s = resources.machine_s if isinstance(resources.machine_s, Decimal) else ZERO
    return replace(
        job,
        spent_labour_s=job.spent_labour_s + sign * labour_s,
        spent_machine_s=job.spent_machine_s + sign * machine_s,
    )


def _labour(resources: Resources) -> tuple[Reported, ...]:
    return resources.labour if isinstance(resources.labour, tuple) else ()
