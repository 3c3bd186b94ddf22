"""The checks that a person's entry goes against, as a scan of it would: recorded all the same, and flagged.

Whoever settles says what was; refusing that would leave the facts wrong. So a check that is not off only
warns here, whatever its level: the fact bears its code, and the person is told. Only what a make-up entry is
made of can be given otherwise: its figures and people go by the levels, and no OK can follow, so that who
means what is asked sends it again with `confirm`. Time that no report carries yet is held against none.
"""

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from edge import settings
from edge.events import MaterialConsumed, Output
from edge.masterdata import MasterData
from edge.readings import Moment
from edge.station import checks
from edge.station.live import Live
from edge.station.review.words import Unsettled, word
from edge.station.state import ZERO, Job, Line, Station
from edge.station.texts import Text, say
from edge.station.verdicts import Verdict, Verdicts
from edge.station.work import Site, Work


class Insisting(msgspec.Struct, frozen=True):
    """Checks that go by their levels, and whether the person has confirmed what they ask."""

    codes: Collection[str] = ()
    confirmed: bool = False


class Flags(Verdicts):
    """Verdicts that refuse and ask nothing, but for those that are insisted on."""

    def __init__(self, site: settings.Checks, station: settings.StationChecks, insisting: Insisting) -> None:
        super().__init__(site, station)
        self._insisting = insisting

    def failed(self, code: str, what: Text, instead: Text, *, with_ok: bool, blocks: bool = True) -> Verdict:
        """Flag it, unless it is off. Raises Unsettled where it is insisted on and blocked."""
        level = self.level(code)
        if level == "off":
            return "passed"
        insisted = code in self._insisting.codes
        if insisted and level == "block" and blocks:
            raise Unsettled("check_blocked", what=what)
        if insisted and level == "confirm" and not self._insisting.confirmed:
            self.asked[code] = what
            return "passed"
        confirmed = insisted and level == "confirm"
        self._passed(code, confirmed)
        if not confirmed:
            self.said.append(word("flagged", what=what))
        return "passed"

    def borne_by_fact(self) -> dict[str, tuple[str, ...]]:
        """What a fact bears of them. Raises Unsettled where the person must confirm something first."""
        if self.asked:
            first, *more = self.asked.values()
            raise Unsettled("check_confirm", what=sum((say("then") + one for one in more), first))
        found = {
            "warnings": tuple(one.code for one in self.tested if not one.confirmed),
            "confirmed": tuple(one.code for one in self.tested if one.confirmed),
        }
        return {key: codes for key, codes in found.items() if codes}


class Looked(Work):
    """The station as a check looks at it: with one job selected, of which all that counts is reported."""

    def __init__(
        self,
        site: Site,
        name: str,
        line: Line,
        master: MasterData,
        now: Moment,
        job: Job,
        insisting: Insisting,
    ) -> None:
        station = _selected(line.station(name), job)
        line = replace(line, stations={**line.stations, name: station})
        super().__init__(site, name, line, Live(), master, now, _no_id)
        self.flags = self.verdicts = Flags(site.checks, self.settings.checks, insisting)

    def with_time(self, job: Job, outputs: object = ()) -> Job:
        """The job as it stands: what is under way belongs to reports that are still to come."""
        return job


def of_report(work: Looked, outputs: Sequence[Output], people: Iterable[str] = ()) -> None:
    """Pieces of the product that a report is to bring, and people of whom nobody scanned a badge."""
    for operator in people:
        checks.qualification(work, operator)
    main = [one for one in outputs if one.role == "main" and one.cause != "setup"]
    good = sum((one.quantity for one in main if one.disposition == "good"), ZERO)
    others = sum((one.quantity for one in main if one.disposition != "good"), ZERO)
    if main:
        checks.figures(work, work.job, work.job.good + good, others)


def of_consumption(work: Looked, used: MaterialConsumed) -> None:
    """Material and lot that a consumption is to have."""
    order = work.master.orders.get(work.job.work_order)
    if used.bom_line is None and order is not None:
        needed = ", ".join(line.material for line in work.bom)
        if needed:
            checks.check(work, "material", "material_foreign", material=used.material, needed=needed)
        else:
            checks.check(work, "material", "no_bom")
    if used.lot is None or used.quantity <= 0:
        return
    if work.master.document.lots is not None:
        known = [one for one in work.master.lots.get(used.lot, ()) if one.material == used.material]
        if not known:
            checks.check(work, "lot_unknown", "lot_unknown", lot=used.lot)
        for one in known:
            checks.lot(work, one)
    by_bill = used.method == "backflushed"  # what the report asks for is no usage beyond it
    line = None if by_bill else used.bom_line
    checks.consumption(work, used.material, used.lot, line, used.quantity, used.unit)


def _selected(station: Station, job: Job) -> Station:
    job = replace(job, labour=(), machine_s=None)
    jobs = (*(one for one in station.jobs if one.key != job.key), job)
    return replace(station, jobs=jobs, selected=job.key)


def _no_id(at_ms: int) -> str:
    raise AssertionError("a check drafts no fact")


def planned(job: Job, master: MasterData, station: Station) -> Job:
    """A job that is open no more, with its plan and what was reported of it here, as far as it is known."""
    order = master.orders.get(job.work_order)
    good: Decimal = sum((one.good for one in station.made if one.job == job.key), ZERO)
    if order is None:
        return replace(job, provisional=True, good=good)
    return replace(job, planned=order.quantity, good=good)
