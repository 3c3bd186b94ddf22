"""Labels of materials: which own material it is, and whether it goes in or comes out."""

from edge.events import plain
from edge.masterdata import MasterData
from edge.station.grammar import Amount, CoProduct, Label, Lot, OutputLot
from edge.station.scans.materials import base_unit, not_used
from edge.station.texts import Text, say
from edge.station.units import alike
from edge.station.work import Refused, Work


def meant(work: Work, label: Label) -> Lot | OutputLot | CoProduct:
    """What a label says to the open order. Raises Refused where that is not certain."""
    job = work.job
    if job.provisional:
        raise Refused("label_unplanned", order=job.work_order)
    order = work.master.orders.get(job.work_order)
    material = _material(work.master, label)
    if material is None:
        return _without_material(work, label)
    goes_in = any(material in (line.material, *line.substitutes) for line in work.bom)
    roles = {one.material: one.role for one in order.outputs} if order else {}
    role = "main" if material == job.product else roles.get(material)
    if goes_in and role:
        raise Refused("label_both", material=material)
    if role == "main":
        if not (label.lot or label.serial):
            raise Refused("label_of_product", material=material)
        return OutputLot(label.lot, label.serial)
    amount = _amount(work, material, label)
    quantity, unit = (amount.quantity, amount.unit) if amount else (None, None)
    if role:
        return CoProduct(material, label.lot, label.serial, quantity, unit)
    if label.lot is None and goes_in:
        raise Refused("label_without_lot", material=material)
    if label.lot is None:
        raise not_used(work, material)
    return Lot(label.lot, material, quantity, unit, label.serial)


def _without_material(work: Work, label: Label) -> OutputLot:
    """A lot alone is the output's; not where it may as well be one that goes in."""
    needed = {name for line in work.bom for name in (line.material, *line.substitutes)}
    if any(known.material in needed for known in work.master.lots.get(label.lot or "", ())):
        raise Refused("lot_or_output", lot=label.lot)
    return OutputLot(label.lot, label.serial)


def _material(master: MasterData, label: Label) -> str | None:
    """The own material that a label names; None where it names none. Raises Refused."""
    if label.material and (label.material in master.materials or not (label.gtin or label.supplier_part)):
        return label.material
    if not (label.gtin or label.supplier_part):
        return None
    what = _named(label)
    if master.document.materials is None:
        raise Refused("no_materials", what=what)
    named = master.materials_called.get(label.gtin or "", ())
    found = {one.material for one in named if one.gtin and one.gtin.zfill(14) == label.gtin}
    found |= _supplied(master, label.supplier, label.supplier_part)
    if not found:
        raise Refused("label_unknown", what=what)
    if len(found) > 1:
        raise Refused("label_several", what=what, materials=", ".join(sorted(found)))
    return found.pop()


def _supplied(master: MasterData, supplier: str | None, part: str | None) -> set[str]:
    """The materials of a supplier's part number; where the label names the supplier too, theirs first."""
    for name in (f"{supplier}/{part}", part) if supplier else (part,):
        known = master.materials_called.get(name or "", ())
        if found := {one.material for one in known if name in one.supplier_parts}:
            return found
    return set()


def _named(label: Label) -> Text:
    if label.supplier_part:
        return say("supplier_part", part=label.supplier_part)
    return say("gtin", gtin=label.gtin)


def _amount(work: Work, material: str, label: Label) -> Amount | None:
    """The quantity on a label; of several, the one in the material's own unit. Raises Refused."""
    if len(label.amounts) < 2:
        return label.amounts[0] if label.amounts else None
    line = next((line for line in work.bom if material in (line.material, *line.substitutes)), None)
    base = base_unit(work, material, line)
    fitting = {plain(one.quantity): one for one in label.amounts if one.unit and alike(one.unit, base)}
    if len(fitting) != 1:
        shown = ", ".join(f"{one.quantity} {one.unit or '?'}" for one in label.amounts)
        raise Refused("several_quantities", quantities=shown)
    return next(iter(fitting.values()))
