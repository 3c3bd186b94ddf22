"""The desk on which one step is worked out: the state as it changes, and the facts drafted so far.

Facts drafted by one step are committed as one transaction. A refusal leaves state and facts as they were.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from edge import settings
from edge.calendar import Calendar, Day
from edge.events import Draft, Fact, MaterialConsumed, Origin, Output, WorkReported, seconds
from edge.masterdata import BomLine, MasterData, Operation
from edge.readings import Moment
from edge.station import backflush, hours, rework
from edge.station.evolve import evolve
from edge.station.grammar import DEFAULT, Grammar
from edge.station.live import Live
from edge.station.pending import Pending
from edge.station.refusal import Refused as Refused
from edge.station.state import Job, JobKey, Line, Station
from edge.station.texts import Text
from edge.station.verdicts import Verdicts
from edge.wallclock import dates, judged

PENDING_MS = 60_000


class Doubted(Refused):
    """An entry that must be given again or confirmed; what waits goes on."""


class Site(msgspec.Struct, frozen=True):
    """What the configuration says about the line."""

    line: str
    calendar: Calendar
    stations: Mapping[str, settings.Station]
    pauses: Mapping[str, settings.Pause]
    checks: settings.Checks = settings.Checks()
    crew: settings.Crew = settings.Crew()
    grammar: Grammar = DEFAULT
    review: settings.Review = settings.Review()
    consumption: settings.Consumption = settings.Consumption()
    reminders: settings.Reminders = settings.Reminders()
    language: str = "en"  # of the site, for what stands in no page that has both


class Answer(msgspec.Struct, frozen=True):
    """What the person is told."""

    result: Literal["recorded", "pending", "repeated", "refused"]
    message: Text
    why: str = ""  # the name of a refusal, for programs
    warned: bool = False  # taken or asked, and what a check says is in the message


class Work:
    """One step at one station."""

    def __init__(
        self,
        site: Site,
        name: str,
        line: Line,
        live: Live,
        master: MasterData,
        now: Moment,
        new_id: Callable[[int], str],
        day: Day | None = None,
    ) -> None:
        """`day`: the dates where they are not those of `now`, which is judged already then."""
        self.site = site
        self.name = name
        self.settings = site.stations[name]
        self.line = line
        self.live = live
        self.master = master
        self.now = now = now if day else judged(line.wall, now, site.calendar)
        self.day = day or dates(site.calendar, now)
        self.drafts: list[Draft] = []
        self.verdicts = Verdicts(site.checks, self.settings.checks)
        self.new_id = new_id

    @property
    def station(self) -> Station:
        return self.line.station(self.name)

    @property
    def job(self) -> Job:
        """The selected job. Raises Refused where there is none."""
        job = self.station.job
        if job is None:
            raise Refused("no_job")
        return job

    def with_time(self, job: Job, outputs: Iterable[Output] = ()) -> Job:
        """A job with people's time up to now, as a report of it with these outputs will find it."""
        line = hours.divided(hours.passed(self.line, self.now), self.name, job.key, outputs)
        return line.station(self.name).find(job.key) or job

    @property
    def operation(self) -> Operation | None:
        """The selected job's operation in the master data."""
        job = self.station.job
        return self.planned(job.key) if job else None

    def planned(self, key: JobKey) -> Operation | None:
        """A job's operation in the master data."""
        order = self.master.orders.get(key[0])
        operations = order.operations if order else ()
        return next((one for one in operations if one.operation == key[1]), None)

    @property
    def bom(self) -> tuple[BomLine, ...]:
        """The BOM lines of the selected job's operation."""
        job = self.station.job
        order = self.master.orders.get(job.work_order) if job else None
        return backflush.lines(order, job) if job and order else ()

    def stock(self, material: str, lot: str) -> Decimal | None:
        """What the ERP says is left of a lot, in base units; None where it does not say."""
        found = next((one for one in self.master.lots.get(lot, ()) if one.material == material), None)
        return found.quantity if found else None

    @property
    def counter(self) -> str | None:
        """The counter that proposes quantities."""
        return self.settings.main_counter

    @property
    def actor(self) -> str | None:
        """Who is taken to have scanned: the last badge seen here, if still signed on."""
        crew = self.station.crew
        return self.live.actor if self.live.actor in crew else (crew[-1] if crew else None)

    def emit(
        self,
        fact: type[Fact],
        *,
        job: Job | None = None,
        origin: Origin = "scan",
        **fields: Any,
    ) -> str:
        """Draft a fact, with what every fact says, and fold it in; behind a report also what it leads to.

        Returns its id.
        """
        day = self.day
        common: dict[str, Any] = {
            "station": self.name,
            "work_center": self.settings.work_center,
            "equipment": self.settings.equipment,
            "operators": self.station.crew,
            "actor": self.actor if origin == "scan" else None,
            "origin": origin,
            "posting_date": day.posting_date,
            "production_date": day.production_date,
            "shift": day.shift,
            "clock": self.now.clock,
            "boot_id": self.now.boot_id,
            "monotonic_s": seconds(self.now.monotonic_ms),
            "utc_offset": day.utc_offset,
            "masterdata": self.master.etag,
        }
        if job is not None:
            common |= {
                "work_order": job.work_order,
                "order_line": job.order_line,
                "operation": job.operation,
                "refs": job.refs,
                "provisional": job.provisional,
                "tool": self.station.tool.tool if self.station.tool else None,
            }
            if issubclass(fact, WorkReported):
                outputs = fields.get("outputs", ())
                fields |= rework.carried(job, outputs) | backflush.asked(self, job, outputs)
        if issubclass(fact, MaterialConsumed) and (lot := fields.get("lot")) is not None:
            fields["lot_quantity"] = self.stock(fields["material"], lot)
        fields |= self.verdicts.borne(fact)
        draft = Draft(self.new_id(self.now.wall_ms), self.now.wall_ms, fact(**(common | fields)))
        self.drafts.append(draft)
        self.line = evolve(self.line, draft)
        if job is not None and isinstance(draft.data, WorkReported):
            rework.follow(self, job, draft.id, draft.data)
            backflush.follow(self, job, draft.id, draft.data)
        return draft.id

    def wait_for(self, pending: Pending) -> None:
        """Begin a pending entry; one before it ends without posting."""
        self.live = replace(self.live, pending=pending, until=self.now, tested=())

    def end_wait(self) -> Pending | None:
        """End the pending entry, if there is one, and return it."""
        pending = self.live.pending
        self.live = replace(self.live, pending=None, until=None, tested=())
        return pending


def number(value: Decimal) -> str:
    """A quantity as a person writes it, without trailing zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
