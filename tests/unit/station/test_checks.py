"""What goes against a check: left alone, said, asked about, or refused, as the site or the station has it."""

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from msgspec.structs import replace

from edge import settings
from edge.events import (
    Fact,
    LotMounted,
    MaterialConsumed,
    OperatorSignedOn,
    WorkCompleted,
    WorkReported,
    WorkStarted,
)
from edge.station.review import shown
from tests.unit.station.floor import MASTER, Floor


def master(**lists: Any) -> Any:
    """The usual master data with a list or two of another content."""
    return {**deepcopy(MASTER), **lists}


TWO_STEPS = {
    "work_order": "600", "product": "COVER-2", "quantity": "40", "unit": "C62",
    "operations": [
        {"operation": "0010", "work_center": "WC-PRESS-1", "alternatives": ["WC-PRESS-9"]},
        {"operation": "0020", "work_center": "WC-PRESS-1", "machine_s": "6", "labour_s": "6"},
        {"operation": "0030", "work_center": "WC-PAINT-AFAR"},
        {"operation": "0040", "work_center": "WC-PRESS-1"},
    ],
}  # fmt: skip
STEPS = master(work_orders=[*MASTER["work_orders"], TWO_STEPS])  # type: ignore[misc]


def floor(data: object = MASTER, **checks: object) -> Floor:
    """A station with these checks of its own, and somebody signed on."""
    made = Floor(data, checks={"missing_lot": "off", **checks}, counters={}, signals={})
    made.scan("LSE1042")
    return made


def only(made: Floor, kind: type[Fact]) -> Fact:
    (fact,) = made.facts(kind)
    return fact


CASES = {
    "order_elsewhere": (["LSW300"], WorkStarted),
    "order_status": (["LSW400"], WorkStarted),
    "sequence": (["LSW600 0020"], WorkStarted),
    "material": (["LSW100", "LSL X1"], None),
    "lot_unknown": (["LSW100", "LSL NEVER"], None),
    "lot_status": (["LSW100", "LSL BLOCKED"], None),
    "lot_expired": (["LSW100", "LSL OLD"], None),
}
BRASS = {"material": "BRASS", "unit": "KGM"}
DATA = master(
    work_orders=STEPS["work_orders"],
    materials=[*MASTER["materials"], BRASS],  # type: ignore[misc]
)


@pytest.mark.parametrize("code", CASES)
def test_a_check_does_what_its_level_says(code: str) -> None:
    scans, kind = CASES[code]
    of = kind or MaterialConsumed
    more = [] if kind else ["LSQ2"]

    blocked = floor(DATA, **{code: "block"})
    answer = blocked.scan(*scans)
    assert answer.result == "refused" and "Nothing recorded" in answer.message.en
    assert "未记录" in answer.message.zh
    assert blocked.facts(of) == []

    off = floor(DATA, **{code: "off"})
    answer = off.scan(*scans, *more)
    assert answer.result == "recorded" and "Warning" not in answer.message.en
    assert (only(off, of).warnings, only(off, of).confirmed) == ((), ())

    warned = floor(DATA, **{code: "warn"})
    answer = warned.scan(*scans)
    assert "Warning, for review" in answer.message.en and "待复核" in answer.message.zh
    assert answer.result == ("recorded" if kind else "pending")
    if more:
        warned.scan(*more)
    assert (only(warned, of).warnings, only(warned, of).confirmed) == ((code,), ())

    asked = floor(DATA, **{code: "confirm"})
    answer = asked.scan(*scans)
    assert answer.result == "pending" and "Nothing recorded yet. Scan OK" in answer.message.en
    assert asked.facts(of) == [] and asked.view().state == "confirm"
    asked.scan("LSCOK", *more)
    assert (only(asked, of).warnings, only(asked, of).confirmed) == ((), (code,))
    assert asked.refolded() == asked.line


def test_what_is_refused_without_any_setting() -> None:
    made = floor(DATA)
    for code, (scans, _) in CASES.items():
        refused = made.scan(*scans).result == "refused"
        assert refused == (code != "sequence"), code


def test_a_station_has_its_own_levels_and_the_site_gives_the_others() -> None:
    made = floor(order_status="warn")
    made.site = replace(made.site, checks=settings.Checks(order_status="block", lot_expired="warn"))
    assert made.scan("LSW400").result == "recorded"
    assert made.scan("LSW400", station="OP30").result == "refused"  # nobody there, for one
    made.scan("LSE1043", station="OP30")
    assert "is closed" in made.scan("LSW400", station="OP30").message.en
    made.scan("LSW100", "LSCOK")


def test_a_question_that_nobody_answers_posts_nothing() -> None:
    made = floor(order_status="confirm")
    made.scan("LSW400")
    made.wait(61)
    assert made.scan("LSCOK").result == "refused"
    assert made.facts(WorkStarted) == []


def test_another_scan_instead_of_ok_ends_the_question_and_says_so() -> None:
    made = floor(order_status="confirm")
    made.scan("LSW400")
    answer = made.scan("LSW200")
    assert "what was asked was not recorded" in answer.message.en
    assert [fact.work_order for fact in made.facts(WorkStarted)] == ["200"]
    assert only(made, WorkStarted).confirmed == ()


def test_ok_to_the_switch_answers_for_the_order_too_and_marks_its_start_alone() -> None:
    made = floor(order_status="confirm")
    made.scan("LSW200")
    answer = made.scan("LSW400")
    assert answer.result == "pending" and "is closed" in answer.message.en
    made.scan("LSQ3", "LSCOK")
    assert only(made, WorkReported).confirmed == ()
    assert [fact.confirmed for fact in made.facts(WorkStarted)] == [(), ("order_status",)]


def test_one_ok_answers_all_that_a_lot_goes_against() -> None:
    lots = [{"material": "STEEL-4", "lot": "BAD", "status": "blocked", "expiry": "2020-01-01"}]
    made = floor(master(lots=lots), lot_status="confirm", lot_expired="confirm")
    answer = made.scan("LSW100", "LSL BAD")
    assert "blocked" in answer.message.en and "expired" in answer.message.en
    made.scan("LSCOK", "LSQ1")
    assert only(made, MaterialConsumed).confirmed == ("lot_status", "lot_expired")


def test_a_mounted_lot_bears_what_was_said_of_it() -> None:
    lots = [{"material": "OIL", "lot": "O9", "status": "quarantine", "quantity": "5"}]
    made = floor(master(lots=lots), lot_status="warn")
    made.scan("LSW100", "LSL O9")
    assert only(made, LotMounted).warnings == ("lot_status",)


def test_more_than_is_left_of_a_lot_counts_what_was_consumed_since_the_erp_said_so() -> None:
    lots = [{"material": "STEEL-4", "lot": "A1", "quantity": "5"}]
    made = floor(master(lots=lots), usage="off")
    made.scan("LSW100")
    assert "Warning" not in made.scan("LSL A1", "LSQ3").message.en
    answer = made.scan("LSL A1", "LSQ3")
    assert answer.result == "recorded" and "2 kg are left" in answer.message.en
    first, second = made.facts(MaterialConsumed)
    assert (first.warnings, second.warnings) == ((), ("lot_consumed",))
    made.scan("LSCUNDO", "LSCOK")
    assert "Warning" not in made.scan("LSL A1", "LSQ2").message.en  # the undone one was given back
    assert made.refolded() == made.line
    lots[0]["quantity"] = "4"  # the ERP has taken note
    made.master = Floor(master(lots=lots)).master
    assert "Warning" not in made.scan("LSL A1", "LSQ4").message.en


def test_the_quantity_of_a_lot_is_asked_about_where_the_site_wants_ok() -> None:
    lots = [{"material": "STEEL-4", "lot": "A1", "quantity": "5"}]
    made = floor(master(lots=lots), lot_consumed="confirm", usage="off")
    assert made.scan("LSW100", "LSL A1", "LSQ6").result == "pending"
    assert made.facts(MaterialConsumed) == []
    made.scan("LSCOK")
    used = only(made, MaterialConsumed)
    assert isinstance(used, MaterialConsumed) and used.quantity == 6 and used.confirmed == ("lot_consumed",)


@pytest.mark.parametrize(
    ("allowance", "quantity", "warned"),
    [(None, "5.5", False), (None, "5.51", True), ("0.2", "6.6", False), ("0.2", "6.61", True)],
)
def test_the_scrap_allowance_widens_what_the_bom_allows(
    allowance: str | None, quantity: str, warned: bool
) -> None:
    orders = deepcopy(MASTER["work_orders"])
    orders[0]["bom"][0]["scrap_allowance"] = allowance  # type: ignore[index]
    made = floor(master(work_orders=orders))  # 0.5 kg × 10 pieces, a tenth more by default
    answer = made.scan("LSW100", "LSL A1", f"LSQ{quantity.replace('.', 'D')}")
    assert ("asks for 5 kg" in answer.message.en) == warned


def test_completion_without_a_lot_that_the_bom_asks_for() -> None:
    made = floor(missing_lot="block")
    made.scan("LSW100")
    assert made.scan("LSCPART").result == "pending"
    answer = made.scan("LSCDONE")
    assert answer.result == "refused" and "No lot of STEEL-4" in answer.message.en
    made.scan("LSL A1", "LSQ2")
    assert made.scan("LSCDONE").result == "pending"
    warned = floor(missing_lot="warn")
    warned.scan("LSW100", "LSCDONE", "LSQ4", "LSCOK")
    assert only(warned, WorkCompleted).warnings == ("missing_lot",)


def test_more_than_was_planned_is_confirmed_by_the_ok_that_posts_it() -> None:
    made = floor(output="confirm")
    made.scan("LSW200", "LSCDONE")
    answer = made.scan("LSQ6")  # 5 planned, a tenth more is allowed
    assert answer.result == "pending" and "more than the planned 5" in answer.message.en
    made.scan("LSCOK")
    assert only(made, WorkCompleted).confirmed == ("output",)


def test_a_figure_that_is_put_right_bears_no_warning() -> None:
    made = floor(output="warn")
    made.scan("LSW200", "LSCDONE", "LSQ60", "LSQ5", "LSCOK")
    assert only(made, WorkCompleted).warnings == ()


def test_a_counter_beyond_what_is_allowed_must_be_put_right_before_it_is_posted() -> None:
    made = Floor(checks={"output": "block"})
    made.read(cycles=100, running=True)
    made.scan("LSE1042", "LSW200")
    made.wait(30).read(cycles=120, running=True)
    answer = made.scan("LSCDONE")
    assert answer.result == "refused" and "more than the planned 5" in answer.message.en
    assert made.scan("LSCOK").result == "refused"
    assert made.facts(WorkCompleted) == []
    assert made.scan("LSQ5").result == "refused"  # far off the counter: asked for again
    made.wait(2)
    assert made.scan("LSQ5").result == "pending"
    assert made.scan("LSCOK").result == "recorded"


def test_an_operation_begins_without_a_word_once_the_one_before_has_reported() -> None:
    made = floor(STEPS)
    made.scan("LSW600 0010", "LSCDONE", "LSQ10", "LSCOK")
    assert "Warning" not in made.scan("LSW600 0020").message.en
    made.scan("LSCDONE")
    assert "has reported 10 good, fewer than the 11 pieces" in made.scan("LSQ11").message.en
    made.scan("LSCOK")
    assert made.facts(WorkCompleted)[-1].warnings == ("ahead",)


def test_an_operation_that_nobody_here_can_know_of_is_not_checked() -> None:
    made = floor(STEPS, sequence="block")
    assert made.scan("LSW600 0040").result == "recorded"  # 0030 is done elsewhere


def test_what_the_erp_holds_of_an_operation_counts() -> None:
    data = deepcopy(STEPS)
    data["work_orders"][-1]["operations"][0]["confirmed_quantity"] = "7"
    assert floor(data, sequence="block").scan("LSW600 0020").result == "recorded"
    data["work_orders"][-1]["operations"][2]["confirmed_quantity"] = "0"
    assert floor(data, sequence="block").scan("LSW600 0040").result == "refused"


@pytest.mark.parametrize(
    ("order", "code", "said"),
    [
        ("LSW100", "output", "more than the planned 10"),
        ("LSW600 0020", "time", "people's time"),
        ("LSW600 0020", "ahead", "has reported 0 good"),
    ],
)
def test_a_job_beyond_what_is_blocked_is_completed_without_anything_new(
    order: str, code: str, said: str
) -> None:
    made = floor(STEPS)
    made.scan(order, "LSCPART", "LSQ30", "LSCOK")
    made.wait(3600)
    blocking = made.site.stations["OP20"].model_copy(
        update={"checks": settings.StationChecks.model_validate({"missing_lot": "off", code: "block"})}
    )
    made.site = replace(made.site, stations={**made.site.stations, "OP20": blocking})
    assert made.scan("LSCDONE", "LSQ31").result == "refused"
    made.wait(3)
    answer = made.scan("LSQ30")
    assert answer.result == "pending" and said in answer.message.en
    made.scan("LSCOK")
    done = only(made, WorkCompleted)
    assert isinstance(done, WorkCompleted) and code in done.warnings and not done.outputs


def test_time_beyond_the_standard_is_said_where_the_site_wants_it() -> None:
    made = floor(STEPS, time="warn", sequence="off", ahead="off")
    made.scan("LSW600 0020")
    made.wait(600)
    answer = made.scan("LSCPART", "LSQ10")  # a minute by the standard
    assert (
        "people's time" in answer.message.en and "the standard for these pieces is 1 min" in answer.message.en
    )
    made.scan("LSCOK")
    assert only(made, WorkReported).warnings == ("time",)
    quiet = floor(STEPS, sequence="off", ahead="off")
    quiet.scan("LSW600 0020")
    quiet.wait(600)
    assert "Warning" not in quiet.scan("LSCPART", "LSQ10").message.en


PEOPLE = [
    {"person": "1042", "qualifications": ["WC-PRESS-1"]},
    {"person": "1043", "qualifications": ["WC-WELD-5"]},
]


@pytest.mark.parametrize("level", ["off", "warn", "confirm", "block"])
def test_a_person_without_the_qualification(level: str) -> None:
    made = floor(master(people=PEOPLE), qualification=level)
    result = made.scan("LSE1043").result
    assert result == {"confirm": "pending", "block": "refused"}.get(level, "recorded")
    if level == "confirm":
        assert made.station.crew == ("1042",)
        made.scan("LSCOK")
    joined = [fact for fact in made.facts(OperatorSignedOn) if getattr(fact, "operator", "") == "1043"]
    codes = [(fact.warnings, fact.confirmed) for fact in joined]
    mine = ("qualification",)
    expected: dict[str, list[Any]] = {"off": [((), ())], "warn": [(mine, ())], "confirm": [((), mine)]}
    assert codes == expected.get(level, [])


def test_where_the_erp_keeps_no_qualifications_nobody_lacks_one() -> None:
    made = floor(qualification="block")
    assert made.scan("LSE1043").result == "recorded"


def test_taking_over_a_shift_without_the_qualification_waits_for_ok() -> None:
    made = floor(master(people=PEOPLE), qualification="confirm")
    made.scan("LSCSHIFT")
    assert made.scan("LSE1043").result == "pending"
    assert made.station.crew == ("1042",)
    made.scan("LSCOK")
    assert made.station.crew == ("1043",)


def test_while_lots_were_never_received_the_check_only_warns() -> None:
    data = master()
    del data["lots"]
    made = floor(data)
    assert made.scan("LSW100", "LSL NEVER", "LSQ1").result == "recorded"
    assert only(made, MaterialConsumed).warnings == ("lot_unknown",)


def test_a_machine_that_runs_proposes_no_operation_before_its_turn() -> None:
    data = master(work_orders=[TWO_STEPS])
    data["work_orders"][0]["operations"][0]["work_center"] = "WC-PRESS-9"
    data["work_orders"][0]["operations"][0]["alternatives"] = []
    data["work_orders"][0]["operations"][0]["confirmed_quantity"] = "0"
    data["work_orders"][0]["operations"][2]["confirmed_quantity"] = "0"
    made = Floor(data, automatic={"start": "on"})
    made.read(cycles=1, running=True)
    made.scan("LSE1042")
    made.wait(5).read(cycles=5, running=True).wait(5)
    assert made.facts(WorkStarted) == []
    data["work_orders"][0]["operations"][0]["confirmed_quantity"] = "1"
    made.master = Floor(data).master
    made.read(cycles=6, running=False).wait(5).read(cycles=6, running=False)
    made.wait(5).read(cycles=9, running=True).wait(5)
    assert [fact.operation for fact in made.facts(WorkStarted)] == ["0020"]


def test_what_was_drawn_from_a_lot_and_made_is_bounded() -> None:
    lots = [{"material": "STEEL-4", "lot": f"L{n}", "quantity": "1"} for n in range(300)]
    made = floor(master(lots=lots), usage="off")
    made.scan("LSW100")
    for n in range(300):
        made.scan(f"LSL L{n}", "LSQ1")
    assert len(made.station.drawn) == 256
    assert made.station.drawn[-1].quantity == Decimal(1)


def test_what_was_recorded_against_a_check_waits_for_a_person_until_it_is_undone() -> None:
    made = floor(DATA, lot_expired="confirm", lot_status="warn")
    made.scan("LSW100", "LSL OLD", "LSCOK", "LSQ1", "LSL BLOCKED", "LSQ1")
    waiting = [(one.kind, one.subject, one.category) for one in made.line.waiting.values()]
    assert waiting == [("check", "OLD", "lot_expired"), ("check", "BLOCKED", "lot_status")]
    made.scan("LSCUNDO", "LSCOK")
    assert [one.subject for one in made.line.waiting.values()] == ["OLD"]
    (left,) = shown.entries(made.site, made.line)
    assert (
        left["possible"] == ["accept", "reverse", "reassign", "split"]
        and "OLD" in left["texts"]["en"]
        and "批次已过期" in left["texts"]["zh"]
    )
    assert made.refolded() == made.line


MOVES = st.lists(
    st.tuples(st.sampled_from(["take", "undo", "deliver", "elsewhere"]), st.integers(1, 5)), max_size=8
)


@limits(max_examples=40, deadline=None)
@given(MOVES)
def test_what_is_left_of_a_lot_is_the_erps_figure_less_what_was_taken_since(
    moves: list[tuple[str, int]],
) -> None:
    """A second station takes of the same lot; an undo gives back what was taken since the ERP's figure."""
    said, taken, last = 1000, 0, 0
    made = floor(master(lots=[{"material": "STEEL-4", "lot": "A1", "quantity": str(said)}]), usage="off")
    made.scan("LSW100")
    made.scan("LSE1043", station="OP30")
    made.scan("LSW100", station="OP30")
    for move, amount in moves:
        if move == "deliver":
            said, taken, last = said - amount, 0, 0
            lots = [{"material": "STEEL-4", "lot": "A1", "quantity": str(said)}]
            made.master = Floor(master(lots=lots)).master
        elif move == "undo" and last:
            assert made.scan("LSCUNDO", "LSCOK").result == "recorded"
            taken, last = taken - last, 0
        elif move != "undo":
            made.scan("LSL A1", f"LSQ{amount}", station="OP20" if move == "take" else "OP30")
            taken, last = taken + amount, amount if move == "take" else last
        made.wait(3)
    enough = made.scan("LSL A1", f"LSQ{said - taken}")
    assert "are left" not in enough.message.en
    assert "0 kg are left" in made.scan("LSL A1", "LSQ1").message.en
    assert made.refolded() == made.line
