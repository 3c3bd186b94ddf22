"""The local API (DESIGN, section 8): scans in, screens out. Answers come after the collector's commit."""

from typing import Any

import msgspec
from aiohttp import web

from edge.collector import Collector
from edge.inbox import Result
from edge.web.answers import Answers, KeyReused
from edge.web.news import News
from edge.web.problems import answered, problem
from edge.web.stream import stream

_KEY_LENGTH = 200
_TEXT_LENGTH = 2000
_STATUS = {"recorded": 200, "pending": 200, "repeated": 200, "refused": 422, "storage": 503}


class _Typed(msgspec.Struct):
    """The body of a scan."""

    text: str


class StationApi:
    """`/api/v1/stations`."""

    def __init__(self, collector: Collector, news: News, answers: Answers, language: str) -> None:
        self._collector = collector
        self._news = news
        self._answers = answers
        self._language = language

    def routes(self) -> list[web.RouteDef]:
        one = "/api/v1/stations/{station}"
        return [
            web.get("/api/v1/stations", self._list),
            web.get(one, self._screen),
            web.get(f"{one}/events", self._events),
            web.post(f"{one}/scan", self._scan),
        ]

    async def _list(self, _: web.Request) -> web.Response:
        stations = self._collector.site.stations
        return answered(
            {"stations": [{"id": name, "work_center": one.work_center} for name, one in stations.items()]}
        )

    async def _screen(self, request: web.Request) -> web.Response:
        station = request.match_info["station"]
        if station not in self._collector.site.stations:
            return self._unknown(station)
        return web.Response(body=await self._news.screen(station), content_type="application/json")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        station = request.match_info["station"]
        if station not in self._collector.site.stations:
            return self._unknown(station)
        return await stream(request, station, self._news)

    async def _scan(self, request: web.Request) -> web.Response:
        station = request.match_info["station"]
        if station not in self._collector.site.stations:
            return self._unknown(station)
        key = request.headers.get("Idempotency-Key")
        if key is not None and not 0 < len(key) <= _KEY_LENGTH:
            return problem(
                400, "Bad key", f"Idempotency-Key has 1 to {_KEY_LENGTH} characters. Not recorded.", "key"
            )
        if not self._meant(request):
            return problem(
                412,
                "Restarted",
                "The collector was restarted. This call recorded nothing; the last entries show what was.",
                "restarted",
                instance=self._news.instance,
            )
        try:
            typed = msgspec.json.decode(await request.read(), type=_Typed)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            detail = f'{{"text": "<the scan, 1 to 2000 characters>"}} is expected: {error}. Not recorded.'
            return problem(400, "Malformed body", detail, "malformed")
        if not 0 < len(typed.text) <= _TEXT_LENGTH:
            return problem(400, "Bad length", _length(typed.text), "malformed")
        return await self._answer(station, typed.text, key)

    async def _answer(self, station: str, text: str, key: str | None) -> web.Response:
        try:
            result = await self._answers.scan(station, text, key)
        except KeyReused:
            detail = "This Idempotency-Key came with another scan. Not recorded. Use a new key for each scan."
            return problem(422, "Key used before", detail, "key-reused", result="refused", events=[])
        status, body = _STATUS[result.result], self._worded(result)
        if status == 200:
            return answered(body)
        title = "Nothing recorded" if status == 422 else "NOT RECORDED: the journal cannot be written"
        return problem(status, title, body["message"], result.result, **body)

    def _worded(self, result: Result) -> dict[str, Any]:
        texts = {
            language: {"message": result.message.of(language), "next": result.next.of(language)}
            for language in ("en", "zh")
        }
        mine = texts["zh" if self._language.startswith("zh") else "en"]
        return {
            "result": result.result,
            "events": result.events,
            "warned": result.warned,
            **mine,
            "texts": texts,
        }

    def _meant(self, request: web.Request) -> bool:
        """Whether the caller means this life of the collector, or any (If-Match, RFC 9110, 13.1.1)."""
        match = request.headers.get("If-Match", "*")
        return match == "*" or f'"{self._news.instance}"' in match

    def _unknown(self, station: str) -> web.Response:
        stations = list(self._collector.site.stations)
        detail = f"There is no station {station!r}. Stations here: {', '.join(stations) or 'none'}."
        return problem(404, "Unknown station", detail, "unknown-station", stations=stations)


def _length(text: str) -> str:
    """What is wrong with the length of a scan."""
    if not text:
        return "The scan is empty. Not recorded. Scan or type a code."
    return f"The scan has {len(text)} characters, more than {_TEXT_LENGTH}. Not recorded."
