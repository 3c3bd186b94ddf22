"""A job's quantities as facts say them: counted, reported, of its product and of what is made beside it."""

from decimal import Decimal
from typing import Any, Literal, TypeVar

from msgspec.structs import replace

from edge.events import CountRecorded, Output, OutputReclassified, WorkReported
from edge.station.state import ZERO, Job, SideProduct

_Made = TypeVar("_Made", Job, SideProduct)


def with_count(job: Job, fact: CountRecorded, quantity: Decimal) -> Job:
    """The job with what a counter, the running signal or a meter moved."""
    if fact.bom_line is not None:
        waiting = job.metered.get(fact.bom_line, ZERO) + quantity
        return replace(job, metered={**job.metered, fact.bom_line: waiting})
    if fact.counter == "running":
        # Set-up time is the phase's own length: the machine's strokes in it are no run time.
        return replace(job, machine_s=(job.machine_s or ZERO) + (quantity if fact.phase == "run" else 0))
    if fact.counter == "energy":
        return replace(job, energy_kwh=(job.energy_kwh or ZERO) + quantity)
    if fact.role is None or fact.material is None:
        return with_pieces(job, fact.counter, quantity, fact.phase == "setup")
    side = job.side.get(fact.material) or SideProduct(role=fact.role, unit=fact.unit or "")
    side = with_pieces(side, fact.counter, quantity, fact.phase == "setup")
    return replace(job, side={**job.side, fact.material: side})


def accepted(job: Job, fact: CountRecorded, quantity: Decimal) -> Job:
    """The job with a movement that was held, and counts after all."""
    job = with_count(job, fact, quantity)
    return job if fact.carried is None else replace(job, carried={**job.carried, fact.counter: fact.carried})


def with_pieces(made: _Made, counter: str, quantity: Decimal, in_setup: bool) -> _Made:
    """A job or side product with more pieces of a counter, in its phase."""
    counted = made.setup_counted if in_setup else made.counted
    counted = {**counted, counter: counted.get(counter, ZERO) + quantity}
    return replace(made, setup_counted=counted) if in_setup else replace(made, counted=counted)


def with_outputs(job: Job, fact: WorkReported, sign: int) -> Job:
    """The job with what a report carries (or without it again)."""
    for output in (*fact.outputs, *fact.reworked):
        quantity = sign * output.quantity
        if output.role != "main" and output.material is not None:
            job = _with_side(job, output.material, output, quantity)
            continue
        job = _with_serials(_with_taken(job, output, quantity), output, sign)
        in_setup = output.cause == "setup"
        if in_setup and output.disposition == "rework":
            job = replace(job, setup_rework=job.setup_rework + quantity)
        if in_setup and output.disposition == "scrap":
            job = replace(job, setup_scrap=job.setup_scrap + quantity)
        else:
            held: Decimal = getattr(job, output.disposition)
            changes: dict[str, Any] = {output.disposition: held + quantity}
            job = replace(job, **changes)
    return job


def with_verdict(job: Job, fact: OutputReclassified, sign: int) -> Job:
    """The job whose pieces changed their disposition (or changed it back)."""
    quantity = sign * fact.quantity
    taken: dict[str, Any] = {fact.from_: getattr(job, fact.from_) - quantity}
    given: dict[str, Any] = {fact.to: getattr(job, fact.to) + quantity}
    regained = quantity if (fact.from_, fact.to) == ("rework", "good") else ZERO
    return replace(job, **taken, **given, regained=job.regained + regained)


def _with_side(job: Job, material: str, output: Output, quantity: Decimal) -> Job:
    """The job with more of a co- or by-product reported."""
    role: Literal["co", "by"] = "by" if output.role == "by" else "co"
    held = job.side.get(material) or SideProduct(role=role, unit=output.unit)
    held = _with_taken(held, output, quantity)
    if output.cause == "setup":
        held = replace(held, setup_scrap=held.setup_scrap + quantity)
    elif output.disposition in ("good", "concession"):
        held = replace(held, good=held.good + quantity)
    else:
        held = replace(held, defective=held.defective + quantity)
    return replace(job, side={**job.side, material: held})


def _with_serials(job: Job, output: Output, sign: int) -> Job:
    """The job whose serial numbers a report took, or gave back."""
    if not output.serials:
        return job
    kept = tuple(one for one in job.serials if one not in output.serials)
    return replace(job, serials=kept if sign > 0 else (*kept, *output.serials))


def _with_taken(made: _Made, output: Output, quantity: Decimal) -> _Made:
    """A job or side product from whose scrap counter a report took a quantity."""
    if output.counter is None:
        return made
    taken = made.counter_scrap.get(output.counter, ZERO) + quantity
    return replace(made, counter_scrap={**made.counter_scrap, output.counter: taken})
