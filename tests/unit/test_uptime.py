"""How long the edge ran since a fact, against a count of every span between two facts of one boot."""

from hypothesis import given
from hypothesis import strategies as st

from edge.readings import Moment
from edge.uptime import DAYS_MAX, Uptime, after, older

DAY_MS = 86_400_000
SPANS = st.one_of(st.integers(0, 3 * DAY_MS), st.integers(0, 5000), st.just(DAY_MS), st.integers(-2000, 0))
MOVES = st.lists(st.tuples(st.sampled_from(["on", "boot", "untimed"]), SPANS), max_size=80)


@given(MOVES, st.integers(1, 30))
def test_a_fact_is_old_when_the_edge_ran_so_long_since_and_at_most_a_day_later(
    moves: list[tuple[str, int]], days: int
) -> None:
    known, ran_ms, boot, newest_ms = Uptime(), 0, 0, 10_000
    recorded: dict[int, int] = {}  # how long the edge had run at each fact with a time since boot
    for seq, (kind, span_ms) in enumerate(moves, 1):
        at_ms = newest_ms + span_ms  # a little behind where it waited in a queue
        if kind == "boot":
            boot, at_ms, newest_ms = boot + 1, abs(span_ms), 0
        elif kind == "on" and recorded:
            ran_ms += min(max(0, span_ms), DAY_MS)
        timed = kind != "untimed"
        known = after(known, seq, Moment(0, at_ms, f"boot {boot}") if timed else None)
        if timed:
            newest_ms = max(newest_ms, at_ms) if recorded else at_ms
            recorded[seq] = ran_ms
        through = older(known, days)
        young = [one for one, ran in recorded.items() if ran_ms - ran < days * DAY_MS]
        old = [one for one, ran in recorded.items() if ran_ms - ran > (days + 1) * DAY_MS]
        assert not young or through < young[0]
        assert not old or through >= old[-1]


def test_ten_years_of_running_are_told_apart() -> None:
    known = Uptime()
    for seq in range(1, DAYS_MAX + 500):
        known = after(known, seq, Moment(0, seq * DAY_MS, "boot"))
    assert len(known.days) == DAYS_MAX
    assert older(known, 90) == DAYS_MAX + 499 - 91
    assert older(known, DAYS_MAX) == 0, "longer than it looks back: kept"


def test_a_span_without_a_fact_counts_as_a_day_however_long_it_is() -> None:
    """What a kernel adds that wakes up with a wrong battery clock ages nothing."""
    known = after(Uptime(), 2, Moment(0, 5000, "boot"))
    known = after(known, 3, Moment(0, 5000 + 100 * DAY_MS, "boot"))
    assert (known.days, known.ran_ms) == ((2,), 0)
    known = after(known, 4, Moment(0, 5000 + 101 * DAY_MS, "boot"))
    assert (older(known, 1), older(known, 2)) == (2, 0)
