"""What facts come to by posting date, summed as the reference endpoint's cost sheet sums them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

from edge.costing import effective
from edge.events import Event, MaterialConsumed, OutputReclassified, WorkReported
from edge.replay.totals import NONE, WAITING, totals
from tests.week.account import Sums
from tests.week.deeds import MONDAY

Key = tuple[int, str, str, str]


def booked(events: Sequence[Event]) -> Sums:
    """All figures that carry cost, with the lots; and what waits for a person, as a replay tells it."""
    sums: Sums = {}
    for key, value in _figures(events):
        sums[key] = sums.get(key, Fraction(0)) + Fraction(value)
    return {key: value for key, value in sums.items() if value}


def _figures(events: Sequence[Event]) -> Iterator[tuple[Key, Decimal]]:
    for event in effective(events):
        fact = event.data
        assert fact.posting_date is not None
        day, order = _day(fact.posting_date), fact.work_order or NONE
        if isinstance(fact, WorkReported):
            for (of, kind), value in _of_report(fact):
                yield (day, order, of, kind), value
        elif isinstance(fact, OutputReclassified):
            yield (day, order, fact.material, fact.from_), -fact.quantity
            yield (day, order, fact.material, fact.to), fact.quantity
        elif isinstance(fact, MaterialConsumed):
            yield (day, order, f"{fact.material} {fact.lot or ''}", fact.method), fact.quantity
    for key, value in totals(events).items():
        if key.kind in WAITING:
            yield (_day(key.date), NONE, key.what, key.kind), value


def _of_report(fact: WorkReported) -> Iterator[tuple[tuple[str, str], Decimal]]:
    for output in fact.outputs:
        yield (output.material or NONE, output.disposition), output.quantity
    if fact.resources is None:
        return
    for kind in ("setup_s", "machine_s", "energy_kwh"):
        value = getattr(fact.resources, kind)
        if isinstance(value, Decimal):
            yield (NONE, kind), value
    for share in fact.resources.labour or ():
        yield (share.operator, "labour_s"), share.s


def posted(events: Sequence[Event]) -> Sums:
    """What carries cost by the replay's own totals: without lots, corrections on their own day."""
    found: Sums = {}
    for key, value in totals(events).items():
        if key.kind not in WAITING:
            place = (_day(key.date), key.job.partition("/")[0], key.what, key.kind)
            found[place] = Fraction(value)
    return found


def differences(expected: Sums, found: Sums) -> list[str]:
    """Every figure that is another, in words."""
    return [
        f"day {key[0]}, order {key[1]}, {key[2]}, {key[3]}:"
        f" {_shown(expected, key)} expected, {_shown(found, key)} booked"
        for key in sorted(expected.keys() | found.keys())
        if expected.get(key) != found.get(key)
    ]  # fmt: skip


def without_lots(sums: Iterable[tuple[Key, Fraction]]) -> Sums:
    """The same, lots of a material together, and nothing that waits."""
    found: Sums = {}
    for (day, order, of, kind), value in sums:
        if kind not in WAITING:
            what = of.partition(" ")[0] if kind in ("scanned", "backflushed") else of
            found[day, order, what, kind] = found.get((day, order, what, kind), Fraction(0)) + value
    return {key: value for key, value in found.items() if value}


def _shown(sums: Sums, key: Key) -> str:
    return str(float(sums[key])) if key in sums else "nothing"


def _day(given: str) -> int:
    return (date.fromisoformat(given) - MONDAY).days
