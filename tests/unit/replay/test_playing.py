"""A replay goes the collector's way: its polls, boundaries, commits, restarts and clock."""

from pathlib import Path

import pytest

from edge import events as e
from edge.events import Event
from edge.replay import play
from edge.replay.folder import load
from edge.replay.lines import SituationFault
from edge.replay.totals import totals
from edge.replay.verdict import Replayed, replayed
from edge.replay.view import Answered, rows
from edge.station.evolve import fold
from edge.station.state import Line
from tests.unit.replay.folders import situation


def answers(found: Replayed) -> list[tuple[str, str]]:
    return [(row.result, row.message) for row in rows(found.played) if isinstance(row, Answered)]


def test_a_boundary_scan_reads_the_counter_at_its_own_moment(tmp_path: Path) -> None:
    """21 strokes at 08:00:10.5, two of them before the order; the last poll saw 20."""
    given = """2026-11-23 08:00:00 press1.cycles = 0
08:00:00 gun1 LSE1
08:00:01 gun1 LSW1
08:00:10.5 gun1 LSCDONE
08:00:20 press1.cycles -> 40"""
    found = replayed(situation(tmp_path / "a", given))
    assert answers(found)[-1] == ("pending", "Good 19 = 0 + 19 new")


def test_a_counter_that_climbs_is_counted_whole_whatever_the_moments(tmp_path: Path) -> None:
    given = """2026-11-23 08:00:00 press1.cycles = 7
08:00:00.3 gun1 LSE1
08:00:00.3 gun1 LSW1
08:01:13.7 press1.cycles -> 93
08:01:13.7 gun1 LSCDONE"""
    found = replayed(situation(tmp_path / "a", given))
    assert answers(found)[-1] == ("pending", "Good 86 = 0 + 86 new")


def test_nothing_is_heard_while_lineside_is_down_and_the_order_is_open_after_it(tmp_path: Path) -> None:
    given = """2026-11-23 08:00:00 gun1 LSE1
08:00:01 gun1 LSW1
08:00:10 kill
08:00:20 gun1 LSCDONE
08:00:30 start
08:00:40 gun1 LSW1"""
    found = replayed(situation(tmp_path / "a", given))
    assert [result for result, _ in answers(found)] == ["recorded", "recorded", "info", "refused"]


def test_a_tag_without_good_quality_is_no_value(tmp_path: Path) -> None:
    given = """2026-11-23 08:00:00 press1.cycles = 5
08:00:00 gun1 LSE1
08:00:01 gun1 LSW1
08:00:05 press1.cycles = bad
08:00:06 gun1 LSCPAUSE1
08:00:09 press1.cycles = 7
08:00:10 end"""
    found = replayed(situation(tmp_path / "a", given))
    silent = [one.data for one in found.played.events if getattr(one.data, "incomplete", False)]
    assert [(one.counter, one.to) for one in silent if isinstance(one, e.CountRecorded)] == [("strokes", 5)]


def test_a_replay_whose_facts_do_not_explain_the_state_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(line: Line, event: Event) -> Line:
        return line if isinstance(event.data, e.WorkStarted) else fold(line, event)

    given = "2026-11-23 08:00:00 gun1 LSE1\n08:00:01 gun1 LSW1"
    folder = situation(tmp_path / "a", given)
    assert replayed(folder).met is None
    monkeypatch.setattr(play, "fold", forgetful)
    with pytest.raises(play.Unfaithful, match="is not the collector's"):
        replayed(folder)


def test_two_replays_of_a_folder_give_the_same(tmp_path: Path) -> None:
    given = """2026-11-23 08:00:00 press1.cycles = 5
08:00:00 press1.running = on
08:00:00 gun1 LSE1
08:00:01 gun1 LSW1
08:05:00 restart
08:10:00 press1.cycles -> 205
08:10:01 gun1 LSCDONE
08:10:02 gun1 LSCOK"""
    first, second = (replayed(situation(tmp_path / "a", given)) for _ in range(2))
    assert [(one.time, one.type, one.data) for one in first.played.events] == [
        (one.time, one.type, one.data) for one in second.played.events
    ]
    assert first.sums == second.sums


def test_alerts_are_compared_where_a_situation_names_one(tmp_path: Path) -> None:
    """Nobody is signed on from 08:00:05; a quarter of an hour later that is an alert."""
    given = """2026-11-23 08:00:00 gun1 LSE1
08:00:01 gun1 LSW1
08:00:04 gun1 LSCOUT
08:00:05 gun1 LSE1
08:20:00 gun1 LSE1
08:20:01 end"""
    others = "ignore * recorded pending\n"
    wanted = (
        others
        + """2026-11-23 08:15:05 alert raised station.OP20.no_operator.1/0010
08:20:00 alert cleared station.OP20.no_operator.1/0010"""
    )
    late = wanted.replace("08:15:05", "08:15:06")
    half, all_but = wanted.rsplit("\n", 1)[0], others
    for expected, whys in (
        (wanted, []),
        (late, ["came 1 s earlier"]),
        (half, ["was not expected"]),
        (all_but, []),
    ):
        found = replayed(situation(tmp_path / "a", given, expected=expected))
        assert [one.why for one in found.differences or ()] == whys


def test_an_alert_that_is_not_written_so_is_refused(tmp_path: Path) -> None:
    folder = situation(
        tmp_path / "a", "2026-11-23 08:00:00 gun1 LSE1", expected="2026-11-23 08:00:00 alert rose x"
    )
    with pytest.raises(SituationFault, match="alert raised <key>"):
        replayed(folder)


def test_longer_steps_come_to_the_same_totals(tmp_path: Path) -> None:
    given = """2026-11-23 08:00:01 press1.cycles = 7
08:00:10 gun1 LSE1
08:00:11 gun1 LSW1
08:30:11 press1.cycles -> 1003
08:30:12 gun1 LSCDONE
08:30:14 gun1 LSCOK"""
    one = load(situation(tmp_path / "a", given))
    by_second, by_minute = one.play(), one.play(60_000)
    assert totals(by_second.events) == totals(by_minute.events)
    assert len(by_minute.events) < len(by_second.events)
