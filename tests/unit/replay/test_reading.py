"""What people write is read as they mean it, and what cannot be is named by file and line."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.replay import expected
from edge.replay.folder import Situation, load
from edge.replay.lines import SituationFault
from edge.replay.script import Scanned
from tests.unit.replay.folders import situation


def times(loaded: Situation) -> list[str]:
    return [f"{datetime.fromtimestamp(one.at_ms / 1000, UTC):%d %H:%M:%S}" for one in loaded.script.entries]


def test_a_date_is_given_once_and_days_and_seconds_may_be_counted(tmp_path: Path) -> None:
    given = """
# a comment, and nothing else
2026-11-23 08:00     gun1 LSE1   # a comment behind
           08:00:05  gun1 LSE2
           +5s       gun1 LSE3
           +2min     gun1 LSE4
+1d        00:30     gun1 LSE5
2026-11-26
           07:00     gun1 LSE6
"""
    found = times(load(situation(tmp_path / "a", given)))
    assert found == [
        "23 07:00:00", "23 07:00:05", "23 07:00:10", "23 07:02:10", "23 23:30:00", "26 06:00:00",
    ]  # fmt: skip


def test_a_time_that_comes_twice_is_the_next_one_or_the_one_that_is_named(tmp_path: Path) -> None:
    given = """
2026-10-25 02:10        gun1 LSE1
           02:30        gun1 LSE2
           02:20        gun1 LSE3
           02:40+01:00  gun1 LSE4
"""
    found = times(load(situation(tmp_path / "a", given)))
    assert found == ["25 00:10:00", "25 00:30:00", "25 01:20:00", "25 01:40:00"]


def test_a_code_may_hold_what_nobody_can_type(tmp_path: Path) -> None:
    loaded = load(situation(tmp_path / "a", "2026-11-23 08:00 gun1 [)><RS>06<GS>PSTEEL-4<RS><EOT>"))
    what = loaded.script.entries[0].what
    assert isinstance(what, Scanned)
    assert what.text == "[)>\x1e06\x1dPSTEEL-4\x1e\x04"


def test_a_file_as_notepad_saves_it_is_read(tmp_path: Path) -> None:
    folder = situation(tmp_path / "a", "")
    (folder / "inputs.txt").write_bytes("2026-11-23 08:00  gun1  LSE1042\r\n".encode("utf-8-sig"))
    assert [one.text for one in load(folder).script.entries] == ["gun1  LSE1042"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("08:00 gun1 LSE1", "the first time needs its date"),
        ("gun1 LSE1", "begins with no time: write 08:00:05"),
        ("+5s gun1 LSE1", "counts from the line before, and there is none"),
        ("+1d 08:00 gun1 LSE1", "counts from a date"),
        ("2026-11-31 08:00 gun1 LSE1", "is no day"),
        ("2026-11-23 25:00 gun1 LSE1", "25:00 is no time of day"),
        ("2027-03-28 02:30 gun1 LSE1", "does not come on 2027-03-28: the clocks go forward"),
        ("2026-11-23 08:00", "a time alone says nothing"),
        ("2026-11-23 08:00 gun9 LSE1", "'gun9' is no scanner, station or command here. Known: gun1, OP20"),
        ("2026-11-23 08:00 gun1", "gun1 reads nothing: write the code behind it"),
        ("2026-11-23 08:00 OP20", "nothing is typed at OP20"),
        ("2026-11-23 08:00 press1 LSE1", "press1 is no scanner"),
        ("2026-11-23 08:00 press1.strokes = 5", "allowed: press1.cycles, press1.running"),
        ("2026-11-23 08:00 settle forget count OP20 by 2001", "not understood; allowed: settle accept"),
        ("2026-11-23 08:00 settle reassign count OP20 by 2001", "is no settlement"),
        ("2026-11-23 08:00 settle split count OP20 into 1 nobody, some by 2001", "'some' is no part"),
        ("2026-11-23 08:00 makeup OP40 1003/0030 at 9: 1 good by 2001", "9 is no time; allowed: 09:30"),
        ("2026-11-23 08:00 makeup OP40 1003/0030 at 07:00: many by 2001", "'many' is no item"),
        ("2026-11-23 08:00 press1.cycles = many", "many is no value; allowed: a number, on, off, bad"),
        ("2026-11-23 08:00 press1.cycles = NaN", "NaN is no value"),
        ("2026-11-23 08:00 press1.cycles -> 5", "a number must stand before it with ="),
        ("2026-11-23 08:00 start", "start: lineside runs already here"),
        ("2026-11-23 08:00 clock tomorrow", "not understood; allowed: clock +90s"),
        ("2026-11-23 08:00 masterdata none.json", "there is no such file in the folder"),
    ],
)
def test_an_input_that_cannot_be_read_is_named_by_file_and_line(tmp_path: Path, line: str, says: str) -> None:
    folder = situation(tmp_path / "a", f"\n{line}\n")
    with pytest.raises(SituationFault) as caught:
        load(folder)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{folder / 'inputs.txt'}, line 2: ")
    assert says in problem


def test_all_problems_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    given = """2026-11-23 08:00 gun1 LSE1
07:00 gun1 LSE2
08:00 kill
08:01 stop
08:02 nobody LSE3"""
    with pytest.raises(SituationFault) as caught:
        load(situation(tmp_path / "a", given))
    lines = [problem.partition("line ")[2][:2] for problem in caught.value.problems]
    assert lines == ["2:", "4:", "5:"]
    assert "lies before the line above; write +1d" in caught.value.problems[0]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("✓ signed on", "the first line needs a time with its date"),
        ("2026-11-23 08:00 yes signed on", "'yes' is no answer and no type of fact"),
        ("2026-11-23 08:00 work.begun", "types: work.started, work.paused"),
        ("2026-11-23 08:00 work.started phase", "a key is written key=value"),
        ("2026-11-23 08:00 work.started phase=run phase=setup", "phase stands there twice"),
        ('2026-11-23 08:00 work.started phase="run', "a quotation mark is not closed"),
        ("2026-11-23 08:00 work.corrected corrects=#nothing", "#nothing: no fact is named so"),
        ("ignore count.nothing", "count.nothing is no type of fact"),
    ],
)
def test_an_expectation_that_cannot_be_read_is_named_by_file_and_line(
    tmp_path: Path, line: str, says: str
) -> None:
    folder = situation(tmp_path / "a", "2026-11-23 08:00 gun1 LSE1", expected=f"# expected\n{line}")
    with pytest.raises(SituationFault) as caught:
        expected.load(folder / "expected.txt", load(folder).settings)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{folder / 'expected.txt'}, line 2: ")
    assert says in problem


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("2026-11-23 1/0010 P good 5", "six columns are needed"),
        ("2026-11-23 1/0010 P good five C62", "five is no number"),
    ],
)
def test_totals_that_cannot_be_read_are_named_by_file_and_line(tmp_path: Path, line: str, says: str) -> None:
    folder = situation(tmp_path / "a", "2026-11-23 08:00 gun1 LSE1", totals=line)
    with pytest.raises(SituationFault, match=f"line 1: {says}"):
        expected.load_totals(folder / "totals.txt", load(folder).settings)


def test_the_nearest_folder_above_gives_what_a_folder_lacks(tmp_path: Path) -> None:
    situation(tmp_path / "all", "2026-11-23 08:00 gun1 LSE1")
    own = tmp_path / "all" / "kind" / "one"
    own.mkdir(parents=True)
    (own / "inputs.txt").write_text("2026-11-23 08:00 gun1 LSE1")
    loaded = load(own)
    assert (loaded.settings.edge.id, loaded.title) == ("E1", "one")
    assert loaded.master.work_orders is not None
    (own / "masterdata.json").write_text("{}")
    assert load(own).master.work_orders is None


def test_what_is_missing_or_wrong_beside_the_inputs_is_said(tmp_path: Path) -> None:
    with pytest.raises(SituationFault, match=r"inputs\.txt is not there"):
        load(tmp_path)
    folder = situation(tmp_path / "a", "2026-11-23 08:00 gun1 LSE1")
    (folder / "lineside.toml").write_text("[edge]\nid = 'a b'")
    with pytest.raises(SituationFault, match=r"edge\.id"):
        load(folder)
    folder = situation(tmp_path / "a", "2026-11-23 08:00 gun1 LSE1")
    (folder / "masterdata.json").write_text('{"work_orders": 5}')
    with pytest.raises(SituationFault, match=r"masterdata\.json: the master data was not taken"):
        load(folder)
    (folder / "masterdata.json").unlink()
    (folder / "inputs.txt").write_bytes("2026-11-23 08:00 gun1 LSE批".encode("gb18030"))
    with pytest.raises(SituationFault, match="save it as UTF-8"):
        load(folder)
