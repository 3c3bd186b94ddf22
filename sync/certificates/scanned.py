"""How many scans were answered as recorded, by the evidence that the collector keeps (samples.db).

The only one of the four figures that the journal does not tell. The evidence is a ring: what it has forgotten
is not counted, and said to be unknown.
"""

from pathlib import Path

from edge.faults import StorageFault
from sync.status import reading


def scanned(samples: Path, after_ms: int, to_ms: int) -> int | None:
    """The recorded scans later than the one UTC ms and not later than the other; None where the evidence is
    not kept so far back. A scan comes before its fact, and behind the fact before.
    """
    try:
        with reading(samples) as db:
            if db is None:
                return None
            (oldest,) = db.execute("SELECT at_ms FROM samples ORDER BY id LIMIT 1").fetchone() or (None,)
            if oldest is None or oldest > after_ms:
                return None
            (count,) = db.execute(_RECORDED, (after_ms, to_ms)).fetchone()
            return int(count)
    except StorageFault:  # evidence may be dropped or set aside at any time; nothing hangs on it
        return None


_RECORDED = (
    "SELECT count(*) FROM samples WHERE kind = 'scan' AND verdict = 'recorded' AND at_ms > ? AND at_ms <= ?"
)
