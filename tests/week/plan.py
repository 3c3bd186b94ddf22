"""A week of deeds from a seed: three shifts a day at two presses and a bench, as shop floors go.

Each station is planned by itself, one deed behind another. What befalls lineside and its PLCs comes last,
where nobody scans anything meanwhile.
"""

import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import pairwise

from tests.week.deeds import BEGIN_S, EDGES_S, END_S, HOUR, MINUTE, SHIFTS_S, Deed, What
from tests.week.site import LOT_KG, MADE_UP, ORDERS, STRIP_KG, STRIP_LOTS

_CLEAR_S = 25  # from a scan to the turn of a shift or break
# The shifts in which each station has people; Saturday's first is number 15.
_STAFFED = {
    "OP20": {number for number in range(16) if number % 3 < 2} | {2, 5, 18, 20},
    "OP30": {number for number in range(16) if number % 3 < 2} | {2, 18},
    "OP40": {number for number in range(16) if number % 3 < 2} | {5},
}


def week(seed: int) -> list[Deed]:
    """All that happens, in order."""
    deeds: list[Deed] = []
    for place in ("OP20", "OP30"):
        deeds += _Press(random.Random(f"{seed} {place}"), place).week()
    deeds += _Bench(random.Random(f"{seed} OP40")).week()
    deeds += _troubles(random.Random(f"{seed} troubles"), deeds)
    return sorted(deeds, key=lambda one: one.at_s)


class _Station:
    """Where the time goes on, deed by deed."""

    def __init__(self, chance: random.Random, place: str) -> None:
        self.chance = chance
        self.place = place
        self.deeds: list[Deed] = []
        self.at_s = BEGIN_S + 5
        self.job: str | None = None
        self.crew: list[str] = []
        self._orders = iter(ORDERS[place])

    def later(self, at_least_s: int, at_most_s: int) -> int:
        """Let time pass; no scan falls on the turn of a shift or break."""
        self.at_s += self.chance.randint(at_least_s, at_most_s)
        while any(edge - _CLEAR_S <= self.at_s <= edge + _CLEAR_S for edge in EDGES_S):
            self.at_s += 2 * _CLEAR_S
        return self.at_s

    def does(self, what: What, **more: object) -> None:
        self.deeds.append(Deed(self.at_s, self.place, what, **more))  # type: ignore[arg-type]

    def likely(self, share: float) -> bool:
        return self.chance.random() < share

    def starts(self) -> None:
        self.later(20, 120)
        self.job = next(self._orders)
        self.does("start", order=self.job)

    def signs_on(self, who: str) -> None:
        self.does("sign on", who=who)
        if who not in self.crew:
            self.crew.append(who)

    def signs_off(self, who: str) -> None:
        self.later(10, 30)
        self.does("sign off", who=who)
        self.crew.remove(who)

    def waits_until(self, at_s: int) -> None:
        if at_s > self.at_s:
            self.at_s = at_s
        self.later(0, 20)


class _Press(_Station):
    """A press: what it strikes, and who stands at it."""

    def __init__(self, chance: random.Random, place: str) -> None:
        super().__init__(chance, place)
        self.runs = False
        self.strokes = 0  # of the job
        self.rejected = 0
        self.rework = 0
        self.reported = 0
        self.aside: list[str] = []
        self.kept: dict[str, tuple[int, int, int, int]] = {}  # of orders set aside
        self.kg = Decimal(0)  # of strip that stands at the press, at least
        self.lots = iter(STRIP_LOTS)

    def week(self) -> list[Deed]:
        for number in sorted(_STAFFED[self.place]):
            self._shift(number)
        return self.deeds

    def _shift(self, number: int) -> None:
        who = f"1{number % 3 + 1}0{1 if self.place == 'OP20' else 2}"
        begins_s, ends_s = SHIFTS_S[number], SHIFTS_S[number + 1]
        last = number + 1 not in _STAFFED[self.place]  # nobody comes behind
        self._comes(who, begins_s)
        helps_until_s = 0
        while self.at_s < ends_s - 30 * MINUTE:
            if not helps_until_s and self.likely(0.15):
                self.later(10, 60)
                self.signs_on("1104" if self.place == "OP20" else "2001")
                helps_until_s = self.at_s + self.chance.randint(20, 90) * MINUTE
            if helps_until_s and self.at_s > helps_until_s:
                self._helper_leaves()
            self._works()
        self._helper_leaves()
        if last and number != max(_STAFFED[self.place]) and self.likely(0.3):
            self._turns(on=False)  # forgotten, and the order with it: nobody is there until the next shift
        elif last:
            self._closes()
            for one in [*self.crew]:
                self.signs_off(one)
        elif self.likely(0.35):
            self._closes()
            self.later(20, 200)
            if not self.likely(0.25):  # else forgotten: who comes next finds the name on the screen
                self.signs_off(who)
        elif self.job is not None and self.at_s < ends_s - 2 * MINUTE:
            self._produces(ends_s - self.at_s + self.chance.randint(60, 200))

    def _comes(self, who: str, begins_s: int) -> None:
        if not self.crew:
            self.waits_until(begins_s - self.chance.randint(30, 240))
            self.signs_on(who)
            return
        self.waits_until(begins_s + self.chance.randint(30, 120))
        left = [one for one in self.crew if one != who]
        if self.job is not None and self.likely(0.7):
            self.later(20, 60)
            self.does("hand over", who=who)
            self.at_s += 6
            self.does("confirm")
            self.reported = self.strokes - self.rejected
            self.crew = [who]
            return
        self.signs_on(who)
        for one in left:
            self.later(30, 4 * HOUR if self.job is None else 600)
            self.does("sign off", who=one)
            self.crew.remove(one)

    def _helper_leaves(self) -> None:
        for one in ("1104", "2001"):
            if one in self.crew:
                self.signs_off(one)

    def _works(self) -> None:
        """One thing that people do at a press."""
        if self.job is None:
            self._begins()
            return
        ways: list[tuple[int, Callable[[], None]]] = [
            (6, lambda: self._produces(self.chance.randint(300, 1800))),
            (3, self._rejects),
            (2, self._reports),
            (2, self._pauses),
            (2, self._finishes),
            (1, self._switches),
            (1, self._turns_good),
            (1, self._mishap),
            (6, self._idles),
        ]
        self.chance.choices([way for _, way in ways], [weight for weight, _ in ways])[0]()
        if self.place == "OP20":
            self._mounts()

    def _begins(self) -> None:
        if self.aside and self.likely(0.6):
            self.later(20, 120)
            self.job = self.aside.pop()
            self.strokes, self.rejected, self.rework, self.reported = self.kept.pop(self.job)
            self.does("start", order=self.job)
            return
        self.strokes = self.rejected = self.rework = self.reported = 0
        self.starts()
        if self.place == "OP20":
            self._mounts()
        if self.likely(0.5):
            self._sets_up()

    def _sets_up(self) -> None:
        self._turns(on=False)
        self.later(20, 60)
        self.does("set up")
        self.later(200, 900)
        trial = self.chance.choice((0, 0, 2, 5))
        if trial:
            self._turns(on=True)
            self._strikes(trial, trial * 8)
            self._turns(on=False)
        self.later(60, 200)
        self.does("go", number=trial)

    def _produces(self, s: int) -> None:
        """A stretch of strokes; now and then the press stops for less than a minute."""
        self._turns(on=True)
        self.later(5, 10)
        if s > 700 and self.likely(0.4):
            self._strikes(s // 2 // 6, s // 2)
            self._turns(on=False)
            self.at_s += self.chance.randint(8, 40)
            self._turns(on=True)
            s //= 2
        self._strikes(s // self.chance.randint(4, 9), s)
        if self.likely(0.6):
            self._turns(on=False)

    def _turns(self, *, on: bool) -> None:
        if self.runs != on:
            self.later(5, 8)
            self.does("run" if on else "rest")
            self.runs = on

    def _strikes(self, number: int, s: int) -> None:
        """Strokes, evenly; where a shift ends meanwhile its part is told a second before."""
        self.later(2, 3)
        begins_s, ends_s = self.at_s, self.at_s + s
        while any(edge - 5 <= ends_s <= edge + 5 for edge in EDGES_S):
            ends_s += 12
        cuts = [begins_s, *(edge - 1 for edge in SHIFTS_S if begins_s < edge - 1 < ends_s), ends_s]
        done = 0
        for from_s, until_s in pairwise(cuts):
            share = number * (until_s - begins_s) // (ends_s - begins_s) - done
            done += share
            kwh = Decimal(0)
            if self.place == "OP20":
                kwh = Decimal((until_s - from_s) * self.chance.randint(1, 5)).scaleb(-3)  # 4 to 18 kW
            self.at_s = from_s
            self.does("strokes", number=share, until_s=until_s, kwh=kwh)
        self.at_s = ends_s
        self.strokes += number
        self.kg -= number * STRIP_KG
        self.later(3, 8)

    def _rejects(self) -> None:
        number = self.chance.randint(1, 5)
        if self.strokes - self.rejected - self.reported < 20:
            return  # what was reported as good stays so
        self.later(20, 60)
        if self.likely(0.6):
            self.does("scrap", number=number, reason=self.chance.choice(("04", "07")))
        else:
            self.does("rework", number=number, reason="04")
            self.rework += number
        self.rejected += number

    def _turns_good(self) -> None:
        if self.rework:
            self.later(20, 60)
            number = self.chance.randint(1, self.rework)
            self.does("regain", number=number)
            self.rework -= number
            self.rejected -= number
            self.reported += number

    def _reports(self) -> None:
        self.later(20, 60)
        self.does("report")
        if self.likely(0.2):
            self.later(15, 40)
            self.does("undo report")
        else:
            self.reported = self.strokes - self.rejected

    def _pauses(self) -> None:
        reason = self.chance.choice(("21", "22", "23"))
        if reason != "23":
            self._turns(on=False)
        self.later(20, 60)
        self.does("pause", reason=reason)
        self.later(300, 1500)
        self.does("resume")

    def _idles(self) -> None:
        self._turns(on=False)
        self.later(600, 3600)

    def _finishes(self) -> None:
        if self.strokes - self.rejected < 50:
            return
        self._closes_one()
        if self.likely(0.4):
            self._strikes_for_nobody()

    def _closes_one(self) -> None:
        if self.likely(0.7):
            self._turns(on=False)
        self.later(20, 60)
        self.does("done")
        self.job = None

    def _closes(self) -> None:
        """Everything is completed before people leave."""
        self._turns(on=False)
        while self.job or self.aside:
            if self.job is None:
                self.later(20, 40)
                self.job = self.aside.pop()
                self.strokes, self.rejected, self.rework, self.reported = self.kept.pop(self.job)
                self.does("start", order=self.job)
            self._closes_one()

    def _switches(self) -> None:
        assert self.job is not None
        if self.aside:
            return
        self._turns(on=False)
        self.later(20, 60)
        self.reported = self.strokes - self.rejected
        self.kept[self.job] = self.strokes, self.rejected, self.rework, self.reported
        self.aside.append(self.job)
        self.job = next(self._orders)
        self.strokes = self.rejected = self.rework = self.reported = 0
        self.does("switch", order=self.job)

    def _strikes_for_nobody(self) -> None:
        """Trial strokes without an order; a shift leader looks at some of them later."""
        number, job = self.chance.randint(3, 9), self.deeds[-1]
        assert job.what == "done"
        before = next(one.order for one in reversed(self.deeds) if one.order)
        self._turns(on=True)
        self._strikes(number, 3 * number)
        self._turns(on=False)
        self.later(150, 300)  # all of it is recorded
        if self.place == "OP30":
            self.does(self.chance.choice(("reassign count", "split count")), number=number, order=before)

    def _mishap(self) -> None:
        """Somebody sets the counter back, or writes into it; what jumped is a matter for the shift leader."""
        if self.place == "OP20":
            return
        self.later(70, 90)
        moved = next((one.what for one in reversed(self.deeds) if one.what in ("strokes", "reset")), "")
        if moved == "strokes" and self.likely(0.5):  # a counter set to what it shows does not move
            self.does("reset", number=self.chance.randint(0, 2))
            self.strokes += self.deeds[-1].number
            self.later(70, 90)
            return
        self.does("jump", number=self.chance.randint(3000, 9000))
        self.later(60, 600)
        if self.likely(0.3):
            self.does("reassign held", number=self.chance.randint(5, 30), order=self.job)
        else:
            self.does("reverse held")

    def _mounts(self) -> None:
        """The next coil, mostly in time."""
        assert self.place == "OP20"
        while self.kg < 40 and self.job and not self.likely(0.1):
            self.later(10, 40)
            self.does("mount", lot=next(self.lots))
            self.kg += LOT_KG


_USED = (("A2207", "KGM"), ("A2207", "LBR"), ("N8841", "C62"), ("N8841", "CEN"))


class _Bench(_Station):
    """The bench, by hand; now and then whoever stands at the second press does its work too."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance, "OP40")
        self.good = self.rework = 0
        self.kept: dict[str, tuple[int, int]] = {}  # of the order set aside
        self.used: dict[str, tuple[Decimal, str]] = {}

    def week(self) -> list[Deed]:
        for number in sorted(_STAFFED[self.place]):
            self._shift(number)
        return self.deeds

    def _shift(self, number: int) -> None:
        begins_s, ends_s = SHIFTS_S[number], SHIFTS_S[number + 1]
        self.waits_until(begins_s + self.chance.randint(200, 400))
        shared = self.likely(0.3)
        who = f"1{number % 3 + 1}0{2 if shared else 3}"
        if who not in self.crew:
            self.signs_on(who)
        while self.at_s < ends_s - 40 * MINUTE:
            self._works(who, shared)
        if not shared and self.likely(0.3) and number + 1 in _STAFFED["OP40"]:
            self.later(20, 60)  # the order stays open over the end of the shift, whoever comes next goes on
        else:
            self._closes()
        for one in [*self.crew]:
            self.signs_off(one)

    def _works(self, who: str, shared: bool) -> None:
        if self.job is None:
            if self.kept and self.likely(0.7):
                self._takes_up()
                return
            self.later(60, 400)
            self.good = self.rework = 0
            self.used = {}
            self.starts()
            if not shared and self.likely(0.15):
                self.later(60, 400)
                self.does("undo start")
                self.job = None
            return
        self.later(300, 1800)
        way = self.chance.choice(("report", "report", "use", "use", "bring back", "scrap", "rework", "regain",
                                  "pause", "switch", "done", "make up"))  # fmt: skip
        match way:
            case "report" | "done" | "switch":
                self._reports(way)
            case "use":
                lot, unit = self.chance.choice(_USED)
                quantity = Decimal(self.chance.randint(2, 60)) / (4 if lot == "A2207" else 1)
                self.does("use", lot=lot, quantity=quantity, unit=unit)
                self.used[lot] = quantity, unit
            case "bring back" if self.used:
                lot, (quantity, unit) = self.used.popitem()
                self.does("bring back", lot=lot, quantity=quantity / 2, unit=unit)
            case "scrap" | "rework":
                number = self.chance.randint(1, 3)
                self.does(way, number=number, reason="04")  # type: ignore[arg-type]
                self.rework += number if way == "rework" else 0
            case "regain" if self.rework:
                self.does("regain", number=self.rework)
                self.good += self.rework
                self.rework = 0
            case "pause":
                self.does("pause", reason=self.chance.choice(("21", "22")))
                self.later(200, 1500)
                self.does("resume")
            case "make up" if self.likely(0.4):
                worked_s = (self.at_s - self.chance.randint(9, 20) * HOUR) // MINUTE * MINUTE
                self.does(
                    "make up",
                    order=MADE_UP,
                    number=self.chance.randint(1, 9),
                    who="1303",
                    until_s=worked_s,
                    quantity=Decimal(self.chance.randint(60, 900)),
                )

    def _takes_up(self) -> None:
        """Go on with the order that was set aside."""
        self.later(60, 400)
        self.job, (self.good, self.rework) = self.kept.popitem()
        self.used = {}
        self.does("start", order=self.job)

    def _closes(self) -> None:
        """Everything is completed before people leave."""
        while self.job or self.kept:
            if self.job is None:
                self._takes_up()
            self._reports("done")

    def _reports(self, way: str) -> None:
        before = self.good
        self.good += self.chance.randint(1, 40)
        if way == "switch":
            if self.kept:
                self.good = before
                return
            assert self.job is not None
            self.later(20, 30)
            following = next(self._orders)
            self.does("switch", order=following, total=self.good)
            self.kept[self.job] = self.good, self.rework
            self.job, self.good, self.rework, self.used = following, 0, 0, {}
            return
        self.later(20, 30)
        self.does(way, total=self.good)  # type: ignore[arg-type]
        if way == "done":
            self.job = None
        elif self.likely(0.25):
            self.later(15, 40)
            self.does("undo report")
            self.good = before


def _troubles(chance: random.Random, deeds: list[Deed]) -> Iterator[Deed]:
    """A PLC that is silent, and lineside killed, stopped, without power: where nobody scans anything."""
    taken = [(one.at_s - 70, one.at_s + 70) for one in deeds]
    lasting = [one for one in deeds if one.until_s and one.what != "make up"]
    taken += [(one.until_s - 70, one.until_s + 70) for one in lasting]
    taken += [(edge - 150, edge + 70) for edge in EDGES_S]
    kinds: list[tuple[What, str, int, int]] = [
        ("outage", "OP20", 15, 50), ("outage", "OP20", 150, 280), ("outage", "OP30", 150, 280),
        ("kill", "", 3, 20), ("kill", "", 3, 20), ("kill", "", 3, 20), ("power cut", "", 10, 20),
        ("stop", "", 10, 40), ("stop", "", 150, 280), ("stop", "", 150, 280),
    ]  # fmt: skip
    for what, place, least_s, most_s in kinds:
        for _ in range(5000):
            at_s = chance.randint(BEGIN_S + HOUR, END_S - HOUR)
            until_s = at_s + chance.randint(least_s, most_s)
            if all(until_s < from_s or at_s > to_s for from_s, to_s in taken):
                taken.append((at_s - 300, until_s + 300))
                yield Deed(at_s, place, what, until_s=until_s)
                break
