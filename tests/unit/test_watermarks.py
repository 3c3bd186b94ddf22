"""What a filling disk leads to: the marks, their hysteresis, and a ballast that never costs anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.watermarks import HYSTERESIS, MIB, STEP_BYTES, Decision, Level, Usage, decide

WISHED = 64 * MIB
TOTAL = 10_000 * MIB  # one hundredth is more than what is wished


def usage(percent: float, total: int = TOTAL) -> Usage:
    used = round(total * percent / 100)
    return Usage(used, total - used)


@pytest.mark.parametrize(
    ("percent", "level", "samples"),
    [
        (0, Level.FREE, True), (79.9, Level.FREE, True), (80, Level.FILLING, True),
        (89.9, Level.FILLING, True), (90, Level.SCANT, False), (95, Level.CRITICAL, False),
        (100, Level.CRITICAL, False),
    ],
)  # fmt: skip
def test_each_mark_has_its_consequence(percent: float, level: Level, samples: bool) -> None:
    found = decide(usage(percent), Level.FREE, WISHED, WISHED)
    assert (found.level, found.samples) == (level, samples)
    assert found.ballast_bytes == (0 if level is Level.CRITICAL else WISHED)


@pytest.mark.parametrize(
    ("before", "percent", "now"),
    [
        (Level.CRITICAL, 93.1, Level.CRITICAL), (Level.CRITICAL, 92.9, Level.SCANT),
        (Level.CRITICAL, 88.1, Level.SCANT), (Level.CRITICAL, 78.1, Level.FILLING),
        (Level.CRITICAL, 50, Level.FREE), (Level.SCANT, 88.1, Level.SCANT),
        (Level.SCANT, 87.9, Level.FILLING), (Level.FILLING, 78.1, Level.FILLING),
        (Level.FILLING, 77.9, Level.FREE), (Level.FREE, 78.1, Level.FREE),
        (Level.FILLING, 88.1, Level.FILLING),
    ],
)  # fmt: skip
def test_a_mark_holds_until_usage_is_two_points_below_it(before: Level, percent: float, now: Level) -> None:
    assert decide(usage(percent), before, 0, 0).level is now


def test_the_ballast_grows_in_steps_and_is_given_back_at_once() -> None:
    sizes = [0]
    while (size := decide(usage(50), Level.FREE, sizes[-1], WISHED).ballast_bytes) != sizes[-1]:
        sizes.append(size)
    assert sizes == list(range(0, WISHED + 1, STEP_BYTES))
    assert decide(usage(95), Level.SCANT, WISHED, WISHED) == Decision(Level.CRITICAL, 0)


def test_the_ballast_is_at_most_one_hundredth_of_the_disk_and_follows_its_setting_down() -> None:
    assert decide(usage(10, 100 * MIB), Level.FREE, 0, WISHED).ballast_bytes == MIB
    assert decide(usage(10), Level.FREE, WISHED, 16 * MIB).ballast_bytes == 16 * MIB
    assert decide(usage(10), Level.FREE, WISHED, 0).ballast_bytes == 0


@pytest.mark.parametrize(
    ("percent", "before", "made"),
    [
        (77, Level.FREE, True), (77.5, Level.FREE, False), (79.5, Level.FREE, False),
        (80.5, Level.FILLING, True), (87.9, Level.FILLING, False), (89, Level.SCANT, False),
        (94, Level.CRITICAL, False),
    ],
)  # fmt: skip
def test_the_ballast_is_not_made_where_it_would_reach_a_mark(
    percent: float, before: Level, made: bool
) -> None:
    assert (decide(usage(percent), before, 0, WISHED).ballast_bytes > 0) is made


def test_a_disk_without_any_room_is_full() -> None:
    assert decide(Usage(0, 0), Level.FREE, 0, WISHED) == Decision(Level.CRITICAL, 0)


@given(st.integers(0, TOTAL), st.sampled_from(Level), st.integers(0, 2 * WISHED), st.integers(0, 2 * WISHED))
def test_making_the_ballast_never_raises_the_level(used: int, before: Level, held: int, wished: int) -> None:
    now = Usage(used, TOTAL - used)
    found = decide(now, before, held, wished)
    more = max(0, found.ballast_bytes - held)
    assert more <= STEP_BYTES and more <= now.free
    then = Usage(used + more, TOTAL - used - more)
    assert decide(then, found.level, held + more, wished).level is found.level
    if more:
        assert all(then.share < level / 100 - HYSTERESIS for level in Level if level > found.level)
