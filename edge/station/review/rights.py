"""Who may settle what, by the roles that the ERP gives people, and who needs a second person for it."""

from typing import Literal

import msgspec

from edge.masterdata import MasterData, Person
from edge.settings import Review
from edge.station.review.requests import Asked
from edge.station.review.words import Unsettled

Right = Literal["settle", "make_up"]


class Authority(msgspec.Struct, frozen=True):
    """Who decided; `checked` is false while people were never received."""

    person: str
    approved_by: str | None
    checked: bool


def authority(
    review: Review, master: MasterData, asked: Asked, right: Right, *, concession: bool = False
) -> Authority:
    """Who decides; for a concession one of the two must be able to grant it. Raises Unsettled."""
    if not _number(asked.person):
        raise Unsettled("person_missing")
    if master.document.people is None:
        second = _number(asked.approved_by or "") or None
        return Authority(_number(asked.person), second, checked=False)
    person = _known(master, asked.person)
    approver = _known(master, asked.approved_by) if asked.approved_by else None
    if approver is not None and approver.person == person.person:
        raise Unsettled("four_eyes_self", person=person.person)
    _check(review, person, approver, review.settle if right == "settle" else review.make_up)
    both = {*person.roles, *(approver.roles if approver else ())}
    if concession and not both.intersection(review.concession):
        raise Unsettled("not_allowed", person=person.person, roles=", ".join(review.concession) or "-")
    return Authority(person.person, approver.person if approver else None, checked=True)


def _check(review: Review, person: Person, approver: Person | None, allowed: tuple[str, ...]) -> None:
    mine = [role for role in person.roles if role in allowed]
    if not mine:
        raise Unsettled("not_allowed", person=person.person, roles=", ".join(allowed) or "-")
    if not set(mine) <= set(review.four_eyes):
        return
    able = dict.fromkeys(role for role in (*review.settle, *allowed) if role not in review.four_eyes)
    approving = list(able) or allowed
    if approver is None or not set(approver.roles).intersection(approving):
        raise Unsettled("four_eyes", person=person.person, roles=", ".join(approving))


def known_person(master: MasterData, badge: str) -> Person | None:
    """Who has that badge or number, scanned or typed."""
    return master.badges.get(badge) or master.badges.get(_number(badge))


def _known(master: MasterData, badge: str) -> Person:
    person = known_person(master, badge)
    if person is None:
        raise Unsettled("person_unknown", person=badge)
    return person


def _number(badge: str) -> str:
    """What a badge says, scanned (LSE1042) or typed."""
    return badge.strip().removeprefix("LSE")
