"""What scans lead to: the meanings of DESIGN section 5, and refusals that record nothing."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from edge import events as e
from edge.events import instant
from edge.readings import Scan
from edge.station.live import Heard
from edge.station.texts import Text, noted
from tests.unit.station.floor import START_MS, Floor


def working(**station: object) -> Floor:
    """A floor with 1042 on order 100, the press at 500 strokes and running."""
    floor = Floor(**station)
    floor.read(cycles=500, running=True, energy=10.0)
    floor.scan("LSE1042", "LSW100 0020")
    return floor


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("hello", "Code not recognised: hello. Not recorded"),
        ("LSW", "Right form: LSW10045678 0020"),
        ("LSE", "Code damaged"),
        ("LSL", "Code damaged"),
        ("LSQ1e9", "Code damaged or half read: LSQ1E9"),
        ("LSQ-3", "Code damaged"),
        ("LSQNaN", "Code damaged"),
        ("LSQ", "Code damaged"),
        ("LSQ5D", "Code damaged"),
        ("LSCSCRAP", "Right form: LSCSCRAP04"),
        ("LSCNONSENSE", "Code damaged"),
        ("LSCOK", "Nobody is signed on"),
        ("LSL A1", "Nobody is signed on"),
        ("LSW100 0020", "Nobody is signed on"),
        ("LSE9999", "Badge 9999 is unknown"),
        ("\x00\x01", "<00><01>"),
        ("X" * 5000, "…"),
    ],
)
def test_a_refused_scan_records_nothing_and_says_so(text: str, says: str) -> None:
    floor = Floor()
    answer = floor.scan(text)
    assert answer.result == "refused"
    assert says in answer.message.en
    assert "ecorded" in answer.message.en
    assert "未记录" in answer.message.zh or "无" in answer.message.zh
    assert floor.events == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("LSCOK", "Nothing waits for OK"),
        ("LSQ5", "A quantity alone says nothing"),
        ("LSL A1", "No work order is open"),
        ("LSCDONE", "No work order is open"),
        ("LSCSCRAP04", "No work order is open"),
        ("LSCUNDO", "nothing of yours"),
        ("LSCUNMOUNT", "No lot is mounted"),
    ],
)
def test_a_scan_out_of_turn_records_nothing_and_says_what_is_missing(text: str, says: str) -> None:
    floor = Floor()
    floor.scan("LSE1042")
    answer = floor.scan(text)
    assert (answer.result, len(floor.events)) == ("refused", 1)
    assert says in answer.message.en and "othing recorded" in answer.message.en


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("LSW999", "WO 999 is unknown"),
        ("LSW400", "WO 400 is closed"),
        ("LSW300", "WO 300 belongs to WC-WELD-5"),
        ("LSW300 0010", "Scan an order of WC-PRESS-1"),
        ("LSW100 0099", "has no operation 0099"),
        ("LSW500", "several operations here"),
    ],
)
def test_a_wrong_order_shows_at_the_first_scan(text: str, says: str) -> None:
    floor = Floor()
    floor.scan("LSE1042")
    answer = floor.scan(text)
    assert (answer.result, len(floor.events)) == ("refused", 1)
    assert says in answer.message.en


def test_an_order_is_refused_while_none_was_received_from_the_erp() -> None:
    floor = Floor(master={})
    floor.scan("LSE77")
    assert "No work orders were received" in floor.scan("LSW100").message.en


def test_start_says_everything_that_costing_needs() -> None:
    floor = working()
    (started,) = floor.facts(e.WorkStarted)
    assert isinstance(started, e.WorkStarted)
    assert (started.work_order, started.order_line, started.operation) == ("100", "1", "0020")
    assert (started.product, started.planned_quantity, started.unit) == ("BRACKET-7", Decimal(10), "C62")
    assert (started.operators, started.actor, started.origin) == (("1042",), "1042", "scan")
    assert (started.posting_date, started.shift, started.utc_offset) == ("2026-11-22", "day", "+08:00")
    assert (started.refs, started.masterdata) == ({"FMoId": "77"}, "etag-1")
    event = next(one for one in floor.events if one.data is started)
    assert event.subject == "100/0020"


def test_a_badge_code_names_its_person_and_a_repeated_badge_shows_the_status() -> None:
    floor = Floor()
    floor.scan("LSEB42")
    assert floor.station.crew == ("1042",)
    answer = floor.scan("LSE1042")
    assert (answer.result, len(floor.facts())) == ("pending", 1)
    assert "signed on" in answer.message.en


def test_out_and_badge_sign_off_only_who_is_here() -> None:
    floor = Floor()
    floor.scan("LSE1042", "LSCOUT")
    assert "1043 is not signed on" in floor.scan("LSE1043").message.en
    assert floor.scan("LSE1042").result == "recorded"
    assert floor.station.crew == ()


def test_a_lot_waits_for_its_quantity_and_is_consumed_in_base_units() -> None:
    floor = working()
    assert floor.scan("LSL A1").result == "pending"
    assert floor.facts(e.MaterialConsumed) == []
    assert floor.scan("LSQ2D5 LBR").result == "recorded"
    (consumed,) = floor.facts(e.MaterialConsumed)
    assert isinstance(consumed, e.MaterialConsumed)
    # 2.5 lb × 0.45359237 = 1.133980925 kg, at six places
    assert (consumed.quantity, consumed.unit) == (Decimal("1.133981"), "KGM")
    assert consumed.entered == e.Entered(quantity=Decimal("2.5"), unit="LBR")
    assert (consumed.lot, consumed.material, consumed.bom_line) == ("A1", "STEEL-4", "10")
    assert (consumed.method, consumed.use, consumed.posted_by) == ("scanned", "production", "edge")


@pytest.mark.parametrize(
    ("lot", "says"),
    [
        ("NOPE", "Lot NOPE is unknown"),
        ("X1", "is BRASS, which this operation does not use"),
        ("BLOCKED", "is blocked"),
        ("OLD", "expired on 2026-11-21"),
        ("TWIN", "exists for STEEL-4, STEEL-4B"),
    ],
)
def test_a_wrong_lot_is_refused_with_the_reason(lot: str, says: str) -> None:
    floor = working()
    before = len(floor.events)
    answer = floor.scan(f"LSL {lot}")
    assert says in answer.message.en
    assert len(floor.events) == before


def test_a_substitute_is_consumed_on_the_line_it_stands_for() -> None:
    floor = working()
    floor.scan("LSL B1", "LSQ1")
    (consumed,) = floor.facts(e.MaterialConsumed)
    assert isinstance(consumed, e.MaterialConsumed)
    assert (consumed.material, consumed.bom_line) == ("STEEL-4B", "10")


def test_a_backflushed_lot_is_mounted_not_consumed() -> None:
    floor = working()
    assert "mounted" in floor.scan("LSL O1").message.en
    assert floor.facts(e.MaterialConsumed) == []
    assert [(lot.lot, lot.quantity) for lot in floor.station.mounted] == [("O1", Decimal(20))]


def test_an_unknown_unit_and_a_zero_quantity_are_refused_and_the_lot_still_waits() -> None:
    floor = working()
    floor.scan("LSL A1")
    assert "not measured in MTR" in floor.scan("LSQ5 MTR").message.en
    assert "above 0" in floor.scan("LSQ0").message.en
    assert floor.scan("LSQ5").result == "recorded"


def test_scrap_is_one_piece_and_lsq_makes_it_that_many() -> None:
    floor = working()
    floor.wait(10).read(cycles=505)
    assert floor.scan("LSCSCRAP04").result == "recorded"
    assert floor.job.scrap == 1
    floor.scan("LSQ3")
    assert floor.job.scrap == 3
    first, second = floor.facts(e.WorkReported)
    (corrected,) = floor.facts(e.WorkCorrected)
    ids = [event.id for event in floor.events if event.data is first]
    assert isinstance(corrected, e.WorkCorrected) and corrected.corrects == ids[0]
    assert isinstance(second, e.WorkReported) and second.replaces == ids[0]
    assert second.outputs[0].quantity == 3
    assert second.outputs[0].cause == "process"
    assert second.resources is None
    assert floor.scan("LSQ4").result == "refused", "only the very next scan changes the scrap"


def test_scrap_keeps_the_cause_of_its_reason() -> None:
    floor = working()
    floor.scan("LSCSCRAP05")
    (report,) = floor.facts(e.WorkReported)
    assert isinstance(report, e.WorkReported) and report.outputs[0].cause == "material"


def test_an_unknown_reason_is_refused_with_the_known_ones() -> None:
    floor = working()
    assert "Allowed: 04, 05" in floor.scan("LSCSCRAP99").message.en


def test_lsq_makes_scrap_that_many_only_within_60_s() -> None:
    floor = working()
    floor.scan("LSCSCRAP04")
    floor.wait(61)
    assert floor.scan("LSQ3").result == "refused"
    assert floor.job.scrap == 1


def test_done_proposes_the_counter_and_ok_posts_what_was_shown() -> None:
    floor = working()
    floor.wait(12).read(cycles=512, running=True, energy=10.2)
    floor.scan("LSCSCRAP04")
    answer = floor.scan("LSCDONE")
    assert answer.message.en == "Good 11 = 0 + 11 new"
    assert floor.view().next.en == "Good 11? Scan OK, or scan/enter quantity"
    floor.wait(2).read(cycles=514, running=True, energy=10.2)
    answer = floor.scan("LSCOK")
    assert answer.message.en == "WO 100 completed: good 11, scrap 1; 1 over the planned 10"
    (done,) = floor.facts(e.WorkCompleted)
    assert isinstance(done, e.WorkCompleted) and done.final is True
    assert [(o.disposition, o.quantity, o.material) for o in done.outputs] == [("good", 11, "BRACKET-7")]
    # The two strokes after the figure was shown wait for a settlement.
    (late,) = floor.facts(e.CountUnattributed)
    assert isinstance(late, e.CountUnattributed)
    assert (late.delta, late.work_order, late.from_, late.to) == (2, None, 512, 514)
    assert floor.station.job is None


def test_part_reports_increments_and_the_job_goes_on() -> None:
    floor = working()
    floor.wait(5).read(cycles=505, running=True)
    floor.scan("LSCPART", "LSCOK")
    floor.wait(4).read(cycles=509, running=True)
    answer = floor.scan("LSCPART")
    assert answer.message.en == "Good 9 = 5 + 4 new"
    floor.scan("LSCOK", "LSCDONE", "LSCOK")
    quantities = [
        [o.quantity for o in fact.outputs]
        for fact in floor.facts(e.WorkReported, e.WorkCompleted)
        if isinstance(fact, e.WorkReported)
    ]
    assert quantities == [[5], [4], []]


def test_a_figure_far_off_the_counter_is_asked_for_again() -> None:
    floor = working()
    floor.wait(10).read(cycles=510, running=True)
    floor.scan("LSCDONE")
    answer = floor.scan("LSQ20")
    assert (answer.result, answer.message.en[:34]) == ("refused", "20 entered, the counter says 10. N")
    assert floor.facts(e.WorkCompleted) == []
    floor.wait(2)
    assert floor.scan("LSQ20").message.en == "Good 20 = 0 + 20 new"
    floor.scan("LSCOK")
    (done,) = floor.facts(e.WorkCompleted)
    assert isinstance(done, e.WorkCompleted) and done.outputs[0].quantity == 20


def test_a_total_below_what_is_reported_is_refused() -> None:
    floor = working()
    floor.wait(9).read(cycles=509)
    floor.scan("LSCPART", "LSCOK", "LSCDONE")
    assert "8 is below the 9 already reported" in floor.scan("LSQ8").message.en
    assert floor.scan("LSCOK").result == "recorded"


def test_without_a_counter_the_quantity_must_be_entered() -> None:
    floor = Floor(counters={}, signals={})
    floor.scan("LSE1042", "LSW100", "LSCDONE")
    assert "quantity is missing" in floor.scan("LSCOK").message.en
    floor.scan("LSQ10", "LSCOK")
    (done,) = floor.facts(e.WorkCompleted)
    assert isinstance(done, e.WorkCompleted)
    assert done.outputs[0].quantity == 10
    # No signal said anything of the machine: unknown, not nought.
    assert done.resources is not None and done.resources.machine_s is None


def test_a_pending_entry_ends_after_60_s_without_posting_and_says_so() -> None:
    floor = working()
    floor.scan("LSCDONE")
    floor.wait(30)
    assert floor.lives["OP20"].pending is not None
    floor.wait(31)
    assert floor.lives["OP20"].pending is None
    said = floor.lives["OP20"].said
    assert said is not None and said.tone == "bad" and "the report was not recorded" in said.message.en
    assert floor.scan("LSCOK").result == "refused"
    assert floor.facts(e.WorkCompleted) == []


def test_another_scan_ends_the_pending_entry_and_is_itself_taken() -> None:
    floor = working()
    floor.scan("LSL A1")
    answer = floor.scan("LSCSCRAP04")
    assert answer.result == "recorded"
    assert "lot A1 was not recorded" in answer.message.en
    assert floor.lives["OP20"].pending is None
    assert floor.facts(e.MaterialConsumed) == []


def test_a_repeated_scan_within_2_s_commits_nothing() -> None:
    floor = working()
    floor.scan("LSCSCRAP04")
    done = floor.put(Scan("gun1", "LSCSCRAP04", floor.now), "OP20")
    assert done.answer is not None and done.answer.result == "repeated"
    other = floor.put(Scan("gun2", "LSCSCRAP04", floor.now), "OP20")
    assert other.answer is not None and other.answer.result == "recorded", "another gun is no repeat"
    assert floor.job.scrap == 2


def test_an_ok_is_never_taken_for_a_repeat_when_it_answers_a_new_prompt() -> None:
    floor = working()
    floor.wait(3).read(cycles=503)
    floor.scan("LSCDONE", "LSCOK", "LSCUNDO")  # 1 s apart
    heard = Heard("gun1", "LSCOK", floor.now, taken=True)
    floor.lives["OP20"] = replace(floor.lives["OP20"], heard=heard)
    done = floor.put(Scan("gun1", "LSCOK", floor.now), "OP20")
    assert done.answer is not None and done.answer.result == "recorded"
    again = floor.put(Scan("gun1", "LSCOK", floor.now), "OP20")
    assert again.answer is not None and again.answer.result == "repeated"


def test_another_order_proposes_the_report_and_the_switch() -> None:
    floor = working()
    floor.wait(5).read(cycles=505, running=True)
    answer = floor.scan("LSW200")
    assert (answer.result, answer.message.en) == ("pending", "Good 5 = 0 + 5 new")
    floor.wait(1).read(cycles=506, running=True)
    floor.scan("LSCOK")
    assert floor.job.key == ("200", "0020")
    kinds = [fact.type for fact in floor.facts()]
    assert kinds.index("work.reported") < kinds.index("work.paused") < kinds.index("work.started", 8)
    late = floor.facts(e.CountUnattributed)
    assert [fact.delta for fact in late if isinstance(fact, e.CountUnattributed)] == [1]
    # Back to the first order: it goes on where it was.
    floor.wait(3).read(cycles=509, running=True)
    floor.scan("LSCDONE", "LSCOK")
    assert floor.scan("LSW100").message.en == "WO 100 selected"
    assert (floor.job.good, floor.job.paused) == (5, None)


def test_an_expired_switch_leaves_everything_as_it_was() -> None:
    floor = working()
    floor.scan("LSW200")
    floor.wait(61)
    assert floor.job.key == ("100", "0020")
    assert floor.job.paused is None


def test_undo_shows_the_item_and_takes_it_back_whole() -> None:
    floor = working()
    floor.scan("LSL A1", "LSQ2")
    assert floor.job.consumed == {"10": Decimal(2)}
    answer = floor.scan("LSCUNDO")
    assert answer.message.en == "Undo lot A1, 2 kg?"
    floor.scan("LSCOK")
    (corrected,) = floor.facts(e.WorkCorrected)
    assert isinstance(corrected, e.WorkCorrected)
    assert (corrected.reason, corrected.person) == ("did_not_occur", "1042")
    assert floor.job.consumed == {"10": Decimal(0)}
    assert floor.scan("LSCUNDO").result == "refused", "once"


def test_undo_of_a_completion_reopens_the_job_with_its_figures() -> None:
    floor = working()
    floor.wait(10).read(cycles=510, running=True, energy=10.1)
    floor.scan("LSCDONE", "LSCOK")
    (done,) = floor.facts(e.WorkCompleted)
    floor.wait(5)
    floor.scan("LSCUNDO", "LSCOK")
    assert floor.job.key == ("100", "0020")
    assert floor.job.good == 0
    assert isinstance(done, e.WorkCompleted) and done.resources is not None
    assert floor.job.machine_s == done.resources.machine_s
    floor.scan("LSCDONE", "LSCOK")
    again = floor.facts(e.WorkCompleted)[1]
    assert isinstance(again, e.WorkCompleted) and again.outputs[0].quantity == 10


def test_undo_is_only_for_the_crew_of_the_same_shift() -> None:
    floor = working()
    floor.scan("LSL A1", "LSQ2")
    floor.wait(11 * 3600)  # 21:00, night shift
    assert "nothing of yours" in floor.scan("LSCUNDO").message.en


def test_pause_and_resume_are_facts_with_their_reason() -> None:
    floor = working()
    assert "Allowed: 21" in floor.scan("LSCPAUSE99").message.en
    floor.scan("LSCPAUSE21")
    assert floor.view().state == "paused"
    floor.wait(2)
    assert "Already paused" in floor.scan("LSCPAUSE21").message.en
    floor.scan("LSCGO")
    assert floor.view().state == "running"
    floor.wait(2)
    assert "Nothing is paused" in floor.scan("LSCGO").message.en
    (paused,) = floor.facts(e.WorkPaused)
    assert isinstance(paused, e.WorkPaused) and (paused.reason, paused.labour_goes_on) == ("21", False)


def test_setup_time_and_setup_strokes_are_kept_apart() -> None:
    floor = working()
    floor.scan("LSCSETUP")
    floor.wait(5).read(cycles=503, running=True)
    assert "Set-up is open" in floor.scan("LSCDONE").message.en
    assert floor.scan("LSCGO").message.en == "3 pieces counted in set-up"
    floor.scan("LSCOK")
    floor.wait(4).read(cycles=507, running=True)
    floor.scan("LSCDONE", "LSCOK")
    (setup,) = floor.facts(e.WorkReported)
    (done,) = floor.facts(e.WorkCompleted)
    assert isinstance(setup, e.WorkReported) and isinstance(done, e.WorkCompleted)
    assert [(o.disposition, o.cause, o.quantity) for o in setup.outputs] == [("scrap", "setup", 3)]
    assert [(o.disposition, o.quantity) for o in done.outputs] == [("good", 4)]
    assert done.resources is not None
    # SETUP at t, 5 s, DONE refused +1, GO +1, OK +1: 8 s of set-up; then 4 + 1 (DONE) + 1 (OK) of run
    assert done.resources.setup_s == Decimal("8.000")
    assert done.resources.machine_s == Decimal("7.000"), "1 s before set-up, 6 s after it"


def test_the_interval_of_a_report_begins_where_the_one_before_ended() -> None:
    floor = working()
    floor.wait(2).read(cycles=502)
    floor.scan("LSCPART", "LSCOK")
    floor.wait(2).read(cycles=504)
    floor.scan("LSCPART", "LSCOK")
    first, second = (f for f in floor.facts(e.WorkReported) if isinstance(f, e.WorkReported))
    assert first.interval is not None and second.interval is not None
    assert first.interval.from_ == instant(START_MS + 2000)
    assert second.interval.from_ == first.interval.to


@pytest.mark.parametrize(
    ("type_", "detail", "en", "zh"),
    [
        ("work.reported", "good 12, scrap 0.5", "good 12, scrap 0.5", "良品 12, 报废 0.5"),
        ("output.reclassified", "rework → concession 2", "rework → concession 2", "返工 → 让步接收 2"),
        ("material.consumed", "A1 5.2 MTR", "A1 5.2 m", "A1 5.2 米"),
        ("material.consumed", "A 1 5 H87", "A 1 5 pcs", "A 1 5 件"),
        ("material.consumed", "KGM 5", "KGM 5", "KGM 5"),
        ("lot.mounted", "scrap KGM", "scrap KGM", "scrap KGM"),
    ],
)
def test_the_last_facts_are_shown_in_words_and_numbers_of_lots_as_they_are(
    type_: str, detail: str, en: str, zh: str
) -> None:
    assert noted(type_, detail) == Text(en, zh)
