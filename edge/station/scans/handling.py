"""Lots unmounted, returned (退料), issued in addition (补料), or picked together as a kit (配套领料)."""

from msgspec.structs import replace

from edge.events import LotMounted, LotUnmounted
from edge.masterdata import BomLine
from edge.masterdata import Lot as KnownLot
from edge.station import backflush, checks
from edge.station.grammar import Kit, Label, Lot
from edge.station.pending import Pending, PendingLot, PendingMaterial
from edge.station.scans import materials
from edge.station.scans.reasons import check_reason
from edge.station.texts import Text, say, unit
from edge.station.work import Refused, Work, number


def begin(work: Work, pending: PendingMaterial) -> Text:
    """LSCEXTRA, LSCRETURN, LSCUNMOUNT: the lot is asked for."""
    if pending.command == "UNMOUNT":
        if not any(lot.quantity != 0 for lot in work.station.mounted):
            raise Refused("nothing_mounted")
    elif work.job.provisional and pending.command == "EXTRA":
        raise Refused("extra_provisional", order=work.job.work_order)
    if pending.reason is not None:
        check_reason(work, "extra", pending.reason)
    work.wait_for(pending)
    return say(f"begun_{pending.command.lower()}")


def named(label: Label, pending: Pending | None) -> Lot | None:
    """A label of a lot that is unmounted, for which no order need be open. None: it is about an order."""
    if isinstance(pending, PendingMaterial) and pending.command == "UNMOUNT" and label.lot is not None:
        return Lot(label.lot, label.material)
    return None


def lot(work: Work, pending: PendingMaterial, scan: Lot) -> Text:
    """The lot that such a command waited for."""
    match pending.command:
        case "UNMOUNT":
            return _unmount(work, scan)
        case "RETURN":
            return materials.take(work, scan, _returning(work, scan))
    return materials.take(work, scan, _extra(work, scan, pending.reason))


def _unmount(work: Work, scan: Lot) -> Text:
    """The lot is taken away with what is left of it."""
    standing = [lot for lot in work.station.mounted if lot.lot == scan.lot and lot.quantity != 0]
    standing = [lot for lot in standing if scan.material in (None, lot.material)]
    if not standing:
        shown = ", ".join(lot.lot for lot in work.station.mounted if lot.quantity != 0)
        raise Refused("not_mounted", lot=scan.lot, mounted=shown)
    if len(standing) > 1:
        raise Refused("lot_several", lot=scan.lot, materials=", ".join(one.material for one in standing))
    one = standing[0]
    work.end_wait()
    work.emit(
        LotUnmounted,
        job=work.station.job,
        material=one.material,
        lot=one.lot,
        quantity=one.quantity,
        unit=one.unit,
    )
    if one.quantity is None:
        return say("lot_unmounted_unknown", lot=one.lot)
    return say("lot_unmounted", lot=one.lot, quantity=number(one.quantity), unit=unit(one.unit or ""))


def _returning(work: Work, scan: Lot) -> PendingLot:
    """A lot that the job took of. Raises Refused where it did not, or where it stands mounted."""
    of_lot = [one for one in work.job.used if one.lot == scan.lot and one.quantity > 0]
    of_lot = [one for one in of_lot if scan.material in (None, one.material)]
    scanned = [one for one in of_lot if one.method == "scanned"]
    if of_lot and not scanned:
        raise Refused("return_mounted", lot=scan.lot)
    if not scanned:
        raise Refused("return_unused", lot=scan.lot, order=work.job.work_order)
    if len({one.material for one in scanned}) > 1:
        raise Refused("lot_several", lot=scan.lot, materials=", ".join(one.material for one in scanned))
    one = max(scanned, key=lambda used: used.quantity)
    line = next((line for line in work.bom if line.line == one.bom_line), None)
    return PendingLot(
        lot=scan.lot,
        material=one.material,
        bom_line=one.bom_line,
        unit=one.unit,
        warehouse=line.warehouse if line else None,
        posted_by=one.posted_by,
        serial=scan.serial,
        use="return",
    )


def _extra(work: Work, scan: Lot, reason: str | None) -> PendingLot:
    """More of a material than the bill asks for, of whatever kind its line is."""
    line, material = materials.bom_line(work, scan)
    pending = materials.pending(work, line, material, scan)
    # The ERP posts what its bill asks for; what is issued beyond that it learns from here.
    return replace(pending, use="extra", reason=reason, posted_by="edge")


def kit(work: Work, scan: Kit) -> Text:
    """One scan for all that was picked under a number: scanned lines are consumed, the others mounted."""
    job = work.job
    if job.provisional:
        raise Refused("kit_provisional", order=job.work_order)
    found = _picked(work, scan.kit)
    work.end_wait()
    first: str | None = None
    for line, held in found:
        if line.method == "scanned":
            pending = materials.pending(work, line, held.material, Lot(held.lot))
            assert held.quantity is not None
            id_ = materials.consumed(work, pending, held.quantity, caused_by=first)
            first = first or id_
        else:
            work.emit(
                LotMounted,
                job=job,
                material=held.material,
                lot=held.lot,
                quantity=held.quantity,
                unit=backflush.unit_of(work.master, line),
            )
    consumed = ", ".join(held.material for line, held in found if line.method == "scanned")
    mounted = ", ".join(held.material for line, held in found if line.method != "scanned")
    text = say("kit_recorded", kit=scan.kit, consumed=consumed or "-", mounted=mounted or "-")
    there = {held.material for held in work.master.lots.get(scan.kit, ())}
    lacking = [line.material for line in work.bom if not there & {line.material, *line.substitutes}]
    return text + say("kit_lacks", materials=", ".join(lacking)) if lacking else text


def _picked(work: Work, number_: str) -> list[tuple[BomLine, KnownLot]]:
    """The lots of a kit with the BOM lines they are for. Raises Refused where one may not be used."""
    known = work.master.lots.get(number_, ())
    if not known:
        raise Refused("kit_unknown", kit=number_)
    found: list[tuple[BomLine, KnownLot]] = []
    for line in work.bom:
        held = next((one for one in known if one.material in (line.material, *line.substitutes)), None)
        if held is None or held in [one for _, one in found]:
            continue
        checks.lot(work, held)
        if line.method == "scanned" and held.quantity is None:
            raise Refused("kit_quantity", kit=number_, material=held.material)
        if line.method == "scanned" and _taken(work, held):
            raise Refused("kit_used", kit=number_, material=held.material)
        found.append((line, held))
    if not found:
        needed = ", ".join(line.material for line in work.bom)
        raise checks.refusal("lot_foreign", lot=number_, material=known[0].material, needed=needed or "-")
    new = [(line, held) for line, held in found if line.method == "scanned" or not _stands(work, held)]
    if not new:
        raise Refused("kit_used", kit=number_, material=found[0][1].material)
    return new


def _taken(work: Work, held: KnownLot) -> bool:
    place = held.material, held.lot
    return any((one.material, one.lot) == place and one.quantity > 0 for one in work.job.used)


def _stands(work: Work, held: KnownLot) -> bool:
    place = held.material, held.lot
    return any((one.material, one.lot) == place and one.quantity != 0 for one in work.station.mounted)
