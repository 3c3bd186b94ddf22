"""Time that a person enters later: of people whom the ERP knows, and no more of it than there was."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

from msgspec import UNSET

from edge.events import Labour, Resources, plain
from edge.masterdata import MasterData
from edge.station.review.requests import MakeUp, number
from edge.station.review.rights import known_person
from edge.station.review.words import Unsettled
from edge.station.state import ZERO

_DAY_S = 86_400
_LEEWAY_S = 60  # clocks of browsers differ


def resources(master: MasterData, asked: MakeUp, passed_s: Decimal) -> Resources | None:
    """What a person says of time; what they do not say another report carries.

    `passed_s`: how long ago it began. Raises Unsettled where that cannot be.
    """
    if not asked.labour and asked.machine_s is None:
        return None
    labour = tuple(
        Labour(operator=_worker(master, one.operator), phase="run", s=above_nought(one.s))
        for one in asked.labour
    )
    machine_s = above_nought(asked.machine_s) if asked.machine_s is not None else None
    _check_lengths(asked, labour, machine_s, passed_s)
    basis: dict[str, Literal["measured", "confirmed", "standard"]] = {}
    if labour:
        basis["labour"] = "confirmed"
    if machine_s is not None:
        basis["machine_s"] = "confirmed"
    return Resources(
        labour=labour or UNSET, machine_s=machine_s if machine_s is not None else UNSET, basis=basis
    )


def above_nought(given: str) -> Decimal:
    """A quantity or length as a decimal. Raises Unsettled."""
    quantity = plain(number(given))
    if quantity <= 0:
        raise Unsettled("quantity_above_nought")
    return quantity


def _worker(master: MasterData, badge: str) -> str:
    """The number of the person whose time it is; any passes while people were never received."""
    if master.document.people is None and badge.strip():
        return badge
    person = known_person(master, badge)
    if person is None:
        raise Unsettled("worker_unknown", person=badge)
    return person.person


def _check_lengths(
    asked: MakeUp, labour: Sequence[Labour], machine_s: Decimal | None, passed_s: Decimal
) -> None:
    spent: dict[str, Decimal] = {} if machine_s is None else {asked.station: machine_s}
    for one in labour:
        spent[one.operator] = spent.get(one.operator, ZERO) + one.s
    for who, s in spent.items():
        if s > _DAY_S:
            raise Unsettled("over_a_day", who=who, s=s)
        if s > passed_s + _LEEWAY_S:
            raise Unsettled("too_long", who=who, s=s, time=asked.time)
