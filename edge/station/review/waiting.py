"""The open list: what needs a person, as a fold over the facts. What is settled is gone from it.

Pieces that one counter moved without a job, fact after fact, are one entry of at most an hour: a person
settles a stretch, not each half minute of it; so are the jumps of a counter that goes on jumping. Time
without a job waits from a quarter of an hour on; below it is the walk from one job to the next.
"""

from decimal import Decimal
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec.structs import replace

from edge import events
from edge.events import Draft, Fact
from edge.station.review import stretches

if TYPE_CHECKING:
    from edge.station.state import Line

_Job = tuple[str, str]  # (work order, operation)
Kind = Literal["check", "count", "held", "lot", "provisional", "time"]
UNASSIGNED_S = Decimal(900)
RESTING = frozenset({"break", "paused"})  # categories of time that explain themselves


class Waiting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that waits for a settlement, with its evidence."""

    ids: tuple[str, ...]  # of the facts
    kind: Kind
    station: str
    from_ms: int  # when the first fact happened, UTC
    to_ms: int
    dated: bool = True  # whether the clock could be right then
    job: _Job | None = None  # the job that was at hand
    before: _Job | None = None  # that one, or else the one completed last
    after: _Job | None = None  # the next one that began there
    quantity: Decimal | None = None  # pieces, kWh, seconds or material; None: in doubt
    unit: str | None = None
    counter: str | None = None
    raw_from: Decimal | None = None
    raw_to: Decimal | None = None
    delta: Decimal | None = None  # raw units
    doubt: str | None = None  # why a counter's movement is held, several reasons with commas
    jumps: int = 0  # held movements of the counter, one soon after the other
    counts: events.Counts | None = None  # what the counter counts; None: an older fact does not say
    claims: tuple[events.Claim, ...] = ()  # what a held movement would have been counted as
    anew: tuple[_Job, ...] = ()  # orders among the claims that were completed, and began anew since
    subject: str | None = None  # whose time it is; the material that was counted, or that has no lot
    person: bool = False  # whether `subject` is a person
    role: Literal["co", "by"] | None = None  # of `subject`, where a stroke makes several materials
    category: str | None = None  # of time
    earlier_run: bool = False  # its job was completed, and the order began anew at the station since
    caused_by: str | None = None  # the fact whose correction takes it back
    fact: str | None = None  # the fact's data as JSON, where a settlement takes it back or replaces it
    type: str = ""  # of that fact
    caused: tuple[tuple[str, str], ...] = ()  # consumption that it caused: id, and data as JSON
    moved: tuple[tuple[str, str], ...] = ()  # reclassification that it caused, the same way
    made_up: bool = False  # a person entered it later: its time was nobody's before

    @property
    def id(self) -> str:
        """What names it as it is now: once more joins it, another."""
        return self.ids[-1]


Open = dict[str, Waiting]  # by the id of the first fact


def after(before: "Line", line: "Line", draft: Draft) -> Open:
    """The open list after a fact; `line` is the line after it."""
    held = before.waiting
    fact = draft.data
    match fact:
        case events.ReviewSettled():
            return _without(held, fact.settles)
        case events.WorkCorrected():
            return _corrected(held, fact.corrects)
        case events.ReviewOpened():
            return {**held, fact.opens: _opened(fact)}
        case events.WorkStarted():
            held = _begun(before, fact)
    held = _with_caused(held, fact, draft.id)
    found = _found(before, fact, draft)
    if found is None:
        return held
    last = next((one for one in reversed(held.values()) if stretches.of_one_counter(one, found)), None)
    if last is not None and stretches.goes_on(last, found):
        return {**held, last.ids[0]: stretches.joined(last, found)}
    return {**held, found.id: found}


def _without(held: Open, ids: tuple[str, ...]) -> Open:
    gone = set(ids)
    return {key: one for key, one in held.items() if not gone.intersection(one.ids)} if held else held


def _corrected(held: Open, corrects: str) -> Open:
    """A fact that is cancelled waits no longer, and nor does what it caused."""
    left = {
        key: _without_caused(one, corrects)
        for key, one in held.items()
        if corrects not in (*one.ids, one.caused_by)
    }
    return left if left != held else held


def _without_caused(one: Waiting, corrects: str) -> Waiting:
    """An entry of whose consequences one was corrected by itself: as a whole it is corrected no more."""
    if any(id_ == corrects for id_, _ in (*one.caused, *one.moved)):
        return replace(one, fact=None, caused=(), moved=())
    return one


def _with_caused(held: Open, fact: Fact, id_: str) -> Open:
    """The open list where what an entry's fact caused is known."""
    if not isinstance(fact, events.MaterialConsumed | events.OutputReclassified) or fact.caused_by is None:
        return held
    one = held.get(fact.caused_by)
    if one is None or one.fact is None:
        return held
    more = (id_, _stored(fact))
    if isinstance(fact, events.MaterialConsumed):
        one = replace(one, caused=(*one.caused, more))
    else:
        one = replace(one, moved=(*one.moved, more))
    return {**held, fact.caused_by: one}


def _opened(fact: events.ReviewOpened) -> Waiting:
    """A fact that a correction which follows takes back."""
    at_ms = events.parse_instant(fact.original_time)
    return Waiting(
        ids=(fact.opens,),
        kind="check",
        station=fact.station or "",
        from_ms=at_ms,
        to_ms=at_ms,
        job=(fact.work_order, fact.operation or "") if fact.work_order else None,
        earlier_run=fact.earlier_run,
        fact=fact.original,
        type=fact.original_type,
        caused=tuple((part.id, part.original) for part in fact.caused),
        moved=tuple((part.id, part.original) for part in fact.moved),
        made_up=fact.made_up,
    )


def _stored(fact: Fact) -> str:
    return msgspec.json.encode(fact, order="sorted").decode()


def original(one: Waiting) -> Fact | None:
    """The fact that a settlement may take back or replace; None where it may not."""
    if one.fact is None:
        return None
    kind = one.type or events.MaterialConsumed.type
    return msgspec.json.decode(one.fact, type=events.FACTS[f"lineside.{kind}.v1"])


def consumption(one: Waiting) -> events.MaterialConsumed:
    """The consumption that waits for its lot."""
    return msgspec.json.decode(one.fact or "", type=events.MaterialConsumed)


def _begun(line: "Line", fact: events.WorkStarted) -> Open:
    """Tell what waited at the station which job came next; an order that arrived is settled by that.

    What waits of the order that begins is of an earlier run of it.
    """
    key = fact.work_order or "", fact.operation or ""
    anew = line.station(fact.station or "").find(key) is None
    changed: dict[str, Waiting] = {}
    for name, one in line.waiting.items():
        if one.station != fact.station:
            changed[name] = one
        elif one.kind == "provisional" and one.job == key:
            if fact.provisional:
                changed[name] = one
        elif one.job == key:
            changed[name] = _of_earlier_run(one, key) if anew else one
        else:
            one = _of_earlier_run(one, key) if anew else one
            changed[name] = replace(one, after=key) if one.after is None else one
    return changed


def _of_earlier_run(one: Waiting, key: _Job) -> Waiting:
    """An entry where the order that began anew has no part in what was of it before."""
    if any((claim.work_order, claim.operation) == key for claim in one.claims):
        one = replace(one, anew=(*one.anew, key))
    return replace(one, earlier_run=True) if one.job == key else one


def _leaves(fact: Fact) -> bool:
    """Whether a fact leaves something to a person."""
    match fact:
        case events.CountRecorded():
            return fact.held is not None or (
                isinstance(fact, events.CountUnattributed) and bool(fact.quantity)
            )
        case events.MaterialConsumed():
            return fact.lot_missing and fact.lot is None
        case events.WorkStarted():
            return fact.provisional
        case events.TimeUnassigned():
            return fact.s >= UNASSIGNED_S and fact.category not in RESTING
    return False


def _found(line: "Line", fact: Fact, draft: Draft) -> Waiting | None:
    """What a fact leaves to a person."""
    leaves, failed = _leaves(fact), (*fact.warnings, *fact.confirmed)
    if fact.origin == "manual":
        failed = ()  # whoever entered it was told
    undecided = events.MaterialConsumed | events.CountUnattributed | events.TimeUnassigned
    decided = fact.origin == "manual" and not isinstance(fact, undecided)
    if fact.station is None or decided or not (leaves or failed):
        return None
    station = line.station(fact.station)
    job = (fact.work_order, fact.operation or "") if fact.work_order else None
    job = job or (station.job.key if station.job else None)
    common = Waiting(
        ids=(draft.id,),
        kind="count",
        station=fact.station,
        from_ms=draft.time_ms,
        to_ms=draft.time_ms,
        dated=fact.posting_date is not None,
        job=job,
        before=job or (station.closed.key if station.closed else None),
    )
    if not leaves:
        who, lot = getattr(fact, "operator", None), getattr(fact, "lot", None)
        subject = who or lot or fact.actor
        person = bool(who or not lot)
        check = replace(common, kind="check", subject=subject, person=person, category=", ".join(failed))
        if not isinstance(fact, events.WorkReported | events.MaterialConsumed):
            return check
        caused_by = getattr(fact, "caused_by", None)
        return replace(check, fact=_stored(fact), type=fact.type, caused_by=caused_by)
    match fact:
        case events.CountUnattributed():
            return _held(common, fact) if fact.held else _count(common, fact)
        case events.MaterialConsumed():
            data = _stored(fact)
            quantity, unit = fact.quantity, fact.unit
            lot = replace(common, kind="lot", quantity=quantity, unit=unit, subject=fact.material, fact=data)
            return replace(lot, caused_by=fact.caused_by)
        case events.WorkStarted():
            known = any(one.kind == "provisional" and one.job == job for one in line.waiting.values())
            return None if known else replace(common, kind="provisional", before=job)
        case events.TimeUnassigned():
            return replace(
                common,
                kind="time",
                quantity=fact.s,
                unit="SEC",
                subject=fact.operator or fact.equipment,
                person=fact.operator is not None,
                category=fact.category,
            )
    return None


def _count(common: Waiting, fact: events.CountUnattributed) -> Waiting:
    return replace(
        common,
        quantity=fact.quantity,
        unit=fact.unit,
        counter=fact.counter,
        raw_from=fact.from_,
        raw_to=fact.to,
        delta=fact.delta,
        subject=fact.material,
        role=fact.role,
        counts=fact.counts,
        caused_by=fact.caused_by,
    )


def _held(common: Waiting, fact: events.CountUnattributed) -> Waiting:
    return replace(
        common,
        kind="held",
        counter=fact.counter,
        raw_from=fact.from_,
        raw_to=fact.to,
        delta=fact.delta,
        doubt=fact.held,
        jumps=int(fact.jumps or 1),
        counts=fact.counts,
        claims=fact.claims,
    )
