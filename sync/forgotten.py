"""Facts that the journal forgot before a receiver had them: said by name, never passed over in silence.

Pruning waits for every receiver that is configured. One that comes later begins where the journal does now;
one that was taken out and is put back, or was unknown to the collector, may stand before that. What it never
gets is an alert, and a certificate that no comparison makes a match.
"""

import hashlib
from collections.abc import Sequence

import aiosqlite

from edge import alerts
from edge.epochs import Epoch
from edge.wallclock import EARLIEST_MS
from sync.certificates.record import FORGOTTEN, Certificate, Counts, Findings, keep
from sync.comparison import Difference
from sync.lost import whole
from sync.store import Store, begun_key
from sync.tally import Report


async def begin(store: Store, uplink: str, journal: Epoch, at_ms: int, *, is_new: bool) -> int:
    """Put a cursor before the first fact that a journal holds; returns its seq. Raises StorageFault.

    `is_new`: the receiver was never heard of, so what was forgotten before is told of until the next start.
    """
    seq = max(0, journal.pruned - 1)
    await store.begin(uplink, journal.epoch, seq, at_ms)
    if seq and is_new:
        text = f"{uplink} begins at seq {seq + 1} of {journal.epoch}: {_words([range(1, seq + 1)])} forgotten"
        await store.raise_alert(
            begun_key(uplink), f"{text} before it was configured and never reach it", _BEGUN_HINT, at_ms
        )
    return seq


async def passed_over(
    store: Store, uplink: str, journal: Epoch, seq: int, first: int, at_ms: int
) -> int | None:
    """What lies between cursor `seq` and `first`, the next fact there is, will never be delivered: say so.

    Returns where the cursor stands now; None where nothing lies there but what the journal is known to have
    lost. Raises StorageFault.
    """
    gone = whole(range(seq + 1, first), journal.missing)
    if not gone:
        return None

    async def work(connection: aiosqlite.Connection) -> None:
        await connection.execute(_PASS, (first - 1, first - 1, uplink, journal.epoch, seq))
        key = _gone_key(uplink, journal, gone)
        text = f"{uplink}: {_words(gone)} not in {journal.epoch} any more: they never reach it"
        await alerts.stand(connection, key, text, _GONE_HINT, at_ms)
        for span in gone:
            await keep(connection, _certificate(uplink, journal, span, at_ms), b"")

    await store.transact(work)
    return first - 1


async def is_told(store: Store, uplink: str, journal: Epoch, seq: int, first: int) -> bool:
    """Whether a certificate says that what lies between them never reaches it. Raises StorageFault."""
    gone = whole(range(seq + 1, first), journal.missing)
    if not gone:
        return False
    return bool(await store.rows(_TOLD, uplink, journal.epoch, FORGOTTEN, gone[0].start))


async def over(store: Store, before_ms: int, at_ms: int) -> None:
    """Clear what stands since before an instant: who was to act on it had that time. Raises StorageFault.

    The certificate goes on saying it. One that was raised under a clock that cannot be right stays.
    """
    for (key,) in await store.rows(_OLD, EARLIEST_MS, before_ms - 1):
        await store.clear_alert(key, at_ms)


async def overlapping(store: Store, uplink: str, epoch: str, first: int, last: int) -> list[Difference]:
    """What of a range never reaches the receiver, as differences. Raises StorageFault."""
    rows = await store.rows(_OVERLAPPING, uplink, epoch, FORGOTTEN, last, first)
    return [_difference(range(row[0], row[1] + 1)) for row in rows]


def _difference(span: range) -> Difference:
    return Difference("never delivered", f"seq {span.start} to {span[-1]} are not here any more", "")


def _certificate(uplink: str, journal: Epoch, span: range, at_ms: int) -> Certificate:
    """Says of facts that are not here any more that nothing is proven of them."""
    nothing = hashlib.sha256().hexdigest()
    report = Report(journal.source, span.start, span[-1], 0, nothing, [], [])
    findings = Findings(Counts(None, 0, 0, 0), at_ms, at_ms, differences=(_difference(span),))
    return Certificate(0, uplink, journal.epoch, FORGOTTEN, at_ms, False, report, findings)


def _gone_key(uplink: str, journal: Epoch, gone: Sequence[range]) -> str:
    return f"uplink.{uplink}.forgotten.{journal.epoch}:{gone[0].start}"


def _words(spans: Sequence[range]) -> str:
    """`seq 4 to 9 are`; of many spans the first and the last seq."""
    first, last, count = spans[0].start, spans[-1][-1], sum(map(len, spans))
    if count == 1:
        return f"seq {first} is"
    if len(spans) == 1:
        return f"seq {first} to {last} are"
    return f"{count} facts from seq {first} to {last} are"


_PASS = "UPDATE uplinks SET seq = ?, reviewed = max(reviewed, ?) WHERE uplink = ? AND epoch = ? AND seq = ?"
_OVERLAPPING = (
    "SELECT DISTINCT from_seq, to_seq FROM certificates WHERE uplink = ? AND epoch = ? AND occasion = ?"
    " AND from_seq <= ? AND to_seq >= ? ORDER BY from_seq LIMIT 50"
)
_TOLD = "SELECT 1 FROM certificates WHERE uplink = ? AND epoch = ? AND occasion = ? AND from_seq = ?"
_OLD = (
    "SELECT key FROM alerts WHERE cleared_ms IS NULL AND raised_ms BETWEEN ? AND ?"
    " AND key GLOB 'uplink.*.forgotten.*'"
)
_BEGUN_HINT = (
    "Nothing to do where its books begin now. Else book there by hand what a backup holds of before"
    " (`lineside events export`). The next start of lineside sync clears this"
)
_GONE_HINT = (
    "They were pruned (storage.keep_days) while it was not in the configuration. Book them there by hand from"
    " a backup (`lineside events export`); what follows is delivered. Their certificate stays without a match"
)
