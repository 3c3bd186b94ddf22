"""What counters say beside the good total: scrap of scrap counters, and co- and by-products of the tool.

With a counter of all pieces, what a scrap counter counted is not good: all = good + scrap + rework.
"""

from datetime import date
from decimal import Decimal

from edge import settings
from edge.events import Output, plain
from edge.station.pending import Counted
from edge.station.scans.reasons import reason_text
from edge.station.state import ZERO, Job, SideProduct
from edge.station.texts import Text, say
from edge.station.work import Work, number


def good_by_counter(work: Work, one: Job | SideProduct) -> Decimal | None:
    """Good pieces so far, reported ones included, of a job or side product; None without such a counter."""
    name = work.counter
    if name is None or name not in work.station.counters:
        return None
    counted = one.counted.get(name, ZERO)
    if work.settings.counters[name].counts == "good":
        return counted + one.regained if isinstance(one, Job) else counted
    defective = one.of_run if isinstance(one, Job) else one.defective
    return counted - defective - sum((scrap.quantity for scrap in _open_scrap(work, one, None)), ZERO)


def output_lot(work: Work, job: Job) -> str | None:
    """The lot that the product bears: as scanned, else as the station's pattern makes it."""
    return job.output_lot or made_lot(work, job)


def made_lot(work: Work, job: Job) -> str | None:
    """The lot by the station's pattern; None without one, or while a date in it is unknown."""
    pattern, day = work.settings.output_lot, work.day
    if pattern is None or day.production_date is None:
        return None
    return settings.lot_by(
        pattern,
        production_date=date.fromisoformat(day.production_date),
        shift=day.shift or "",
        station=work.name,
        work_center=work.settings.work_center,
        work_order=job.work_order,
        operation=job.operation,
    )


def counted(work: Work, job: Job) -> tuple[Counted, ...]:
    """What counters saw in the run phase and no report carries yet."""
    found = _open_scrap(work, job, None)
    for material, side in job.side.items():
        found += _open_scrap(work, side, material)
        good = good_by_counter(work, side)
        if good is not None and good > side.good:
            found.append(Counted(material=material, quantity=good - side.good))
    return tuple(found)


def in_setup(work: Work, job: Job) -> tuple[Decimal, tuple[Counted, ...]]:
    """Set-up strokes that are not scrap yet: of the job's product, and of what the tool makes beside it."""
    sides = {material: _setup_open(work, side) for material, side in job.side.items()}
    beside = (Counted(material=one, quantity=strokes) for one, strokes in sides.items() if strokes > 0)
    return max(ZERO, _setup_open(work, job)), tuple(beside)


def outputs(work: Work, job: Job, beside: tuple[Counted, ...]) -> tuple[Output, ...]:
    """What was shown, as outputs of a report in the run phase."""
    return tuple(_output(work, job, one) for one in beside)


def setup_outputs(work: Work, job: Job, beside: tuple[Counted, ...]) -> tuple[Output, ...]:
    """Set-up strokes of side products, as scrap."""
    return tuple(
        Output(
            material=one.material or job.product or None,
            role=job.side[one.material].role if one.material else "main",
            disposition="scrap",
            cause="setup",
            quantity=plain(one.quantity),
            unit=job.side[one.material].unit if one.material else job.unit,
            lot=made_lot(work, job) if one.material else output_lot(work, job),
        )
        for one in beside
    )


def shown(work: Work, beside: tuple[Counted, ...]) -> Text:
    """What OK reports beside the total, as a person reads it."""
    text = Text("", "")
    for one in beside:
        if one.material is not None:
            text = text + say("side_counted", material=one.material, quantity=number(one.quantity))
        if one.counter is not None:
            reason = reason_text(work, "scrap", one.reason or "")
            text = text + say("counter_scrap", quantity=number(one.quantity), reason=reason)
    return text


def _open_scrap(work: Work, one: Job | SideProduct, material: str | None) -> list[Counted]:
    """What scrap counters saw of one product and no report carries yet."""
    found = []
    for name, counter in work.settings.scrap_counters.items():
        quantity = one.counted.get(name, ZERO) - one.counter_scrap.get(name, ZERO)
        if quantity > 0:
            found.append(Counted(material=material, counter=name, reason=counter.reason, quantity=quantity))
    return found


def _setup_open(work: Work, one: Job | SideProduct) -> Decimal:
    """Strokes in set-up that are not scrap yet; what was rejected is among them where all are counted."""
    main = work.counter
    strokes = one.setup_counted.get(main or "", ZERO) - one.setup_scrap
    strokes -= one.setup_rework if isinstance(one, Job) else ZERO
    if main is not None and work.settings.counters[main].counts == "all":
        return strokes
    return strokes + sum((one.setup_counted.get(name, ZERO) for name in work.settings.scrap_counters), ZERO)


def _output(work: Work, job: Job, one: Counted) -> Output:
    side = job.side[one.material] if one.material else None
    known = work.master.reasons.get(("scrap", one.reason or ""))
    return Output(
        material=one.material or job.product or None,
        role=side.role if side else "main",
        disposition="scrap" if one.counter else "good",
        reason=one.reason,
        cause=((known.cause if known else None) or "process") if one.counter else None,
        quantity=plain(one.quantity),
        unit=side.unit if side else job.unit,
        counter=one.counter,
        lot=made_lot(work, job) if one.material else output_lot(work, job),
    )
