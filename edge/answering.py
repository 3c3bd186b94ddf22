"""What people are told after the commit: the answer, the signal at their scanner, the evidence of both."""

from collections.abc import Callable, Mapping, Sequence

from prometheus_client import Counter as Metric

from edge.events import Event
from edge.inbox import Entry, Recorded, Result
from edge.ports import Driver, Evidence, Verdict
from edge.readings import Scan, Unreadable
from edge.station.review.requests import Asked
from edge.station.step import Sought
from edge.station.texts import Text, say
from edge.station.work import Answer, Site

SCANS = Metric("lineside_scans", "Scans by what became of them", ["result"])


class Answering:
    """Answers whoever scanned. The devices and the evidence are given by the composition root."""

    def __init__(self, site: Site, following: Callable[[str], Text]) -> None:
        """`following`: what a station asks for next."""
        self.drivers: Mapping[str, Driver] = {}
        self.evidence: Evidence | None = None
        self._site = site
        self._following = following

    def tell(self, entry: Entry, answer: Answer, events: Sequence[Event]) -> None:
        """Answer an input by what came of it."""
        verdict: Verdict = "bad" if answer.result == "refused" else "good"
        if isinstance(entry.given, Scan | Unreadable):
            self.beep(entry.station, entry.given, verdict, answer.result)
            SCANS.labels(answer.result).inc()
        elif not isinstance(entry.given, Asked | Sought):
            # A pending entry ended: tell whoever stands at the station.
            for scanner in self._site.stations[entry.station].scanners:
                self._signal(scanner, "bad")
        if entry.waited_for:
            recorded = tuple(Recorded(event.seq, event.id, event.type) for event in events)
            following = self._following(entry.station)
            why, warned = answer.why, answer.warned
            entry.answer(Result(answer.result, answer.message, following, recorded, why, warned))

    def fail(self, entry: Entry) -> None:
        """Say that nothing of an input was recorded."""
        if isinstance(entry.given, Scan | Unreadable):
            SCANS.labels("storage").inc()
            self.beep(entry.station, entry.given, "bad", "storage")
        if entry.waited_for:
            entry.answer(self.unrecorded(entry.station, "storage"))

    def unrecorded(self, station: str, why: str) -> Result:
        """Nothing was recorded: the answer where there is no storage, or no room to wait in."""
        return Result("storage", say(why), self._following(station))

    def beep(self, station: str, given: Scan | Unreadable, verdict: Verdict, result: str) -> None:
        """Signal at the scanner, and keep that as evidence."""
        self._signal(given.device, verdict)
        if self.evidence is not None:
            self.evidence.answered(station, given, result)

    def _signal(self, device: str, verdict: Verdict) -> None:
        driver = self.drivers.get(device)
        if driver is not None:
            driver.signal(verdict)
