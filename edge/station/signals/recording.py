"""What moved becomes `count.recorded`, or `count.unattributed` where no job can claim it."""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from edge.events import CountRecorded, CountUnattributed, seconds
from edge.station.live import LiveCounter
from edge.station.signals import claiming, jumping, sharing
from edge.station.state import ZERO, Job
from edge.station.work import Work

RECORD_MS = 30_000
_ONE = Decimal(1)
_MILLISECOND = Decimal("0.001")


def keep(work: Work, name: str, live: LiveCounter) -> None:
    """Remember a counter's movement until it is recorded."""
    work.live = replace(work.live, counters={**work.live.counters, name: live})


def moving(work: Work) -> bool:
    """Whether anything moved that no fact says yet, and is to be recorded with the next look."""
    running = work.live.running
    counters = work.live.counters.values()
    return any(live.delta or jumping.due(live, work.now) for live in counters) or bool(running and running.ms)


def record(work: Work, *, pieces: bool = True, at_boundary: bool = False, turned: bool = False) -> None:
    """Draft what moved; at a boundary also what is held by then, and that counters are silent."""
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
    if live.delta or always or at_boundary or late or jumping.due(live, work.now):
        record_held(work, name, late=late)
        live = work.live.counters[name]
    silent = at_boundary and not live.good
    news = always or (silent and recorded is not None and not recorded.silent)
    if live.delta or news:
        draft(work, name, live.raw, live.delta, silent=silent, late=late)
        keep(work, name, replace(live, delta=ZERO))


def record_held(work: Work, name: str, *, late: Job | None = None) -> None:
    """Draft what is held of one counter, with what it would have been counted as."""
    live = work.live.counters.get(name)
    if live is None or live.held is None:
        return
    held = live.held
    keep(work, name, replace(live, held=None))
    work.emit(
        CountUnattributed,
        origin="signal",
        counter=name,
        from_=held.from_,
        to=live.raw,
        delta=held.delta,
        held=held.kind,
        jumps=Decimal(held.jumps) if held.jumps > 1 else None,
        counts=claiming.counts(work, name),
        claims=() if held.doubted is None else claiming.claims(work, name, held.doubted, late),
    )


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
    recorded, tool = work.station.counters.get(name), work.station.tool
    from_ = recorded.raw if recorded else None
    moved: Decimal | None = delta
    for part in claiming.parts(work, name, delta, silent=silent, late=late):
        nobodys = bool(delta) and part.job is None and name != "energy"
        more: dict[str, Any] = {"counts": claiming.counts(work, name)} if nobodys else {}
        if name in work.settings.counters:
            more["tool"] = tool.tool if tool else None
        work.emit(
            CountUnattributed if nobodys else CountRecorded,
            job=part.job,
            origin="signal",
            counter=name,
            from_=from_,
            to=to,
            delta=moved,
            quantity=part.quantity,
            unit=part.unit,
            units_per_count=part.units if part.units != _ONE else None,
            material=part.material,
            role=part.role,
            share=part.share,
            carried=part.carried,
            phase=part.job.phase if part.job else None,
            bom_line=part.bom_line,
            incomplete=silent,
            **more,
        )
        moved = None


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
