"""What the operator page shows of a station. Pure; the page adds nothing of its own."""

from decimal import Decimal
from typing import Literal

import msgspec

from edge.masterdata import MasterData
from edge.readings import Moment
from edge.station.state import (
    ZERO,
    Job,
    Line,
    Live,
    PendingLot,
    PendingReport,
    PendingSetup,
    PendingShift,
    PendingSignOff,
    PendingUndo,
    Station,
)
from edge.station.texts import Text, named, say, unit
from edge.station.work import Site, number

State = Literal["no_operator", "ready", "setup", "running", "paused", "confirm"]


class Noted(msgspec.Struct, frozen=True):
    """One of the last events: local time HH:MM:SS, type, what a person recognises."""

    time: str
    time_ms: int  # the same, UTC
    type: str
    detail: str


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
    open_orders: tuple[str, ...] = ()
    tone: Literal["good", "bad", "info"] | None = None
    message: Text | None = None
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
        good=number(_good(site, name, job, live)) if job else None,
        planned=number(job.planned) if job and not job.provisional else None,
        scrap=number(job.scrap) if job else None,
        rework=number(job.rework) if job else None,
        machine_running=running.on if running and running.good else None,
        open_orders=tuple(f"{one.work_order}/{one.operation}" for one in station.jobs),
        tone=live.said.tone if live.said else None,
        message=live.said.message if live.said else None,
        next=_next(station, live, state, master),
        noted=tuple(
            Noted(site.calendar.local(one.time_ms).strftime("%H:%M:%S"), one.time_ms, one.type, one.detail)
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


def _good(site: Site, name: str, job: Job, live: Live) -> Decimal:
    """Good pieces so far: by the counter where there is one, else as reported."""
    counter = next(iter(site.stations[name].counters), None)
    moving = live.counters.get(counter) if counter else None
    if counter is None or (moving is None and counter not in job.counted):
        return job.good
    settings = site.stations[name].counters[counter]
    unrecorded = moving.delta * settings.units_per_count if moving and job.phase == "run" else ZERO
    counted = job.counted.get(counter, ZERO) + unrecorded
    return counted - job.scrap - job.rework if settings.counts == "all" else counted


def _next(station: Station, live: Live, state: State, master: MasterData) -> Text:
    """What to scan next."""
    match live.pending:
        case PendingLot(lot=lot, unit=code):
            return say("enter_lot_quantity", lot=lot, unit=unit(code))
        case PendingReport(total=None):
            return say("enter_good")
        case PendingReport(total=total):
            return say("confirm_good", total=number(total or ZERO))
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
