"""The state of the line: all that facts say, frozen, a fold over the journal, kept in snapshots as JSON.

What is no fact yet is in `live.py`.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Literal

import msgspec
from msgspec.structs import replace

from edge.calendar import Period
from edge.events import Blocked, Method, Phase, ToolShare
from edge.readings import Moment
from edge.station.review.waiting import Waiting
from edge.uptime import Uptime
from edge.wallclock import Wall

STATE_VERSION = "15"
ZERO = Decimal(0)
MACHINE = ("running", "energy")  # counters of the machine; all others count pieces
SWITCHED = "switched"  # the pause of a job whose station went on with another
JobKey = tuple[str, str]  # (work order, operation)


class Labour(msgspec.Struct, frozen=True):
    """A person's time on a job that no report carries yet."""

    operator: str
    phase: Phase
    ms: int


class SideProduct(msgspec.Struct, frozen=True, kw_only=True):
    """A co- or by-product of a job, as counters and reports say it."""

    role: Literal["co", "by"]
    unit: str
    counted: dict[str, Decimal] = {}  # by counter, set-up left out
    setup_counted: dict[str, Decimal] = {}
    good: Decimal = ZERO  # reported here, like the next ones
    defective: Decimal = ZERO  # scrap and rework, set-up scrap left out
    counter_scrap: dict[str, Decimal] = {}  # of it, by the scrap counter that a report took it from
    setup_scrap: Decimal = ZERO


class Share(msgspec.Struct, frozen=True):
    """A job that a person works on beside others, and what came out of it meanwhile."""

    station: str
    job: JobKey
    phase: Phase
    made: dict[str, Decimal] = {}  # pieces by counter; under "" what was reported


class Pool(msgspec.Struct, frozen=True):
    """A person's time over several jobs, to be divided when one of them is reported."""

    operator: str
    shares: tuple[Share, ...]
    since: Moment
    ms: int = 0

    @property
    def places(self) -> tuple[tuple[str, JobKey, Phase], ...]:
        return tuple((share.station, share.job, share.phase) for share in self.shares)


class Idle(msgspec.Struct, frozen=True):
    """A person's time that no job has and no fact carries yet."""

    operator: str
    category: str
    reason: str | None
    ms: int


class Person(msgspec.Struct, frozen=True):
    """Somebody signed on at a station or several."""

    since: Moment  # the badge was last scanned
    doubted: bool = False


class Required(msgspec.Struct, frozen=True):
    """What a job's reports asked of a backflushed BOM line, in the BOM's own unit."""

    bom_line: str
    unit: str
    quantity: Decimal


class Used(msgspec.Struct, frozen=True):
    """What a job took of a lot, in the material's base unit."""

    bom_line: str | None
    material: str
    lot: str | None
    method: Method
    unit: str
    quantity: Decimal
    posted_by: Literal["edge", "erp"] = "edge"

    @property
    def place(self) -> tuple[str | None, str, str | None, Method, Literal["edge", "erp"]]:
        return self.bom_line, self.material, self.lot, self.method, self.posted_by


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A work order's operation open at a station."""

    work_order: str
    order_line: str | None
    operation: str
    product: str
    unit: str
    planned: Decimal
    refs: dict[str, str] | None = None
    reworks: tuple[str, str | None] | None = None  # order, and operation or any: whose pieces it takes
    labour_s: Decimal | None = None  # the ERP's standard per unit
    phase: Phase = "run"
    paused: str | None = None  # the reason
    paused_labour: bool = False  # labour time goes on while paused
    paused_machine: bool = False
    paused_by_signal: bool = False  # the machine stood still; it goes on when the machine does
    since: Moment | None  # from where the next report's interval begins; None: nobody knows
    counted: dict[str, Decimal] = {}  # pieces by counter, set-up left out
    setup_counted: dict[str, Decimal] = {}  # pieces by counter in set-up
    carried: dict[str, Decimal] = {}  # by counter: what its next movement brings, where jobs share it
    setup_scrap: Decimal = ZERO  # of the set-up pieces, confirmed as scrap
    good: Decimal = ZERO  # reported here, like the next three
    scrap: Decimal = ZERO  # set-up scrap left out
    rework: Decimal = ZERO
    setup_rework: Decimal = ZERO  # set-up pieces that were set aside as rework, whatever became of them
    concession: Decimal = ZERO
    regained: Decimal = ZERO  # of the good ones, those that were rework
    counter_scrap: dict[str, Decimal] = {}  # of the scrap, by the scrap counter that a report took it from
    side: dict[str, SideProduct] = {}  # by material
    consumed: dict[str, Decimal] = {}  # by BOM line, in base units
    spent_labour_s: Decimal = ZERO  # reported here, like the next
    spent_machine_s: Decimal = ZERO
    used: tuple[Used, ...] = ()  # the same by lot
    required: tuple[Required, ...] = ()
    unbilled: Decimal = ZERO  # pieces reported while the bill was not known
    metered: dict[str, Decimal] = {}  # by BOM line, in base units: what meters said and no fact took yet
    setup_ms: int = 0  # not yet reported, like the next three
    machine_s: Decimal | None = None  # None: no signal said anything yet
    energy_kwh: Decimal | None = None
    labour: tuple[Labour, ...] = ()
    provisional: bool = False  # the order is not in the master data: product, plan and BOM are unknown
    gap: bool = False  # a stretch of unknown length is missing in people's and set-up time
    machine_gap: bool = False  # the machine was not heard for a while: it may have run longer
    output_lot: str | None = None  # what comes out bears it, as it was scanned
    serials: tuple[str, ...] = ()  # scanned for pieces that no report carries yet
    due: bool = False  # a shift ended since the last figure: the quantity is asked for

    @property
    def key(self) -> JobKey:
        return self.work_order, self.operation

    @property
    def of_run(self) -> Decimal:
        """Pieces of the run phase that are not good, or good only by concession.

        What was set aside in set-up and is good now counts below nought: no stroke of the run phase is it.
        """
        return self.scrap + self.rework + self.concession - self.setup_rework

    @property
    def working(self) -> bool:
        """Whether people's time goes into this job."""
        return self.paused is None or self.paused_labour


class Counter(msgspec.Struct, frozen=True):
    """The last recorded raw value of a counter."""

    raw: Decimal
    at: Moment
    silent: bool = False  # the device did not answer when the value was recorded
    crossed: bool = False  # the station changed hands while it was silent: the next movement is nobody's


class Mounted(msgspec.Struct, frozen=True):
    """A lot standing at the station. Without a quantity nobody knows how much of it there is."""

    material: str
    lot: str
    quantity: Decimal | None = None
    unit: str | None = None


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """The tool that is mounted."""

    tool: str
    units_per_count: Decimal | None = None  # with all cavities open; None: as the counter's setting has it
    shares: tuple[ToolShare, ...] = ()
    blocked: tuple[Blocked, ...] = ()


class Made(msgspec.Struct, frozen=True):
    """Good pieces that a job reported at a station, concessions among them."""

    job: JobKey
    good: Decimal


class Drawn(msgspec.Struct, frozen=True):
    """What was consumed of a lot since the ERP said what is left of it."""

    material: str
    lot: str
    left: Decimal  # as the ERP said
    quantity: Decimal


class Last(msgspec.Struct, frozen=True):
    """The last fact that an operator may undo."""

    id: str
    type: str
    actor: str
    shift: str | None
    production_date: str | None
    at: Moment
    data: str  # the fact's data as JSON
    caused: tuple[str, ...] = ()  # what it consumed, the same way
    moved: tuple[str, ...] = ()  # what it reclassified, the same way


class Noted(msgspec.Struct, frozen=True):
    """A line of the page's list of last events."""

    time_ms: int
    type: str
    detail: str


class Station(msgspec.Struct, frozen=True, kw_only=True):
    """Everything facts say about one station."""

    crew: tuple[str, ...] = ()
    jobs: tuple[Job, ...] = ()
    selected: JobKey | None = None
    closed: Job | None = None  # the last completed job, for its undo
    doubted: tuple[Job, ...] = ()  # completed before it, while a check of their completion waits
    counters: dict[str, Counter] = {}
    mounted: tuple[Mounted, ...] = ()
    made: tuple[Made, ...] = ()  # the latest last; at most 256, like the next
    drawn: tuple[Drawn, ...] = ()
    tool: Tool | None = None
    finished: tuple[JobKey, ...] = ()  # completed here, the latest last; at most 64
    last: Last | None = None
    noted: tuple[Noted, ...] = ()

    @property
    def job(self) -> Job | None:
        """The selected job."""
        return self.find(self.selected) if self.selected else None

    def find(self, key: JobKey) -> Job | None:
        return next((job for job in self.jobs if job.key == key), None)

    @property
    def completed(self) -> tuple[Job, ...]:
        """Completed jobs that may still change: the last one, and those whose completion waits."""
        return (self.closed, *self.doubted) if self.closed is not None else self.doubted

    def held(self, key: JobKey) -> Job | None:
        """The job of that order and operation, open or completed, as far as it may still change."""
        return self.find(key) or next((job for job in self.completed if job.key == key), None)

    def with_held(self, key: JobKey, change: "Callable[[Job], Job]") -> "Station":
        """The station whose job of that key is changed: the open one, else a completed one."""

        def changed(job: Job) -> Job:
            return change(job) if job.key == key else job

        if self.find(key) is not None:
            return replace(self, jobs=tuple(map(changed, self.jobs)))
        closed = changed(self.closed) if self.closed is not None else None
        if closed is not self.closed:
            return replace(self, closed=closed)
        return replace(self, doubted=tuple(map(changed, self.doubted))) if self.doubted else self

    def without(self, key: JobKey) -> "Station":
        """The station as if it had no job of that order and operation, neither open nor completed."""
        closed = None if self.closed is not None and self.closed.key == key else self.closed
        jobs = tuple(job for job in self.jobs if job.key != key)
        return replace(
            self, jobs=jobs, closed=closed, doubted=tuple(job for job in self.doubted if job.key != key)
        )


class SetAside(msgspec.Struct, frozen=True, kw_only=True):
    """Pieces of a job that wait for rework. Below nought: more were reworked than were known of."""

    station: str
    job: JobKey
    order_line: str | None
    refs: dict[str, str] | None
    material: str | None  # None: of a provisional order
    unit: str
    lot: str | None
    quantity: Decimal


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """All stations and people; `at` is the moment up to which people's time has been given away."""

    stations: dict[str, Station] = {}
    fixed: dict[str, str] = {}  # the report that asked for a fixed BOM line, by order and line
    at: Moment | None = None
    period: Period | None = None  # the last that a fact bore
    people: dict[str, Person] = {}
    pools: tuple[Pool, ...] = ()
    idle: tuple[Idle, ...] = ()
    aside: tuple[SetAside, ...] = ()  # the oldest first; at most 1024
    serials: dict[str, str] = {}  # the order that reported each number, by product, operation and number
    wall: Wall = Wall()
    uptime: Uptime = Uptime()
    waiting: dict[str, Waiting] = {}  # for a person, by the id of the first fact, in order

    def station(self, name: str) -> Station:
        return self.stations.get(name) or _EMPTY


_EMPTY = Station()
