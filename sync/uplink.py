"""The seam to a receiver: what the agent, master data and reconciliation ask of any kind of uplink."""

from typing import Protocol

from sync.batch import Batch
from sync.outcome import Answer, Verdict
from sync.settings import Delivery


class Books(Protocol):
    """Whoever keeps books to be compared with ours."""

    @property
    def name(self) -> str: ...

    async def reconcile(self, report: bytes) -> Answer:
        """The receiver's view of a report; 404 where it is not offered. Raises UplinkFault."""


class Uplink(Books, Protocol):
    """One configured receiver."""

    @property
    def settings(self) -> Delivery: ...

    async def ship(self, batch: Batch) -> Verdict:
        """Send a batch; say what the receiver's answer means for each event. Never raises a Fault.

        Cancellation may leave it unknown whether the receiver took the batch: sending it again is harmless.
        """

    async def fetch_masterdata(self, etag: str | None) -> Answer:
        """Master data newer than `etag`: 200, 304, or 404 where it is not offered. Raises UplinkFault."""

    async def close(self) -> None: ...
