"""The pages: a list of stations, and the operator page of each (facts: operator page)."""

from pathlib import Path
from typing import Any

import jinja2
import msgspec
from aiohttp import web

from edge.collector import Collector
from edge.web import reviewwords
from edge.web.words import EVENTS, LABELS, SCRIPT

STATIC = Path(__file__).parent / "static"
_TEMPLATES = Path(__file__).parent / "templates"
COMMANDS = ("ok", "done", "part", "go", "undo")  # cards that are one touch: LSC…


class Pages:
    """Renders what stays the same; the page's script fills in what changes."""

    def __init__(self, collector: Collector, language: str) -> None:
        self._collector = collector
        self._language = "zh" if language.startswith("zh") else "en"
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
        )
        self._templates.globals.update(order=self._order(), labels=LABELS, line=collector.site.line)

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get("/", self._stations),
            web.get("/stations/{station}", self._station),
            web.get("/review", self._review),
            web.get("/favicon.ico", self._no_icon),
            web.static("/static", STATIC),
        ]

    async def _stations(self, _: web.Request) -> web.Response:
        stations = self._collector.site.stations
        if len(stations) == 1:
            raise web.HTTPFound(f"/stations/{next(iter(stations))}")
        return self._page("stations.html", stations=stations)

    async def _station(self, request: web.Request) -> web.Response:
        station = request.match_info["station"]
        stations = self._collector.site.stations
        if station not in stations:
            return self._page("missing.html", status=404, station=station, stations=stations)
        words = msgspec.to_builtins(SCRIPT | {f"event.{name}": text for name, text in EVENTS.items()})
        return self._page("station.html", station=station, commands=COMMANDS, words=words)

    async def _review(self, _: web.Request) -> web.Response:
        labels = LABELS | reviewwords.LABELS
        words = msgspec.to_builtins(reviewwords.SCRIPT)
        return self._page("review.html", stations=self._collector.site.stations, words=words, labels=labels)

    async def _no_icon(self, _: web.Request) -> web.Response:
        return web.Response(status=204)

    def _page(self, name: str, *, status: int = 200, **values: Any) -> web.Response:
        text = self._templates.get_template(name).render(language=self._language, **values)
        return web.Response(text=text, status=status, content_type="text/html")

    def _order(self) -> tuple[tuple[str, str], ...]:
        """Both languages as (attribute of a Text, HTML language), the configured one first."""
        both = (("en", "en"), ("zh", "zh-CN"))
        return both if self._language == "en" else both[::-1]
