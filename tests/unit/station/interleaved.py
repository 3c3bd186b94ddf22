"""Two stations at work, with all that may come between: in any order, as a list of moves.

At the press a counter counts all pieces; at the grinding bench people say them. Orders side by side or one by
one, rework, serial and lot numbers, checks of every level, a machine that starts and pauses by itself, shifts
and breaks, lineside killed or stopped, clocks set, the machine rebooted, and whatever people settle and make
up. What really happened is kept beside: strokes, jumps of the counter, and what people decided about pieces.
"""

import copy
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import strategies as st
from msgspec.structs import replace

from edge import events as e
from edge import settings
from edge.calendar import Calendar
from edge.masterdata import MasterData, parse
from edge.station.pending import PendingReport
from edge.station.review.requests import Request
from edge.station.review.waiting import Waiting, original
from edge.station.signals import jumping
from edge.station.step import Input, Step, Stopping
from tests.unit.station.floor import BACKFLUSHED
from tests.unit.station.test_presence import SHIFTS
from tests.unit.station.test_rework import REWORK_ORDER
from tests.unit.station.watched import Watched

HOUR = 3600
MODULUS = 2**32
JUMP = 10**8  # no press makes so many strokes while nobody looks
PRESS, BENCH = "OP20", "OP30"
ZERO = Decimal(0)
Move = tuple[str, Any]


def _master() -> dict[str, Any]:
    given = copy.deepcopy(BACKFLUSHED)
    given["work_orders"][0]["operations"].append(
        {"operation": "0025", "work_center": "WC-GRIND", "use": "rework", "reworks": "0020"}
    )
    given["work_orders"] += [
        copy.deepcopy(REWORK_ORDER),
        {"work_order": "700", "product": "FRAME", "quantity": "6", "unit": "C62",
         "operations": [{"operation": "0010", "work_center": "WC-GRIND"}]},
    ]  # fmt: skip
    del given["work_orders"][-2]["operations"][0]["labour_s"]  # time is shared equally
    given["lots"] += [{"material": "OIL", "lot": "O2", "quantity": "0.1"}]
    given["people"] = [
        {"person": one, "badges": [one], "roles": ["operator"], "qualifications": ["WC-PRESS-1"]}
        for one in ("1042", "1043", "1044")
    ] + [{"person": "2001", "badges": ["2001"], "roles": ["operator", "shift_leader", "quality"]}]
    given["reasons"] += [
        {"reason": "04", "kind": "concession", "text": {"en": "Burr"}},
        {"reason": "22", "kind": "pause", "text": {"en": "Cleaning"}},
    ]
    return given


MASTER = _master()

AT_PRESS = (
    "LSE1042", "LSE1043", "LSE2001", "LSCOUT,LSE1042", "LSCSHIFT,LSE1043,LSCOK",
    "LSE1042,LSW100", "LSE1042,LSW100", "LSW100", "LSW200", "LSW200,LSCOK", "LSW500 0020,LSCOK",
    "LSW100,LSCOK", "LSW100,LSCOK,LSCOK", "LSCPART,LSCOK", "LSCDONE,LSCOK", "LSCDONE,LSCOK,LSCOK", "LSCDONE",
    "LSCPART", "LSCOK",
    "LSCSCRAP04", "LSCREWORK04", "LSCREWORK04", "LSCGOOD,LSQ1,LSCOK", "LSCCONCESSION04,LSQ1,LSE2001",
    "LSCPAUSE21", "LSCPAUSE22", "LSCGO", "LSCSETUP", "LSCGO,LSCOK", "LSCUNDO,LSCOK", "LSCUNDO,LSCOK",
    "LSL O1", "LSL O2", "LSL A1,LSQ4", "LSL A1,LSQ9,LSCOK", "LSCRETURN,LSL A1,LSQ1", "LSCUNMOUNT,LSL O1",
    "LSO A", "LSO B,LSCOK", "SERIAL 1", "SERIAL 2", "SERIAL 1,LSCSCRAP04", "garbage",
)  # fmt: skip
AT_BENCH = (
    "LSE1042", "LSE1044", "LSE1044,LSW900", "LSW900", "LSW100 0025", "LSE1042,LSW700", "LSW700,LSQ2,LSCOK",
    "LSCPART,LSQ2,LSCOK", "LSCPART,LSQ5,LSCOK,LSCOK", "LSCDONE,LSQ3,LSCOK", "LSCSCRAP04", "LSCPAUSE21",
    "LSCGO", "LSCUNDO,LSCOK", "LSCOUT,LSE1044", "LSCREWORK04", "LSCSETUP",
)  # fmt: skip
LEVELS = st.sampled_from(("off", "warn", "confirm", "block"))
PLANTS = st.fixed_dictionaries(
    {
        "shared": st.sampled_from((None, None, "equal", "planned", "selected")),
        "start": st.sampled_from(("off", "propose", "on")),
        "pause": st.sampled_from(("off", "on")),
        "posting": st.sampled_from(("production", "calendar")),
        "checks": st.fixed_dictionaries(
            dict.fromkeys(
                ("missing_lot", "output", "time", "ahead", "usage", "rework", "serial", "lot_consumed"),
                LEVELS,
            )
        ),
    }
)


_WAYS = ("accept", "reverse", "reverse", "reassign", "reassign", "split")
_MOVES: tuple[Move, ...] = (  # as often as they stand here
    ("nothing", None),
    *((PRESS, one) for one in 3 * AT_PRESS),
    *((BENCH, one) for one in 2 * AT_BENCH),
    *(("strokes", number) for number in 5 * (0, 1, 2, 3, 4, 5, 7, 9, 11, 12)),
    *(("figure", less) for less in 2 * (0, 1, 2, 3)),
    *((what, number) for what in ("jump", "reset", "silent", "kill", "kill", "stop") for number in (0, 1)),
    *(("pass", s) for s in (0.001, 0.333, 5, 5, 45, 61, 61, 61, 700, 700, 4000, 5 * HOUR, 30 * HOUR)),
    *(("set", s) for s in (-26 * HOUR, -3 * HOUR, -2, 2, 3 * HOUR, 24 * HOUR)),
    *(("correct", clock) for clock in ("synced", "synced", "unsynced")),
    *(("settle", (which, how)) for which in (0, 0, 1, 1, 2, 3) for how in _WAYS),
    *(("make up", where) for where in (("100", PRESS), ("100", PRESS), ("200", PRESS), ("700", BENCH))),
)
# A completion beyond the plan, with strokes left over, is reversed behind another order; it goes on and ends.
REVERSED: dict[str, list[Move]] = {
    name: [
        ("strokes", 12), ("strokes", 11), ("figure", 2), (PRESS, "LSW200"), ("strokes", 3), *decided,
        ("settle", (0, "reverse")), ("strokes", 4), (PRESS, "LSCDONE,LSCOK"), ("kill", 0), (PRESS, "LSW100"),
        ("strokes", 5), (PRESS, "LSCDONE,LSCOK"),
    ]
    for name, decided in {
        "at once": (), "its rest accepted": (("settle", (1, "accept")),),
        "its rest given away": (("settle", (1, "reassign")),),
        "behind two": ((PRESS, "LSCDONE,LSCOK"), (PRESS, "LSW500 0020,LSCOK"), ("strokes", 2)),
    }.items()
}  # fmt: skip
WARNING: dict[str, Any] = {
    "shared": None, "start": "off", "pause": "off", "posting": "production",
    "checks": {"output": "warn", "missing_lot": "off"},
}  # fmt: skip
_REBOOTS: tuple[Move, ...] = tuple(("reboot", s) for s in (30, 4000, 11 * HOUR, 60 * HOUR))


def moves(*, reboots: bool = True) -> st.SearchStrategy[list[Move]]:
    """Long lists of moves: left to itself a strategy makes five.

    Over a reboot nobody knows to the millisecond how long it took.
    """
    return st.lists(st.sampled_from(_MOVES + (_REBOOTS if reboots else ())), min_size=20, max_size=60)


class Shop(Watched):
    """The line, and what really happened there."""

    def __init__(self, plant: dict[str, Any]) -> None:
        shared = {} if plant["shared"] is None else {"concurrent": True, "job_shares": plant["shared"]}
        super().__init__(
            counters={"good": {"tag": "press1.cycles", "max_rate_per_min": 600, "modulus": MODULUS}},
            automatic={"start": plant["start"], "pause": plant["pause"], "pause_after_s": 60},
            checks=plant["checks"],
            **shared,
        )
        self.master = MasterData(parse(msgspec.json.encode(MASTER)), "etag-1")
        calendar = Calendar(
            ZoneInfo("Asia/Shanghai"), SHIFTS, settings.Posting.model_validate({"date": plant["posting"]})
        )
        bench = settings.Station.model_validate({"work_center": "WC-GRIND", "checks": plant["checks"]})
        self.site = replace(
            self.site,
            calendar=calendar,
            crew=settings.Crew(confirm_after_h=9),
            stations={**self.site.stations, BENCH: bench},
        )
        self.raw = MODULUS - 5  # it begins again on the way
        self.kwh = 1.0
        self.moved = 0  # strokes
        self.jumped = 0  # what no press can have made
        self.decided = ZERO  # by how many pieces people put the counter right
        self.closed_by: list[tuple[str, Decimal]] = []  # the same on completed jobs, by their completion
        self.reopened: set[str] = set()  # completions that people reversed, by which their job is open again
        self.before = self.line  # a settlement
        self.commits = [0]  # how many facts there were behind each
        self.watch()
        self.strokes(0)
        self.scan("LSE1042", "LSW100")

    def play(self, moves: Sequence[Move]) -> "Shop":
        """All moves, then time until nothing waits for OK and all that moved is recorded."""
        for move in moves:
            self._move(*move)
        self.strokes(0)
        self.wait(61).wait(61)
        return self

    def put(self, given: Input, station: str) -> Step:
        done = super().put(given, station)
        self.commits.append(len(self.events))
        return done

    def strokes(self, number: int) -> None:
        """The press makes so many within two seconds, and the collector sees it."""
        self.moved += number
        self.raw = (self.raw + number) % MODULUS
        self.kwh = round(self.kwh + number / 1000, 3)
        self.wait(2).read(cycles=self.raw, running=bool(number), energy=self.kwh)

    def _move(self, what: str, value: Any) -> None:
        match what:
            case "nothing":
                pass
            case "OP20" | "OP30":
                self._scans(what, str(value).split(","))
            case "strokes":
                self.strokes(value)
            case "figure":
                self._figure(value)
            case "jump":
                self._jump(JUMP if value else -50)
            case "reset":
                self._reset(value)
            case "silent":
                self.read(good=False)
            case "stop":
                self.put(Stopping(), PRESS)
                self.start()
            case "kill":
                self.start()
            case "pass":
                self.pass_(value)
            case "set":
                self.set(value)
            case "correct":
                self.correct(value)
            case "reboot":
                self.reboot(value)
            case "settle":
                self._settle(*value)
            case "make up":
                self._make_up(*value)
            case _:
                raise AssertionError(what)

    def _scans(self, station: str, codes: Sequence[str]) -> None:
        """Codes one behind another; `SERIAL 1` is a label. At the press no figure but its counter's."""
        for code in codes:
            if code.startswith("SERIAL"):
                code = f"[)>\x1e06\x1dPBRACKET-7\x1dSN{code[-1]}\x1e\x04"
            figure = code.startswith("LSQ") and isinstance(self.lives[station].pending, PendingReport)
            if not (figure and station == PRESS):
                self.scan(code, station=station, device=station)

    def _figure(self, less: int) -> None:
        """A person reports fewer than the counter proposes; asked, they say it again."""
        self.wait(3).scan("LSCDONE")
        pending = self.lives[PRESS].pending
        counter, job = getattr(pending, "counter", None), self.station.job
        if counter is None or job is None or counter - less < job.good:
            return
        for _ in range(2):
            self.wait(3).scan(f"LSQ{counter - less}")
        self.scan("LSCOK", "LSCOK")

    def _jump(self, by: int) -> None:
        if not 2 * JUMP // 3 < self.raw + by < MODULUS - 1000:
            return  # a short way round its end would be a rollover
        if self._jumps_on():
            return  # what is gathered dies with a process, and is judged anew: test_jumping has that
        self.strokes(0)
        self.jumped += by
        self.raw += by
        self.strokes(0)

    def _jumps_on(self) -> bool:
        """Whether one jump more would be gathered with others."""
        live = self.lives[PRESS].counters.get("good")
        if live is None or live.jumped_at is None or live.jumps < jumping.ALONE:
            return False
        return self.now.since(live.jumped_at) < 2 * jumping.SOON_MS

    def _reset(self, to: int) -> None:
        if not 1000 < self.raw < MODULUS - 1000:
            return
        self.strokes(0)
        self.raw, self.moved = to, self.moved + to
        self.strokes(0)

    def _make_up(self, order: str, station: str) -> None:
        time = e.instant(self.now.wall_ms - 60_000)
        operation = "0010" if station == BENCH else "0020"
        self._ask(
            station, how="make_up", station=station, time=time, work_order=order, operation=operation,
            note="late", outputs=[{"quantity": "2"}], labour=[{"operator": "1044", "s": "60"}],
        )  # fmt: skip

    def _settle(self, which: int, how: str) -> None:
        if which >= len(self.waiting):
            return
        one = self.waiting[which]
        completion = None if self._is_open(one) else self._completion(one)
        self.before = self.line
        if not self._ask(one.station, **_asked(one, how)):
            return
        if one.kind == "held" and one.counter == "good" and how == "accept":
            self.decided += sum(
                (claim.quantity for claim in one.claims if self._counts_now(one, claim)), ZERO
            )
        report = original(one) if one.kind == "check" else None
        if one.station != PRESS or not isinstance(report, e.WorkReported) or how == "accept":
            return
        if how != "reverse":
            self.decided += Decimal(3) - pieces(report)
        elif completion is None and one.earlier_run:
            self.decided -= pieces(report)
        elif completion is not None and completion == one.id:
            assert self._is_open(one), "a completion that did not occur opens its job again"
            self.reopened.add(completion)
        elif completion is not None:
            self.closed_by.append((completion, -pieces(report)))

    def _is_open(self, one: Waiting) -> bool:
        """Whether the job of an entry is open, and is the same run of it."""
        return not one.earlier_run and self.line.station(one.station).find(one.job or ("", "")) is not None

    def _completion(self, one: Waiting) -> str | None:
        """The completion that closed the job of an entry, where that did not begin anew since."""
        if one.earlier_run:
            return None
        return next(
            (
                event.id
                for event in reversed(self.events)
                if isinstance(event.data, e.WorkCompleted) and event.data.station == one.station
                if (event.data.work_order, event.data.operation) == one.job
            ),
            None,
        )

    def _counts_now(self, one: Waiting, claim: e.Claim) -> bool:
        """Whether it is left to a report of the open job, or waits: else the settlement reports it."""
        key = claim.work_order or "", claim.operation or ""
        job = None if key in one.anew else self.before.station(one.station).find(key)
        carried = job is not None and (claim.phase == "run" or job.phase == "setup")
        return claim.work_order is None or carried

    def _ask(self, at: str, **asked: Any) -> bool:
        """Whether it could be settled so."""
        request: Request = msgspec.convert({"person": "2001"} | asked, Request)  # type: ignore[arg-type]
        answer = self.put(request, at).answer
        assert answer is not None
        if answer.why == "check_confirm":
            return self._ask(at, **asked, confirm=True)  # it is meant: once is enough
        assert answer.result == "recorded" or answer.why in POSSIBLE, answer.message.en
        return answer.result == "recorded"


# Why a settlement may be refused here: of the way, the time or the clock, not of what was asked.
POSSIBLE = {
    "not_so", "lot_needed", "clock", "reworked", "not_forward", "quantity_above_nought",
    "time_ahead", "time_long_ago", "order_needed", "check_blocked",
}  # fmt: skip


def _asked(one: Waiting, how: str) -> dict[str, Any]:
    """A decision about an entry: all of it, or one and the rest, belongs to another order or lot."""
    asked: dict[str, Any] = {"how": how, "settles": [one.id]}
    to = {"work_order": "200", "operation": "0020"}
    if one.station == BENCH:
        to = {"work_order": "700", "operation": "0010"}
    if one.kind == "lot" or one.type == e.MaterialConsumed.type:
        to = {"lot": "O1"}
    elif one.kind == "check":
        to = {}
    whole = Decimal(3) if one.quantity is None else one.quantity
    if how == "reassign":
        asked["to"] = to | {"quantity": str(whole)}
    elif how == "split":
        asked["parts"] = [to | {"quantity": "1"}, to | {"quantity": str(whole - 1)}]
    return asked


def pieces(report: e.WorkReported) -> Decimal:
    """Pieces of the main product that a report brings."""
    return sum((one.quantity for one in (*report.outputs, *report.reworked) if one.role == "main"), ZERO)
