"""Correcting a recorded fact that does not wait: an older report, a make-up entry, one that was refused.

The fact is laid open first (`review.opened`, with what was found of it in the journal), and is then taken
back or restated as one that waits: so the fold knows of it what the settlement knew.
"""

from collections.abc import Sequence
from decimal import Decimal

from edge.events import (
    MaterialConsumed,
    OpenedPart,
    OutputReclassified,
    ReviewOpened,
    WorkCompleted,
    WorkReported,
    plain,
)
from edge.station.review import corrections
from edge.station.review.desk import Desk
from edge.station.review.originals import Original, Traced
from edge.station.review.requests import Correct, Share, number
from edge.station.review.rights import Authority, authority
from edge.station.review.waiting import Waiting, consumption
from edge.station.review.words import Unsettled, word
from edge.station.texts import Text

_COSTED = (WorkReported, MaterialConsumed, OutputReclassified)


def correct(desk: Desk, asked: Correct, traced: Traced) -> tuple[Authority, Text]:
    """Draft the correction of a fact, and what replaces it. Raises Unsettled."""
    granted = any(share.disposition == "concession" for share in asked.parts)
    who = authority(desk.site.review, desk.master, asked, "settle", concession=granted)
    if not asked.note:
        raise Unsettled("note_missing")
    if asked.reverse == bool(asked.parts):
        raise Unsettled("figures_or_reverse")
    original = _correctable(asked, traced)
    one = _entry(desk, who, original)
    if asked.reverse:
        corrections.reverse(desk, who, one, asked.note)
    elif isinstance(original.fact, WorkReported):
        corrections.restate(desk, who, one, asked.parts, asked.note)
    else:
        _restate_material(desk, who, one, asked)
    how = "reversed" if asked.reverse else "reassigned" if len(asked.parts) == 1 else "split"
    desk.settled(who, original.station, (original.id,), how, asked.note)
    return who, word("corrected", person=who.person)


def _correctable(asked: Correct, traced: Traced) -> Original:
    """What is corrected. Raises Unsettled where that is not, not any more, or not by itself."""
    one = traced.original
    if one is None:
        raise Unsettled("fact_unknown", id=asked.corrects)
    fact = one.fact
    if not isinstance(fact, _COSTED):
        raise Unsettled("not_cost", id=one.id)
    if one.corrected_by is not None:
        raise Unsettled("corrected_before", id=one.id, by=one.corrected_by)
    if one.apart is not None:
        raise Unsettled("corrected_apart", id=one.id, by=one.apart)
    if isinstance(fact, OutputReclassified) and one.part_of is not None:
        raise Unsettled("part_of", id=one.id, of=one.part_of)
    if isinstance(fact, OutputReclassified) and not asked.reverse:
        raise Unsettled("reverse_only", id=one.id)
    if isinstance(fact, WorkCompleted) and asked.reverse and one.rest_settled:
        raise Unsettled("rest_settled", id=one.id)
    if isinstance(fact, MaterialConsumed) and one.caused and not asked.reverse:
        raise Unsettled("reverse_only", id=one.id)
    return one


def _entry(desk: Desk, who: Authority, original: Original) -> Waiting:
    """The fact as an entry of the open list: as it waits, or laid open for this."""
    held = next((one for one in desk.line.waiting.values() if original.id in one.ids), None)
    if held is not None:
        return held
    said = {
        "opens": original.id,
        "original_type": original.type,
        "original_time": original.time,
        "original": original.data,
        "caused": tuple(OpenedPart(id=id_, original=data) for id_, data in original.caused),
        "moved": tuple(OpenedPart(id=id_, original=data) for id_, data in original.moved),
        "made_up": original.made_up,
        "earlier_run": original.earlier_run,
    }
    order, operation = original.job
    job = {"work_order": order or None, "operation": operation or None}
    desk.draft(ReviewOpened, desk.now.wall_ms, original.station, who, **job, **said)
    return desk.line.waiting[original.id]


def _restate_material(desk: Desk, who: Authority, one: Waiting, asked: Correct) -> None:
    """Its lot or quantity was another: what is not given stays, and a return stays one."""
    fact = consumption(one)
    if any(share.work_order is not None for share in asked.parts):
        raise Unsettled("own_order")
    sign = -1 if fact.quantity < 0 else 1
    parts = [(share.lot or fact.lot, sign * _quantity(fact, share, asked.parts)) for share in asked.parts]
    corrections.consumed_otherwise(desk, who, one, parts, asked.note)


def _quantity(fact: MaterialConsumed, share: Share, parts: Sequence[Share]) -> Decimal:
    if share.quantity is None and len(parts) > 1:
        raise Unsettled("quantity_needed")
    quantity = number(share.quantity) if share.quantity is not None else abs(fact.quantity)
    if quantity <= 0:
        raise Unsettled("quantity_above_nought")
    return plain(quantity)
