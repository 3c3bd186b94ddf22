"""Quantities in other units, by the material's own conversion and never by another."""

from decimal import Decimal

from edge.events import plain
from edge.masterdata import MasterData
from edge.masterdata.measures import convert, ratio
from edge.station.work import Refused

_ONE = frozenset({"C62", "H87", "EA"})  # one, piece, each (UN/ECE Rec 20): the same by other names


def alike(unit: str, other: str) -> bool:
    """Whether two units are one."""
    return unit == other or {unit, other} <= _ONE


def converted(master: MasterData, material: str, base: str, quantity: Decimal, unit: str) -> Decimal:
    """A quantity in the base unit, at six places. Raises Refused naming the units that are allowed."""
    if alike(unit, base):
        return plain(quantity)
    known = master.materials.get(material)
    units = known.units if known and known.unit == base else ()
    for one in units:
        if alike(one.unit, unit):
            return convert(quantity, ratio(one))
    allowed = ", ".join([base, *(one.unit for one in units)])
    raise Refused("unit_unknown", material=material, unit=unit, allowed=allowed)
