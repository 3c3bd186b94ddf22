"""Units convert exactly, there and back, and units that cannot all be true are refused."""

from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.faults import MasterDataInvalid
from edge.masterdata import parse
from edge.masterdata.measures import convert

factors = st.decimals("0.000000001", "999999999", places=9, allow_nan=False).filter(lambda one: one > 0)
quantities = st.decimals("0.000001", "999999999", places=6, allow_nan=False)


@given(quantities, factors, factors)
def test_a_conversion_is_the_exact_figure_rounded_once(q: Decimal, top: Decimal, bottom: Decimal) -> None:
    by = Fraction(top) / Fraction(bottom)
    found = convert(q, by)
    assert abs(Fraction(found) - Fraction(q) * by) <= Fraction(1, 2_000_000)
    assert "E" not in str(found)


@given(quantities, st.integers(1, 10**6))
def test_there_and_back_gives_what_was_entered(q: Decimal, pack: int) -> None:
    """A pack of so many: what its base units are goes back to the same number of packs."""
    assert convert(convert(q, Fraction(pack)), Fraction(1, pack)) == q
    assert convert(-q, Fraction(pack)) == -convert(q, Fraction(pack))


def test_halves_are_rounded_away_from_nought() -> None:
    assert str(convert(Decimal("0.000005"), Fraction(1, 10))) == "0.000001"
    assert str(convert(Decimal("0.000025"), Fraction(1, 10))) == "0.000003"
    assert str(convert(Decimal("100"), Fraction(1))) == "100"


def material(unit: str, *units: tuple[str, str, str]) -> bytes:
    given = [{"unit": code, "numerator": top, "denominator": bottom} for code, top, bottom in units]
    return msgspec.json.encode({"materials": [{"material": "S", "unit": unit, "units": given}]})


@pytest.mark.parametrize(
    "body",
    [material("KGM", ("LBR", "0.45359237", "1")), material("KGM", ("LBR", "0.4536", "1")),
     material("C62", ("CEN", "100", "1"), ("PK", "12", "1")), material("KGM", ("KGM", "1", "1")),
     material("KGM", ("LTR", "0.9", "1")), material("GRM", ("KGM", "1000", "1"), ("KGM", "2000", "2"))],
)  # fmt: skip
def test_units_that_can_be_true_are_taken(body: bytes) -> None:
    assert parse(body).materials


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (material("KGM", ("KGM", "2", "1")), "base unit"),
        (material("C62", ("PK", "12", "1"), ("PK", "10", "1")), "twice"),
        (material("KGM", ("LBR", "1", "0.45359237")), "1 LBR is 0.453592 KGM, not 2.20462"),
        (material("KGM", ("GRM", "1000", "1")), "1 GRM is 0.001 KGM"),
        (material("C62", ("CEN", "1", "100")), "1 CEN is 100 C62"),
    ],
)
def test_units_that_contradict_themselves_or_the_world_are_refused(body: bytes, why: str) -> None:
    with pytest.raises(MasterDataInvalid) as caught:
        parse(body)
    assert why in caught.value.message and "$.materials[0]" in caught.value.message
