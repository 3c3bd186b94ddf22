"""What happened, by type. docs/facts.md has each field."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

import msgspec

from edge.events.parts import (
    Blocked,
    Claim,
    Counts,
    Disposition,
    Entered,
    Interval,
    Method,
    Need,
    OpenedPart,
    Origin,
    Output,
    Phase,
    Quantity,
    Record,
    Resources,
    Reworks,
    Standard,
    ToolShare,
)
from edge.readings import ClockQuality


class Fact(Record, frozen=True, kw_only=True, omit_defaults=True):
    """What every `data` has. Absent means: does not apply, or is not known."""

    type: ClassVar[str]  # without prefix and version

    station: str | None = None
    work_center: str | None = None
    equipment: str | None = None
    operators: tuple[str, ...] = ()
    actor: str | None = None  # who scanned or decided
    origin: Origin | None = None
    posting_date: str | None = None  # YYYY-MM-DD in the site's time zone
    production_date: str | None = None  # the day on which the shift began
    shift: str | None = None
    clock: ClockQuality | None = None
    boot_id: str | None = None
    monotonic_s: Quantity | None = None  # since boot
    utc_offset: str | None = None  # "+08:00"
    masterdata: str | None = None  # etag of the master data in use
    work_order: str | None = None
    order_line: str | None = None
    operation: str | None = None
    tool: str | None = None
    refs: dict[str, str] | None = None  # the ERP's own keys, echoed
    provisional: bool = False  # the order was not in the master data: product, unit and BOM unknown here
    warnings: tuple[str, ...] = ()  # checks that it failed, which were said (docs/checks.md)
    confirmed: tuple[str, ...] = ()  # checks that it failed, which a person confirmed with OK


class WorkStarted(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """A job began, or its phase changed."""

    type = "work.started"
    phase: Phase
    planned_quantity: Quantity | None = None
    product: str | None = None
    unit: str | None = None
    standard: Standard | None = None
    reworks: Reworks | None = None  # a rework job: whose pieces it takes


class WorkPaused(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """Work stopped for a reason; whether labour and machine time go on is the reason's setting."""

    type = "work.paused"
    reason: str
    labour_goes_on: bool = False  # the reason's setting, so that the fact explains the time by itself
    machine_goes_on: bool = False


class WorkResumed(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """Work went on after a pause."""

    type = "work.resumed"
    reason: str | None = None


class WorkReported(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """Output and resources since the report before."""

    type = "work.reported"
    outputs: tuple[Output, ...] = ()
    reworked: tuple[Output, ...] = ()  # of a rework job instead of `outputs`: pieces made before, elsewhere
    resources: Resources | None = None
    interval: Interval | None = None
    # Pieces that a person adds to the job's counters, by counter.
    counted: dict[str, Quantity] = msgspec.field(default_factory=dict)
    needs: tuple[Need, ...] = ()  # of backflushed material; facts that name this one in `caused_by` bring it
    needs_for: Quantity | None = None  # pieces, where more than this report's: earlier ones had no bill
    bill_unknown: bool = False  # the order's bill was not held here: nothing could be backflushed
    replaces: str | None = None
    earlier_run: bool = False  # of the order as it was completed at the station, before it began there anew
    counted_quantity: Quantity | None = None  # good by the counter so far, where a person's total is another


class WorkCompleted(WorkReported, frozen=True, kw_only=True, omit_defaults=True):
    """The remainder; the operation is finished at this station.

    `deviation`: more or less than planned came out good; the ERP decides what that means.
    """

    type = "work.completed"
    final: Literal[True]
    planned_quantity: Quantity | None = None
    total_quantity: Quantity | None = None  # good in all, of every report of this job
    deviation: Literal["over", "under"] | None = None


class MaterialConsumed(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """Material went into a job. A return has a negative quantity."""

    type = "material.consumed"
    material: str
    lot: str | None = None
    serial: str | None = None
    quantity: Quantity
    unit: str
    entered: Entered | None = None
    bom_line: str | None = None
    warehouse: str | None = None
    method: Method
    use: Literal["production", "setup", "rework", "extra", "return"]
    output_lot: str | None = None
    output_serial: str | None = None
    reason: str | None = None  # of an extra issue
    lot_missing: bool = False  # no mounted lot was left to take it from: a person must say which it was
    lot_quantity: Quantity | None = None  # what the ERP said was left of the lot, where it said so
    caused_by: str | None = None  # the report that backflushed it; of a kit, its first line's fact
    posted_by: Literal["edge", "erp"]  # "erp": evidence only, the ERP backflushes itself
    replaces: str | None = None
    earlier_run: bool = False  # as of a report


class OutputReclassified(Fact, frozen=True, kw_only=True, omit_defaults=True, rename={"from_": "from"}):
    """Rework that turned good or scrap, or that quality accepts as it is (`person` granted the concession).

    It is the job's at which the pieces were set aside; `reworked_by` names the rework job that took them.
    """

    type = "output.reclassified"
    material: str
    lot: str | None = None
    quantity: Quantity
    unit: str
    from_: Disposition
    to: Disposition
    reason: str | None = None
    cause: Literal["process", "material", "setup"] | None = None  # of scrap
    person: str | None = None
    reworked_by: Reworks | None = None
    from_station: str | None = None  # where they were set aside, if elsewhere
    caused_by: str | None = None  # the rework job's report


class OutputIdentified(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """What comes out from here on bears this lot; one piece of it bears this serial number."""

    type = "output.identified"
    lot: str | None = None
    serial: str | None = None


class WorkCorrected(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """Cancels one whole event, once, with everything it caused."""

    type = "work.corrected"
    corrects: str
    reason: Literal["did_not_occur", "incorrect_data"]
    note: str | None = None
    person: str


class CountRecorded(Fact, frozen=True, kw_only=True, omit_defaults=True, rename={"from_": "from"}):
    """A counter moved while a job was open; `running` counts seconds, `energy` kWh."""

    type = "count.recorded"
    counter: str
    from_: Quantity | None = None  # raw
    to: Quantity | None = None  # raw
    delta: Quantity | None = None  # raw units, rollover and reset resolved; None: said by the event before
    quantity: Quantity | None = None  # delta × units per count; None: held for review
    unit: str | None = None
    units_per_count: Quantity | None = None  # absent: 1
    material: str | None = None  # what it is of, where one count makes several; each has an event of its own
    role: Literal["co", "by"] | None = None  # absent: the job's main product
    share: Quantity | None = None  # of a meter that several stations share, or a movement that jobs do
    carried: Quantity | None = None  # of its share, what the counter's next movement brings or takes
    micro_stops: Quantity | None = None  # how many ended within this stretch of `running`
    micro_stop_s: Quantity | None = None  # how long they lasted together
    phase: Phase | None = None
    incomplete: bool = False
    bom_line: str | None = None  # of a meter: the line it consumes for, `quantity` in the material's unit
    held: Literal["implausible", "backwards"] | None = None


class CountUnattributed(CountRecorded, frozen=True, kw_only=True, omit_defaults=True):
    """Pieces of a counter that no job can claim; they wait for a settlement.

    With `caused_by` they were a job's until its completion gave a lower figure; no raw values, for the
    movement was recorded before. The completion's correction takes them back.

    A `held` movement is in doubt: it may be nobody's, a job's, or none at all. Of several together `delta` is
    the sum; what was counted between them is no part of it.
    """

    type = "count.unattributed"
    caused_by: str | None = None
    counts: Counts | None = None  # what the counter counts
    claims: tuple[Claim, ...] = ()  # of a held one that went forward: what accepting it counts
    jumps: Quantity | None = None  # how many held movements it is; absent: one


class TimeUnassigned(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """Presence that belongs to no job, in seconds.

    `category`: `waiting` (no order open), `paused` (`reason` says why), `break` (a paid one), `unconfirmed`
    (signed on for so long that the badge was asked for again), `undone` (of a start that was undone).
    """

    type = "time.unassigned"
    operator: str | None = None
    category: str
    reason: str | None = None
    s: Quantity


class BreakTaken(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """A person's unpaid break, in seconds: presence = labour + time.unassigned + break.taken."""

    type = "break.taken"
    operator: str
    s: Quantity


class ShiftChanged(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """A shift, a posting date or a break began or ended, while somebody was signed on or a job was open.

    Its dates are those of what begins. What was open was reported before it, up to this moment.
    """

    type = "shift.changed"
    on_break: Literal["paid", "unpaid"] | None = None
    incomplete: bool = False  # nobody knows what people did since the fact before


class CrewRecorded(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """Nothing changed for a quarter of an hour: `operators` are still signed on."""

    type = "crew.recorded"


class OperatorDoubted(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """A person was signed on for so long that the badge is asked for: until then their time is no job's."""

    type = "operator.doubted"
    operator: str
    present_s: Quantity | None = None  # since the badge was last scanned


class OperatorSignedOn(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """A person joined the crew."""

    type = "operator.signed_on"
    operator: str


class OperatorSignedOff(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """A person left the crew."""

    type = "operator.signed_off"
    operator: str


class LotMounted(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """A lot stands at the station, to be consumed by backflush or meter."""

    type = "lot.mounted"
    material: str
    lot: str
    quantity: Quantity | None = None
    unit: str | None = None


class LotUnmounted(LotMounted, frozen=True, kw_only=True, omit_defaults=True):
    """A lot was taken away."""

    type = "lot.unmounted"


class ToolMounted(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """A tool was mounted, or cavities of it were blocked or opened; it says how many units one count is."""

    type = "tool.mounted"
    units_per_count: Quantity | None = None  # with all cavities open; absent: as the counter's setting has it
    shares: tuple[ToolShare, ...] = ()  # absent: all is the job's product
    blocked: tuple[Blocked, ...] = ()


class ToolUnmounted(ToolMounted, frozen=True, kw_only=True, omit_defaults=True):
    """A tool was taken off."""

    type = "tool.unmounted"


class MeterReplaced(Fact, frozen=True, kw_only=True, omit_defaults=True, rename={"from_": "from"}):
    """A meter or counter was replaced: its next value is a baseline and counts nothing."""

    type = "meter.replaced"
    counter: str
    from_: Quantity | None = None  # the old one's last raw value


class ReviewSettled(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """A person decided on something that waited, or entered later what nobody recorded (`made_up`)."""

    type = "review.settled"
    settles: tuple[str, ...]
    how: Literal["accepted", "split", "reassigned", "reversed", "retried", "discarded", "made_up"]
    note: str | None = None
    person: str
    approved_by: str | None = None  # the second person, where two are needed
    led_to: tuple[str, ...] = ()  # the facts that came of it, in the same commit


class ReviewOpened(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """A recorded fact that did not wait is decided on: its correction follows in the same commit.

    It says what the journal held of the fact then, for whoever folds the facts and cannot look back.
    """

    type = "review.opened"
    opens: str  # the fact's id
    original_type: str  # without prefix and version
    original_time: str
    original: str  # its data as JSON
    caused: tuple[OpenedPart, ...] = ()  # consumption that goes with it
    moved: tuple[OpenedPart, ...] = ()  # reclassification, the same
    made_up: bool = False  # a person had entered it later
    earlier_run: bool = False  # of the order as it was completed at the station, before it began there anew


class ClockStepped(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """The wall clock was set; gives a posting date to facts of `from_seq` to `to_seq` that have none.

    `posting_date` is theirs; `shift` and `production_date` are the step's own, absent while the clock is
    behind. Several for one step: one for each run of facts with the same date.
    """

    type = "clock.stepped"
    offset_s: Quantity | None = None  # new minus old; 0: another time zone; None: no step was seen
    from_seq: str | None = None
    to_seq: str | None = None


class JournalOpened(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """The first event of an epoch."""

    type = "journal.opened"
    follows: str | None = None  # <epoch>:<seq> of the journal before, where known
    cause: Literal["new", "damaged", "restored", "renamed"]
    missing: str | None = None
    state: str | None = None  # the stations' state as JSON text


class Unknown(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """An event of a type that this version does not know; its further keys are ignored."""

    type = ""


def _leaves(cls: type[Fact]) -> Iterator[type[Fact]]:
    for sub in cls.__subclasses__():
        if sub is not Unknown:
            yield sub
            yield from _leaves(sub)


FACTS: Mapping[str, type[Fact]] = {f"lineside.{fact.type}.v1": fact for fact in _leaves(Fact)}
COSTED = frozenset(
    f"lineside.{name}.v1"
    for name in (
        "work.reported",
        "work.completed",
        "material.consumed",
        "output.reclassified",
        "work.corrected",
    )
)
