"""Reconciliation: what we say was posted against what the receiver says; kept as a certificate.

`match` is ours to doubt: it counts only where the receiver says so and nothing of the range is rejected. What
the receiver lost goes out again as what a person released from quarantine does, by the agent: before anything
new, in seq order, each under its own id, so that it is never posted twice.
"""

import asyncio
import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiosqlite
import msgspec

from edge import epochs, schema
from edge.events import chain_of, first_broken
from edge.faults import JournalDamaged, UplinkFault
from edge.journal import Reader
from edge.masterdata.store import MASTERDATA
from edge.ports import Clock
from edge.ring import SAMPLES
from sync import quarantine
from sync.batch import Head
from sync.certificates.record import LOST, Certificate, Counts, Findings, keep
from sync.certificates.scanned import scanned
from sync.comparison import Said, counted, understood
from sync.figures import Figures, reckoned
from sync.forgotten import overlapping
from sync.lacking import lacking
from sync.outcome import RENEW_HINT, Answer, excerpt, printable, said_in
from sync.settlement import Quarantined
from sync.store import Store
from sync.tally import Report
from sync.uplink import Books

_OF_NOTHING = hashlib.sha256().hexdigest()  # the digest of no facts
_head = msgspec.json.Decoder(Head)


@dataclass(frozen=True)
class Range:
    """Facts of one journal, inclusive."""

    path: Path
    from_seq: int
    to_seq: int
    occasion: str = ""  # a shift, a day, asked


class Reconciliation:
    """Compares ranges of a journal with one receiver."""

    def __init__(self, uplink: Books, store: Store, journal: Path, clock: Clock) -> None:
        self._uplink = uplink
        self._store = store
        self._journal = journal
        self._clock = clock

    async def compare(self, given: Range, resent: int = 0) -> Certificate | None:
        """Compare a range and keep the certificate; None where the receiver does not offer it.

        Raises UplinkFault where the range is not settled yet or the receiver gives no answer, StorageFault.
        """
        async with await Reader.open(given.path) as reader:
            settled = await self._settled(reader, given)
            try:
                figures = await reckoned(
                    reader, self._store, self._uplink.name, given.from_seq, given.to_seq, settled
                )
            except (sqlite3.Error, msgspec.DecodeError) as error:
                raise schema.unusable(given.path, error) from error
            epoch = reader.epoch
        answer = await self._uplink.reconcile(msgspec.json.encode(figures.report))
        if answer.status == 404:
            return None
        said = self._understood(answer, figures.report)
        if gone := await overlapping(self._store, self._uplink.name, epoch, given.from_seq, given.to_seq):
            said = msgspec.structs.replace(said, match=False, differences=(*said.differences, *gone))
        findings = await self._findings(given.path, epoch, figures, said, resent)
        return await self._kept(epoch, given.occasion, figures.report, said.match, findings, answer.body)

    async def beyond(self, journal: epochs.Epoch, span: range) -> Certificate | None:
        """Ask what the receiver holds of what the journal has lost; None where it does not offer to compare.

        The certificate is no match, whatever it says. Raises UplinkFault, StorageFault.
        """
        where = (self._uplink.name, journal.epoch, span.start, span[-1])
        excluded = [row[0] for row in await self._store.rows(_EXCLUDED, *where)]
        report = Report(journal.source, span.start, span[-1], 0, _OF_NOTHING, excluded, [])
        answer = await self._uplink.reconcile(msgspec.json.encode(report))
        if answer.status == 404:
            return None
        said = self._understood(answer, report)
        ((unsent, waiting),) = await self._store.rows(_UNSENT, *where)
        told = 0 if said.match else counted(said.differences)
        settled = len(span) - len(excluded) if told is None else told + len(said.missing)
        lacks = await lacking(self._store, where, None, (), self._journal.parent / MASTERDATA)
        findings = Findings(
            Counts(None, 0, len(span) - unsent, settled, lacks.count),
            missing=said.missing,
            absurd=said.absurd,
            differences=said.differences,
            held_back=lacks.held_back,
            waiting=waiting,
            discarded=lacks.discarded,
            written_off=lacks.written_off,
        )
        return await self._kept(journal.epoch, LOST, report, False, findings, answer.body)

    async def send_again(self, given: Range, missing: Sequence[int]) -> int:
        """Put up what the receiver does not hold for the agent to send; how many. Raises StorageFault."""
        async with await Reader.open(given.path) as reader:
            lost, epoch = await self._lost(reader, missing), reader.epoch
        now_ms = self._clock.now().wall_ms

        async def work(connection: aiosqlite.Connection) -> None:
            await quarantine.send_again(connection, self._uplink.name, epoch, lost, now_ms)

        if lost:
            await self._store.transact(work)
        return len(lost)

    async def _settled(self, reader: Reader, given: Range) -> int:
        """Through where the receiver has settled this journal. Raises UplinkFault: not as far as asked."""
        cursor = await self._store.cursor(self._uplink.name)
        settled = cursor.seq if cursor is not None and cursor.epoch == reader.epoch else 0
        if cursor is not None and cursor.epoch != reader.epoch and given.path != self._journal:
            listed = [one.epoch for one in await asyncio.to_thread(epochs.listed, self._journal)]
            passed = listed.index(cursor.epoch) if cursor.epoch in listed else 0
            settled = await reader.head() if reader.epoch in listed[:passed] else 0
        if not 0 < given.from_seq <= given.to_seq <= settled:
            raise UplinkFault(
                f"{self._uplink.name}: seq {given.from_seq} to {given.to_seq} cannot be compared",
                hint=f"Settled is 1 to {settled} of {reader.epoch}",
            )
        return settled

    async def _lost(self, reader: Reader, missing: Sequence[int]) -> list[Quarantined]:
        """The facts of these seqs, as far as the journal holds and proves them."""
        found = []
        for seq in missing:
            rows = await reader.read_after(max(0, seq - 2), 2)
            at = next((index for index, row in enumerate(rows) if row[0] == seq), None)
            if at is None:
                continue  # forgotten, in order
            body = rows[at][1]
            before = chain_of(rows[at - 1][1]) if at else "" if seq == 1 else None
            if first_broken([(seq, body)], seq - 1, before) is not None:
                raise JournalDamaged(
                    f"{reader.path}: seq {seq} does not follow on seq {seq - 1}; it was not sent again",
                    hint="`lineside events verify` shows what is damaged; keep a copy of the file",
                )
            found.append(Quarantined(seq, _head.decode(body), body, "retrying", b""))
        return found

    async def _findings(self, path: Path, epoch: str, figures: Figures, said: Said, resent: int) -> Findings:
        span = (self._uplink.name, epoch, figures.report.from_seq, figures.report.to_seq)
        ((unsent, waiting),) = await self._store.rows(_UNSENT, *span)
        folder = self._journal.parent
        scans = await asyncio.to_thread(scanned, folder / SAMPLES, figures.after_ms, figures.to_ms)
        lacks = await lacking(self._store, span, path, said.missing, folder / MASTERDATA)
        counts = Counts(scans, figures.stored, figures.stored - unsent, figures.report.count, lacks.count)
        return Findings(
            counts,
            figures.from_ms,
            figures.to_ms,
            said.missing,
            resent,
            said.absurd,
            said.differences,
            lacks.held_back,
            waiting,
            lacks.discarded,
            lacks.written_off,
        )

    def _understood(self, answer: Answer, report: Report) -> Said:
        said = f"{self._uplink.name}: reconciliation answered {answer.status}"
        if answer.status != 200:
            hint = _HINTS.get(answer.status, "Try again, then ask who runs the receiver")
            raise UplinkFault(f"{said}{said_in(answer.body)}", hint=f"{hint}. {_UNTOUCHED}")
        try:
            return understood(answer.body, report)
        except (msgspec.DecodeError, RecursionError) as error:
            wrong = printable(str(error), 120)
            raise UplinkFault(
                f"{said} with something that is no comparison ({wrong}){excerpt(answer.body)}",
                hint=f"{_FORM}. {_UNTOUCHED}",
            ) from error

    async def _kept(
        self, epoch: str, occasion: str, report: Report, match: bool, findings: Findings, answer: bytes
    ) -> Certificate:
        now_ms = self._clock.now().wall_ms
        made = Certificate(0, self._uplink.name, epoch, occasion, now_ms, match, report, findings)
        found: list[Certificate] = []

        async def work(connection: aiosqlite.Connection) -> None:
            found.append(await keep(connection, made, answer))

        await self._store.transact(work)
        return found[0]


def ranges(certificates: Iterable[Certificate], found: Sequence[epochs.Epoch]) -> list[Range]:
    """The ranges of certificates, where their journals are still there."""
    paths = {one.epoch: one.path for one in found}
    return [
        Range(paths[one.epoch], one.report.from_seq, one.report.to_seq, one.occasion)
        for one in certificates
        if one.epoch in paths
    ]


_HINTS = {
    401: RENEW_HINT,
    403: "Give this account the right to compare: POST to the uplink's url with /reconciliation behind it",
}
_FORM = (
    'It must be {"match": true or false, "missing": [seqs], "differences": []} (docs/openapi.yaml): tell who'
    " runs the receiver"
)
_UNTOUCHED = "Nothing was compared, no certificate was made; events go on"
_UNSENT = (
    "SELECT count(*) FILTER (WHERE state = 'held' AND epoch = ?2 AND seq BETWEEN ?3 AND ?4),"
    " count(*) FILTER (WHERE state <> 'settled') FROM quarantine WHERE uplink = ?1"
)
_EXCLUDED = (
    "SELECT seq FROM quarantine WHERE uplink = ? AND epoch = ? AND seq BETWEEN ? AND ?"
    " AND how IS NOT 'posted' ORDER BY seq"
)
