"""What comes out: the lot and the serial numbers that it bears, and co- and by-products by hand.

A lot that was scanned holds for what is made after it; what is made but not reported is asked for before the
lot changes. A serial number is one piece's, and goes out with the next report of good pieces, or with the
scrap scan that follows at once.
"""

from msgspec.structs import replace

from edge.events import Output, OutputIdentified, WorkReported, plain
from edge.station import checks
from edge.station.grammar import Amount, CoProduct, OutputLot
from edge.station.pending import PendingReport, PendingSide
from edge.station.scans import beside, reports
from edge.station.signals import boundary
from edge.station.texts import Text, say
from edge.station.texts import unit as named
from edge.station.units import converted
from edge.station.work import Refused, Work, number

MOST_SERIALS = 500  # that wait for a report: a fact must stay of a size


def identify(work: Work, scan: OutputLot) -> Text:
    """LSO: the lot of what comes out from now on, the serial number of a piece, or both."""
    job = work.job
    if scan.serial is not None and scan.serial in job.serials:
        raise Refused("serial_twice", serial=scan.serial)
    if scan.serial is not None:
        checks.serial(work, job, job.product, scan.serial)
    if len(job.serials) >= MOST_SERIALS:
        raise Refused("serials_many", count=len(job.serials))
    boundary(work)
    if scan.lot is not None and job.output_lot not in (None, scan.lot) and _unreported(work):
        if job.phase == "setup":
            raise Refused("in_setup")
        shown = reports.propose(work, "lot", output=scan)
        return say("lot_changes", before=job.output_lot, lot=scan.lot) + shown
    return _identified(work, scan)


def change_lot(work: Work, pending: PendingReport) -> Text:
    """OK to what was made of the lot before; what follows bears the new one."""
    assert pending.output is not None
    return reports.report(work, pending) + say("then") + _identified(work, pending.output)


def co_product(work: Work, scan: CoProduct) -> Text:
    """LSP: so many of a co- or by-product of the open order; without a quantity it waits for LSQ."""
    job = work.job
    if job.phase == "setup":
        raise Refused("in_setup")
    order = work.master.orders.get(job.work_order)
    if order is None:
        raise Refused("order_gone", order=job.work_order)
    beside_main = {one.material: one.role for one in order.outputs if one.role != "main"}
    role = beside_main.get(scan.material)
    if role is None:
        allowed = ", ".join(beside_main) or "-"
        raise Refused("side_unknown", material=scan.material, order=job.work_order, allowed=allowed)
    known = work.master.materials.get(scan.material)
    unit = known.unit if known else job.unit
    if scan.serial is not None:
        checks.serial(work, job, scan.material, scan.serial)
    pending = PendingSide(
        material=scan.material,
        role="by" if role == "by" else "co",
        unit=unit,
        lot=scan.lot,
        serial=scan.serial,
    )
    if scan.quantity is not None:
        return make(work, pending, Amount(scan.quantity, scan.unit))
    work.wait_for(pending)
    return say("side_pending", material=scan.material)


def make(work: Work, pending: PendingSide, amount: Amount) -> Text:
    """Record so many of a co- or by-product, in its own unit."""
    entered = amount.unit or pending.unit
    quantity = converted(work.master, pending.material, pending.unit, amount.quantity, entered)
    if quantity <= 0:
        raise Refused("quantity_zero")
    work.end_wait()
    job = work.job
    output = Output(
        material=pending.material,
        role=pending.role,
        disposition="good",
        quantity=plain(quantity),
        unit=pending.unit,
        lot=pending.lot or beside.made_lot(work, job),
        serials=(pending.serial,) if pending.serial else (),
    )
    work.emit(WorkReported, job=job, outputs=(output,))
    return say(
        "side_recorded", material=pending.material, quantity=number(quantity), unit=named(pending.unit)
    )


def _identified(work: Work, scan: OutputLot) -> Text:
    job = work.job
    if scan.serial is None and scan.lot == job.output_lot:
        raise Refused("lot_already", lot=scan.lot)
    work.end_wait()
    work.emit(OutputIdentified, job=job, lot=scan.lot, serial=scan.serial)
    if scan.serial is None:
        return say("output_lot", lot=scan.lot)
    work.live = replace(work.live, at_hand=scan.serial)
    return say("output_serial", serial=scan.serial, count=len(work.job.serials))


def _unreported(work: Work) -> bool:
    """Whether pieces may have been made that no report carries yet."""
    job = work.job
    counted = beside.good_by_counter(work, job)
    return bool(job.serials) or counted is None or counted > job.good or bool(beside.counted(work, job))
