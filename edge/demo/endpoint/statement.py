"""What the pages and their JSON show: an order's overview, its documents, what was received."""

import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import chain, islice
from typing import Any

import msgspec

from edge.costing import Amount, CostSheet
from edge.demo.endpoint.booking import document_number
from edge.demo.endpoint.ledger import Ledger, Row
from edge.demo.endpoint.words import number, unit
from edge.events import Event, MaterialConsumed, OutputReclassified, WorkCorrected, WorkReported
from edge.masterdata import WorkOrder

MISSING_LISTED = 1000


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One posting as a person reads it."""

    number: str
    id: str
    type: str  # without prefix and version
    time: str
    posting_date: str | None
    figures: str
    operation: str | None
    cancelled_by: str | None  # document number of the correction
    caused_by: str | None  # document number of the report that backflushed it


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """A work order in one row."""

    work_order: str
    product: str | None
    planned: Decimal | None
    unit: str | None
    good: Decimal
    scrap: Decimal
    rework: Decimal
    total: Amount
    each: Amount | None
    currency: str | None
    status: str  # unknown, closed, held, completed, in_work, released
    gaps: int
    accepted: int
    rejected: int


def overview(sheet: CostSheet, order: WorkOrder | None, counts: dict[str, int]) -> Overview:
    """The row of an order; `counts` are its events by status."""
    out = {name: _put_out(sheet, name) for name in ("scrap", "rework")}
    main = next(iter(sheet.unit_costs), None)
    return Overview(
        work_order=sheet.work_order,
        product=sheet.product,
        planned=sheet.planned,
        unit=sheet.unit,
        good=main.good if main else Decimal(0),
        total=sheet.total,
        each=main.each if main else None,
        currency=sheet.currency,
        status=_status(sheet, order, counts.get("accepted", 0)),
        gaps=len(sheet.gaps),
        accepted=counts.get("accepted", 0),
        rejected=counts.get("rejected", 0),
        **out,
    )


def _status(sheet: CostSheet, order: WorkOrder | None, accepted: int) -> str:
    if order is None:
        return "unknown"
    if order.status != "released":
        return order.status
    return "completed" if sheet.completed else "in_work" if accepted else "released"


def _put_out(sheet: CostSheet, disposition: str) -> Decimal:
    return sum((o.quantity for o in sheet.outputs if o.disposition == disposition), Decimal(0))


def received(ledger: Ledger) -> list[dict[str, Any]]:
    """Per journal: how many events are held, up to where, which are missing (the first 1000)."""
    return [
        {
            "source": held.source,
            "count": held.accepted + held.rejected,
            "last_sequence": held.last_seq,
            "accepted": held.accepted,
            "rejected": held.rejected,
            "duplicates": held.duplicates,
            "refused": held.refused,
            "missing_count": held.missing,
            "missing": _missing(ledger, held.source, held.last_seq) if held.missing else [],
        }
        for held in ledger.sources()
    ]


def _missing(ledger: Ledger, source: str, last_seq: int) -> list[int]:
    return list(islice(chain.from_iterable(ledger.gaps(source, 1, last_seq)), MISSING_LISTED))


def documents(rows: list[Row]) -> list[Document]:
    """The postings of an order, by document number."""
    numbers = {row.id: document_number(row.document or 0) for row in rows}
    corrections: dict[str, str] = {}
    for row in rows:
        if row.corrects:
            corrections.setdefault(row.corrects, numbers[row.id])
    return [_document(row, numbers, corrections) for row in rows]


def _document(row: Row, numbers: dict[str, str], corrections: dict[str, str]) -> Document:
    event = row.event()
    cancels = corrections.get(row.id) or corrections.get(row.caused_by or "")
    return Document(
        number=numbers[row.id],
        id=row.id,
        type=row.type.removeprefix("lineside.").removesuffix(".v1"),
        time=event.time,
        posting_date=row.posting_date,
        figures=" · ".join(_figures(event, numbers)),
        operation=event.data.operation,
        cancelled_by=None if row.corrects else cancels,
        caused_by=numbers.get(row.caused_by or ""),
    )


def _figures(event: Event, numbers: dict[str, str]) -> Iterator[str]:
    fact = event.data
    if isinstance(fact, MaterialConsumed):
        yield f"{fact.material} {number(fact.quantity)} {unit(fact.unit)}"
        yield f"lot {fact.lot}" if fact.lot else "no lot"
    elif isinstance(fact, OutputReclassified):
        yield f"{fact.material} {number(fact.quantity)} {unit(fact.unit)}: {fact.from_} → {fact.to}"
    elif isinstance(fact, WorkCorrected):
        yield f"cancels {numbers.get(fact.corrects, fact.corrects)} ({fact.reason})"
    elif isinstance(fact, WorkReported):
        for output in fact.outputs:
            because = f" ({output.reason})" if output.reason else ""
            yield f"{output.disposition} {number(output.quantity)} {unit(output.unit)}{because}"
        yield from _resources(fact)


def _resources(fact: WorkReported) -> Iterator[str]:
    held = fact.resources
    if held is None:
        return
    for name, value, of in (
        ("set-up", held.setup_s, "s"),
        ("machine", held.machine_s, "s"),
        ("energy", held.energy_kwh, "kWh"),
    ):
        if isinstance(value, Decimal):
            yield f"{name} {number(value)} {of}"
        elif value is None:
            yield f"{name} unknown"
    if held.labour is None:
        yield "labour unknown"
    elif held.labour:
        yield "labour " + " + ".join(f"{share.operator}: {number(share.s)} s" for share in held.labour)


def seal_of(row: Row) -> bytes:
    """The event as it was sent: its canonical form with `chain`."""
    return json.dumps(
        {**json.loads(row.body), "chain": row.chain}, sort_keys=True, ensure_ascii=False
    ).encode()


def plain_json(value: Any) -> Any:
    """For JSON: decimals as plain strings, never with an exponent."""
    return _strings(msgspec.to_builtins(value, builtin_types=(Decimal,)))


def _strings(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _strings(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_strings(inner) for inner in value]
    return format(value, "f") if isinstance(value, Decimal) else value
