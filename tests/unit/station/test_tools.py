"""The mounted tool says what one count brings: units, blocked cavities, several materials in fixed shares."""

from decimal import Decimal
from typing import Any

import pytest

from edge import events as e
from tests.unit.station.floor import MASTER, Floor

TOOLS = {
    "tools": [
        {"tool": "M-4", "units_per_count": "4"},
        {"tool": "FAMILY", "units_per_count": "4",
         "shares": [{"material": "LEFT", "share": "0.5"}, {"material": "RIGHT", "share": "0.5"}]},
        {"tool": "THIRDS", "units_per_count": "1",
         "shares": [{"material": one, "share": "0.333333"} for one in ("LEFT", "RIGHT", "RUNNER")]},
    ],
    "work_orders": [
        *MASTER["work_orders"],  # type: ignore[misc]
        {"work_order": "L", "product": "LEFT", "quantity": "50", "unit": "C62",
         "operations": [{"operation": "0020", "work_center": "WC-PRESS-1"}]},
        {"work_order": "R", "product": "RIGHT", "quantity": "50", "unit": "C62",
         "operations": [{"operation": "0020", "work_center": "WC-PRESS-1"}]},
        {"work_order": "LR", "product": "LEFT", "quantity": "50", "unit": "C62",
         "outputs": [{"material": "LEFT"}, {"material": "RIGHT", "role": "co"}],
         "operations": [{"operation": "0020", "work_center": "WC-PRESS-1"}]},
    ],
}  # fmt: skip


def press(*scans: str, **station: object) -> Floor:
    floor = Floor(MASTER | TOOLS, **station)  # type: ignore[operator]
    floor.read(cycles=500, running=True)
    floor.scan("LSE1042", *scans)
    return floor


def counts(floor: Floor, kind: type[e.CountRecorded] = e.CountRecorded) -> list[e.CountRecorded]:
    """The piece counts that are of pieces."""
    return [
        f for f in floor.facts(kind) if isinstance(f, e.CountRecorded) and f.counter == "good" and f.quantity
    ]


def test_strokes_count_what_the_tool_brought_when_they_were_made() -> None:
    floor = press("LSW100")
    floor.wait(9).read(cycles=502)
    assert floor.scan("LSCTOOL M-4").message.en == "Tool M-4 mounted: 4 a stroke"
    floor.wait(9).read(cycles=505)
    assert floor.scan("LSCBLOCKED 1").message.en == "1 blocked: 3 a stroke"
    floor.wait(9).read(cycles=507)
    floor.scan("LSCNOTOOL")
    floor.wait(9).read(cycles=508)
    assert floor.scan("LSCDONE").message.en == "Good 21 = 0 + 21 new"  # 2 + 3 × 4 + 2 × 3 + 1
    assert [(f.delta, f.quantity, f.units_per_count, f.tool) for f in counts(floor)] == [
        (2, 2, None, None), (3, 12, 4, "M-4"), (2, 6, 3, "M-4"), (1, 1, None, None),
    ]  # fmt: skip


def test_a_tool_stays_mounted_over_orders_and_a_restart() -> None:
    floor = press("LSCTOOL M-4", "LSCBLOCKED 1", "LSW100")
    floor.wait(5).read(cycles=502)
    floor.restart()
    floor.scan("LSE1042")
    floor.read(cycles=502)
    floor.scan("LSW200", "LSCOK")
    floor.wait(5).read(cycles=504)
    assert floor.scan("LSCDONE").message.en == "Good 6 = 0 + 6 new"
    assert floor.view().tool == "M-4"


def test_facts_of_a_job_name_the_tool() -> None:
    floor = press("LSCTOOL M-4", "LSW100", "LSCSCRAP04")
    (scrap,) = floor.facts(e.WorkReported)
    assert scrap.tool == "M-4"


def test_another_tool_takes_the_mounted_one_off() -> None:
    floor = press("LSCTOOL M-4", "LSCTOOL FAMILY")
    kinds = [(type(f).type, f.tool) for f in floor.facts(e.ToolMounted, e.ToolUnmounted)]
    assert kinds == [("tool.mounted", "M-4"), ("tool.unmounted", "M-4"), ("tool.mounted", "FAMILY")]


@pytest.mark.parametrize(
    ("scans", "says"),
    [
        (("LSCTOOL M-9",), "Tool M-9 is unknown. Nothing recorded."),
        (("LSCTOOL M-4", "LSE1042", "LSCTOOL M-4"), "Tool M-4 is mounted already. Nothing recorded"),
        (("LSCBLOCKED 1",), "No tool is mounted. Nothing recorded."),
        (("LSCNOTOOL",), "No tool is mounted. Nothing recorded."),
        (
            ("LSCTOOL M-4", "LSCBLOCKED 5"),
            "Tool M-4 gives 4 a stroke, 5 cannot be blocked.",
        ),
        (("LSCTOOL M-4", "LSCBLOCKED 0"), "0 are blocked already. Nothing recorded"),
        (("LSCTOOL FAMILY", "LSCBLOCKED 1"), "Scan which is blocked, for example LSCBLOCKED 1 LEFT"),
        (("LSCBLOCKED X",), "Right form: LSCBLOCKED 1"),
        (("LSCMETER COAL",), "There is no meter COAL here. Nothing recorded. Allowed: good, energy"),
    ],
)
def test_what_cannot_be_says_what_to_do(scans: tuple[str, ...], says: str) -> None:
    floor = press("LSW100", *scans[:-1])
    before = len(floor.events)
    answer = floor.scan(scans[-1])
    assert answer.result == "refused" and says in answer.message.en
    assert len(floor.events) == before


def test_a_tool_counts_by_the_counters_setting_while_the_erp_sent_no_tools() -> None:
    counter = {"tag": "press1.cycles", "units_per_count": 2, "max_rate_per_min": 60}
    floor = Floor(counters={"good": counter}).read(cycles=500)
    assert "never received" in floor.scan("LSE1042", "LSW100", "LSCTOOL M-77").message.en
    floor.wait(5).read(cycles=503)
    assert floor.scan("LSCBLOCKED 1").message.en == "1 blocked: 1 a stroke"
    floor.wait(5).read(cycles=505)
    assert floor.scan("LSCDONE").message.en == "Good 8 = 0 + 8 new"


def test_a_piece_counter_does_not_follow_the_tool_where_the_setting_says_so() -> None:
    counter = {"tag": "press1.cycles", "by_tool": False, "max_rate_per_min": 60}
    floor = press("LSW100", "LSCTOOL M-4", counters={"good": counter})
    floor.wait(5).read(cycles=503)
    assert floor.scan("LSCDONE").message.en == "Good 3 = 0 + 3 new"


def test_one_stroke_of_a_family_mould_is_of_two_jobs() -> None:
    floor = press("LSCTOOL FAMILY", "LSWL", "LSWR", concurrent=True)
    floor.wait(9).read(cycles=505)
    assert floor.scan("LSCDONE").message.en == "Good 10 = 0 + 10 new"
    assert [(f.work_order, f.material, f.delta, f.quantity) for f in counts(floor)] == [
        ("L", "LEFT", 5, 10), ("R", "RIGHT", None, 10),
    ]  # fmt: skip


def test_a_co_product_is_reported_with_the_job_whose_order_names_it() -> None:
    floor = press("LSCTOOL FAMILY", "LSWLR")
    floor.wait(9).read(cycles=503)
    assert floor.scan("LSCDONE").message.en == "Good 6 = 0 + 6 new; RIGHT 6"
    floor.scan("LSCOK")
    (done,) = floor.facts(e.WorkCompleted)
    assert isinstance(done, e.WorkCompleted)
    assert [(o.material, o.role, o.disposition, o.quantity) for o in done.outputs] == [
        ("LEFT", "main", "good", 6), ("RIGHT", "co", "good", 6),
    ]  # fmt: skip


def test_a_co_product_is_reported_once_and_again_after_an_undo() -> None:
    floor = press("LSCTOOL FAMILY", "LSWLR")
    floor.wait(9).read(cycles=503)
    floor.scan("LSCPART", "LSCOK")
    assert floor.scan("LSCPART").message.en == "Good 6 = 6 + 0 new"
    floor.wait(61).scan("LSCUNDO", "LSCOK")
    assert floor.scan("LSCPART").message.en == "Good 6 = 0 + 6 new; RIGHT 6"


def test_set_up_strokes_of_a_family_mould_are_scrap_of_each_material() -> None:
    floor = press("LSCTOOL FAMILY", "LSWLR", "LSCSETUP")
    floor.wait(9).read(cycles=502)
    floor.scan("LSCGO", "LSCOK")
    (report,) = floor.facts(e.WorkReported)
    assert isinstance(report, e.WorkReported)
    assert [(o.material, o.role, o.cause, o.quantity) for o in report.outputs] == [
        ("LEFT", "main", "setup", 4), ("RIGHT", "co", "setup", 4),
    ]  # fmt: skip
    floor.wait(9).read(cycles=503)
    assert floor.scan("LSCDONE").message.en == "Good 2 = 0 + 2 new; RIGHT 2"


def test_what_nobody_makes_of_a_family_mould_waits() -> None:
    floor = press("LSCTOOL FAMILY", "LSWL")
    floor.wait(9).read(cycles=502)
    assert floor.scan("LSCDONE").message.en == "Good 4 = 0 + 4 new"
    (lost,) = counts(floor, e.CountUnattributed)
    assert (lost.material, lost.quantity, lost.work_order) == ("RIGHT", 4, None)


def test_a_tool_that_does_not_make_the_product_is_said_at_once() -> None:
    floor = press("LSW100")
    assert "does not make BRACKET-7" in floor.scan("LSCTOOL FAMILY").message.en
    floor.wait(9).read(cycles=502)
    assert floor.scan("LSCDONE").message.en == "Good 0 = 0 + 0 new"


def test_a_blocked_cavity_of_a_family_mould_takes_from_its_own_material() -> None:
    floor = press("LSCTOOL FAMILY", "LSCBLOCKED 1 RIGHT", "LSWLR")
    floor.wait(9).read(cycles=502)
    assert floor.scan("LSCDONE").message.en == "Good 4 = 0 + 4 new; RIGHT 2"


def test_strokes_with_every_cavity_blocked_are_recorded_and_bring_nothing() -> None:
    floor = press("LSCTOOL FAMILY", "LSCBLOCKED 2 RIGHT", "LSCBLOCKED 2 LEFT", "LSWLR")
    floor.wait(9).read(cycles=502)
    floor.wait(31)
    moved = [f for f in floor.facts(e.CountRecorded) if isinstance(f, e.CountRecorded) and f.delta == 2]
    assert [(f.from_, f.to, f.quantity) for f in moved] == [(500, 502, 0)]


@pytest.mark.parametrize("strokes", [1, 2, 3, 7, 100])
def test_shares_that_do_not_come_out_even_sum_to_the_whole(strokes: int) -> None:
    floor = press("LSCTOOL THIRDS", "LSWLR")
    for stroke in range(strokes):
        floor.wait(40).read(cycles=501 + stroke)
    floor.wait(31)
    moved = [*counts(floor), *counts(floor, e.CountUnattributed)]
    assert sum((f.quantity or Decimal(0) for f in moved), Decimal(0)) == strokes


def test_strokes_after_a_shown_figure_are_nobodys_but_the_other_jobs_stay_its_own() -> None:
    floor = press("LSCTOOL FAMILY", "LSWL", "LSWR", concurrent=True)
    floor.wait(9).read(cycles=502)
    floor.scan("LSCDONE")
    floor.wait(5).read(cycles=503)
    floor.scan("LSCOK")
    assert [(f.material, f.quantity) for f in counts(floor, e.CountUnattributed)] == [("RIGHT", 2)]
    assert floor.job.work_order == "L" and floor.job.counted == {"good": Decimal(6)}


def test_strokes_between_the_shown_figure_and_the_switch_are_nobodys() -> None:
    floor = press("LSCTOOL FAMILY", "LSWL")
    floor.wait(9).read(cycles=502)
    floor.scan("LSWR")
    floor.wait(5).read(cycles=503)
    floor.scan("LSCOK")
    floor.wait(5).read(cycles=504)
    floor.scan("LSCDONE")
    lost = [(f.from_, f.to, f.material, f.quantity) for f in counts(floor, e.CountUnattributed)]
    assert lost == [
        (500, 502, "RIGHT", 4), (502, 503, "LEFT", 2), (502, 503, "RIGHT", 2), (503, 504, "LEFT", 2),
    ]  # fmt: skip
    assert {job.work_order: job.counted["good"] for job in floor.station.jobs} == {"L": 4, "R": 2}


def test_strokes_over_a_tool_change_that_nobody_saw_are_nobodys() -> None:
    floor = press("LSCTOOL M-4", "LSW100")
    floor.wait(5).read(cycles=502)
    floor.wait(1).read(good=False)
    floor.scan("LSCNOTOOL")
    floor.wait(9).read(cycles=505)
    floor.wait(9).read(cycles=506)
    floor.scan("LSCDONE")
    assert [(f.from_, f.to) for f in counts(floor, e.CountUnattributed)] == [(502, 505)]
    assert floor.job.counted == {"good": Decimal(9)}


def named(**tags: object) -> Floor:
    signals: dict[str, Any] = {"running": "press1.running", "tool": "press1.tool"}
    floor = press("LSW100", signals=signals)
    return floor.read(**tags)  # type: ignore[arg-type]


@pytest.mark.parametrize(("value", "tool"), [("M-4", "M-4"), (12, "12"), (12.0, "12"), (" M-4 ", "M-4")])
def test_a_tag_names_the_tool_once_it_has_stood_for_a_second(value: object, tool: str) -> None:
    floor = named(tool=value)
    assert floor.station.tool is None
    floor.wait(2)
    assert floor.station.tool is not None and floor.station.tool.tool == tool
    (mounted,) = floor.facts(e.ToolMounted)
    assert mounted.origin == "signal" and mounted.actor is None


def test_strokes_before_the_tag_changed_count_by_the_tool_before() -> None:
    floor = named(tool="M-4").wait(2)
    floor.wait(5).read(cycles=502)
    floor.wait(1).read(cycles=502, tool="")
    floor.wait(2).read(cycles=503)
    assert floor.station.tool is None
    assert floor.scan("LSCDONE").message.en == "Good 9 = 0 + 9 new"


def test_a_tool_that_the_erp_does_not_know_is_mounted_and_said() -> None:
    floor = named(tool="M-99").wait(2)
    said = floor.lives["OP20"].said
    assert said is not None and said.tone == "bad" and "M-99, which the ERP does not know" in said.message.en
    assert floor.station.tool is not None and floor.station.tool.units_per_count is None


@pytest.mark.parametrize("value", ["", 0, None, True])
def test_a_tag_that_names_no_tool_mounts_none(value: object) -> None:
    floor = named(tool=value).wait(2)
    assert floor.facts(e.ToolMounted) == []


def test_where_the_machine_names_the_tool_a_scan_is_refused() -> None:
    floor = named(tool="M-4").wait(2)
    assert "The machine itself names the tool" in floor.scan("LSCTOOL FAMILY").message.en
