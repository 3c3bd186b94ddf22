"""Quantities in other units, by the material's own conversion and never by another."""

from decimal import Decimal
from fractions import Fraction

from edge.events import plain
from edge.masterdata import MasterData
from edge.masterdata.measures import convert, ratio
from edge.station.refusal import Refused

_ONE = frozenset({"C62", "H87", "EA"})  # one, piece, each (UN/ECE Rec 20): the same by other names


def alike(unit: str, other: str) -> bool:
    """Whether two units are one."""
    return unit == other or {unit, other} <= _ONE


def converted(master: MasterData, material: str, base: str, quantity: Decimal, unit: str) -> Decimal:
    """A quantity in the base unit, at six places. Raises Refused naming the units that are allowed."""
    if alike(unit, base):
        return plain(quantity)
    by = factor(master, material, base, unit)
    if by is not None:
        return convert(quantity, by)
    known = master.materials.get(material)
    units = known.units if known and known.unit == base else ()
    allowed = ", ".join([base, *(one.unit for one in units)])
    raise Refused("unit_unknown", material=material, unit=unit, allowed=allowed)


def factor(master: MasterData, material: str, base: str, unit: str) -> Fraction | None:
    """How many base units one `unit` is, exactly; None where the material does not say."""
    if alike(unit, base):
        return Fraction(1)
    known = master.materials.get(material)
    units = known.units if known and known.unit == base else ()
    return next((ratio(one) for one in units if alike(one.unit, unit)), None)
