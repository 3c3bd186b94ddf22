"""A notice as the body that its receiver understands: a Jinja2 template in a sandbox, whose result is JSON.

Shipped are `json` (generic), `wecom` (企业微信 robot), `dingtalk` (钉钉 robot) and `feishu` (飞书 bot). A
template sees `what` (raised, cleared), `alert` (key, text, hint, raised, cleared, minutes),
`edge` (id, enterprise, site, area, line), `to`, `webhook`, and for Feishu `timestamp` and `sign`.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from edge.alerts import Alert
from edge.faults import Fault
from edge.settings import Edge, Webhook
from sync.webhooks.due import Notice

_SHIPPED = Path(__file__).parent / "templates"
_SAMPLE_MS = 1_795_312_800_000


class TemplateFault(Fault):
    """A webhook's template cannot be read, or makes no JSON; nothing was sent."""


class Template:
    """A webhook's template, read once. Raises TemplateFault."""

    def __init__(self, webhook: Webhook, edge: Edge) -> None:
        self._webhook = webhook
        self._edge = {name: getattr(edge, name) for name in ("id", "enterprise", "site", "area", "line")}
        self._zone = edge.zone
        self._path = Path(webhook.template_file or _SHIPPED / f"{webhook.kind}.j2")
        environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
        environment.policies["json.dumps_function"] = _dumped
        try:
            self._template = environment.from_string(self._path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, jinja2.TemplateError) as error:
            raise self._fault(error) from error

    def render(self, notice: Notice, now_ms: int, signed: Mapping[str, str]) -> bytes:
        """The body. Raises TemplateFault."""
        values = {
            "what": notice.what,
            "alert": _shown(notice.alert, now_ms, self._zone),
            "edge": self._edge,
            "webhook": self._webhook.name,
            "to": self._webhook.to,
            "timestamp": "",
            "sign": "",
            **signed,
        }
        try:
            text = self._template.render(values)
            json.loads(text)
        except Exception as error:  # a template runs what a person wrote: anything may fail
            raise self._fault(error) from error
        return text.encode()

    def _fault(self, error: Exception) -> TemplateFault:
        place = f", line {error.lineno}" if isinstance(error, jinja2.TemplateSyntaxError) else ""
        what = f"makes no JSON: {error}" if isinstance(error, ValueError) else f"fails: {error}"
        return TemplateFault(
            f"template {self._path}{place} {what}",
            hint="Correct it, put values in by `| tojson`, and run `lineside check`",
        )


def problems(webhook: Webhook, edge: Edge) -> Iterator[str]:
    """What is wrong with a webhook's template, found by rendering a sample."""
    alert = Alert("sample", 'A sample: "quoted", 中文', "Nothing to do", _SAMPLE_MS, None)
    over = Alert(alert.key, alert.text, alert.hint, _SAMPLE_MS, _SAMPLE_MS + 90_000)
    try:
        template = Template(webhook, edge)
        for notice in (Notice(alert, "raised", _SAMPLE_MS), Notice(over, "cleared", _SAMPLE_MS)):
            template.render(notice, _SAMPLE_MS + 90_000, {"timestamp": "1", "sign": "sample"})
    except TemplateFault as fault:
        yield str(fault)


def _dumped(value: object, **given: Any) -> str:
    return json.dumps(value, default=str, **given)  # str of what is undefined says which name it was


def _shown(alert: Alert, now_ms: int, zone: ZoneInfo) -> dict[str, Any]:
    until_ms = now_ms if alert.cleared_ms is None else alert.cleared_ms
    return {
        "key": alert.key,
        "text": alert.text,
        "hint": alert.hint,
        "raised": _local(alert.raised_ms, zone),
        "cleared": None if alert.cleared_ms is None else _local(alert.cleared_ms, zone),
        "minutes": max(0, until_ms - alert.raised_ms) // 60_000,
    }


def _local(at_ms: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).isoformat(timespec="seconds")
