"""`inputs.txt`: what happens on the floor, one thing a line, and when.

    2026-11-23 08:00:00  press1.cycles = 500     a tag has this value from now on
               08:00:05  gun1  LSE1042           a scanner reads a code; OP20 LSE1042: typed on the page
               08:10:00  press1.cycles -> 800    it went there evenly since it was last mentioned
               08:11:00  press1 lost             the device no longer answers; back: it does again
               08:12:00  restart                 lineside is killed and started again
               08:30:00  end

The times are the true ones: what `clock` does to the machine's clock does not change them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from zoneinfo import ZoneInfo

from edge.readings import ClockQuality, Value
from edge.replay import settling
from edge.replay.lines import Line, Sheet, SituationFault, Wrong, local_ms
from edge.replay.settling import Decided
from edge.settings import Settings

_TAG = re.compile(r"(?P<tag>[A-Za-z0-9_-]+\.[A-Za-z0-9._-]+)\s*(?P<how>=|->)\s*(?P<value>.+)")
_CONTROL = re.compile(r"<(GS|RS|EOT|HT|FS|US)>")
_CODES = {"GS": "\x1d", "RS": "\x1e", "EOT": "\x04", "HT": "\t", "FS": "\x1c", "US": "\x1f"}
_WORDS = {"on": True, "off": False, "true": True, "false": False}
_PROCESS = ("stop", "start", "kill", "restart", "power off", "power on", "end")
_ALLOWED = (
    "allowed: <scanner> <code>, <station> <code>, <device>.<tag> = <value>, <device>.<tag> -> <value>,"
    " <device> lost, <device> back, <scanner> unreadable, masterdata <file>, clock …, settle …, makeup …,"
    " correct …, " + ", ".join(_PROCESS)
)
_CLOCK = (
    "allowed: clock +90s, clock -2h, clock 1970-01-01 00:00:00, clock right, clock synced, clock unsynced"
)
_OFFSET = re.compile(r"(?P<sign>[+-])(?P<number>\d{1,9})(?P<unit>s|min|h|d)")
_UNITS_MS = {"s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


@dataclass(frozen=True)
class Scanned:
    """A code at a scanner, or typed on a station's page; None: nothing that can be read."""

    place: str
    typed: bool
    text: str | None


@dataclass(frozen=True)
class TagSet:
    """A tag has a value from now on. `evenly`: it went there since it was last mentioned. None: bad."""

    device: str
    tag: str
    value: Value | Decimal | None
    evenly: bool


@dataclass(frozen=True)
class Linked:
    """A device stops or begins to answer."""

    device: str
    up: bool


@dataclass(frozen=True)
class Process:
    """What becomes of lineside, or of the machine that it runs on."""

    what: str


@dataclass(frozen=True)
class ClockSet:
    """The machine's clock is set by `step_ms`, or shows `wall_ms`, or (both None) the right time."""

    step_ms: int | None = None
    wall_ms: int | None = None
    quality: ClockQuality | None = None
    keeps: bool = False  # only the quality changes


@dataclass(frozen=True)
class Delivered:
    """Master data arrived."""

    path: Path


What = Scanned | TagSet | Linked | Process | ClockSet | Delivered | Decided


@dataclass(frozen=True)
class Entry:
    """One input. `at_ms` is the true time, UTC."""

    number: int
    at_ms: int
    text: str
    what: What


@dataclass
class Script:
    """All inputs in order."""

    entries: list[Entry] = field(default_factory=list)

    def of_tag(self, device: str, tag: str) -> list[tuple[int, TagSet]]:
        """When a tag is mentioned, and how."""
        return [
            (one.at_ms, one.what)
            for one in self.entries
            if isinstance(one.what, TagSet) and (one.what.device, one.what.tag) == (device, tag)
        ]


def load(path: Path, site: Settings) -> Script:
    """The inputs at `path`. Raises SituationFault with every problem found."""
    sheet = Sheet(path, site.edge.zone)
    reader = _Reader(site, path.parent)
    script = Script()
    for line in sheet.timed():
        try:
            script.entries.append(reader.entry(line))
        except Wrong as wrong:
            sheet.wrong(line.number, str(wrong))
    if not script.entries and not sheet.problems:
        sheet.problems.append(f"{path} says nothing: write what happens, one input a line")
    if sheet.problems:
        raise SituationFault(sheet.problems)
    return script


class _Reader:
    """Knows the site's names, and what was said before."""

    def __init__(self, site: Settings, folder: Path) -> None:
        self._site = site
        self._folder = folder
        self._zone: ZoneInfo = site.edge.zone
        self._mentioned: dict[tuple[str, str], TagSet] = {}
        self._up = True

    def entry(self, line: Line) -> Entry:
        """What a line says. Raises Wrong."""
        if line.at_ms is None:
            raise Wrong("begins with no time: write 08:00:05, or +5s for five seconds after the line above")
        if not line.text:
            raise Wrong(f"a time alone says nothing; {_ALLOWED}")
        return Entry(line.number, line.at_ms, line.text, self._what(line.text, line.at_ms))

    def _what(self, text: str, at_ms: int) -> What:
        words = " ".join(text.split())
        if words in _PROCESS:
            return self._process(words)
        if words.startswith("clock "):
            return self._clock(words[6:])
        if words.startswith("masterdata "):
            return self._delivered(words[11:])
        if words.startswith("settle "):
            return settling.settle(words[7:])
        if words.startswith("correct "):
            return settling.correct(words[8:], at_ms, self._zone)
        if words.startswith("makeup "):
            return settling.makeup(words[7:], at_ms, self._zone)
        if match := _TAG.fullmatch(text):
            return self._tag(match)
        name, _, rest = text.partition(" ")
        return self._named(name, rest.strip())

    def _process(self, words: str) -> Process:
        if words == "end":
            return Process(words)
        starts = words in ("start", "power on")
        if starts == self._up:
            raise Wrong(f"{words}: lineside {'runs already' if self._up else 'does not run'} here")
        self._up = starts or words == "restart"
        return Process(words)

    def _named(self, name: str, rest: str) -> What:
        device = self._site.devices.get(name)
        if device is not None and rest in ("lost", "back"):
            return Linked(name, rest == "back")
        if device is not None and device.scans:
            if not rest:
                raise Wrong(f"{name} reads nothing: write the code behind it, {name} LSE1042")
            return Scanned(name, False, None if rest == "unreadable" else _code(rest))
        if name in self._site.stations:
            if not rest:
                raise Wrong(f"nothing is typed at {name}: write the code behind it, {name} LSE1042")
            return Scanned(name, True, _code(rest))
        if device is not None:
            raise Wrong(f"{name} is no scanner; allowed: {name} lost, {name} back, {name}.<tag> = <value>")
        scanners = [one for one, settings in self._site.devices.items() if settings.scans]
        known = ", ".join([*scanners, *self._site.stations])
        raise Wrong(f"{name!r} is no scanner, station or command here. Known: {known}; {_ALLOWED}")

    def _tag(self, match: re.Match[str]) -> TagSet:
        device, _, tag = match["tag"].partition(".")
        settings = self._site.devices.get(device)
        if settings is None or tag not in settings.tag_names:
            known = [f"{name}.{one}" for name, s in self._site.devices.items() for one in sorted(s.tag_names)]
            raise Wrong(
                f"there is no tag {match['tag']}; allowed: {', '.join(known) or 'none is configured'}"
            )
        value, evenly = _value(match["value"].strip()), match["how"] == "->"
        before = self._mentioned.get((device, tag))
        if evenly and not (before and _is_number(before.value) and _is_number(value)):
            raise Wrong(f"{match['tag']} -> {match['value']}: a number must stand before it with =")
        self._mentioned[device, tag] = found = TagSet(device, tag, value, evenly)
        return found

    def _clock(self, rest: str) -> ClockSet:
        words = rest.split()
        quality: ClockQuality | None = None
        if words[-1] in ("synced", "unsynced"):
            quality = "synced" if words.pop() == "synced" else "unsynced"
        if not words:
            return ClockSet(quality=quality, keeps=True)
        given = " ".join(words)
        if given == "right":
            return ClockSet(quality=quality or "synced")
        if match := _OFFSET.fullmatch(given):
            sign = -1 if match["sign"] == "-" else 1
            step_ms = sign * int(match["number"]) * _UNITS_MS[match["unit"]]
            return ClockSet(step_ms=step_ms, quality=quality or "unsynced")
        try:
            local = datetime.fromisoformat(given)
        except ValueError:
            raise Wrong(f"clock {rest}: not understood; {_CLOCK}") from None
        if local.tzinfo is not None:
            raise Wrong(f"clock {rest}: local time is needed; {_CLOCK}")
        return ClockSet(wall_ms=local_ms(local, self._zone), quality=quality or "unsynced")

    def _delivered(self, name: str) -> Delivered:
        path = self._folder / name
        if not path.is_file():
            raise Wrong(f"masterdata {name}: there is no such file in the folder")
        return Delivered(path)


def _code(text: str) -> str:
    """A code as it was printed; <GS>, <RS>, <EOT>, <HT> stand for the characters that nobody can type."""
    return _CONTROL.sub(lambda match: _CODES[match[1]], text)


def _value(text: str) -> Value | Decimal | None:
    if text == "bad":
        return None
    if text in _WORDS:
        return _WORDS[text]
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise Wrong(
            f"{text} is no value; allowed: a number, on, off, bad (the device says it is bad)"
        ) from None
    if not number.is_finite():
        raise Wrong(f"{text} is no value; allowed: a number, on, off, bad (the device says it is bad)")
    return int(text) if number == number.to_integral_value() and "." not in text else number


def _is_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def tag_names(script: Script) -> Iterator[tuple[str, str]]:
    """The tags that are mentioned, each once."""
    seen = {(one.what.device, one.what.tag) for one in script.entries if isinstance(one.what, TagSet)}
    yield from sorted(seen)
