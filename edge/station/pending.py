"""Scans that are not yet a fact: what waits at a station, for a quantity, a lot, a badge or OK.

A pending entry commits nothing, and ends with the process, after 60 s, or with another scan (`ending.py`).
"""

from decimal import Decimal
from typing import Literal

import msgspec

from edge.events import Disposition
from edge.station.grammar.words import OutputLot, Word
from edge.station.state import JobKey


class PendingMaterial(msgspec.Struct, frozen=True):
    """A command that waits for the lot it is about; `reason` of an extra issue."""

    command: Literal["EXTRA", "RETURN", "UNMOUNT"]
    reason: str | None = None


class PendingLot(msgspec.Struct, frozen=True, kw_only=True):
    """A lot that waits for its quantity."""

    lot: str
    material: str
    bom_line: str | None
    unit: str
    warehouse: str | None
    posted_by: Literal["edge", "erp"]
    serial: str | None = None
    use: Literal["extra", "return"] | None = None  # None: what the job's phase says
    reason: str | None = None


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What counters say beside the good total: scrap of a scrap counter, or a side product."""

    material: str | None = None  # None: the job's product
    counter: str | None = None  # the scrap counter
    reason: str | None = None
    quantity: Decimal


class PendingReport(msgspec.Struct, frozen=True, kw_only=True):
    """A total that waits for OK; `switch_to` is the order scanned meanwhile."""

    kind: Literal["done", "part", "switch", "shift", "lot"]
    counter: Decimal | None  # what the counter proposes
    total: Decimal | None  # what OK would post
    doubted: Decimal | None = None  # an entry far off the counter, asked for again
    switch_to: JobKey | None = None
    beside: tuple[Counted, ...] = ()  # what is reported with it
    rest: tuple[JobKey, ...] = ()  # further jobs that are handed over
    output: OutputLot | None = None  # what comes out after it bears this


class PendingSide(msgspec.Struct, frozen=True, kw_only=True):
    """A co- or by-product that waits for its quantity."""

    material: str
    role: Literal["co", "by"]
    unit: str
    lot: str | None = None
    serial: str | None = None


class PendingDefect(msgspec.Struct, frozen=True, kw_only=True):
    """Scrap or rework beyond what was made, which waits for OK."""

    disposition: Disposition
    reason: str
    quantity: Decimal
    replaces: str | None = None  # the scrap fact that is amended
    serials: tuple[str, ...] = ()


class PendingVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Pieces in rework that turn good with OK, or become a concession with a badge of quality."""

    to: Literal["good", "concession"]
    reason: str | None
    quantity: Decimal


class PendingStart(msgspec.Struct, frozen=True):
    """An order that the moving machine proposes."""

    key: JobKey


class PendingRestart(msgspec.Struct, frozen=True):
    """An order completed here that was scanned again."""

    key: JobKey


class PendingPause(msgspec.Struct, frozen=True):
    """A pause that the standing machine proposes."""

    key: JobKey


class PendingUndo(msgspec.Struct, frozen=True):
    """An undo that waits for OK."""

    id: str


class PendingSignOff(msgspec.Struct, frozen=True):
    """A sign-off that waits for the badge."""


class PendingShift(msgspec.Struct, frozen=True):
    """A handover that waits for the badge of whoever takes over."""


class PendingSetup(msgspec.Struct, frozen=True):
    """Set-up strokes that wait for OK before they are scrap."""

    strokes: Decimal
    beside: tuple[Counted, ...] = ()


class Tested(msgspec.Struct, frozen=True):
    """A check that failed and does not stop what is scanned."""

    code: str
    confirmed: bool  # by OK; else it was said only


class PendingCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A scan that goes against checks and waits for OK."""

    word: Word
    codes: tuple[str, ...]
    over: "PendingBefore | None" = None  # what waited when it came, and waits again behind OK
    tested: tuple[Tested, ...] = ()  # of what waited


PendingBefore = (
    PendingMaterial
    | PendingLot
    | PendingReport
    | PendingSide
    | PendingDefect
    | PendingVerdict
    | PendingStart
    | PendingRestart
    | PendingPause
    | PendingUndo
    | PendingSignOff
    | PendingShift
    | PendingSetup
)
Pending = PendingBefore | PendingCheck
