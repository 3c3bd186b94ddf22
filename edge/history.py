"""Looking a fact up in the journal, for a person who corrects it: backwards, for it is seldom an old one.

The search runs beside the collector's actor, in portions; what came meanwhile is read just before the turn of
the settlement, so that no correction is told twice.
"""

import msgspec

from edge.events import decode
from edge.journal import Log
from edge.station.review.originals import Traced, after, concerns

_PAGE = 1000


async def trace(journal: Log, id_: str) -> tuple[Traced, int]:
    """What the present journal says of a fact, and through which seq it was read. Raises StorageFault."""
    head = journal.head
    start = await _before(journal, id_, head)
    return await read_on(journal, Traced(id=id_), head if start is None else start, head)


async def read_on(journal: Log, traced: Traced, seq: int, through: int) -> tuple[Traced, int]:
    """The same with the events behind `seq` up to `through`. Raises StorageFault."""
    while seq < through and (rows := await journal.read_after(seq, min(_PAGE, through - seq))):
        for seq, body in rows:  # noqa: B007
            if concerns(body, traced.id):
                traced = _after(traced, body)
    return traced, seq


async def _before(journal: Log, id_: str, head: int) -> int | None:
    """A seq before the fact, near it; None where the journal does not hold it."""
    own = f'"id":"{id_}"'.encode()
    low = head
    while low > max(journal.pruned - 1, 0):
        low = max(low - _PAGE, 0)
        if any(own in body for _, body in await journal.read_after(low, _PAGE)):
            return low
    return None


def _after(traced: Traced, body: bytes) -> Traced:
    try:
        return after(traced, decode(body))
    except msgspec.DecodeError:
        return traced  # damaged: the daily check says so
