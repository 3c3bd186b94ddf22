"""What becomes of a check that failed: nothing, a warning, a question, or a refusal (`settings.Checks`).

One place decides. What was said or confirmed goes into the fact that it is about, as `warnings` and
`confirmed`; until then it waits with the pending entry.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Literal

from edge import settings
from edge.events import (
    Fact,
    LotMounted,
    MaterialConsumed,
    OperatorSignedOn,
    OutputIdentified,
    WorkReported,
    WorkStarted,
)
from edge.station.pending import Tested
from edge.station.texts import Text, say

Verdict = Literal["passed", "refused"]
_MATERIAL = (MaterialConsumed, LotMounted)
_BEARERS: Mapping[str, tuple[type[Fact], ...]] = {
    "order_elsewhere": (WorkStarted,),
    "order_status": (WorkStarted,),
    "sequence": (WorkStarted,),
    "ahead": (WorkReported,),
    "material": _MATERIAL,
    "lot_unknown": _MATERIAL,
    "lot_status": _MATERIAL,
    "lot_expired": _MATERIAL,
    "lot_consumed": _MATERIAL,
    "usage": _MATERIAL,
    "missing_lot": (WorkReported,),
    "output": (WorkReported,),
    "time": (WorkReported,),
    "qualification": (OperatorSignedOn,),
    "rework": (WorkReported,),
    "serial": (OutputIdentified, WorkReported),
}


class Verdicts:
    """The checks that one scan failed."""

    def __init__(self, site: settings.Checks, station: settings.StationChecks) -> None:
        self._site = site
        self._station = station
        self.confirmed: frozenset[str] = frozenset()  # what OK has just answered
        self.tested: list[Tested] = []  # not yet in a fact
        self.said: list[Text] = []  # beside the answer
        self.asked: dict[str, Text] = {}  # what OK must answer first, by code

    @cached_property
    def levels(self) -> settings.Checks:
        """What the configuration says here; most steps never ask."""
        return self._site.at(self._station)

    def level(self, code: str) -> settings.Level:
        """What the configuration says of a check."""
        found: settings.Level = getattr(self.levels, code)
        return found

    def failed(self, code: str, what: Text, instead: Text, *, with_ok: bool, blocks: bool = True) -> Verdict:
        """Decide about a check that failed. `with_ok`: an OK follows anyway, and answers this too.

        Not `blocks`: what is blocked elsewhere is only warned.
        """
        level = self.level(code)
        if level == "block" and blocks:
            return "refused"
        if level in ("warn", "block"):
            self._passed(code, False)
            self.said.append(say("check_warned", what=what, instead=instead))
        elif level == "confirm" and code in self.confirmed:
            self._passed(code, True)
        elif level == "confirm" and with_ok:
            self._passed(code, True)
            self.said.append(say("check_shown", what=what, instead=instead))
        elif level == "confirm":
            self.asked[code] = say("check_asked", what=what, instead=instead)
        return "passed"

    def unchecked(self, code: str) -> None:
        """A check that nothing is known for: it only warns, whatever its level."""
        if self.level(code) != "off":
            self._passed(code, False)

    def forget(self, codes: Iterable[str]) -> None:
        """Decide anew about these: what they were about was entered anew."""
        self.tested = [one for one in self.tested if one.code not in codes]

    def borne(self, fact: type[Fact]) -> dict[str, Any]:
        """What a fact of this type bears; what was said of another is left."""
        mine = [one for one in self.tested if issubclass(fact, _BEARERS[one.code])]
        if not mine:
            return {}
        self.tested = [one for one in self.tested if one not in mine]
        return {
            "warnings": tuple(one.code for one in mine if not one.confirmed),
            "confirmed": tuple(one.code for one in mine if one.confirmed),
        }

    def _passed(self, code: str, confirmed: bool) -> None:
        one = Tested(code, confirmed)
        if one not in self.tested:
            self.tested.append(one)
