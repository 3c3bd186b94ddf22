"""Corrections of a report that waits: it did not occur, or its pieces were others.

The whole fact is cancelled, with everything that it caused; what replaces it bears its time, and the
present posting date. The time that it carried stays with the order where pieces are restated; of a report
that did not occur it is nobody's, but of a completion the order's: by it the job is open again, and proposes
its pieces and what a counter saw beyond them. Beyond a restated completion they wait as before.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

from msgspec.structs import replace

from edge.events import CountUnattributed, Output, Resources, WorkCompleted, WorkReported, plain
from edge.station import aside
from edge.station.review import makeup
from edge.station.review.desk import Desk, Target
from edge.station.review.requests import Share, number
from edge.station.review.rights import Authority
from edge.station.review.waiting import Waiting, consumption, original
from edge.station.review.words import Unsettled
from edge.station.state import ZERO

_KEPT = ("interval", "resources", "counted_quantity")


def reverse(desk: Desk, who: Authority, one: Waiting, note: str | None) -> None:
    """It did not occur."""
    fact = original(one)
    assert fact is not None
    _check_rework(desk, one)
    beyond = _beyond(desk, one)
    desk.corrects(who, fact, one.id, "did_not_occur", note)
    if isinstance(fact, WorkCompleted) and _reopened(desk, one):
        _give_back(desk, who, one, fact)
        return
    _keep(desk, who, beyond, None)
    if isinstance(fact, WorkReported) and fact.resources is not None and not one.made_up:
        _release(desk, who, one, fact, fact.resources)


def restate(desk: Desk, who: Authority, one: Waiting, shares: Sequence[Share], note: str | None) -> None:
    """Its pieces were these. Raises Unsettled."""
    fact = original(one)
    assert isinstance(fact, WorkReported)
    _check_rework(desk, one)
    key = fact.work_order or "", fact.operation or ""
    if any((share.work_order or key[0], share.operation or key[1]) != key for share in shares):
        raise Unsettled("own_order")
    target = desk.target(one.station, key)
    before = (*fact.outputs, *fact.reworked)
    main = tuple(_restated(desk, target, share, before) for share in shares)
    beyond = _beyond(desk, one)
    correction = desk.corrects(who, fact, one.id, "incorrect_data", note)
    posted = next(draft.data.posting_date for draft in desk.drafts if draft.id == correction)
    outputs = (*main, *(output for output in before if output.role != "main"))
    more: dict[str, Any] = {name: getattr(fact, name) for name in _KEPT}
    if isinstance(fact, WorkCompleted):
        more |= _completion(fact, _good(outputs) - _good(before))
    restated = desk.reported(
        who, one.station, target, one.from_ms, outputs=outputs, fact=type(fact), replaces=one.id,
        posting_date=posted, counted=_counted(desk, one, target, fact, outputs),
        earlier_run=one.earlier_run, **more,
    )  # fmt: skip
    _keep(desk, who, beyond, restated)


def _reopened(desk: Desk, one: Waiting) -> bool:
    """Whether the job of a completion that was cancelled is open again, and proposes what was beyond it."""
    if one.job is None or one.earlier_run:
        return False
    desk.reopened = one.job if desk.line.station(one.station).find(one.job) is not None else None
    return desk.reopened is not None


def _give_back(desk: Desk, who: Authority, one: Waiting, fact: WorkCompleted) -> None:
    """The order keeps the time of a completion by which it only went on: as a report of that time alone."""
    if fact.resources is None:
        return
    posted = desk.drafts[-1].data.posting_date
    desk.reported(
        who, one.station, desk.target(one.station, one.job or ("", "")), one.from_ms, outputs=(),
        resources=fact.resources, interval=fact.interval, replaces=one.id, posting_date=posted,
    )  # fmt: skip


def _beyond(desk: Desk, one: Waiting) -> list[Waiting]:
    """What a counter saw beyond a completion, as far as it still waits: its correction takes it back."""
    return [left for left in desk.line.waiting.values() if left.kind == "count" and left.caused_by == one.id]


def _keep(desk: Desk, who: Authority, beyond: Sequence[Waiting], caused_by: str | None) -> None:
    """Let strokes about which nothing was said wait on."""
    for left in beyond:
        desk.draft(
            CountUnattributed, left.from_ms, left.station, who, counter=left.counter, quantity=left.quantity,
            unit=left.unit, phase="run", caused_by=caused_by,
        )  # fmt: skip


def _check_rework(desk: Desk, one: Waiting) -> None:
    """Raises Unsettled where pieces that the report set aside were reworked since."""
    fact = original(one)
    assert fact is not None
    key = fact.work_order or "", fact.operation or ""
    if (back := aside.set_aside(fact)) and back > aside.at(desk.line, one.station, key):
        raise Unsettled("reworked")


def _restated(desk: Desk, target: Target, share: Share, before: Sequence[Output]) -> Output:
    if share.quantity is None:
        raise Unsettled("quantity_needed")
    if (quantity := number(share.quantity)) <= 0:
        raise Unsettled("quantity_above_nought")
    output = makeup.output(desk, target, plain(quantity), share.disposition, share.reason)
    same = next((one for one in before if one.role == "main"), None)
    if same is None:
        return output
    in_setup = same.cause == "setup" and share.disposition in ("scrap", "rework")
    borne = same.disposition == share.disposition and len(same.serials) <= quantity
    return replace(
        output,
        material=same.material,
        unit=same.unit,
        lot=same.lot,
        cause="setup" if in_setup else output.cause,
        warehouse=same.warehouse,
        serials=same.serials if borne else (),
    )


def _completion(fact: WorkCompleted, more: Decimal) -> dict[str, Any]:
    """What a completion says beside its remainder, with so many good pieces more than it had."""
    total = (fact.total_quantity or ZERO) + more
    deviation: Literal["over", "under"] | None = None
    if fact.planned_quantity is not None and total != fact.planned_quantity:
        deviation = "over" if total > fact.planned_quantity else "under"
    said = {"final": True, "planned_quantity": fact.planned_quantity, "total_quantity": plain(total)}
    return said | {"deviation": deviation}


def _good(outputs: Sequence[Output]) -> Decimal:
    good = (one.quantity for one in outputs if one.role == "main" and one.disposition == "good")
    return sum(good, ZERO)


def _counted(
    desk: Desk, one: Waiting, target: Target, fact: WorkReported, after: Sequence[Output]
) -> dict[str, Decimal]:
    """What an open job's counter gains or loses, so that its next proposal holds as much new as before.

    What a person had added to it goes with the fact that is cancelled.
    """
    if one.earlier_run or desk.line.station(one.station).held(target.key) is None:
        return {}
    before = (*fact.outputs, *fact.reworked)
    gained, lost = desk.counted(one.station, target, after), desk.counted(one.station, target, before)
    sums = {
        name: fact.counted.get(name, ZERO) + gained.get(name, ZERO) - lost.get(name, ZERO)
        for name in {**fact.counted, **gained, **lost}
    }
    return {name: value for name, value in sums.items() if value}


def consumed_otherwise(
    desk: Desk, who: Authority, one: Waiting, parts: Sequence[tuple[str | None, Decimal]], note: str | None
) -> None:
    """Cancel a consumption and record it again by lots and quantities, both on the present day."""
    fact = consumption(one)
    correction = desk.corrects(who, fact, one.id, "incorrect_data", note)
    posted = next(draft.data.posting_date for draft in desk.drafts if draft.id == correction)
    for lot, quantity in parts:
        changes: dict[str, Any] = {
            "lot": lot, "quantity": quantity, "replaces": one.id, "actor": who.person,
            "entered": fact.entered if quantity == fact.quantity else None,
            "origin": "manual", "posting_date": posted, "boot_id": None, "monotonic_s": None,
            "lot_missing": False, "lot_quantity": desk.stock(fact.material, lot or ""),
            "warnings": (), "confirmed": (), "earlier_run": one.earlier_run,
        }  # fmt: skip
        desk.again(replace(fact, **changes), one.from_ms)


def _release(desk: Desk, who: Authority, one: Waiting, fact: WorkReported, held: Resources) -> None:
    """The time of a report that did not occur belongs to no job: nobody's presence gets shorter by it."""
    for share in held.labour if isinstance(held.labour, tuple) else ():
        desk.unassigned(who, one.station, one.from_ms, operator=share.operator, s=share.s)
    equipment = fact.equipment or fact.work_center
    for figure in (held.machine_s, held.setup_s):
        if isinstance(figure, Decimal) and figure:
            desk.unassigned(who, one.station, one.from_ms, equipment=equipment, s=figure)
