"""A fact that a person corrects though it does not wait, and what became of it since: a fold over facts.

What it caused is cancelled with it. The station function sees no journal: whoever asks it looks the fact up
and hands it in, and `review.opened` keeps what was found in the journal, for the next fold.
"""

import msgspec
from msgspec.structs import replace

from edge import events
from edge.events import Event, Fact

_Part = tuple[str, str]  # id, and data as JSON


class Original(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded fact, and what the journal says of it."""

    id: str
    type: str  # without prefix and version
    time: str
    data: str  # as JSON
    station: str
    job: tuple[str, str]
    part_of: str | None = None  # the fact that caused it
    corrected_by: str | None = None
    apart: str | None = None  # the correction of something that it caused, by itself
    caused: tuple[_Part, ...] = ()
    moved: tuple[_Part, ...] = ()
    rests: tuple[str, ...] = ()  # what a counter saw beyond it
    rest_settled: bool = False
    made_up: bool = False  # a person entered it later
    completed_by: str | None = None  # the completion of its job
    earlier_run: bool = False  # its job was completed, and the order began anew since

    @property
    def fact(self) -> Fact:
        """The fact itself."""
        return msgspec.json.decode(self.data, type=events.FACTS[f"lineside.{self.type}.v1"])


class Traced(msgspec.Struct, frozen=True, kw_only=True):
    """What a search found."""

    id: str
    original: Original | None = None  # None: no such fact is held


def concerns(body: bytes, id_: str) -> bool:
    """Whether an event may say something of a fact, told without decoding it."""
    return id_.encode() in body or b'"lineside.work.' in body or b'"lineside.review.settled' in body


def after(traced: Traced, event: Event) -> Traced:
    """What is known of the fact after an event."""
    if event.id == traced.id:
        return replace(traced, original=_found(event))
    one = traced.original
    return traced if one is None else replace(traced, original=_after(one, event))


def _found(event: Event) -> Original:
    fact = event.data
    return Original(
        id=event.id,
        type=fact.type,
        time=event.time,
        data=_stored(fact),
        station=fact.station or "",
        job=_key(fact),
        part_of=getattr(fact, "caused_by", None),
        completed_by=event.id if isinstance(fact, events.WorkCompleted) else None,
    )


def _after(one: Original, event: Event) -> Original:
    fact = event.data
    match fact:
        case events.WorkCorrected():
            return _corrected(one, fact.corrects, event.id)
        case events.MaterialConsumed() if fact.caused_by == one.id:
            return replace(one, caused=(*one.caused, (event.id, _stored(fact))))
        case events.OutputReclassified() if fact.caused_by == one.id:
            return replace(one, moved=(*one.moved, (event.id, _stored(fact))))
        case events.CountUnattributed() if fact.caused_by == one.id:
            return replace(one, rests=(*one.rests, event.id))
        case events.ReviewSettled():
            made_up = one.made_up or (fact.how == "made_up" and one.id in fact.led_to)
            settled = one.rest_settled or bool(set(one.rests).intersection(fact.settles))
            return replace(one, made_up=made_up, rest_settled=settled)
        case events.WorkCompleted() if _of_job(one, fact):
            return replace(one, completed_by=event.id)
        case events.WorkStarted() if _of_job(one, fact) and one.completed_by is not None:
            return replace(one, earlier_run=True)
    return one


def _corrected(one: Original, corrects: str, by: str) -> Original:
    if corrects in (one.id, one.part_of):
        return replace(one, corrected_by=one.corrected_by or by)
    if any(corrects == id_ for id_, _ in (*one.caused, *one.moved)):
        return replace(one, apart=by)
    if corrects == one.completed_by and not one.earlier_run:
        return replace(one, completed_by=None)
    return one


def _of_job(one: Original, fact: Fact) -> bool:
    return fact.station == one.station and _key(fact) == one.job and not getattr(fact, "earlier_run", False)


def _key(fact: Fact) -> tuple[str, str]:
    return fact.work_order or "", fact.operation or ""


def _stored(fact: Fact) -> str:
    return msgspec.json.encode(fact, order="sorted").decode()
