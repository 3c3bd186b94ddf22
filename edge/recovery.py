"""The stations' state out of a journal: at a restart, and at the end of one that is set aside."""

import msgspec
import structlog

from edge.events import decode
from edge.journal import Log, Reader, Snapshot, replay
from edge.station.evolve import fold
from edge.station.handover import carried, posted_unknown
from edge.station.state import STATE_VERSION, Line

log = structlog.get_logger()
_PAGE = 1000


async def restored(journal: Log) -> tuple[Line, int]:
    """The state after the journal's last event, and its seq. Raises JournalDamaged, StorageFault."""
    line, seq = _held(await journal.snapshot(), journal.pruned)
    async for event in replay(journal, seq):
        line, seq = fold(line, event), event.seq
    return line, seq


async def state_of(reader: Reader, posted: bool) -> str:
    """The state at the end of a journal that is set aside, as the next one's first event carries it.

    What is missing in it is skipped. `posted`: receivers may hold facts that it has lost, so nothing that one
    of them may have carried is carried again.
    """
    line, seq = _held(await reader.snapshot(), reader.pruned)
    while rows := await reader.read_after(seq, _PAGE):
        for seq, body in rows:  # noqa: B007
            line = fold(line, decode(body))
    return carried(posted_unknown(line) if posted else line)


def _held(snapshot: Snapshot | None, pruned: int) -> tuple[Line, int]:
    """The snapshot's state. One of another version is used only where the facts before it are forgotten."""
    if snapshot is not None and (snapshot.version == STATE_VERSION or pruned):
        try:
            return msgspec.json.decode(snapshot.state, type=Line), snapshot.seq
        except msgspec.DecodeError as error:
            log.warning("the snapshot cannot be read, every event is folded again", error=str(error))
    return Line(), max(0, pruned - 1)
