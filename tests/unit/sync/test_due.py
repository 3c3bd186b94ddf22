"""When figures are compared: at the end of each shift and of each posting date."""

from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from edge.calendar import Calendar
from edge.settings import Posting, Shift
from sync.due import Due, When, due
from sync.lost import whole

DAY: Any = {"name": "day", "start": "08:00", "end": "16:00"}
NIGHT: Any = {
    "name": "night",
    "start": "20:00",
    "end": "08:00",
    "breaks": [{"start": "01:00", "end": "01:30"}],
}


def at(text: str) -> int:
    """A local time in Shanghai, as UTC ms."""
    return round(datetime.fromisoformat(f"{text}:00+08:00").timestamp() * 1000)


def ended(
    after: str | None, through: str, when: When = "shift",
    date: Literal["production", "calendar"] = "production", *shifts: Any,
) -> list[tuple[str, str]]:  # fmt: skip
    calendar = Calendar(
        ZoneInfo("Asia/Shanghai"),
        tuple(Shift.model_validate(one) for one in shifts or (DAY, NIGHT)),
        Posting(date=date),
    )
    found = due(calendar, when, at(after) if after else None, at(through))
    return [(_shown(one), one.occasion) for one in found]


def _shown(one: Due) -> str:
    local = datetime.fromtimestamp(one.at_ms / 1000, UTC).astimezone(ZoneInfo("Asia/Shanghai"))
    return f"{local:%d %H:%M}"


def test_each_shift_ends_once_and_breaks_and_gaps_end_nothing() -> None:
    assert ended("2026-11-22T08:00", "2026-11-23T08:00") == [
        ("22 16:00", "shift day 2026-11-22"),
        ("23 08:00", "shift night 2026-11-22"),
    ]


def test_a_posting_date_ends_in_the_middle_of_a_shift_where_the_calendar_counts() -> None:
    found = ended("2026-11-22T08:00", "2026-11-23T08:00", date="calendar")
    assert [one for _, one in found] == ["shift day 2026-11-22", "day 2026-11-22", "shift night 2026-11-22"]


def test_by_day_only_posting_dates_end() -> None:
    found = ended("2026-11-21T09:00", "2026-11-23T12:00", "day", "calendar")
    assert found == [("22 00:00", "day 2026-11-21"), ("23 00:00", "day 2026-11-22")]
    assert ended("2026-11-21T09:00", "2026-11-23T12:00", "off") == []


def test_a_shift_of_a_whole_day_ends_each_day() -> None:
    whole_day = {"name": "all", "start": "06:00", "end": "06:00"}
    found = ended("2026-11-21T07:00", "2026-11-23T12:00", "shift", "production", whole_day)
    assert found == [("22 06:00", "shift all 2026-11-21"), ("23 06:00", "shift all 2026-11-22")]


def test_at_first_sight_and_after_a_clock_that_was_ahead_only_the_last_end_counts() -> None:
    assert ended(None, "2026-11-23T12:00") == [("23 08:00", "shift night 2026-11-22")]
    assert ended("2031-01-01T00:00", "2026-11-23T12:00") == [("23 08:00", "shift night 2026-11-22")]


def test_a_clock_that_leapt_ahead_has_a_bound() -> None:
    found = ended("1970-01-02T00:00", "2026-11-23T12:00")
    assert len(found) == 200 and found[-1] == ("23 08:00", "shift night 2026-11-22")


def test_what_could_not_be_saved_parts_a_range() -> None:
    assert whole(range(1, 100), "") == [range(1, 100)]
    assert whole(range(1, 100), "12-15,40") == [range(1, 12), range(16, 40), range(41, 100)]
    assert whole(range(1, 100), "1-3,90-") == [range(4, 90)]
    assert whole(range(13, 20), "12-15,40") == [range(16, 20)]
    assert whole(range(50, 60), "12-15,40") == [range(50, 60)]
    assert whole(range(1, 10), "1-20") == []
