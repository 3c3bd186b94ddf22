"""What happened: the events that count, as lines at a price and as output per disposition."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

from msgspec import UNSET, UnsetType

from edge.costing.book import Book
from edge.costing.figures import ELEMENTS, ZERO, Element, GapKind, Line, OutputLine, tidy
from edge.events import (
    Event,
    Fact,
    MaterialConsumed,
    OutputReclassified,
    Resources,
    WorkCorrected,
    WorkReported,
)

_FIGURES: tuple[tuple[Element, GapKind, str, str, str], ...] = (
    ("machine", "setup_time", "setup_s", "setup", "SEC"),
    ("machine", "machine_time", "machine_s", "run", "SEC"),
    ("energy", "energy", "energy_kwh", "", "KWH"),
)
_WORDS = {
    "setup_time": "set-up time",
    "machine_time": "machine time",
    "labour_time": "labour time",
    "energy": "energy",
}


def effective(events: Iterable[Event]) -> tuple[Event, ...]:
    """The events that carry cost, each id once, without the cancelled and what those caused; in seq order."""
    known = {event.id: event for event in events}
    cancelled = {event.data.corrects for event in known.values() if isinstance(event.data, WorkCorrected)}
    kept = (
        event
        for event in known.values()
        if carries_cost(event.data) and not {event.id, getattr(event.data, "caused_by", None)} & cancelled
    )
    return tuple(sorted(kept, key=lambda event: (event.source, event.sequence)))


def carries_cost(fact: Fact) -> bool:
    """Whether a fact is a figure of its own; what the ERP backflushes itself is evidence only."""
    if isinstance(fact, MaterialConsumed):
        return fact.posted_by == "edge"
    return isinstance(fact, WorkReported | OutputReclassified)


class _Key(NamedTuple):
    element: Element
    subject: str
    operation: str
    work_center: str
    unit: str
    lot: str = ""
    detail: str = ""
    basis: str = ""


class _Posting(NamedTuple):
    key: _Key
    quantity: Decimal
    event: str


def lines_of(events: Iterable[Event], book: Book) -> Iterator[Line]:
    """What was used, grouped and priced, in the order of the elements."""
    grouped: dict[_Key, list[_Posting]] = {}
    for event in events:
        if event.data.provisional:
            text = f"Work order {book.work_order} began before it was delivered: not all was checked then"
            book.gap("order", book.work_order, None, text, event.id)
        for posting in _postings(event, book):
            grouped.setdefault(posting.key, []).append(posting)
    for key in sorted(grouped, key=lambda key: (ELEMENTS.index(key.element), *key[1:])):
        yield _priced(key, grouped[key], book)


def _priced(key: _Key, postings: list[_Posting], book: Book) -> Line:
    quantity = sum((posting.quantity for posting in postings), ZERO)
    events = tuple(dict.fromkeys(posting.event for posting in postings))
    price = book.price(key.element, key.subject, key.work_center, key.unit)
    if key.element == "material" and book.unit_of(key.subject) not in (None, key.unit):
        price = None
        text = f"{key.subject}: {key.unit} cannot be converted to {book.unit_of(key.subject)}"
        book.gap("unit", key.subject, "material", text, *events)
    elif price is None:
        _unpriced(key, book, events)
    if key.element == "material" and not key.lot:
        book.gap("lot", key.subject, None, f"{key.subject}: consumed without a lot", *events)
    return Line(
        **key._asdict(),
        quantity=tidy(quantity),
        price=price.value if price else None,
        price_per=price.per if price else Decimal(1),
        amount=price.of(quantity) if price else None,
        events=events,
    )


def _unpriced(key: _Key, book: Book, events: tuple[str, ...]) -> None:
    money = f" in {book.currency}" if book.currency else ""
    if key.element == "material":
        book.gap("price", key.subject, key.element, f"{key.subject}: no price{money}", *events)
    else:
        text = f"{key.work_center or 'Unknown work center'}: no {key.element} rate{money}"
        book.gap("rate", key.subject, key.element, text, *events)


def _postings(event: Event, book: Book) -> Iterator[_Posting]:
    fact, operation = event.data, book.operation_of(event.data)
    if isinstance(fact, MaterialConsumed):
        quantity, unit = book.to_base(fact.material, fact.quantity, fact.unit) or (fact.quantity, fact.unit)
        use = "production" if fact.use == "return" else fact.use
        key = _Key("material", fact.material, operation, fact.work_center or "", unit, fact.lot or "", use)
        yield _Posting(key, quantity, event.id)
    elif isinstance(fact, WorkReported) and fact.resources is not None:
        planned = book.operations.get(operation)
        center = fact.work_center or (planned.work_center if planned else "")
        yield from _resources(event, fact.resources, operation, center, book)


def _resources(event: Event, held: Resources, operation: str, center: str, book: Book) -> Iterator[_Posting]:
    basis = held.basis or {}
    for element, kind, name, phase, unit in _FIGURES:
        value: Decimal | UnsetType | None = getattr(held, name)
        if value is None:
            _unknown(kind, element, operation, book, event.id)
        elif value is not UNSET:
            key = _Key(element, center, operation, center, unit, "", phase, basis.get(name, ""))
            yield _Posting(key, value, event.id)
    if held.labour is None:
        _unknown("labour_time", "labour", operation, book, event.id)
    for share in held.labour or ():
        stated = basis.get("labour", "")
        key = _Key("labour", share.operator, operation, center, "SEC", "", share.phase, stated)
        yield _Posting(key, share.s, event.id)
    for other in held.other or ():
        yield _Posting(_Key("other", other.activity, operation, center, other.unit), other.quantity, event.id)


def _unknown(kind: GapKind, element: Element, operation: str, book: Book, *events: str) -> None:
    book.gap(kind, operation, element, f"Operation {operation}: {_WORDS[kind]} unknown", *events)


def expect_times(events: Iterable[Event], lines: Iterable[Line], book: Book) -> None:
    """Output without time is incomplete: note what no report of its operation carried, not even as null."""
    carried = {(line.operation, line.element, line.detail) for line in lines}
    for operation, center in _with_output(events, book).items():
        planned = book.operations.get(operation)
        rates = book.masterdata.work_centers.get(center or (planned.work_center if planned else ""))
        expected: list[tuple[GapKind, Element, tuple[str, ...]]] = [
            ("labour_time", "labour", ("run", "setup"))
        ]
        if rates is None or rates.machine_rate is not None or (planned and planned.machine_s):
            expected.append(("machine_time", "machine", ("run",)))
        if planned and planned.setup_s:
            expected.append(("setup_time", "machine", ("setup",)))
        if rates and rates.energy_tariff is not None:
            expected.append(("energy", "energy", ("",)))
        for kind, element, phases in expected:
            if not any((operation, element, phase) in carried for phase in phases):
                _unknown(kind, element, operation, book)


def _with_output(events: Iterable[Event], book: Book) -> dict[str, str]:
    """Operations that brought something forth, with the work center of their last report."""
    return {
        book.operation_of(event.data): event.data.work_center or ""
        for event in events
        if isinstance(event.data, WorkReported) and event.data.outputs
    }


class _Kind(NamedTuple):
    operation: str
    material: str
    role: str
    disposition: str
    unit: str


def outputs_of(events: Iterable[Event], book: Book) -> Iterator[OutputLine]:
    """What came out, grouped; a reclassification moves a quantity from one disposition to another."""
    grouped: dict[_Kind, list[tuple[Decimal, str]]] = {}
    for event in events:
        for kind, quantity in _made(event, book):
            grouped.setdefault(kind, []).append((quantity, event.id))
    for kind in sorted(grouped):
        yield OutputLine(
            **kind._asdict(),
            quantity=tidy(sum((quantity for quantity, _ in grouped[kind]), ZERO)),
            events=tuple(dict.fromkeys(event for _, event in grouped[kind])),
        )


def _made(event: Event, book: Book) -> Iterator[tuple[_Kind, Decimal]]:
    fact, operation = event.data, book.operation_of(event.data)
    if isinstance(fact, WorkReported):
        product = book.order.product if book.order else ""  # a provisional order's reports cannot name it
        for out in fact.outputs:
            kind = _Kind(operation, out.material or product, out.role, out.disposition, out.unit)
            yield kind, out.quantity
    elif isinstance(fact, OutputReclassified):
        role = book.role_of(fact.material)
        yield _Kind(operation, fact.material, role, fact.from_, fact.unit), -fact.quantity
        yield _Kind(operation, fact.material, role, fact.to, fact.unit), fact.quantity
