"""What a clock that was set says of the facts before: the dates that it gives them, and those it doubts.

Facts without a posting date get one: in this boot from their time since boot, exactly; of an earlier boot
only where the days before and after are the same. What nobody can tell goes to a person. Facts that have a
date keep it; where a clock that nothing held gave another than the corrected time would, a person is told.
Pure: takes the stored facts one at a time, in order.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import msgspec

from edge.calendar import Calendar
from edge.events import ClockStepped, seconds
from edge.readings import Moment
from edge.wallclock import Wall, dates, offset_ms

_STEPPED = f"lineside.{ClockStepped.type}.v1"


class _Data(msgspec.Struct):
    boot_id: str | None = None
    monotonic_s: Decimal | None = None
    posting_date: str | None = None
    clock: str | None = None


class Stamp(msgspec.Struct):
    """What of a stored fact tells when it was."""

    type: str
    sequence: str
    data: _Data


BY_HAND = "Find out when they happened and post them in the ERP on that day; the facts stay as they are"

stamps = msgspec.json.Decoder(Stamp)


@dataclass
class _Run:
    """Neighbours of which the same is said."""

    first: int
    last: int
    date: str | None  # the corrected one; None: not known from the clock
    own: str | None = None  # the date that they bear
    exact: bool = False  # from the time since boot


@dataclass(frozen=True)
class Notice:
    """What a person must see of the facts from seq `first` to `last`."""

    kind: Literal["undated", "doubted"]
    first: int
    last: int
    text: str
    hint: str


@dataclass(frozen=True)
class Findings:
    """The facts to record and the alerts to raise."""

    steps: tuple[ClockStepped, ...]
    notices: tuple[Notice, ...]


class Redating:
    """One look back. `now` is judged; `step_ms` is by how much the clock was set, 0 if it was not."""

    def __init__(self, wall: Wall, now: Moment, step_ms: int, calendar: Calendar) -> None:
        self._wall = wall
        self._now = now
        self._step_ms = step_ms
        self._calendar = calendar
        # A clock that only went past what is known may be as wrong as before.
        self._exact = bool(step_ms) or now.clock == "synced"
        self._undated: list[_Run] = []
        self._doubted: list[_Run] = []

    @property
    def first(self) -> int:
        """The first seq to look at; 0: none."""
        starts = [self._wall.undated[0]] if self._wall.undated else []
        starts += [self._wall.doubtful_seq] if self._step_ms and self._wall.doubtful_seq else []
        return min(starts) if starts and self._now.sound else 0

    def take(self, stamp: Stamp) -> None:
        """Look at the next fact from `first` on."""
        data, seq = stamp.data, int(stamp.sequence)
        if stamp.type == _STEPPED or data.monotonic_s is None:
            return
        exact = self._exact and data.boot_id == self._now.boot_id
        date = self._date(data.monotonic_s) if exact else None
        undated = self._wall.undated
        if data.posting_date is None:
            if undated and undated[0] <= seq <= undated[1]:
                _put(self._undated, _Run(seq, seq, date, exact=exact))
        elif exact and self._step_ms and data.clock != "synced" and seq >= self._wall.doubtful_seq > 0:
            _put(self._doubted, _Run(seq, seq, date, own=data.posting_date))

    def findings(self) -> Findings:
        """What follows, once every fact was taken."""
        if not self._now.sound:
            return Findings((self._step(self._wall.since_seq, self._wall.seq),), ())
        given, notices = self._given()
        notices += [_doubt(run) for run in self._doubted if run.date != run.own]
        return Findings(tuple(self._steps(given)), tuple(notices))

    def _given(self) -> tuple[list[_Run], list[Notice]]:
        """The undated runs, each with its date; those that get none are noticed."""
        if self._wall.undated is None:
            return [], []
        first, last = self._wall.undated
        runs = self._undated or [_Run(first, last, None)]
        runs[-1].last = last
        before = self._wall.believed_date
        after = next((run.date for run in runs if run.exact), None) or self._today
        notices = []
        for run in runs:
            if not run.exact and before == after:
                run.date = before
            elif not run.exact:
                notices.append(_unknown(run, before, after))
        return runs, notices

    def _steps(self, given: list[_Run]) -> list[ClockStepped]:
        steps = [
            self._step(run.first, run.last, run.date, seen=run.exact and bool(self._step_ms)) for run in given
        ]
        rest = given[0].first - 1 if given else self._wall.seq
        if self._step_ms and (self._wall.since_seq <= rest or not any(run.exact for run in given)):
            steps.insert(0, self._step(self._wall.since_seq, rest))
        return steps

    def _step(self, first: int, last: int, date: str | None = None, *, seen: bool = True) -> ClockStepped:
        here = date is not None or not seen or self._wall.boot_id == self._now.boot_id
        span: dict[str, Any] = {}
        if here and first <= last:
            span = {"from_seq": f"{first:020d}", "to_seq": f"{last:020d}"}
        return stepped(self._calendar, self._now, self._step_ms if seen else None, posting_date=date, **span)

    def _date(self, monotonic_s: Decimal) -> str | None:
        wall_ms = int(monotonic_s * 1000) + offset_ms(self._now)
        return self._calendar.day(wall_ms).posting_date

    @property
    def _today(self) -> str | None:
        return self._calendar.day(self._now.wall_ms).posting_date


def stepped(calendar: Calendar, now: Moment, step_ms: int | None, **fields: Any) -> ClockStepped:
    """The fact that the clock was set; `step_ms` is None where no step was seen."""
    day = dates(calendar, now)
    return ClockStepped(
        origin="signal",
        production_date=day.production_date,
        shift=day.shift,
        clock=now.clock,
        boot_id=now.boot_id,
        monotonic_s=seconds(now.monotonic_ms),
        utc_offset=day.utc_offset,
        offset_s=None if step_ms is None else seconds(step_ms),
        **fields,
    )


def _put(runs: list[_Run], one: _Run) -> None:
    """Add to the run before where the same is said of it."""
    last = runs[-1] if runs else None
    if last and (last.date, last.own, last.exact) == (one.date, one.own, one.exact):
        last.last = one.last
    else:
        runs.append(one)


def _unknown(run: _Run, before: str | None, after: str | None) -> Notice:
    return Notice(
        "undated",
        run.first,
        run.last,
        f"Nobody knows the posting date of seq {run.first} to {run.last}: the clock was wrong, somewhere"
        f" between {before or 'an unknown day'} and {after}",
        BY_HAND,
    )


def _doubt(run: _Run) -> Notice:
    return Notice(
        "doubted",
        run.first,
        run.last,
        f"Seq {run.first} to {run.last} bear the posting date {run.own}; by the clock as it is set now they"
        f" belong to {run.date}",
        f"The facts keep {run.own}. Where the new time is right and the day matters, repost them in the ERP",
    )
