"""Alerts of journals that were set aside: none is lost, none stands for ever."""

from pathlib import Path
from typing import Any

import pytest

from edge import bygone, epochs
from edge.alerts import Alert, Alerts
from edge.backup import back_up, put_back
from edge.journal import Journal
from edge.lock import Left, Lock
from edge.upkeep import Upkeep
from sync.status import load_alerts_since
from tests.unit.test_opening import CLOCK, made, page_of, put, spoil, start

DAY_S = 86_400
PRESS = "device.press1"


@pytest.fixture(autouse=True)
def _own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests go on with the clock as they know it."""
    monkeypatch.setattr(CLOCK, "moment", CLOCK.moment)


async def raised(folder: Path, *keys: str) -> str:
    """A journal that was stopped while these alerts stood; its epoch."""
    journal, _ = await start(folder)
    async with journal:
        await put(journal, journal.head + 1, journal.head + 3)
        alerts = Alerts(journal, CLOCK)
        await alerts.load()
        for key in keys:
            await alerts.stand(key, f"{key} does not answer", "Check it")
        return journal.epoch


async def loaded(journal: Journal) -> Alerts:
    alerts = Alerts(journal, CLOCK)
    await alerts.load()
    return alerts


async def keys(folder: Path, **ground: Any) -> set[str]:
    """What stands once the next journal has begun."""
    journal, notice = await start(folder, **ground)
    async with journal:
        assert notice is not None
        return set((await loaded(journal)).standing)


async def test_an_alert_of_a_journal_set_aside_is_cleared_as_the_one_that_was_raised(tmp_path: Path) -> None:
    await raised(tmp_path, PRESS)
    raised_ms = CLOCK.now().wall_ms
    CLOCK.advance(60)
    journal, _ = await start(tmp_path, edge_id="L3-IPC2")
    async with journal:
        alerts = await loaded(journal)
        await alerts.clear(PRESS)
    (alert,) = load_alerts_since(tmp_path / "journal.db", 0)
    assert (alert.key, alert.raised_ms, alert.cleared_ms) == (PRESS, raised_ms, raised_ms + 60_000)


async def test_an_alert_of_a_damaged_journal_goes_on(tmp_path: Path) -> None:
    epoch, ids = await made(tmp_path)
    await raised(tmp_path, PRESS)
    path = tmp_path / "journal.db"
    spoil(path, page_of(path, ids[58 - 2]) - 20)
    with Lock(path) as lock:
        lock.note(Left(epoch, suspect="seq 58 does not follow"))
    assert PRESS in await keys(tmp_path)


@pytest.mark.parametrize("between", [False, True], ids=["of the same journal", "of the one before"])
async def test_what_stood_when_an_older_copy_was_put_back_goes_on(tmp_path: Path, between: bool) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    await raised(folder, "device.gun1")
    journal, backup = folder / "journal.db", tmp_path / "backup"
    back_up(journal, folder / "sync.db", backup)
    ground = {"edge_id": "L3-IPC2"} if between else {}
    if between:
        await keys(folder, **ground)
    opened, _ = await start(folder, **ground)
    async with opened:
        await put(opened, opened.head + 1, opened.head + 3)
        alerts = await loaded(opened)
        await alerts.stand(PRESS, "press1 does not answer", "Check it")
        await alerts.clear("device.gun1")
    with Lock(journal) as lock:
        put_back(backup, journal, folder / "sync.db", lock)
    assert await keys(folder, **ground) == {PRESS}


async def test_numbers_of_another_journal_are_named_as_such(tmp_path: Path) -> None:
    epoch = await raised(tmp_path, "clock.undated.2-3")
    for edge_id in ("L3-IPC2", "L3-IPC3"):
        journal, _ = await start(tmp_path, edge_id=edge_id)
        async with journal:
            (alert,) = (await loaded(journal)).standing.values()
    assert alert.text == f"clock.undated.2-3 does not answer, journal {epoch}"


async def test_a_journal_begun_anew_is_an_alert_until_the_one_before_is_delivered(tmp_path: Path) -> None:
    before = await raised(tmp_path)
    journal, notice = await start(tmp_path, edge_id="L3-IPC2")
    async with journal:
        assert notice is not None
        alerts = await loaded(journal)
        await alerts.stand(notice.key, notice.text, notice.hint)
        done: dict[str, int] = {before: 2}
        keeper = Upkeep(journal, CLOCK, 90, alerts, lambda: 0, lambda found: done)
        await keeper.forget()
        assert list(alerts.standing) == [notice.key]
        done[before] = 4
        await keeper.forget()
        assert list(alerts.standing) == []


@pytest.mark.parametrize(
    "key",
    [
        bygone.begun("e" * 16, lost=True, damaged=True),
        bygone.begun("e" * 16, lost=False, damaged=True),
        "clock.undated.2-3",
    ],
)
async def test_what_was_lost_or_has_no_date_is_an_alert_as_long_as_its_evidence_is_kept(
    tmp_path: Path, key: str
) -> None:
    before = await raised(tmp_path, key)
    journal, _ = await start(tmp_path, edge_id="L3-IPC2")
    async with journal:
        alerts = await loaded(journal)
        keeper = Upkeep(journal, CLOCK, 90, alerts, lambda: 0, lambda found: {before: 4})
        await keeper.forget()
        assert list(alerts.standing) == [key]
        CLOCK.advance(90 * DAY_S + 1)
        await keeper.forget()
        assert list(alerts.standing) == []


@pytest.mark.parametrize(
    ("key", "ends"),
    [
        (f"journal.{'a' * 16}.lost", True),
        (f"journal.{'b' * 16}.damaged", True),
        (f"clock.doubted.{'b' * 16}.40-52", True),
        (f"clock.undated.before.{'a' * 16}.40-52", True),
        (f"clock.doubted.{'a' * 16}.40-52", False),  # of facts that may be older than their alert
        (f"clock.ahead.{'a' * 16}.52", False),
        (PRESS, False),
    ],
)
def test_without_a_time_server_what_was_before_this_journal_is_over_when_the_edge_ran_long_enough(
    key: str, ends: bool
) -> None:
    old = epochs.Epoch("b" * 16, Path(f"journal-{'b' * 16}.db"), 1, 60, "", "")
    new = epochs.Epoch("a" * 16, Path("journal.db"), 2, 90, "", "")
    alert = Alert(key, "", "", 5, None)
    assert bygone.over(alert, [old, new], {"b" * 16: 60}, 0, ran=True) == ends
    assert not bygone.over(alert, [old, new], {"b" * 16: 60}, 0, ran=False)
    assert not bygone.over(alert, [old, new], {"b" * 16: 59}, 0, ran=True)


def test_an_alert_with_a_cause_of_its_own_is_not_taken_for_past() -> None:
    kept = [epochs.Epoch("a" * 16, Path("journal.db"), 1, 9, "", "")]
    assert not bygone.over(Alert(PRESS, "", "", 0, None), kept, {}, 10**15)
