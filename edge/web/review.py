"""The review over HTTP: what waits (`GET /api/v1/review`), and decisions (`POST /api/v1/settlements`).

The alerts of collect, which stand beside what waits, are at `GET /api/v1/alerts` too.

Two people who settle the same at once: the collector works off one after the other, and the second is told.
"""

from typing import Any

import msgspec
from aiohttp import web

from edge.alerts import Alert
from edge.collector import Collector
from edge.delivering import ABSENT
from edge.events import instant
from edge.inbox import Result
from edge.station.review import shown
from edge.station.review.requests import Request
from edge.web.answers import Answers, KeyReused
from edge.web.delivery import summary
from edge.web.news import News
from edge.web.problems import answered, problem, unfit

_KEY_LENGTH = 200
_FORBIDDEN = frozenset({"not_allowed", "four_eyes", "four_eyes_self", "person_unknown"})
_CONFLICT = frozenset({"not_open", "whole", "corrected_before", "corrected_apart"})


class ReviewApi:
    """`/api/v1/review`, `/api/v1/alerts` and `/api/v1/settlements`."""

    def __init__(self, collector: Collector, news: News, answers: Answers, language: str) -> None:
        self._collector = collector
        self._news = news
        self._answers = answers
        self._language = language

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/v1/review", self._list),
            web.get("/api/v1/alerts", self._alerts),
            web.post("/api/v1/settlements", self._settle),
        ]

    async def _list(self, _: web.Request) -> web.Response:
        line, delivery = self._collector.line, await self._news.delivered()
        said = summary(delivery, ABSENT in self._collector.alerts.standing)
        return answered(
            {
                "jobs": shown.jobs(line),
                "delivery": {**msgspec.structs.asdict(delivery), "summary": said},
                "waiting": shown.entries(self._collector.site, line),
                "undated": shown.undated(line),
                "alerts": self._standing(),
            }
        )

    async def _alerts(self, _: web.Request) -> web.Response:
        return answered({"alerts": self._standing()})

    def _standing(self) -> list[dict[str, str]]:
        """The alerts of collect, those too that no full disk takes."""
        return [_alert(one) for one in self._collector.alerts.standing.values()]

    async def _settle(self, request: web.Request) -> web.Response:
        key = request.headers.get("Idempotency-Key")
        if key is not None and not 0 < len(key) <= _KEY_LENGTH:
            detail = f"Idempotency-Key has 1 to {_KEY_LENGTH} characters. Nothing recorded."
            return problem(400, "Bad key", detail, "key")
        try:
            asked: Request = msgspec.json.decode(await request.read(), type=Request)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            detail = f"{unfit(error)}. Nothing recorded. See docs/review.md for the form of a settlement."
            return problem(400, "Malformed body", detail, "malformed")
        try:
            result = await self._answers.settle(asked, key)
        except KeyReused:
            detail = "This Idempotency-Key came with another settlement. Nothing recorded. Use a new key."
            return problem(422, "Key used before", detail, "key-reused")
        return self._worded(result)

    def _worded(self, result: Result) -> web.Response:
        texts = {language: result.message.of(language) for language in ("en", "zh")}
        message = texts["zh" if self._language.startswith("zh") else "en"]
        body: dict[str, Any] = {"result": result.result, "message": message, "texts": texts}
        if result.good:
            return answered(body | {"events": result.events})
        if result.result == "storage":
            return problem(
                503, "NOT RECORDED: the journal cannot be written", message, "storage", **body, events=[]
            )
        status = 403 if result.why in _FORBIDDEN else 409 if result.why in _CONFLICT else 422
        kind = result.why.replace("_", "-")
        return problem(status, "Nothing recorded", message, kind, **body, events=[])


def _alert(alert: Alert) -> dict[str, str]:
    return {"key": alert.key, "text": alert.text, "hint": alert.hint, "since": instant(alert.raised_ms)}
