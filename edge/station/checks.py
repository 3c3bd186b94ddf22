"""What is checked of a scan beyond whether it can be understood (防错, docs/checks.md).

Each function finds out one thing, from master data and state, and leaves to `verdicts` what becomes of it.
What is not known is not checked: an operation that another site runs, a lot without quantity, a person where
the ERP keeps no qualifications.
"""

from decimal import Decimal

from edge.events import seconds
from edge.masterdata import BomLine, Lot, Operation, WorkOrder
from edge.station import rework, serials
from edge.station.state import ZERO, Job, JobKey
from edge.station.texts import Text, say, status
from edge.station.texts import unit as named
from edge.station.units import converted
from edge.station.work import Refused, Work, number
from edge.wallclock import known_ms

FIGURES = ("output", "ahead", "time", "rework")  # what a report's figure is checked by
_MINUTE = Decimal("0.1")


def check(
    work: Work, code: str, key: str, *, with_ok: bool = False, blocks: bool = True, **values: object
) -> None:
    """Say that check `code` failed, in the words of `key`. Returns where the scan goes on all the same.

    Raises Refused where the site blocks it. `with_ok`: an OK follows anyway, and answers this too. Without
    `blocks` it only warns there, for a refusal would leave no way on.
    """
    what, instead = say(key, **values), say(f"{key}.do", **values)
    if work.verdicts.failed(code, what, instead, with_ok=with_ok, blocks=blocks) == "refused":
        raise refusal(key, **values)


def refusal(key: str, **values: object) -> Refused:
    """The refusal by a check, whatever the site's levels."""
    return Refused(key, say("check_refused", what=say(key, **values), instead=say(f"{key}.do", **values)))


# Orders


def sequence(work: Work, order: WorkOrder, key: JobKey, *, with_ok: bool) -> None:
    """An operation begins although the one before has reported nothing."""
    if (before := out_of_sequence(work, order, key)) is not None:
        check(
            work,
            "sequence",
            "operation_early",
            with_ok=with_ok,
            order=order.work_order,
            before=before.operation,
        )


def out_of_sequence(work: Work, order: WorkOrder, key: JobKey) -> Operation | None:
    """The operation before, where it is known to have reported nothing."""
    before = _before(order, key)
    return before if before is not None and _reported(work, order, before) == 0 else None


def _before(order: WorkOrder, key: JobKey) -> Operation | None:
    """The operation before, in the order in which the ERP lists them."""
    operations = rework.producing(order)
    names = [one.operation for one in operations]
    place = names.index(key[1]) if key[1] in names else 0
    return operations[place - 1] if place else None


def _reported(work: Work, order: WorkOrder, operation: Operation) -> Decimal | None:
    """Good pieces of an operation, the most that anybody knows of; None where nobody knows."""
    key = order.work_order, operation.operation
    centers = {operation.work_center, *operation.alternatives}
    here = [
        _made(work, name, key)
        for name, setting in work.site.stations.items()
        if setting.work_center in centers
    ]
    found = [sum(here, ZERO)] if here else []
    found += [operation.confirmed_quantity] if operation.confirmed_quantity is not None else []
    found += (
        [order.confirmed_quantity] if order.confirmed_quantity else []
    )  # of the last operation, so at least
    return max(found, default=None)


def _made(work: Work, name: str, key: JobKey) -> Decimal:
    """Good pieces of a job at a station: reported, or counted already where it is still open."""
    station = work.line.station(name)
    reported = sum((one.good for one in station.made if one.job == key), ZERO)
    job, setting = station.find(key), work.site.stations[name]
    main = setting.main_counter
    if job is None or main is None:
        return reported
    counted = job.counted.get(main, ZERO)
    rejected = job.scrap + job.rework - job.setup_rework if setting.counters[main].counts == "all" else ZERO
    return max(reported, counted - rejected)


# Material


def lot(work: Work, lot: Lot) -> None:
    """A lot that is blocked, expired or used up."""
    if lot.status != "released":
        check(work, "lot_status", "lot_blocked", lot=lot.lot, status=status(lot.status))
    # A clock that is behind must not let an old lot pass.
    at_least_ms = max(work.now.wall_ms, known_ms(work.line.wall, work.now))
    today = work.site.calendar.local(at_least_ms).date().isoformat()
    if lot.expiry is not None and lot.expiry < today:
        check(work, "lot_expired", "lot_expired", lot=lot.lot, expiry=lot.expiry)


def left(work: Work, material: str, lot: str) -> Decimal | None:
    """What is left of a lot: as the ERP says, less what was consumed here since; None: it says nothing."""
    said = work.stock(material, lot)
    if said is None:
        return None
    drawn = (one for station in work.line.stations.values() for one in station.drawn)
    place = material, lot, said
    return said - sum((one.quantity for one in drawn if (one.material, one.lot, one.left) == place), ZERO)


def consumption(
    work: Work, material: str, lot: str, bom_line: str | None, quantity: Decimal, unit: str
) -> None:
    """More than is left of the lot, or more than the BOM asks for the whole order."""
    shown = named(unit)
    held = left(work, material, lot)
    if held is not None and quantity > held:
        check(
            work,
            "lot_consumed",
            "lot_drawn",
            lot=lot,
            quantity=number(quantity),
            left=number(max(ZERO, held)),
            unit=shown,
        )
    line = next((one for one in work.bom if one.line == bom_line), None)
    standard = _standard(work, line, material, unit) if line else None
    if line is None or standard is None:
        return
    altogether = work.job.consumed.get(line.line, ZERO) + quantity
    most = standard * (1 + (line.scrap_allowance or ZERO)) * (1 + work.verdicts.levels.usage_tolerance)
    if altogether > most:
        check(
            work,
            "usage",
            "usage_over",
            material=material,
            quantity=number(altogether),
            standard=number(standard),
            unit=shown,
        )


def _standard(work: Work, line: BomLine, material: str, unit: str) -> Decimal | None:
    """What a BOM line asks for the whole order, in the unit of the material that was taken."""
    needed = line.quantity * (work.job.planned if line.basis == "per_unit" else 1)
    try:
        return converted(work.master, material, unit, needed, line.unit)
    except Refused:
        return None  # a BOM in a unit that the material does not have


# Reports


def lots_scanned(work: Work) -> None:
    """Completion without a lot that the BOM asks for."""
    job = work.job
    standing = {one.material for one in work.station.mounted}
    missing = [
        line.material
        for line in work.bom
        if line.lot_required
        and job.consumed.get(line.line, ZERO) <= 0
        and not standing & {line.material, *line.substitutes}
    ]
    if missing:
        names = Text(", ".join(missing), "、".join(missing))
        check(work, "missing_lot", "lots_missing", with_ok=True, order=job.work_order, materials=names)


def figures(work: Work, job: Job, good: Decimal, rejected: Decimal) -> None:
    """A report that would make it `good` pieces altogether and `rejected` more of scrap than is reported.

    One that brings nothing new is not refused: so each job can be completed, whatever was reported of it.
    """
    work.verdicts.forget(FIGURES)
    levels = work.verdicts.levels
    new = good > job.good or rejected > 0
    rework_left(work, job, good - job.good, "good")
    if rejected:
        rework_left(work, job, good - job.good + rejected, "scrap")
    if not job.provisional and good > job.planned * (1 + levels.output_tolerance):
        shown = {"pieces": number(good), "planned": number(job.planned)}
        check(work, "output", "output_over", with_ok=True, blocks=new, **shown)
    pieces = good + job.concession + job.scrap + job.rework + rejected
    order = work.master.orders.get(job.work_order)
    before = _before(order, job.key) if order else None
    known = _reported(work, order, before) if order and before else None
    if order and before and known is not None and pieces > known:
        shown = {"before": before.operation, "good": number(known), "pieces": number(pieces)}
        check(work, "ahead", "ahead", with_ok=True, blocks=new, order=job.work_order, **shown)
    _time(work, job, pieces, blocks=new)


def rework_left(work: Work, job: Job, pieces: Decimal, disposition: str) -> None:
    """More pieces of a rework job than wait where they were set aside; nobody knows of those elsewhere."""
    source = job.reworks
    if source is None or pieces <= 0:
        return
    if not rework.known(work.line, source) or not rework.moves(work, job, disposition):
        return
    held = rework.waiting(work.line, source)
    if pieces > held:
        order = "/".join(one for one in source if one)
        check(
            work,
            "rework",
            "rework_over",
            with_ok=disposition == "good",
            order=order,
            pieces=number(pieces),
            held=number(max(ZERO, held)),
        )


def _time(work: Work, job: Job, pieces: Decimal, *, blocks: bool) -> None:
    """More time on a job's pieces than their standard."""
    operation = work.operation
    if operation is None or not pieces or work.verdicts.level("time") == "off":
        return
    labour_ms = sum(one.ms for one in work.with_time(job).labour if one.phase == "run")
    for key, spent, per_piece in (
        ("labour_over", job.spent_labour_s + seconds(labour_ms), operation.labour_s),
        ("machine_over", job.spent_machine_s + (job.machine_s or ZERO), operation.machine_s),
    ):
        standard = pieces * per_piece if per_piece is not None else None
        if standard is not None and spent > standard * (1 + work.verdicts.levels.time_tolerance):
            shown = {"spent": _minutes(spent), "standard": _minutes(standard)}
            check(work, "time", key, with_ok=True, blocks=blocks, **shown)


def _minutes(s: Decimal) -> str:
    return number((s / 60).quantize(_MINUTE))


def serial(work: Work, job: Job, material: str, number_: str) -> None:
    """A serial number that came out of this operation before: of this order or another of the product."""
    order = serials.order_of(work.line, job, material, number_)
    if order is not None:
        check(work, "serial", "serial_reported", serial=number_, order=order)


# People


def qualification(work: Work, operator: str) -> None:
    """A person without the work center's qualification, where the ERP keeps any."""
    center = work.settings.work_center
    people = work.master.document.people or ()
    person = next((one for one in people if one.person == operator), None)
    if person is None or center in person.qualifications:
        return
    if any(one.qualifications for one in people):
        check(work, "qualification", "not_qualified", operator=operator, center=center)
