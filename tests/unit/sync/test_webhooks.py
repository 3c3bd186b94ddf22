"""Who hears of which alert, when, and in which words."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from edge.alerts import Alert
from edge.settings import Edge, Webhook
from sync.webhooks.body import Template, problems
from sync.webhooks.call import dingtalk_signed, feishu_signed
from sync.webhooks.due import Notice, due

MINUTE = 60_000
NOW = 1_795_312_800_000
EDGE = Edge(id="E1", site="suzhou", line="L3", timezone="Asia/Shanghai")
ALERT = Alert("disk", 'The disk is "full"\n满了', "Free space", NOW, None)


def hook(**given: object) -> Webhook:
    return Webhook.model_validate({"name": "w", "url": "http://robot.example/x"} | given)


def alert(key: str, raised_min: int, cleared_min: int | None = None) -> Alert:
    cleared_ms = None if cleared_min is None else NOW + cleared_min * MINUTE
    return Alert(key, "text", "hint", NOW + raised_min * MINUTE, cleared_ms)


def told(
    webhook: Webhook, *alerts: Alert, at_min: int = 0, taken: Any = frozenset()
) -> list[tuple[str, str]]:
    found = due(webhook, alerts, taken, NOW - 60 * MINUTE, NOW + at_min * MINUTE)
    return [(one.alert.key, one.what) for one in found]


def test_a_level_hears_of_what_stands_as_long_as_it_waits() -> None:
    leader = hook(after_min=15)
    assert told(leader, alert("a", -14)) == []
    assert told(leader, alert("a", -15)) == [("a", "raised")]
    assert told(leader, alert("a", -30, -16)) == []  # over before its time


def test_who_heard_that_it_stands_hears_that_it_is_over_once() -> None:
    over = alert("a", -30, -10)
    raised = {("a", over.raised_ms, "raised")}
    assert told(hook(), over, taken=raised) == [("a", "cleared")]
    assert told(hook(cleared=False), over, taken=raised) == []
    assert told(hook(), over, taken=raised | {("a", over.raised_ms, "cleared")}) == []


def test_after_an_outage_both_are_told_in_their_order() -> None:
    given = alert("b", -20), alert("a", -30, -10)
    assert told(hook(), *given) == [("a", "raised"), ("b", "raised"), ("a", "cleared")]


def test_an_alert_raised_again_is_another() -> None:
    first = alert("a", -30, -20)
    taken = {("a", first.raised_ms, "raised"), ("a", first.raised_ms, "cleared")}
    assert told(hook(), first, alert("a", -5), taken=taken) == [("a", "raised")]


def test_what_was_over_before_it_was_configured_is_not_told() -> None:
    assert told(hook(), alert("a", -90, -61), alert("b", -90)) == [("b", "raised")]


def test_patterns_choose_and_nobody_is_told_of_their_own_silence() -> None:
    given = [alert(key, -5) for key in ("station.OP20.no_job", "device.plc", "webhook.w.failing")]
    assert told(hook(alerts=["station.*", "webhook.*"]), *given) == [("station.OP20.no_job", "raised")]


@pytest.mark.parametrize("kind", ["json", "wecom", "dingtalk", "feishu"])
@pytest.mark.parametrize("what", ["raised", "cleared"])
def test_each_shipped_template_says_what_happened(kind: str, what: Any) -> None:
    over = Alert(ALERT.key, ALERT.text, ALERT.hint, NOW, NOW + 90 * MINUTE)
    notice = Notice(ALERT if what == "raised" else over, what, NOW)
    body = Template(hook(kind=kind, to="班长"), EDGE).render(notice, NOW, {})
    said = json.loads(body)
    text = {
        "json": lambda: said["alert"]["text"] + said["to"] + said["edge"]["line"],
        "wecom": lambda: said["markdown"]["content"],
        "dingtalk": lambda: said["markdown"]["text"],
        "feishu": lambda: said["content"]["text"],
    }[kind]()
    assert ALERT.text in text and "班长" in text and "L3" in text
    assert ("Free space" in str(said)) == (what == "raised" or kind == "json")


def test_a_wecom_body_keeps_within_its_4096_bytes() -> None:
    long = Alert("a" * 100, "满" * 5000, "空" * 5000, NOW, None)
    body = Template(hook(kind="wecom"), EDGE).render(Notice(long, "raised", NOW), NOW, {})
    assert len(json.loads(body)["markdown"]["content"].encode()) <= 4096


def test_signatures_are_those_of_the_robots_pages() -> None:
    """DingTalk: HMAC-SHA256 over time and secret. Feishu: time and secret are the key of an empty message."""
    query = parse_qs(dingtalk_signed("SECx", NOW))
    expected = hmac.new(b"SECx", f"{NOW}\nSECx".encode(), hashlib.sha256).digest()
    assert query == {"timestamp": [str(NOW)], "sign": [base64.b64encode(expected).decode()]}
    signed = feishu_signed("s", NOW)
    expected = hmac.new(f"{NOW // 1000}\ns".encode(), b"", hashlib.sha256).digest()
    assert signed == {"timestamp": str(NOW // 1000), "sign": base64.b64encode(expected).decode()}
    body = Template(hook(kind="feishu"), EDGE).render(Notice(ALERT, "raised", NOW), NOW, signed)
    assert json.loads(body)["sign"] == signed["sign"]


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ('{"text": "{{ alert.text }}"}', "makes no JSON"),
        ('{"text": {{ alert.txet | tojson }}}', "no attribute 'txet'"),
        ('{"text": {{ alert.text | tojson }', "line 1"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
    ],
)
def test_a_template_that_would_fail_is_found_by_its_sample(tmp_path: Path, template: str, why: str) -> None:
    path = tmp_path / "own.j2"
    path.write_text(template)
    (problem,) = problems(hook(template_file=str(path)), EDGE)
    assert why in problem and str(path) in problem
    path.write_text('{"text": {{ alert.text | tojson }}}')
    assert list(problems(hook(template_file=str(path)), EDGE)) == []


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"url_file": "u"}, "one of url and url_file"),
        ({"url": None}, "one of url and url_file"),
        ({"url": "http://robot.example/send?key=s3cret"}, "url_file"),
        ({"secret_file": "s"}, "dingtalk"),
        ({"kind": "wecom", "token_file": "t"}, "json"),
    ],
)
def test_settings_that_do_not_fit_are_refused(given: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        hook(**given)
