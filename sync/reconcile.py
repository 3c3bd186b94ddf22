"""Reconciliation: what we say was posted against what the receiver says; kept as a certificate.

`match` is ours to doubt: it counts only where the receiver says so and nothing of the range is rejected.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiosqlite
import msgspec

from edge.events import ClockStepped, decode
from edge.faults import UplinkFault
from edge.journal import Reader
from edge.ports import Clock
from sync.outcome import Answer, excerpt
from sync.store import Store
from sync.tally import Report, Tally
from sync.uplink import Uplink

_READ_EVENTS = 1000
_STEPPED = f"lineside.{ClockStepped.type}.v1".encode()


class _Answer(msgspec.Struct):
    match: bool
    missing: list[int] = []
    differences: list[object] = []


@dataclass(frozen=True)
class Certificate:
    """A stored reconciliation."""

    report: Report
    match: bool
    missing: tuple[int, ...]  # seqs that the receiver does not hold though it should
    differences: tuple[object, ...]


class Reconciliation:
    """Compares ranges of the journal with one receiver."""

    def __init__(self, uplink: Uplink, store: Store, journal: Path, clock: Clock) -> None:
        self._uplink = uplink
        self._store = store
        self._journal = journal
        self._clock = clock

    async def reconcile(self, from_seq: int, to_seq: int) -> Certificate | None:
        """Compare this range, inclusive; None where the receiver does not offer it.

        Raises UplinkFault where the range is not settled yet or the receiver gives no answer.
        """
        async with await Reader.open(self._journal) as reader:
            cursor = await self._store.cursor(self._uplink.name)
            if cursor is None or cursor.epoch != reader.epoch or not 0 < from_seq <= to_seq <= cursor.seq:
                raise UplinkFault(
                    f"{self._uplink.name}: seq {from_seq} to {to_seq} cannot be compared",
                    hint=f"Settled is 1 to {cursor.seq if cursor else 0} of {reader.epoch}",
                )
            report = await self._report(reader, from_seq, to_seq, cursor.seq)
        body = msgspec.json.encode(report)
        answer = await self._uplink.reconcile(body)
        if answer.status == 404:
            return None
        said = self._understood(answer)
        match = said.match and not report.excluded
        await self._keep(reader.epoch, report, match, body, answer.body)
        return Certificate(report, match, tuple(said.missing), tuple(said.differences))

    async def _report(self, reader: Reader, from_seq: int, to_seq: int, settled: int) -> Report:
        tally = Tally(
            await self._excluded(reader.epoch, settled), await self._dates(reader.epoch, from_seq, to_seq)
        )
        async for _, body in _between(reader, from_seq, to_seq):
            tally.take(decode(body))
        if named := [id_.encode() for id_ in tally.missing()]:
            async for _, body in _between(reader, 1, from_seq - 1):
                if any(id_ in body for id_ in named):
                    tally.take_earlier(decode(body))
        if tally.undated and to_seq < settled:  # dated by a step that the receiver has too
            dates = await self._dates(reader.epoch, to_seq + 1, settled)
            async for seq, body in _between(reader, to_seq + 1, settled):
                if _STEPPED in body:
                    tally.take_later(decode(body), dates.get(seq))
        return tally.report(reader.source, from_seq, to_seq)

    async def _excluded(self, epoch: str, to_seq: int) -> frozenset[int]:
        rows = await self._store.rows(
            "SELECT seq FROM quarantine WHERE uplink = ? AND epoch = ? AND seq <= ? AND how IS NOT 'posted'",
            self._uplink.name,
            epoch,
            to_seq,
        )
        return frozenset(row[0] for row in rows)

    async def _dates(self, epoch: str, from_seq: int, to_seq: int) -> dict[int, str]:
        rows = await self._store.rows(
            "SELECT first_seq, last_seq, posting_dates FROM receipts WHERE uplink = ? AND epoch = ?"
            " AND last_seq >= ? AND first_seq <= ? AND posting_dates IS NOT NULL ORDER BY id DESC",
            self._uplink.name,
            epoch,
            from_seq,
            to_seq,
        )
        dates: dict[int, str] = {}
        for first, last, text in rows:
            given = msgspec.json.decode(text, type=dict[int, str] | str)
            dates |= given if isinstance(given, dict) else dict.fromkeys(range(first, last + 1), given)
        return dates

    def _understood(self, answer: Answer) -> _Answer:
        if answer.status == 200:
            try:
                return msgspec.json.decode(answer.body, type=_Answer)
            except (msgspec.DecodeError, RecursionError):
                pass
        raise UplinkFault(
            f"{self._uplink.name}: reconciliation answered {answer.status}{excerpt(answer.body)}",
            hint="Events are not touched by this; try again, then ask who runs the receiver",
        )

    async def _keep(self, epoch: str, report: Report, match: bool, body: bytes, answer: bytes) -> None:
        row = (self._uplink.name, epoch, report.from_seq, report.to_seq, self._clock.now().wall_ms)

        async def work(connection: aiosqlite.Connection) -> None:
            await connection.execute(
                "INSERT INTO certificates (uplink, epoch, from_seq, to_seq, at_ms, match, report, answer)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*row, match, body.decode(), answer.decode("utf-8", "replace")),
            )

        await self._store.transact(work)


async def _between(reader: Reader, first: int, last: int) -> AsyncIterator[tuple[int, bytes]]:
    """The stored events of a range, inclusive."""
    at = first - 1
    while at < last and (rows := await reader.read_after(at, min(_READ_EVENTS, last - at))):
        for row in rows:
            yield row
        at = rows[-1][0]
