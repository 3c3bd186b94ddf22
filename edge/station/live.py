"""What is no fact yet: what waits, what the screen says, counter movement since the last `count.recorded`.

It ends with the process, visibly; the counters go on from the last recorded raw value.
"""

from decimal import Decimal
from typing import Literal

import msgspec

from edge.events import Phase
from edge.readings import Moment
from edge.station.pending import Pending, Tested
from edge.station.state import ZERO, JobKey
from edge.station.texts import Text


class Said(msgspec.Struct, frozen=True):
    """What the screen says after a scan."""

    tone: Literal["good", "bad", "info"]
    message: Text
    at: Moment
    warned: bool = False  # taken or asked, but a check or a lot is to be looked at


class Heard(msgspec.Struct, frozen=True):
    """The scan before, for the suppression of repeats."""

    device: str
    text: str
    at: Moment
    taken: bool  # it was recorded or is pending


class Held(msgspec.Struct, frozen=True):
    """Movements of a counter that a person must decide on, and no fact says yet."""

    kind: Literal["implausible", "backwards"]
    from_: Decimal  # raw
    delta: Decimal  # raw units, all of them together
    doubted: Decimal | None  # what they would be, had they been plausible; None: no quantity
    jumps: int
    since: Moment


class LiveCounter(msgspec.Struct, frozen=True):
    """A counter since its last recorded value."""

    raw: Decimal
    at: Moment  # the earliest time that the raw value can be of
    delta: Decimal = ZERO  # raw units not yet recorded
    good: bool = True  # the device answers
    held: Held | None = None
    jumps: int = 0  # held movements one soon after the other
    jumped_at: Moment | None = None  # the last of them


class Stop(msgspec.Struct, frozen=True):
    """The machine came to rest, seen while it answered."""

    at: Moment
    owner: tuple[JobKey, Phase] | None  # whose its time would be


class LiveRunning(msgspec.Struct, frozen=True):
    """The running signal since its last recorded value."""

    on: bool
    at: Moment
    since: Moment  # when it was first seen so
    ms: int = 0  # running time not yet recorded
    good: bool = True
    incomplete: bool = False
    restored: bool = False  # from the journal: up to one record's interval older than the last look
    stop: Stop | None = None
    micro_stops: int = 0  # not yet recorded, like the next
    micro_stop_ms: int = 0


class LiveSignal(msgspec.Struct, frozen=True):
    """One signal of the machine as it was last read."""

    on: bool
    since: Moment  # when it was first seen so
    was: bool  # what it was taken for before: it counts until the change has stood long enough
    good: bool = True


class LiveTool(msgspec.Struct, frozen=True):
    """The tool as the machine names it; None: none."""

    tool: str | None
    since: Moment


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """What is no fact yet."""

    resumed: Moment | None = None  # the journal's last fact at the start: until about then all was heard
    pending: Pending | None = None
    until: Moment | None = None  # when the pending entry began
    tested: tuple[Tested, ...] = ()  # checks that the pending entry failed
    said: Said | None = None
    heard: Heard | None = None
    actor: str | None = None  # the last badge scanned
    at_hand: str | None = None  # the serial number of the piece that the scan before was of
    amend: str | None = None  # id of the scrap that an LSQ as next scan changes
    counters: dict[str, LiveCounter] = {}
    running: LiveRunning | None = None
    signals: dict[str, LiveSignal] = {}  # running, fault, setup
    tool: LiveTool | None = None
    moved_at: Moment | None = None  # when a counter last moved
    stands: Moment | None = None  # since when the machine was at rest with its job open
    proposed: bool = False  # what the machine does now was proposed once
    recorded_at: Moment | None = None  # when counters were last recorded
