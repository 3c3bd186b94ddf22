"""What a receiver does not hold yet, by material and kind, and what it is worth. Pure.

The worth is quantity times price from master data, in the material's own currency. Where no price is known,
or the unit cannot be converted, it is unknown, never 0. Time and energy have no price here.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import get_args

import msgspec

from edge.events import Event, Method
from edge.masterdata import MasterData
from edge.masterdata.measures import convert, ratio
from sync.tally import figures

_CONSUMED = frozenset(get_args(Method))


class Held(msgspec.Struct, frozen=True):
    """A figure that is held back."""

    work_order: str | None
    material: str | None
    kind: str
    unit: str
    quantity: Decimal
    value: Decimal | None = None  # None: unknown
    currency: str | None = None

    @property
    def consumed(self) -> bool:
        """Whether it is an issue; else it is output, time or energy."""
        return self.kind in _CONSUMED


class Discarded(msgspec.Struct, frozen=True):
    """A fact that stays away from the receiver because a person decided so."""

    seq: int
    id: str
    what: str  # its type
    work_order: str | None
    person: str  # empty: not known any more, like the note
    note: str | None
    at_ms: int  # UTC, when it was decided


class HeldBack:
    """The sum of the figures of facts that are held back."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str, str, str], Decimal] = {}

    def take(self, events: Iterable[Event]) -> None:
        """Add what these facts say."""
        for event in events:
            for figure in figures(event):
                place = (event.data.work_order or "", figure.material or "", figure.kind, figure.unit)
                self._sums[place] = self._sums.get(place, Decimal(0)) + figure.quantity

    def priced(self, masterdata: MasterData) -> tuple[Held, ...]:
        """By order, material, kind and unit. Raises MasterDataUnreadable."""
        return tuple(_priced(place, self._sums[place], masterdata) for place in sorted(self._sums))


def worth(held: Iterable[Held]) -> Mapping[tuple[str, str], Decimal]:
    """The known values summed by (`consumed` or `made`, currency): an issue and the output that it went
    into are never added up.
    """
    sums: dict[tuple[str, str], Decimal] = {}
    for one in held:
        if one.value is not None:
            place = ("consumed" if one.consumed else "made", one.currency or "")
            sums[place] = sums.get(place, Decimal(0)) + one.value
    return sums


def _priced(place: tuple[str, str, str, str], quantity: Decimal, masterdata: MasterData) -> Held:
    order, name, kind, unit = place
    held = Held(order or None, name or None, kind, unit, quantity)
    material = masterdata.materials.get(name) if name else None
    if material is None or material.price is None:
        return held
    units = {factor.unit: ratio(factor) for factor in material.units} | {material.unit: Fraction(1)}
    if unit not in units:
        return held
    value = convert(quantity, units[unit] * Fraction(material.price) / Fraction(material.price_per))
    return msgspec.structs.replace(held, value=value, currency=material.currency)
