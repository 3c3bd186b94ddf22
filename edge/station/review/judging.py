"""What is checked of what a person enters later, as it would be of a scan (docs/checks.md).

No OK can follow: who means what a check of the level `confirm` doubts sends it again with `confirm`.
"""

from decimal import Decimal
from typing import Any

from edge.events import Labour, Output
from edge.settings import Level
from edge.station import rework
from edge.station.review.desk import Desk, Target
from edge.station.review.rights import known_person
from edge.station.review.words import Unsettled, word
from edge.station.state import ZERO
from edge.station.texts import Text, say
from edge.station.work import number

_DAY_S = 86_400
_LEEWAY_S = 60  # clocks of browsers differ


class Judging:
    """The checks that one entry failed."""

    def __init__(self, desk: Desk, station: str, *, confirmed: bool) -> None:
        configured = desk.site.stations[station]
        self._levels = desk.site.checks.at(configured.checks)
        self._center = configured.work_center
        self._desk = desk
        self._station = station
        self._confirmed = confirmed
        self._warned: list[str] = []
        self._answered: list[str] = []
        self._asked: list[Text] = []
        self.said: list[Text] = []

    def borne(self) -> dict[str, Any]:
        """What facts say of it. Raises Unsettled where the person has not confirmed what they must."""
        if self._asked:
            raise Unsettled("check_confirm", what=sum(self._asked[1:], self._asked[0]))
        return {"warnings": tuple(self._warned), "confirmed": tuple(self._answered)}

    def good(self, target: Target, outputs: tuple[Output, ...]) -> None:
        """More good pieces than planned, beyond the tolerance; within it they are told all the same."""
        more = sum((one.quantity for one in outputs if one.disposition == "good"), ZERO)
        planned = self._planned(target)
        if not more or planned is None:
            return
        good = more + self._reported(target)
        if good > planned * (1 + self._levels.output_tolerance) and self._levels.output != "off":
            shown = {"pieces": number(good), "planned": number(planned)}
            self._fail("output", self._levels.output, say("output_over", **shown))
        elif good > planned:
            self.said.append(word("over_plan", over=number(good - planned), planned=number(planned)))

    def worker(self, badge: str) -> str:
        """The number of the person whose time it is. Raises Unsettled where nobody knows them."""
        people = self._desk.master.document.people
        if people is None:
            return badge
        person = known_person(self._desk.master, badge)
        if person is None:
            raise Unsettled("worker_unknown", person=badge)
        kept = any(one.qualifications for one in people)
        if kept and self._center not in person.qualifications:
            what = say("not_qualified", operator=person.person, center=self._center)
            self._fail("qualification", self._levels.qualification, what)
        return person.person

    def lengths(self, labour: tuple[Labour, ...], machine_s: Decimal | None, at_ms: int, given: str) -> None:
        """Raises Unsettled where somebody worked, or the machine ran, for longer than there was time."""
        since_s = Decimal(self._desk.now.wall_ms - at_ms) / 1000 + _LEEWAY_S
        spent: dict[str, Decimal] = {} if machine_s is None else {self._center: machine_s}
        for one in labour:
            spent[one.operator] = spent.get(one.operator, ZERO) + one.s
        for who, s in spent.items():
            if s > _DAY_S:
                raise Unsettled("over_a_day", who=who, s=number(s))
            if s > since_s:
                raise Unsettled("too_long", who=who, s=number(s), time=given)

    def _planned(self, target: Target) -> Decimal | None:
        job = self._desk.line.station(self._station).held(target.key)
        if job is not None:
            return None if job.provisional else job.planned
        order = self._desk.master.orders.get(target.work_order)
        moving = order is not None and rework.taken_from(order, target.operation) is not None
        return order.quantity if order is not None and not moving else None

    def _reported(self, target: Target) -> Decimal:
        """Good pieces of the job that are reported at the station already."""
        station = self._desk.line.station(self._station)
        job = station.held(target.key)
        if job is not None:
            return job.good
        return sum((one.good for one in station.made if one.job == target.key), ZERO)

    def _fail(self, code: str, level: Level, what: Text) -> None:
        if level == "block":
            raise Unsettled("check_blocked", what=what)
        if level == "confirm" and not self._confirmed:
            self._asked.append(what if not self._asked else say("then") + what)
        elif level == "confirm":
            self._answered += [code] if code not in self._answered else []
        elif level == "warn":
            self._warned += [code] if code not in self._warned else []
            self.said.append(word("check_said", what=what))
