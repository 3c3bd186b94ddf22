"""What a person asks for: the body of `POST /api/v1/settlements`, told apart by `how`."""

from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec.structs import force_setattr

from edge.events import DECIMAL_PATTERN, Disposition

Word = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Badge = Annotated[str, msgspec.Meta(max_length=64)]
Note = Annotated[str, msgspec.Meta(max_length=500)]
Ids = Annotated[tuple[Word, ...], msgspec.Meta(min_length=1, max_length=100)]
Figure = Annotated[str, msgspec.Meta(pattern=DECIMAL_PATTERN)]  # data holds no JSON numbers


class Asked(msgspec.Struct, frozen=True, kw_only=True, tag_field="how", forbid_unknown_fields=True):
    """A person's badge or number, of a second one where two are needed, and why. Blanks say none of it."""

    person: Badge
    approved_by: Badge | None = None
    note: Note | None = None

    def __post_init__(self) -> None:
        force_setattr(self, "person", self.person.strip())
        force_setattr(self, "approved_by", (self.approved_by or "").strip() or None)
        force_setattr(self, "note", (self.note or "").strip() or None)


class Share(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where something belongs. `quantity` absent: all of it. Without a work order: to none."""

    quantity: Figure | None = None
    work_order: Word | None = None
    operation: Word | None = None
    disposition: Disposition = "good"  # of pieces
    reason: Word | None = None  # of scrap and rework
    lot: Word | None = None  # of material


class Accept(Asked, frozen=True, kw_only=True, tag="accept"):
    """It is as the evidence says; a held movement was real, pieces without an order belong to none."""

    settles: Ids


class Reverse(Asked, frozen=True, kw_only=True, tag="reverse"):
    """It did not occur."""

    settles: Ids


class Reassign(Asked, frozen=True, kw_only=True, tag="reassign"):
    """All of it belongs to one order, or is of one lot."""

    settles: Annotated[tuple[Word, ...], msgspec.Meta(min_length=1, max_length=1)]
    to: Share


class Split(Asked, frozen=True, kw_only=True, tag="split"):
    """It belongs to several orders, dispositions or lots."""

    settles: Annotated[tuple[Word, ...], msgspec.Meta(min_length=1, max_length=1)]
    parts: Annotated[tuple[Share, ...], msgspec.Meta(min_length=2, max_length=20)]


class Correct(Asked, frozen=True, kw_only=True, tag="correct"):
    """A recorded fact that carries cost did not occur (`reverse`), or its figures were `parts`.

    It need not wait. `note` says why. Pieces stay on their order, material keeps what a part does not give.
    """

    corrects: Word
    reverse: bool = False
    parts: Annotated[tuple[Share, ...], msgspec.Meta(max_length=20)] = ()


class Made(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pieces of the order's product."""

    quantity: Figure
    disposition: Disposition = "good"
    reason: Word | None = None


class Used(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Material that went in; `unit` absent: the material's base unit. A return is negative."""

    material: Word
    quantity: Figure
    unit: Word | None = None
    lot: Word | None = None


class Worked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's time on the order, in seconds."""

    operator: Word
    s: Figure


class MakeUp(Asked, frozen=True, kw_only=True, tag="make_up"):
    """What happened at `time` (RFC 3339) and nobody recorded. `note` says why.

    Work that took time began at `time`. `confirm`: it is meant, though checks doubt it.
    """

    station: Word
    time: Word
    work_order: Word
    operation: Word
    outputs: Annotated[tuple[Made, ...], msgspec.Meta(max_length=20)] = ()
    materials: Annotated[tuple[Used, ...], msgspec.Meta(max_length=50)] = ()
    labour: Annotated[tuple[Worked, ...], msgspec.Meta(max_length=50)] = ()
    machine_s: Figure | None = None
    confirm: bool = False


class Retry(Asked, frozen=True, kw_only=True, tag="retry"):
    """Facts that a receiver refused are offered to it again."""

    settles: Ids


class Discard(Asked, frozen=True, kw_only=True, tag="discard"):
    """Facts that a receiver refused are not offered again; `note` says why."""

    settles: Ids


Decision = Accept | Reverse | Reassign | Split
Request = Decision | MakeUp | Correct | Retry | Discard


def number(given: str) -> Decimal:
    """A figure as a decimal."""
    return Decimal(given)
