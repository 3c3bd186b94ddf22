"""What sync counts and measures for Prometheus. No order, badge or lot in a label.

A registry of its own: with `lineside run` the collector's metrics live in the same process.
"""

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from edge import __version__
from edge.alerts import Alert
from edge.readings import Moment
from sync.certificates.record import Standing
from sync.status import Outbox, UplinkStatus

STATES = ("shipping", "idle", "backoff", "paused", "halted")


class Metrics:
    """Counters that agents move, gauges that a scrape fills."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        build = self._gauge("build_info", "Version of lineside", "version")
        build.labels(__version__).set(1)
        self._settled = Counter(
            "lineside_events_settled",
            "Events settled at a receiver; held ones, not sent, wait behind a rejected one or a fork",
            ("uplink", "outcome"),
            registry=self._registry,
        )
        self._troubles = Counter(
            "lineside_uplink_troubles",
            "Calls or looks that ended in a wait",
            ("uplink", "state"),
            registry=self._registry,
        )
        self._masterdata = self._gauge(
            "masterdata_last_success_timestamp_seconds", "Last fetch or 304 of master data", "uplink"
        )
        self._events = self._gauge("outbox_events", "Events that the receiver has not settled", "uplink")
        self._age = self._gauge("outbox_oldest_age_seconds", "Age of the oldest of them, else 0", "uplink")
        self._state = self._gauge("uplink_state", "1 for the state the uplink is in", "uplink", "state")
        self._success = self._gauge(
            "uplink_last_success_timestamp_seconds", "When the receiver last settled something", "uplink"
        )
        self._quarantine = self._gauge(
            "quarantine_events", "Events in quarantine that are not settled", "uplink", "state"
        )
        self._unproven = self._gauge(
            "reconciliation_unproven_ranges", "Ranges whose latest certificate does not match", "uplink"
        )
        self._compared = self._gauge(
            "reconciliation_last_timestamp_seconds", "When the receiver was compared last", "uplink"
        )
        self._alerts = self._gauge("alerts", "Alerts of sync that stand")

    def settled(self, uplink: str, counts: Mapping[str, int]) -> None:
        """Count what became of a batch."""
        for outcome, count in counts.items():
            self._settled.labels(uplink, outcome).inc(count)

    def troubled(self, uplink: str, state: str) -> None:
        """Count a call that settled nothing."""
        self._troubles.labels(uplink, state).inc()

    def masterdata_fetched(self, uplink: str, at_ms: int) -> None:
        """Note that master data is as new as the receiver's."""
        self._masterdata.labels(uplink).set(at_ms / 1000)

    def scrape(
        self,
        uplinks: Sequence[UplinkStatus],
        alerts: Sequence[Alert],
        outboxes: Mapping[str, Outbox],
        proven: Mapping[str, Standing],
        now: Moment,
    ) -> bytes:
        """The exposition text."""
        self._alerts.set(sum(alert.cleared_ms is None for alert in alerts))
        for one in uplinks:
            outbox = outboxes.get(one.uplink, Outbox(0))
            self._events.labels(one.uplink).set(outbox.events)
            self._age.labels(one.uplink).set(outbox.age_ms(now) / 1000)
            for state in STATES:
                self._state.labels(one.uplink, state).set(state == one.state)
            for state in ("waiting", "held", "retrying"):
                self._quarantine.labels(one.uplink, state).set(getattr(one, state))
            if one.last_success_ms is not None:
                self._success.labels(one.uplink).set(one.last_success_ms / 1000)
        for name, standing in proven.items():
            self._unproven.labels(name).set(standing.unproven)
            self._compared.labels(name).set(standing.at_ms / 1000)
        return generate_latest(self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"lineside_{name}", text, labels, registry=self._registry)
