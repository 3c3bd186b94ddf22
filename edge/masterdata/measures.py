"""Units of a material: which conversions it has, and which of them cannot be true.

Codes are UN/ECE Recommendation 20. A conversion is exact: numbers are taken as fractions and rounded once, to
the six places that a fact carries, halves away from nought.
"""

from collections.abc import Iterable
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Protocol

_OFF = Fraction(1, 100)  # an ERP's rounded factor (1 lb = 0.4536 kg) passes, an upside-down one does not

# What a unit is of, and how many of the dimension's first unit it is (Rec 20, annexes II and III).
_KNOWN: dict[str, tuple[str, Fraction]] = {
    code: (dimension, Fraction(factor))
    for dimension, codes in {
        "mass": {
            "KGM": "1", "GRM": "0.001", "MGM": "0.000001", "DTN": "100", "TNE": "1000",
            "LBR": "0.45359237", "ONZ": "0.028349523125",
        },
        "length": {
            "MTR": "1", "DMT": "0.1", "CMT": "0.01", "MMT": "0.001", "KMT": "1000",
            "INH": "0.0254", "FOT": "0.3048", "YRD": "0.9144",
        },
        "area": {"MTK": "1", "DMK": "0.01", "CMK": "0.0001", "MMK": "0.000001"},
        "volume": {"LTR": "1", "MTQ": "1000", "DMQ": "1", "CMQ": "0.001", "MLT": "0.001", "CLT": "0.01",
                   "HLT": "100"},
        "count": {"C62": "1", "H87": "1", "EA": "1", "DZN": "12", "CEN": "100", "MIL": "1000"},
        "time": {"SEC": "1", "MIN": "60", "HUR": "3600"},
        "energy": {"KWH": "1", "WHR": "0.001", "MWH": "1000"},
    }.items()
    for code, factor in codes.items()
}  # fmt: skip


class Factor(Protocol):
    """1 `unit` = numerator / denominator of a base unit."""

    @property
    def unit(self) -> str: ...
    @property
    def numerator(self) -> Decimal: ...
    @property
    def denominator(self) -> Decimal: ...


def ratio(factor: Factor) -> Fraction:
    """How many base units one `unit` is, exactly."""
    return Fraction(factor.numerator) / Fraction(factor.denominator)


def convert(quantity: Decimal, by: Fraction) -> Decimal:
    """A quantity times an exact factor, at six places at most."""
    places = Fraction(quantity) * by * 10**6
    whole, rest = divmod(abs(places.numerator), places.denominator)
    whole += 2 * rest >= places.denominator
    with localcontext() as context:
        context.prec = 60  # nothing is rounded below 10^54
        found = Decimal(whole if places >= 0 else -whole).scaleb(-6).normalize()
        return found.quantize(Decimal(1)) if found.as_tuple().exponent > 0 else found  # type: ignore[operator]


def contradiction(base: str, factors: Iterable[Factor]) -> str | None:
    """Why a material's units cannot all be true; None where they can."""
    seen: dict[str, Fraction] = {}
    for factor in factors:
        held = ratio(factor)
        if factor.unit == base and held != 1:
            return f"1 {base} cannot be {_text(held)} {base}: the base unit is no unit of its own"
        if seen.setdefault(factor.unit, held) != held:
            return f"{factor.unit} is given twice, as {_text(seen[factor.unit])} and {_text(held)} {base}"
        right = _true_ratio(factor.unit, base)
        if right is not None and abs(held - right) > _OFF * right:
            return f"1 {factor.unit} is {_text(right)} {base}, not {_text(held)}"
    return None


def _true_ratio(unit: str, base: str) -> Fraction | None:
    """What a unit is in another of the same dimension; None where that is a matter of the material."""
    this, other = _KNOWN.get(unit), _KNOWN.get(base)
    return this[1] / other[1] if this and other and this[0] == other[0] else None


def _text(value: Fraction) -> str:
    return format(float(value), ".6g")
