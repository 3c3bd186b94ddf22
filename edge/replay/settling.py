"""Lines of `inputs.txt` in which a person decides on what waits, or enters what nobody recorded.

    settle reassign count OP20 to 1001/0020 by 2001
    settle split count OP20 into 7 1001/0020, 2 1001/0020 scrap 04, 3 nobody by 2001 because counted by hand
    settle reassign lot OP20 to lot A2207 by 2001
    makeup OP20 1001/0020 at 09:30: 5 good, worked 1042 600 by 1042 and 2001 because the gun was broken
    correct OP20 work.reported at 09:30:12: 10 good, 2 scrap 04 by 2001 because counted again
    correct OP20 material.consumed at 09:30:12: 2.5 lot A2207 by 2001 because the wrong coil
    correct OP20 work.reported at 09:30:12: reverse by 2001 because it was never made

What is settled is the oldest entry of that kind at the station; what is corrected, the last fact of that type
in that second.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from edge.events import Event, instant
from edge.replay.lines import Wrong, local_ms
from edge.station.review.requests import Request
from edge.station.state import Line

ALLOWED = (
    "settle accept|reverse <kind> <station> by <person>, settle reassign … to <part> by …, settle split …"
    " into <part>, <part> by …, makeup <station> <order>/<operation> at <time>: <item>, <item> by …,"
    " correct <station> <type> at <time>: reverse|<item>, <item> by …; a person"
    " is followed by `and <person>` and `because <why>` where needed"
)
_KINDS = "check|count|held|lot|provisional|time"
_END = r"\s+by\s+(?P<person>\S+)(?:\s+and\s+(?P<second>\S+))?(?:\s+because\s+(?P<note>.+))?"
_SETTLE = re.compile(
    rf"(?P<how>accept|reverse|reassign|split)\s+(?P<kind>{_KINDS})\s+(?P<station>\S+)"
    rf"(?:\s+(?:to|into)\s+(?P<parts>.+?))?{_END}"
)
_MAKEUP = re.compile(
    rf"(?P<station>\S+)\s+(?P<order>[^\s/]+)/(?P<operation>\S+)\s+at\s+(?P<time>.+?):\s+(?P<items>.+?){_END}"
)
_CORRECT = re.compile(
    rf"(?P<station>\S+)\s+(?P<type>[a-z]+\.[a-z]+)\s+at\s+(?P<time>.+?):\s+(?P<items>.+?){_END}"
)
_LOT = re.compile(r"(?:(?P<quantity>\S+)\s+)?lot\s+(?P<lot>\S+)")
_NOBODY = re.compile(r"(?P<quantity>\S+)\s+nobody")
_JOB = re.compile(
    r"(?:(?P<quantity>\S+)\s+)?(?P<work_order>[^\s/]+)/(?P<operation>\S+)"
    r"(?:\s+(?P<disposition>good|concession|rework|scrap)(?:\s+(?P<reason>\S+))?)?"
)
_MADE = re.compile(
    r"(?P<quantity>\S+)\s+(?P<disposition>good|concession|rework|scrap)(?:\s+(?P<reason>\S+))?"
)
_USED = re.compile(
    r"used\s+(?P<material>\S+)\s+(?P<quantity>\S+)(?:\s+(?P<unit>(?!lot\b)\S+))?(?:\s+lot\s+(?P<lot>\S+))?"
)
_WORKED = re.compile(r"worked\s+(?P<operator>\S+)\s+(?P<s>\S+)")
_MACHINE = re.compile(r"machine\s+(?P<s>\S+)")


@dataclass(frozen=True)
class Decided:
    """A person's decision; `kind` and `station` name the entry, where it settles one."""

    asked: dict[str, Any] = field(hash=False)
    kind: str | None = None
    station: str | None = None
    fact: tuple[str, str] | None = None  # type, and second of the time: of a fact that is corrected

    def request(self, line: Line, events: Sequence[Event] = ()) -> Request:
        """What is asked of the collector: on the oldest entry of that kind there, or on that fact."""
        if self.fact is not None:
            named = (one for one in reversed(events) if self._names(one))
            id_ = next((one.id for one in named), " at ".join(self.fact))
            correction: Request = msgspec.convert(self.asked | {"corrects": id_}, Request)
            return correction
        found = (o.id for o in line.waiting.values() if (o.kind, o.station) == (self.kind, self.station))
        settles = {"settles": [next(found, f"{self.kind} at {self.station}")]} if self.kind else {}
        request: Request = msgspec.convert(self.asked | settles, Request)
        return request

    def _names(self, event: Event) -> bool:
        fact = event.data
        return (fact.station, fact.type, event.time[:19]) == (self.station, *(self.fact or ()))


def correct(text: str, at_ms: int, zone: ZoneInfo) -> Decided:
    """What a line that begins with `correct` says; a time without a date is of the line's own day."""
    match = _CORRECT.fullmatch(text)
    if match is None:
        raise Wrong(f"correct {text}: not understood; allowed: {ALLOWED}")
    asked: dict[str, Any] = {"how": "correct"} | _who(match)
    if match["items"] == "reverse":
        asked["reverse"] = True
    else:
        asked["parts"] = [_figure(one.strip()) for one in match["items"].split(",")]
    when = _time(match["time"], at_ms, zone)[:19]
    return _checked(Decided(asked, station=match["station"], fact=(match["type"], when)))


def settle(text: str) -> Decided:
    """What a line that begins with `settle` says. Raises Wrong."""
    match = _SETTLE.fullmatch(text)
    if match is None:
        raise Wrong(f"settle {text}: not understood; allowed: {ALLOWED}")
    asked = {"how": match["how"]} | _who(match)
    parts = [_part(one.strip()) for one in match["parts"].split(",")] if match["parts"] else []
    if match["how"] == "reassign":
        asked["to"] = parts[0] if len(parts) == 1 else None
    elif match["how"] == "split":
        asked["parts"] = parts
    return _checked(Decided(asked, match["kind"], match["station"]))


def makeup(text: str, at_ms: int, zone: ZoneInfo) -> Decided:
    """What a line that begins with `makeup` says; a time without a date is of the line's own day."""
    match = _MAKEUP.fullmatch(text)
    if match is None:
        raise Wrong(f"makeup {text}: not understood; allowed: {ALLOWED}")
    asked: dict[str, Any] = {
        "how": "make_up",
        "station": match["station"],
        "work_order": match["order"],
        "operation": match["operation"],
        "time": _time(match["time"], at_ms, zone),
    } | _who(match)
    for item in match["items"].split(","):
        _add(asked, item.strip())
    return _checked(Decided(asked))


def _who(match: re.Match[str]) -> dict[str, str]:
    named = {"person": match["person"], "approved_by": match["second"], "note": match["note"]}
    return {key: value for key, value in named.items() if value is not None}


def _part(text: str) -> dict[str, str]:
    for form in (_LOT, _NOBODY, _JOB):
        if match := form.fullmatch(text):
            return _named(match)
    raise Wrong(f"{text!r} is no part; allowed: [<quantity>] <order>/<operation> [<disposition> [<reason>]],"
                " <quantity> nobody, [<quantity>] lot <lot>")  # fmt: skip


def _figure(text: str) -> dict[str, str]:
    for form in (_LOT, _MADE):
        if match := form.fullmatch(text):
            return _named(match)
    raise Wrong(f"{text!r} is no figure; allowed: <quantity> good, <quantity> scrap <reason>,"
                " [<quantity>] lot <lot>")  # fmt: skip


def _add(asked: dict[str, Any], text: str) -> None:
    if match := _USED.fullmatch(text):
        asked.setdefault("materials", []).append(_named(match))
    elif match := _WORKED.fullmatch(text):
        asked.setdefault("labour", []).append(_named(match))
    elif match := _MACHINE.fullmatch(text):
        asked["machine_s"] = match["s"]
    elif match := _MADE.fullmatch(text):
        asked.setdefault("outputs", []).append(_named(match))
    else:
        raise Wrong(f"{text!r} is no item; allowed: <quantity> good, <quantity> scrap <reason>,"
                    " used <material> <quantity> [<unit>] [lot <lot>], worked <person> <seconds>,"
                    " machine <seconds>")  # fmt: skip


def _named(match: re.Match[str]) -> dict[str, str]:
    return {key: value for key, value in match.groupdict().items() if value is not None}


def _time(given: str, at_ms: int, zone: ZoneInfo) -> str:
    day = datetime.fromtimestamp(at_ms / 1000, zone).date().isoformat()
    try:
        local = datetime.fromisoformat(given if "-" in given else f"{day} {given}")
    except ValueError:
        raise Wrong(f"{given} is no time; allowed: 09:30, or 2026-11-22 09:30") from None
    return instant(local_ms(local, zone))


def _checked(decided: Decided) -> Decided:
    try:
        decided.request(Line())
    except msgspec.ValidationError as error:
        raise Wrong(f"is no settlement: {error}; allowed: {ALLOWED}") from None
    return decided
