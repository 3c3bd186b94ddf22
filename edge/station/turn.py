"""Where the calendar turns: shifts, posting dates and breaks begin and end, at their very millisecond.

At the end of a shift or posting date what every open job took so far is reported for it, without a figure of
pieces, and time that no job has is recorded; nobody is signed off, and the quantity is asked for. Then, and
at a break, `shift.changed` says what begins. All stations turn at once, before the first input behind that
moment, so that no fact lies between. Whoever was signed on for too long is doubted, likewise.

Where the collector was down, the turn is made up for at the next start: within a boot by the time since boot,
over one by the wall clock where that tells no more than an hour. Beyond it nobody knows who stayed until the
shift ended: what is known is reported up to the last fact, and the stretch is marked `incomplete`.
A clock that was set takes the line into another period from its last fact on. So that the last fact is never
long ago, `crew.recorded` says every quarter of an hour who is here where nothing else is recorded.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from edge.calendar import Day, Period
from edge.events import CrewRecorded, Draft, OperatorDoubted, ShiftChanged, seconds
from edge.masterdata import MasterData
from edge.readings import Moment
from edge.station import signals
from edge.station.hours import LONGEST_ABSENCE_MS
from edge.station.live import Live
from edge.station.scans import people, reports
from edge.station.state import Line, Person
from edge.station.work import Site, Work
from edge.wallclock import judged

SHORT_ABSENCE_MS = 3_600_000
KEPT_MS = 900_000


@dataclass(frozen=True)
class Turn:
    """What the calendar led to; `lives` are those of all stations."""

    line: Line
    lives: Mapping[str, Live]
    drafts: tuple[Draft, ...]


@dataclass(frozen=True)
class _Cut:
    """A moment at which a period begins, or the doubt about a person."""

    at: Moment
    begins: Day | None = None
    doubted: str | None = None
    known: Moment | None = None  # up to which the time is known, where it is not up to the cut


def turn(
    site: Site,
    line: Line,
    lives: Mapping[str, Live],
    master: MasterData,
    now: Moment,
    new_id: Callable[[int], str],
) -> Turn | None:
    """All that turned since the last fact; None where nothing did, or where the clock cannot tell."""
    now = judged(line.wall, now, site.calendar)
    if line.at is None or not now.sound or not _occupied(site, line):
        return None
    passed_ms = now.elapsed(line.at)
    if _steady(site, line, now, passed_ms) and (passed_ms or 0) < KEPT_MS:
        return None
    turning = _Turning(site, line, dict(lives), master, new_id)
    for cut in sorted(_cuts(site, line, line.at, now), key=lambda cut: cut.at.monotonic_ms):
        turning.make(cut)
    turning.keep(now)
    return Turn(turning.line, turning.lives, tuple(turning.drafts)) if turning.drafts else None


def _steady(site: Site, line: Line, now: Moment, passed_ms: int | None) -> bool:
    """Whether nothing began since the last fact, and nobody is to be doubted."""
    if passed_ms is None or not site.calendar.steady(now.wall_ms - passed_ms, now.wall_ms):
        return False
    if line.period != site.calendar.day(now.wall_ms).period:
        return False
    return all(_overdue_ms(site, one, now) is None for one in line.people.values())


class _Turning:
    """The line while it turns, and the facts drafted so far."""

    def __init__(
        self,
        site: Site,
        line: Line,
        lives: dict[str, Live],
        master: MasterData,
        new_id: Callable[[int], str],
    ) -> None:
        self.site = site
        self.line = line
        self.lives = lives
        self.drafts: list[Draft] = []
        self._master = master
        self._new_id = new_id

    def make(self, cut: _Cut) -> None:
        """Close what ends at a moment, and say what begins."""
        if cut.doubted is not None:
            self._doubt(cut.doubted, cut.at)
        if cut.begins is None:
            return
        ended = self.line.period
        if ended is not None and ended.dates != cut.begins.period.dates:
            self._close(ended, cut.known or cut.at)
        for name in _occupied(self.site, self.line):
            work = self._work(name, cut.at, cut.begins)
            on_break, incomplete = cut.begins.on_break, cut.known is not None
            work.emit(ShiftChanged, origin="signal", on_break=on_break, incomplete=incomplete)
            self._take(work)

    def keep(self, now: Moment) -> None:
        """Record who is here where no fact did for long: what a power cut takes is no more than that."""
        passed_ms = now.elapsed(self.line.at) if self.line.at else None
        present = [name for name in self.site.stations if self.line.station(name).crew]
        if present and passed_ms is not None and passed_ms >= KEPT_MS:
            work = Work(
                self.site, present[0], self.line, self.lives[present[0]], self._master, now, self._new_id
            )
            work.emit(CrewRecorded, origin="signal")
            self._take(work)

    def _close(self, ended: Period, at: Moment) -> None:
        """Report what the open jobs took, and record the time that no job has."""
        utc_offset = self.site.calendar.day(at.wall_ms).utc_offset
        day = Day(ended.shift, ended.production_date, ended.posting_date, utc_offset, ended.on_break)
        for name in self.site.stations:
            work = self._work(name, at, day)
            if work.station.jobs:
                signals.boundary(work, pieces=not signals.figure_shown(work))
                for job in work.station.jobs:
                    reports.report_time(work, job)
                self._take(work)
        for operator in dict.fromkeys(one.operator for one in people.idle(self.line, at)):
            work = self._work(_place(self.site, self.line, operator), at, day)
            people.account(work, operator, "signal")
            self._take(work)

    def _doubt(self, operator: str, at: Moment) -> None:
        work = self._work(_place(self.site, self.line, operator), at, self.site.calendar.day(at.wall_ms))
        present_ms = at.elapsed(self.line.people[operator].since)
        present_s = None if present_ms is None else seconds(present_ms)
        work.emit(OperatorDoubted, origin="signal", operator=operator, present_s=present_s)
        self._take(work)

    def _work(self, name: str, at: Moment, day: Day) -> Work:
        return Work(self.site, name, self.line, self.lives[name], self._master, at, self._new_id, day)

    def _take(self, work: Work) -> None:
        self.line, self.lives[work.name] = work.line, work.live
        self.drafts += work.drafts


def _cuts(site: Site, line: Line, last: Moment, now: Moment) -> Iterator[_Cut]:
    """What began since the last fact."""
    passed_ms = now.elapsed(last)
    here = site.calendar.day(now.wall_ms)
    turned = line.period is None or line.period.dates != here.period.dates
    if _untold(last, now, passed_ms, turned):
        if line.period != here.period:
            yield _Cut(now, here, known=now if passed_ms is None else _before(now, passed_ms))
        yield from _doubts(site, line, now, 0)
        return
    assert passed_ms is not None
    start = _before(now, passed_ms)
    first = site.calendar.day(start.wall_ms)
    if line.period != first.period and (line.period is not None or first.on_break):
        yield _Cut(start, first)
    for edge_ms in site.calendar.edges(start.wall_ms, now.wall_ms):
        yield _Cut(_before(now, now.wall_ms - edge_ms), site.calendar.day(edge_ms))
    yield from _doubts(site, line, now, passed_ms)


def _doubts(site: Site, line: Line, now: Moment, passed_ms: int) -> Iterator[_Cut]:
    """Who was signed on for too long, from when on; nothing can be said to lie before the last fact."""
    for operator, person in line.people.items():
        overdue_ms = _overdue_ms(site, person, now)
        if overdue_ms is not None:
            yield _Cut(_before(now, min(overdue_ms, passed_ms)), doubted=operator)


def _untold(last: Moment, now: Moment, passed_ms: int | None, turned: bool) -> bool:
    """Whether nobody can tell what people did since the last fact: it is of another boot."""
    if last.boot_id == now.boot_id:
        return False
    return passed_ms is None or passed_ms > (SHORT_ABSENCE_MS if turned else LONGEST_ABSENCE_MS)


def _before(now: Moment, ms: int) -> Moment:
    """A moment before now, as the clock stands now; before this boot its time since boot is negative."""
    return replace(now, wall_ms=now.wall_ms - ms, monotonic_ms=now.monotonic_ms - ms)


def _overdue_ms(site: Site, person: Person, now: Moment) -> int | None:
    """For how long somebody should have been asked for their badge; None: not yet, or asked already."""
    limit_ms = round(site.crew.confirm_after_h * 3_600_000)
    if person.doubted or not limit_ms:
        return None
    present_ms = now.elapsed(person.since)
    return present_ms - limit_ms if present_ms is not None and present_ms >= limit_ms else None


def _occupied(site: Site, line: Line) -> list[str]:
    """The stations where somebody is signed on or a job is open."""
    stations = ((name, line.station(name)) for name in site.stations)
    return [name for name, station in stations if station.crew or station.jobs]


def _place(site: Site, line: Line, operator: str) -> str:
    """The station at which a fact about somebody's time is recorded."""
    names = [name for name in site.stations if operator in line.station(name).crew]
    return (names or list(site.stations))[0]
