"""Our side of a reconciliation: a fold over the journal's facts. Pure and streaming.

A fact counts on the posting date that the receiver gave it, else on its own, else on the one that
`clock.stepped` gave it later. That step may lie behind the range, and what the receiver answered to it counts
before its own date, for the period may have been closed. The totals are those of DESIGN, section 6:
increments by posting date, work order, operation, material, kind and unit. A correction subtracts the whole
event that it names, with everything that event caused, on its own date. What the receiver does not hold
counts for nothing.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

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


@dataclass(frozen=True)
class _Posting:
    """What of a costed fact must be kept until the end."""

    seq: int
    id: str
    caused_by: str | None
    date: str | None
    work_order: str | None
    operation: str | None
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class _Step:
    """A date for facts of a span that have none."""

    first: int
    last: int
    date: str


class Tally:
    """Take the range's events in seq order, `earlier` ones that corrections name, `later` steps; report."""

    def __init__(self, excluded: frozenset[int], dates: Mapping[int, str]) -> None:
        self._excluded = excluded  # also before and behind the range
        self._dates = dates  # by seq, as the receiver gave them
        self._digest = hashlib.sha256()
        self._count = 0
        self._postings: list[_Posting] = []
        self._earlier: list[_Posting] = []
        self._corrections: list[tuple[_Posting, str]] = []
        self._steps: list[_Step] = []

    def take(self, event: Event) -> None:
        """Count an event of the range."""
        if event.seq in self._excluded:
            return
        self.take_later(event, self._dates.get(event.seq))
        self._digest.update((b"\n" if self._count else b"") + event.id.encode())
        self._count += 1
        if isinstance(event.data, WorkCorrected):
            self._corrections.append((_posting(event), event.data.corrects))
        elif (posting := _posting(event)).figures:
            self._postings.append(posting)

    def missing(self) -> frozenset[str]:
        """Ids that corrections name and that lie before the range."""
        return frozenset(named for _, named in self._corrections) - {one.id for one in self._postings}

    def take_earlier(self, event: Event) -> None:
        """Keep an event before the range for the correction that names it or its cause."""
        if event.seq not in self._excluded and (posting := _posting(event)).figures:
            self._earlier.append(posting)

    @property
    def undated(self) -> bool:
        """Whether something of the range has no posting date yet."""
        counted = (*self._postings, *(posting for posting, _ in self._corrections))
        return any(self._date(posting) is None for posting in counted)

    def take_later(self, event: Event, given: str | None) -> None:
        """Keep a step behind the range that dates something; `given` is the receiver's date for it."""
        step = event.data
        if isinstance(step, ClockStepped) and step.posting_date and event.seq not in self._excluded:
            date = given or step.posting_date
            self._steps.append(_Step(int(step.from_seq or 0), int(step.to_seq or 0), date))

    def report(self, source: str, from_seq: int, to_seq: int) -> Report:
        """The body of the call."""
        sums: dict[_Key, Decimal] = {}
        for posting in self._postings:
            self._add(sums, posting, self._date(posting), 1)
        for correction, named in self._corrections:
            for posting in (*self._earlier, *self._postings):
                if named in (posting.id, posting.caused_by):
                    self._add(sums, posting, self._date(correction), -1)
        totals = [
            Total(*key, sums[key])
            for key in sorted(sums, key=lambda key: [part or "" for part in key])
            if sums[key]
        ]
        excluded = sorted(seq for seq in self._excluded if from_seq <= seq <= to_seq)
        digest = self._digest.hexdigest()
        return Report(source, from_seq, to_seq, self._count, digest, excluded, totals)

    @staticmethod
    def _add(sums: dict[_Key, Decimal], posting: _Posting, date: str | None, sign: int) -> None:
        for figure in posting.figures:
            what = (figure.material, figure.kind, figure.unit)
            key: _Key = (date, posting.work_order, posting.operation, *what)
            sums[key] = sums.get(key, Decimal(0)) + sign * figure.quantity

    def _date(self, posting: _Posting) -> str | None:
        if (given := self._dates.get(posting.seq) or posting.date) is not None:
            return given
        return next((step.date for step in self._steps if step.first <= posting.seq <= step.last), None)


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


def _posting(event: Event) -> _Posting:
    data = event.data
    caused_by = data.caused_by if isinstance(data, MaterialConsumed) else None
    where = (data.posting_date, data.work_order, data.operation)
    return _Posting(event.seq, event.id, caused_by, *where, tuple(figures(event)))
