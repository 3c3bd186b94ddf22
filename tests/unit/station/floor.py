"""A station on a manual clock: scans and readings in, facts and answers out."""

import copy
from collections.abc import Iterable
from decimal import Decimal
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from edge import settings
from edge.calendar import Calendar
from edge.events import Draft, Event, Fact, decode, seal
from edge.ids import uuid7
from edge.masterdata import MasterData, parse
from edge.readings import Moment, Quality, Reading, Scan
from edge.station.evolve import fold
from edge.station.live import Live
from edge.station.review.originals import Traced
from edge.station.review.requests import Request
from edge.station.review.settle import Settled, settle
from edge.station.review.waiting import Waiting
from edge.station.state import Job, Line, Station
from edge.station.step import Input, Observed, Restarted, Step, Tick, step
from edge.station.turn import turn
from edge.station.view import View, view
from edge.station.work import Answer, Site

MASTER: dict[str, Any] = {
    "work_orders": [
        {
            "work_order": "100",
            "line": "1",
            "product": "BRACKET-7",
            "quantity": "10",
            "unit": "C62",
            "refs": {"FMoId": "77"},
            "operations": [{"operation": "0020", "work_center": "WC-PRESS-1", "machine_s": "2"}],
            "bom": [
                {"line": "10", "operation": "0020", "material": "STEEL-4", "quantity": "0.5", "unit": "KGM",
                 "lot_required": True, "substitutes": ["STEEL-4B"]},
                {"line": "20", "operation": "0020", "material": "OIL", "quantity": "0.01", "unit": "LTR",
                 "method": "metered"},
            ],
        },
        {
            "work_order": "200", "product": "COVER-2", "quantity": "5", "unit": "C62",
            "operations": [{"operation": "0020", "work_center": "WC-PRESS-1"}],
        },
        {
            "work_order": "300", "product": "FRAME", "quantity": "5", "unit": "C62",
            "operations": [{"operation": "0010", "work_center": "WC-WELD-5"}],
        },
        {
            "work_order": "400", "product": "COVER-2", "quantity": "5", "unit": "C62", "status": "closed",
            "operations": [{"operation": "0020", "work_center": "WC-PRESS-1"}],
        },
        {
            "work_order": "500", "product": "COVER-2", "quantity": "5", "unit": "C62",
            "operations": [
                {"operation": "0020", "work_center": "WC-PRESS-1"},
                {"operation": "0030", "work_center": "WC-X", "alternatives": ["WC-PRESS-1"]},
            ],
        },
    ],
    "materials": [
        {"material": "STEEL-4", "unit": "KGM",
         "units": [{"unit": "LBR", "numerator": "0.45359237", "denominator": "1"}]},
        {"material": "BRACKET-7", "description": "Bracket", "unit": "C62"},
    ],
    "lots": [
        {"material": "STEEL-4", "lot": "A1"},
        {"material": "STEEL-4B", "lot": "B1"},
        {"material": "OIL", "lot": "O1", "quantity": "20"},
        {"material": "STEEL-4", "lot": "BLOCKED", "status": "blocked"},
        {"material": "STEEL-4", "lot": "OLD", "expiry": "2026-11-21"},
        {"material": "BRASS", "lot": "X1"},
        {"material": "STEEL-4", "lot": "TWIN"},
        {"material": "STEEL-4B", "lot": "TWIN"},
    ],
    "people": [{"person": "1042", "badges": ["B42"]}, {"person": "1043"}],
    "reasons": [
        {"reason": "04", "kind": "scrap", "text": {"en": "Burr", "zh-CN": "毛刺"}},
        {"reason": "05", "kind": "scrap", "text": {"en": "Crack"}, "cause": "material"},
        {"reason": "04", "kind": "rework", "text": {"en": "Burr"}},
        {"reason": "21", "kind": "pause", "text": {"en": "No material"}},
    ],
}  # fmt: skip
BACKFLUSHED = copy.deepcopy(MASTER)  # the same, but reports consume the oil: each brings a fact more
BACKFLUSHED["work_orders"][0]["bom"][1]["method"] = "backflushed"
START_MS = 1_795_312_800_000  # 2026-11-22T02:00:00Z: 10:00 in Shanghai


class Floor:
    """One line with station OP20 (and OP30, without signals), driven by hand."""

    def __init__(self, master: object = MASTER, **station: object) -> None:
        shifts = (
            settings.Shift.model_validate({"name": "day", "start": "08:00", "end": "20:00"}),
            settings.Shift.model_validate({"name": "night", "start": "20:00", "end": "08:00"}),
        )
        given = {
            "work_center": "WC-PRESS-1",
            "scanners": ["gun1"],
            "counters": {"good": {"tag": "press1.cycles", "max_rate_per_min": 60, "modulus": 2**32}},
            "signals": {"running": "press1.running", "energy": "press1.energy"},
            "checks": {"missing_lot": "off"},  # most tests complete without lots
        } | station
        plain = {"work_center": "WC-PRESS-1"}
        self.site = Site(
            "L3",
            Calendar(ZoneInfo("Asia/Shanghai"), shifts),
            {
                "OP20": settings.Station.model_validate(given),
                "OP30": settings.Station.model_validate(plain),
            },
            {"22": settings.Pause(labour=True, machine=True)},
        )
        self.master: MasterData = MasterData(parse(msgspec.json.encode(master)), "etag-1")
        self.line = Line()
        self.lives = {name: Live() for name in self.site.stations}
        self.now = Moment(START_MS, 1_000_000, "boot-1")
        self.events: list[Event] = []
        self.bodies: list[bytes] = []
        self._ids = count(1)
        self._chain = ""

    def wait(self, seconds: float) -> "Floor":
        """Let time pass, with a tick at its end."""
        self.now = msgspec.structs.replace(
            self.now,
            wall_ms=self.now.wall_ms + round(seconds * 1000),
            monotonic_ms=self.now.monotonic_ms + round(seconds * 1000),
        )
        for name in self.site.stations:
            self.put(Tick(), name)
        return self

    def scan(self, *texts: str, station: str = "OP20", device: str = "gun1") -> Answer:
        """Scan codes one second apart; the answer to the last."""
        answer: Answer | None = None
        for text in texts:
            self.wait(1)
            answer = self.put(Scan(device, text, self.now), station).answer
        assert answer is not None
        return answer

    def read(
        self,
        cycles: object = None,
        running: object = None,
        energy: object = None,
        good: bool = True,
        **more: object,
    ) -> "Floor":
        """What the press says now; further tags by name."""
        said = {"cycles": cycles, "running": running, "energy": energy} | more
        quality = Quality.good if good else Quality.bad
        readings = [
            Reading("press1", tag, value, quality, self.now)  # type: ignore[arg-type]
            for tag, value in said.items()
            if value is not None or not good
        ]
        self.put(Observed(readings), "OP20")
        return self

    def restart(self) -> "Floor":
        """The collector was killed: state comes from the journal alone."""
        self.line = self.refolded()
        self.lives = {name: Live(resumed=self.line.at) for name in self.site.stations}
        self.put(Restarted(), "OP20")
        return self

    def put(self, given: Input, station: str) -> Step:
        """One input; its facts are committed, after those of the calendar."""
        if turned := turn(self.site, self.line, self.lives, self.master, self.now, self._new_id):
            self.line, self.lives = turned.line, dict(turned.lives)
            for draft in turned.drafts:
                self._commit(draft)
        done = step(
            self.site, station, self.line, self.lives[station], given, self.master, self.now, self._new_id
        )
        self.line, self.lives[station] = done.line, done.live
        for draft in done.drafts:
            self._commit(draft)
        return done

    def settle(self, traced: Traced | None = None, **asked: object) -> Settled:
        """What a person decides; its facts are committed. Raises Unsettled."""
        request: Request = msgspec.convert(asked, Request)  # type: ignore[arg-type]
        done = settle(self.site, self.line, request, self.master, self.now, self._new_id, traced)
        self.line = done.line
        for draft in done.drafts:
            self._commit(draft)
        return done

    def ask(self, station: str = "OP20", **asked: object) -> Step:
        """What a person decides, in turn with the station's inputs."""
        return self.put(msgspec.convert(asked, Request), station)  # type: ignore[arg-type]

    @property
    def waiting(self) -> list[Waiting]:
        """What needs a person."""
        return list(self.line.waiting.values())

    def refolded(self) -> Line:
        """The state from the stored facts alone."""
        line = Line()
        for body in self.bodies:
            line = fold(line, decode(body))
        return line

    def view(self, station: str = "OP20") -> View:
        return view(self.site, station, self.line, self.lives[station], self.master, self.now)

    @property
    def station(self) -> Station:
        return self.line.station("OP20")

    @property
    def job(self) -> Job:
        job = self.station.job
        assert job is not None
        return job

    def facts(self, *kinds: type[Fact]) -> list[Fact]:
        """The facts of the given kinds, in order; all without kinds."""
        return [event.data for event in self.events if not kinds or type(event.data) in kinds]

    def quantity(self, facts: Iterable[Fact]) -> Decimal:
        return sum((getattr(fact, "quantity", None) or Decimal(0) for fact in facts), Decimal(0))

    def _commit(self, draft: Draft) -> None:
        event, body = seal(
            draft, "urn:lineside:t:t:0", len(self.events) + 1, "2026-11-22T02:00:00.000Z", self._chain
        )
        self.events.append(event)
        self.bodies.append(body)

    def _new_id(self, wall_ms: int) -> str:
        return uuid7(wall_ms, next(self._ids))
