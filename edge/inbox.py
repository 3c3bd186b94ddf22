"""What waits for the collector: scans, readings and requests, in the order in which they came; their answers.

Bounded. When it is full a scan takes the place of the oldest reading, and is refused where there is none:
counters go on from their last recorded value, so a reading that was given up costs nothing.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from edge.readings import Reading, Scan
from edge.station.step import Input, Observed, Tick
from edge.station.texts import Text
from edge.station.work import Site

ROUND = 250  # the most inputs that one commit takes
WAITING = 1000  # the most that wait


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
    warned: bool = False  # taken, and a warning is in the message

    @property
    def good(self) -> bool:
        return self.result in ("recorded", "pending", "repeated")


class Entry:
    """An input waiting for its turn, and who waits for the answer."""

    __slots__ = ("done", "given", "station")

    def __init__(self, station: str, given: Input, done: "asyncio.Future[Result] | None" = None) -> None:
        self.station = station
        self.given = given
        self.done = done

    @property
    def waited_for(self) -> bool:
        """Whether a page or program still waits for the answer."""
        return self.done is not None and not self.done.done()

    def answer(self, result: Result) -> None:
        """Give the answer to who waits for it."""
        assert self.done is not None
        self.done.set_result(result)


class Inbox:
    """The inputs of all stations; `came` is set when one comes."""

    def __init__(self, site: Site) -> None:
        self.came = asyncio.Event()
        self._stations = tuple(site.stations)
        self._by_scanner = {gun: name for name, one in site.stations.items() for gun in one.scanners}
        self._by_tag: dict[str, list[str]] = {}
        for name, station in site.stations.items():
            for tag in {*station.tags.values()}:
                self._by_tag.setdefault(tag, []).append(name)
        self._entries: deque[Entry] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def station_of(self, scanner: str) -> str | None:
        """The station at which a scanner is."""
        return self._by_scanner.get(scanner)

    def devices_of(self, station: str) -> set[str]:
        """The devices whose tags a station uses."""
        return {tag.partition(".")[0] for tag, names in self._by_tag.items() if station in names}

    def put(self, entry: Entry) -> bool:
        """Queue an input; False where there is no room for it."""
        if len(self._entries) >= WAITING:
            oldest = next((one for one in self._entries if isinstance(one.given, Observed)), None)
            if oldest is None:
                return False
            self._entries.remove(oldest)
        self._entries.append(entry)
        self.came.set()
        return True

    def observe(self, batch: Sequence[Reading]) -> None:
        """Queue the readings that stations use, at each of them."""
        found: dict[str, list[Reading]] = {}
        for reading in batch:
            for name in self._by_tag.get(reading.name, ()):
                found.setdefault(name, []).append(reading)
        for name, readings in found.items():
            self.put(Entry(name, Observed(readings)))

    def tick(self) -> None:
        """Queue that time passed, for every station that nothing waiting tells it."""
        told = {one.station for one in self._entries if isinstance(one.given, Observed | Tick)}
        self._entries.extend(Entry(name, Tick()) for name in self._stations if name not in told)
        self.came.set()

    def take(self) -> deque[Entry]:
        """The next inputs, as many as one commit takes."""
        return deque(self._entries.popleft() for _ in range(min(len(self._entries), ROUND)))

    def scans(self) -> list[tuple[str, Scan]]:
        """The scans that wait, with their stations."""
        return [(one.station, one.given) for one in self._entries if isinstance(one.given, Scan)]

    def readings_first(self) -> None:
        """Put what was read before the scans that asked for it."""
        fresh = [one for one in self._entries if isinstance(one.given, Observed)]
        self._entries = deque(fresh + [one for one in self._entries if not isinstance(one.given, Observed)])
