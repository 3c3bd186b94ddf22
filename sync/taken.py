"""How far receivers took each journal, as sync.db still knows: it outlives the cursors, which go on."""

from pathlib import Path

from sync.status import reading


def load_taken(path: Path) -> dict[str, int]:
    """By epoch the furthest seq that a receiver settled. Raises StorageFault."""
    with reading(path) as db:
        return dict(db.execute(_TAKEN)) if db is not None else {}


_TAKEN = (
    "SELECT epoch, max(seq) FROM (SELECT epoch, seq FROM uplinks UNION ALL SELECT epoch, last_seq"
    " FROM receipts UNION ALL SELECT epoch, seq FROM quarantine) GROUP BY epoch"
)
