"""Settling what waits: accept, reverse, reassign, split. One commit, and never twice.

The pieces of a settled count are exactly those that waited; a held movement is in doubt: a person accepts
what it would have been counted as, or says how many it was. What a meter measured is consumed. A consumption
without a lot is cancelled and recorded again with it.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from edge.events import Draft, Labour, MaterialConsumed, Resources, plain
from edge.masterdata import MasterData
from edge.readings import Moment
from edge.station.review import accepting, correcting, corrections, makeup, metering
from edge.station.review.desk import Desk, Target
from edge.station.review.originals import Traced
from edge.station.review.requests import (
    Accept,
    Asked,
    Correct,
    Decision,
    Discard,
    MakeUp,
    Reassign,
    Retry,
    Reverse,
    Share,
    Split,
    number,
)
from edge.station.review.rights import Authority, authority
from edge.station.review.waiting import Kind, Waiting, consumption
from edge.station.review.words import Unsettled, word
from edge.station.state import ZERO, Line
from edge.station.texts import Text
from edge.station.work import Site

_HOW: dict[type[Decision], str] = {
    Accept: "accepted", Reverse: "reversed", Reassign: "reassigned", Split: "split",
}  # fmt: skip
_POSSIBLE: dict[Kind, tuple[type[Decision], ...]] = {
    "check": (Accept, Reverse, Reassign, Split),
    "count": (Accept, Reverse, Reassign, Split),
    "held": (Accept, Reverse, Reassign, Split),
    "lot": (Accept, Reverse, Reassign, Split),
    "provisional": (Accept,),
    "time": (Accept, Reassign, Split),
}


def possible(one: Waiting) -> tuple[type[Decision], ...]:
    """The ways to settle an entry; a check only where its fact can be taken back as a whole."""
    return (Accept,) if one.kind == "check" and one.fact is None else _POSSIBLE[one.kind]


class Settled(msgspec.Struct, frozen=True):
    """What a settlement came to."""

    line: Line
    drafts: tuple[Draft, ...]
    message: Text


def settle(
    site: Site,
    line: Line,
    asked: Asked,
    master: MasterData,
    now: Moment,
    new_id: Callable[[int], str],
    traced: Traced | None = None,
) -> Settled:
    """The facts of one settlement, and the line after them. Raises Unsettled, Refused.

    `traced`: what the journal says of the fact that is to be corrected.
    """
    desk = Desk(site, line, master, now, new_id)
    if isinstance(asked, MakeUp):
        who, message = makeup.enter(desk, asked)
    elif isinstance(asked, Retry | Discard):
        who, message = _redeliver(desk, asked)
    elif isinstance(asked, Accept | Reverse | Reassign | Split):
        who, message = _decide(desk, asked)
    elif isinstance(asked, Correct) and traced is not None:
        who, message = correcting.correct(desk, asked, traced)
    else:
        raise TypeError(f"{type(asked).__name__} is no settlement")
    message = sum(desk.flagged, message)
    if desk.reopened:
        message = message + word("reopened", order=desk.reopened[0])
    if desk.moved:
        message = message + word("moved", date=desk.moved[0], posted=desk.moved[1])
    if not who.checked:
        message = message + word("unchecked")
    return Settled(desk.line, tuple(desk.drafts), message)


def _redeliver(desk: Desk, asked: Retry | Discard) -> tuple[Authority, Text]:
    """What sync acts on when it reads it."""
    who = authority(desk.site.review, desk.master, asked, "settle")
    if isinstance(asked, Discard) and not asked.note:
        raise Unsettled("note_missing")
    how = "discarded" if isinstance(asked, Discard) else "retried"
    desk.settled(who, None, asked.settles, how, asked.note)
    return who, word(how, person=who.person, count=len(asked.settles))


def _decide(desk: Desk, asked: Decision) -> tuple[Authority, Text]:
    shares = _shares(asked)
    granted = any(share.disposition == "concession" for share in shares)
    who = authority(desk.site.review, desk.master, asked, "settle", concession=granted)
    entries = [_entry(desk, id_) for id_ in dict.fromkeys(asked.settles)]
    for one in entries:
        if type(asked) not in possible(one):
            ways = ", ".join(way.__name__.lower() for way in possible(one))
            how = word(type(asked).__name__.lower(), person=who.person)
            raise Unsettled("not_so", kind=word(f"kind_{one.kind}"), how=how, possible=ways)
    ids = {id_ for one in entries for id_ in one.ids}
    if not isinstance(asked, Accept) and any(one.caused_by in ids for one in entries):
        raise Unsettled("one_by_one")
    for one in entries:
        if isinstance(asked, Accept):
            _accept(desk, who, one)
        elif isinstance(asked, Reverse):
            _reverse(desk, who, one, asked.note)
        else:
            _share_out(desk, who, one, shares, asked.note)
    settled = tuple(id_ for one in entries for id_ in one.ids)
    desk.settled(who, entries[0].station, settled, _HOW[type(asked)], asked.note)
    return who, word(type(asked).__name__.lower(), person=who.person)


def _shares(asked: Decision) -> tuple[Share, ...]:
    match asked:
        case Reassign(to=to):
            return (to,)
        case Split(parts=parts):
            return parts
    return ()


def _entry(desk: Desk, id_: str) -> Waiting:
    """The entry of that id. Raises Unsettled where it does not wait, or is not what was shown."""
    found = next((one for one in desk.line.waiting.values() if id_ in one.ids), None)
    if found is None:
        raise Unsettled("not_open", id=id_)
    if found.id != id_:
        raise Unsettled("whole", id=id_)
    return found


def _accept(desk: Desk, who: Authority, one: Waiting) -> None:
    """As the evidence says: only a held movement becomes a figure by that."""
    if one.kind == "held":
        accepting.accept(desk, who, one)


def _reverse(desk: Desk, who: Authority, one: Waiting, note: str | None) -> None:
    """It did not occur. A count that no fact posted needs no correction: it is settled as nothing."""
    if one.kind == "lot":
        desk.corrects(who, consumption(one), one.id, "did_not_occur", note)
    elif one.kind == "check":
        corrections.reverse(desk, who, one, note)


def _share_out(desk: Desk, who: Authority, one: Waiting, shares: Sequence[Share], note: str | None) -> None:
    if one.kind == "check" and one.type != MaterialConsumed.type:
        corrections.restate(desk, who, one, shares, note)
        return
    shared = [(share, _quantity(one, share)) for share in shares]
    total = sum((quantity for _, quantity in shared), ZERO)
    if one.quantity is not None and total != one.quantity:
        raise Unsettled("quantity_sum", given=total, waits=one.quantity)
    if one.kind in ("lot", "check"):
        _with_lots(desk, who, one, shared, note)
        return
    for share, quantity in shared:
        if share.work_order is None and len(shared) > 1:
            continue  # belongs to no order
        _book(desk, who, one, share, quantity)


def _quantity(one: Waiting, share: Share) -> Decimal:
    quantity = number(share.quantity) if share.quantity is not None else one.quantity
    if quantity is None:
        raise Unsettled("quantity_needed")
    if quantity <= 0:
        raise Unsettled("quantity_above_nought")
    return plain(quantity)


def _with_lots(
    desk: Desk, who: Authority, one: Waiting, shared: Sequence[tuple[Share, Decimal]], note: str | None
) -> None:
    """Cancel the consumption and record it again with its lots, both on the present day."""
    if any(share.lot is None for share, _ in shared):
        raise Unsettled("lot_needed")
    parts = [(share.lot, quantity) for share, quantity in shared]
    corrections.consumed_otherwise(desk, who, one, parts, note)


def _book(desk: Desk, who: Authority, one: Waiting, share: Share, quantity: Decimal) -> None:
    """A share of what waited becomes a report on its order."""
    if share.work_order is None or share.operation is None:
        raise Unsettled("order_needed")
    target = desk.target(one.station, (share.work_order, share.operation))
    at_ms = one.to_ms if one.dated else None
    if one.kind != "time" and metering.measures(desk, one):
        metering.consume(desk, who, one, target, quantity, metering.unit_of(desk, one) or "", lot=share.lot)
        return
    if one.kind == "time":
        figure = _time(one, quantity)
    elif one.counter == "energy":
        figure = {"resources": Resources(energy_kwh=quantity, basis={"energy_kwh": "confirmed"})}
    else:
        figure = _pieces(desk, one, target, share, quantity)
    desk.reported(who, one.station, target, at_ms, **({"outputs": ()} | figure))


def _pieces(desk: Desk, one: Waiting, target: Target, share: Share, quantity: Decimal) -> dict[str, Any]:
    if one.counts == "scrap" and (share.disposition, share.reason) == ("good", None):
        output = makeup.rejected(desk, target, quantity, one)
    else:
        output = makeup.output(desk, target, quantity, share.disposition, share.reason)
    if one.subject is None or one.subject == target.product:
        return {"outputs": (output,), "counted": desk.counted(one.station, target, (output,))}
    if desk.is_open(one.station, target):
        raise Unsettled("side_open", material=one.subject, order=target.work_order)
    beside = replace(
        output, material=one.subject, role=_role(desk, one, target), unit=one.unit or output.unit
    )
    return {"outputs": (beside,)}


def _role(desk: Desk, one: Waiting, target: Target) -> Literal["main", "co", "by"]:
    """What a material is to the order, as its counter or the ERP says."""
    order = desk.master.orders.get(target.work_order)
    for made in order.outputs if order else ():
        if made.material == one.subject:
            return made.role
    return one.role or "co"


def _time(one: Waiting, s: Decimal) -> dict[str, Any]:
    """Time that belonged to no job, as an order's: a person's, or a machine's where `subject` is one."""
    basis: Literal["confirmed"] = "confirmed"
    if one.person:
        labour = (Labour(operator=one.subject or "", phase="run", s=s),)
        return {"resources": Resources(labour=labour, basis={"labour": basis})}
    return {"resources": Resources(machine_s=s, basis={"machine_s": basis})}
