"""Quantities in other units, by the material's own conversion and never by another."""

from decimal import Decimal

from edge.events import plain
from edge.masterdata import MasterData
from edge.masterdata.measures import convert, ratio
from edge.station.work import Refused


def converted(master: MasterData, material: str, base: str, quantity: Decimal, unit: str) -> Decimal:
    """A quantity in the base unit, at six places. Raises Refused naming the units that are allowed."""
    if unit == base:
        return plain(quantity)
    known = master.materials.get(material)
    units = known.units if known and known.unit == base else ()
    for one in units:
        if one.unit == unit:
            return convert(quantity, ratio(one))
    allowed = ", ".join([base, *(one.unit for one in units)])
    raise Refused("unit_unknown", material=material, unit=unit, allowed=allowed)
