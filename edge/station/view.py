"""What the operator page shows of a station. Pure; the page adds nothing of its own."""

from decimal import Decimal
from typing import Literal

import msgspec

from edge.masterdata import MasterData
from edge.readings import Moment
from edge.station.live import Live
from edge.station.pending import (
    PendingCheck,
    PendingDefect,
    PendingLot,
    PendingMaterial,
    PendingPause,
    PendingReport,
    PendingRestart,
    PendingSetup,
    PendingShift,
    PendingSide,
    PendingSignOff,
    PendingStart,
    PendingUndo,
    PendingVerdict,
)
from edge.station.scans import beside
from edge.station.signals import sharing, states
from edge.station.state import ZERO, Job, Line, Station
from edge.station.texts import Text, disposition, named, noted, say, unit
from edge.station.work import Site, Work, number

State = Literal["no_operator", "ready", "setup", "running", "paused", "confirm"]


class Noted(msgspec.Struct, frozen=True):
    """One of the last events: local time HH:MM:SS, type, what a person recognises."""

    time: str
    time_ms: int  # the same, UTC
    type: str
    detail: str
    detail_text: Text  # the same with dispositions and units in words


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The operator page's content. Quantities are decimal strings."""

    station: str
    line: str
    time: str  # local HH:MM
    state: State
    state_text: Text
    operators: tuple[str, ...]
    work_order: str | None = None
    operation: str | None = None
    product: str | None = None
    description: str | None = None
    unit: str | None = None
    good: str | None = None  # so far, the counter's movement included
    planned: str | None = None
    scrap: str | None = None
    rework: str | None = None
    machine_running: bool | None = None  # None: no signal, or the machine does not answer
    machine: states.State | None = None  # debounced; None: no signal says it
    machine_text: Text | None = None
    tool: str | None = None
    open_orders: tuple[str, ...] = ()
    tone: Literal["good", "bad", "info"] | None = None
    message: Text | None = None
    warned: bool = False  # beside a good tone: something of it is to be looked at
    next: Text
    noted: tuple[Noted, ...] = ()
    masterdata: Text | None = None  # how old it is, where that is worth a word


def view(site: Site, name: str, line: Line, live: Live, master: MasterData, now: Moment) -> View:
    """The page of station `name` at this moment."""
    station = line.station(name)
    job = station.job
    state = _state(station, live)
    product = master.materials.get(job.product) if job else None
    running = live.running
    work = Work(site, name, line, live, master, now, _no_id)
    moved = sharing.with_movement(work, job) if job else None
    machine = states.state(work.settings.signals, live, work.now)
    return View(
        station=name,
        line=site.line,
        time=site.calendar.local(now.wall_ms).strftime("%H:%M"),
        state=state,
        state_text=say(f"state_{state}"),
        operators=tuple(_operator(master, operator) for operator in station.crew),
        work_order=job.work_order if job else None,
        operation=job.operation if job else None,
        product=(job.product or None) if job else None,
        description=product.description if product else None,
        unit=job.unit if job else None,
        good=number(_good(work, moved)) if moved else None,
        planned=number(job.planned) if job and not job.provisional else None,
        scrap=number(_scrap(work, moved)) if moved else None,
        rework=number(job.rework) if job else None,
        machine_running=running.on if running and running.good else None,
        machine=machine,
        machine_text=say(f"machine_{machine}") if machine else None,
        tool=station.tool.tool if station.tool else None,
        open_orders=tuple(f"{one.work_order}/{one.operation}" for one in station.jobs),
        tone=live.said.tone if live.said else None,
        message=live.said.message if live.said else None,
        warned=live.said.warned if live.said else False,
        next=_next(station, live, state, master),
        noted=tuple(
            Noted(
                site.calendar.local(one.time_ms).strftime("%H:%M:%S"),
                one.time_ms,
                one.type,
                one.detail,
                noted(one.type, one.detail),
            )
            for one in station.noted
        ),
        masterdata=_age(master, now),
    )


def _age(master: MasterData, now: Moment) -> Text | None:
    """How long ago the master data was last known to be new; nothing within the first hour."""
    if master.fetched_ms is None:
        return say("masterdata_never") if master.document.work_orders is None else None
    hours = (now.wall_ms - master.fetched_ms) // 3_600_000
    if hours < 1:
        return None
    return say("masterdata_days", days=hours // 24) if hours >= 48 else say("masterdata_hours", hours=hours)


def _pause(master: MasterData, job: Job | None) -> Text:
    reason = (job.paused if job else None) or ""
    known = master.reasons.get(("pause", reason))
    return named(reason, known.text if known else {})


def _operator(master: MasterData, operator: str) -> str:
    person = master.badges.get(operator)
    return person.name if person and person.name else operator


def _state(station: Station, live: Live) -> State:
    job = station.job
    if live.pending is not None:
        return "confirm"
    if not station.crew:
        return "no_operator"
    if job is None:
        return "ready"
    if job.paused is not None:
        return "paused"
    return "setup" if job.phase == "setup" else "running"


def _good(work: Work, job: Job) -> Decimal:
    """Good pieces so far: by the counter where there is one, else as reported."""
    counted = beside.good_by_counter(work, job)
    silent = work.counter not in job.counted and work.counter not in work.live.counters
    return job.good if counted is None or silent else counted


def _scrap(work: Work, job: Job) -> Decimal:
    """Scrap so far, with what scrap counters saw and no report carries yet."""
    rejected = (one.quantity for one in beside.counted(work, job) if one.counter and not one.material)
    return job.scrap + sum(rejected, ZERO)


def _no_id(_: int) -> str:
    raise AssertionError("a page makes no facts")


def _next(station: Station, live: Live, state: State, master: MasterData) -> Text:
    """What to scan next."""
    match live.pending:
        case PendingLot(lot=lot, unit=code):
            return say("enter_lot_quantity", lot=lot, unit=unit(code))
        case PendingMaterial():
            return say("scan_the_lot")
        case PendingSide(material=material, unit=code):
            return say("enter_side_quantity", material=material, unit=unit(code))
        case PendingReport(total=None):
            return say("enter_good")
        case PendingReport(total=total):
            return say("confirm_good", total=number(total or ZERO))
        case PendingDefect(disposition=kind, quantity=quantity):
            return say("confirm_defect", disposition=disposition(kind), quantity=number(quantity))
        case PendingStart(key=(order, operation)):
            return say("confirm_start", order=order, operation=operation)
        case PendingVerdict(to=to, quantity=quantity):
            key = "confirm_concession" if to == "concession" else "confirm_defect"
            return say(key, disposition=disposition(to), quantity=number(quantity))
        case PendingRestart(key=(order, _)):
            return say("confirm_restart", order=order)
        case PendingPause():
            return say("confirm_pause")
        case PendingCheck():
            return say("confirm_check")
        case PendingUndo():
            return say("confirm_undo")
        case PendingSignOff():
            return say("badge_to_leave")
        case PendingShift():
            return say("badge_to_take_over")
        case PendingSetup(strokes=strokes):
            return say("confirm_setup", strokes=number(strokes))
    job = station.job
    match state:
        case "no_operator":
            return say("scan_badge")
        case "ready":
            return say("scan_order")
        case "setup":
            return say("scan_go_setup")
        case "paused":
            return say("scan_go", reason=_pause(master, job))
    return say("quantity_due") if job is not None and job.due else say("scan_lot")
