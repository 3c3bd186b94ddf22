"""What waits for a person, and what their decisions lead to."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from edge import settings
from edge.demo.endpoint.examine import examine
from edge.events import (
    CountUnattributed,
    Draft,
    MaterialConsumed,
    ReviewSettled,
    TimeUnassigned,
    WorkCompleted,
    WorkCorrected,
    WorkReported,
    parse_instant,
)
from edge.station.evolve import evolve
from edge.station.review.requests import Request
from edge.station.review.words import Unsettled, named
from tests.unit.station.floor import MASTER, Floor

PEOPLE = [
    {"person": "1042", "badges": ["B42"], "roles": ["operator"]},
    {"person": "1043", "roles": ["operator"]},
    {"person": "2001", "badges": ["B01"], "roles": ["operator", "shift_leader"]},
    {"person": "3001", "roles": ["quality"]},
]
TO: dict[str, Any] = {"work_order": "100", "operation": "0020"}


def floor(**more: object) -> Floor:
    return Floor(MASTER | {"people": PEOPLE} | more)


def stray(pieces: int = 12, base: Floor | None = None) -> Floor:
    """Pieces that the press makes before any order begins."""
    found = base or floor()
    found.read(cycles=500).wait(30)
    found.read(cycles=500 + pieces).wait(30)
    return found


def refused(given: Floor, **asked: Any) -> str:
    """Why a settlement is refused; nothing of it may be recorded."""
    before = len(given.events), given.line
    with pytest.raises(Unsettled) as found:
        given.settle(**asked)
    assert (len(given.events), given.line) == before
    assert found.value.text.en.count("Nothing recorded") == 1
    assert "未记录" in found.value.text.zh
    return found.value.key


def test_pieces_without_an_order_wait_with_their_evidence() -> None:
    given = stray()
    (one,) = given.waiting
    assert (one.kind, one.quantity, one.raw_from, one.raw_to) == ("count", 12, 500, 512)
    assert (one.job, one.before, one.after) == (None, None, None)
    given.scan("LSE1042", "LSW100 0020")
    (one,) = given.waiting
    assert one.after == ("100", "0020")
    assert given.refolded() == given.line


def test_a_stretch_of_pieces_is_one_entry_and_ends_when_an_order_begins() -> None:
    given = stray()
    for cycles in (520, 530):
        given.read(cycles=cycles).wait(30)
    (one,) = given.waiting
    assert (one.quantity, one.raw_from, one.raw_to, len(one.ids)) == (30, 500, 530, 3)
    given.scan("LSE1042", "LSW100 0020", "LSCDONE", "LSQ1", "LSCOK")
    given.read(cycles=535).wait(31).wait(60)  # the order that they propose is not answered
    first, second = given.waiting
    assert (first.quantity, second.quantity, second.before) == (30, 5, ("100", "0020"))


def test_an_entry_that_grew_since_it_was_shown_is_not_settled() -> None:
    given = stray()
    shown = given.waiting[0].id
    given.read(cycles=520).wait(30)
    assert refused(given, how="accept", settles=[shown], person="2001") == "whole"
    assert given.waiting[0].quantity == 20


def test_reassigned_pieces_are_the_orders_and_its_completion_proposes_them_too() -> None:
    given = stray()
    given.scan("LSE1042", "LSW100 0020")
    given.read(cycles=542).wait(30)
    (one,) = given.waiting
    happened_ms = one.to_ms
    given.settle(
        how="reassign", settles=[one.id], person="LSEB01", to={"work_order": "100", "operation": "0020"}
    )
    report = given.events[-2]
    assert isinstance(report.data, WorkReported) and not isinstance(report.data, WorkCompleted)
    (output,) = report.data.outputs
    assert (output.quantity, output.disposition, output.material) == (12, "good", "BRACKET-7")
    assert (report.data.origin, report.data.actor, report.data.refs) == ("manual", "2001", {"FMoId": "77"})
    assert parse_instant(report.time) == happened_ms
    settled = given.events[-1].data
    assert isinstance(settled, ReviewSettled)
    assert (settled.how, settled.settles, settled.led_to) == ("reassigned", one.ids, (report.id,))
    assert given.waiting == []
    assert given.refolded() == given.line
    given.scan("LSCDONE", "LSCOK")
    (done,) = given.facts(WorkCompleted)
    assert isinstance(done, WorkCompleted)
    assert done.outputs[0].quantity == 30  # 42 in all, 12 of them reported by the settlement


def test_what_is_settled_cannot_be_settled_again() -> None:
    given = stray()
    one = given.waiting[0].id
    given.settle(how="accept", settles=[one], person="2001")
    assert refused(given, how="accept", settles=[one], person="2001") == "not_open"
    assert refused(given, how="reverse", settles=["no-such"], person="2001") == "not_open"


def test_a_split_gives_out_exactly_what_waits() -> None:
    given = stray()
    one = given.waiting[0].id
    part: dict[str, Any] = {"work_order": "100", "operation": "0020"}
    parts = [part | {"quantity": "7"}, part | {"quantity": "2", "disposition": "scrap", "reason": "04"}]
    asked: dict[str, Any] = {"how": "split", "settles": [one], "person": "2001"}
    assert refused(given, **asked, parts=parts) == "quantity_sum"
    given.settle(**asked, parts=[*parts, {"quantity": "3"}])
    outputs = [report.outputs[0] for report in given.facts(WorkReported) if isinstance(report, WorkReported)]
    assert [(one.quantity, one.disposition, one.cause) for one in outputs] == [
        (7, "good", None),
        (2, "scrap", "process"),
    ]


def test_scrap_needs_a_reason_that_is_known() -> None:
    given = stray()
    to = {"work_order": "100", "operation": "0020", "disposition": "scrap", "reason": "99"}
    assert (
        refused(given, how="reassign", settles=[given.waiting[0].id], person="2001", to=to)
        == "reason_unknown"
    )


@pytest.mark.parametrize(
    ("order", "operation", "key"),
    [("999", "0020", "order_unknown"), ("100", "0099", "operation_unknown"), (None, None, "order_needed")],
)
def test_pieces_go_to_no_order_that_is_not_there(order: str | None, operation: str | None, key: str) -> None:
    given = stray()
    to = {"work_order": order, "operation": operation}
    assert refused(given, how="reassign", settles=[given.waiting[0].id], person="2001", to=to) == key


def held(jump: int = 100_000) -> Floor:
    """A jump that no press can make, while order 100 runs."""
    given = floor()
    given.read(cycles=500).wait(30)
    given.scan("LSE1042", "LSW100 0020")
    given.read(cycles=500 + jump).wait(1)
    return given


def test_an_accepted_jump_becomes_the_pieces_of_the_job_that_ran() -> None:
    given = held()
    (one,) = given.waiting
    assert (one.kind, one.delta, one.doubt, one.job) == ("held", 100_000, "implausible", ("100", "0020"))
    given.settle(how="accept", settles=[one.id], person="2001")
    assert given.facts(WorkReported) == [] and given.job.counted == {"good": 100_000}
    assert given.refolded() == given.line
    given.scan("LSCDONE", "LSCOK")
    (report,) = given.facts(WorkCompleted)
    assert isinstance(report, WorkCompleted)
    assert report.outputs[0].quantity == 100_000


def test_a_reversed_jump_is_nobodys() -> None:
    given = held()
    given.settle(how="reverse", settles=[given.waiting[0].id], person="2001")
    assert given.facts(WorkReported) == []
    assert given.waiting == []


def test_of_a_held_movement_a_person_says_how_many_it_was() -> None:
    given = held()
    to: dict[str, Any] = {"work_order": "100", "operation": "0020"}
    asked: dict[str, Any] = {"how": "reassign", "settles": [given.waiting[0].id], "person": "2001"}
    assert refused(given, **asked, to=to) == "quantity_needed"
    assert refused(given, **asked, to=to | {"quantity": "-3"}) == "quantity_above_nought"
    given.settle(**asked, to=to | {"quantity": "3"})
    (report,) = given.facts(WorkReported)
    assert isinstance(report, WorkReported)
    assert report.outputs[0].quantity == 3


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ({"person": "1042"}, "not_allowed"),
        ({"person": "7777"}, "person_unknown"),
        ({"person": "3001"}, "not_allowed"),
    ],
)
def test_only_who_may_settles(asked: dict[str, Any], key: str) -> None:
    given = stray()
    assert refused(given, how="accept", settles=[given.waiting[0].id], **asked) == key


def test_a_concession_takes_quality_too() -> None:
    given = stray()
    to = {"work_order": "100", "operation": "0020", "disposition": "concession"}
    asked: dict[str, Any] = {"how": "reassign", "settles": [given.waiting[0].id], "person": "2001", "to": to}
    assert refused(given, **asked) == "not_allowed"
    given.settle(**asked, approved_by="3001")
    settled = given.facts(ReviewSettled)[0]
    assert isinstance(settled, ReviewSettled)
    assert settled.approved_by == "3001"


def test_anyone_settles_while_people_were_never_received_and_is_told_so() -> None:
    given = stray(base=Floor({name: rows for name, rows in MASTER.items() if name != "people"}))
    done = given.settle(how="accept", settles=[given.waiting[0].id], person="77")
    assert "rights were not checked" in done.message.en


def backflushed(given: Floor, lot: str | None = None) -> str:
    """A consumption at report time, beyond the mounted lots."""
    job = given.job
    data = MaterialConsumed(
        station="OP20", origin="backflush", posting_date="2026-11-22", boot_id=given.now.boot_id,
        monotonic_s=Decimal(given.now.monotonic_ms) / 1000, work_order=job.work_order,
        operation=job.operation, material="OIL", lot=lot, quantity=Decimal("0.5"), unit="LTR",
        bom_line="20", method="backflushed", use="production", posted_by="edge", caused_by="report-1",
        lot_missing=lot is None,
    )  # fmt: skip
    draft = Draft(given._new_id(given.now.wall_ms), given.now.wall_ms, data)
    given.line = evolve(given.line, draft)
    given._commit(draft)
    return draft.id


def test_material_without_a_lot_is_cancelled_and_recorded_again_with_it() -> None:
    given = floor()
    given.scan("LSE1042", "LSW100 0020")
    id_ = backflushed(given)
    backflushed(given, lot="O1")
    (one,) = given.waiting
    assert (one.kind, one.id, one.quantity, one.subject) == ("lot", id_, Decimal("0.5"), "OIL")
    asked: dict[str, Any] = {"how": "split", "settles": [id_], "person": "2001"}
    assert (
        refused(given, **asked, parts=[{"quantity": "0.2", "lot": "O1"}, {"quantity": "0.3"}]) == "lot_needed"
    )
    given.settle(**asked, parts=[{"quantity": "0.2", "lot": "O1"}, {"quantity": "0.3", "lot": "O2"}])
    (correction,) = given.facts(WorkCorrected)
    assert isinstance(correction, WorkCorrected)
    assert (correction.corrects, correction.reason, correction.person) == (id_, "incorrect_data", "2001")
    used = [
        one for one in given.facts(MaterialConsumed) if isinstance(one, MaterialConsumed) and one.replaces
    ]
    assert [(one.lot, one.quantity, one.caused_by) for one in used] == [
        ("O1", Decimal("0.2"), "report-1"),
        ("O2", Decimal("0.3"), "report-1"),
    ]
    assert given.waiting == []
    assert given.refolded() == given.line


def test_what_was_undone_waits_no_longer_nor_does_what_it_caused() -> None:
    given = floor()
    given.scan("LSE1042", "LSW100 0020")
    backflushed(given)
    correction = WorkCorrected(station="OP20", corrects="report-1", reason="did_not_occur", person="1042")
    line = evolve(given.line, Draft("c", given.now.wall_ms, correction))
    assert len(given.waiting) == 1
    assert line.waiting == {}


def test_long_time_without_an_order_waits_and_becomes_an_orders_labour() -> None:
    given = floor()
    given.scan("LSE1042", "LSW100 0020")
    given.wait(1200)
    given.scan("LSCUNDO", "LSCOK")
    (one,) = [one for one in given.waiting if one.kind == "time"]
    unassigned = [fact for fact in given.facts(TimeUnassigned) if isinstance(fact, TimeUnassigned)]
    assert one.quantity == unassigned[0].s > 1200
    assert (one.subject, one.category) == ("1042", "undone")
    given.settle(
        how="reassign", settles=[one.id], person="2001", to={"work_order": "200", "operation": "0020"}
    )
    (report,) = given.facts(WorkReported)
    assert isinstance(report, WorkReported) and report.resources is not None
    (labour,) = report.resources.labour  # type: ignore[misc]
    assert (labour.operator, labour.s, report.resources.basis) == (
        "1042",
        one.quantity,
        {"labour": "confirmed"},
    )
    assert report.outputs == ()


def made_up(**more: Any) -> dict[str, Any]:
    return {
        "how": "make_up", "station": "OP20", "time": "2026-11-22T09:30:00+08:00", "work_order": "100",
        "operation": "0020", "person": "2001", "note": "gun was broken", "outputs": [{"quantity": "5"}],
    } | more  # fmt: skip


def test_a_made_up_entry_bears_the_time_at_which_it_happened() -> None:
    given = floor()
    steel = {"material": "STEEL-4", "lot": "A1", "quantity": "10", "unit": "LBR"}
    given.settle(**made_up(materials=[steel], labour=[{"operator": "1042", "s": "600"}]))
    report, used, settled = given.events
    assert isinstance(report.data, WorkReported) and isinstance(used.data, MaterialConsumed)
    assert report.time == used.time == "2026-11-22T01:30:00.000Z"
    assert (report.data.posting_date, report.data.shift) == ("2026-11-22", "day")
    assert report.data.outputs[0].quantity == 5
    assert (used.data.quantity, used.data.unit, used.data.bom_line) == (Decimal("4.535924"), "KGM", "10")
    assert isinstance(settled.data, ReviewSettled)
    assert (settled.data.how, settled.data.note) == ("made_up", "gun was broken")
    assert settled.data.led_to == (report.id, used.id)


def test_a_made_up_entry_of_yesterday_changes_no_clock_and_no_time_of_people() -> None:
    given = floor()
    given.scan("LSE1042", "LSW100 0020")
    given.wait(600)
    wall = given.line.wall
    worked = [{"operator": "1042", "s": "300"}]
    given.settle(**made_up(time="2026-11-21T09:30:00+08:00", labour=worked))
    after = given.line.wall
    assert (after.offset_ms, after.stepped, after.trusted_ms) == (wall.offset_ms, False, wall.trusted_ms)
    given.scan("LSCDONE", "LSQ9", "LSCOK")
    (done,) = given.facts(WorkCompleted)
    assert isinstance(done, WorkCompleted) and done.resources is not None
    (labour,) = done.resources.labour  # type: ignore[misc]
    assert 600 <= labour.s <= 605


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"time": "yesterday"}, "time_wrong"),
        ({"time": "2026-11-22T09:30:00"}, "time_wrong"),
        ({"time": "2026-11-22T10:30:00+08:00"}, "time_ahead"),
        ({"time": "2026-09-22T09:30:00+08:00"}, "time_long_ago"),
        ({"note": None}, "note_missing"),
        ({"note": "  "}, "note_missing"),
        ({"person": "  "}, "person_missing"),
        ({"person": "LSE"}, "person_missing"),
        ({"outputs": []}, "nothing_made"),
        ({"outputs": [{"quantity": "0"}]}, "quantity_above_nought"),
        ({"station": "OP99"}, "station_unknown"),
        ({"work_order": "999"}, "order_unknown"),
        ({"person": "3001"}, "not_allowed"),
        ({"person": "1042"}, "four_eyes"),
        ({"person": "1042", "approved_by": "1042"}, "four_eyes_self"),
        ({"person": "1042", "approved_by": "1043"}, "four_eyes"),
        ({"materials": [{"material": "GOLD", "quantity": "1"}]}, "material_unknown"),
    ],
)
def test_a_made_up_entry_that_cannot_be_is_refused(more: dict[str, Any], key: str) -> None:
    assert refused(floor(), **made_up(**more)) == key


def test_an_operators_entry_stands_with_a_second_person() -> None:
    given = floor()
    given.settle(**made_up(person="1042", approved_by="LSE2001"))
    settled = given.facts(ReviewSettled)[0]
    assert isinstance(settled, ReviewSettled)
    assert (settled.person, settled.approved_by) == ("1042", "2001")


def test_a_locked_date_becomes_the_first_open_one() -> None:
    periods = [
        {"from": "2026-10-01", "to": "2026-10-31", "open": False},
        {"from": "2026-11-01", "to": "2026-11-20", "open": False},
        {"from": "2026-11-21", "to": "2026-11-30", "open": True},
    ]
    given = floor(periods=periods)
    done = given.settle(**made_up(time="2026-10-30T09:30:00+08:00"))
    report = given.events[0].data
    assert (report.posting_date, report.production_date) == ("2026-11-21", "2026-10-30")
    assert given.events[0].time.startswith("2026-10-30")
    assert "locked: posted on 2026-11-21" in done.message.en


def test_nothing_is_settled_while_the_clock_cannot_be_right() -> None:
    given = stray()
    given.now = msgspec.structs.replace(given.now, wall_ms=1000, clock="unsynced")
    assert refused(given, how="accept", settles=[given.waiting[0].id], person="2001") == "clock"


def test_provisional_orders_wait_until_they_arrive_or_are_accepted() -> None:
    given = floor()
    given.site = msgspec.structs.replace(given.site, checks=settings.Checks(unknown_order="provisional"))
    given.scan("LSE1042", "LSW900 0010")
    (one,) = given.waiting
    assert (one.kind, one.job) == ("provisional", ("900", "0010"))
    assert refused(given, how="reverse", settles=[one.id], person="2001") == "not_so"
    order = {"work_order": "900", "product": "COVER-2", "quantity": "5", "unit": "C62",
             "operations": [{"operation": "0010", "work_center": "WC-PRESS-1"}]}  # fmt: skip
    given.master = Floor(MASTER | {"people": PEOPLE, "work_orders": [*MASTER["work_orders"], order]}).master  # type: ignore[misc]
    given.wait(1)
    assert given.waiting == []
    assert given.refolded() == given.line


def test_a_stretch_is_bounded() -> None:
    given = stray()
    for cycles in range(513, 513 + 130):
        given.read(cycles=cycles).wait(30)
    first, second = given.waiting
    assert (len(first.ids), len(second.ids)) == (120, 11)
    assert first.quantity is not None and second.quantity is not None
    assert first.quantity + second.quantity == 142
    assert len(given.facts(CountUnattributed)) == 131


def test_a_total_that_is_shown_ends_when_a_settlement_changes_it() -> None:
    given = stray()
    given.scan("LSE1042", "LSW100 0020")
    given.read(cycles=542).wait(30)
    given.scan("LSCDONE")
    request = msgspec.convert(
        {"how": "reassign", "settles": [given.waiting[0].id], "person": "2001", "to": TO}, Request
    )
    done = given.put(request, "OP20")
    assert done.answer is not None and done.answer.result == "recorded"
    said = given.lives["OP20"].said
    assert said is not None and said.tone == "bad" and "Scan DONE or PART again" in said.message.en
    assert given.scan("LSCOK").result == "refused"
    given.scan("LSCDONE", "LSCOK")
    good = [one.outputs[0].quantity for one in given.facts(WorkReported, WorkCompleted)]  # type: ignore[attr-defined]
    assert good == [12, 30]


def test_what_a_receiver_refused_is_retried_or_discarded_by_a_fact() -> None:
    given = floor()
    given.settle(how="retry", settles=["a", "b"], person="2001")
    assert refused(given, how="discard", settles=["a"], person="2001") == "note_missing"
    assert refused(given, how="discard", settles=["a"], person="2001", note=" \u3000") == "note_missing"
    given.settle(how="discard", settles=["a"], person="2001", note=" posted by hand ")
    facts = [fact for fact in given.facts(ReviewSettled) if isinstance(fact, ReviewSettled)]
    assert [(fact.how, fact.settles) for fact in facts] == [("retried", ("a", "b")), ("discarded", ("a",))]
    assert [fact.note for fact in facts] == [None, "posted by hand"]


@pytest.mark.parametrize("counts", ["all", "good"])
@pytest.mark.parametrize("disposition", ["good", "scrap", "rework", "concession"])
def test_a_settlement_never_changes_what_the_next_proposal_holds_as_new(
    counts: str, disposition: str
) -> None:
    counter = {"tag": "press1.cycles", "max_rate_per_min": 60, "counts": counts}
    given = stray(base=Floor(MASTER | {"people": PEOPLE}, counters={"good": counter}))
    given.scan("LSE1042", "LSW100 0020")
    given.read(cycles=542).wait(30)
    reason = {"reason": "04"} if disposition in ("scrap", "rework") else {}
    given.settle(
        how="reassign", settles=[given.waiting[0].id], person="2001", approved_by="3001",
        to=TO | {"disposition": disposition} | reason,
    )  # fmt: skip
    given.scan("LSCDONE", "LSCOK")
    (done,) = given.facts(WorkCompleted)
    assert isinstance(done, WorkCompleted)
    assert [(one.disposition, one.quantity) for one in done.outputs] == [("good", 30)]


def test_nobody_unknown_is_paid_by_a_made_up_entry() -> None:
    given = floor()
    assert refused(given, **made_up(labour=[{"operator": "9999", "s": "480"}])) == "worker_unknown"
    given.settle(**made_up(labour=[{"operator": "B42", "s": "480"}]))
    (report,) = given.facts(WorkReported)
    assert isinstance(report, WorkReported) and report.resources is not None
    assert [one.operator for one in report.resources.labour or ()] == ["1042"], "as a scan of the badge says"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"labour": [{"operator": "1042", "s": "999999"}]}, "over_a_day"),
        ({"labour": [{"operator": "1042", "s": "1900"}]}, "too_long"),
        ({"labour": [{"operator": "1042", "s": "1000"}, {"operator": "B42", "s": "900"}]}, "too_long"),
        ({"machine_s": "1900"}, "too_long"),
        ({"machine_s": "86401", "time": "2026-11-20T09:30:00+08:00"}, "over_a_day"),
    ],
)
def test_nobody_works_longer_than_there_was_time(more: dict[str, Any], why: str) -> None:
    assert refused(floor(), **made_up(**more)) == why


def checked(**checks: object) -> Floor:
    return Floor(MASTER | {"people": PEOPLE}, checks=checks)


def test_pieces_beyond_the_tolerance_are_made_up_as_the_check_says() -> None:
    """Of 10 planned pieces with a tolerance of a tenth."""
    within, beyond = [{"quantity": "11"}], [{"quantity": "12"}]
    for level in ("warn", "confirm", "block"):
        checked(output=level).settle(**made_up(outputs=within))
    warned = checked(output="warn")
    assert "Warning: 12 good pieces are more" in warned.settle(**made_up(outputs=beyond)).message.en
    assert refused(checked(output="block"), **made_up(outputs=beyond, confirm=True)) == "check_blocked"
    asked = checked(output="confirm")
    assert refused(asked, **made_up(outputs=beyond)) == "check_confirm"
    asked.settle(**made_up(outputs=beyond, confirm=True))
    said = [(one.warnings, one.confirmed) for given in (warned, asked) for one in given.facts(WorkReported)]
    assert said == [(("output",), ()), ((), ("output",))]


def test_pieces_over_the_plan_are_told_though_nothing_is_checked() -> None:
    given = floor()
    given.settle(**made_up(outputs=[{"quantity": "9"}]))
    done = given.settle(**made_up(outputs=[{"quantity": "999999999"}]))
    assert "999999998 good pieces over the planned 10" in done.message.en


def test_who_has_no_qualification_is_made_up_as_the_check_says() -> None:
    people = [*PEOPLE[1:], PEOPLE[0] | {"qualifications": ["WC-OTHER"]}]
    given = Floor(MASTER | {"people": people}, checks={"qualification": "confirm"})
    worked = made_up(labour=[{"operator": "1042", "s": "60"}])
    assert refused(given, **worked) == "check_confirm"
    given.settle(**worked, confirm=True)
    assert [one.confirmed for one in given.facts(WorkReported)] == [("qualification",)]


def test_what_a_settlement_leads_to_fits_the_contract_of_the_costing_endpoint() -> None:
    given = stray()
    given.scan("LSE1042", "LSW100 0020")
    backflushed(given)
    count, lot = given.waiting
    given.settle(how="reassign", settles=[count.id], person="2001", to=TO)
    given.settle(how="reassign", settles=[lot.id], person="2001", to={"lot": "O1"}, note="by the drum")
    given.settle(**made_up(labour=[{"operator": "1042", "s": "600"}], machine_s="540"))
    for body in given.bodies:
        event = msgspec.json.decode(body) | {"source": "urn:lineside:suzhou:L3:0123456789abcdef"}
        assert examine(event).problem is None, event["type"]


def test_every_check_and_every_reason_to_wait_has_words_in_both_languages() -> None:
    codes = [name for name in settings.StationChecks.model_fields if not name.endswith("_tolerance")]
    whys = ("waiting", "paused", "break", "unconfirmed", "undone")
    for prefix, known in (("check", codes), ("time", whys), ("doubt", ("implausible", "backwards"))):
        for code in known:
            text = named(prefix, code)
            assert code not in (text.en, text.zh) and not text.zh.isascii(), code
    assert named("check", "usage, lot_expired").zh == "用料超过BOM用量、批次已过期"
