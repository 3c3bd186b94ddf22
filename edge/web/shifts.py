"""What each of the last shifts came to, over HTTP: `GET /api/v1/shifts?days=2`.

The journal is read in a thread, one reading at a time, and each goes on where the one before ended.
"""

import asyncio
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from aiohttp import web

from edge.collector import Collector
from edge.faults import StorageFault
from edge.shifts import Place, Reading, Row
from edge.station.review import shown
from edge.station.texts import unit
from edge.station.work import number
from edge.web.problems import answered, problem

DAYS_MAX = 31


class ShiftsApi:
    """`/api/v1/shifts`."""

    def __init__(self, collector: Collector, journal: Path) -> None:
        self._collector = collector
        self._journal = journal
        self._turn = asyncio.Lock()
        self._reading: tuple[date, Reading] | None = None  # from when on, and what was read so far

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/api/v1/shifts", self._list)]

    async def _list(self, request: web.Request) -> web.Response:
        given = request.query.get("days", "2")
        if not (given.isascii() and given.isdigit() and len(given) < 5 and 1 <= int(given) <= DAYS_MAX):
            return problem(400, "Bad days", f"days is a number from 1 to {DAYS_MAX}: {given[:32]!r}", "days")
        first = self._collector.today() - timedelta(days=int(given) - 1)
        try:
            rows = await self._rows(first)
        except StorageFault as fault:
            return problem(503, "The journal cannot be read", f"{fault.message}. {fault.hint}", "storage")
        waiting = self._waiting()
        places = sorted(rows.keys() | waiting.keys(), key=_order, reverse=True)
        recent = [one for one in places if one.production_date is None or one.production_date >= str(first)]
        return answered(
            {"shifts": [_shown(one, rows.get(one, Row()), waiting.get(one, 0)) for one in recent]}
        )

    async def _rows(self, first: date) -> Mapping[Place, Row]:
        """What was recorded from that day on. Raises StorageFault."""
        async with self._turn:
            known, self._reading = self._reading, None
            if known is None or known[0] != first:
                zone = self._collector.site.calendar.local(0).tzinfo
                since_ms = int(datetime.combine(first, time(), zone).timestamp() * 1000)
                known = first, Reading(self._journal, since_ms)
            rows = await asyncio.to_thread(known[1].rows)
            self._reading = known
            return rows

    def _waiting(self) -> dict[Place, int]:
        """How much of each shift waits for a person."""
        found: dict[Place, int] = {}
        site = self._collector.site
        for one in shown.open_entries(site, self._collector.line):
            day = site.calendar.day(one.to_ms)
            dates = (day.production_date, day.shift) if one.dated else (None, None)
            place = Place(*dates, one.station)
            found[place] = found.get(place, 0) + 1
        return found


def _order(place: Place) -> tuple[str, str, str]:
    return place.production_date or "", place.shift or "", place.station or ""


def _shown(place: Place, row: Row, waiting: int) -> dict[str, Any]:
    """A row as JSON; figures are decimal strings."""
    pieces = ("good", "concession", "rework", "scrap", "unattributed")
    times = ("labour_s", "setup_s", "machine_s", "unassigned_s")
    return {
        **place._asdict(),
        **{name: _pieces(getattr(row, name)) for name in pieces},
        **{name: number(getattr(row, name)) for name in times},
        "machine_known": row.machine_known,
        "held": row.held,
        "waiting": waiting,
    }


def _pieces(by_unit: Mapping[str, Decimal]) -> list[dict[str, Any]]:
    return [
        {"quantity": number(quantity), "unit": code, "texts": {"en": unit(code).en, "zh": unit(code).zh}}
        for code, quantity in sorted(by_unit.items())
        if quantity
    ]
