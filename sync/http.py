"""The uplink over HTTP: one costing endpoint (DESIGN, section 6).

Redirects are refused, answers are bounded in size and time, no cookie is kept and no proxy is taken from the
environment. The encoding that a receiver cannot take is remembered until the process ends.
"""

import asyncio
import gzip
import io
import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp
import zstandard

from edge import __version__
from edge.faults import UplinkFault
from edge.ports import Clock
from sync.authorization import Authorization, SecretFault, authorization
from sync.batch import Batch
from sync.outcome import ENCODINGS, Again, Answer, Pause, Reencode, Settled, Verdict, decide, printable
from sync.settings import HttpSettings

BATCH_TYPE = "application/cloudevents-batch+json"
_ANSWER_BYTES_MAX = 4 * 1024 * 1024
_MASTERDATA_BYTES_MAX = 64 * 1024 * 1024
_WARNS_BEYOND_BYTES = 1024 * 1024  # aiohttp warns about larger bytes, not about files


class HttpUplink:
    """A receiver that answers per event. Opens its connections when first used."""

    def __init__(
        self, name: str, settings: HttpSettings, clock: Clock, proof: Authorization | None = None
    ) -> None:
        self.name = name
        self.settings = settings
        self._clock = clock
        self._proof = proof or authorization(settings)
        self._encoding = ENCODINGS[0]
        self._zstd = zstandard.ZstdCompressor(level=3)
        self._session: aiohttp.ClientSession | None = None

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
                return Again(fault.message, fault.hint)
            verdict = decide(answer, batch.ids, encoding, self._clock.now().wall_ms)
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
        if self._session is not None:
            await self._session.close()
            self._session = None

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
        """One call and its whole answer, within the time-outs. Raises UplinkFault."""
        url = self.settings.url + path
        if (proof := await self._proof.header()) is not None:
            headers["Authorization"] = proof
        large = body is not None and len(body) > _WARNS_BEYOND_BYTES
        data: Any = io.BytesIO(body or b"") if large else body
        try:
            session = self._opened()
            async with session.request(
                method, url, data=data, headers=headers, allow_redirects=False
            ) as response:
                answer = Answer(response.status, _lower(response.headers), await _read(response, bytes_max))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, EOFError) as error:
            raise self._fault(method, url, error) from error
        if answer.status == 401:
            self._proof.refused()
        return answer

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            given = self.settings
            context = ssl.create_default_context(cafile=given.ca_file) if _encrypted(given.url) else True
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context, limit=4),
                timeout=aiohttp.ClientTimeout(
                    total=given.connect_timeout_s + given.answer_timeout_s,
                    sock_connect=given.connect_timeout_s,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"lineside/{__version__}", "Accept": "application/json"},
            )
        return self._session

    def _fault(self, method: str, url: str, error: Exception) -> UplinkFault:
        what, hint = _explained(error, self.settings)
        return UplinkFault(f"{method} {url}: {what}", hint=hint)


def _explained(error: Exception, settings: HttpSettings) -> tuple[str, str]:
    """A transport's error in words, and what to do."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return (
            f"the receiver's certificate is not trusted ({printable(str(error), 200)})",
            "Put the PEM file of the authority that signed it into ca_file, or correct this machine's clock",
        )
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the name {error.host} is unknown", "Check the uplink's url and this machine's DNS server"
    if isinstance(error, TimeoutError):
        limit = settings.connect_timeout_s + settings.answer_timeout_s
        return f"no whole answer within {limit:g} s", "Nothing to do unless it lasts; then check the network"
    if isinstance(error, aiohttp.ClientConnectorError):
        return (
            f"no connection ({printable(error.os_error.strerror or str(error), 200)})",
            "Nothing to do unless it lasts; then check the url, the network and the receiver",
        )
    if isinstance(error, FileNotFoundError | ssl.SSLError) and settings.ca_file is not None:
        return (
            f"ca_file {settings.ca_file} cannot be used ({error})",
            "It must be a PEM file with certificates",
        )
    return (
        f"the call broke off ({printable(f'{type(error).__name__}: {error}', 200)})",
        "Nothing to do unless it lasts; then check the network and the receiver's log",
    )


async def _read(response: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    """The whole body; bounded, for a receiver gone mad must not fill our memory."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > bytes_max:
            raise ValueError(f"the answer is larger than {bytes_max} bytes")
    return bytes(body)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _encrypted(url: str) -> bool:
    return url.startswith("https:")
