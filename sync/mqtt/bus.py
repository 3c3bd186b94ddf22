"""A broker and the consumers behind it: connect, subscribe, answer; begin anew when the connection ends.

Requests of each consumer wait in queues of its own, acknowledged to the broker when they are worked off;
what a flood sends beyond is let go of, so that the other consumers go on: who hears nothing asks again.
Journals are read by one request at a time. The broker is trusted with nothing: what it forgets is asked for
again, what it doubles is answered twice.
"""

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import structlog

from edge import schema
from edge.faults import Fault, MasterDataInvalid, UplinkFault
from edge.masterdata.store import Delivery, MasterStore
from edge.ports import Clock
from edge.settings import Settings
from sync.backoff import Backoff
from sync.masterage import REPLACED, STALE, invalid
from sync.metrics import Metrics
from sync.mqtt import wire
from sync.mqtt.comparing import Comparing
from sync.mqtt.connection import Connection, Denied
from sync.mqtt.consumer import Consumer
from sync.mqtt.feed import Feed
from sync.mqtt.journals import Journals, Replaced
from sync.mqtt.packets import Incoming, Outgoing
from sync.mqtt.settings import MqttSettings
from sync.mqtt.topics import ASKED, Topics
from sync.mqtt.wire import Refused
from sync.secret import SecretFault
from sync.store import Condition, Store

_log = structlog.get_logger("lineside.sync")
_WAITING_MAX = 16  # requests of one consumer, and deliveries of master data
_PACKET_AROUND_BYTES = 1024  # of a page's packet: topic and properties
_MQTT_BYTES_MAX = 268_435_455  # MQTT 5, 1.5.5: without a word of the broker's
_ROOM_MIN = 4096  # less holds no page
Answer = Callable[[bytes], Awaitable[bytes]]
Found = TypeVar("Found")


class Bus:
    """Serves one configured broker until cancelled."""

    def __init__(
        self,
        name: str,
        given: MqttSettings,
        settings: Settings,
        store: Store,
        held: MasterStore,
        clock: Clock,
        metrics: Metrics,
        journal: Path,
    ) -> None:
        self.running = False
        self._name = name
        self._given = given
        self._store = store
        self._held = held
        self._clock = clock
        self._metrics = metrics
        edge = settings.edge
        self._client_id = f"lineside-{edge.site}-{edge.id}-{name}"
        self._topics = Topics.of(edge, given)
        self._journals = Journals(journal)
        self._consumers = {
            consumer: Consumer(key, given, self._journals, store, clock, metrics)
            for consumer, key in zip(given.consumers, given.receivers(name), strict=True)
        }
        self._comparing = {
            one: Comparing(consumer.name, given.page_bytes, store, journal, clock)
            for one, consumer in self._consumers.items()
        }
        self._feed = Feed(name, self._topics, journal, (journal, store.path), clock)
        self._backoff = Backoff(given.backoff_max_s, random.random)
        self._turn = asyncio.Lock()  # of the journals
        self._queues: dict[str, asyncio.Queue[Incoming]] = {}  # by topic
        self._trouble = ""
        self._attempt = 0

    async def run(self) -> None:
        """Serve, connection after connection. Raises StorageFault."""
        self.running = True
        try:
            while True:
                try:
                    await self._serve()
                except UplinkFault as fault:
                    await self._hold_off(fault)
                except sqlite3.Error as error:
                    raise schema.unusable(self._journals.path, error) from error
        finally:
            self.running = False
            await self._journals.close()

    async def close(self) -> None:
        """Nothing is held while it does not run."""

    async def _serve(self) -> None:
        """One connection. Raises UplinkFault when it ends, StorageFault."""
        await self._journals.look()
        for consumer in self._consumers.values():
            await consumer.place()
        self._queues = {topic: asyncio.Queue(_WAITING_MAX) for topic in self._asked()}
        connection = await Connection.open(self._given, self._client_id, self._feed.will(), self._take)
        self._connection = connection
        try:
            await self._subscribe(connection)
            await self._up(connection)
            await self._work(connection)
        except asyncio.CancelledError:
            await self._part(connection)
            raise
        finally:
            await connection.close()

    def _asked(self) -> list[str]:
        """Topics that we listen to."""
        topics = [self._topics(what, consumer) for what in ASKED for consumer in self._given.consumers]
        return [*topics, *([self._topics("masterdata")] if self._given.masterdata else [])]

    async def _subscribe(self, connection: Connection) -> None:
        for topic in self._queues:
            code = await connection.subscribe(topic)
            if code.is_failure:
                hint = "Give this account the right to subscribe there (docs/mqtt.md)"
                raise Denied(f"the broker does not let us subscribe to {topic} ({code})", hint=hint)

    async def _up(self, connection: Connection) -> None:
        """Connected and subscribed."""
        room = (connection.bytes_max or _MQTT_BYTES_MAX) - _PACKET_AROUND_BYTES
        if room < _ROOM_MIN:
            detail = f"the broker takes messages of {connection.bytes_max} bytes at most"
            raise Denied(f"{detail}: too few for production facts", hint=_SIZE_HINT)
        for name, consumer in self._consumers.items():
            consumer.allow(room)
            self._comparing[name].answer_bytes = consumer.page_bytes
            await consumer.connected()
        if self._trouble:
            _log.info("the broker is there again", uplink=self._name)
        self._trouble, self._attempt = "", 0

    async def _work(self, connection: Connection) -> None:
        """Everything that runs on a connection; ends with the first fault of any."""
        parts = [
            self._lost(connection),
            self._feed.alerts(connection),
            self._feed.status(connection, self._head),
            *(
                self._each(connection, name, self._queues[self._topics(what, name)], does)
                for name in self._consumers
                for what, does in zip(ASKED, self._answers(name), strict=True)
            ),
        ]
        if self._given.events:
            parts.append(self._feed.events(connection))
        if self._given.masterdata:
            parts.append(self._masterdata(connection))
        tasks = [asyncio.ensure_future(part) for part in parts]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        faults = [one for one in ended if isinstance(one, Exception)]
        # What is not a fault of the broker's says more than that the connection ended, too.
        raise next((one for one in faults if not isinstance(one, UplinkFault)), faults[0])

    async def _lost(self, connection: Connection) -> None:
        host, port = self._given.address
        why = await connection.lost()
        raise UplinkFault(f"{host}:{port}: {why}", hint=_HINT)

    def _take(self, message: Incoming) -> None:
        """A message came in: into its queue, or refused where that is full."""
        queue = self._queues.get(message.topic)
        if queue is not None and not queue.full():
            queue.put_nowait(message)
        else:
            self._connection.done(message)  # a consumer that hears nothing asks again

    async def _each(
        self, connection: Connection, name: str, queue: "asyncio.Queue[Incoming]", does: Answer
    ) -> None:
        """Answer request by request, not more of them a second than configured."""
        loop, pause_s = asyncio.get_running_loop(), 1 / self._given.requests_per_s
        free_s = loop.time()  # when the next request may be worked off, a second's worth ahead at most
        while True:
            message = await queue.get()
            free_s = max(free_s, loop.time() - 1.0) + pause_s
            if free_s > loop.time():
                await asyncio.sleep(free_s - loop.time())
            await self._one(connection, name, message, does)
            connection.done(message)

    async def _one(self, connection: Connection, name: str, message: Incoming, does: Answer) -> None:
        """Work off a request and answer it, or say why not."""
        to, correlation = message.answer_to or self._topics.answer(name), message.correlation
        try:
            if not self._topics.allows(name, to):
                to = self._topics.answer(name)
                raise Refused("response-topic", f"answers go to {to} and below only")
            if correlation is not None and len(correlation) > wire.CORRELATION_BYTES_MAX:
                correlation = None
                raise Refused("malformed", f"Correlation Data: at most {wire.CORRELATION_BYTES_MAX} bytes")
            body = await does(message.body)
        except Refused as refused:
            _log.info("a request is refused", uplink=self._name, consumer=name, reason=refused.detail)
            body = wire.problem(refused)
        answer = Outgoing(to, body, correlation=correlation)
        if not connection.fits(answer):
            told = Refused("too-large", f"the answer has {len(body)} bytes, more than the broker takes")
            answer = Outgoing(to, wire.problem(told), correlation=correlation)
        code = await connection.publish(answer)
        if code.is_failure:
            await self._unheard(name, to, str(code))

    def _answers(self, name: str) -> tuple[Answer, ...]:
        """What is done with each of what a consumer may ask, in the order of ASKED."""
        one = self._consumers[name]
        return self._in_turn(one.pull), self._in_turn(one.ack), self._comparing[name].compare

    def _in_turn(self, does: Answer) -> Answer:
        """The same, with the journals to itself."""
        return lambda body: self._looked(lambda: does(body))

    async def _looked(self, does: Callable[[], Awaitable[Found]]) -> Found:
        """Do it by what a look at the journals finds; once more where one was replaced in that moment.

        Nothing is doubled by that: what the first try has written, the second finds behind the cursor.
        """
        async with self._turn:
            await self._journals.look()
            try:
                return await does()
            except Replaced:
                await self._journals.look()
                return await does()

    async def _unheard(self, name: str, to: str, reason: str) -> None:
        text = f"{self._name}: the broker refuses answers for {name} on {to} ({reason})"
        hint = "Give this account the right to publish there (docs/mqtt.md)"
        await self._store.raise_alert(f"uplink.{self._name}/{name}.answers", text, hint, self._now_ms())

    async def _head(self) -> str:
        epoch, seq = await self._looked(self._journals.head)
        return f"{epoch}:{seq}"

    async def _masterdata(self, connection: Connection) -> None:
        """Take each document as a whole or not at all."""
        queue = self._queues[self._topics("masterdata")]
        while True:
            message = await queue.get()
            now_ms = self._now_ms()
            try:
                await self._held.take(Delivery(message.body, self._name, message.topic, None, now_ms))
            except MasterDataInvalid as fault:
                text = f"{self._name}: {fault.message}"
                await self._store.raise_alert(invalid(self._name), text, fault.hint, now_ms)
                _log.warning("no new master data", uplink=self._name, detail=fault.message, hint=fault.hint)
            else:
                for key in (invalid(self._name), STALE, REPLACED):
                    await self._store.clear_alert(key, now_ms)
                self._metrics.masterdata_fetched(self._name, now_ms)
            connection.done(message)

    async def _part(self, connection: Connection) -> None:
        """Say that we go, where the broker still listens."""
        try:
            async with asyncio.timeout(1.0):
                await self._feed.part(connection)
        except (TimeoutError, UplinkFault):
            pass

    async def _hold_off(self, fault: Fault) -> None:
        """Wait before the next try; one log line when the trouble begins or changes."""
        state = "paused" if isinstance(fault, Denied | SecretFault) else "backoff"
        delay_s = self._given.backoff_max_s if state == "paused" else self._backoff.delay_s(self._attempt)
        self._attempt += 1
        if state != self._trouble:
            _log.warning(
                "the broker is not there",
                uplink=self._name,
                detail=fault.message,
                hint=fault.hint,
                state=state,
            )
        self._trouble = state
        condition = Condition(state, fault.message, fault.hint, self._now_ms() + round(1000 * delay_s))
        for consumer in self._consumers.values():
            await consumer.troubled(condition)
            self._metrics.troubled(consumer.name, state)
        await asyncio.sleep(delay_s)

    def _now_ms(self) -> int:
        return self._clock.now().wall_ms


_SIZE_HINT = "Give the broker a larger maximum packet size: 512 KiB holds every fact and page"
_HINT = "Nothing to do unless it lasts; then check the network and the broker"
