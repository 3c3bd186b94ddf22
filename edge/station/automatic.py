"""What the machine's movement does by itself: start, pause and resume, or propose it (setting `automatic`).

A start is proposed, or made, when the machine runs or a counter moves and nothing is open; a pause when the
machine stands with its job open for `pause_after_s`. Each is proposed once for as long as it goes on so. A
pause that the machine made ends when it runs again. A machine that does not answer does nothing by itself.
"""

from msgspec.structs import replace

from edge.events import WorkResumed
from edge.masterdata import WorkOrder
from edge.station import checks, rework, signals
from edge.station.live import Said
from edge.station.pending import PendingPause, PendingStart
from edge.station.scans import orders
from edge.station.scans.reasons import reason_text
from edge.station.signals import states
from edge.station.state import SWITCHED, Job, JobKey
from edge.station.texts import Text, say
from edge.station.work import Refused, Work

_STANDS_MS = 3_000  # a counter that has not moved for so long does not show a machine at work


def watch(work: Work) -> None:
    """Do what the machine's movement asks for now."""
    moves = _moves(work)
    job = work.station.job
    if job is None:
        _without_job(work, moves)
        return
    if job.paused_by_signal and moves and work.live.pending is None:
        signals.boundary(work, pieces=False)
        work.emit(WorkResumed, job=job, origin="signal", reason=job.paused)
        _tell(work, say("resumed_itself", order=job.work_order))
    at_rest = moves is False and job.paused is None and job.phase == "run"
    stands = (work.live.stands or work.now) if at_rest else None
    proposed = work.live.proposed and at_rest and work.live.stands is not None
    if (stands, proposed) != (work.live.stands, work.live.proposed):
        work.live = replace(work.live, stands=stands, proposed=proposed)
    if stands is not None and not proposed:
        _stands(work, job, work.now.since(stands))


def start(work: Work, pending: PendingStart) -> Text:
    """OK to the proposed order: what the counter moved since the proposal is its."""
    if work.station.job is not None:
        raise Refused("gone")
    signals.boundary(work, pieces=False)
    work.end_wait()
    return orders.take_up(work, pending.key)


def pause(work: Work, pending: PendingPause) -> Text:
    """OK to the proposed pause."""
    if work.job.key != pending.key or work.job.paused is not None:
        raise Refused("gone")
    work.end_wait()
    signals.boundary(work)
    reason = work.settings.automatic.pause_reason
    orders.halt(work, work.job, reason)
    return say("paused", reason=reason_text(work, "pause", reason))


def _moves(work: Work) -> bool | None:
    """Whether the machine is at work; None where nothing says it."""
    state = states.state(work.settings.signals, work.live, work.now)
    if state is not None and work.settings.signals.says_running:
        return None if state == "lost" else state == "running"
    piece_counters = [work.live.counters.get(name) for name in work.settings.counters]
    if not any(one is not None and one.good for one in piece_counters):
        return None
    moved = work.live.moved_at
    return moved is not None and work.now.since(moved) < _STANDS_MS


def _without_job(work: Work, moves: bool | None) -> None:
    mode = work.settings.automatic.start
    moves = moves or work.live.moved_at == work.now
    if not moves:
        if work.live.proposed or work.live.stands:
            work.live = replace(work.live, proposed=False, stands=None)
        return
    if mode == "off" or work.live.proposed or work.live.pending is not None:
        return
    if mode == "propose" and not work.station.crew:
        return  # nobody is there to answer
    work.live = replace(work.live, proposed=True)
    key = _next(work)
    if key is None:
        return
    if mode == "propose":
        work.wait_for(PendingStart(key))
        _tell(work, say("propose_start", order=key[0], operation=key[1]))
        return
    signals.boundary(work, pieces=False)
    orders.take_up(work, key, "signal")
    _tell(work, say("started_itself", order=key[0], operation=key[1]))


def _stands(work: Work, job: Job, for_ms: int) -> None:
    automatic = work.settings.automatic
    if automatic.pause == "off" or for_ms < automatic.pause_after_s * 1000 or work.live.pending is not None:
        return
    work.live = replace(work.live, proposed=True)
    if automatic.pause == "propose":
        work.wait_for(PendingPause(job.key))
        _tell(work, say("propose_pause", order=job.work_order))
        return
    signals.boundary(work)
    orders.halt(work, job, automatic.pause_reason, "signal")
    _tell(work, say("paused_itself", order=job.work_order))


def _next(work: Work) -> JobKey | None:
    """What would be started: a job that waits here for its turn, else the next released order."""
    waiting = next((job.key for job in work.station.jobs if job.paused == SWITCHED), None)
    if waiting is not None or work.station.jobs:
        return waiting
    taken = {job.key for station in work.line.stations.values() for job in station.jobs}
    taken |= {*work.station.finished}
    orders_here = work.master.orders_at(work.settings.work_center)
    keys = ((order, key) for order in orders_here if (key := _startable(work, order, taken)))
    first = min(keys, key=lambda one: (one[0].due or "9", one[0].work_order), default=None)
    return first[1] if first else None


def _startable(work: Work, order: WorkOrder, taken: set[JobKey]) -> JobKey | None:
    """The operation of an order that may start here next."""
    if order.status != "released" or (order.confirmed_quantity or 0) >= order.quantity:
        return None
    here = work.settings.work_center
    if order.use == "rework":
        return None
    fitting = (one for one in rework.producing(order) if here in (one.work_center, *one.alternatives))
    keys = ((order.work_order, one.operation) for one in fitting)
    return next((key for key in keys if key not in taken and not _early(work, order, key)), None)


def _early(work: Work, order: WorkOrder, key: JobKey) -> bool:
    """Whether its turn is not yet come: nothing that a check would speak of begins by itself."""
    checked = work.verdicts.level("sequence") != "off"
    return checked and checks.out_of_sequence(work, order, key) is not None


def _tell(work: Work, text: Text) -> None:
    work.live = replace(work.live, said=Said("info", text, work.now))
