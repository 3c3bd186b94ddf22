"""What people decided about rejected facts, read from the journals: delivery may not have acted on it yet.

Read-only, for who shows it: sync itself finds decisions as it reads on.
"""

from collections.abc import Sequence
from pathlib import Path

from edge import epochs
from edge.epochs import Epoch
from sync.batch import REVIEW
from sync.settlement import Decision, decisions
from sync.status import Waiting, reading


def load_decided(store: Path, journal: Path, found: Sequence[Waiting]) -> dict[tuple[str, str], Decision]:
    """By receiver and fact what was decided on `found` and delivery has not read. Raises StorageFault.

    In the journal that delivery reads, the seq tells. Of a later one it reads decisions ahead and keeps no
    note of how far: there one is new that was recorded (collect's clock) after its fact came into its
    present state (sync's clock, on the same PC). Where that was set back between the two, this shows it
    wrongly; what delivery does depends on no clock.
    """
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
                    if waits is not None and (later == at or decision.at_ms > waits.at_ms):
                        decided[uplink, id_] = decision
    return decided


def last_decision(journal: Path, id_: str) -> Decision | None:
    """The last decision on a fact; None where none is held any more. Raises StorageFault."""
    for one in reversed(epochs.listed(journal)):
        if found := [decision for decision in _decisions(one, 0) if id_ in decision.ids]:
            return found[-1]
    return None


def _reviewed(store: Path) -> dict[str, tuple[str, int]]:
    with reading(store) as db:
        rows = db.execute("SELECT uplink, epoch, reviewed FROM uplinks").fetchall() if db is not None else []
    return {uplink: (epoch, through) for uplink, epoch, through in rows}


def _decisions(one: Epoch, after: int) -> Sequence[Decision]:
    """Decisions about delivery behind `after`."""
    with reading(one.path) as db:
        rows = db.execute(_REVIEWS, (after, -len(_END), _END)).fetchall() if db is not None else []
    return decisions(rows)


_END = f'"type":"{REVIEW}"}}'  # of the canonical form
_REVIEWS = "SELECT seq, CAST(body AS BLOB) FROM events WHERE seq > ? AND substr(body, ?) = ? ORDER BY seq"
