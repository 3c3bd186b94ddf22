"""A consumer's own figures of a range against the journal's, kept as a certificate.

The consumer may halve a range that differs until it knows what to pull. What it sends is untrusted: a range
has a limit, each comparison is followed by a rest as long as it took, and there are so many an hour.
"""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiosqlite
import msgspec

from edge import alerts, epochs
from edge.epochs import Epoch
from edge.faults import Damaged, UplinkFault
from edge.ports import Clock
from sync.certificates.record import LOST, Certificate
from sync.comparison import Claim, Difference, differing
from sync.forgotten import overlapping
from sync.lost import taken_and_lost, tell
from sync.mqtt import wire
from sync.mqtt.wire import Refused
from sync.outcome import Answer
from sync.reconcile import Range, Reconciliation
from sync.store import Store
from sync.tally import Report

RANGE_MAX = 100_000  # seqs
_AT_ONCE, _REFILL_S = 200, 60.0  # comparisons that may be made, and when one more may be
_report = msgspec.json.Decoder(Report)


class Comparing:
    """Answers the comparisons of one consumer; `name` is its receiver's name in sync.db."""

    def __init__(self, name: str, answer_bytes: int, store: Store, journal: Path, clock: Clock) -> None:
        self.name = name
        self.answer_bytes = answer_bytes  # the broker may allow less
        self._store = store
        self._journal = journal
        self._clock = clock
        self._allowed = float(_AT_ONCE)
        self._refilled_s = self._free_s = time.monotonic()

    async def compare(self, body: bytes) -> bytes:
        """Both sides' figures and whether they match. Raises Refused, StorageFault."""
        request = wire.read(body, wire.Compare)
        if request.to_seq - request.from_seq >= RANGE_MAX:
            raise Refused("too-large", f"a range may have {RANGE_MAX} facts: compare it in parts")
        self._spend()
        await asyncio.sleep(max(0.0, self._free_s - time.monotonic()))
        begun_s = time.monotonic()
        try:
            certificate = await self._compared(request)
            await self._tell(certificate)
        finally:
            self._free_s = 2 * time.monotonic() - begun_s
        return self._answer(certificate)

    def _spend(self) -> None:
        """Take one of the comparisons that are allowed. Raises Refused."""
        now_s = time.monotonic()
        self._allowed = min(float(_AT_ONCE), self._allowed + (now_s - self._refilled_s) / _REFILL_S)
        self._refilled_s = now_s
        if self._allowed < 1:
            raise Refused("too-often", f"{_AT_ONCE} comparisons, then one each {_REFILL_S:.0f} s: ask later")
        self._allowed -= 1

    async def _compared(self, request: wire.Compare) -> Certificate:
        journal = await self._journal_of(request.source)
        await self._kept(journal, request)
        claimed = _Claimed(self.name, request.claim)
        one = Reconciliation(claimed, self._store, self._journal, self._clock)
        if await self._lost(journal, request):
            return await self._beyond(one, journal, request)
        try:
            found = await one.compare(Range(journal.path, request.from_seq, request.to_seq))
        except UplinkFault as fault:
            raise Refused("not-settled", f"{fault.message}. {fault.hint}") from fault
        except Damaged as fault:
            raise Refused("damaged", "the range cannot be read at the edge") from fault
        assert found is not None, "a claim is always there"
        return found

    async def _kept(self, journal: Epoch, request: wire.Compare) -> None:
        """Raises Refused: a part of the range was delivered and is pruned since. What never was, differs."""
        if request.from_seq >= journal.pruned:
            return
        span = request.from_seq, request.to_seq
        if not await overlapping(self._store, self.name, journal.epoch, *span):
            why = f"what is before seq {journal.pruned} is kept no more: compare from there on"
            raise Refused("forgotten", why, kept_from=journal.pruned)

    async def _beyond(self, one: Reconciliation, journal: Epoch, request: wire.Compare) -> Certificate:
        """What the consumer says of a range that the journal has lost."""
        found = await one.beyond(journal, range(request.from_seq, request.to_seq + 1))
        spans = await taken_and_lost(self._store, self.name, journal)
        await tell(self._store, self.name, journal, spans, self._clock.now().wall_ms)
        assert found is not None, "a claim is always there"
        return found

    async def _lost(self, journal: Epoch, request: wire.Compare) -> bool:
        """Whether the range is one that the journal has lost. Raises Refused: only a part of it is lost."""
        if journal.path == self._journal:
            return False
        span = range(request.from_seq, request.to_seq + 1)
        for gap in await taken_and_lost(self._store, self.name, journal):
            if span == gap:
                return True
            if span.start < gap.stop and gap.start < span.stop:
                raise Refused(
                    "lost",
                    f"the edge has lost seq {gap.start} to {gap[-1]} since they were settled: compare what is"
                    " around them, and exactly these apart: these figures are the evidence of what was lost",
                )
        return False

    async def _journal_of(self, source: str) -> Epoch:
        listed = await asyncio.to_thread(epochs.listed, self._journal)
        found = next((one for one in listed if one.source == source), None)
        if found is None:
            raise Refused("unknown-source", f"{source[:200]!r} is no journal that is kept here")
        return found

    async def _tell(self, latest: Certificate) -> None:
        """Keep the alert true: it stands until a wider range is compared and nothing differs."""
        key, now_ms = f"uplink.{self.name}.reconciliation", self._clock.now().wall_ms

        async def work(connection: aiosqlite.Connection) -> None:
            async with connection.execute(_OPEN, (self.name,)) as found:
                is_open = await found.fetchone() is not None
            if latest.differences and latest.occasion != LOST:
                await alerts.stand(connection, key, _words(latest), _HINT, now_ms)
            elif not is_open:
                await connection.execute(alerts.CLEAR, (now_ms, key))

        await self._store.transact(work)

    def _answer(self, certificate: Certificate) -> bytes:
        """The answer; without totals, which are the longest, where it would be longer than allowed."""
        said: dict[str, Any] = {
            **msgspec.to_builtins(certificate.report),
            "match": certificate.match,
            "differences": [msgspec.to_builtins(one) for one in certificate.differences],
        }
        for left_out in (None, "totals", "excluded"):
            if left_out is not None:
                said[left_out] = None
            if len(found := msgspec.json.encode(said)) <= self.answer_bytes:
                return found
        raise Refused("too-large", "the answer would be too large: compare the range in parts")


class _Claimed:
    """A consumer's figures in the place of a receiver that is asked: it answers what they come to."""

    def __init__(self, name: str, claim: Claim) -> None:
        self.name = name
        self._claim = claim

    async def reconcile(self, report: bytes) -> Answer:
        """As a receiver answers over HTTP."""
        found = differing(_report.decode(report), self._claim)
        body = {"match": not found, "differences": [_told(one) for one in found], "count": self._claim.count}
        return Answer(200, {}, msgspec.json.encode(body))


def _told(one: Difference) -> Mapping[str, str]:
    """A difference as a receiver tells it: with the place, here in words, and both figures."""
    return {"kind": one.what, "sent": one.here, "received": one.there}


def _words(one: Certificate) -> str:
    first, report = one.differences[0], one.report
    return (
        f"{one.uplink} holds other figures than were delivered: seq {report.from_seq} to {report.to_seq} of"
        f" {one.epoch}, {len(one.differences)} differ, {first.what}: here {first.here}, there {first.there}"
    )


_HINT = (
    "Facts here never change: the consumer pulls again what it lacks (docs/mqtt.md), then compares the whole"
    " range once more"
)
_DIFFERS = f"{{0}}.occasion <> '{LOST}' AND json_array_length({{0}}.findings, '$.differences') > 0"
_OPEN = f"""
SELECT 1 FROM certificates AS one WHERE uplink = ? AND {_DIFFERS.format("one")} AND NOT EXISTS (
    SELECT 1 FROM certificates AS later WHERE later.uplink = one.uplink AND later.epoch = one.epoch
    AND later.id > one.id AND (
        later.to_seq >= one.to_seq AND later.from_seq <= one.from_seq AND NOT ({_DIFFERS.format("later")})
        -- what is lost of a range since: it cannot be compared whole any more
        OR later.occasion = '{LOST}' AND later.from_seq BETWEEN one.from_seq AND one.to_seq)
) LIMIT 1
"""  # noqa: S608
