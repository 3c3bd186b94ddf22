"""What goes out unasked while there is a connection: the live feed, alerts and the status.

No promise: what nobody took is not sent again. The feed goes on where it stood unless it lags too far.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from edge import __version__
from edge.alerts import Alert
from edge.journal import Reader
from edge.ports import Clock
from edge.schema import identity
from sync.mqtt.connection import Connection
from sync.mqtt.packets import Outgoing
from sync.mqtt.topics import Topics
from sync.status import load_alerts

_log = structlog.get_logger("lineside.sync")
_LAG_MAX = 1000  # events; who wants them all pulls
_AT_ONCE = 20
_ALERTS_S = 2.0
_STATUS_S = 10.0
EVENT_TYPE = "application/cloudevents+json"


@dataclass
class Feed:
    """Publishes on one connection after the other."""

    name: str
    topics: Topics
    journal: Path
    stores: tuple[Path, ...]  # where alerts stand
    clock: Clock

    def __post_init__(self) -> None:
        self._at: tuple[str, int] = ("", 0)  # what was sent last
        self._denied: set[str] = set()
        self._since_ms = 0

    def will(self) -> Outgoing:
        """What the broker says when we are gone."""
        return self._status(False, None)

    async def part(self, connection: Connection) -> None:
        """Say that we go."""
        await self._publish(connection, self._status(False, None))

    async def events(self, connection: Connection) -> None:
        """Each event as it is recorded, until cancelled. Raises StorageFault, UplinkFault."""
        while True:
            async with await Reader.open(self.journal) as reader:
                await self._follow(connection, reader)

    async def _follow(self, connection: Connection, reader: Reader) -> None:
        head = await reader.head()
        epoch, seq = self._at
        if epoch != reader.epoch or head - seq > _LAG_MAX:
            seq = head if not epoch else max(0, head - _LAG_MAX)
        found = identity(self.journal)
        while identity(self.journal) in (found, None):
            try:
                async with asyncio.timeout(5.0):
                    await reader.wait_beyond(seq)
            except TimeoutError:
                continue
            rows = await reader.read_after(seq, _AT_ONCE)
            messages = [Outgoing(self.topics("events"), body, content_type=EVENT_TYPE) for _, body in rows]
            for message in messages:
                await self._publish(connection, message)
            seq = rows[-1][0]
            self._at = reader.epoch, seq

    async def alerts(self, connection: Connection) -> None:
        """Alerts that stand, then each as it is raised or cleared. Raises StorageFault, UplinkFault."""
        said: dict[tuple[str, int], Alert] = {}
        while True:
            standing = await asyncio.to_thread(self._standing)
            now_ms = self.clock.now().wall_ms
            for key in said.keys() - standing.keys():
                await self._publish(connection, self._alert(said.pop(key), now_ms))
            for key in standing.keys() - said.keys():
                said[key] = standing[key]
                await self._publish(connection, self._alert(said[key], None))
            await asyncio.sleep(_ALERTS_S)

    async def status(self, connection: Connection, head: Callable[[], Awaitable[str]]) -> None:
        """Retained: that we are here, and the journal's head."""
        self._since_ms, before = self.clock.now().wall_ms, None
        while True:
            now = await head()
            if now != before:
                await self._publish(connection, self._status(True, now))
                before = now
            await asyncio.sleep(_STATUS_S)

    async def _publish(self, connection: Connection, message: Outgoing) -> None:
        """Publish; one log line when the broker begins to refuse a topic. What is too large is left out."""
        if not connection.fits(message):
            _log.warning(
                "the broker takes no message as large as this one",
                uplink=self.name,
                topic=message.topic,
                size_bytes=message.packet_bytes,
                allowed_bytes=connection.bytes_max,
            )
            return
        code = await connection.publish(message)
        if code.is_failure and message.topic not in self._denied:
            hint = "Give this account the right to publish there (docs/mqtt.md)"
            _log.warning(
                "the broker refuses a message",
                uplink=self.name,
                topic=message.topic,
                reason=str(code),
                hint=hint,
            )
            self._denied.add(message.topic)
        elif not code.is_failure:
            self._denied.discard(message.topic)

    def _standing(self) -> dict[tuple[str, int], Alert]:
        found = [one for path in self.stores for one in load_alerts(path) if one.cleared_ms is None]
        return {(one.key, one.raised_ms): one for one in found}

    def _alert(self, alert: Alert, cleared_ms: int | None) -> Outgoing:
        body = {
            "key": alert.key,
            "text": alert.text,
            "hint": alert.hint,
            "raised_ms": alert.raised_ms,
            "cleared_ms": cleared_ms,
        }
        return Outgoing(self.topics("alerts"), msgspec.json.encode(body))

    def _status(self, online: bool, head: str | None) -> Outgoing:
        since_ms = self._since_ms or self.clock.now().wall_ms
        body = {"online": online, "version": __version__, "head": head, "since_ms": since_ms}
        return Outgoing(self.topics("status"), msgspec.json.encode(body), retain=True)
