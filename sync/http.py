"""The uplink over HTTP: one costing endpoint (DESIGN, section 6).

The encoding that a receiver cannot take is remembered until the process ends.
"""

import asyncio
import gzip

import zstandard

from edge.faults import UplinkFault
from edge.ports import Clock
from sync.authorization import authorization
from sync.batch import Batch
from sync.outcome import ENCODINGS, Again, Answer, Pause, Reencode, Settled, Verdict, decide
from sync.secret import SecretFault
from sync.settings import HttpSettings
from sync.wire import Late, Wire

BATCH_TYPE = "application/cloudevents-batch+json"
ZSTD_LEVEL = 1  # events repeat one another: a batch gets smaller than by level 3, and for less CPU
_ANSWER_BYTES_MAX = 4 * 1024 * 1024
_MASTERDATA_BYTES_MAX = 64 * 1024 * 1024


class HttpUplink:
    """A receiver that answers per event. Opens its connections when first used."""

    def __init__(self, name: str, settings: HttpSettings, clock: Clock) -> None:
        self.name = name
        self.settings = settings
        self._clock = clock
        self._wire = Wire(settings)
        self._proof = authorization(settings, self._wire, clock)
        self._encoding = ENCODINGS[0]
        self._zstd = zstandard.ZstdCompressor(level=ZSTD_LEVEL)

    async def ship(self, batch: Batch) -> Verdict:
        """Send a batch and say what its answer means. Never raises a Fault."""
        encoding = self._encoding
        while True:
            headers = {"Content-Type": BATCH_TYPE, "Idempotency-Key": batch.key}
            try:
                answer = await self._post("", batch.body, headers, encoding)
            except SecretFault as fault:
                return Pause(fault.message, fault.hint)
            except UplinkFault as fault:
                return Again(fault.message, fault.hint, late=isinstance(fault, Late))
            now_ms = self._clock.now().wall_ms
            verdict = decide(answer, batch.ids, encoding, now_ms, self.settings.proves)
            if isinstance(verdict, Settled):
                self._encoding = encoding  # what the receiver has understood
            if not isinstance(verdict, Reencode):
                return verdict
            encoding = verdict.encoding
            if verdict.lasting:
                self._encoding = encoding

    async def reconcile(self, report: bytes) -> Answer:
        """Send a reconciliation report (JSON). Raises UplinkFault."""
        headers = {"Content-Type": "application/json"}
        return await self._post("/reconciliation", report, headers, "identity")

    async def fetch_masterdata(self, etag: str | None) -> Answer:
        """Ask for master data newer than `etag`. Raises UplinkFault."""
        headers = {"If-None-Match": etag} if etag else {}
        return await self._call("GET", "/masterdata", None, headers, _MASTERDATA_BYTES_MAX)

    async def close(self) -> None:
        """Let go of all connections."""
        await self._wire.close()

    async def _post(self, path: str, body: bytes, headers: dict[str, str], encoding: str) -> Answer:
        if encoding == "zstd":
            body = self._zstd.compress(body)
        elif encoding == "gzip":
            body = await asyncio.to_thread(gzip.compress, body, 6)  # 10 ms a batch: not on the loop
        if encoding != "identity":
            headers["Content-Encoding"] = encoding
        return await self._call("POST", path, body, headers, _ANSWER_BYTES_MAX)

    async def _call(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], bytes_max: int
    ) -> Answer:
        """One call with our proof; once more where that was refused and another can be had."""
        answer = await self._proven(method, path, body, headers, bytes_max)
        if answer.status == 401 and self._proof.refused():
            answer = await self._proven(method, path, body, headers, bytes_max)
        return answer

    async def _proven(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], bytes_max: int
    ) -> Answer:
        if (proof := await self._proof.header()) is not None:
            headers["Authorization"] = proof
        url = self.settings.url + path
        return await self._wire.call(method, url, body, headers, bytes_max, self._proof.secrets())
