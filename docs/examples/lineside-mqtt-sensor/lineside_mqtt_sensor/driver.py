"""The driver of the sensors behind one broker: subscribe, tell what they publish, come back after a loss.

Invariants:
- A message is one batch: the tags of its topic, with the moment at which it arrived.
- What the broker had kept (a retained message) is of unknown age: quality uncertain.
- A tag without a message for `stale_after_s` is told bad once: a broker does not know of dead sensors.
- A lost broker gives one Link (down) and each tag once with quality bad, then nothing until it is back.
"""

import asyncio
from collections.abc import Mapping

import structlog

from edge.faults import DeviceFault
from edge.ports import Clock, Observer, Verdict
from edge.readings import Link, Quality, Reading
from lineside_mqtt_sensor.connection import Connection
from lineside_mqtt_sensor.payload import parsed, value_at
from lineside_mqtt_sensor.settings import SensorSettings, Tag

log = structlog.get_logger()

TEND_S = 1.0


class SensorDriver:
    """Sensors that publish JSON."""

    def __init__(self, name: str, settings: SensorSettings, clock: Clock) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._tags: dict[str, dict[str, Tag]] = {}  # by topic, by name
        for tag, one in settings.tags.items():
            self._tags.setdefault(one.topic, {})[tag] = one
        self._refused: Mapping[str, str] = {}  # by topic why
        self._heard_ms: dict[str, int] = {}  # by topic when, until it is stale
        self._up: bool | None = None  # None: not known yet

    @property
    def name(self) -> str:
        return self._name

    @property
    def refusals(self) -> Mapping[str, str]:
        """Why the broker refuses a tag's topic, for each tag whose topic it refuses."""
        return {tag: why for topic, why in self._refused.items() for tag in self._tags[topic]}

    async def run(self, observer: Observer) -> None:
        """Serve the sensors until cancelled."""
        pause_s = self._settings.reconnect_min_s
        try:
            while True:
                try:
                    await self._connection(observer)
                except DeviceFault as fault:
                    if self._up:
                        pause_s = self._settings.reconnect_min_s
                    self._lost(observer, fault)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, self._settings.reconnect_max_s)
        finally:
            self._up = None

    async def refresh(self) -> None:
        """A sensor cannot be asked: its last message is all there is."""

    def signal(self, verdict: Verdict) -> None:
        """A sensor has no one to beep to."""

    async def _connection(self, observer: Observer) -> None:
        """One connection from its making to its loss, which always raises DeviceFault."""

        early: dict[str, tuple[bytes, bool]] = {}  # at most one a topic: the last

        def message(topic: str, payload: bytes, retained: bool) -> None:
            if topic not in self._tags:
                return
            if self._up:
                self._message(observer, topic, payload, retained)
            else:
                early[topic] = payload, retained

        connection = Connection(self._name, self._settings, message)
        try:
            await connection.open()
            # Messages may arrive before the subscription is answered (MQTT 5, 3.8.4).
            refused = await connection.subscribe(list(self._tags))
            self._answered(observer)
            self._note(refused, observer)
            for topic, (payload, retained) in early.items():
                self._message(observer, topic, payload, retained)
            while not connection.lost.done():
                await asyncio.wait([connection.lost], timeout=TEND_S)
                connection.tend()
                self._look(observer)
        finally:
            connection.close()
        raise DeviceFault(
            f"{self._at()} closed the connection: {connection.lost.result()}",
            hint="Check the broker and the network; the driver connects again by itself",
        )

    def _message(self, observer: Observer, topic: str, payload: bytes, retained: bool) -> None:
        now = self._clock.now()
        document = parsed(payload)
        self._heard_ms[topic] = now.monotonic_ms
        good = Quality.uncertain if retained else Quality.good
        values = ((tag, value_at(document, one.field), one.unit) for tag, one in self._tags[topic].items())
        observer.readings(
            [
                Reading(self._name, tag, value, Quality.bad if value is None else good, now, unit)
                for tag, value, unit in values
            ]
        )

    def _look(self, observer: Observer) -> None:
        """Tell tags bad whose topic has been silent for too long."""
        now_ms = self._clock.now().monotonic_ms
        limit_ms = self._settings.stale_after_s * 1000
        for topic in [one for one, heard_ms in self._heard_ms.items() if now_ms - heard_ms >= limit_ms]:
            del self._heard_ms[topic]
            self._bad(observer, self._tags[topic])

    def _note(self, refused: Mapping[str, str], observer: Observer) -> None:
        if refused and refused != self._refused:
            hint = "Allow lineside to read them in the broker's access list"
            log.warning("broker refuses topics", device=self._name, topics=dict(refused), hint=hint)
        self._refused = refused
        for topic in refused:
            self._bad(observer, self._tags[topic])

    def _answered(self, observer: Observer) -> None:
        self._up = True
        now = self._clock.now()
        # A topic that stays silent from the beginning is stale in its time too.
        self._heard_ms = dict.fromkeys(self._tags, now.monotonic_ms)
        observer.link(Link(self._name, True, self._at(), "", now))

    def _lost(self, observer: Observer, fault: DeviceFault) -> None:
        self._heard_ms.clear()
        if self._up is False:
            return
        self._up = False
        observer.link(Link(self._name, False, fault.message, fault.hint, self._clock.now()))
        self._bad(observer, self._settings.tags)

    def _bad(self, observer: Observer, tags: Mapping[str, Tag]) -> None:
        now = self._clock.now()
        observer.readings(
            [Reading(self._name, tag, None, Quality.bad, now, one.unit) for tag, one in tags.items()]
        )

    def _at(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"
