"""What people decided about rejected facts, read from the journals: delivery may not have acted on it yet.

Read-only, for who shows it: sync itself finds decisions as it reads on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge import epochs
from edge.epochs import Epoch
from edge.events import parse_instant
from sync.batch import REVIEW
from sync.status import Waiting, reading


@dataclass(frozen=True)
class Decided:
    """A decision on some facts."""

    how: str  # retried, discarded
    ids: tuple[str, ...]
    person: str
    note: str | None
    at_ms: int


def load_decided(store: Path, journal: Path, found: Sequence[Waiting]) -> dict[tuple[str, str], Decided]:
    """By receiver and fact what was decided on `found` and delivery has not read. Raises StorageFault."""
    open_ = {(one.uplink, one.id): one for one in found if one.state in ("waiting", "held")}
    reviewed = _reviewed(store) if open_ else {}
    listed = epochs.listed(journal) if open_ else []
    decided = {}
    for uplink in {uplink for uplink, _ in open_}:
        epoch, through = reviewed.get(uplink, ("", 0))
        at = next((at for at, one in enumerate(listed) if one.epoch == epoch), -1)
        for later, one in enumerate(listed[max(at, 0) :], start=max(at, 0)):
            for decision in _decisions(one, through if later == at else 0):
                for id_ in decision.ids:
                    waits = open_.get((uplink, id_))
                    # Of a later journal delivery reads them ahead, and keeps no note of how far.
                    if waits is not None and (later == at or decision.at_ms > waits.at_ms):
                        decided[uplink, id_] = decision
    return decided


def last_decision(journal: Path, id_: str) -> Decided | None:
    """The last decision on a fact; None where none is held any more. Raises StorageFault."""
    for one in reversed(epochs.listed(journal)):
        if found := [decision for decision in _decisions(one, 0) if id_ in decision.ids]:
            return found[-1]
    return None


def _reviewed(store: Path) -> dict[str, tuple[str, int]]:
    with reading(store) as db:
        rows = db.execute("SELECT uplink, epoch, reviewed FROM uplinks").fetchall() if db is not None else []
    return {uplink: (epoch, through) for uplink, epoch, through in rows}


def _decisions(one: Epoch, after: int) -> Iterator[Decided]:
    """Decisions about delivery behind `after`."""
    with reading(one.path) as db:
        rows = db.execute(_REVIEWS, (after, -len(_END), _END)).fetchall() if db is not None else []
    for (body,) in rows:
        try:
            event = msgspec.json.decode(body, type=_Review)
        except msgspec.DecodeError:
            continue  # damaged: delivery does not act on it either
        data = event.data
        if data.how in ("retried", "discarded"):
            at_ms = parse_instant(event.recordedtime)
            yield Decided(data.how, data.settles, data.person, data.note, at_ms)


class _Data(msgspec.Struct):
    how: str
    settles: tuple[str, ...] = ()
    person: str = ""
    note: str | None = None


class _Review(msgspec.Struct):
    recordedtime: str
    data: _Data


_END = f'"type":"{REVIEW}"}}'  # of the canonical form
_REVIEWS = "SELECT CAST(body AS BLOB) FROM events WHERE seq > ? AND substr(body, ?) = ? ORDER BY seq"
