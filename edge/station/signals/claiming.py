"""Who claims what a counter or meter moved, and as what: of movements that are counted and that are held.

Both come from here, so that a held movement which a person accepts is what would have been counted.
"""

from decimal import Decimal
from fractions import Fraction

from msgspec.structs import replace

from edge.events import Claim, Counts, plain
from edge.masterdata.measures import convert
from edge.station import backflush
from edge.station.owning import owner
from edge.station.pending import PendingReport, PendingSetup
from edge.station.signals import sharing
from edge.station.signals.sharing import Part
from edge.station.state import ZERO, Job
from edge.station.work import Work

_ONE = Decimal(1)
_FINEST = Decimal("1E-6")  # of a kWh
_UNBELIEVABLE = Decimal(10**10)  # raw units: no machine moves so far, and no fact could say what it brings


def figure_shown(work: Work) -> Job | None:
    """The job whose total waits for OK: what the counter moves from then on is not in it."""
    pending = work.live.pending
    late = (
        isinstance(pending, PendingReport)
        and pending.kind in ("done", "switch")
        and pending.total is not None
    )
    return work.station.job if late or isinstance(pending, PendingSetup) else None


def parts(
    work: Work, name: str, delta: Decimal, *, silent: bool = False, late: Job | None = None
) -> list[Part]:
    """The parts of a movement of so many raw units. `late`: the job whose figure was shown before it."""
    recorded = work.station.counters.get(name)
    crossed = recorded is not None and recorded.crossed
    if name == "energy":
        return _of_energy(work, delta, crossed)
    if name in work.settings.meters:
        return [_of_material(work, name, delta, crossed)]
    if not delta:  # a baseline, or a device that fell silent: no piece of anything
        job = work.station.job
        return [Part(job=job, quantity=ZERO, unit=job.unit if job else None)]
    return _of_pieces(work, name, delta, crossed, late or (None if silent else figure_shown(work)))


def claims(work: Work, name: str, doubted: Decimal, late: Job | None = None) -> tuple[Claim, ...]:
    """What a movement would have been counted as, had it been plausible."""
    if doubted >= _UNBELIEVABLE:
        return ()
    return tuple(_claim(name, part) for part in parts(work, name, doubted, late=late))


def counts(work: Work, name: str) -> Counts:
    """What a counter counts."""
    if name == "energy":
        return "energy"
    return "material" if name in work.settings.meters else work.settings.counters[name].counts


def _claim(name: str, part: Part) -> Claim:
    job = part.job
    before = job.carried.get(name, ZERO) if job else ZERO
    return Claim(
        work_order=job.work_order if job else None,
        operation=job.operation if job else None,
        quantity=part.quantity,
        unit=part.unit,
        units_per_count=None if part.units == _ONE else part.units,
        material=part.material,
        role=part.role,
        share=part.share,
        carried=None if part.carried is None else part.carried - before,
        phase=job.phase if job else None,
        bom_line=part.bom_line,
    )


def _of_pieces(work: Work, name: str, delta: Decimal, crossed: bool, late: Job | None) -> list[Part]:
    found = sharing.parts(work, name, delta, late)
    if crossed and len(found) > 1 and found[0].material is None:
        quantity = sum((part.quantity for part in found), ZERO)
        found = [Part(job=None, quantity=quantity, unit=None, units=found[0].units)]
    if crossed:
        found = [replace(part, job=None) for part in found]
    return [_of_nobody(part) if part.job is None else part for part in found]


def _of_nobody(part: Part) -> Part:
    return replace(part, unit=part.unit if part.material else None, role=None, carried=None)


def _of_energy(work: Work, delta: Decimal, crossed: bool) -> list[Part]:
    quantity, share = sharing.of_meter(work, delta)
    found = sharing.of_machine(work, "energy", quantity, _FINEST)
    if crossed:
        found = [Part(job=None, quantity=quantity, unit=None)]
    of_all = [part.share if share is None else plain(share * (part.share or _ONE)) for part in found]
    return [replace(part, unit="KWH", share=one) for part, one in zip(found, of_all, strict=True)]


def _of_material(work: Work, name: str, delta: Decimal, crossed: bool) -> Part:
    """What a meter says was used, for the BOM line of the selected job that it measures."""
    meter = work.settings.meters[name]
    owned = owner(work.station, name)
    used = backflush.metered(work, work.station.find(owned) if owned and not crossed else None, meter)
    return Part(
        job=used.job if used else None,
        quantity=convert(delta, used.per_step if used else Fraction(meter.multiplier)),
        unit=used.unit if used else meter.unit,
        material=meter.material,
        bom_line=used.bom_line if used else None,
    )
