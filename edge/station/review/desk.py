"""The desk on which a settlement is worked out: the facts that it leads to, and their dates.

What happened earlier bears its own time and neither boot nor time since boot: those are of the moment of
recording, and no clock or crew is told by it. The settlement itself comes last, names all others, and bears
the present.
"""

from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from typing import Any

import msgspec

from edge.events import (
    Draft,
    Fact,
    MaterialConsumed,
    Origin,
    Output,
    ReviewSettled,
    TimeUnassigned,
    WorkCorrected,
    WorkReported,
    seconds,
)
from edge.masterdata import MasterData
from edge.masterdata.periods import open_date
from edge.readings import Moment
from edge.station import backflush, lots, resources, rework
from edge.station.evolve import evolve
from edge.station.review import flags
from edge.station.review.rights import Authority
from edge.station.review.words import Unsettled
from edge.station.state import ZERO, Job, JobKey, Line, Station
from edge.station.texts import Text
from edge.station.work import Site
from edge.wallclock import dates, judged


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A job that something is booked on, open or not."""

    work_order: str
    operation: str
    order_line: str | None
    product: str
    unit: str
    refs: dict[str, str] | None
    provisional: bool = False

    @property
    def key(self) -> JobKey:
        return self.work_order, self.operation


class Desk:
    """One settlement."""

    def __init__(
        self, site: Site, line: Line, master: MasterData, now: Moment, new_id: Callable[[int], str]
    ) -> None:
        self.site = site
        self.line = line
        self.master = master
        self.now = judged(line.wall, now, site.calendar)
        self.drafts: list[Draft] = []
        self.moved: tuple[str, str] | None = None  # a locked date and the one it became
        self.flagged: list[Text] = []  # what checks say of what is entered
        self.insisting = flags.Insisting()
        self.reopened: JobKey | None = None  # the job whose completion did not occur
        self._new_id = new_id
        if not self.now.sound:
            raise Unsettled("clock")

    def belated(
        self, fact: type[Fact], who: Authority, station: str, target: Target, at_ms: int | None, **fields: Any
    ) -> str:
        """Draft a fact of a time that is past; None: nobody knows it, the present stands for it."""
        at_ms = self.now.wall_ms if at_ms is None else at_ms
        return self.draft(fact, at_ms, station, who, **self._job(target), **fields).id

    def unassigned(self, who: Authority, station: str, at_ms: int, **fields: Any) -> None:
        """Draft time that belongs to no job any more."""
        self.draft(TimeUnassigned, at_ms, station, who, category="undone", **fields)

    def reported(
        self,
        who: Authority,
        station: str,
        target: Target,
        at_ms: int | None,
        *,
        outputs: tuple[Output, ...],
        fact: type[WorkReported] = WorkReported,
        brought: Collection[str] = (),
        people: Collection[str] = (),
        earlier_run: bool = False,
        **fields: Any,
    ) -> str:
        """Draft a report of a time that is past, and what it consumes by the bill.

        `brought`: BOM lines that the person says the material of. Meters are the present reports'.
        `people`: whose time is entered by it, without a badge that was scanned.
        `earlier_run`: the order was completed then, and began anew since.
        """
        at_ms = self.now.wall_ms if at_ms is None else at_ms
        apart = target.key if earlier_run else None
        booking = Booking(self, who, station, at_ms, fields.get("posting_date"), apart)
        held = booking.station.held(target.key)
        job = held or self._stub(target)
        asked = backflush.asked(booking, job, outputs)
        asked["needs"] = tuple(one for one in asked.get("needs", ()) if one.bom_line not in brought)
        fields |= rework.carried(job, outputs) | asked | {"earlier_run": earlier_run}
        spent = resources.spent(job, fields.get("resources"))
        fields |= self._flags(
            booking.station, station, spent, lambda work: flags.of_report(work, outputs, people)
        )
        draft = self.draft(fact, at_ms, station, who, **self._job(target), **fields)
        report = draft.data
        assert isinstance(report, WorkReported)
        job = job if held else lots.asked(job, report)
        rework.follow(booking, job, draft.id, report)
        backflush.follow(booking, job, draft.id, msgspec.structs.replace(report, resources=None))
        return draft.id

    def corrects(self, who: Authority, original: Fact, id_: str, reason: str, note: str | None) -> str:
        """Cancel a fact, on the present day."""
        same = ("work_order", "order_line", "operation", "refs", "provisional")
        job = {name: getattr(original, name) for name in same}
        station = original.station or ""
        fields = {"corrects": id_, "reason": reason, "note": note, "person": who.person}
        return self.draft(WorkCorrected, self.now.wall_ms, station, who, **job, **fields).id

    def again(self, fact: MaterialConsumed, at_ms: int) -> None:
        """Draft a consumption that is given whole."""
        self._keep(Draft(self._new_id(self.now.wall_ms), at_ms, self._looked_at(fact)))

    def settled(
        self, who: Authority, station: str | None, settles: tuple[str, ...], how: str, note: str | None
    ) -> None:
        """Draft the settlement itself, of this moment. It costs nothing: a locked period moves it nowhere."""
        today = dates(self.site.calendar, self.now).posting_date
        moment = {
            "posting_date": today,
            "boot_id": self.now.boot_id,
            "monotonic_s": seconds(self.now.monotonic_ms),
        }
        self.draft(
            ReviewSettled, self.now.wall_ms, station, who, **moment,
            settles=settles, how=how, note=note, person=who.person, approved_by=who.approved_by,
            led_to=tuple(draft.id for draft in self.drafts),
        )  # fmt: skip

    def target(self, station: str, key: JobKey) -> Target:
        """The job of that order and operation. Raises Unsettled where nobody knows it."""
        order, operation = key
        job = self.line.station(station).held(key)
        if job is not None and not job.provisional:
            return Target(
                work_order=order, operation=operation, order_line=job.order_line, product=job.product,
                unit=job.unit, refs=job.refs,
            )  # fmt: skip
        found = self.master.orders.get(order)
        if found is not None:
            known = [one.operation for one in found.operations]
            if known and operation not in known:
                raise Unsettled("operation_unknown", order=order, operation=operation, known=", ".join(known))
            return Target(
                work_order=order, operation=operation, order_line=found.line, product=found.product,
                unit=found.unit, refs=dict(found.refs) or None,
            )  # fmt: skip
        if job is None and self.site.checks.unknown_order != "provisional":
            raise Unsettled("order_unknown", order=order)
        return Target(
            work_order=order, operation=operation, order_line=None, product="", unit="C62", refs=None,
            provisional=True,
        )  # fmt: skip

    def planned(self, station: str, target: Target) -> tuple[Decimal | None, Decimal]:
        """How many pieces of a job are planned (None: nobody knows), and how many good ones are reported."""
        here = self.line.station(station)
        job = here.held(target.key) or flags.planned(self._stub(target), self.master, here)
        return None if job.provisional or job.reworks else job.planned, job.good

    def counted(self, station: str, target: Target, outputs: Iterable[Output]) -> dict[str, Decimal]:
        """What a job's counter gains, so that what its next proposal holds as new stays the same.

        The job is open, or its completion may still be taken back, and proposed again. Only a
        counter of all pieces takes note of defects and concessions.
        """
        settings = self.site.stations.get(station)
        name = settings.main_counter if settings else None
        if settings is None or name is None or self.line.station(station).held(target.key) is None:
            return {}
        beside = {"scrap", "rework", "concession"} if settings.counters[name].counts == "all" else set()
        known = {"good"} | beside
        of_run = (one for one in outputs if one.disposition in known and one.cause != "setup")
        pieces = sum((one.quantity for one in of_run), ZERO)
        return {name: pieces} if pieces else {}

    def stock(self, material: str, lot: str) -> Decimal | None:
        """What the ERP says is left of a lot, in base units; None where it does not say."""
        found = next((one for one in self.master.lots.get(lot, ()) if one.material == material), None)
        return found.quantity if found else None

    def _stub(self, target: Target) -> Job:
        """A job that is open no more."""
        order = self.master.orders.get(target.work_order)
        return Job(
            work_order=target.work_order,
            order_line=target.order_line,
            operation=target.operation,
            product=target.product,
            unit=target.unit,
            planned=ZERO,
            refs=target.refs,
            reworks=rework.taken_from(order, target.operation) if order else None,
            since=None,
            provisional=target.provisional,
        )

    def job(self, station: str, target: Target, *, earlier_run: bool = False) -> Job:
        """The job as it is at the station, or else as its order says."""
        held = None if earlier_run else self.line.station(station).held(target.key)
        return held or self._stub(target)

    def is_open(self, station: str, target: Target) -> bool:
        """Whether the job is open at the station."""
        return self.line.station(station).find(target.key) is not None

    def _job(self, target: Target) -> dict[str, Any]:
        same = ("work_order", "operation", "order_line", "refs", "provisional")
        return {name: getattr(target, name) for name in same}

    def draft(
        self, fact: type[Fact], at_ms: int, station: str | None, who: Authority, **fields: Any
    ) -> Draft:
        configured = self.site.stations.get(station or "")
        day = dates(self.site.calendar, msgspec.structs.replace(self.now, wall_ms=at_ms))
        common = {
            "station": station,
            "work_center": configured.work_center if configured else None,
            "equipment": configured.equipment if configured else None,
            "actor": who.person,
            "origin": "manual",
            "production_date": day.production_date,
            "shift": day.shift,
            "clock": self.now.clock,
            "utc_offset": day.utc_offset,
            "masterdata": self.master.etag,
        }
        if issubclass(fact, MaterialConsumed) and (lot := fields.get("lot")) is not None:
            fields["lot_quantity"] = self.stock(fields["material"], lot)
        if "posting_date" not in fields:
            common["posting_date"] = self._posted(day.posting_date or "")
        data = fact(**(common | fields))
        if isinstance(data, MaterialConsumed) and data.caused_by is None:
            data = self._looked_at(data)
        draft = Draft(self._new_id(self.now.wall_ms), at_ms, data)
        self._keep(draft)
        return draft

    def _looked_at(self, used: MaterialConsumed) -> MaterialConsumed:
        """A consumption that a person says, with what checks say of it."""
        if used.station is None or used.work_order is None:
            return used
        station, key = self.line.station(used.station), (used.work_order, used.operation or "")
        job = None if used.earlier_run else station.held(key)
        job = job or self._stub(self.target(used.station, key))
        found = self._flags(station, used.station, job, lambda work: flags.of_consumption(work, used))
        return msgspec.structs.replace(used, **found)

    def _flags(
        self, station: Station, name: str, job: Job, look: Callable[[flags.Looked], None]
    ) -> dict[str, Any]:
        """What a fact bears of the checks that it goes against. `station`: as the fact's job sees it."""
        if name not in self.site.stations:
            return {}
        if station.held(job.key) is None:
            job = flags.planned(job, self.master, station)
        line = msgspec.structs.replace(self.line, stations={**self.line.stations, name: station})
        work = flags.Looked(self.site, name, line, self.master, self.now, job, self.insisting)
        look(work)
        borne = work.flags.borne_by_fact()
        self.flagged += work.flags.said
        return borne

    def _keep(self, draft: Draft) -> None:
        self.drafts.append(draft)
        self.line = evolve(self.line, draft)

    def _posted(self, day: str) -> str:
        posted = open_date(self.master.document.periods or (), day)
        if posted != day:
            self.moved = day, posted
        return posted


class Booking:
    """A belated report's place, where what it causes is drafted: of its time, and on its posting date.

    `apart`: a job that began anew since, and has no part in it.
    """

    def __init__(
        self,
        desk: Desk,
        who: Authority,
        station: str,
        at_ms: int,
        posting_date: str | None,
        apart: JobKey | None,
    ) -> None:
        self.site = desk.site
        self.master = desk.master
        self._desk = desk
        self._who = who
        self._name = station
        self._at_ms = at_ms
        self._posted = {"posting_date": posting_date} if posting_date else {}
        self._apart = apart

    @property
    def line(self) -> Line:
        """The line as it is now."""
        return self._desk.line

    @property
    def station(self) -> Station:
        """The station as it is now."""
        station = self.line.station(self._name)
        return station if self._apart is None else station.without(self._apart)

    def emit(
        self, fact: type[Fact], *, job: Job | None = None, origin: Origin = "scan", **fields: Any
    ) -> str:
        """Draft what the report causes; whatever its origin otherwise, a person entered it."""
        same = ("work_order", "operation", "order_line", "refs", "provisional")
        of_job = {name: getattr(job, name) for name in same} if job else {}
        more = of_job | self._posted | fields
        if self._apart is not None and issubclass(fact, MaterialConsumed):
            more["earlier_run"] = True
        return self._desk.draft(fact, self._at_ms, self._name, self._who, **more).id
