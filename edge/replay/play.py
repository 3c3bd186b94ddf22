"""Plays a script: the collector itself, on a clock and machines of the replay, with a journal in memory.

Time passes in steps of a second, as in the collector, or in longer ones for a long script: devices are
polled, then every station ticks. After everything that was appended, the state folded from the facts alone
is compared with the collector's.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drivers.barcode.line import report
from edge.alerts import Alert
from edge.collector import TICK_S, Collector
from edge.events import Event, decode
from edge.masterdata import LISTS, Document, MasterData, parse
from edge.readings import Unreadable
from edge.replay.floor import Clock, devices
from edge.replay.memory import Memory
from edge.replay.script import ClockSet, Delivered, Entry, Linked, Process, Scanned, Script, TagSet
from edge.replay.settling import Decided
from edge.settings import DeviceSettings
from edge.station.evolve import fold
from edge.station.live import Said as Shown
from edge.station.state import Line
from edge.station.step import Input, Step
from edge.station.texts import Text
from edge.station.work import Site

TICK_MS = round(TICK_S * 1000)
_BEFORE_MS = 1000  # lineside starts so long before the first input
_RESULTS = {"good": "recorded", "bad": "refused"}  # of what a screen says, by its tone
_NO_FILE = Path("/nonexistent/masterdata.db")  # master data comes from the folder


class Unfaithful(Exception):
    """The state folded from the facts is not the collector's: a defect of lineside, not of the situation."""


@dataclass(frozen=True)
class Said:
    """What a person was told."""

    result: str  # recorded, pending, repeated, refused, info
    message: Text


@dataclass(frozen=True)
class Came:
    """What came of an input, or of time passing, at one station."""

    station: str | None
    said: Said | None
    facts: tuple[Event, ...]


@dataclass
class Happened:
    """One input with what came of it; time passing has no text."""

    at_ms: int  # true time, UTC
    text: str = ""
    came: list[Came] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)  # raised, or cleared where it says when


@dataclass(frozen=True)
class Played:
    """A replay from beginning to end."""

    happened: Sequence[Happened]
    events: Sequence[Event]
    bodies: Sequence[bytes]  # the events as they would be delivered


@dataclass(frozen=True)
class Floor:
    """What a replay needs to know of a site."""

    site: Site
    source: str  # of the events
    devices: Mapping[str, DeviceSettings]


def play(floor: Floor, master: Document, script: Script, tick_ms: int = TICK_MS) -> Played:
    """Everything that comes of a script, in steps of `tick_ms`.

    Raises MasterDataInvalid for a later delivery, Unfaithful.
    """
    replay = _Replay(floor, master, script, tick_ms)
    try:
        asyncio.run(replay.run())
    finally:
        replay.journal.close()
    return Played(replay.happened, replay.journal.events, replay.journal.bodies)


class _Replay:
    """One run. A start of lineside makes a collector anew; journal, clock and devices stay."""

    def __init__(self, floor: Floor, master: Document, script: Script, step_ms: int) -> None:
        self._step_ms = step_ms
        self._floor = floor
        self._document = master
        self._script = script
        self.clock = Clock(script.entries[0].at_ms - _BEFORE_MS)
        self.journal = Memory(floor.source, self.clock)
        self.happened: list[Happened] = []
        polls_ms = {name: max(step_ms, _poll_ms(one)) for name, one in floor.devices.items()}
        self._devices = devices(script, polls_ms, self.clock)
        self._polled = [device for device in self._devices.values() if device.speaks]
        self._collector: Collector | None = None
        self._began_ms = self.clock.true_ms
        self._tick_ms = self._began_ms + step_ms  # the true time of the next tick
        self._shown: dict[str, Shown | None] = {}  # what each screen says
        self._folded = Line()
        self._folded_seq = 0

    async def run(self) -> None:
        """Play every entry, and the time between them."""
        self._happens()
        await self._start()
        for entry in self._script.entries:
            await self._pass_until(entry.at_ms)
            self._happens(entry.text)
            await self._enter(entry)
            self._prove()
        self.happened = [one for one in self.happened if one.text or one.came or one.alerts]

    # Witness: what the collector tells

    def stepped(self, station: str, given: Input, done: Step, events: Sequence[Event]) -> None:
        """Keep what came of an input."""
        said, shown = None, done.live.said
        if done.answer is not None:
            said = Said(done.answer.result, done.answer.message)
        elif shown is not None and shown != self._shown.get(station):
            # The machine moved something: nobody asked, the screen says it.
            said = Said(_RESULTS.get(shown.tone, shown.tone), shown.message)
        self._shown[station] = shown
        if said is not None or events:
            self.happened[-1].came.append(Came(station, said, tuple(events)))

    def recorded(self, events: Sequence[Event]) -> None:
        """Keep what no input led to."""
        self.happened[-1].came.append(Came(None, None, tuple(events)))

    def alerted(self, alert: Alert) -> None:
        """Keep what a person must see, or need not see any more."""
        self.happened[-1].alerts.append(alert)

    # Inside

    def _happens(self, text: str = "") -> None:
        self.happened.append(Happened(self.clock.true_ms, text))

    async def _pass_until(self, at_ms: int) -> None:
        """Let time pass. A second's polls and ticks come after the inputs of that moment."""
        while self._tick_ms < at_ms:
            self.clock.advance(self._tick_ms)
            if self._collector is not None:
                await self._tick(self._collector)
            self._tick_ms += self._step_ms
        self.clock.advance(at_ms)

    async def _tick(self, collector: Collector) -> None:
        for device in self._polled:
            if (self._tick_ms - self._began_ms) % device.poll_ms == 0:
                device.poll()
        collector.tick()
        head = self.journal.head
        last = self.happened[-1]
        if last.text or last.came or last.alerts:
            self._happens()
        self.happened[-1].at_ms = self.clock.true_ms
        await collector.turn()
        if self.journal.head != head:
            self._prove()

    async def _enter(self, entry: Entry) -> None:
        collector = self._collector
        match entry.what:
            case TagSet(device=device, tag=tag):
                self._devices[device].reach(tag)
                self._devices[device].poll()
            case Linked(device=device, up=up):
                self._devices[device].link(up)
            case ClockSet() as given:
                self.clock.set(given)
            case Delivered(path=path):
                self._deliver(path)
            case Process(what=what):
                await self._process(what)
            case Decided() as decided if collector is not None:
                await self._decide(collector, decided)
            case Scanned() as scanned if collector is not None:
                await self._scan(collector, scanned)
        if self._collector is not None:
            await self._collector.turn()

    async def _scan(self, collector: Collector, scanned: Scanned) -> None:
        now = self.clock.now()
        if scanned.text is None:
            collector.unreadable(Unreadable(scanned.place, "garbage", b"", now))
        elif not scanned.typed:
            report(collector, scanned.place, scanned.text, now, kept=True)
        else:
            typed = asyncio.create_task(collector.typed(scanned.place, scanned.text))
            await asyncio.sleep(0)  # it is queued now
            await collector.turn()
            await typed

    async def _decide(self, collector: Collector, decided: Decided) -> None:
        settled = asyncio.create_task(collector.settle(decided.request(collector.line, self.journal.events)))
        await asyncio.sleep(0)  # it is queued now
        await collector.turn()
        await settled

    async def _process(self, what: str) -> None:
        if what == "stop" and self._collector is not None:
            await self._collector.close()
        if what in ("stop", "kill", "restart", "power off"):
            self._collector = None
            for device in self._devices.values():
                device.observer = None
        if what == "power on":
            self.clock.boot()
        if what in ("start", "restart", "power on"):
            await self._start()

    async def _start(self) -> None:
        collector = Collector(self._floor.site, self.journal, self.clock, _NO_FILE)
        collector.witness = self
        collector.alerts.heard = self.alerted
        await collector.restore()
        collector.masterdata.now = MasterData(self._document, "replay")
        collector.attach(self._devices)
        for device in self._devices.values():
            device.observer = collector
            device.poll()
        self._collector = collector
        await collector.turn()

    def _deliver(self, path: Path) -> None:
        later = parse(path.read_bytes())
        lists = {name: getattr(self._document, name) for name in LISTS}
        lists |= {name: held for name in LISTS if (held := getattr(later, name)) is not None}
        self._document = Document(**lists)
        if self._collector is not None:
            self._collector.masterdata.now = MasterData(self._document, path.name)

    def _prove(self) -> None:
        """The facts alone must give the collector's state."""
        for body in self.journal.bodies[self._folded_seq :]:
            self._folded = fold(self._folded, decode(body))
        self._folded_seq = self.journal.head
        if self._collector is not None and self._collector.line != self._folded:
            raise Unfaithful(
                f"after seq {self._folded_seq} the state folded from the facts is not the collector's:"
                f"\n  folded:    {self._folded}\n  collector: {self._collector.line}"
            )


def _poll_ms(settings: DeviceSettings) -> int:
    """How often a device is asked, in whole ticks."""
    interval_s = float(getattr(settings, "poll_interval_s", TICK_S))
    return max(1, round(interval_s / TICK_S)) * TICK_MS
