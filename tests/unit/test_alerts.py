"""Alerts of collect: they outlive the process, and a full disk."""

from pathlib import Path

from edge.alerts import Alerts
from sync.status import load_alerts
from tests.unit.test_journal import CLOCK, opened


async def test_an_alert_is_raised_once_and_stands_over_a_restart(tmp_path: Path) -> None:
    async with await opened(tmp_path) as journal:
        alerts = Alerts(journal, CLOCK)
        await alerts.stand("disk", "The disk is 81 % full", "Free space")
        await alerts.stand("disk", "The disk is 82 % full", "Free space")
    async with await opened(tmp_path) as journal:
        alerts = Alerts(journal, CLOCK)
        await alerts.load()
        assert [alert.text for alert in alerts.standing.values()] == ["The disk is 81 % full"]
        await alerts.clear("disk")
        await alerts.clear("disk")
    (alert,) = load_alerts(tmp_path / "journal.db")
    assert (alert.key, alert.cleared_ms) == ("disk", CLOCK.now().wall_ms)


async def test_what_a_full_disk_did_not_take_stands_and_is_written_later(tmp_path: Path) -> None:
    async with await opened(tmp_path) as journal:
        alerts = Alerts(journal, CLOCK)
        ((pages,),) = await journal._connection.execute_fetchall("PRAGMA page_count")
        await journal._connection.execute(f"PRAGMA max_page_count = {pages}")
        long = "x" * 8000
        await alerts.stand("disk", long, "Free space")
        await alerts.stand("gone", long, "It passes")
        await alerts.clear("gone")
        assert list(alerts.standing) == ["disk"] and load_alerts(journal.path) == ()
        await journal._connection.execute("PRAGMA max_page_count = 100000")
        await alerts.stand("late", "another", "Nothing to do")
        assert [alert.key for alert in load_alerts(journal.path)] == ["late", "disk", "gone"]
