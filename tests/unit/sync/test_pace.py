"""Portions for a slow receiver: halved until it can, grown again, and no time-out for nothing."""

import random

from hypothesis import given
from hypothesis import strategies as st

from sync.pace import Pace


def calls(pace: Pace, able: int, count: int) -> list[tuple[int, bool]]:
    """(size, done) of so many calls to a receiver that is able to take `able` events in time."""
    found = []
    for _ in range(count):
        sent, fits = pace.events, pace.events <= able
        pace.done(sent) if fits else pace.late(sent)
        found.append((sent, fits))
    return found


@given(st.integers(1, 500), st.integers(1, 500))
def test_a_receiver_that_can_take_one_event_gets_everything(most: int, able: int) -> None:
    pace = Pace(most)
    calls(pace, able, 12)
    made = calls(pace, able, 1000)
    assert sum(not done for _, done in made) < 40  # a try now and then, each costs a time-out
    assert max(sent for sent, done in made if done) > min(most, able) // 2


@given(st.integers(1, 100))
def test_after_an_outage_it_is_back_at_whole_portions_in_ten_calls(calls_lost: int) -> None:
    pace = Pace(500)
    calls(pace, 0, calls_lost)
    calls(pace, 500, 9)
    assert pace.events == 500


@given(st.sampled_from((0.05, 0.2, 0.4)), st.integers())
def test_a_network_that_loses_answers_of_any_size_leaves_portions_large(share: float, seed: int) -> None:
    pace, chance, taken = Pace(400), random.Random(seed), 0
    for _ in range(2000):
        sent = pace.events
        if chance.random() < share:
            pace.late(sent)
        else:
            pace.done(sent)
            taken += sent
    assert taken > 0.25 * 400 * 2000 * (1 - share)


def test_one_late_call_between_others_changes_nothing() -> None:
    pace = Pace(500)
    for _ in range(5):
        assert not pace.late(500)
        pace.done(500)
    assert pace.events == 500


def test_portions_that_were_not_full_say_nothing_of_larger_ones() -> None:
    pace = Pace(500)
    assert [pace.late(500), pace.late(500), pace.late(250)] == [False, True, True]
    for _ in range(100):
        pace.done(3)
    assert pace.events == 125


def test_it_is_halved_from_what_was_sent() -> None:
    pace = Pace(500)
    pace.late(40)
    pace.late(40)
    assert pace.events == 20
