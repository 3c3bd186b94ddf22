"""The week's books by shift and station, and what facts come to, in the same words."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction

from edge.shifts.book import Place, Row
from tests.week.account import Sums
from tests.week.deeds import MONDAY, Deed
from tests.week.site import PRODUCT

_NAMES = ("early", "late", "night")
_EVERYWHERE = ""  # time that belongs to no order belongs to no one station
_STATION = {product: station for station, product in PRODUCT.items()}
_PIECES = ("good", "rework", "scrap")
_TIMES = ("labour_s", "setup_s", "machine_s", "unassigned_s")

Figures = dict[tuple[tuple[int, str], str], Fraction]  # (shift, station), kind


def by_station(sums: Sums, deeds: Iterable[Deed]) -> Figures:
    """The account's sums by shift and station; an order is worked on at one station."""
    at = {deed.order: deed.place for deed in deeds if deed.order}
    found: Figures = {}
    for (shift, order, of, kind), value in sums.items():
        if kind in _PIECES:
            _add(found, shift, _STATION[of], kind, value)
        elif kind in ("labour_s", "setup_s", "machine_s"):
            _add(found, shift, at[order], kind, value)
        elif kind == "unassigned":
            _add(found, shift, _EVERYWHERE, "unassigned_s", value)
        elif kind == "unattributed":
            _add(found, shift, _EVERYWHERE, kind, value)
    return {key: value for key, value in found.items() if value}


def summed(rows: Mapping[Place, Row]) -> Figures:
    """The product's rows."""
    found: Figures = {}
    for place, row in rows.items():
        assert place.production_date is not None and place.shift is not None
        day = (date.fromisoformat(place.production_date) - MONDAY).days
        shift = 3 * day + _NAMES.index(place.shift)
        figures = {kind: sum(getattr(row, kind).values(), Decimal(0)) for kind in (*_PIECES, "unattributed")}
        figures |= {kind: getattr(row, kind) for kind in _TIMES}
        for kind, value in figures.items():
            anywhere = kind in ("unassigned_s", "unattributed")
            _add(found, shift, _EVERYWHERE if anywhere else place.station or "", kind, Fraction(value))
    return {key: value for key, value in found.items() if value}


def differing(expected: Figures, found: Figures) -> list[str]:
    """Every figure that is another, in words."""
    return [
        f"shift {key[0]}, {key[1]}: {float(expected.get(key, 0))} expected, {float(found.get(key, 0))} summed"
        for key in sorted(expected.keys() | found.keys())
        if expected.get(key) != found.get(key)
    ]


def _add(found: Figures, shift: int, station: str, kind: str, value: Fraction) -> None:
    key = (shift, station), kind
    found[key] = found.get(key, Fraction(0)) + value
