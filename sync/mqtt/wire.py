"""What consumers ask and what they are answered. Pure.

Requests come from outside: their size, types and lengths are bounded here, unknown keys are ignored.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec

from sync.batch import Rows
from sync.comparison import Claim
from sync.tally import Total

REQUEST_BYTES_MAX = 256 * 1024
CORRELATION_BYTES_MAX = 256
_IDS_MAX = 5000

Id = Annotated[str, msgspec.Meta(max_length=64)]
Place = Annotated[str, msgspec.Meta(max_length=64)]
Word = Annotated[str, msgspec.Meta(max_length=200)]
_SEQ_MAX = 10**15


class Refused(Exception):
    """A request that is not carried out: why, in words for who programs the consumer."""

    def __init__(self, kind: str, detail: str, **more: int) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.more = more  # the same for machines


class Pull(msgspec.Struct, frozen=True):
    """Asks for a page. `after`: a cursor; null: the consumer's own. `limit`: events; null: as many as fit."""

    after: Place | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None


class Rejection(msgspec.Struct, frozen=True):
    """An event that the consumer does not take, and why (RFC 9457)."""

    id: Id
    problem: Any = None


class Ack(msgspec.Struct, frozen=True):
    """Settles everything through `upto`, and released events by their ids."""

    upto: Place | None = None
    accepted: Annotated[list[Id], msgspec.Meta(max_length=_IDS_MAX)] = []
    rejected: Annotated[list[Rejection], msgspec.Meta(max_length=_IDS_MAX)] = []


class Sum(msgspec.Struct, frozen=True):
    """One line of a consumer's totals; `quantity` is a decimal in plain digits."""

    kind: Word
    unit: Word
    quantity: Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]{1,24}(\.[0-9]{1,12})?$")]
    posting_date: Word | None = None
    work_order: Word | None = None
    operation: Word | None = None
    material: Word | None = None


class Compare(msgspec.Struct, frozen=True):
    """A consumer's figures of a range of one journal, inclusive, as far as it reckons them."""

    source: Word
    from_seq: Annotated[int, msgspec.Meta(ge=1, le=_SEQ_MAX)]
    to_seq: Annotated[int, msgspec.Meta(ge=1, le=_SEQ_MAX)]
    count: Annotated[int, msgspec.Meta(ge=0, le=_SEQ_MAX)] | None = None
    digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")] | None = None
    totals: Annotated[list[Sum], msgspec.Meta(max_length=_IDS_MAX)] | None = None

    @property
    def claim(self) -> Claim:
        """The figures alone. Raises Refused: there are none."""
        if self.count is None and self.digest is None and self.totals is None:
            raise Refused("malformed", "nothing to compare: give count, digest or totals")
        totals = (
            None if self.totals is None else msgspec.convert(self.totals, list[Total], from_attributes=True)
        )
        return Claim(self.count, self.digest, totals)


R = TypeVar("R", Pull, Ack, Compare)


def read(body: bytes, form: type[R]) -> R:
    """A request. Raises Refused."""
    if len(body) > REQUEST_BYTES_MAX:
        raise Refused("too-large", f"a request may have {REQUEST_BYTES_MAX} bytes, this one has {len(body)}")
    try:
        return msgspec.json.decode(body or b"{}", type=form)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused("malformed", f"the request is not as it must be: {error}") from error


def place_of(cursor: str) -> tuple[str, int]:
    """Epoch and seq of a cursor. Raises Refused."""
    if not (found := _CURSOR.fullmatch(cursor)):
        raise Refused("malformed", f"{cursor[:64]!r} is no cursor: give back the `next` of a page")
    return found[1], int(found[2])


_CURSOR = re.compile(r"([0-9a-f]{16}):([0-9]{1,15})")


def page(events: Rows, again: Rows, next_: str, more: bool, head: str) -> bytes:
    """A page; events go out as they were chained."""
    second = b",".join([body for _, body in again])
    tail = b'],"again":[%b],"next":"%b","more":%b,"head":"%b"}' % (
        second, next_.encode(), b"true" if more else b"false", head.encode(),
    )  # fmt: skip
    bodies = [body for _, body in events] or [b""]
    bodies[0] = b'{"events":[' + bodies[0]  # joined in one copy: it is half a megabyte
    bodies[-1] += tail
    return b",".join(bodies)


def settled(cursor: str) -> bytes:
    """The answer to an ack."""
    return msgspec.json.encode({"cursor": cursor})


def problem(refused: Refused) -> bytes:
    """The answer to what is refused (RFC 9457)."""
    said = {"type": f"urn:lineside:problem:{refused.kind}", "detail": refused.detail, **refused.more}
    return msgspec.json.encode({"problem": said})


def missing(ids: Sequence[str]) -> str:
    """Some of the ids for a sentence."""
    return ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
