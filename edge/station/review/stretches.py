"""Movements of one counter, fact after fact, as one entry of the open list."""

from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec.structs import replace

from edge.events import Claim

if TYPE_CHECKING:
    from edge.station.review.waiting import Waiting

STRETCH_FACTS = 120  # an hour of facts every 30 s
JUMPING_MS = 300_000  # a counter that jumps again so soon is in one trouble
_NONE = Decimal(0)


def of_one_counter(one: "Waiting", found: "Waiting") -> bool:
    """Whether two entries are of one counter, and of one material where it counts several."""
    return (
        one.kind == found.kind
        and found.kind in ("count", "held")
        and ((one.station, one.counter, one.subject) == (found.station, found.counter, found.subject))
    )


def goes_on(last: "Waiting", found: "Waiting") -> bool:
    """Whether two movements of a counter are one stretch."""
    if found.kind == "held":
        joins = found.jumps > 1 or 0 <= found.from_ms - last.to_ms <= JUMPING_MS
    else:
        joins = last.raw_to == found.raw_from
    return (
        joins
        and last.caused_by is None
        and not (last.earlier_run or last.anew)
        and found.caused_by is None
        and (last.job, last.before, last.after, last.dated) == (found.job, found.before, None, found.dated)
        and len(last.ids) < STRETCH_FACTS
    )


def joined(last: "Waiting", found: "Waiting") -> "Waiting":
    """The entry with what goes on from it."""
    return _jumped_on(last, found) if found.kind == "held" else _longer(last, found)


def _longer(last: "Waiting", found: "Waiting") -> "Waiting":
    return replace(
        last,
        ids=last.ids + found.ids,
        to_ms=found.to_ms,
        raw_to=found.raw_to,
        quantity=(last.quantity or _NONE) + (found.quantity or _NONE),
        delta=(last.delta or _NONE) + (found.delta or _NONE),
    )


def _jumped_on(last: "Waiting", found: "Waiting") -> "Waiting":
    """A counter jumped, and jumped again. Where it came back meanwhile, it moved by nothing that adds up."""
    doubts = (last.doubt or "").split(", ")
    came_back = _way(last) * ((found.raw_from or _NONE) - (last.raw_to or _NONE)) < 0
    adds_up = last.claims and found.claims and not came_back
    return replace(
        _longer(last, found),
        quantity=None,
        doubt=last.doubt if found.doubt in doubts else f"{last.doubt}, {found.doubt}",
        jumps=last.jumps + found.jumps,
        claims=_summed(last.claims, found.claims) if adds_up else (),
    )


def _way(one: "Waiting") -> int:
    """Which way a counter jumps: a weight falls."""
    return 1 if (one.delta or _NONE) >= 0 else -1


def _summed(one: tuple[Claim, ...], more: tuple[Claim, ...]) -> tuple[Claim, ...]:
    """The claims of two movements, together where they are of the same."""
    sums: dict[Claim, Claim] = {}
    for claim in (*one, *more):
        of = replace(claim, quantity=_NONE, carried=None)
        before = sums.get(of)
        carried = [each.carried for each in (claim, before) if each is not None and each.carried is not None]
        quantity = claim.quantity + (before.quantity if before else _NONE)
        sums[of] = replace(of, quantity=quantity, carried=sum(carried, _NONE) if carried else None)
    return tuple(sums.values())
