"""Reports: partial reports, completion, and the OK that posts what was shown."""

from decimal import Decimal
from typing import Any, Literal

from msgspec import UNSET
from msgspec.structs import replace

from edge.events import (
    CountUnattributed,
    Interval,
    Labour,
    Output,
    Resources,
    WorkCompleted,
    WorkReported,
    instant,
    plain,
    seconds,
)
from edge.station import checks, signals
from edge.station.grammar import Amount, OutputLot
from edge.station.pending import Counted, PendingReport, PendingSetup
from edge.station.scans import beside
from edge.station.state import ZERO, Job, JobKey
from edge.station.texts import Text, say
from edge.station.units import converted
from edge.station.work import Doubted, Refused, Work, number

DOUBT = Decimal("0.1")  # how far an entry may be off the counter before it is asked for again


def done(work: Work) -> Text:
    """LSCDONE: propose the job's total."""
    return _proposed(work, "done")


def part(work: Work) -> Text:
    """LSCPART: propose the total so far."""
    return _proposed(work, "part")


def propose(
    work: Work,
    kind: Literal["done", "part", "switch", "shift", "lot"],
    switch_to: JobKey | None = None,
    rest: tuple[JobKey, ...] = (),
    output: OutputLot | None = None,
) -> Text:
    """Wait for OK with what the counter says, or for the quantity where no counter can say it."""
    job = work.job
    counted = beside.good_by_counter(work, job)
    total = counted if counted is not None and counted >= job.good else None
    also = beside.counted(work, job)
    pending = PendingReport(
        kind=kind,
        counter=total,
        total=job.good + len(job.serials) if counted is None and job.serials else total,
        switch_to=switch_to,
        rest=rest,
        beside=also,
        output=output,
    )
    if kind == "done" and (total is None or total + job.scrap + job.rework > 0):
        checks.lots_scanned(work)
    work.wait_for(pending)
    text = _shown(job, pending.total) + beside.shown(work, also)
    return text if total is None else _checked(work, pending, total, text)


def enter(work: Work, pending: PendingReport, amount: Amount) -> Text:
    """LSQ after DONE or PART: the total by a person; asked for twice where it is far off the counter."""
    job, total = work.job, _in_job_unit(work, amount)
    if total < job.good:
        raise Refused("below_reported", total=number(total), before=number(job.good))
    checks.figures(work, job, total, _rejected(pending.beside))
    counter = pending.counter
    if counter is not None and abs(total - counter) > DOUBT * counter and pending.doubted != total:
        shown = replace(pending, total=counter, doubted=total)
        work.wait_for(shown)
        _checked(work, shown, counter, Text("", ""))
        raise Doubted("doubtful", entered=number(total), counter=number(counter))
    work.wait_for(replace(pending, total=total, doubted=None))
    return _shown(job, total) + beside.shown(work, pending.beside)


def complete(work: Work, pending: PendingReport) -> Text:
    """OK after DONE: the remainder, final. Strokes after the figure shown belong to nobody."""
    signals.boundary(work, pieces=False)
    job = work.job
    _, completion = post(work, WorkCompleted, pending)
    _leave_rest(work, job, pending, completion)
    signals.record_late_pieces(work, job)
    total = pending.total or ZERO
    scrap = number(job.scrap + _rejected(pending.beside))
    text = say("completed", order=job.work_order, total=number(total), scrap=scrap)
    return text + _off_plan(job, total)


def report(work: Work, pending: PendingReport) -> Text:
    """OK after PART, or at the change of shift."""
    signals.boundary(work)
    return post(work, WorkReported, pending)[0]


def post(work: Work, fact: type[WorkReported], pending: PendingReport) -> tuple[Text, str]:
    """Draft the report of what is new up to the total that was shown: what to say, and its id."""
    job, total = work.job, pending.total
    if total is None:
        raise Refused("no_total")
    if total < job.good:
        raise Refused("gone")
    work.end_wait()
    new = total - job.good
    good = Output(
        material=job.product or None,
        role="main",
        disposition="good",
        quantity=plain(new),
        unit=job.unit,
        lot=beside.output_lot(work, job),
        serials=job.serials,
    )
    outputs = ((good,) if new else ()) + beside.outputs(work, job, pending.beside)
    fields = _against_plan(job, total) if fact is WorkCompleted else {}
    id_ = work.emit(
        fact,
        job=job,
        outputs=outputs,
        resources=_resources(work, work.with_time(job, outputs)),
        interval=_interval(work, job),
        counted_quantity=None if pending.counter == total else pending.counter,
        **fields,
    )
    return say("reported", total=number(total), before=number(job.good), new=number(new)), id_


def _leave_rest(work: Work, job: Job, pending: PendingReport, completion: str) -> None:
    """What the counter saw beyond the figure of a completion waits for a person: no later report has it."""
    if pending.counter is None or pending.total is None or pending.counter <= pending.total:
        return
    work.emit(
        CountUnattributed,
        counter=work.counter,
        quantity=plain(pending.counter - pending.total),
        unit=job.unit,
        phase="run",
        caused_by=completion,
    )


def report_time(work: Work, job: Job) -> None:
    """What a job's shift took until it ended, without a figure of pieces: nothing where it took nothing."""
    job = work.with_time(job)
    if job.labour or job.setup_ms or job.machine_s or job.energy_kwh or job.gap or any(job.metered.values()):
        resources, interval = _resources(work, job), _interval(work, job)
        work.emit(WorkReported, job=job, origin="signal", resources=resources, interval=interval)


def _checked(work: Work, pending: PendingReport, total: Decimal, text: Text) -> Text:
    """What is said of a figure that the counter proposes; one that is blocked must be entered instead."""
    try:
        checks.figures(work, work.job, total, _rejected(pending.beside))
    except Refused as refused:
        work.wait_for(replace(pending, total=None))
        if pending.kind != "shift":
            raise Doubted("blocked", refused.text) from refused
        return refused.text  # what led here is recorded: whoever hands over has signed off
    return text


def _rejected(beside: tuple[Counted, ...]) -> Decimal:
    """Scrap of the product that scrap counters saw."""
    return sum((one.quantity for one in beside if one.counter and not one.material), ZERO)


def _interval(work: Work, job: Job) -> Interval | None:
    """From the last report to now, as the clock stands now: a step does not change its length."""
    lasted_ms = work.now.elapsed(job.since) if job.since else None
    if lasted_ms is None:
        return None
    return Interval(from_=instant(work.now.wall_ms - lasted_ms), to=instant(work.now.wall_ms))


def confirm_setup(work: Work, pending: PendingSetup) -> None:
    """OK after LSCGO: the set-up strokes that were shown are scrap."""
    signals.boundary(work, pieces=False)
    work.end_wait()
    job = work.job
    output = Output(
        material=job.product or None,
        role="main",
        disposition="scrap",
        cause="setup",
        quantity=plain(pending.strokes),
        unit=job.unit,
        lot=beside.output_lot(work, job),
    )
    strokes = (output,) if pending.strokes else ()
    work.emit(WorkReported, job=job, outputs=strokes + beside.setup_outputs(work, job, pending.beside))


def _in_job_unit(work: Work, amount: Amount) -> Decimal:
    """A quantity of output in the job's unit. Raises Refused."""
    job = work.job
    of = job.product or job.work_order
    return converted(work.master, of, job.unit, amount.quantity, amount.unit or job.unit)


def _proposed(work: Work, kind: Literal["done", "part"]) -> Text:
    if work.job.phase == "setup":
        raise Refused("in_setup")
    signals.boundary(work)
    return propose(work, kind)


def _shown(job: Job, total: Decimal | None) -> Text:
    if total is None:
        return say("no_counter", before=number(job.good))
    shown = say("proposal", total=number(total), before=number(job.good), new=number(total - job.good))
    return shown + say("serials_shown", count=len(job.serials)) if job.serials else shown


def _off_plan(job: Job, total: Decimal) -> Text:
    key = _deviation(job, total)
    if key is None:
        return Text("", "")
    return say(key, **{key: number(abs(total - job.planned)), "planned": number(job.planned)})


def _against_plan(job: Job, total: Decimal) -> dict[str, Any]:
    """What a completion says beside its remainder."""
    planned = None if job.provisional else job.planned
    deviation = _deviation(job, total)
    return {"final": True, "planned_quantity": planned, "total_quantity": total, "deviation": deviation}


def _deviation(job: Job, total: Decimal) -> Literal["over", "under"] | None:
    if job.provisional or total == job.planned:
        return None
    return "over" if total > job.planned else "under"


def _resources(work: Work, job: Job) -> Resources:
    """What no report carries yet. Unknown is null: a machine that says nothing may have run or not.

    Time with a gap is at least what is given, and not `measured`.
    """
    labour = tuple(Labour(operator=one.operator, phase=one.phase, s=seconds(one.ms)) for one in job.labour)
    basis: dict[str, Literal["measured", "confirmed", "standard"]] = {}
    if not job.gap:
        basis["labour"] = "measured"
    machine_s = _measured(work, "running", job.machine_s, basis, "machine_s", hole=job.machine_gap)
    energy_kwh = _measured(work, "energy", job.energy_kwh, basis, "energy_kwh")
    if job.setup_ms and not job.gap:
        basis["setup_s"] = "measured"
    setup_unknown = None if job.gap and job.phase == "setup" else UNSET
    return Resources(
        setup_s=seconds(job.setup_ms) if job.setup_ms else setup_unknown,
        machine_s=machine_s,
        labour=labour if labour or not job.gap else None,
        energy_kwh=energy_kwh if work.settings.signals.energy else UNSET,
        basis=basis,
    )


def _measured(
    work: Work, signal: str, value: Decimal | None, basis: dict[str, Any], figure: str, *, hole: bool = False
) -> Decimal | None:
    """A figure of the machine: nought only where the machine answers; `measured` only without a hole."""
    answers = signals.known(work, signal) and not hole
    if value is None and answers:
        value = ZERO
    if value is not None and answers:
        basis[figure] = "measured"
    return value
