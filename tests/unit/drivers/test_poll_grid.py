"""Polls come at a fixed rate: no drift, no bursts, and an extra one in between moves nothing."""

from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.driver import next_due

times = st.integers(0, 10**6).map(lambda ms: ms / 1000)


@given(times, times, st.sampled_from([0.01, 0.1, 0.25, 1.0, 60.0]))
def test_the_next_poll_lies_ahead_on_the_grid_and_at_most_an_interval_away(
    due: float, late: float, interval_s: float
) -> None:
    now = due + late
    following = next_due(due, now, interval_s)
    assert now <= following + 1e-6
    assert following - now <= interval_s + 1e-6
    steps = (following - due) / interval_s
    assert abs(steps - round(steps)) < 1e-3


@given(times, times, st.sampled_from([0.01, 1.0]))
def test_a_poll_asked_for_in_between_does_not_move_the_next_one(
    due: float, early: float, interval_s: float
) -> None:
    assert next_due(due, due - early - 0.001, interval_s) == due


def test_a_thousand_polls_that_each_come_late_do_not_drift() -> None:
    due = 0.0
    for number in range(1, 1001):
        due = next_due(due, due + 0.3, 1.0)
        assert due == number
