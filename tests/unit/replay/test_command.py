"""`lineside replay`: what it shows, with which exit code, and that it leaves nothing behind."""

import json
from pathlib import Path

import structlog
from click.testing import Result
from typer.testing import CliRunner

from edge.cli.app import app
from edge.cli.common import err, out
from tests.unit.replay.folders import situation

INPUTS = """2026-11-23 08:00:00 gun1 LSE1042
08:00:05 gun1 LSW1
08:00:10 gun1 LSW2"""
EXPECTED = """2026-11-23 08:00:00 ✓ 1042 signed on
  operator.signed_on operator=1042
08:00:05 ✓ WO 1 started
  work.started work_order=1
08:00:10 ✕ WO 2 is unknown. ..."""
REPORTED = """2026-11-23 08:00:00 gun1 LSE1042
08:00:05 gun1 LSW1
08:00:10 gun1 LSCSCRAP04"""


def call(*arguments: object) -> Result:
    out.width = err.width = 200
    return CliRunner().invoke(app, ["replay", *(str(one) for one in arguments)])


def test_without_an_expectation_it_shows_what_comes(tmp_path: Path) -> None:
    folder = situation(tmp_path / "a", INPUTS)
    before = sorted(tmp_path.rglob("*"))
    result = call(folder)
    assert result.exit_code == 0
    for shown in (
        "2026-11-23",
        "08:00:05",
        "gun1 LSW1",
        "✓ WO 1 started",
        "work.started 1/0010",
        "✕ WO 2 is unknown",
    ):
        assert shown in result.stdout
    assert "nothing is expected" in result.stdout
    assert sorted(tmp_path.rglob("*")) == before


def test_what_the_counters_said_meanwhile_is_left_out_and_said_to_be(tmp_path: Path) -> None:
    folder = situation(tmp_path / "a", "2026-11-23 08:00 press1.cycles = 5\n08:00:05 gun1 LSE1042")
    result = call(folder)
    assert "counter=strokes" not in result.stdout
    assert "1 count.recorded are left out; --evidence shows them" in result.stdout
    assert "counter=strokes to=5" in call(folder, "--evidence").stdout


def test_an_expectation_that_is_met_is_code_0(tmp_path: Path) -> None:
    result = call(situation(tmp_path / "a", INPUTS, expected=EXPECTED, totals="# nothing"), "--brief")
    assert (result.exit_code, "gives what is expected" in result.stdout) == (0, True)
    assert "LSE1042" not in result.stdout


def test_a_difference_is_code_1_and_stands_beside_what_was_expected(tmp_path: Path) -> None:
    wrong = EXPECTED.replace("work_order=1", "work_order=7")
    result = call(situation(tmp_path / "a", INPUTS, expected=wrong))
    assert result.exit_code == 1
    assert "work.started work_order=7" in result.stdout
    assert "work_order is 1, not 7" in result.stdout
    assert "differs from what is expected in 1 place" in result.stdout


def test_totals_alone_are_compared_too(tmp_path: Path) -> None:
    right = "2026-11-23 1/0010 P scrap 1 C62"
    assert call(situation(tmp_path / "a", REPORTED, totals=right)).exit_code == 0
    result = call(situation(tmp_path / "b", REPORTED, totals=right.replace(" 1 C62", " 2 C62")))
    assert (result.exit_code, "-1 off" in result.stdout) == (1, True)


def test_what_cannot_be_read_is_code_2_and_the_other_folders_are_played(tmp_path: Path) -> None:
    wrong = situation(tmp_path / "wrong", "2026-11-23 08:00 nobody LSE1")
    right = situation(tmp_path / "right", INPUTS, expected=EXPECTED)
    result = call(wrong, right, tmp_path / "none", "--brief")
    assert result.exit_code == 2
    assert "inputs.txt, line 1: 'nobody' is no scanner" in result.stderr
    assert "none/inputs.txt is not there" in result.stderr.replace("\n", "")
    assert "right: ✓ gives what is expected" in result.stdout


def test_json_holds_events_answers_totals_and_differences(tmp_path: Path) -> None:
    folder = situation(tmp_path / "a", REPORTED, expected=EXPECTED, totals="2026-11-23 1/0010 P scrap 2 C62")
    result = call(folder, "--json")
    assert result.exit_code == 1
    (said,) = json.loads(result.stdout)
    assert said["met"] is False
    assert [one["type"] for one in said["events"]] == [
        "lineside.operator.signed_on.v1", "lineside.work.started.v1", "lineside.work.reported.v1",
    ]  # fmt: skip
    assert [one["result"] for one in said["answers"]] == ["recorded", "recorded", "recorded"]
    assert said["totals"] == [
        {"date": "2026-11-23", "job": "1/0010", "what": "P", "kind": "scrap", "unit": "C62", "quantity": "1"}
    ]
    assert said["differences"][-1]["why"] == "-1 off"


def test_the_log_is_as_it_was_afterwards(tmp_path: Path) -> None:
    before = structlog.get_config()
    result = call(situation(tmp_path / "a", "2026-11-23 08:00 press1 lost\n08:01 press1 back"))
    assert "device is lost" not in result.output
    assert structlog.get_config() == before
