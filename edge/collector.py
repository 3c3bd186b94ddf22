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
from pathlib import Path
from typing import Literal, Protocol

import msgspec
import structlog
from msgspec.structs import replace
from prometheus_client import Counter as Metric
from prometheus_client import Gauge

from edge import presence
from edge.alerts import Alerts
from edge.codes import symbology
from edge.events import Draft, Event, OperatorSignedOff, seconds
from edge.faults import Damaged, MasterDataUnreadable, RestartNeeded, StorageFault
from edge.ids import new_id
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
from edge.station.review.requests import Asked
from edge.station.review.words import word
from edge.station.state import STATE_VERSION, Line, Live, Said
from edge.station.step import Input, Observed, Restarted, Step, Stopping, Tick, step
from edge.station.texts import Text, say
from edge.station.turn import Turn, turn
from edge.station.view import View, view
from edge.station.work import Answer, Site
from edge.timekeeper import Timekeeper
from edge.unbroken import unbroken
from edge.wallclock import dates, judged

log = structlog.get_logger()

SNAPSHOT_EVENTS = 1000
TICK_S = 1.0
REFRESH_S = 0.2  # the longest that a scan waits for a counter's value at a boundary
_ROUND_INPUTS = 250  # the most that one commit takes
_WAITING_INPUTS = 1000  # full: a scan is refused with the bad signal, readings give up their oldest
_BOUNDARY = frozenset(
    {"DONE", "PART", "OK", "GO", "SETUP", "PAUSE", "SHIFT", "TOOL", "NOTOOL", "BLOCKED", "METER"}
)

SCANS = Metric("lineside_scans", "Scans by what became of them", ["result"])
EVENTS = Metric("lineside_events", "Events committed to the journal")
HEAD = Gauge("lineside_journal_head", "The last committed seq")
DEVICE_UP = Gauge("lineside_device_up", "Whether a device answers", ["device"])
DEVICE_SEEN = Gauge(
    "lineside_device_last_success_timestamp_seconds", "When a device last said something good", ["device"]
)
ANOMALIES = Metric("lineside_counter_anomalies", "Counter moves held for a person", ["kind"])


class Recorded(msgspec.Struct, frozen=True):
    """An event that a scan led to."""

    seq: int
    id: str
    type: str


class Result(msgspec.Struct, frozen=True):
    """The answer to a scan, after the commit."""

    result: Literal["recorded", "pending", "repeated", "refused", "storage"]
    message: Text
    next: Text
    events: tuple[Recorded, ...] = ()
    why: str = ""  # the name of a refusal, for programs

    @property
    def good(self) -> bool:
        return self.result in ("recorded", "pending", "repeated")


class _Entry:
    """An input waiting for its turn, and who waits for the answer."""

    __slots__ = ("done", "given", "station")

    def __init__(self, station: str, given: Input, done: "asyncio.Future[Result] | None" = None) -> None:
        self.station = station
        self.given = given
        self.done = done


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
        self.evidence: Evidence | None = None  # given by the composition root
        self.witness: Witness | None = None
        self.came_round_s = time.monotonic()  # when the actor last began a round; the watchdog looks at it
        self._journal = journal
        self._clock = clock
        self.masterdata = InUse(masterdata_path, self.alerts, self._notify)
        self._drivers: Mapping[str, Driver] = {}
        self._station_of = {
            scanner: name for name, station in site.stations.items() for scanner in station.scanners
        }
        self._stations_of_tag = _stations_of_tag(site)
        self._reminding = Reminding(site, self.alerts)
        self._ticked = False  # since people were last reminded
        self._timekeeper = Timekeeper(journal, clock, site.calendar, self.alerts)
        self._entries: deque[_Entry] = deque()
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        self.snapshot_seq = 0  # the last event that a snapshot holds
        self._seq = 0  # the last event that `line` holds

    @property
    def master(self) -> MasterData:
        """The master data in use."""
        return self.masterdata.now

    # What the composition root calls

    async def restore(self) -> None:
        """Rebuild the stations' state from the snapshot and the events behind it."""
        await self.alerts.load()
        self.line, self._seq = await restored(self._journal)
        HEAD.set(self._journal.head)
        try:
            await self._timekeeper.settle(self.line.wall, self._record)
            await self._follow_calendar()
            await self._retire_stations()
        except StorageFault as fault:
            self._storage(
                fault
            )  # the pages say so; what the clock did is recorded by the first round that can
        await self.masterdata.look()
        for name in self.site.stations:
            self._entries.append(_Entry(name, Restarted()))

    def attach(self, drivers: Mapping[str, Driver]) -> None:
        """Know the devices: whom to answer, and whom to ask for a boundary value."""
        self._drivers = drivers

    async def run(self) -> None:
        """Work off inputs until cancelled; a round that was begun then is committed, remembered and answered.

        Whoever went on from a state without it would count the same strokes once more.
        """
        loop = asyncio.get_running_loop()
        tick_at = loop.time() + TICK_S
        while True:
            self.came_round_s = time.monotonic()
            try:
                async with asyncio.timeout_at(tick_at):
                    await self._wake.wait()
            except TimeoutError:
                tick_at = loop.time() + TICK_S
                self.tick()
            self._wake.clear()
            await unbroken(self.turn(), "round")

    def tick(self) -> None:
        """Queue that time passed, for every station that no waiting reading tells it."""
        self._ticked = True
        told = {entry.station for entry in self._entries if isinstance(entry.given, Observed)}
        self._entries.extend(_Entry(name, Tick()) for name in self.site.stations if name not in told)

    async def turn(self) -> None:
        """Work off what waits: boundary values first, then all inputs in the order in which they came."""
        await self._refresh_boundaries()
        while self._entries:
            round_ = [self._entries.popleft() for _ in range(min(len(self._entries), _ROUND_INPUTS))]
            await self._work_off(round_)
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
            await self._work_off([_Entry(name, Stopping()) for name in self.site.stations])
        if self._seq > self.snapshot_seq:
            with suppress(StorageFault):
                await self._save_snapshot()

    # Observer: what drivers call

    def readings(self, batch: Sequence[Reading]) -> None:
        """Keep the readings that stations use."""
        if self.evidence is not None:
            self.evidence.readings(batch)
        for name, readings in self._sorted(batch).items():
            self._put(_Entry(name, Observed(readings)))

    def scan(self, scan: Scan) -> None:
        """Queue a scan; a full queue answers with the bad signal at once."""
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
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        kind, code = symbology.split(text)
        if not self._put(_Entry(station, Scan(PAGE, code, self._clock.now(), kind, kept=False), done)):
            return self._unanswered(station, "storage", say("busy"))
        return await asyncio.shield(done)

    async def settle(self, asked: Asked) -> Result:
        """What came of a person's decision on what waits, after the commit."""
        station = self._concerned(asked)
        if station is None:
            return Result("refused", word("no_stations"), Text("", ""), why="no_stations")
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        if not self._put(_Entry(station, asked, done)):
            return self._unanswered(station, "storage", say("busy"))
        return await asyncio.shield(done)

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

    def _scanned(self, device: str, given: Scan | Unreadable) -> None:
        station = self._station_of.get(device)
        if station is None:
            log.warning("scan at a scanner without station", device=device)
            self._beep("", given, "bad", "no_station")
            return
        if not self._put(_Entry(station, given)):
            self._beep(station, given, "bad", "busy")

    def _put(self, entry: _Entry) -> bool:
        if len(self._entries) >= _WAITING_INPUTS:
            if not isinstance(entry.given, Observed):
                return False
            oldest = next((e for e in self._entries if isinstance(e.given, Observed)), None)
            if oldest is None:
                return False
            self._entries.remove(oldest)
        self._entries.append(entry)
        self._wake.set()
        return True

    def _sorted(self, batch: Sequence[Reading]) -> dict[str, list[Reading]]:
        found: dict[str, list[Reading]] = {}
        for reading in batch:
            for name in self._stations_of_tag.get(reading.name, ()):
                found.setdefault(name, []).append(reading)
        if batch and batch[0].value is not None:
            DEVICE_SEEN.labels(batch[0].device).set(batch[0].received.wall_ms / 1000)
        return found

    async def _refresh_boundaries(self) -> None:
        """Read the counters of stations where a scan is about to move a boundary."""
        asked: set[str] = set()
        while devices := self._at_boundary() - asked:
            refreshes = [asyncio.wait_for(self._drivers[d].refresh(), REFRESH_S) for d in devices]
            await asyncio.gather(*refreshes, return_exceptions=True)  # too late: the last value counts
            asked |= devices  # a scan that came meanwhile may need another device
        if asked:
            # What was read belongs before the scans that asked for it.
            fresh = [e for e in self._entries if isinstance(e.given, Observed)]
            self._entries = deque(fresh + [e for e in self._entries if not isinstance(e.given, Observed)])

    def _at_boundary(self) -> set[str]:
        read = self.site.grammar.read
        waiting = [e for e in self._entries if isinstance(e.given, Scan) and _moves_boundary(read(e.given))]
        return {device for entry in waiting for device in self._devices_of(entry.station)}

    def _devices_of(self, station: str) -> set[str]:
        devices = {tag.partition(".")[0] for tag, names in self._stations_of_tag.items() if station in names}
        return {device for device in devices if device in self._drivers}

    async def _work_off(self, entries: list[_Entry]) -> None:
        """Step and commit, in one round unless the clock is set or a shift ends between two entries."""
        waiting = deque(entries)
        while waiting:
            try:
                await self._timekeeper.settle(self.line.wall, self._record)
                await self._follow_calendar()
            except StorageFault as fault:
                self._storage(fault)
                self._answer_failed(waiting)
                return
            await self._round(waiting)

    async def _round(self, waiting: deque[_Entry]) -> None:
        line, lives = self.line, dict(self.lives)
        steps: list[tuple[_Entry, Step]] = []
        drafts: list[Draft] = []
        while waiting and (now := self._timekeeper.look(line.wall)) and not self._turned(line, lives, now):
            entry = waiting.popleft()
            done = self._step(entry, line, lives[entry.station], now)
            line, lives[entry.station] = done.line, done.live
            steps.append((entry, done))
            drafts += done.drafts
        try:
            events = await self._append(drafts)
        except StorageFault as fault:
            self._storage(fault)
            self._answer_failed([entry for entry, _ in steps])
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
        if drafts or any(done.answer for _, done in steps) or any(_shows(e.given) for e, _ in steps):
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

    async def _follow_calendar(self) -> None:
        """Commit what shifts and breaks led to at all stations, before what comes after."""
        now = self._timekeeper.look(self.line.wall)
        turned = self._turned(self.line, self.lives, now) if now else None
        if turned is None:
            return
        events = await self._append(turned.drafts)
        self.line, self.lives, self._seq = turned.line, dict(turned.lives), events[-1].seq
        await presence.watch(self.alerts, self.line)
        if self.witness is not None:
            self.witness.recorded(events)
        self._notify()

    def _turned(self, line: Line, lives: Mapping[str, Live], now: Moment) -> Turn | None:
        return turn(self.site, line, lives, self.master, now, new_id)

    def _step(self, entry: _Entry, line: Line, live: Live, now: Moment) -> Step:
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

    def _answer(self, steps: list[tuple[_Entry, Step]], events: Sequence[Event]) -> None:
        position = 0
        for entry, done in steps:
            own = events[position : position + len(done.drafts)]
            position += len(done.drafts)
            if self.witness is not None:
                self.witness.stepped(entry.station, entry.given, done, own)
            if done.answer is not None:
                self._tell(entry, done.answer, own)

    def _tell(self, entry: _Entry, answer: Answer, events: Sequence[Event]) -> None:
        good = answer.result != "refused"
        if isinstance(entry.given, Scan | Unreadable):
            self._beep(entry.station, entry.given, "good" if good else "bad", answer.result)
            SCANS.labels(answer.result).inc()
        elif not isinstance(
            entry.given, Asked
        ):  # a pending entry expired: tell whoever stands at the station
            for scanner in self.site.stations[entry.station].scanners:
                self._signal(scanner, "bad")
        if entry.done is not None and not entry.done.done():
            recorded = tuple(Recorded(event.seq, event.id, event.type) for event in events)
            following = self.view(entry.station).next
            entry.done.set_result(Result(answer.result, answer.message, following, recorded, answer.why))

    async def _record(self, drafts: Sequence[Draft]) -> None:
        """Commit facts that no input led to, and fold them in."""
        events = await self._append(drafts)
        for event in events:
            self.line, self._seq = fold(self.line, event), event.seq
        if events and self.witness is not None:
            self.witness.recorded(events)

    def _answer_failed(self, entries: Iterable[_Entry]) -> None:
        for entry in entries:
            if isinstance(entry.given, Scan | Unreadable):
                said = Said("bad", say("storage"), self._clock.now())
                self.lives[entry.station] = replace(self.lives[entry.station], said=said)
                SCANS.labels("storage").inc()
                self._beep(entry.station, entry.given, "bad", "storage")
            if entry.done is not None and not entry.done.done():
                entry.done.set_result(self._unanswered(entry.station, "storage", say("storage")))

    def _unanswered(self, station: str, result: Literal["storage"], message: Text) -> Result:
        return Result(result, message, self.view(station).next)

    def _beep(
        self, station: str, given: Scan | Unreadable, verdict: Literal["good", "bad"], result: str
    ) -> None:
        self._signal(given.device, verdict)
        if self.evidence is not None:
            self.evidence.answered(station, given, result)

    def _signal(self, device: str, verdict: Literal["good", "bad"]) -> None:
        driver = self._drivers.get(device)
        if driver is not None:
            driver.signal(verdict)

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
        state = msgspec.json.encode(self.line)
        self.snapshot_seq = self._seq
        await self._journal.save_snapshot(Snapshot(self.snapshot_seq, STATE_VERSION, state))

    async def _retire_stations(self) -> None:
        """Sign off whoever stands at a station that is no longer configured: nobody can do it there."""
        now = judged(self.line.wall, self._clock.now(), self.site.calendar)
        drafts = [
            Draft(new_id(now.wall_ms), now.wall_ms, _left(name, operator, now, self.site))
            for name, station in self.line.stations.items()
            if name not in self.site.stations
            for operator in station.crew
        ]
        await self._record(drafts)
        for draft in drafts:
            log.warning("signed off: the station is no longer configured", station=draft.data.station)


def _left(station: str, operator: str, now: Moment, site: Site) -> OperatorSignedOff:
    day = dates(site.calendar, now)
    return OperatorSignedOff(
        station=station,
        operator=operator,
        origin="signal",
        posting_date=day.posting_date,
        production_date=day.production_date,
        shift=day.shift,
        clock=now.clock,
        boot_id=now.boot_id,
        monotonic_s=seconds(now.monotonic_ms),
        utc_offset=day.utc_offset,
    )


def _stations_of_tag(site: Site) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, station in site.stations.items():
        for tag in {*station.tags.values()}:
            found.setdefault(tag, []).append(name)
    return found


def _moves_boundary(word: Word) -> bool:
    return isinstance(word, Order) or (isinstance(word, Command) and word.name in _BOUNDARY)


def _shows(given: Input) -> bool:
    return isinstance(given, Observed)
