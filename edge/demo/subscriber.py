"""The demo's ERP where it only speaks MQTT: it pulls, books into the endpoint's ledger, and acks.

This is `lineside pull` with other books: the ledger of the cost sheets, which decides on each event.
"""

import asyncio
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from edge.demo.broker import Broker
from edge.demo.endpoint import Endpoint
from edge.demo.endpoint.examine import examine
from edge.faults import UplinkFault
from edge.pulling.asking import Asking, Refusal, Stopped
from edge.pulling.follow import Taken, follow
from edge.pulling.line import Address, Line

CONSUMER = "erp"
_PAGE_EVENTS = 200
_AGAIN_S = 2.0
_PAUSE_S = 0.2


class Subscriber:
    """`async with`: pulls until the block ends. `base` is the edge's topic."""

    def __init__(self, erp: Endpoint, broker: Broker, base: str) -> None:
        self._erp = erp
        self._broker = broker
        self._base = base
        self._asking: Asking | None = None
        self._stopping = False

    @property
    def listening(self) -> bool:
        """Whether the way to the ERP is open."""
        return self._broker.running

    async def cut(self) -> None:
        """End the broker, and with it all that it holds."""
        await self._broker.stop()

    async def restore(self) -> None:
        """Start the broker again; it knows nothing. Raises Fault."""
        await self._broker.start()

    async def __aenter__(self) -> "Subscriber":
        await self._broker.start()
        self.work = asyncio.create_task(asyncio.to_thread(self._pull), name="subscriber")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        if (asking := self._asking) is not None:
            asking.stop()
        await asyncio.wait([self.work])
        await self._broker.stop()

    def _pull(self) -> None:
        """Until told to stop, from connection to connection. Raises Refusal."""
        address = Address("127.0.0.1", self._broker.port, self._base, CONSUMER, tls=False)
        while not self._stopping:
            asking = self._asking = Asking(address, _AGAIN_S, greeting=self._offer)
            try:
                with asking:
                    follow(asking, _Books(self._erp), _PAGE_EVENTS, once=False)
            except Stopped:
                return
            except Refusal:
                raise
            except UplinkFault:
                time.sleep(_PAUSE_S)

    def _offer(self, line: Line) -> None:
        """Master data, kept by the broker for a lineside that comes later."""
        line.publish(f"{self._base}/masterdata", self._erp.masterdata.current().body, retain=True)


class _Books:
    """The endpoint's ledger. lineside keeps the cursor; an event that comes again is known by its id."""

    def __init__(self, erp: Endpoint) -> None:
        self._erp = erp

    def cursor(self) -> str | None:
        return None

    def take(self, events: Sequence[dict[str, Any]], cursor: str) -> Taken:
        if not events:
            return Taken(0)
        items = [examine(event) for event in events]
        results = self._erp.ledger.call(
            self._erp.ledger.take, items, self._erp.masterdata.current().masterdata
        )
        rejected = [
            {"id": one["id"], "problem": one["problem"]} for one in results if one["status"] == "rejected"
        ]
        return Taken(sum(one["status"] == "accepted" for one in results), rejected)
