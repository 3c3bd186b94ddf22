"""Which shift, production date and posting date a moment belongs to.

The production date is the day on which the shift began. Shifts are given in the site's local time; which one
a moment falls in is decided on the local clock face, so a night shift across a change of daylight-saving time
has 7 or 9 hours.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from edge.settings import Posting, Shift


@dataclass(frozen=True)
class Day:
    """The dates that a moment belongs to; of a clock that cannot be right they are unknown."""

    shift: str | None
    production_date: str | None  # YYYY-MM-DD
    posting_date: str | None
    utc_offset: str  # "+08:00"


class Calendar:
    """The site's time zone, shifts and posting rule."""

    def __init__(
        self, zone: ZoneInfo, shifts: tuple[Shift, ...] = (), posting: Posting | None = None
    ) -> None:
        self._zone = zone
        self._shifts = shifts
        self._posting = posting or Posting()
        self._known: tuple[int, Day] | None = None

    def day(self, wall_ms: int) -> Day:
        """The dates of a UTC millisecond. Outside every shift the calendar day counts."""
        minute = wall_ms // 60_000
        if self._known is None or self._known[0] != minute:
            self._known = minute, self._of(wall_ms)
        return self._known[1]

    def local(self, wall_ms: int) -> datetime:
        """A UTC millisecond on the site's clock."""
        return datetime.fromtimestamp(wall_ms / 1000, UTC).astimezone(self._zone)

    def _of(self, wall_ms: int) -> Day:
        local = self.local(wall_ms)
        shift, began = self._shift(local)
        calendar = local.date().isoformat()
        production = began.date().isoformat()
        offset = local.strftime("%z")
        return Day(
            shift=shift,
            production_date=production,
            posting_date=production if self._posting.date == "production" else calendar,
            utc_offset=f"{offset[:3]}:{offset[3:5]}",
        )

    def _shift(self, local: datetime) -> tuple[str | None, datetime]:
        face = local.time().replace(tzinfo=None)
        for shift in self._shifts:
            if shift.start < shift.end:
                if shift.start <= face < shift.end:
                    return shift.name, local
            elif face >= shift.start:
                return shift.name, local
            elif face < shift.end:
                return shift.name, local - timedelta(days=1)
        return None, local
