"""Make-up entries (补录): what happened and nobody recorded, with its actual time, person and reason.

For a job that is still open at the station it is what its counter did not see: the counter's total grows by
it, so that the completion that follows proposes both.
"""

from decimal import Decimal

from msgspec import UNSET

from edge.events import (
    Disposition,
    Entered,
    MaterialConsumed,
    Output,
    parse_instant,
    plain,
)
from edge.masterdata import BomLine
from edge.station import checks
from edge.station.review import worked
from edge.station.review.desk import Desk, Target
from edge.station.review.flags import Insisting
from edge.station.review.requests import Made, MakeUp, Used, number
from edge.station.review.rights import Authority, authority
from edge.station.review.waiting import Waiting
from edge.station.review.words import Unsettled, word
from edge.station.state import ZERO
from edge.station.texts import Text, disposition
from edge.station.units import converted

_INSISTED = (*checks.FIGURES, "qualification")  # checks that go by their levels, as at a scan
_AHEAD_MS = 60_000  # clocks of browsers differ
_DAY_MS = 86_400_000


def enter(desk: Desk, asked: MakeUp) -> tuple[Authority, Text]:
    """Draft the entry's facts. Raises Unsettled, Refused."""
    granted = any(one.disposition == "concession" for one in asked.outputs)
    who = authority(desk.site.review, desk.master, asked, "make_up", concession=granted)
    if asked.station not in desk.site.stations:
        raise Unsettled("station_unknown", station=asked.station, known=", ".join(desk.site.stations))
    if not asked.note:
        raise Unsettled("note_missing")
    if not (asked.outputs or asked.materials or asked.labour or asked.machine_s):
        raise Unsettled("nothing_made")
    at_ms = _time(desk, asked.time)
    target = desk.target(asked.station, (asked.work_order, asked.operation))
    desk.insisting = Insisting(_INSISTED, confirmed=asked.confirm)
    told = Text("", "")
    if asked.outputs or asked.labour or asked.machine_s:
        told = _report(desk, who, asked, target, at_ms)
    for used in asked.materials:
        _consume(desk, who, asked.station, target, at_ms, used)
    desk.settled(who, asked.station, (), "made_up", asked.note)
    return who, word("make_up", person=who.person, order=asked.work_order, time=asked.time) + told


def output(desk: Desk, target: Target, quantity: Decimal, kind: Disposition, reason: str | None) -> Output:
    """Pieces of an order's product. Raises Unsettled where scrap or rework has no reason that is known."""
    if kind in ("scrap", "rework"):
        _check_reason(desk, kind, reason)
    known = desk.master.reasons.get((kind, reason or ""))
    cause = (known.cause if known and known.cause else "process") if kind == "scrap" else None
    return Output(
        material=target.product or None,
        role="main",
        disposition=kind,
        reason=reason,
        cause=cause,
        quantity=quantity,
        unit=target.unit,
    )


def rejected(desk: Desk, target: Target, quantity: Decimal, one: Waiting) -> Output:
    """Scrap that a scrap counter saw, for the reason that the counter is set up with."""
    settings, counter = desk.site.stations.get(one.station), one.counter or ""
    set_up = settings.counters.get(counter) if settings else None
    reason = set_up.reason if set_up else None
    known = desk.master.reasons.get(("scrap", reason or ""))
    return Output(
        material=target.product or None,
        role="main",
        disposition="scrap",
        reason=reason,
        cause=(known.cause if known else None) or "process",
        quantity=quantity,
        unit=target.unit,
        counter=counter,
    )


def _check_reason(desk: Desk, kind: str, reason: str | None) -> None:
    known = [code for of, code in desk.master.reasons if of == kind]
    if reason is None or (desk.master.document.reasons is not None and reason not in known):
        allowed = ", ".join(known) or "-"
        raise Unsettled("reason_unknown", reason=reason or "-", kind=disposition(kind), allowed=allowed)


def _time(desk: Desk, given: str) -> int:
    try:
        at_ms = parse_instant(given)
    except ValueError:
        raise Unsettled("time_wrong", time=given) from None
    if not _has_offset(given):
        raise Unsettled("time_wrong", time=given)
    if at_ms > desk.now.wall_ms + _AHEAD_MS:
        raise Unsettled("time_ahead", time=given)
    days = desk.site.review.make_up_days
    if desk.now.wall_ms - at_ms > days * _DAY_MS:
        raise Unsettled("time_long_ago", time=given, days=days)
    return at_ms


def _has_offset(given: str) -> bool:
    """Whether a time says what it is in: the machine's own zone is nobody's."""
    tail = given[10:]
    return given.endswith(("Z", "z")) or "+" in tail or "-" in tail


def _report(desk: Desk, who: Authority, asked: MakeUp, target: Target, at_ms: int) -> Text:
    """Draft the report; what there is to tell of it where no check does."""
    outputs = tuple(_output(desk, target, one) for one in asked.outputs)
    passed_s = Decimal(desk.now.wall_ms - at_ms) / 1000
    resources = worked.resources(desk.master, asked, passed_s)
    labour = resources.labour if resources else UNSET
    people = [one.operator for one in labour or ()]
    lines = (_line(desk, target, used.material) for used in asked.materials)
    planned, before = desk.planned(asked.station, target)
    id_ = desk.reported(
        who,
        asked.station,
        target,
        at_ms,
        outputs=outputs,
        brought={line.line for line in lines if line},
        people=people,
        resources=resources,
        counted=desk.counted(asked.station, target, outputs),
    )
    good = before + sum((one.quantity for one in outputs if one.disposition == "good"), ZERO)
    report = next(draft.data for draft in desk.drafts if draft.id == id_)
    told = "output" in (*report.warnings, *report.confirmed)
    if told or planned is None or good <= max(planned, before):
        return Text("", "")
    return word("over_plan", over=format(good - planned, "f"), planned=format(planned, "f"))


def _output(desk: Desk, target: Target, made: Made) -> Output:
    return output(desk, target, worked.above_nought(made.quantity), made.disposition, made.reason)


def _line(desk: Desk, target: Target, material: str) -> BomLine | None:
    """The BOM line that a material belongs to."""
    order = desk.master.orders.get(target.work_order)
    return next(
        (
            line
            for line in (order.bom if order else ())
            if material in (line.material, *line.substitutes) and line.operation in (None, target.operation)
        ),
        None,
    )


def _consume(desk: Desk, who: Authority, station: str, target: Target, at_ms: int, used: Used) -> None:
    line = _line(desk, target, used.material)
    material = desk.master.materials.get(used.material)
    if material is None and line is None and desk.master.document.materials is not None:
        raise Unsettled("material_unknown", material=used.material)
    base = material.unit if material else line.unit if line else used.unit or "C62"
    given = number(used.quantity)
    if not given:
        raise Unsettled("quantityworked.above_nought")
    unit = used.unit or base
    desk.belated(
        MaterialConsumed,
        who,
        station,
        target,
        at_ms,
        material=used.material,
        lot=used.lot,
        quantity=converted(desk.master, used.material, base, given, unit),
        unit=base,
        entered=Entered(quantity=plain(given), unit=unit) if unit != base else None,
        bom_line=line.line if line else None,
        warehouse=line.warehouse if line else None,
        method="manual",
        use="return" if given < 0 else "production",
        posted_by=line.posted_by if line else "edge",
    )
