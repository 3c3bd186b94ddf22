"""Shifts over midnight and over clock changes: the night belongs to the day on which it began."""

from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.calendar import Calendar
from edge.settings import Posting, Shift

BERLIN = ZoneInfo("Europe/Berlin")
SHANGHAI = ZoneInfo("Asia/Shanghai")


def shift(name: str, start: str, end: str) -> Shift:
    return Shift.model_validate({"name": name, "start": start, "end": end})


THREE = (shift("early", "06:00", "14:00"), shift("late", "14:00", "22:00"), shift("night", "22:00", "06:00"))
TWO = (shift("day", "08:00", "20:00"), shift("night", "20:00", "08:00"))


def at(zone: ZoneInfo, *parts: int, fold: int = 0) -> int:
    """A local time as UTC ms."""
    return round(datetime(*parts, tzinfo=zone, fold=fold).timestamp() * 1000)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("local", "name", "production"),
    [
        ((2026, 11, 22, 8, 0), "day", "2026-11-22"),
        ((2026, 11, 22, 19, 59, 59), "day", "2026-11-22"),
        ((2026, 11, 22, 20, 0), "night", "2026-11-22"),
        ((2026, 11, 22, 23, 59, 59), "night", "2026-11-22"),
        ((2026, 11, 23, 0, 0), "night", "2026-11-22"),
        ((2026, 11, 23, 7, 59, 59), "night", "2026-11-22"),
        ((2026, 11, 23, 8, 0), "day", "2026-11-23"),
        ((2027, 1, 1, 3, 0), "night", "2026-12-31"),
    ],
)
def test_the_production_date_is_the_day_the_shift_began(
    local: tuple[int, ...], name: str, production: str
) -> None:
    day = Calendar(SHANGHAI, TWO).day(at(SHANGHAI, *local))
    assert (day.shift, day.production_date, day.utc_offset) == (name, production, "+08:00")


def nights(year: int, month: int, day: int) -> Counter[str]:
    """Minutes of each production date's night, from noon to noon."""
    calendar = Calendar(BERLIN, THREE)
    start = at(BERLIN, year, month, day, 12)
    found: Counter[str] = Counter()
    for minute in range(26 * 60):
        one = calendar.day(start + minute * 60_000)
        if one.shift == "night":
            found[one.production_date] += 1
    return found


def test_the_night_on_which_clocks_go_forward_has_seven_hours_of_one_production_date() -> None:
    assert nights(2026, 3, 28) == {"2026-03-28": 7 * 60}


def test_the_night_on_which_clocks_go_back_has_nine_hours_of_one_production_date() -> None:
    assert nights(2026, 10, 24) == {"2026-10-24": 9 * 60}


def test_the_hour_that_comes_twice_has_both_offsets_and_one_shift() -> None:
    calendar = Calendar(BERLIN, THREE)
    first = calendar.day(at(BERLIN, 2026, 10, 25, 2, 30))
    second = calendar.day(at(BERLIN, 2026, 10, 25, 2, 30, fold=1))
    assert (first.utc_offset, second.utc_offset) == ("+02:00", "+01:00")
    assert {first.production_date, second.production_date} == {"2026-10-24"}


@pytest.mark.parametrize(("rule", "posting"), [("production", "2026-11-22"), ("calendar", "2026-11-23")])
def test_the_posting_date_follows_the_setting(rule: str, posting: str) -> None:
    calendar = Calendar(SHANGHAI, TWO, Posting.model_validate({"date": rule}))
    day = calendar.day(at(SHANGHAI, 2026, 11, 23, 3))
    assert (day.production_date, day.posting_date) == ("2026-11-22", posting)


def test_outside_every_shift_the_calendar_day_counts() -> None:
    day = Calendar(SHANGHAI, (shift("day", "08:00", "16:00"),)).day(at(SHANGHAI, 2026, 11, 22, 3))
    assert (day.shift, day.production_date) == (None, "2026-11-22")


@pytest.mark.parametrize("start", ["00:00", "06:00"])
def test_a_shift_whose_start_is_its_end_lasts_24_hours(start: str) -> None:
    calendar = Calendar(SHANGHAI, (shift("all", start, start),))
    hour = int(start[:2])
    begin = at(SHANGHAI, 2026, 11, 22, hour)
    days = {calendar.day(begin + minute * 60_000).production_date for minute in range(1440)}
    assert days == {"2026-11-22"}
    assert calendar.day(begin + 1440 * 60_000).production_date == "2026-11-23"


def test_local_dates_differ_from_utc_dates_where_the_zone_says_so() -> None:
    calendar = Calendar(SHANGHAI)
    assert calendar.day(at(ZoneInfo("UTC"), 2026, 11, 22, 17)).production_date == "2026-11-23"


@given(minutes=st.integers(0, 366 * 1440), ms=st.integers(0, 59_999))
def test_every_moment_of_a_year_is_in_exactly_the_shift_its_clock_face_says(minutes: int, ms: int) -> None:
    moment = at(BERLIN, 2026, 1, 1) + minutes * 60_000 + ms
    day = Calendar(BERLIN, THREE).day(moment)
    local = datetime.fromtimestamp(moment / 1000, BERLIN)
    expected = {**dict.fromkeys(range(6, 14), "early"), **dict.fromkeys(range(14, 22), "late")}
    assert day.shift == expected.get(local.hour, "night")
    assert day.utc_offset == local.isoformat()[-6:]


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=20))
def test_what_was_asked_before_changes_no_answer(moments: list[int]) -> None:
    calendar = Calendar(BERLIN, THREE)
    base = at(BERLIN, 2026, 3, 20)
    assert [calendar.day(base + ms) for ms in moments] == [
        Calendar(BERLIN, THREE).day(base + ms) for ms in moments
    ]


def with_breaks(name: str, start: str, end: str, *breaks: tuple[str, str, bool]) -> Shift:
    rows = [{"start": begins, "end": ends, "paid": paid} for begins, ends, paid in breaks]
    return Shift.model_validate({"name": name, "start": start, "end": end, "breaks": rows})


NIGHT = with_breaks("night", "22:00", "06:00", ("23:50", "00:20", False), ("02:30", "02:45", True))


def test_a_break_over_midnight_belongs_to_the_night_on_which_it_began() -> None:
    calendar = Calendar(SHANGHAI, (NIGHT,))
    found = [
        calendar.day(at(SHANGHAI, 2026, 11, day, hour, minute))
        for day, hour, minute in (
            (22, 23, 49),
            (22, 23, 50),
            (23, 0, 19),
            (23, 0, 20),
            (23, 2, 30),
            (23, 2, 45),
        )
    ]
    assert [one.on_break for one in found] == [None, "unpaid", "unpaid", None, "paid", None]
    assert {one.production_date for one in found} == {"2026-11-22"}


def breaks_of(year: int, month: int, day: int) -> Counter[str | None]:
    """Minutes of each kind of break in the night that begins on a day."""
    calendar = Calendar(BERLIN, (NIGHT,))
    start = at(BERLIN, year, month, day, 22)
    return Counter(calendar.day(start + minute * 60_000).on_break for minute in range(9 * 60))


def test_a_break_in_the_hour_that_comes_twice_is_taken_once() -> None:
    assert breaks_of(2026, 10, 24) == {None: 9 * 60 - 45, "unpaid": 30, "paid": 15}


def test_a_break_in_the_hour_that_is_left_out_has_no_length() -> None:
    assert breaks_of(2026, 3, 28) == {None: 9 * 60 - 30, "unpaid": 30}


def test_a_shift_that_begins_in_the_hour_that_comes_twice_begins_once() -> None:
    calendar = Calendar(BERLIN, (shift("a", "02:30", "14:30"), shift("b", "14:30", "02:30")))
    begins = at(BERLIN, 2026, 10, 25, 2, 30)
    shifts = [calendar.day(begins + minute * 60_000).shift for minute in range(-60, 120)]
    assert shifts == ["b"] * 60 + ["a"] * 120
    assert calendar.edges(begins - 3_600_000, begins + 3_600_000 * 8) == [begins]


def test_a_shift_that_begins_in_the_hour_that_is_left_out_begins_at_the_change() -> None:
    calendar = Calendar(BERLIN, (shift("a", "02:30", "14:30"), shift("b", "14:30", "02:30")))
    change = at(BERLIN, 2026, 3, 29, 3)
    assert calendar.edges(change - 3_600_000, change + 3_600_000) == [change]
    assert calendar.day(change).production_date == "2026-03-29"


def test_midnight_is_an_edge_only_where_a_date_changes_at_it() -> None:
    noon, midnight = at(SHANGHAI, 2026, 11, 22, 12), at(SHANGHAI, 2026, 11, 23)
    day = 24 * 3_600_000
    eight = [at(SHANGHAI, 2026, 11, 22, 20), at(SHANGHAI, 2026, 11, 23, 8)]
    assert Calendar(SHANGHAI, TWO).edges(noon, noon + day) == eight
    by_calendar = Calendar(SHANGHAI, TWO, Posting.model_validate({"date": "calendar"}))
    assert by_calendar.edges(noon, noon + day) == [eight[0], midnight, eight[1]]
    assert Calendar(SHANGHAI).edges(noon, noon + day) == [midnight]


@given(
    st.sampled_from(((2026, 3, 28), (2026, 10, 24), (2026, 6, 1))),
    st.integers(0, 3 * 1440 * 60_000),
    st.integers(0, 1440 * 60_000),
    st.sampled_from(("production", "calendar")),
)
def test_between_two_edges_the_period_is_one(
    day: tuple[int, int, int], start_ms: int, length_ms: int, rule: str
) -> None:
    early = with_breaks("early", "06:15", "14:00", ("09:00", "09:15", True), ("12:00", "12:30", False))
    calendar = Calendar(BERLIN, (NIGHT, early), Posting.model_validate({"date": rule}))
    start = at(BERLIN, *day) + start_ms
    edges = calendar.edges(start, start + length_ms)
    for begins, ends in zip([start, *edges], [*edges, start + length_ms + 1], strict=True):
        step = max(60_000, (ends - begins) // 20)
        periods = {calendar.day(ms).period for ms in [*range(begins, ends, step), ends - 1]}
        assert len(periods) == 1
    assert all(calendar.day(edge - 1).period != calendar.day(edge).period for edge in edges)
