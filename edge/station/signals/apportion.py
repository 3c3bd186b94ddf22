"""A quantity divided in whole steps by weights: the parts are the whole, exactly.

By largest remainder. What a part is short of its share (or beyond it) is carried to the next division, so
that many small ones come out as one large one would.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

_ZERO = Fraction(0)
_CARRIED = Decimal("1E-9")  # to which a carried remainder is kept


class Share(NamedTuple):
    """A part, and what of its due the next division brings (below nought: takes)."""

    quantity: Decimal
    carried: Decimal


def apportioned(
    whole: Decimal, weights: Sequence[Fraction], carried: Sequence[Decimal], step: Decimal
) -> list[Share]:
    """A quantity, a multiple of `step` and not below nought, over weights above it; ties go to the first."""
    total = sum(weights, _ZERO)
    due = [
        Fraction(whole) * weight / total + Fraction(rest)
        for weight, rest in zip(weights, carried, strict=True)
    ]
    size = Fraction(step)
    steps = [max(0, one // size) for one in due]
    left = int(Fraction(whole) / size) - sum(steps)
    while left:
        sign = 1 if left > 0 else -1
        able = [number for number in range(len(due)) if sign > 0 or steps[number]]
        most = max(able, key=lambda number: sign * (due[number] - steps[number] * size))
        steps[most] += sign
        left -= sign
    parts = [step * count for count in steps]
    return [Share(part, _rest(one - Fraction(part))) for part, one in zip(parts, due, strict=True)]


def _rest(value: Fraction) -> Decimal:
    return (Decimal(value.numerator) / Decimal(value.denominator)).quantize(_CARRIED)
