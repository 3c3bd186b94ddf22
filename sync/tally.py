"""Our side of a reconciliation: a fold over the journal's facts. Pure, streaming, of flat memory.

A fact counts on the posting date that the receiver gave it, else on its own, else on the one that
`clock.stepped` gave it later. That step may lie behind the range, and what the receiver answered to it counts
before its own date, for the period may have been closed. The totals are those of DESIGN, section 6:
increments by posting date, work order, operation, material, kind and unit. A correction subtracts the whole
event that it names, with everything that event caused, on its own date. Each is subtracted once: of several
corrections the one that the receiver took first counts, also where it lies outside the range. That is the one
of the lowest seq, unless it went out once more behind others. What the receiver does not hold counts for
nothing.

No fact is kept. What corrections name and what waited for a date is found by a second look, which goes
backwards, so that corrections are met before what they cancel.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import msgspec
from msgspec import UnsetType

from edge.events import (
    ClockStepped,
    Event,
    MaterialConsumed,
    OutputReclassified,
    Resources,
    WorkCorrected,
    WorkReported,
)

# Behind which seq the receiver took an event, and in which order those behind the same one.
Turn = tuple[int, int]
# posting date, work order, operation, material, kind, unit
_Key = tuple[str | None, str | None, str | None, str | None, str, str]
_SECONDS, _ENERGY = "SEC", "KWH"  # UN/ECE Rec 20


class Total(msgspec.Struct, frozen=True):
    """One line of the totals."""

    posting_date: str | None
    work_order: str | None
    operation: str | None
    material: str | None
    kind: str  # a disposition, a method, setup_s, machine_s, labour_s, energy_kwh
    unit: str
    quantity: Decimal


class Report(msgspec.Struct, frozen=True):
    """The body of a reconciliation call."""

    source: str
    from_seq: int
    to_seq: int
    count: int
    digest: str  # SHA-256 over the accepted ids in seq order, joined by newlines
    excluded: list[int]  # seqs that the receiver does not hold
    totals: list[Total]


@dataclass(frozen=True)
class Figure:
    """An increment: what kind of thing, and how much."""

    material: str | None
    kind: str
    unit: str
    quantity: Decimal


class _Correction(NamedTuple):
    """What of a correction must be kept until the end."""

    turn: Turn
    seq: int
    date: str | None


class _Step(NamedTuple):
    """A date for facts of a span that have none."""

    first: int
    last: int
    date: str


class _Cause(msgspec.Struct):
    caused_by: str | None = None


class _Glance(msgspec.Struct):
    """What tells whether the second look needs an event."""

    id: str
    type: str
    data: _Cause


_glance = msgspec.json.Decoder(_Glance)
_CORRECTED = f"lineside.{WorkCorrected.type}.v1"


class Tally:
    """`take` the range's events in order, then steps and corrections behind it (`take_later`); while it is
    `seeking`, what is `wanted` from the range's end backwards (`look_back`); then `report`.
    """

    def __init__(
        self, excluded: frozenset[int], dates: Mapping[int, str], late: Mapping[int, Turn] | None = None
    ) -> None:
        self._excluded = excluded  # also before and behind the range
        self._dates = dates  # by seq, as the receiver gave them
        self._late = late or {}  # by seq, of what was not taken in the order of seq
        self._digest = hashlib.sha256()
        self._count = 0
        self._first = self._last = 0  # the seqs of the range
        self._sums: dict[_Key, Decimal] = {}
        self._steps: list[_Step] = []
        self._waiting = 0  # facts of the range without a date, not summed yet
        self._undated = range(0)  # where they lie
        self._corrections: dict[str, _Correction] = {}  # by the id they name, the first of each
        self.overtaken = False  # whether one of the range's may have been taken behind one beyond the range
        self._sought: set[str] = set()  # ids that the range's corrections name and that were not met yet

    def take(self, event: Event) -> None:
        """Count an event of the range."""
        self._first, self._last = self._first or event.seq, event.seq
        if event.seq in self._excluded:
            return
        self._date_by(event, self._dates.get(event.seq))
        self._digest.update((b"\n" if self._count else b"") + event.id.encode())
        self._count += 1
        if isinstance(event.data, WorkCorrected):
            self._sought.add(event.data.corrects)
            self._correct(event.data.corrects, event)
            self.overtaken = self.overtaken or event.seq in self._late
        elif found := tuple(figures(event)):
            if (date := self._own_date(event)) is not None:
                self._add(event, found, date, 1)
            else:
                self._waiting += 1
                self._undated = range(self._undated.start or event.seq, event.seq + 1)

    def take_later(self, event: Event, given: str | None) -> None:
        """Keep a step that dates something, or a correction; `given` is the receiver's date for it."""
        self._date_by(event, given)
        if isinstance(event.data, WorkCorrected) and event.seq not in self._excluded:
            self._correct(event.data.corrects, event)

    def _date_by(self, event: Event, given: str | None) -> None:
        step = event.data
        if isinstance(step, ClockStepped) and step.posting_date and event.seq not in self._excluded:
            date = given or step.posting_date
            self._steps.append(_Step(int(step.from_seq or 0), int(step.to_seq or 0), date))

    @property
    def undated(self) -> bool:
        """Whether something of the range has no posting date, or only a step gives it one."""
        held = (one for one in self._corrections.values() if one.date is None)
        return self._waiting > 0 or any(self._within(one.seq) for one in held)

    @property
    def seeking(self) -> bool:
        """Whether events further back are needed."""
        return bool(self._sought or self._waiting)

    def wanted(self, seq: int, body: bytes) -> bool:
        """Whether `look_back` needs this stored event; costs a tenth of decoding it."""
        if seq in self._undated:
            return True
        seen = _glance.decode(body)
        named = self._corrections
        if seen.id in named or (seen.data.caused_by is not None and seen.data.caused_by in named):
            return True
        return seq < self._first and seen.type == _CORRECTED

    def look_back(self, event: Event) -> None:
        """Take an event again, from the range's end backwards, also before the range."""
        self._sought.discard(event.id)
        if event.seq in self._excluded:
            return
        if isinstance(event.data, WorkCorrected):
            if event.seq < self._first:
                self._correct(event.data.corrects, event)
        elif found := tuple(figures(event)):
            if event.seq >= self._first and self._own_date(event) is None:
                self._add(event, found, self._stepped(event.seq), 1)
                self._waiting -= 1
            self._cancel(event, found)

    def report(self, source: str, from_seq: int, to_seq: int) -> Report:
        """The body of the call."""
        totals = [
            Total(*key, self._sums[key])
            for key in sorted(self._sums, key=lambda key: [part or "" for part in key])
            if self._sums[key]
        ]
        excluded = sorted(seq for seq in self._excluded if from_seq <= seq <= to_seq)
        digest = self._digest.hexdigest()
        return Report(source, from_seq, to_seq, self._count, digest, excluded, totals)

    def _correct(self, named: str, event: Event) -> None:
        """Keep the correction of what it names that the receiver took first."""
        turn = self._late.get(event.seq, (event.seq, 0))
        known = self._corrections.get(named)
        if known is None or (turn, event.seq) < known[:2]:
            self._corrections[named] = _Correction(turn, event.seq, self._own_date(event))

    def _cancel(self, event: Event, found: tuple[Figure, ...]) -> None:
        """Subtract what the first correction of it or of its cause takes back, if that is the range's."""
        cause = getattr(event.data, "caused_by", None)
        named = [self._corrections[id_] for id_ in (event.id, cause) if id_ in self._corrections]
        if named and self._within((first := min(named)).seq):
            self._add(event, found, first.date or self._stepped(first.seq), -1)

    def _add(self, event: Event, found: tuple[Figure, ...], date: str | None, sign: int) -> None:
        for figure in found:
            what = (figure.material, figure.kind, figure.unit)
            key: _Key = (date, event.data.work_order, event.data.operation, *what)
            self._sums[key] = self._sums.get(key, Decimal(0)) + sign * figure.quantity

    def _within(self, seq: int) -> bool:
        return self._first <= seq <= self._last

    def _own_date(self, event: Event) -> str | None:
        return self._dates.get(event.seq) or event.data.posting_date

    def _stepped(self, seq: int) -> str | None:
        return next((step.date for step in self._steps if step.first <= seq <= step.last), None)


def tallied(
    events: Sequence[Event], excluded: frozenset[int] = frozenset(), dates: Mapping[int, str] | None = None,
    earlier: Sequence[Event] = (),
) -> Tally:  # fmt: skip
    """The tally of a range in memory; `earlier` lies before it. Both in seq order."""
    tally = Tally(excluded, dates or {})
    for event in events:
        tally.take(event)
    for event in reversed([*earlier, *events]):
        if not tally.seeking:
            break
        tally.look_back(event)
    return tally


def figures(event: Event) -> Iterator[Figure]:
    """What a fact adds to cost, before any date; nothing for evidence."""
    data = event.data
    if isinstance(data, WorkReported):
        for output in data.outputs:
            yield Figure(output.material, output.disposition, output.unit, output.quantity)
        if data.resources is not None:
            yield from _resources(data.resources)
    elif isinstance(data, MaterialConsumed):
        if data.posted_by == "edge":  # the ERP posts the rest itself
            yield Figure(data.material, data.method, data.unit, data.quantity)
    elif isinstance(data, OutputReclassified):
        yield Figure(data.material, data.from_, data.unit, -data.quantity)
        yield Figure(data.material, data.to, data.unit, data.quantity)


def _resources(used: Resources) -> Iterator[Figure]:
    for kind, unit, value in (
        ("setup_s", _SECONDS, used.setup_s),
        ("machine_s", _SECONDS, used.machine_s),
        ("energy_kwh", _ENERGY, used.energy_kwh),
    ):
        if isinstance(value, Decimal):
            yield Figure(None, kind, unit, value)
    if used.labour is not None and not isinstance(used.labour, UnsetType):
        yield Figure(None, "labour_s", _SECONDS, sum((share.s for share in used.labour), Decimal(0)))
