"""Situations in which figures once went wrong: each with the figures that are right, reckoned by hand."""

import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from edge import events as e
from edge.masterdata import MasterData, parse
from edge.readings import Quality, Reading, Scan
from edge.station.step import Observed
from tests.unit.station.floor import MASTER, Floor
from tests.unit.station.test_scans import working


def outputs(floor: Floor) -> list[tuple[str, str | None, Decimal]]:
    """(disposition, cause, quantity) of every report that stands."""
    cancelled = {fact.corrects for fact in floor.facts(e.WorkCorrected) if isinstance(fact, e.WorkCorrected)}
    return [
        (one.disposition, one.cause, one.quantity)
        for event in floor.events
        if isinstance(event.data, e.WorkReported) and event.id not in cancelled
        for one in event.data.outputs
    ]


def unattributed(floor: Floor) -> list[Decimal | None]:
    counts = floor.facts(e.CountUnattributed)
    return [fact.delta for fact in counts if isinstance(fact, e.CountUnattributed)]


@pytest.mark.parametrize("value", [1e25, 1e26, 3.4e38, -1e30])
def test_an_absurd_value_counts_nothing_and_ends_nothing(value: float) -> None:
    floor = working()
    floor.wait(1).read(cycles=500, running=True, energy=value)
    floor.wait(1).read(cycles=value, running=value, energy=10.0)
    floor.wait(1).read(cycles=501, running=True, energy=10.0)
    assert floor.scan("LSCDONE").message.en == "Good 1 = 0 + 1 new"


def test_repeats_are_told_by_the_time_of_the_scan_not_of_its_turn() -> None:
    floor = working()
    first, second = floor.now, replace(floor.now, monotonic_ms=floor.now.monotonic_ms + 300)
    floor.wait(5)
    floor.put(Scan("gun1", "LSCSCRAP04", first), "OP20")
    floor.wait(3)  # a slow commit: the same trigger pull is worked off later
    done = floor.put(Scan("gun1", "LSCSCRAP04", second), "OP20")
    assert done.answer is not None and done.answer.result == "repeated"
    later = replace(first, monotonic_ms=first.monotonic_ms + 5000)
    done = floor.put(Scan("gun1", "LSCSCRAP04", later), "OP20")
    assert done.answer is not None and done.answer.result == "recorded"
    assert floor.job.scrap == 2


def test_undo_after_a_change_of_phase_does_not_take_the_job_away() -> None:
    floor = Floor(counters={}, signals={})
    floor.scan("LSE1042", "LSW100", "LSL A1", "LSQ2", "LSCSETUP")
    assert floor.scan("LSCUNDO").message.en == "Undo lot A1, 2 kg?"
    floor.scan("LSCOK")
    assert floor.job.key == ("100", "0020")


def test_strokes_not_yet_recorded_keep_a_start_from_being_undone() -> None:
    floor = working()
    floor.wait(3).read(cycles=503)
    assert "already counted" in floor.scan("LSCUNDO").message.en


def test_scrap_in_set_up_is_set_ups_and_takes_nothing_off_good_output() -> None:
    floor = working()
    floor.scan("LSCSETUP")
    floor.wait(5).read(cycles=505)
    floor.scan("LSCSCRAP04", "LSCGO", "LSCOK")
    floor.wait(10).read(cycles=515)
    assert floor.scan("LSCDONE").message.en == "Good 10 = 0 + 10 new"
    floor.scan("LSCOK")
    assert outputs(floor) == [("scrap", "setup", 1), ("scrap", "setup", 4), ("good", None, 10)]


def test_strokes_after_the_set_up_figure_wait_unattributed() -> None:
    floor = working()
    floor.scan("LSCSETUP")
    floor.wait(3).read(cycles=503)
    assert floor.scan("LSCGO").message.en == "3 pieces counted in set-up"
    floor.wait(2).read(cycles=505)
    floor.scan("LSCOK")
    assert outputs(floor) == [("scrap", "setup", 3)]
    assert unattributed(floor) == [2]
    assert floor.job.counted.get("good", 0) == 0


@pytest.mark.parametrize("how", ["silence", "jump"])
def test_strokes_after_the_figure_shown_are_nobodys_however_they_come_to_light(how: str) -> None:
    floor = working()
    floor.wait(5).read(cycles=505)
    if how == "silence":
        floor.read(good=False)
        floor.scan("LSCDONE")
        floor.wait(3).read(cycles=508)
        floor.scan("LSCOK")
    else:
        floor.scan("LSCDONE")
        floor.wait(3).read(cycles=508)
        floor.wait(1).read(cycles=99_999)
        floor.scan("LSCOK")
    assert outputs(floor) == [("good", None, 5)]
    assert unattributed(floor)[0] == 3


def test_a_silence_over_two_order_changes_gives_its_strokes_to_nobody() -> None:
    floor = working()
    floor.wait(1).read(good=False)
    floor.scan("LSW200", "LSQ0", "LSCOK")
    floor.wait(20)
    floor.scan("LSW100", "LSQ0", "LSCOK")
    floor.wait(1).read(cycles=515, energy=10.5)
    assert floor.job.key == ("100", "0020")
    assert floor.job.counted.get("good", 0) == 0
    assert unattributed(floor) == [15]
    assert not floor.job.energy_kwh


def test_a_silence_over_a_change_of_phase_gives_its_strokes_to_nobody() -> None:
    floor = working()
    floor.wait(1).read(good=False)
    floor.scan("LSCSETUP", "LSCGO")
    floor.wait(1).read(cycles=505)
    assert unattributed(floor) == [5]


@pytest.mark.parametrize(
    "scans", [("LSCDONE", "LSQ10 KGM"), ("LSCSCRAP04", "LSQ3 KGM"), ("LSCPART", "LSQ2 CEN")]
)
def test_output_in_a_unit_that_is_not_the_jobs_is_refused(scans: tuple[str, ...]) -> None:
    floor = working()
    answer = floor.scan(*scans)
    assert answer.result == "refused"
    assert "is not measured in" in answer.message.en


def test_machine_time_is_not_counted_twice_when_readings_wait_behind_a_slow_commit() -> None:
    floor = working()
    began = floor.now
    floor.wait(10)
    floor.scan("LSCPAUSE21", "LSCGO")
    for second in range(1, 11):
        moment = replace(began, monotonic_ms=began.monotonic_ms + second * 1000)
        floor.put(Observed([Reading("press1", "running", True, Quality.good, moment)]), "OP20")
    floor.read(running=True)
    floor.scan("LSCPART", "LSCOK")
    (report,) = floor.facts(e.WorkReported)
    assert isinstance(report, e.WorkReported) and report.resources is not None
    # 11 s before the pause, 1 s in it, 2 s after it
    assert report.resources.machine_s == Decimal("13.000")


def test_what_a_silent_machine_did_is_unknown_and_not_nought() -> None:
    floor = working()
    floor.wait(20).read(cycles=520, running=True, energy=10.2)
    floor.scan("LSCPART", "LSCOK")
    floor.wait(1).read(good=False)
    floor.wait(3600)
    floor.scan("LSCDONE", "LSQ21", "LSCOK")
    (done,) = floor.facts(e.WorkCompleted)
    assert isinstance(done, e.WorkCompleted) and done.resources is not None
    assert (done.resources.machine_s, done.resources.energy_kwh) == (None, None)
    assert done.resources.basis == {"labour": "measured"}


def test_an_idle_machine_that_answers_ran_for_a_measured_nought() -> None:
    floor = Floor()
    floor.read(cycles=500, running=False, energy=10.0)
    floor.scan("LSE1042", "LSW100")
    floor.wait(20).read(cycles=500, running=False, energy=10.0)
    floor.scan("LSCPART", "LSQ0", "LSCOK")
    (report,) = floor.facts(e.WorkReported)
    assert isinstance(report, e.WorkReported) and report.resources is not None
    assert (report.resources.machine_s, report.resources.energy_kwh) == (0, 0)
    assert isinstance(report.resources.basis, dict)
    assert report.resources.basis["machine_s"] == "measured"


def test_40_s_down_count_as_running_though_the_last_record_is_older() -> None:
    floor = working()
    floor.wait(25).read(cycles=525, running=True)
    floor.restart()
    floor.wait(40).read(cycles=565, running=True)
    floor.scan("LSCPART", "LSCOK")
    (report,) = floor.facts(e.WorkReported)
    assert isinstance(report, e.WorkReported) and report.resources is not None
    assert report.resources.machine_s == Decimal("67.000")


@pytest.mark.parametrize("scan", ["LSCSCRAP04", "LSL A1", "LSCDONE", "LSCPAUSE21", "LSQ3", "LSCUNDO"])
def test_nothing_is_recorded_while_nobody_is_signed_on(scan: str) -> None:
    floor = working()
    floor.scan("LSCOUT", "LSE1042")
    before = len(floor.events)
    answer = floor.scan(scan)
    assert (answer.result, len(floor.events)) == ("refused", before)
    assert "Scan your badge first" in answer.message.en


def test_a_sign_off_that_waits_ends_with_another_scan() -> None:
    floor = working()
    floor.scan("LSE1043", "LSCOUT")
    assert "the sign-off was not recorded" in floor.scan("LSCSCRAP04").message.en
    floor.scan("LSE1043")
    assert floor.station.crew == ("1042", "1043")


def without(*orders: str) -> MasterData:
    rows: list[Any] = [one for one in MASTER["work_orders"] if one["work_order"] not in orders]  # type: ignore[index]
    return MasterData(parse(msgspec.json.encode({**MASTER, "work_orders": rows})), "etag-2")


def test_an_order_that_the_erp_took_away_can_still_be_closed_here() -> None:
    floor = working()
    floor.wait(5).read(cycles=505)
    floor.scan("LSW200", "LSCOK")
    floor.master = without("100")
    floor.scan("LSCDONE", "LSCOK")
    assert floor.scan("LSW100").message.en == "WO 100 selected"
    assert "no longer in the ERP's data" in floor.scan("LSL A1").message.en
    assert floor.scan("LSCDONE", "LSCOK").result == "recorded"


def test_a_switch_to_an_order_that_is_gone_meanwhile_is_refused() -> None:
    floor = working()
    floor.scan("LSW200")
    floor.master = without("200")
    answer = floor.scan("LSCOK")
    assert answer.result == "refused"
    assert floor.job.key == ("100", "0020")


def test_after_an_undo_the_report_covers_its_whole_interval_again() -> None:
    floor = working()
    floor.scan("LSCPART", "LSCOK")
    floor.wait(60)
    floor.scan("LSCUNDO", "LSCOK", "LSCPART", "LSCOK")
    first, second = (f for f in floor.facts(e.WorkReported) if isinstance(f, e.WorkReported))
    assert first.interval is not None and second.interval is not None
    assert second.interval.from_ == first.interval.from_


def test_selecting_an_open_order_does_not_end_its_pause() -> None:
    floor = Floor(counters={}, signals={}, concurrent=True)
    floor.scan("LSE1042", "LSW100", "LSCPAUSE21", "LSW200")
    assert floor.scan("LSW100").message.en == "WO 100 selected"
    assert floor.job.paused == "21"
    assert "Already paused" in floor.scan("LSCSETUP").message.en


def test_a_double_trigger_is_no_confirmation_of_a_doubtful_figure() -> None:
    floor = working()
    floor.wait(10).read(cycles=510)
    floor.scan("LSCDONE", "LSQ100")
    done = floor.put(Scan("gun1", "LSQ100", floor.now), "OP20")
    assert done.answer is not None and done.answer.result == "repeated"
    floor.scan("LSCOK")
    assert outputs(floor) == [("good", None, 10)]


def test_a_quantity_that_rounds_to_nothing_is_refused() -> None:
    floor = working()
    floor.scan("LSL A1")
    assert "above 0" in floor.scan("LSQ0D000001 LBR").message.en


def test_only_who_made_a_fact_may_undo_it() -> None:
    floor = working()
    floor.scan("LSL A1", "LSQ2", "LSE1043")
    assert "The last fact here is 1042's" in floor.scan("LSCUNDO").message.en
    floor.scan("LSE1042")
    assert floor.scan("LSCUNDO").result == "pending"


def test_ok_while_a_lot_waits_says_what_is_missing() -> None:
    floor = working()
    floor.scan("LSL A1")
    assert "Lot A1 waits for its quantity" in floor.scan("LSCOK").message.en
    assert floor.scan("LSQ2").result == "recorded"


@pytest.mark.parametrize(
    "scans", [("LSW400",), ("LSW100", "LSL BLOCKED"), ("LSW100", "LSCSCRAP04", "LSCUNDO")]
)
def test_a_chinese_sentence_holds_no_english_word(scans: tuple[str, ...]) -> None:
    floor = Floor()
    floor.read(cycles=1)
    answer = floor.scan("LSE1042", *scans)
    assert not re.search(r"[a-z]{3,}", answer.message.zh), answer.message.zh


def test_a_boundary_before_the_first_reading_after_a_restart_does_not_shorten_the_time_for_a_rollover() -> (
    None
):
    floor = Floor()
    floor.read(cycles=2**32 - 5)
    floor.scan("LSE1042", "LSW100")
    floor.wait(8)
    floor.restart()
    floor.scan("LSCPAUSE21")
    floor.read(cycles=0)
    floor.scan("LSCGO", "LSCDONE")
    assert floor.job.counted == {"good": Decimal(5)}


def test_an_answer_that_waited_for_a_busy_machine_makes_the_next_move_no_less_plausible() -> None:
    floor = working()
    floor.wait(10).read(cycles=505, running=True)
    asked = floor.now
    floor.wait(10)
    late = Reading("press1", "cycles", 510, Quality.good, floor.now, asked=asked)
    floor.put(Observed([late]), "OP20")
    floor.wait(1).read(cycles=523, running=True)  # 13 strokes in 11 s; in 1 s they would be impossible
    floor.scan("LSCPART", "LSCOK")
    assert floor.facts(e.CountUnattributed) == []
    assert floor.job.counted == {"good": Decimal(23)}


def test_strokes_after_an_undone_start_are_not_of_an_order_that_was_set_aside() -> None:
    """Nothing was open when the wrong order was begun; 100 had been set aside before."""
    floor = working(automatic={"start": "off"})
    floor.read(cycles=500, running=True)
    floor.wait(5).scan("LSW200", "LSCOK")
    floor.wait(5).scan("LSCDONE", "LSCOK")
    floor.wait(5).scan("LSW500 0020")
    floor.wait(5).scan("LSCUNDO", "LSCOK")
    assert floor.station.job is None
    floor.wait(40).read(cycles=507, running=True)
    floor.wait(40).read(cycles=507, running=True)
    assert unattributed(floor) == [Decimal(7)]
    assert floor.scan("LSW100").message.en == "WO 100 selected"
