"""What a webhook has yet to hear. Pure.

An alert is named by its key and when it was raised. It is told once it has stood for `after_min`, and that it
is over, to whom it was told; so a webhook with a longer `after_min` is the next level of escalation.
"""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from edge.alerts import Alert
from edge.settings import Webhook

What = Literal["raised", "cleared"]
Taken = tuple[str, int, str]  # key, raised_ms, what


@dataclass(frozen=True)
class Notice:
    """One thing to tell."""

    alert: Alert
    what: What
    due_ms: int

    @property
    def name(self) -> Taken:
        return self.alert.key, self.alert.raised_ms, self.what


def failing_key(webhook: str) -> str:
    """The key of the alert that a webhook cannot be reached."""
    return f"webhook.{webhook}.failing"


def due(
    webhook: Webhook, alerts: Iterable[Alert], taken: Set[Taken], since_ms: int, now_ms: int
) -> list[Notice]:
    """What to tell now, the earliest first. What was over before `since_ms` is none of its business."""
    found = [
        notice
        for alert in alerts
        if _concerns(webhook, alert) and (alert.cleared_ms is None or alert.cleared_ms >= since_ms)
        for notice in _notices(webhook, alert)
        if notice.name not in taken and notice.due_ms <= now_ms
    ]
    return sorted(found, key=lambda notice: notice.due_ms)


def _concerns(webhook: Webhook, alert: Alert) -> bool:
    own = alert.key == failing_key(webhook.name)  # who cannot be reached cannot be told so
    return not own and any(fnmatchcase(alert.key, pattern) for pattern in webhook.alerts)


def _notices(webhook: Webhook, alert: Alert) -> Iterator[Notice]:
    told_ms = alert.raised_ms + webhook.after_min * 60_000
    if alert.cleared_ms is not None and alert.cleared_ms < told_ms:
        return
    yield Notice(alert, "raised", told_ms)
    if webhook.cleared and alert.cleared_ms is not None:
        yield Notice(alert, "cleared", alert.cleared_ms)
