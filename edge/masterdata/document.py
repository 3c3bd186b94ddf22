"""A delivery of master data: one JSON document, read list by list and record by record.

An absent list leaves the old one, an empty one empties it; unknown keys are ignored. It is taken whole or not
at all: what is wrong is named with list, number and key. A record given twice must be the same both times.
"""

from collections.abc import Collection, Container, Iterator, Mapping
from hashlib import blake2b
from typing import Any, Protocol

import msgspec

from edge.faults import MasterDataInvalid
from edge.masterdata.portions import Cutter, Rows
from edge.masterdata.records import (
    ActivityRate,
    Lot,
    Material,
    Period,
    Person,
    Reason,
    Row,
    Tool,
    WorkCenter,
    WorkOrder,
)

TYPES: Mapping[str, type[Row]] = {
    "work_orders": WorkOrder,
    "materials": Material,
    "lots": Lot,
    "people": Person,
    "work_centers": WorkCenter,
    "tools": Tool,
    "activities": ActivityRate,
    "reasons": Reason,
    "periods": Period,
}
LISTS = tuple(TYPES)
HINT = "The data held before stays in use; correct it in the ERP"


class Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One delivery, as records."""

    work_orders: tuple[WorkOrder, ...] | None = None
    materials: tuple[Material, ...] | None = None
    lots: tuple[Lot, ...] | None = None
    people: tuple[Person, ...] | None = None
    work_centers: tuple[WorkCenter, ...] | None = None
    tools: tuple[Tool, ...] | None = None
    activities: tuple[ActivityRate, ...] | None = None
    reasons: tuple[Reason, ...] | None = None
    periods: tuple[Period, ...] | None = None


class Lists(Protocol):
    """What is held, list by list; None: never received."""

    @property
    def work_orders(self) -> Collection[WorkOrder] | None: ...
    @property
    def materials(self) -> Collection[Material] | None: ...
    @property
    def lots(self) -> Collection[Lot] | None: ...
    @property
    def people(self) -> Collection[Person] | None: ...
    @property
    def work_centers(self) -> Collection[WorkCenter] | None: ...
    @property
    def tools(self) -> Collection[Tool] | None: ...
    @property
    def activities(self) -> Collection[ActivityRate] | None: ...
    @property
    def reasons(self) -> Collection[Reason] | None: ...
    @property
    def periods(self) -> Collection[Period] | None: ...


_Raw = msgspec.defstruct("_Raw", [(name, msgspec.Raw, msgspec.Raw()) for name in LISTS])
_top = msgspec.json.Decoder(_Raw)
_cutter = Cutter(LISTS)
_decoders: Mapping[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(kind) for name, kind in TYPES.items()
}


def parse(body: bytes) -> Document:
    """A document from its JSON. Raises MasterDataInvalid naming the place; nothing is taken then."""
    found: dict[str, Any] = {name: tuple(records(name, rows)) for name, rows in lists(body).items()}
    return Document(**found)


def lists(body: bytes) -> dict[str, Rows]:
    """The lists that a document names, unread. Raises MasterDataInvalid."""
    cut = _cutter.lists(body)
    if cut is not None:
        return {name: cut[name] for name in LISTS if name in cut}
    try:
        top = _top.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(str(error)) from error
    found = {name: memoryview(getattr(top, name)) for name in LISTS}
    return {name: Rows(raw) for name, raw in found.items() if bytes(raw[:4]) not in (b"", b"null")}


def records(name: str, rows: Rows) -> Iterator[Row]:
    """The records of a list, one after the other. Raises MasterDataInvalid at the first that does not fit."""
    for _, record in news(name, rows, ()):
        assert record is not None
        yield record


def news(name: str, rows: Rows, known: Container[bytes]) -> Iterator[tuple[bytes, Row | None]]:
    """Digest and record of each of a list, once; None for a record whose digest is known: it is not read.

    Raises MasterDataInvalid.
    """
    decoder, seen = _decoders[name], dict[str, int]()
    for number, row in enumerate(_each(name, rows)):
        digest = blake2b(row, digest_size=16).digest()
        if digest in known:
            yield digest, None
            continue
        try:
            record: Row = decoder.decode(row)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise invalid(_placed(str(error), f"$.{name}[{number}]")) from error
        first = seen.setdefault(record.key, number)
        if first == number:
            yield digest, record
        elif decoder.decode(rows[first]) != record:
            raise invalid(f"$.{name}[{number}] says something else than $.{name}[{first}] of the same key")


def _each(name: str, rows: Rows) -> Iterator[msgspec.Raw]:
    try:
        yield from rows
    except (msgspec.DecodeError, RecursionError) as error:
        raise invalid(_placed(str(error), f"$.{name}")) from error


def invalid(text: str) -> MasterDataInvalid:
    """The fault of a delivery that does not fit."""
    return MasterDataInvalid(f"the master data was not taken: {text}", hint=HINT)


def _placed(error: str, place: str) -> str:
    """msgspec's message with the place counted from the document's beginning."""
    text, found, within = error.partition(" - at `$")
    return f"{text} - at `{place}{within}" if found else f"{text} - at `{place}`"
