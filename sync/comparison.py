"""Two sides of a comparison: ours, and what a receiver says. Pure.

What a receiver says is untrusted: of what it calls missing only seqs of the range count that it should hold,
its differences are bounded and made plain text, and its `match` counts only where nothing else that it says
contradicts it. There is no match while anything of the range is not posted there.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from sync.outcome import printable
from sync.tally import Report, Total

MISSING_MAX = 10_000  # seqs that are taken from one answer
DIFFERENCES_MAX = 200
_WORDS_MAX = 200
_DIGITS_MAX = 15  # of a count: beyond it is none


class Difference(msgspec.Struct, frozen=True):
    """A figure that is not the same on both sides."""

    what: str  # "count", or the posting date, order, operation, material, kind and unit of a total
    here: str
    there: str


class Said(msgspec.Struct, frozen=True):
    """What came of a comparison."""

    match: bool
    missing: tuple[int, ...] = ()  # seqs that the receiver does not hold though it should, in order
    differences: tuple[Difference, ...] = ()
    absurd: int = 0  # seqs that it called missing and that it cannot miss


class Claim(msgspec.Struct, frozen=True):
    """A receiver's own figures of a range, as far as it sends them."""

    count: int | None = None
    digest: str | None = None
    totals: list[Total] | None = None


class _Answer(msgspec.Struct):
    match: bool
    missing: list[int] = []
    differences: list[Any] = []
    count: Any = None
    digest: Any = None


_answers = msgspec.json.Decoder(_Answer)
_PLACE = ("posting_date", "work_order", "operation", "material", "kind", "unit")


def understood(body: bytes, ours: Report) -> Said:
    """What a receiver's answer means. Raises msgspec.DecodeError, RecursionError."""
    answer = _answers.decode(body)
    excluded = frozenset(ours.excluded)
    span = range(ours.from_seq, ours.to_seq + 1)
    named = set(answer.missing)
    missing = sorted(seq for seq in named if seq in span and seq not in excluded)
    absurd = sum(seq not in span for seq in named)
    differences = [_plain(one) for one in answer.differences[:DIFFERENCES_MAX]]
    for what, here, there in (("count", ours.count, answer.count), ("digest", ours.digest, answer.digest)):
        told = printable(str(there), _WORDS_MAX)
        known = {(one.what, one.there) for one in differences}
        if there is not None and told != str(here) and (what, told) not in known:
            differences.append(Difference(what, str(here), told))
    if not answer.match and not (missing or differences or excluded):
        differences.append(Difference("match", "true", "false, without saying what"))
    match = answer.match and not (missing or differences or excluded)
    return Said(match, tuple(missing[:MISSING_MAX]), tuple(differences), absurd)


def counted(differences: Iterable[Difference]) -> int | None:
    """A receiver's own count of facts, where it is not ours; the least where it says several."""
    told = (one.there for one in differences if one.what == "count")
    return min((int(one) for one in told if one.isdecimal() and len(one) <= _DIGITS_MAX), default=None)


def differing(ours: Report, theirs: Claim) -> tuple[Difference, ...]:
    """What of a receiver's own figures is not ours; figures that it does not send are not compared."""
    found = []
    if theirs.count is not None and theirs.count != ours.count:
        found.append(Difference("count", str(ours.count), str(theirs.count)))
    if theirs.digest is not None and theirs.digest != ours.digest:
        found.append(Difference("digest", ours.digest, printable(theirs.digest, _WORDS_MAX)))
    if theirs.totals is not None:
        here, there = _summed(ours.totals), _summed(theirs.totals)
        for place in sorted(here.keys() | there.keys()):
            mine, others = here.get(place, Decimal(0)), there.get(place, Decimal(0))
            if mine != others:
                found.append(Difference(_words(place), format(mine, "f"), format(others, "f")))
    return tuple(found[:DIFFERENCES_MAX])


def _summed(totals: Sequence[Total]) -> Mapping[tuple[str, ...], Decimal]:
    """By place; several lines of one place are one figure."""
    sums: dict[tuple[str, ...], Decimal] = {}
    for total in totals:
        place = tuple(getattr(total, name) or "" for name in _PLACE)
        sums[place] = sums.get(place, Decimal(0)) + total.quantity
    return sums


def _plain(given: Any) -> Difference:
    """A receiver's difference as text, whatever its form."""
    if not isinstance(given, dict) or not {"sent", "received"} <= given.keys():
        return Difference(printable(str(given), _WORDS_MAX), "", "")
    place = tuple(str(given[name]) for name in _PLACE if given.get(name) is not None)
    here, there = (printable(str(given[side]), _WORDS_MAX) for side in ("sent", "received"))
    return Difference(_words(place), here, there)


def _words(place: Sequence[str]) -> str:
    return printable(" ".join(part for part in place if part), _WORDS_MAX)
