"""Badges: joining and leaving the crew."""

from msgspec.structs import replace

from edge.events import OperatorSignedOff, OperatorSignedOn
from edge.station.grammar import Badge
from edge.station.state import PendingSignOff
from edge.station.texts import Text, say
from edge.station.work import Refused, Work


def badge(work: Work, scan: Badge) -> Text:
    """Sign on, sign off after LSCOUT, or show the status of one who is already here."""
    operator = _person(work, scan.badge)
    if isinstance(work.live.pending, PendingSignOff):
        return _sign_off(work, operator)
    work.live = replace(work.live, actor=operator)
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
    work.emit(OperatorSignedOff, operator=operator)
    return say("signed_off", operator=operator)


def _person(work: Work, badge: str) -> str:
    """The person whose badge it is; any badge passes while people were never received."""
    if work.master.document.people is None:
        return badge
    person = work.master.badges.get(badge)
    if person is None:
        raise Refused("unknown_badge", badge=badge)
    return person.person
