"""The lines of a situation's files: times, comments, and faults that name file, line and what is allowed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from edge.faults import Fault

_COMMENT = re.compile(r"(?:^|\s)#(?=\s|$).*")
_TIME = re.compile(
    r"(?:(?P<date>\d{4}-\d\d-\d\d)|\+(?P<days>\d{1,3})d)?\s*"
    r"(?P<face>\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(?P<offset>[+-]\d\d:\d\d)?(?=\s|$)"
)
_LATER = re.compile(r"\+(?P<number>\d{1,6})(?P<unit>ms|s|min|h)(?=\s|$)")
_DAY = re.compile(r"(?:(?P<date>\d{4}-\d\d-\d\d)|\+(?P<days>\d{1,3})d)$")
_UNITS_MS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000}
TIMES = "a time is 08:00, 08:00:05 or 08:00:05.250, with the date before it (2026-11-23) where a day begins"


class SituationFault(Fault):
    """A situation's files cannot be read; `problems` lists all of it at once."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class Wrong(Exception):
    """A line that cannot be read: what is wrong with it and what is allowed."""


@dataclass(frozen=True)
class Line:
    """A line of a file, its comment and time taken off. `at_ms` is UTC, None where the line bears no time."""

    number: int
    at_ms: int | None
    text: str


class Sheet:
    """The lines of one file, and what is wrong with them."""

    def __init__(self, path: Path, zone: ZoneInfo) -> None:
        self.path = path
        self.problems: list[str] = []
        self._zone = zone
        self._day: date | None = None
        self._at_ms: int | None = None

    def wrong(self, number: int, text: str) -> None:
        """Note what is wrong with a line."""
        self.problems.append(f"{self.path}, line {number}: {text}")

    def rows(self) -> Iterator[tuple[int, str]]:
        """The lines that say something, numbered, without comments."""
        for number, raw in enumerate(read(self.path).splitlines(), 1):
            if text := _COMMENT.sub("", raw).rstrip():
                yield number, text

    def timed(self) -> Iterator[Line]:
        """The lines with their times, which may not run backwards."""
        for number, text in self.rows():
            try:
                line = self._timed(number, text.strip())
            except Wrong as wrong:
                self.wrong(number, str(wrong))
                continue
            if line is not None:
                yield line

    def _timed(self, number: int, text: str) -> Line | None:
        if day := _DAY.match(text):
            self._day = self._new_day(day["date"], day["days"])
            return None
        if later := _LATER.match(text):
            if self._at_ms is None:
                raise Wrong(f"{later[0]} counts from the line before, and there is none; {TIMES}")
            self._went_on(self._at_ms + int(later["number"]) * _UNITS_MS[later["unit"]])
            return Line(number, self._at_ms, text[later.end() :].strip())
        if not (match := _TIME.match(text)):
            return Line(number, None, text)
        if match["date"] or match["days"]:
            self._day = self._new_day(match["date"], match["days"])
        at_ms = self._instant(match["face"], match["offset"])
        if self._at_ms is not None and at_ms < self._at_ms:
            raise Wrong(
                f"{match[0]} lies before the line above; write +1d or the date before it for a new day"
            )
        self._went_on(at_ms)
        return Line(number, at_ms, text[match.end() :].strip())

    def _went_on(self, at_ms: int) -> None:
        self._at_ms = at_ms
        self._day = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self._zone).date()

    def _new_day(self, given: str | None, days: str | None) -> date:
        if given:
            try:
                return date.fromisoformat(given)
            except ValueError:
                raise Wrong(f"{given} is no day; a day is 2026-11-23") from None
        if self._day is None:
            raise Wrong(f"+{days}d counts from a date, and none was given yet; write 2026-11-23")
        return self._day + timedelta(days=int(days or 0))

    def _instant(self, face: str, offset: str | None) -> int:
        if self._day is None:
            raise Wrong(f"the first time needs its date: 2026-11-23 {face}")
        try:
            local = datetime.fromisoformat(f"{self._day.isoformat()}T{face}{offset or ''}")
        except ValueError:
            raise Wrong(f"{face} is no time of day; {TIMES}") from None
        if offset:
            return round(local.timestamp() * 1000)
        return local_ms(local, self._zone, self._at_ms)


def local_ms(local: datetime, zone: ZoneInfo, after_ms: int | None = None) -> int:
    """A local time as UTC ms; of two, the first that is not before `after_ms`. Raises Wrong."""
    found = [local.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
    instants = [round(one.timestamp() * 1000) for one in found]
    if found[0].astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) != local:
        raise Wrong(f"{local:%H:%M} does not come on {local.date()}: the clocks go forward over it")
    return next((one for one in instants if after_ms is None or one >= after_ms), instants[-1])


def read(path: Path) -> str:
    """A file as people write it. Raises SituationFault."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise SituationFault([f"{path} is no UTF-8 text: save it as UTF-8 (Notepad offers it)"]) from None
    except OSError as error:
        raise SituationFault([f"{path} cannot be read: {error.strerror}"]) from error
