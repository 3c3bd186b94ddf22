"""What a receiver took and a journal has lost since: its books are the evidence of what is gone.

A damaged journal proves less than it held, and an older copy ends earlier. Such seqs are never compared with
the rest: they would look like a difference, and left out like a match. They are asked for apart, with nothing
on our side, so that the receiver's answer is the count and the totals of what was lost. Their certificate
never matches, and the alert stands until the journal itself is forgotten.
"""

from collections.abc import Collection, Iterable, Sequence

import aiosqlite

from edge import alerts
from edge.epochs import Epoch
from sync.certificates.record import LOST, Certificate, of
from sync.comparison import MISSING_MAX
from sync.store import Store


async def taken_and_lost(store: Store, uplink: str, journal: Epoch) -> list[range]:
    """What this receiver settled of a journal that was set aside and the journal does not prove any more.

    In parts of which an answer can name every seq.
    """
    ((first, last),) = await store.rows(_TAKEN, uplink, journal.epoch)
    if first is None:
        return []
    found = gaps(range(first, last + 1), f"{journal.missing},{journal.head + 1}-")
    return [gap[at : at + MISSING_MAX] for gap in found for at in range(0, len(gap), MISSING_MAX)]


def whole(span: range, missing: str) -> list[range]:
    """The parts of a span without the seqs that could not be saved: `12-15,40`, `301-`."""
    found, first = [], span.start
    for gap in filter(None, missing.split(",")):
        begin, dash, end = gap.partition("-")
        found.append(range(first, min(int(begin), span.stop)))
        first = max(first, int(end or (span.stop if dash else begin)) + 1)
    return [part for part in (*found, range(first, span.stop)) if part]


def gaps(span: range, missing: str) -> list[range]:
    """The parts of a span that could not be saved."""
    parts = whole(span, missing)
    starts = [span.start, *(part.stop for part in parts)]
    ends = [*(part.start for part in parts), span.stop]
    return [gap for gap in map(range, starts, ends) if gap]


async def tell(store: Store, uplink: str, journal: Epoch, spans: Iterable[range], at_ms: int) -> None:
    """Keep the alert about one journal true: what is lost of it, and what the receiver says of that."""
    known = [of(row) for row in await store.rows(_CERTIFICATES, uplink, journal.epoch)]
    key, text = f"uplink.{uplink}.lost.{journal.epoch}", _words(uplink, journal, spans, known)

    async def work(connection: aiosqlite.Connection) -> None:
        await connection.execute(_OUTDATED, (at_ms, key, text))
        await alerts.stand(connection, key, text, _HINT, at_ms)

    await store.transact(work)


async def forget(store: Store, kept: Collection[str], at_ms: int) -> None:
    """Clear the alerts about journals that are not kept any more."""
    for (key,) in await store.rows(_STANDING):
        if key.rpartition(".")[2] not in kept:
            await store.clear_alert(key, at_ms)


def _words(uplink: str, journal: Epoch, spans: Iterable[range], known: Sequence[Certificate]) -> str:
    seqs = ", ".join(f"{span.start}-{span[-1]}" if len(span) > 1 else str(span.start) for span in spans)
    said = f"{uplink} took facts that journal {journal.epoch} has lost since, seq {seqs}"
    if not known:
        return f"{said}. What it holds of them it has not said yet"
    held = sum(one.posted for one in known)
    numbers = ", ".join(str(one.id) for one in known)
    return f"{said}. It holds {held} of them, by its own word: certificates {numbers}"


_HINT = (
    "Nothing is sent again or taken back. What the receiver holds is the evidence of what was lost:"
    " `lineside reconcile show <no.>` has its count and totals. Compare them with paper and people, and put"
    " right in the ERP what is wrong there"
)
_TAKEN = (
    "SELECT min(first), max(last) FROM (SELECT min(first_seq) AS first, max(last_seq) AS last FROM receipts"
    " WHERE uplink = ?1 AND epoch = ?2 UNION ALL SELECT min(seq), max(seq) FROM quarantine"
    " WHERE uplink = ?1 AND epoch = ?2)"
)
_CERTIFICATES = f"""
SELECT id, uplink, epoch, at_ms, match, report, answer, occasion, findings FROM certificates AS one
WHERE uplink = ? AND epoch = ? AND occasion = '{LOST}' AND NOT EXISTS (
    SELECT 1 FROM certificates AS later WHERE later.uplink = one.uplink AND later.epoch = one.epoch
    AND later.from_seq = one.from_seq AND later.to_seq = one.to_seq AND later.id > one.id) ORDER BY id
"""  # noqa: S608 our own text
_OUTDATED = "UPDATE alerts SET cleared_ms = ? WHERE key = ? AND cleared_ms IS NULL AND text <> ?"
_STANDING = "SELECT key FROM alerts WHERE cleared_ms IS NULL AND key GLOB 'uplink.*.lost.*'"
