"""What the driver tells of a server: its values as readings, that it came or went, what it refuses.

Invariants:
- A lost server gives one Link (down) and each tag once with quality bad. Until it is back nothing is told but
  that it is there and keeps us out, each reason once, as a Link of the same moment: that takes a person.
- What is wrong with a tag or with the server is logged when it begins and, where it matters, when it ends.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import structlog
from asyncua import ua

from drivers.opcua.decoding import OVERFLOW, QUALITIES, Convert, converter, source_ms, unfit
from drivers.opcua.pki import Untrusted
from drivers.opcua.settings import OpcUaSettings
from drivers.opcua.words import Refusal, Refused
from edge.faults import DeviceFault
from edge.ports import Clock, Observer
from edge.readings import Link, Moment, Quality, Reading

log = structlog.get_logger()

_BAD = Quality.bad


@dataclass(frozen=True, slots=True)
class _Served:
    """A tag with all that telling its value takes."""

    name: str
    unit: str | None
    convert: Convert


class Telling:
    """One server's tags, by handle: a tag's place among the settings' tags."""

    def __init__(self, name: str, settings: OpcUaSettings, clock: Clock) -> None:
        self._name = name
        self._endpoint = settings.endpoint
        self._clock = clock
        self._served = [_Served(tag, one.unit, converter(one)) for tag, one in settings.tags.items()]
        self.handles: Mapping[str, int] = {one.name: handle for handle, one in enumerate(self._served)}
        self.refused: dict[str, Refusal] = {}  # by tag
        self._unfit: dict[str, str] = {}
        self._overrun = False  # whether that was logged
        self.up: bool | None = None  # None: not known yet
        self._lost_at: Moment | None = None
        self._hints: set[str] = set()  # what was told to do about this loss

    def __len__(self) -> int:
        return len(self._served)

    @property
    def refusals(self) -> Mapping[str, str]:
        """Why there is no value of a tag, for each tag that has none now."""
        return {name: one.reason for name, one in self.refused.items()} | self._unfit

    def names(self, handles: Iterable[int]) -> list[str]:
        """The tags' names."""
        return [self._served[handle].name for handle in handles]

    @property
    def handles_of_refused(self) -> list[int]:
        return [self.handles[name] for name in self.refused]

    def forget(self) -> None:
        """Nothing is known any more."""
        self.up, self.refused, self._unfit = None, {}, {}

    # --- values

    def reading(self, handle: int, value: ua.DataValue, now: Moment, asked: Moment | None) -> Reading:
        """A value as it came at `now`; nothing about it is older than `asked`."""
        served = self._served[handle]
        status = value.StatusCode
        code = status.value if status is not None else 0
        quality = QUALITIES[code >> 30]
        converted = None
        if quality is not _BAD:
            raw = value.Value.Value if value.Value is not None else None
            converted = served.convert(raw)
            if converted is None:
                quality = _BAD
                self._note_unfit(served.name, unfit(raw))
            elif self._unfit:
                self._note_unfit(served.name, None)
            if code & OVERFLOW == OVERFLOW:
                self._note_overrun(served.name)
        at = source_ms(value.SourceTimestamp)
        return Reading(self._name, served.name, converted, quality, now, served.unit, at, asked)

    def _note_unfit(self, tag: str, why: str | None) -> None:
        if why is None:
            self._unfit.pop(tag, None)
        elif tag not in self._unfit:
            self._unfit[tag] = why
            log.warning("device's value does not fit its tag", device=self._name, tag=tag, reason=why)

    def _note_overrun(self, tag: str) -> None:
        if not self._overrun:
            self._overrun = True
            hint = "Raise queue_size, or publish more often"
            log.warning("the server dropped values", device=self._name, tag=tag, hint=hint)

    # --- the server

    def standing(self, observer: Observer, *, serves: bool) -> None:
        """The server is back once it `serves` any tag; one that only refuses is not."""
        now = self._clock.now()
        if serves:
            if self.up is not True:
                self.up = True
                self._overrun = False
                observer.link(Link(self._name, True, self._endpoint, "", now))
        elif self.up is None and self.refused:
            one = next(iter(self.refused.values()))
            self._down(observer, f"{self._endpoint} refuses every tag: {one.reason}", one.hint, now)

    def lost(self, observer: Observer, fault: DeviceFault) -> None:
        """The server is lost, for this reason."""
        if self.up is False and self._lost_at is not None:
            if isinstance(fault, Refused | Untrusted) and fault.hint not in self._hints:
                self._down(observer, fault.message, fault.hint, self._lost_at)
            return
        now = self._clock.now()
        self._hints.clear()
        self._down(observer, fault.message, fault.hint, now)
        self._bad(observer, self._served, now)

    def _down(self, observer: Observer, detail: str, hint: str, at: Moment) -> None:
        self.up, self._lost_at = False, at
        self._hints.add(hint)
        observer.link(Link(self._name, False, detail, hint, at))

    def refuses(self, observer: Observer, asked: Collection[str], refused: dict[str, Refusal]) -> None:
        """Of the tags that were `asked` for these are refused.

        One that is refused from now on is bad and logged, once; one that no longer is, is logged once.
        """
        before = self.refused
        self.refused = {name: one for name, one in before.items() if name not in asked} | refused
        begun = {name: one for name, one in self.refused.items() if name not in before}
        ended = [name for name in before if name not in self.refused]
        for why in dict.fromkeys(begun.values()):
            names = [name for name, one in begun.items() if one == why]
            log.warning(
                "device refuses tags", device=self._name, tags=names, reason=why.reason, hint=why.hint
            )
        if ended:
            log.info("device no longer refuses tags", device=self._name, tags=ended)
        if begun:
            self._bad(observer, [self._served[self.handles[name]] for name in begun], self._clock.now())

    def _bad(self, observer: Observer, tags: Iterable[_Served], now: Moment) -> None:
        observer.readings([Reading(self._name, one.name, None, _BAD, now, one.unit) for one in tags])
