"""Badges: joining and leaving the crew, and handing over to the next shift."""

from msgspec.structs import replace

from edge.events import BreakTaken, OperatorSignedOff, OperatorSignedOn, Origin, TimeUnassigned, seconds
from edge.readings import Moment
from edge.station import checks, hours, signals
from edge.station.grammar import Badge
from edge.station.pending import PendingReport, PendingShift, PendingSignOff
from edge.station.scans import orders, reports
from edge.station.state import SWITCHED, Idle, JobKey, Line
from edge.station.texts import Text, say
from edge.station.work import Refused, Work


def badge(work: Work, scan: Badge) -> Text:
    """Sign on; after LSCOUT sign off, after LSCSHIFT take over. Who is here already sees the status."""
    operator = person(work, scan.badge)
    if isinstance(work.live.pending, PendingSignOff):
        return _sign_off(work, operator)
    work.live = replace(work.live, actor=operator)
    if isinstance(work.live.pending, PendingShift):
        return _take_over(work, operator)
    if operator not in work.station.crew:
        checks.qualification(work, operator)
        work.emit(OperatorSignedOn, operator=operator)
        return say("signed_on", operator=operator)
    if _doubted(work, operator):
        work.emit(OperatorSignedOn, operator=operator)
        return say("confirmed", operator=operator)
    jobs = ", ".join(f"{job.work_order}/{job.operation}" for job in work.station.jobs)
    return say("status", operator=operator, jobs=jobs or say("none"))


def sign_off(work: Work) -> Text:
    """LSCOUT: the next badge leaves."""
    if not work.station.crew:
        raise Refused("no_operator")
    work.wait_for(PendingSignOff())
    return say("signing_off")


def hand_over(work: Work) -> Text:
    """LSCSHIFT: the next badge takes over."""
    work.wait_for(PendingShift())
    return say("handing_over")


def handed(work: Work, pending: PendingReport) -> Text:
    """OK to what was made of a job before it was handed over; the next job's figure follows."""
    text = reports.report(work, pending)
    return text + say("then") + _figures(work, pending.rest) if pending.rest else text


def idle(line: Line, at: Moment) -> tuple[Idle, ...]:
    """People's time up to a moment that no job has and no fact carries."""
    return hours.passed(line, at).idle


def account(work: Work, operator: str, origin: Origin) -> None:
    """Record a person's time that no job has."""
    for one in idle(work.line, work.now):
        if one.operator == operator:
            _record(work, one, origin)


def _record(work: Work, idle: Idle, origin: Origin) -> None:
    who, s = idle.operator, seconds(idle.ms)
    if idle.category == hours.UNPAID:
        work.emit(BreakTaken, origin=origin, operator=who, s=s)
    else:
        category, reason = idle.category, idle.reason
        work.emit(TimeUnassigned, origin=origin, operator=who, category=category, reason=reason, s=s)


def _take_over(work: Work, operator: str) -> Text:
    """The incoming person joins, those who stood here leave, and the figure of each job is proposed."""
    signals.boundary(work)
    work.end_wait()
    if operator not in work.station.crew:
        checks.qualification(work, operator)
    if operator not in work.station.crew or _doubted(work, operator):
        work.emit(OperatorSignedOn, operator=operator)
    leaving = [one for one in work.station.crew if one != operator]
    for one in leaving:
        _leave(work, one)
    text = say("took_over", operator=operator, leaving=", ".join(leaving) or "-")
    jobs = sorted(work.station.jobs, key=lambda job: job.key != work.station.selected)
    keys = tuple(job.key for job in jobs if job.phase == "run" and job.paused != SWITCHED)
    return text + say("then") + _figures(work, keys) if keys else text


def _figures(work: Work, keys: tuple[JobKey, ...]) -> Text:
    """Propose the total of the first of these jobs; the others follow its OK."""
    if work.station.selected != keys[0]:
        orders.take_up(work, keys[0])
    shown = reports.propose(work, "shift", rest=keys[1:])
    return say("of_order", order=keys[0][0]) + shown


def _sign_off(work: Work, operator: str) -> Text:
    if operator not in work.station.crew:
        raise Refused("not_signed_on", operator=operator)
    work.end_wait()
    _leave(work, operator)
    return say("signed_off", operator=operator)


def _leave(work: Work, operator: str) -> None:
    """Sign somebody off; where they are at no other station, the time that no job has is recorded first."""
    crews = (station.crew for name, station in work.line.stations.items() if name != work.name)
    if not any(operator in crew for crew in crews):
        account(work, operator, "scan")
    work.emit(OperatorSignedOff, operator=operator)


def _doubted(work: Work, operator: str) -> bool:
    person = work.line.people.get(operator)
    return person is not None and person.doubted


def person(work: Work, badge: str) -> str:
    """The person whose badge it is; any badge passes while people were never received."""
    if work.master.document.people is None:
        return badge
    person = work.master.badges.get(badge)
    if person is None:
        raise Refused("unknown_badge", badge=badge)
    return person.person
