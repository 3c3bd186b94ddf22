"""What a week must come to: its deeds, minute by minute, by the arithmetic of whoever keeps books by hand.

Nothing here is taken from the product. Time is whole seconds, what is divided is a fraction, and each deed
does what the shop floor means by it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import pairwise

from tests.week.deeds import BEGIN_S, END_S, HOUR, MINUTE, Deed, posting_date, resting
from tests.week.site import (
    BASE_UNIT,
    LABOUR_PER_S,
    LOT_KG,
    MACHINE_PER_S,
    MADE_UP,
    PER_KWH,
    PRICES,
    PRODUCT,
    SCANNED_LOTS,
    STRIP_KG,
    UNITS,
)

UNCONFIRMED_S = 14 * HOUR  # after so long a badge is asked for again
HEARD_GAP_S = 60  # for so long a running machine may be silent and still have run
_FINEST = Decimal("0.000001")  # of a quantity that a fact carries
SET_ASIDE = "set aside"  # the pause of an order that another one took the place of
_GOES_ON = {"22": (True, False), "23": (True, True)}  # pauses: whether labour and machine time go on

# (day, order, what it is of, kind): each a sum. Days count from Monday, -1 is Sunday; or shifts.
Sums = dict[tuple[int, str, str, str], Fraction]


@dataclass
class Job:
    """An order at a station."""

    order: str
    setting_up: bool = False
    paused: str = ""
    strokes: int = 0  # of production
    good: int = 0
    rejected: int = 0  # scrap, and rework that did not turn good

    @property
    def people_work(self) -> bool:
        return not self.paused or _GOES_ON.get(self.paused, (False, False))[0]

    @property
    def machine_works(self) -> bool:
        return not self.paused or _GOES_ON.get(self.paused, (False, False))[1]


@dataclass
class Place:
    """A station."""

    crew: list[str] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)
    at: Job | None = None  # the one that is worked on
    runs: bool = False
    heard: bool = True
    lots: list[tuple[str, Decimal]] = field(default_factory=list)  # mounted, and what is left
    last: list[tuple[tuple[int, str, str, str], Fraction]] = field(default_factory=list)  # for the undo
    drawn: list[tuple[str, Decimal]] = field(default_factory=list)
    nobodys: list[tuple[int, int]] = field(default_factory=list)  # strokes: the day and how many
    held: list[tuple[int, int]] = field(default_factory=list)


class Account:
    """The week's books."""

    def __init__(self, deeds: Iterable[Deed], when: Callable[[int], int] = posting_date) -> None:
        self.sums: Sums = defaultdict(Fraction)
        self._when = when  # in which stretch a second lies: a day, or a shift
        self._places = {name: Place() for name in PRODUCT}
        self._since: dict[str, int] = {}  # when each person's badge was last scanned
        self._up = True
        self._run_through(sorted(deeds, key=lambda one: one.at_s))
        self.sums = {key: value for key, value in self.sums.items() if value}

    def add(self, day: int, order: str, of: str, kind: str, value: Fraction | Decimal | int) -> None:
        """Book a figure."""
        self.sums[day, order, of, kind] += Fraction(value)

    def _run_through(self, deeds: list[Deed]) -> None:
        # What ends is a deed too: strokes are there when the stretch is over, silence ends when it does.
        moments: dict[int, list[tuple[Deed, bool]]] = defaultdict(list)
        for deed in deeds:
            moments[deed.at_s].append((deed, False))
            if deed.what in ("strokes", "outage", "stop", "kill", "power cut"):
                moments[deed.until_s].insert(0, (deed, True))
        badges = {deed.at_s + UNCONFIRMED_S for deed in deeds if deed.what in ("sign on", "hand over")}
        minutes = range(BEGIN_S // MINUTE * MINUTE, END_S + MINUTE, MINUTE)
        steps = sorted({*moments, *badges, *minutes})
        for at_s, until_s in pairwise(steps):
            for deed, over in moments.get(at_s, ()):
                (self._over if over else self._do)(deed)
            self._pass(at_s, until_s - at_s)

    # Time

    def _pass(self, at_s: int, s: int) -> None:
        """Give everybody and every machine the time until the next moment."""
        day, rest = self._when(at_s), resting(at_s)
        present = {who for place in self._places.values() for who in place.crew}
        for who in present:
            orders = [
                job.order
                for place in self._places.values()
                if who in place.crew
                for job in place.jobs.values()
                if job.people_work
            ]
            if at_s - self._since[who] >= UNCONFIRMED_S:
                self.add(day, "-", who, "unassigned", s)
            elif rest == "unpaid":
                self.add(day, "-", who, "break", s)
            elif rest or not orders:
                self.add(day, "-", who, "unassigned", s)
            else:
                for order in orders:
                    self.add(day, order, who, "labour_s", Fraction(s, len(orders)))
        for place in self._places.values():
            job = place.at
            if job is None:
                continue
            if job.setting_up and not job.paused and not rest:
                self.add(day, job.order, "-", "setup_s", s)
            if place.runs and place.heard and self._up and job.machine_works and not job.setting_up:
                self.add(day, job.order, "-", "machine_s", s)

    # Deeds

    def _over(self, deed: Deed) -> None:
        """What lasted is over."""
        if deed.what == "strokes":
            self._strokes(deed)
        elif deed.what == "outage":
            self._places[deed.place].heard = True
        else:
            self._up = True

    def _strokes(self, deed: Deed) -> None:
        place, day = self._places[deed.place], self._when(deed.until_s)
        job = place.at
        if job is None:
            place.nobodys.append((day, deed.number))
            self.add(day, "-", "strokes", "unattributed", deed.number)
            return
        if not job.setting_up:
            job.strokes += deed.number
        if job.machine_works:
            self.add(day, job.order, "-", "energy_kwh", deed.kwh)

    def _do(self, deed: Deed) -> None:
        day = self._when(deed.at_s)
        if deed.what in ("kill", "stop", "power cut"):
            self._up = deed.until_s - deed.at_s <= HEARD_GAP_S
            return
        place = self._places[deed.place]
        match deed.what:
            case "sign on":
                self._signed_on(place, deed)
            case "sign off":
                place.crew.remove(deed.who)
            case "hand over":
                self._signed_on(place, deed)
                place.crew[:] = [deed.who]
            case "run" | "rest":
                place.runs = deed.what == "run"
            case "outage":
                place.heard = deed.until_s - deed.at_s <= HEARD_GAP_S
            case "start":
                place.at = place.jobs.setdefault(deed.order, Job(deed.order))
                place.at.paused = ""
            case "make up":
                made_on = self._when(deed.until_s)
                self.add(made_on, MADE_UP, PRODUCT[deed.place], "good", deed.number)
                self.add(made_on, MADE_UP, deed.who, "labour_s", deed.quantity)
            case "mount":
                place.lots.append((deed.lot, LOT_KG))
            case "unmount":
                place.lots = [one for one in place.lots if one[0] != deed.lot]
            case "jump":
                place.held.append((day, deed.number))
                self.add(day, "-", "strokes", "held", deed.number)
            case "reset":
                if place.at is not None:
                    place.at.strokes += deed.number
            case "reassign count" | "split count" | "reverse held" | "reassign held":
                self._decide(place, deed)
            case "undo start":
                self._undo_start(place, deed)
            case "strokes":
                pass  # they are there when the stretch is over
            case _:
                assert place.at is not None
                self._work(place, place.at, deed, day)

    def _signed_on(self, place: Place, deed: Deed) -> None:
        if deed.who in place.crew and deed.at_s - self._since[deed.who] < UNCONFIRMED_S:
            return  # who is here already just sees the status
        self._since[deed.who] = deed.at_s
        if deed.who not in place.crew:
            place.crew.append(deed.who)

    def _work(self, place: Place, job: Job, deed: Deed, day: int) -> None:
        """What is done to the order that is worked on."""
        match deed.what:
            case "set up":
                job.setting_up = True
            case "go":
                job.setting_up = False
                if deed.number:
                    self._made(place, job, deed, day, "scrap", deed.number)
            case "pause":
                job.paused = deed.reason
            case "resume":
                job.paused = ""
            case "report" | "confirm" | "done" | "switch":
                self._report(place, job, deed, day)
            case "undo report":
                for key, value in place.last:
                    self.sums[key] -= value
                job.good -= sum(int(value) for key, value in place.last if key[3] == "good")
                place.lots = [
                    (lot, left + sum((kg for of, kg in place.drawn if of == lot), Decimal(0)))
                    for lot, left in place.lots
                ]
            case "scrap" | "rework":
                job.rejected += deed.number
                self._made(place, job, deed, day, deed.what, deed.number)
            case "regain":
                job.rejected -= deed.number
                job.good += deed.number
                self.add(day, job.order, PRODUCT[deed.place], "rework", -deed.number)
                self.add(day, job.order, PRODUCT[deed.place], "good", deed.number)
            case "use" | "bring back":
                of = SCANNED_LOTS[deed.lot]
                exact = deed.quantity * UNITS[of, deed.unit] * (1 if deed.what == "use" else -1)
                self.add(
                    day, job.order, f"{of} {deed.lot}", "scanned", exact.quantize(_FINEST, ROUND_HALF_UP)
                )
            case _:
                raise ValueError(deed.what)

    def _report(self, place: Place, job: Job, deed: Deed, day: int) -> None:
        """All that is good and was not reported; the press counts it, at the bench a person does."""
        good = deed.total if deed.place == "OP40" else job.strokes - job.rejected
        new = good - job.good
        job.good = good
        self._made(place, job, deed, day, "good", new)
        if deed.what == "done":
            del place.jobs[job.order]
            place.at = None
        elif deed.what == "switch":
            job.paused = SET_ASIDE
            place.at = place.jobs.setdefault(deed.order, Job(deed.order))
            place.at.paused = ""

    def _made(self, place: Place, job: Job, deed: Deed, day: int, kind: str, number: int) -> None:
        """Pieces of one kind, with the strip that they took, from the lots as they stand."""
        place.last, place.drawn = [], []
        self._booked(place, (day, job.order, PRODUCT[deed.place], kind), Fraction(number))
        if deed.place != "OP20":
            return
        needed, left = number * STRIP_KG, []
        for lot, kg in place.lots:
            taken = min(kg, needed)
            needed -= taken
            left.append((lot, kg - taken))
            if taken:
                place.drawn.append((lot, taken))
        place.lots = left
        if needed:
            place.drawn.append(("", needed))
        for lot, taken in place.drawn:
            self._booked(place, (day, job.order, f"STRIP {lot}", "backflushed"), Fraction(taken))

    def _booked(self, place: Place, key: tuple[int, str, str, str], value: Fraction) -> None:
        self.sums[key] += value
        place.last.append((key, value))

    def _decide(self, place: Place, deed: Deed) -> None:
        """A shift leader settles what waits longest."""
        held = deed.what.endswith("held")
        day, waits = (place.held if held else place.nobodys).pop(0)
        self.add(day, "-", "strokes", "held" if held else "unattributed", -waits)
        if deed.what == "reverse held":
            return
        good = deed.number - (deed.what == "split count")
        job = place.jobs.get(deed.order)
        if job is not None:
            job.strokes += deed.number
            job.good += good
            job.rejected += deed.number - good
        self.add(day, deed.order, PRODUCT[deed.place], "good", good)
        self.add(day, deed.order, PRODUCT[deed.place], "scrap", deed.number - good)

    def _undo_start(self, place: Place, deed: Deed) -> None:
        """An order that was begun by mistake: the time was nobody's."""
        job = place.at
        assert job is not None
        for key in [key for key in self.sums if key[1] == job.order and key[3] == "labour_s"]:
            day, _, who, _ = key
            self.add(day, "-", who, "unassigned", self.sums.pop(key))
        del place.jobs[job.order]
        place.at = None


def money(sums: Sums, order: str) -> dict[str, Decimal]:
    """What an order cost, by element."""
    found = dict.fromkeys(("material", "labour", "machine", "energy"), Decimal(0))
    for (_, of_order, of, kind), value in sums.items():
        if of_order != order:
            continue
        exact = Decimal(value.numerator) / Decimal(value.denominator)
        if kind in ("scanned", "backflushed"):
            found["material"] += exact * PRICES[of.partition(" ")[0]]
        elif kind == "labour_s":
            found["labour"] += exact * LABOUR_PER_S
        elif kind in ("setup_s", "machine_s"):
            found["machine"] += exact * MACHINE_PER_S
        elif kind == "energy_kwh":
            found["energy"] += exact * PER_KWH
    return found


def unit_of(of: str, kind: str) -> str:
    """In what a figure is counted."""
    if kind in ("scanned", "backflushed"):
        return BASE_UNIT[of.partition(" ")[0]]
    return {"energy_kwh": "KWH", "good": "C62", "scrap": "C62", "rework": "C62"}.get(kind, "SEC")
