"""Orders: starting, selecting, switching, pausing, set-up."""

from edge.events import Origin, Reworks, Standard, WorkPaused, WorkReported, WorkResumed, WorkStarted
from edge.masterdata import Operation, WorkOrder
from edge.settings import Pause
from edge.station import checks, provisional, rework, signals
from edge.station.grammar import Order
from edge.station.pending import PendingReport, PendingRestart, PendingSetup
from edge.station.scans import beside, reports
from edge.station.scans.reasons import check_reason, reason_text
from edge.station.state import SWITCHED, ZERO, Job, JobKey
from edge.station.texts import Text, say, status
from edge.station.work import Refused, Work, number


def order(work: Work, scan: Order) -> Text:
    """Start a job; with another one open, propose a partial report and the switch."""
    key = _open(work, scan) or _checked(work, scan)
    current = work.station.job
    if current is not None and current.key == key and current.paused != SWITCHED:
        if current.paused is not None:
            raise Refused("already_paused", reason=reason_text(work, "pause", current.paused))
        waiting = work.live.pending
        if isinstance(waiting, PendingReport) and waiting.switch_to is not None:
            return say("stays", order=key[0])  # the switch ends, for another scan came instead of OK
        raise Refused("already_running", order=key[0])
    if work.station.find(key) is None and key in work.station.finished:
        work.wait_for(PendingRestart(key))
        return say("completed_before", order=key[0], operation=key[1])
    return _turn_to(work, key)


def restart(work: Work, pending: PendingRestart) -> Text:
    """OK after the scan of an order that was completed here: it begins once more, from nought."""
    work.end_wait()
    return _turn_to(work, pending.key)


def _turn_to(work: Work, key: JobKey) -> Text:
    signals.boundary(work)
    current = work.station.job
    if current is None or current.key == key or work.settings.concurrent:
        return take_up(work, key)
    return reports.propose(work, "switch", switch_to=key)


def take_up(work: Work, key: JobKey, origin: Origin = "scan") -> Text:
    """Start the job, or go on with it where it is open already. The boundary is the caller's."""
    job = work.station.find(key)
    if job is not None:
        return _select(work, job, origin)
    found = work.master.orders.get(key[0])
    if found is None and work.site.checks.unknown_order == "provisional":
        _start(work, provisional.job(work, key), "run")
        return say("started_provisional", order=key[0])
    if found is None:
        raise Refused("gone")  # the ERP took it away while the switch waited for OK
    source = rework.taken_from(found, key[1])
    started = Job(
        work_order=key[0],
        order_line=found.line,
        operation=key[1],
        product=found.product,
        unit=found.unit,
        planned=rework.planned(work.line, found, source) if source else found.quantity,
        reworks=source,
        refs=dict(found.refs) or None,
        since=work.now,
    )
    _start(work, started, "run", origin)
    if source is None:
        return say("started", order=key[0])
    waits = number(max(ZERO, rework.waiting(work.line, source)))
    return say("started", order=key[0]) + say("rework_waits", count=waits)


def _select(work: Work, job: Job, origin: Origin) -> Text:
    """Go on with an open job. A pause of its own stays: it is said again, and only LSCGO ends it."""
    if job.paused in (None, SWITCHED):
        work.emit(WorkResumed, job=job, origin=origin, reason=job.paused)
    else:
        work.emit(
            WorkPaused,
            job=job,
            origin="signal" if job.paused_by_signal else origin,
            reason=job.paused,
            labour_goes_on=job.paused_labour,
            machine_goes_on=job.paused_machine,
        )
    return say("selected", order=job.work_order)


def pause(work: Work, reason: str) -> Text:
    """LSCPAUSE: stop for a reason; its setting says whether labour and machine time go on."""
    job = work.job
    if job.paused is not None:
        raise Refused("already_paused", reason=reason_text(work, "pause", job.paused))
    check_reason(work, "pause", reason)
    signals.boundary(work)
    halt(work, job, reason)
    return say("paused", reason=reason_text(work, "pause", reason))


def halt(work: Work, job: Job, reason: str, origin: Origin = "scan") -> None:
    """Pause a job; the reason's setting says whether time goes on. The boundary is the caller's."""
    setting = work.site.pauses.get(reason, Pause())
    work.emit(
        WorkPaused,
        job=job,
        origin=origin,
        reason=reason,
        labour_goes_on=setting.labour,
        machine_goes_on=setting.machine,
    )


def go(work: Work) -> Text:
    """LSCGO: end a pause, or end set-up."""
    job = work.job
    if job.paused is not None:
        signals.boundary(work)
        work.emit(WorkResumed, job=job, reason=job.paused)
        return say("resumed")
    if job.phase != "setup":
        raise Refused("nothing_to_go")
    signals.boundary(work)
    job = work.job
    strokes, also = beside.in_setup(work, job)
    if strokes or also:
        work.wait_for(PendingSetup(strokes, also))
        return say("setup_strokes", strokes=number(strokes)) + beside.shown(work, also)
    return end_setup(work)


def end_setup(work: Work) -> Text:
    """The run phase begins; strokes after the set-up figure that was shown are nobody's."""
    job = work.job
    _start(work, job, "run")
    signals.record_late_pieces(work, job)
    return say("resumed")


def setup(work: Work) -> Text:
    """LSCSETUP: the set-up phase begins."""
    job = work.job
    if job.phase == "setup":
        raise Refused("setup_twice")
    if job.paused is not None:
        raise Refused("already_paused", reason=reason_text(work, "pause", job.paused))
    signals.boundary(work)
    _start(work, job, "setup")
    return say("setup_started", order=job.work_order)


def switch(work: Work, pending: PendingReport) -> Text:
    """OK after another order's scan: the partial report, then the other order.

    Strokes after the figure that was shown are nobody's.
    """
    assert pending.switch_to is not None
    signals.boundary(work, pieces=False)
    job = work.job
    reported, _ = reports.post(work, WorkReported, pending)
    if job.paused is None:
        work.emit(WorkPaused, job=job, reason=SWITCHED)
    signals.record_late_pieces(work, job)
    started = take_up(work, pending.switch_to)
    return reported + say("then") + started


def _start(work: Work, job: Job, phase: str, origin: Origin = "scan") -> None:
    work.emit(
        WorkStarted,
        job=job,
        origin=origin,
        phase=phase,
        planned_quantity=None if job.provisional else job.planned,
        product=job.product or None,
        unit=None if job.provisional else job.unit,
        standard=_standard(work, job) if work.station.find(job.key) is None else None,
        reworks=Reworks(work_order=job.reworks[0], operation=job.reworks[1]) if job.reworks else None,
    )


def _standard(work: Work, job: Job) -> Standard | None:
    """The planned times of an operation, where the ERP gave any."""
    found = work.planned(job.key)
    if found is None or all(one is None for one in (found.setup_s, found.machine_s, found.labour_s)):
        return None
    return Standard(setup_s=found.setup_s, machine_s=found.machine_s, labour_s=found.labour_s)


def _open(work: Work, scan: Order) -> JobKey | None:
    """The open job that a scan means; it may be closed here even when the ERP has forgotten its order."""
    keys = [job.key for job in work.station.jobs if job.work_order == scan.work_order]
    keys = [key for key in keys if scan.operation in (None, key[1])]
    return keys[0] if len(keys) == 1 else None


def _checked(work: Work, scan: Order) -> JobKey:
    """The job that an order scan means, if it may run here."""
    found = work.master.orders.get(scan.work_order)
    if found is None:
        if (key := provisional.allowed(work, scan)) is not None:
            return key
        if work.master.document.work_orders is None:
            raise Refused("no_orders")
        raise Refused("unknown_order", order=scan.work_order)
    with_ok = work.station.job is not None and not work.settings.concurrent  # to the switch
    if found.status != "released":
        checks.check(
            work,
            "order_status",
            "order_not_released",
            with_ok=with_ok,
            order=scan.work_order,
            status=status(found.status),
        )
    key = scan.work_order, _operation(work, found, scan.operation, with_ok).operation
    checks.sequence(work, found, key, with_ok=with_ok)
    return key


def _operation(work: Work, found: WorkOrder, named: str | None, with_ok: bool) -> Operation:
    """The operation that may run here. Raises Refused."""
    here = work.settings.work_center
    fitting = [o for o in found.operations if here in (o.work_center, *o.alternatives)]
    if named is not None:
        operation = next((o for o in found.operations if o.operation == named), None)
        if operation is None:
            allowed = ", ".join(o.operation for o in found.operations)
            raise Refused("unknown_operation", order=found.work_order, operation=named, allowed=allowed)
        if operation not in fitting:
            _elsewhere(work, found, operation.work_center, with_ok)
        return operation
    fitting = [o for o in fitting if o in rework.producing(found)] or fitting  # rework is named
    if not fitting:
        _elsewhere(work, found, ", ".join(o.work_center for o in found.operations), with_ok)
        fitting = list(found.operations)
    if len(fitting) != 1:
        allowed = ", ".join(o.operation for o in fitting)
        raise Refused("which_operation", order=found.work_order, allowed=allowed or "-")
    return fitting[0]


def _elsewhere(work: Work, found: WorkOrder, where: str, with_ok: bool) -> None:
    """An operation of another work center."""
    checks.check(
        work,
        "order_elsewhere",
        "order_elsewhere",
        with_ok=with_ok,
        order=found.work_order,
        where=where,
        here=work.settings.work_center,
    )
