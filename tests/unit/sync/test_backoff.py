"""Delays grow, are capped, and never undercut what the receiver asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.backoff import WISH_MAX_S, Backoff


def test_steps_double_up_to_the_cap() -> None:
    almost = Backoff(60.0, lambda: 1.0)
    assert [almost.delay_s(attempt) for attempt in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_jitter_is_full() -> None:
    assert Backoff(60.0, lambda: 0.0).delay_s(9) == 0.0
    assert Backoff(60.0, lambda: 0.25).delay_s(3) == 2.0


def test_a_wish_is_a_lower_bound_and_itself_bounded() -> None:
    assert Backoff(60.0, lambda: 0.5).delay_s(0, 30.0) == 30.0
    assert Backoff(60.0, lambda: 0.5).delay_s(6, 5.0) == 30.0
    assert Backoff(60.0, lambda: 0.5).delay_s(0, 1e12) == WISH_MAX_S


@given(st.integers(0, 10**9), st.floats(0, 1, exclude_max=True), st.none() | st.floats(0, 1e18))
def test_every_delay_is_bounded(attempt: int, chance: float, wish_s: float | None) -> None:
    assert 0 <= Backoff(60.0, lambda: chance).delay_s(attempt, wish_s) <= max(60.0, WISH_MAX_S)


@pytest.mark.parametrize("attempt", [31, 1024, 10**6])
def test_a_long_outage_does_not_overflow(attempt: int) -> None:
    assert Backoff(60.0, lambda: 0.5).delay_s(attempt) == 30.0
