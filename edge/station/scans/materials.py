"""Material: lots and their quantities."""

from decimal import Decimal
from typing import Any, Literal

from msgspec.structs import replace

from edge.events import Entered, LotMounted, MaterialConsumed
from edge.masterdata import BomLine
from edge.station import backflush, checks
from edge.station.grammar import Amount, Lot
from edge.station.pending import PendingLot
from edge.station.scans import beside
from edge.station.state import ZERO, Job, Used
from edge.station.texts import Text, say
from edge.station.texts import unit as named
from edge.station.units import converted
from edge.station.work import Refused, Work, number


def lot(work: Work, scan: Lot) -> Text:
    """Consume a lot where its BOM line is scanned, mount it where it is backflushed or metered."""
    job = work.job
    if job.provisional or _beside_bill(work, scan):
        return take(work, scan, _unplanned(work, scan))
    line, material = bom_line(work, scan)
    if line.method != "scanned":
        return _mount(work, line, material, scan)
    return take(work, scan, pending(work, line, material, scan))


def pending(work: Work, line: BomLine, material: str, scan: Lot) -> PendingLot:
    """A lot of a BOM line, before its quantity is known."""
    return PendingLot(
        lot=scan.lot,
        material=material,
        bom_line=line.line,
        unit=base_unit(work, material, line),
        warehouse=line.warehouse,
        posted_by=line.posted_by,
        serial=scan.serial,
    )


def _mount(work: Work, line: BomLine, material: str, scan: Lot) -> Text:
    """A lot stands at the station from now on, behind those of its material that stand there already."""
    base = backflush.unit_of(work.master, line)
    own = base_unit(work, material, line)
    if own != base:
        raise Refused("substitute_unit", lot=scan.lot, material=material, unit=named(own), base=named(base))
    standing = any(
        (one.material, one.lot) == (material, scan.lot) and one.quantity != 0 for one in work.station.mounted
    )
    if standing and scan.quantity is None:
        raise Refused("lot_stands", lot=scan.lot)
    quantity = known_quantity(work, material, scan.lot)
    if scan.quantity is not None:
        quantity = converted(work.master, material, base, scan.quantity, scan.unit or base)
        if quantity <= 0:
            raise Refused("quantity_zero")
    work.end_wait()
    work.emit(LotMounted, job=work.job, material=material, lot=scan.lot, quantity=quantity, unit=base)
    if quantity is None:
        return say("lot_mounted_unknown", lot=scan.lot)
    return say("lot_mounted", lot=scan.lot, quantity=number(quantity), unit=named(base))


def known_quantity(work: Work, material: str, lot: str) -> Decimal | None:
    """What the ERP says is left of a lot; None where it does not."""
    held = next((one for one in work.master.lots.get(lot, ()) if one.material == material), None)
    return held.quantity if held else None


def take(work: Work, scan: Lot, pending: PendingLot) -> Text:
    """Consume what the scan says, or wait for the quantity."""
    if scan.quantity is not None:
        return consume(work, pending, Amount(scan.quantity, scan.unit))
    work.wait_for(pending)
    return say("lot_pending", lot=scan.lot, material=pending.material)


def consume(work: Work, pending: PendingLot, amount: Amount) -> Text:
    """Record the consumption of a lot, in the material's base unit."""
    unit = amount.unit or pending.unit
    quantity = converted(work.master, pending.material, pending.unit, amount.quantity, unit)
    if quantity <= 0:
        raise Refused("quantity_zero")
    shown = {"lot": pending.lot, "quantity": number(quantity), "unit": named(pending.unit)}
    if pending.use == "return":
        _give_back(work, pending, quantity, Entered(quantity=-amount.quantity, unit=unit))
        return say("lot_returned", **shown)
    checks.consumption(work, pending.material, pending.lot, pending.bom_line, quantity, pending.unit)
    work.end_wait()
    consumed(work, pending, quantity, entered=Entered(quantity=amount.quantity, unit=unit))
    if pending.use is not None:
        return say("extra_recorded", **shown)
    if work.master.document.lots is None:
        return say("provisional_lot", **shown)
    if unit != pending.unit:
        as_entered = Text(f"{number(amount.quantity)} ", f"{number(amount.quantity)} ") + named(unit)
        return say("lot_recorded_as", **shown, entered=as_entered)
    return say("lot_recorded", **shown)


def consumed(work: Work, pending: PendingLot, quantity: Decimal, **fields: Any) -> str:
    """Draft what a job took of a lot, in its material's base unit. Returns the fact's id."""
    job = work.job
    return work.emit(
        MaterialConsumed,
        job=job,
        material=pending.material,
        lot=pending.lot,
        serial=pending.serial,
        quantity=quantity,
        unit=pending.unit,
        bom_line=pending.bom_line,
        warehouse=pending.warehouse,
        method="scanned",
        use=pending.use or _use(job),
        reason=pending.reason,
        posted_by=pending.posted_by,
        output_lot=beside.output_lot(work, job),
        **fields,
    )


def _use(job: Job) -> Literal["production", "setup", "rework"]:
    if job.phase == "setup":
        return "setup"
    return "rework" if job.reworks else "production"


def _give_back(work: Work, pending: PendingLot, quantity: Decimal, entered: Entered) -> None:
    """Draft a return, posted by whom the material was: what was issued from here before what the ERP posts.

    Raises Refused where more would come back than was taken.
    """
    taken = [one for one in work.job.used if _is_of(one, pending)]
    most = sum((one.quantity for one in taken), ZERO)
    if quantity > most:
        shown: dict[str, Any] = {"quantity": number(quantity), "held": number(most)}
        raise Refused("return_too_much", lot=pending.lot, unit=named(pending.unit), **shown)
    work.end_wait()
    first: str | None = None
    for one in sorted(taken, key=lambda used: used.posted_by != "edge"):
        share = min(one.quantity, quantity)
        if share <= 0:
            continue
        said = entered if share == quantity and first is None else None
        of = replace(pending, posted_by=one.posted_by)
        id_ = consumed(work, of, -share, entered=said, caused_by=first)
        first, quantity = first or id_, quantity - share


def _is_of(used: Used, pending: PendingLot) -> bool:
    """Whether something was taken by scans of the lot and BOM line that comes back."""
    place = pending.bom_line, pending.material, pending.lot
    return (
        used.method == "scanned" and (used.bom_line, used.material, used.lot) == place and used.quantity > 0
    )


def bom_line(work: Work, scan: Lot) -> tuple[BomLine, str]:
    """The BOM line that a lot belongs to, and its material. Raises Refused."""
    bom = _fitting(work, scan)
    if work.master.document.lots is None:
        work.verdicts.unchecked("lot_unknown")
        return _only_line(bom, scan)
    known = tuple(one for one in work.master.lots.get(scan.lot, ()) if scan.material in (None, one.material))
    matches = [
        (line, one) for one in known for line in bom if one.material in (line.material, *line.substitutes)
    ]
    if not known:
        checks.check(work, "lot_unknown", "lot_unknown", lot=scan.lot)
        return _only_line(bom, scan)
    materials = sorted({one.material for _, one in matches})
    if len(materials) > 1:
        raise Refused("lot_several", lot=scan.lot, materials=", ".join(materials))
    line, one = matches[0]
    checks.lot(work, one)
    return line, one.material


def _fitting(work: Work, scan: Lot) -> tuple[BomLine, ...]:
    """The BOM lines that the material named by a scan fits; all where it names none."""
    return tuple(line for line in work.bom if scan.material in (None, line.material, *line.substitutes))


def _beside_bill(work: Work, scan: Lot) -> bool:
    """Whether a lot is of no material of the operation's BOM, and is taken all the same. Raises Refused."""
    order = work.job.work_order
    if not work.bom:
        if order not in work.master.orders:
            raise Refused("order_gone", order=order)
        checks.check(work, "material", "no_bom")
        return True
    bom = _fitting(work, scan)
    needed = ", ".join(line.material for line in bom or work.bom)
    if not bom:
        checks.check(work, "material", "material_foreign", material=scan.material, needed=needed)
        return True
    known = [one for one in work.master.lots.get(scan.lot, ()) if scan.material in (None, one.material)]
    used = {name for line in bom for name in (line.material, *line.substitutes)}
    if not known or any(one.material in used for one in known):
        return False
    material = known[0].material
    checks.check(work, "material", "lot_foreign", lot=scan.lot, material=material, needed=needed)
    return True


def _unplanned(work: Work, scan: Lot) -> PendingLot:
    """What a lot is where no BOM line asks for it: of the material named, or the one that has its number."""
    known = [one for one in work.master.lots.get(scan.lot, ()) if scan.material in (None, one.material)]
    if len(known) > 1:
        raise Refused("lot_several", lot=scan.lot, materials=", ".join(one.material for one in known))
    material = known[0].material if known else None
    if material is None and not work.job.provisional:
        checks.check(work, "lot_unknown", "lot_unknown", lot=scan.lot)
        material = scan.material
    held = work.master.materials.get(material) if material else None
    if held is None:
        if work.job.provisional:
            raise Refused("provisional_material", lot=scan.lot, order=work.job.work_order)
        raise Refused("material_unknown", lot=scan.lot)
    for one in known:
        checks.lot(work, one)
    return PendingLot(
        lot=scan.lot,
        material=held.material,
        bom_line=None,
        unit=held.unit,
        warehouse=None,
        posted_by="edge",
        serial=scan.serial,
    )


def _only_line(bom: tuple[BomLine, ...], scan: Lot) -> tuple[BomLine, str]:
    """Without the ERP's lots, a lot is of the material named, or of the one line that asks for lots."""
    if scan.material is not None:
        return bom[0], scan.material
    asking = [line for line in bom if line.lot_required] or list(bom)
    if len(asking) > 1:
        raise Refused("lot_several", lot=scan.lot, materials=", ".join(line.material for line in asking))
    return asking[0], asking[0].material


def base_unit(work: Work, material: str, line: BomLine | None) -> str:
    """The unit in which a material is kept; the BOM line's where the material is unknown."""
    known = work.master.materials.get(material)
    return known.unit if known else line.unit if line else ""


def not_used(work: Work, material: str) -> Refused:
    """The refusal of a material that the open operation does not use."""
    needed = ", ".join(line.material for line in work.bom)
    return checks.refusal("material_foreign", material=material, needed=needed or "-")
