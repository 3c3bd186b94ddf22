"""The collector's one actor: takes scans and readings, steps the stations, appends, then answers.

Inputs are worked off in the order in which they came, many at a time: their facts are one commit. Nobody is
answered "recorded" before that commit. After a failed commit the state is what it was and each person is told
that nothing was recorded; readings lose nothing, for counters go on from their last recorded value.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Protocol

import msgspec
import structlog
from msgspec.structs import replace
from prometheus_client import Counter as Metric
from prometheus_client import Gauge

from edge import presence
from edge.alerts import Alerts
from edge.answering import Answering
from edge.codes import symbology
from edge.events import Draft, Event
from edge.faults import Damaged, MasterDataUnreadable, RestartNeeded, StorageFault
from edge.history import read_on, trace
from edge.ids import new_id
from edge.inbox import Entry, Inbox, Result
from edge.journal import Log, Snapshot
from edge.masterdata import MasterData
from edge.masterdata.inuse import InUse
from edge.ports import Clock, Driver, Evidence
from edge.readings import Link, Moment, Reading, Scan, Unreadable
from edge.recovery import restored
from edge.reminding import Reminding
from edge.settings import PAGE
from edge.station.evolve import fold
from edge.station.grammar import Command, Order, Word
from edge.station.live import Live, Said
from edge.station.review.requests import Asked, Correct
from edge.station.review.words import word
from edge.station.state import STATE_VERSION, Line
from edge.station.step import Input, Observed, Restarted, Sought, Step, Stopping, step
from edge.station.texts import Text, say
from edge.station.turn import Turn, turn
from edge.station.view import View, view
from edge.station.work import Site
from edge.timekeeper import Timekeeper
from edge.unbroken import unbroken
from edge.wallclock import judged

log = structlog.get_logger()

SNAPSHOT_EVENTS = 1000
TICK_S = 1.0
REFRESH_S = 0.2  # the longest that a scan waits for a counter's value at a boundary
_BOUNDARY = frozenset(
    {"DONE", "PART", "OK", "GO", "SETUP", "PAUSE", "SHIFT", "TOOL", "NOTOOL", "BLOCKED", "METER"}
)

EVENTS = Metric("lineside_events", "Events committed to the journal")
HEAD = Gauge("lineside_journal_head", "The last committed seq")
DEVICE_UP = Gauge("lineside_device_up", "Whether a device answers", ["device"])
DEVICE_SEEN = Gauge(
    "lineside_device_last_success_timestamp_seconds", "When a device last said something good", ["device"]
)
ANOMALIES = Metric("lineside_counter_anomalies", "Counter moves held for a person", ["kind"])


class Witness(Protocol):
    """Sees what came of each input, after the commit: a replay."""

    def stepped(self, station: str, given: Input, done: Step, events: Sequence[Event]) -> None: ...

    def recorded(self, events: Sequence[Event]) -> None:
        """Facts that no input led to: the clock was set, for one."""


class Collector:
    """Observes devices, runs the stations, holds their state."""

    def __init__(self, site: Site, journal: Log, clock: Clock, masterdata_path: Path) -> None:
        self.site = site
        self.alerts = Alerts(journal, clock)
        self.line = Line()
        self.lives: dict[str, Live] = {name: Live() for name in site.stations}
        self.links: dict[str, Link] = {}
        self.storage_fault: StorageFault | None = None
        self.witness: Witness | None = None
        self.came_round_s = time.monotonic()  # when the actor last began a round; the watchdog looks at it
        self._journal = journal
        self._clock = clock
        self.masterdata = InUse(masterdata_path, self.alerts, self._notify)
        self._answering = Answering(site, lambda station: self.view(station).next)
        self._reminding = Reminding(site, self.alerts)
        self._ticked = False  # since people were last reminded
        self._timekeeper = Timekeeper(
            journal, clock, site.calendar, self.alerts, lambda: self.master.document.periods or ()
        )
        self._inbox = Inbox(site)
        self._stopping = False
        self._changed = asyncio.Event()
        self.snapshot_seq = 0  # the last event that a snapshot holds
        self._seq = 0  # the last event that `line` holds

    def today(self) -> date:
        """The site's day by the clock."""
        return self.site.calendar.local(self._clock.now().wall_ms).date()

    @property
    def master(self) -> MasterData:
        """The master data in use."""
        return self.masterdata.now

    # What the composition root calls

    async def restore(self) -> None:
        """Rebuild the stations' state from the snapshot and the events behind it."""
        await self.alerts.load()
        self.line, self._seq = await restored(self._journal)
        self.lives = {name: Live(resumed=self.line.at) for name in self.site.stations}
        HEAD.set(self._journal.head)
        await self.masterdata.look()
        try:
            await self._arrived()
            await self._retire_stations()
        except StorageFault as fault:
            # The pages say so; what the clock did is recorded by the first round that can.
            self._storage(fault)
        for name in self.site.stations:
            self._inbox.put(Entry(name, Restarted()))

    def attach(self, drivers: Mapping[str, Driver], evidence: Evidence | None = None) -> None:
        """Know the devices: whom to answer, and whom to ask for a boundary value; and who keeps evidence."""
        self._answering.drivers, self._answering.evidence = drivers, evidence

    async def run(self) -> None:
        """Work off inputs until cancelled; a round that was begun then is committed, remembered and answered.

        Whoever went on from a state without it would count the same strokes once more.
        """
        self._stopping = False
        ticking = asyncio.create_task(self._tick(), name="tick")
        try:
            await unbroken(self._rounds(), "rounds", self._stop)
        finally:
            ticking.cancel()

    def tick(self) -> None:
        """Queue that time passed."""
        self._ticked = True
        self._inbox.tick()

    async def turn(self) -> None:
        """Work off what waits: boundary values first, then all inputs in the order in which they came."""
        await self._refresh_boundaries()
        while self._inbox:
            await self._work_off(self._inbox.take())
        if self._ticked:
            self._ticked = False
            await self._remind()

    async def probe(self) -> None:
        """Try a durable write of our own, so that nobody must scan to find out that there is room again."""
        with suppress(StorageFault):
            await self._save_snapshot()
            self._storage(None)

    async def close(self) -> None:
        """Record what moved and keep a snapshot, so that the next start goes on from here, and quickly."""
        with suppress(RestartNeeded):
            await self._work_off(deque(Entry(name, Stopping()) for name in self.site.stations))
        if self._seq > self.snapshot_seq:
            with suppress(StorageFault):
                await self._save_snapshot()

    # Observer: what drivers call

    def readings(self, batch: Sequence[Reading]) -> None:
        """Keep the readings that stations use."""
        if self._answering.evidence is not None:
            self._answering.evidence.readings(batch)
        if batch and batch[0].value is not None:
            DEVICE_SEEN.labels(batch[0].device).set(batch[0].received.wall_ms / 1000)
        self._inbox.observe(batch)

    def scan(self, scan: Scan) -> None:
        """Queue a scan; where too many wait it is answered with the bad signal at once."""
        self._scanned(scan.device, scan)

    def unreadable(self, unreadable: Unreadable) -> None:
        """Tell the person that the gun read nothing of use."""
        log.warning("unreadable scan", device=unreadable.device, reason=unreadable.reason, raw=unreadable.raw)
        self._scanned(unreadable.device, unreadable)

    def link(self, link: Link) -> None:
        """Remember whether a device is there."""
        self.links[link.device] = link
        if link.up:
            log.info("device answers", device=link.device, detail=link.detail)
        else:
            log.warning("device is lost", device=link.device, detail=link.detail, hint=link.hint)
        DEVICE_UP.labels(link.device).set(link.up)
        self._notify()

    # What pages and the local API call

    async def typed(self, station: str, text: str) -> Result:
        """A scan from a page or the API. Raises KeyError for a station that is not there."""
        if station not in self.site.stations:
            raise KeyError(station)
        kind, code = symbology.split(text)
        return await self._asked(station, Scan(PAGE, code, self._clock.now(), kind, kept=False))

    async def settle(self, asked: Asked) -> Result:
        """What came of a person's decision on what waits, after the commit."""
        if not isinstance(asked, Correct):
            return await self._settled(self._concerned(asked), asked)
        try:
            traced, seq = await trace(self._journal, asked.corrects)
        except StorageFault as fault:
            log.error("the journal cannot be searched", error=fault.message, hint=fault.hint)
            return Result("storage", say("storage"), Text("", ""), why="storage")
        station = traced.original.station if traced.original else ""
        given = Sought(asked, traced, seq)
        return await self._settled(
            station if station in self.site.stations else self._concerned(asked), given
        )

    def view(self, station: str) -> View:
        """What the page of a station shows now. Raises KeyError."""
        live, now = self.lives[station], self._clock.now()
        try:
            return view(self.site, station, self.line, live, self.master, now)
        except MasterDataUnreadable as fault:
            self.masterdata.lose(fault)
            return view(self.site, station, self.line, live, self.master, now)

    def reminders(self, station: str) -> tuple[Text, ...]:
        """What the people at a station are reminded of."""
        return self._reminding.shown(station)

    async def change(self) -> None:
        """Return when something that a page shows has changed."""
        await self._changed.wait()

    # Inside

    def _concerned(self, asked: Asked) -> str | None:
        """The station whose turn a settlement takes: where what waits was, else any."""
        settled = set(getattr(asked, "settles", ()))
        named = [one.station for one in self.line.waiting.values() if settled.intersection(one.ids)]
        named += [getattr(asked, "station", ""), *self.site.stations]
        return next((name for name in named if name in self.site.stations), None)

    async def _settled(self, station: str | None, given: Asked | Sought) -> Result:
        if station is None:
            return Result("refused", word("no_stations"), Text("", ""), why="no_stations")
        return await self._asked(station, given)

    async def _asked(self, station: str, given: Scan | Asked | Sought) -> Result:
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        if not self._inbox.put(Entry(station, given, done)):
            return self._answering.unrecorded(station, "busy")
        return await asyncio.shield(done)

    def _scanned(self, device: str, given: Scan | Unreadable) -> None:
        station = self._inbox.station_of(device)
        if station is None:
            log.warning("scan at a scanner without station", device=device)
            self._answering.beep("", given, "bad", "no_station")
        elif not self._inbox.put(Entry(station, given)):
            self._answering.beep(station, given, "bad", "busy")

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.tick()

    async def _rounds(self) -> None:
        while True:
            self.came_round_s = time.monotonic()
            await self._inbox.came.wait()
            if self._stopping:
                return
            self._inbox.came.clear()
            await self.turn()

    def _stop(self) -> None:
        self._stopping = True
        self._inbox.came.set()

    async def _refresh_boundaries(self) -> None:
        """Read the counters of stations where a scan is about to move a boundary."""
        asked: set[str] = set()
        while devices := self._at_boundary() - asked:
            refreshes = [asyncio.wait_for(self._answering.drivers[d].refresh(), REFRESH_S) for d in devices]
            await asyncio.gather(*refreshes, return_exceptions=True)  # too late: the last value counts
            asked |= devices  # a scan that came meanwhile may need another device
        if asked:
            self._inbox.readings_first()

    def _at_boundary(self) -> set[str]:
        read = self.site.grammar.read
        stations = {station for station, scan in self._inbox.scans() if _moves_boundary(read(scan))}
        devices = {device for station in stations for device in self._inbox.devices_of(station)}
        return devices & self._answering.drivers.keys()

    async def _work_off(self, waiting: deque[Entry]) -> None:
        """Step and commit, in one round unless the clock is set or a shift ends between two entries."""
        while waiting:
            try:
                now = await self._arrived()
                await self._read_on(waiting[0])
            except StorageFault as fault:
                self._storage(fault)
                self._fail(waiting)
                if isinstance(fault, Damaged):
                    raise RestartNeeded(
                        f"{fault.message}. The next start goes on with what is there"
                    ) from fault
                return
            if now is not None:
                await self._round(waiting, now)

    async def _read_on(self, entry: Entry) -> None:
        """Tell who corrects a fact what was recorded since the search for it."""
        if isinstance(entry.given, Sought):
            asked, traced, seq = entry.given.asked, entry.given.traced, entry.given.seq
            traced, seq = await read_on(self._journal, traced, seq, self._journal.head)
            entry.given = Sought(asked, traced, seq)

    async def _round(self, waiting: deque[Entry], now: Moment | None) -> None:
        """Step and commit what waits, up to where the clock or the calendar has something to say first."""
        line, lives = self.line, dict(self.lives)
        steps: list[tuple[Entry, Step]] = []
        drafts: list[Draft] = []
        while now is not None:
            entry = waiting.popleft()
            done = self._step(entry, line, lives[entry.station], now)
            line, lives[entry.station] = done.line, done.live
            steps.append((entry, done))
            drafts += done.drafts
            if waiting and isinstance(waiting[0].given, Sought):
                break  # it must know of these facts
            now = self._timekeeper.look(line.wall) if waiting else None
            if now is not None and self._turned(line, lives, now):
                break
        try:
            events = await self._append(drafts)
        except StorageFault as fault:
            self._storage(fault)
            self._fail(entry for entry, _ in steps)
            if isinstance(fault, Damaged):
                raise RestartNeeded(f"{fault.message}. The next start sets it aside and goes on") from fault
            return
        self.line, self.lives = line, lives
        if events:
            self._seq = events[-1].seq
            self._storage(None)
        self._answer(steps, events)
        if drafts:
            await presence.watch(self.alerts, line)
        if drafts or any(done.answer or isinstance(one.given, Observed) for one, done in steps):
            self._notify()
        if self._seq - self.snapshot_seq >= SNAPSHOT_EVENTS:
            with suppress(StorageFault):  # the next facts will tell
                await self._save_snapshot()

    async def _remind(self) -> None:
        """Look at what people must be reminded of. A clock that was just set is judged first."""
        now = self._timekeeper.look(self.line.wall)
        if now is None:
            return
        try:
            changed = await self._reminding.look(self.line, self.lives, self.master, now)
        except MasterDataUnreadable as fault:
            self.masterdata.lose(fault)
            return
        if changed:
            self._notify()

    async def _arrived(self) -> Moment | None:
        """This moment, once what the clock did and what the calendar led to by now is committed.

        None where the clock was set again meanwhile: ask once more.
        """
        await self._timekeeper.settle(self.line.wall, self._record)
        now = self._timekeeper.look(self.line.wall)
        turned = self._turned(self.line, self.lives, now) if now else None
        if turned is None:
            return now
        events = await self._append(turned.drafts)
        self.line, self.lives, self._seq = turned.line, dict(turned.lives), events[-1].seq
        await presence.watch(self.alerts, self.line)
        if self.witness is not None:
            self.witness.recorded(events)
        self._notify()
        return now

    def _turned(self, line: Line, lives: Mapping[str, Live], now: Moment) -> Turn | None:
        return turn(self.site, line, lives, self.master, now, new_id)

    def _step(self, entry: Entry, line: Line, live: Live, now: Moment) -> Step:
        try:
            return step(self.site, entry.station, line, live, entry.given, self.master, now, new_id)
        except MasterDataUnreadable as fault:
            self.masterdata.lose(fault)
            return step(self.site, entry.station, line, live, entry.given, self.master, now, new_id)

    async def _append(self, drafts: Sequence[Draft]) -> Sequence[Event]:
        if not drafts:
            return ()
        events = await self._journal.append(drafts)
        EVENTS.inc(len(events))
        HEAD.set(self._journal.head)
        for draft in drafts:
            if held := getattr(draft.data, "held", None):
                ANOMALIES.labels(held).inc()
        return events

    def _answer(self, steps: list[tuple[Entry, Step]], events: Sequence[Event]) -> None:
        position = 0
        for entry, done in steps:
            own = events[position : position + len(done.drafts)]
            position += len(done.drafts)
            if self.witness is not None:
                self.witness.stepped(entry.station, entry.given, done, own)
            if done.answer is not None:
                self._answering.tell(entry, done.answer, own)

    async def _record(self, drafts: Sequence[Draft]) -> None:
        """Commit facts that no input led to, and fold them in."""
        events = await self._append(drafts)
        for event in events:
            self.line, self._seq = fold(self.line, event), event.seq
        if events and self.witness is not None:
            self.witness.recorded(events)

    def _fail(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if isinstance(entry.given, Scan | Unreadable):
                said = Said("bad", say("storage"), self._clock.now())
                self.lives[entry.station] = replace(self.lives[entry.station], said=said)
            self._answering.fail(entry)

    def _storage(self, fault: StorageFault | None) -> None:
        """Log once when storage fails and once when it is back."""
        if fault is not None and self.storage_fault is None:
            log.error("NOT RECORDED: the journal cannot be written", error=fault.message, hint=fault.hint)
        elif fault is None and self.storage_fault is not None:
            log.info("the journal can be written again")
        if fault is not self.storage_fault:
            self.storage_fault = fault
            self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _save_snapshot(self) -> None:
        snapshot = Snapshot(self._seq, STATE_VERSION, msgspec.json.encode(self.line))
        await self._journal.save_snapshot(snapshot)
        self.snapshot_seq = snapshot.seq  # only now: what lies before it may be forgotten

    async def _retire_stations(self) -> None:
        now = judged(self.line.wall, self._clock.now(), self.site.calendar)
        drafts = presence.retired(self.site, self.line, now)
        await self._record(drafts)
        for draft in drafts:
            log.warning("signed off: the station is no longer configured", station=draft.data.station)


def _moves_boundary(word: Word) -> bool:
    return isinstance(word, Order) or (isinstance(word, Command) and word.name in _BOUNDARY)
