"""Accepting a held movement: it was real, and counts as what it would have been counted as.

Of a job that is open it is counted now, and the job's next report carries it with the rest. What no later
report of the job can carry is reported at once: the job is completed, or its set-up is over. Nobody's pieces
wait, as all pieces without an order do.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from edge.events import Claim, CountRecorded, CountUnattributed, Output, Resources
from edge.station.review import makeup, metering
from edge.station.review.desk import Desk, Target
from edge.station.review.rights import Authority
from edge.station.review.waiting import Waiting
from edge.station.review.words import Unsettled
from edge.station.state import ZERO, Job, JobKey


def accept(desk: Desk, who: Authority, one: Waiting) -> None:
    """Draft what a held movement comes to. Raises Unsettled where that is no figure."""
    if not one.claims:
        backwards = "backwards" in (one.doubt or "") or (one.delta or ZERO) <= 0
        raise Unsettled("not_forward" if backwards else "figure_needed")
    claims: dict[JobKey | None, list[Claim]] = {}
    for claim in one.claims:
        key = (claim.work_order, claim.operation or "") if claim.work_order else None
        claims.setdefault(key, []).append(claim)
    for key, of_job in claims.items():
        if key is None:
            _leave(desk, who, one, of_job)
        else:
            _give(desk, who, one, key, of_job)


def _leave(desk: Desk, who: Authority, one: Waiting, claims: Sequence[Claim]) -> None:
    """What is nobody's: energy is recorded so, all else waits."""
    for claim in claims:
        energy = one.counts == "energy"
        more = {} if energy else {"counts": one.counts}
        if claim.quantity:
            desk.draft(
                CountRecorded if energy else CountUnattributed, _at_ms(desk, one), one.station, who,
                counter=one.counter, quantity=claim.quantity, unit=claim.unit, material=claim.material,
                units_per_count=claim.units_per_count, share=claim.share, **more,
            )  # fmt: skip


def _give(desk: Desk, who: Authority, one: Waiting, key: JobKey, claims: Sequence[Claim]) -> None:
    """What is a job's: counted, and reported where no later report carries it."""
    target, anew = desk.target(one.station, key), key in one.anew
    station = desk.line.station(one.station)
    job = None if anew else station.find(key)
    closed = None if anew or job else station.held(key)
    pieces = one.counts in ("all", "good", "scrap")
    for claim in claims:
        if job or (closed and pieces):
            _count(desk, who, one, target, job or closed, claim)
    left = [claim for claim in claims if claim.quantity and not _carried(job, claim, pieces)]
    if not left:
        return
    if one.counts == "material":
        for claim in left:
            metering.consume(
                desk, who, one, target, claim.quantity, claim.unit or "", lot=None, earlier_run=anew
            )
        return
    figures: dict[str, Any] = {"outputs": _outputs(desk, one, target, left)} if pieces else _energy(left)
    if not pieces or figures["outputs"]:
        desk.reported(who, one.station, target, _at_ms(desk, one), earlier_run=anew, **figures)


def _carried(job: Job | None, claim: Claim, pieces: bool) -> bool:
    """Whether a later report of the job has it: pieces of a set-up are scrap when it ends."""
    return job is not None and not (pieces and claim.phase == "setup" != job.phase)


def _count(desk: Desk, who: Authority, one: Waiting, target: Target, job: Job | None, claim: Claim) -> None:
    owed = job.carried.get(one.counter or "", ZERO) if job else ZERO
    desk.belated(
        CountRecorded, who, one.station, target, _at_ms(desk, one), counter=one.counter,
        quantity=claim.quantity, unit=claim.unit, units_per_count=claim.units_per_count,
        material=claim.material, role=claim.role, share=claim.share, phase=claim.phase,
        carried=None if claim.carried is None else owed + claim.carried, bom_line=claim.bom_line,
    )  # fmt: skip


def _energy(claims: Sequence[Claim]) -> dict[str, Any]:
    kwh = sum((claim.quantity for claim in claims), Decimal(0))
    return {"outputs": (), "resources": Resources(energy_kwh=kwh, basis={"energy_kwh": "confirmed"})}


def _outputs(desk: Desk, one: Waiting, target: Target, claims: Sequence[Claim]) -> tuple[Output, ...]:
    """Pieces as the report would have had them: of the counter that totals go by, or of one of scrap."""
    settings = desk.site.stations.get(one.station)
    main = settings.main_counter if settings else None
    all_counted = settings is not None and main is not None and settings.counters[main].counts == "all"
    found = []
    for claim in claims:
        in_setup = claim.phase == "setup"
        if one.counts == "scrap" and all_counted and not in_setup:
            raise Unsettled("good_then", order=target.work_order)
        if one.counter == main or (one.counts == "scrap" and not all_counted):
            found.append(_output(desk, one, target, claim, in_setup))
    return tuple(found)


def _output(desk: Desk, one: Waiting, target: Target, claim: Claim, in_setup: bool) -> Output:
    scrap = one.counts == "scrap"
    made = makeup.rejected(desk, target, claim.quantity, one) if scrap and not in_setup else None
    return Output(
        material=(claim.material if claim.role else target.product) or None,
        role=claim.role or "main",
        disposition="scrap" if scrap or in_setup else "good",
        reason=made.reason if made else None,
        cause="setup" if in_setup else made.cause if made else None,
        quantity=claim.quantity,
        unit=claim.unit or target.unit,
        counter=one.counter if made else None,
    )


def _at_ms(desk: Desk, one: Waiting) -> int:
    """When it moved; the present where no clock could be right then."""
    return one.to_ms if one.dated else desk.now.wall_ms
