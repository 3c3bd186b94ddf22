"""What moved becomes `count.recorded`, or `count.unattributed` where no job can claim it."""

from decimal import Decimal
from fractions import Fraction

from msgspec.structs import replace

from edge.events import CountRecorded, CountUnattributed, plain, seconds
from edge.masterdata.measures import convert
from edge.station import backflush
from edge.station.live import LiveCounter
from edge.station.owning import owner
from edge.station.pending import PendingReport, PendingSetup
from edge.station.signals import sharing
from edge.station.state import ZERO, Job
from edge.station.work import Work

RECORD_MS = 30_000
_ONE = Decimal(1)
_MILLISECOND = Decimal("0.001")
_FINEST = Decimal("1E-6")  # of a kWh


def keep(work: Work, name: str, live: LiveCounter) -> None:
    """Remember a counter's movement until it is recorded."""
    work.live = replace(work.live, counters={**work.live.counters, name: live})


def moving(work: Work) -> bool:
    """Whether anything moved that no fact says yet."""
    running = work.live.running
    return any(live.delta for live in work.live.counters.values()) or bool(running and running.ms)


def figure_shown(work: Work) -> Job | None:
    """The job whose total waits for OK: what the counter moves from then on is not in it."""
    pending = work.live.pending
    late = (
        isinstance(pending, PendingReport)
        and pending.kind in ("done", "switch")
        and pending.total is not None
    )
    return work.station.job if late or isinstance(pending, PendingSetup) else None


def record(work: Work, *, pieces: bool = True, at_boundary: bool = False, turned: bool = False) -> None:
    """Draft `count.recorded` for what moved; at a boundary also for counters that are silent."""
    for name in [*(work.settings.counters if pieces else ()), *work.settings.meters, "energy"]:
        record_counter(work, name, at_boundary=at_boundary)
    _record_running(work, turned)
    work.live = replace(work.live, recorded_at=work.now)


def record_late(work: Work, shown: Job) -> None:
    """Draft what the piece counters moved after a job's figure was shown."""
    for name in work.settings.counters:
        record_counter(work, name, late=shown)


def record_counter(
    work: Work, name: str, *, at_boundary: bool = False, always: bool = False, late: Job | None = None
) -> None:
    """Draft what one counter moved. `always`: also where it did not."""
    live, recorded = work.live.counters.get(name), work.station.counters.get(name)
    if live is None:
        if at_boundary and recorded is not None and not recorded.silent:
            # Not read since the restart: what it moved before this boundary cannot be told from what comes.
            draft(work, name, recorded.raw, ZERO, silent=True)
        return
    silent = at_boundary and not live.good
    news = always or (silent and recorded is not None and not recorded.silent)
    if live.delta or news:
        draft(work, name, live.raw, live.delta, silent=silent, late=late)
        keep(work, name, replace(live, delta=ZERO))


def draft(
    work: Work,
    name: str,
    to: Decimal,
    delta: Decimal,
    *,
    silent: bool = False,
    late: Job | None = None,
) -> None:
    """Draft one movement: one fact for each part of it, the raw movement in the first."""
    recorded = work.station.counters.get(name)
    crossed = recorded is not None and recorded.crossed
    from_ = recorded.raw if recorded else None
    if name == "energy":
        _draft_energy(work, from_, to, delta, crossed, silent)
        return
    if name in work.settings.meters:
        _draft_material(work, name, from_, to, delta, crossed, silent)
        return
    parts = sharing.parts(work, name, delta, late or (None if silent else figure_shown(work)))
    if crossed and len(parts) > 1 and parts[0].material is None:
        quantity = sum((part.quantity for part in parts), ZERO)
        parts = [sharing.Part(job=None, quantity=quantity, unit=None, units=parts[0].units)]
    if not delta:  # a baseline, or a device that fell silent: no piece of anything
        job = work.station.job
        parts = [sharing.Part(job=job, quantity=ZERO, unit=job.unit if job else None)]
    moved: Decimal | None = delta
    for part in parts:
        job = None if crossed else part.job
        work.emit(
            CountUnattributed if delta and job is None else CountRecorded,
            job=job,
            origin="signal",
            counter=name,
            from_=from_,
            to=to,
            delta=moved,
            quantity=part.quantity,
            unit=part.unit if part.material or job else None,
            units_per_count=part.units if part.units != _ONE else None,
            material=part.material,
            role=part.role if job else None,
            share=part.share,
            carried=part.carried if job else None,
            tool=work.station.tool.tool if work.station.tool else None,
            phase=job.phase if job else None,
            incomplete=silent,
        )
        moved = None


def _draft_energy(
    work: Work, from_: Decimal | None, to: Decimal, delta: Decimal, crossed: bool, silent: bool
) -> None:
    quantity, share = sharing.of_meter(work, delta)
    parts = sharing.of_machine(work, "energy", quantity, _FINEST)
    if crossed:
        parts = [sharing.Part(job=None, quantity=quantity, unit=None)]
    moved: Decimal | None = delta
    for part in parts:
        work.emit(
            CountRecorded,
            job=part.job,
            origin="signal",
            counter="energy",
            from_=from_,
            to=to,
            delta=moved,
            quantity=part.quantity,
            unit="KWH",
            share=part.share if share is None else plain(share * (part.share or _ONE)),
            phase=part.job.phase if part.job else None,
            incomplete=silent,
        )
        moved = None


def _draft_material(
    work: Work, name: str, from_: Decimal | None, to: Decimal, delta: Decimal, crossed: bool, silent: bool
) -> None:
    """What a meter says was used, for the BOM line of the selected job that it measures."""
    meter = work.settings.meters[name]
    owned = owner(work.station, name)
    used = backflush.metered(work, work.station.find(owned) if owned and not crossed else None, meter)
    job = used.job if used else None
    work.emit(
        CountUnattributed if delta and job is None else CountRecorded,
        job=job,
        origin="signal",
        counter=name,
        from_=from_,
        to=to,
        delta=delta,
        quantity=convert(delta, used.per_step if used else Fraction(meter.multiplier)),
        unit=used.unit if used else meter.unit,
        material=meter.material,
        bom_line=used.bom_line if used else None,
        phase=job.phase if job else None,
        incomplete=silent,
    )


def _record_running(work: Work, turned: bool) -> None:
    live, before = work.live.running, work.station.counters.get("running")
    if live is None:
        return
    unknown = before is None or (before.raw == 1) != live.on
    if not (live.ms or live.micro_stops or live.incomplete or (turned and live.good and unknown)):
        return
    moved: Decimal | None = seconds(live.ms)
    for part in sharing.of_machine(work, "running", seconds(live.ms), _MILLISECOND):
        said = live.micro_stops and moved is not None
        work.emit(
            CountRecorded,
            job=part.job,
            origin="signal",
            counter="running",
            from_=before.raw if before else None,
            to=Decimal(int(live.on)),
            delta=moved,
            quantity=part.quantity,
            unit="SEC",
            share=part.share,
            micro_stops=Decimal(live.micro_stops) if said else None,
            micro_stop_s=seconds(live.micro_stop_ms) if said else None,
            phase=part.job.phase if part.job else None,
            incomplete=live.incomplete,
        )
        moved = None
    cleared = replace(live, ms=0, micro_stops=0, micro_stop_ms=0, incomplete=False)
    work.live = replace(work.live, running=cleared)
