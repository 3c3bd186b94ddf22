"""Whether all journals of an edge prove themselves: each its events, and that the one before it is whole.

A journal alone cannot show that its end is gone, or that it is gone altogether. Its successor's first event
says how far it went and what was lost of it, journal.lock how far the current one went at least, sync.db what
receivers took.

A copy that is whole proves nothing of what its original recorded afterwards. Where the start that met it knew
of none, that is a remark and no loss: a folder that was moved in order looks the same.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from edge import epochs, lock
from edge.epochs import Epoch
from edge.events import JournalOpened, decode
from edge.faults import Damaged
from edge.journal import Reader, Verification, verify
from edge.schema import read_only

Check = Callable[[Epoch, Reader], Awaitable[Verification]]
_UNREAD = Verification(0, 0, 0, ())
_OLDER = "it is an older copy"  # edge.opening's words where something says what a copy lacks


@dataclass(frozen=True)
class Proof:
    """What is to be said of one journal."""

    epoch: str  # empty where nobody knows
    path: Path | None  # None where no file of it is kept
    missing: str = ""  # "12-15,40", "301-" where nobody knows how many there were
    found: Verification = _UNREAD
    opened: JournalOpened | None = None  # its first event, where it still has it
    told: str = ""  # what its start told people of the journal before

    @property
    def sound(self) -> bool:
        return not self.missing and not self.found.problems


@dataclass(frozen=True)
class Proofs:
    """What is to be said of all journals, oldest first, the current one last."""

    journals: Sequence[Proof]
    remarks: Sequence[str] = field(default=())  # what cannot be looked at here, and speaks against nothing


@dataclass(frozen=True)
class _Claim:
    """What is known of a journal from elsewhere."""

    epoch: str
    through: int  # it went so far
    missing: str
    plain: bool = False  # its successor took it for a copy that lacks nothing as far as was known


async def _verified(one: Epoch, reader: Reader) -> Verification:
    return await verify(reader)


def prove(path: Path, taken: Mapping[str, int], check: Check = _verified) -> Proofs:
    """Check the journals at `path` and beside it. Raises StorageFault, but not for damage.

    `taken`: by epoch the furthest seq that a receiver is known to have settled.
    """
    left = lock.left_by(path)
    listed, damaged = epochs.survey(path)
    names = {other: epoch for epoch, other in epochs.set_aside(path).items()}
    found = [_broken(names.get(other, left.epoch), other, fault.message) for other, fault in damaged.items()]
    found += [asyncio.run(_proof(one, check)) for one in listed]
    if not any(one.path == path for one in found) and (left.epoch or path.exists()):
        why = "holds no facts of lineside" if path.exists() else "is gone"
        found.append(_broken(left.epoch, path, f"{path.name} {why}"))
    claims = [_Claim(left.epoch, left.head, "1-")] if left.epoch else []
    claims += [claim for one in found if (claim := _claimed(one))]
    unseen = [claim for claim in claims if _unseen(found, claim, taken)]
    for claim in claims:
        if claim not in unseen:
            found = list(_held_against(found, claim))
    remarks = (*_remarks(found), *map(_not_looked_at, unseen))
    return Proofs(sorted(found, key=lambda one: one.path == path), remarks)


async def _proof(one: Epoch, check: Check) -> Proof:
    try:
        async with await Reader.open(one.path) as reader:
            found = await check(one, reader)
            opened, told = await _opened(reader), await asyncio.to_thread(_told, one)
            return Proof(one.epoch, one.path, one.missing, found, opened, told)
    except Damaged as fault:
        return _broken(one.epoch, one.path, fault.message)


async def _opened(reader: Reader) -> JournalOpened | None:
    try:
        for _, body in await reader.read_after(0, 1):
            fact = decode(body).data
            return fact if isinstance(fact, JournalOpened) else None
    except (sqlite3.Error, msgspec.DecodeError):
        pass  # the check has found it
    return None


def _told(one: Epoch) -> str:
    """Why a journal was begun, in the words of its alert; empty where there was none, or it was forgotten."""
    with (
        suppress(sqlite3.Error, UnicodeDecodeError),
        closing(sqlite3.connect(read_only(one.path), uri=True)) as db,
    ):
        for (text,) in db.execute("SELECT text FROM alerts WHERE key GLOB ?", (f"journal.{one.epoch}*",)):
            return str(text)
    return ""


def _broken(epoch: str, path: Path, why: str) -> Proof:
    return Proof(epoch, path, found=replace(_UNREAD, problems=(why,)))


def _claimed(one: Proof) -> _Claim | None:
    """What a journal says of the one before it; None where that was another PC's."""
    opened = one.opened
    if opened is None or (opened.follows is None and opened.cause != "damaged"):
        return None
    epoch, _, through = (opened.follows or "").partition(":")
    seq = int(through) if through.isdecimal() else 0
    plain = opened.cause == "restored" and bool(one.told) and _OLDER not in one.told
    return _Claim(epoch, seq, opened.missing or "", plain)


def _most(found: Sequence[Proof], epoch: str) -> Proof | None:
    """Of the files of one journal the one that goes furthest."""
    same = (one for one in found if one.epoch == epoch and one.path)
    return max(same, key=lambda one: one.found.last, default=None)


def _unseen(found: Sequence[Proof], claim: _Claim, taken: Mapping[str, int]) -> bool:
    """Whether a journal is all that was copied, and nothing says that more was ever recorded in it."""
    most, through = _most(found, claim.epoch), claim.through
    whole = most is not None and most.found.last == through and claim.missing == f"{through + 1}-"
    return claim.plain and whole and taken.get(claim.epoch, 0) <= through


def _held_against(found: Sequence[Proof], claim: _Claim) -> Iterator[Proof]:
    """The proofs, with what a claim says and they do not hold."""
    same = [one for one in found if one.epoch == claim.epoch]
    most = _most(found, claim.epoch)
    if not same and claim.missing:
        yield Proof(claim.epoch, None, claim.missing)
    for one in found:
        yield _without(one, claim) if one is most else one


def _without(one: Proof, claim: _Claim) -> Proof:
    last, known = one.found.last, one.missing.split(",")
    gone = [span for span in claim.missing.split(",") if span not in known and _beyond(span, last)]
    if last and gone:
        one = replace(one, missing=",".join(filter(None, [one.missing, *gone])))
    if claim.through > last:
        why = f"it went through seq {claim.through}, but what can be read of it ends at {last}"
        one = replace(one, found=replace(one.found, problems=(*one.found.problems, why)))
    return one


def _beyond(span: str, last: int) -> bool:
    """Whether a part of it lies behind the end of what is kept; gaps before it the check has found."""
    begin, _, end = span.partition("-")
    return (end or begin).isdecimal() and int(end or begin) > last


def _not_looked_at(claim: _Claim) -> str:
    return (
        f"epoch {claim.epoch} was copied and holds all that the copy did, through seq {claim.through}."
        " Whether more was recorded under it in the place that it was copied from cannot be seen here; no"
        " receiver is known here to have taken more"
    )


def _remarks(found: Sequence[Proof]) -> Iterator[str]:
    kept = {one.epoch for one in found}
    for one in found:
        before, _, through = ((one.opened and one.opened.follows) or "").partition(":")
        if one.opened and one.opened.cause == "restored" and not before:
            yield (
                f"epoch {one.epoch} began in the place of another PC: what that one recorded is not here,"
                " and was not looked at"
            )
        elif before and before not in kept:
            yield (
                f"epoch {before}, which went through seq {through}, is not here any more: it was forgotten in"
                " order, or taken away"
            )
