"""Reconciliation: what the sender says it delivered against what is in the books.

Totals are built here from the stored events alone, on the posting dates that were answered. A correction
subtracts what it cancels, once, on its own posting date.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import chain, islice
from typing import Annotated, Any, NamedTuple, get_args

import msgspec
from msgspec import UNSET, UnsetType

from edge.costing import carries_cost
from edge.demo.endpoint.ledger import Ledger, Row
from edge.events import (
    Disposition,
    Event,
    MaterialConsumed,
    Method,
    OutputReclassified,
    WorkCorrected,
    WorkReported,
)

MISSING_LISTED = 10_000
_TIMES = {"setup_s": "SEC", "machine_s": "SEC", "labour_s": "SEC", "energy_kwh": "KWH"}
_NONE = Decimal(0)
_COUNT_MAX = 2**53 - 1  # beyond it JSON numbers are not exact everywhere (RFC 8259, 6)
_KINDS = {*get_args(Disposition), *get_args(Method), *_TIMES}
_Seq = Annotated[int, msgspec.Meta(ge=1, le=_COUNT_MAX)]
_Sum = Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]{1,24}(\.[0-9]{1,12})?\Z")]


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """The sender's sum of one kind; of a time or energy the material and the unit say nothing."""

    posting_date: str | None = None
    work_order: str | None = None
    operation: str | None = None
    material: str | None = None
    kind: str
    unit: str | None = None
    quantity: _Sum


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What the sender holds as delivered."""

    source: str
    from_seq: _Seq
    to_seq: _Seq
    count: Annotated[int, msgspec.Meta(ge=0, le=_COUNT_MAX)]
    digest: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    excluded: tuple[_Seq, ...] = ()
    totals: tuple[Total, ...] = ()


class _Cell(NamedTuple):
    posting_date: str | None
    work_order: str | None
    operation: str | None
    material: str | None
    kind: str
    unit: str | None


_Sums = dict[_Cell, Decimal]


def reconcile(claim: Claim, ledger: Ledger) -> dict[str, Any]:
    """The answer: `match`, `missing` (the first 10,000), `differences`, and the receiver's own figures."""
    span = (claim.source, claim.from_seq, claim.to_seq)
    rows = list(ledger.rows("WHERE source = ? AND seq BETWEEN ? AND ? ORDER BY seq", *span))
    accepted = [row for row in rows if row.status == "accepted"]
    rejected = [row.seq for row in rows if row.status == "rejected"]
    digest = hashlib.sha256("\n".join(row.id for row in accepted).encode()).hexdigest()
    absent = chain.from_iterable(ledger.gaps(*span))
    missing = list(islice(absent, MISSING_LISTED))
    differences = [
        *_compared("count", str(claim.count), str(len(accepted))),
        *_compared("digest", claim.digest, digest),
        *_compared("rejected", _listed(claim.excluded), _listed(rejected)),
        *_total_differences(claim, accepted, ledger),
    ]
    return {
        "match": not (missing or rejected or claim.excluded or differences),
        "missing": missing,
        "differences": differences,
        "count": len(accepted),
        "digest": digest,
        "rejected": rejected,
    }


def _listed(seqs: Iterable[int]) -> str:
    return ",".join(str(seq) for seq in sorted(seqs))


def _compared(kind: str, sent: str, received: str) -> list[dict[str, str]]:
    return [] if sent == received else [{"kind": kind, "sent": sent, "received": received}]


def _total_differences(claim: Claim, accepted: list[Row], ledger: Ledger) -> list[dict[str, str | None]]:
    sent: _Sums = defaultdict(Decimal)
    for total in claim.totals:
        if total.kind in _KINDS:
            sent[_cell(total)] += Decimal(total.quantity)
    return _differing(sent, _sums(_moves(accepted, ledger)))


def _cell(total: Total) -> _Cell:
    named: dict[str, Any] = {name: getattr(total, name) or None for name in _Cell._fields}
    return _plain(_Cell(**named))


def _differing(sent: _Sums, received: _Sums) -> list[dict[str, str | None]]:
    cells = sorted({*sent, *received}, key=lambda cell: tuple(part or "" for part in cell))
    pairs = [(cell, sent.get(cell, _NONE), received.get(cell, _NONE)) for cell in cells]
    return [
        {**cell._asdict(), "sent": format(ours, "f"), "received": format(theirs, "f")}
        for cell, ours, theirs in pairs
        if ours != theirs
    ]


class _Move(NamedTuple):
    """A fact's figures, with their sign and the day on which they count."""

    event: Event
    sign: int
    posting_date: str | None


def _moves(accepted: list[Row], ledger: Ledger) -> Iterator[_Move]:
    for row in accepted:
        if row.document is not None:
            event = row.event()
            if isinstance(event.data, WorkCorrected):
                yield from _cancelled(row, ledger)
            else:
                yield _Move(event, 1, row.posting_date)


def _cancelled(correction: Row, ledger: Ledger) -> Iterator[_Move]:
    """What this correction takes back: unless one before it did."""
    target = correction.corrects
    for row in ledger.rows("WHERE document IS NOT NULL AND (id = ?1 OR caused_by = ?1)", target):
        naming = "WHERE document IS NOT NULL AND corrects IN (?, ?) ORDER BY document LIMIT 1"
        first = next(ledger.rows(naming, row.id, row.caused_by))
        held = row.event()
        if first.id == correction.id and carries_cost(held.data):
            yield _Move(held, -1, correction.posting_date)


def _sums(moves: Iterable[_Move]) -> _Sums:
    sums: _Sums = defaultdict(Decimal)
    for move in moves:
        data = move.event.data
        for material, kind, unit, quantity in _figures(move.event):
            cell = _Cell(move.posting_date, data.work_order, data.operation, material, kind, unit)
            sums[_plain(cell)] += move.sign * quantity
    return sums


def _plain(cell: _Cell) -> _Cell:
    return cell._replace(material=None, unit=_TIMES[cell.kind]) if cell.kind in _TIMES else cell


def _figures(event: Event) -> Iterator[tuple[str | None, str, str | None, Decimal]]:
    fact = event.data
    if isinstance(fact, MaterialConsumed):
        yield fact.material, fact.method, fact.unit, fact.quantity
    elif isinstance(fact, OutputReclassified):
        yield fact.material, fact.from_, fact.unit, -fact.quantity
        yield fact.material, fact.to, fact.unit, fact.quantity
    elif isinstance(fact, WorkReported):
        for output in fact.outputs:
            yield output.material, output.disposition, output.unit, output.quantity
        if fact.resources is not None:
            held = fact.resources
            yield from (_known("setup_s", held.setup_s), _known("machine_s", held.machine_s))
            yield _known("energy_kwh", held.energy_kwh)
            for share in held.labour or ():
                yield None, "labour_s", None, share.s


def _known(kind: str, value: Decimal | UnsetType | None) -> tuple[None, str, None, Decimal]:
    return None, kind, None, _NONE if value is None or value is UNSET else value
