"""What each shift came to at each station: a fold over facts. Pure.

A fact counts in the shift that it bears, which is that of the work: a correction takes its event, with all
that the event caused, out of the event's own shift, and a settlement gives a shift's unassigned time to
orders. So the figures of a shift become right later, unlike those of a posting date, which finance closes.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

import msgspec

from edge.events import (
    CountUnattributed,
    Event,
    Fact,
    OutputReclassified,
    Resources,
    ReviewSettled,
    TimeUnassigned,
    WorkCorrected,
    WorkReported,
)

ZERO = Decimal(0)


class Place(NamedTuple):
    """Which shift, and where. None: the clock was wrong, or the fact belongs to no station."""

    production_date: str | None
    shift: str | None
    station: str | None


class Row(msgspec.Struct, kw_only=True):
    """The figures of one place. Pieces are by unit; by-products are none. Times in seconds."""

    good: dict[str, Decimal] = {}
    concession: dict[str, Decimal] = {}
    rework: dict[str, Decimal] = {}
    scrap: dict[str, Decimal] = {}
    labour_s: Decimal = ZERO
    setup_s: Decimal = ZERO
    machine_s: Decimal = ZERO
    machine_known: bool = True  # false: the machine also ran for a time that nobody knows
    unassigned_s: Decimal = ZERO  # of people
    unattributed: dict[str, Decimal] = {}  # pieces of counters that wait for a person
    held: int = 0  # counter movements that wait for a person


# Many are kept; a collector of garbage that looks through them would hold up scans.
class _Figure(msgspec.Struct, frozen=True, gc=False):
    """An increment of a row: a field, the unit where it has several, how much."""

    field: str
    unit: str | None
    quantity: Decimal


class _Counted(msgspec.Struct, frozen=True, gc=False):
    """What an event brings, and where."""

    place: Place
    figures: tuple[_Figure, ...]


class Book:
    """Take events in order; `rows` says what they come to. What it never took it does not correct."""

    def __init__(self) -> None:
        self._counted: dict[str, _Counted] = {}  # by event
        self._places: dict[Place, Place] = {}  # each once
        self._caused: dict[str, list[str]] = {}
        self._unknown: dict[str, Place] = {}  # reports whose machine time nobody knows

    def take(self, event: Event) -> None:
        """Count an event."""
        fact = event.data
        if isinstance(fact, WorkCorrected):
            for id_ in (fact.corrects, *self._caused.get(fact.corrects, ())):
                self._counted.pop(id_, None)
                self._unknown.pop(id_, None)
        elif isinstance(fact, ReviewSettled):
            self._settle(fact)
        elif figures := tuple(_figures(fact)):
            place = Place(fact.production_date, fact.shift, fact.station)
            place = self._places.setdefault(place, place)
            self._counted[event.id] = _Counted(place, figures)
            if isinstance(fact, WorkReported) and fact.resources and fact.resources.machine_s is None:
                self._unknown[event.id] = place
        cause = getattr(fact, "caused_by", None)
        if cause is not None:
            self._caused.setdefault(cause, []).append(event.id)

    def rows(self) -> dict[Place, Row]:
        """The figures by place, the latest shift first."""
        found: dict[Place, Row] = {}
        for one in self._counted.values():
            row = found.get(one.place) or found.setdefault(one.place, Row())
            for figure in one.figures:
                _add(row, figure)
        for place in self._unknown.values():
            found[place].machine_known = False
        return dict(sorted(found.items(), key=lambda one: [part or "" for part in one[0]], reverse=True))

    def _settle(self, fact: ReviewSettled) -> None:
        """What waited waits no more; time goes where the settlement gave it, and only that much."""
        given = sum((_seconds(self._counted.get(id_)) for id_ in fact.led_to), ZERO)
        for id_ in fact.settles:
            waited = self._counted.get(id_)
            if waited is None:
                continue
            first = waited.figures[0]
            if first.field == "unassigned_s":
                taken = min(given, first.quantity)
                given -= taken
                left = _Figure(first.field, None, first.quantity - taken)
                self._counted[id_] = _Counted(waited.place, (left,))
            elif first.field in ("unattributed", "held"):
                del self._counted[id_]


def totals(events: Iterable[Event]) -> dict[Place, Row]:
    """The rows of these events."""
    book = Book()
    for event in events:
        book.take(event)
    return book.rows()


def _figures(fact: Fact) -> Iterator[_Figure]:
    match fact:
        case WorkReported():
            for output in fact.outputs:
                if output.role != "by":
                    yield _Figure(output.disposition, output.unit, output.quantity)
            if fact.resources is not None:
                yield from _times(fact.resources)
        case OutputReclassified():
            yield _Figure(fact.from_, fact.unit, -fact.quantity)
            yield _Figure(fact.to, fact.unit, fact.quantity)
        case TimeUnassigned() if fact.operator is not None:
            yield _Figure("unassigned_s", None, fact.s)
        case CountUnattributed() if fact.held is not None:
            yield _Figure("held", None, Decimal(1))
        case CountUnattributed() if fact.counter not in ("running", "energy"):
            yield _Figure("unattributed", fact.unit or "C62", fact.quantity or ZERO)


def _times(used: Resources) -> Iterator[_Figure]:
    if isinstance(used.labour, tuple):
        yield _Figure("labour_s", None, sum((share.s for share in used.labour), ZERO))
    if isinstance(used.setup_s, Decimal):
        yield _Figure("setup_s", None, used.setup_s)
    # Unknown time is a figure too, so that its row is there.
    if used.machine_s is None or isinstance(used.machine_s, Decimal):
        yield _Figure("machine_s", None, used.machine_s or ZERO)


def _seconds(report: _Counted | None) -> Decimal:
    """The labour of a report."""
    figures = report.figures if report else ()
    return sum((one.quantity for one in figures if one.field == "labour_s"), ZERO)


def _add(row: Row, figure: _Figure) -> None:
    if figure.unit is not None:
        by_unit: dict[str, Decimal] = getattr(row, figure.field)
        by_unit[figure.unit] = by_unit.get(figure.unit, ZERO) + figure.quantity
    elif figure.field == "held":
        row.held += 1
    else:
        setattr(row, figure.field, getattr(row, figure.field) + figure.quantity)
