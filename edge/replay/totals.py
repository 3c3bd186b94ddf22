"""What a script costs, and what waits: sums over the facts, by the words of a reconciliation.

Each line is a posting date, order and operation, what (material, operator, counter), kind, quantity and unit.
Kinds that carry cost are those of the reconciliation (DESIGN, section 6), labour by person. What waits for a
person: `unattributed` pieces and `held` counter movement in raw units. What no order has: `unassigned` time
and unpaid breaks (`break`). The arithmetic is written here once more, for its own sake: a test compares it
with that of the reconciliation.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from msgspec import UNSET

from edge.events import (
    BreakTaken,
    ClockStepped,
    CountUnattributed,
    Event,
    MaterialConsumed,
    OutputReclassified,
    Resources,
    ReviewSettled,
    TimeUnassigned,
    WorkCorrected,
    WorkReported,
)

_COSTED = (WorkReported, MaterialConsumed, OutputReclassified)  # a settlement takes none of it away by itself
WAITING = frozenset({"unattributed", "held", "unassigned", "break"})
UNDATED = "undated"
NONE = "-"


@dataclass(frozen=True, order=True)
class Key:
    """What a sum is of."""

    date: str
    job: str
    what: str
    kind: str
    unit: str


Sums = dict[Key, Decimal]


def totals(events: Sequence[Event]) -> Sums:
    """The sums over a whole journal; those that come to nothing are left out."""
    dates = _dates(events)
    settled = {id_ for one in events if isinstance(one.data, ReviewSettled) for id_ in one.data.settles}
    sums: Sums = {}
    taken_back: set[str] = set()
    for event in events:
        if event.id not in settled or isinstance(event.data, _COSTED):
            _add(sums, event, dates[event.id], 1)
        if isinstance(event.data, WorkCorrected):
            for cancelled in _with_caused(events, event.data.corrects):
                if cancelled.id not in taken_back:  # once, by the first correction
                    _add(sums, cancelled, dates[event.id], -1)
            taken_back |= {one.id for one in _with_caused(events, event.data.corrects)}
    return {key: value for key, value in sums.items() if value}


def _dates(events: Iterable[Event]) -> dict[str, str]:
    """Each event's posting date: its own, else the one that a later `clock.stepped` gave it."""
    steps = [one.data for one in events if isinstance(one.data, ClockStepped) and one.data.posting_date]

    def dated(event: Event) -> str:
        if event.data.posting_date is not None:
            return event.data.posting_date
        spans = ((int(step.from_seq or 0), int(step.to_seq or 0), step.posting_date) for step in steps)
        return next((date for first, last, date in spans if date and first <= event.seq <= last), UNDATED)

    return {event.id: dated(event) for event in events}


def _with_caused(events: Iterable[Event], id_: str) -> Iterator[Event]:
    for event in events:
        data = event.data
        caused_by = getattr(data, "caused_by", None)
        if id_ in (event.id, caused_by):
            yield event


def _add(sums: Sums, event: Event, date: str, sign: int) -> None:
    data = event.data
    job = f"{data.work_order}/{data.operation}" if data.work_order else NONE
    for what, kind, unit, quantity in _figures(event):
        key = Key(date, job, what, kind, unit)
        sums[key] = sums.get(key, Decimal(0)) + sign * quantity


def _figures(event: Event) -> Iterator[tuple[str, str, str, Decimal]]:
    match event.data:
        case WorkReported() as data:
            for output in data.outputs:
                yield output.material or "-", output.disposition, output.unit, output.quantity
            if data.resources is not None:
                yield from _used(data.resources)
        case MaterialConsumed(posted_by="edge") as data:
            yield data.material, data.method, data.unit, data.quantity
        case OutputReclassified() as data:
            yield data.material, data.from_, data.unit, -data.quantity
            yield data.material, data.to, data.unit, data.quantity
        case CountUnattributed() as data if data.held is not None:
            yield data.counter, "held", NONE, data.delta or Decimal(0)
        case CountUnattributed() as data:
            yield data.counter, "unattributed", data.unit or NONE, data.quantity or Decimal(0)
        case TimeUnassigned() as data:
            yield data.operator or data.equipment or NONE, "unassigned", "SEC", data.s
        case BreakTaken() as data:
            yield data.operator, "break", "SEC", data.s


def _used(used: Resources) -> Iterator[tuple[str, str, str, Decimal]]:
    figures = (
        ("setup_s", "SEC", used.setup_s),
        ("machine_s", "SEC", used.machine_s),
        ("energy_kwh", "KWH", used.energy_kwh),
    )
    for kind, unit, value in figures:
        if isinstance(value, Decimal):
            yield NONE, kind, unit, value
    if isinstance(used.labour, tuple):
        for share in used.labour:
            yield share.operator, "labour_s", "SEC", share.s
    if used.other is not UNSET:
        for one in used.other:
            yield one.activity, "other", one.unit, one.quantity
