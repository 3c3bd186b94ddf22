"""Badges: joining and leaving the crew."""

from msgspec.structs import replace

from edge.events import BreakTaken, OperatorSignedOff, OperatorSignedOn, Origin, TimeUnassigned, seconds
from edge.readings import Moment
from edge.station import hours
from edge.station.grammar import Badge
from edge.station.state import Idle, Line, PendingSignOff
from edge.station.texts import Text, say
from edge.station.work import Refused, Work


def badge(work: Work, scan: Badge) -> Text:
    """Sign on, sign off after LSCOUT, or show the status of one who is already here."""
    operator = _person(work, scan.badge)
    if isinstance(work.live.pending, PendingSignOff):
        return _sign_off(work, operator)
    work.live = replace(work.live, actor=operator)
    person = work.line.people.get(operator)
    if operator in work.station.crew and person is not None and person.doubted:
        work.emit(OperatorSignedOn, operator=operator)
        return say("confirmed", operator=operator)
    if operator in work.station.crew:
        jobs = ", ".join(f"{job.work_order}/{job.operation}" for job in work.station.jobs)
        return say("status", operator=operator, jobs=jobs or say("none"))
    work.emit(OperatorSignedOn, operator=operator)
    return say("signed_on", operator=operator)


def sign_off(work: Work) -> Text:
    """LSCOUT: the next badge leaves."""
    if not work.station.crew:
        raise Refused("no_operator")
    work.wait_for(PendingSignOff())
    return say("signing_off")


def _sign_off(work: Work, operator: str) -> Text:
    if operator not in work.station.crew:
        raise Refused("not_signed_on", operator=operator)
    work.end_wait()
    leave(work, operator)
    return say("signed_off", operator=operator)


def leave(work: Work, operator: str) -> None:
    """Sign somebody off; where they are at no other station, the time that no job has is recorded first."""
    crews = (station.crew for name, station in work.line.stations.items() if name != work.name)
    if not any(operator in crew for crew in crews):
        account(work, operator, "scan")
    work.emit(OperatorSignedOff, operator=operator)


def idle(line: Line, at: Moment) -> tuple[Idle, ...]:
    """People's time up to a moment that no job has and no fact carries."""
    return hours.passed(line, at).idle


def account(work: Work, operator: str, origin: Origin) -> None:
    """Record a person's time that no job has."""
    for one in idle(work.line, work.now):
        if one.operator != operator:
            continue
        if one.category == hours.UNPAID:
            work.emit(BreakTaken, origin=origin, operator=operator, s=seconds(one.ms))
        else:
            fields = {"operator": operator, "category": one.category, "reason": one.reason}
            work.emit(TimeUnassigned, origin=origin, s=seconds(one.ms), **fields)


def _person(work: Work, badge: str) -> str:
    """The person whose badge it is; any badge passes while people were never received."""
    if work.master.document.people is None:
        return badge
    person = work.master.badges.get(badge)
    if person is None:
        raise Refused("unknown_badge", badge=badge)
    return person.person
