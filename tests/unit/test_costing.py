"""The cost sheet: figures reckoned by hand, and what must hold for any facts."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge.costing import Amount, Comparison, CostSheet, Line, cost_sheet
from edge.events import (
    Activity,
    Event,
    Fact,
    Labour,
    MaterialConsumed,
    Output,
    OutputReclassified,
    Resources,
    WorkCompleted,
    WorkCorrected,
    WorkReported,
)
from edge.masterdata import MasterData, parse

JOB: dict[str, Any] = {"work_order": "W1", "operation": "0020", "work_center": "WC1"}
MASTERDATA = MasterData(
    parse(
        b"""{
 "work_orders": [
  {"work_order": "W1", "product": "P", "quantity": "100", "unit": "C62",
   "outputs": [{"material": "P", "role": "main", "cost_share": "1"}],
   "operations": [{"operation": "0020", "work_center": "WC1", "alternatives": ["WC2"],
     "setup_s": "600", "machine_s": "36", "labour_s": "36"}],
   "bom": [{"line": "10", "operation": "0020", "material": "STEEL", "quantity": "0.5", "unit": "KGM",
     "substitutes": ["STEEL-B"]}]},
  {"work_order": "W2", "product": "L", "quantity": "10", "unit": "C62",
   "outputs": [{"material": "L", "role": "main", "cost_share": "0.6"},
               {"material": "R", "role": "co", "cost_share": "0.4"}, {"material": "CHIPS", "role": "by"}],
   "operations": [{"operation": "0010", "work_center": "WC1"}]},
  {"work_order": "W3", "product": "P", "quantity": "10", "unit": "C62",
   "operations": [{"operation": "0020", "work_center": "WC1", "machine_s": "36", "labour_s": "36"}],
   "bom": [{"line": "10", "material": "STEEL", "quantity": "0.5", "unit": "KGM", "posted_by": "erp"}]}],
 "materials": [
  {"material": "P", "unit": "C62"}, {"material": "NO-PRICE", "unit": "C62"},
  {"material": "STEEL", "unit": "KGM", "price": "2.50", "currency": "CNY", "price_date": "2026-11-01",
   "units": [{"unit": "LBR", "numerator": "0.45359237", "denominator": "1"}]},
  {"material": "STEEL-B", "unit": "KGM", "price": "3.00", "currency": "CNY", "price_date": "2026-10-01"},
  {"material": "IMPORT", "unit": "C62", "price": "7", "currency": "EUR"},
  {"material": "CHIPS", "unit": "KGM", "price": "0.50", "currency": "CNY"}],
 "work_centers": [
  {"work_center": "WC1", "machine_rate": "60.00", "labour_rate": "40.00", "currency": "CNY",
   "energy_tariff": "0.80"},
  {"work_center": "WC2", "machine_rate": "90.00", "labour_rate": "40.00", "currency": "CNY"}],
 "activities": [{"work_center": "WC1", "activity": "air", "unit": "MTQ", "rate": "0.12"}]
}"""
    ),
    "etag-1",
)


def event(fact: Fact, id_: str, seq: int = 1) -> Event:
    return Event(
        id=id_,
        source="urn:lineside:suzhou:L3-IPC1:0123456789abcdef",
        type=f"lineside.{fact.type}.v1",
        time="2026-11-22T08:00:00.000Z",
        sequence=f"{seq:020d}",
        recordedtime="2026-11-22T08:00:00.000Z",
        data=fact,
    )


def out(quantity: str, disposition: Any = "good", **more: Any) -> Output:
    fields = {"material": "P", "role": "main", "unit": "C62", **more}
    return Output(quantity=Decimal(quantity), disposition=disposition, **fields)


def consumed(quantity: str, lot: str | None = "A", **more: Any) -> MaterialConsumed:
    fields = {
        "material": "STEEL",
        "unit": "KGM",
        "method": "scanned",
        "use": "production",
        "posted_by": "edge",
    }
    return MaterialConsumed(quantity=Decimal(quantity), lot=lot, **{**JOB, **fields, **more})


def correction(of: str) -> WorkCorrected:
    return WorkCorrected(corrects=of, reason="did_not_occur", person="2001", **JOB)


def labour(*shares: tuple[str, str]) -> tuple[Labour, ...]:
    return tuple(Labour(operator=operator, phase="run", s=Decimal(s)) for operator, s in shares)


FULL = Resources(
    setup_s=Decimal(720),
    machine_s=Decimal(1200),
    labour=labour(("1042", "1500"), ("1043", "300")),
    energy_kwh=Decimal("2.5"),
)
ORDER = [
    event(consumed("10"), "c1", 1),
    event(consumed("20", lot="B", unit="LBR"), "c2", 2),
    event(consumed("-1", use="return"), "c3", 3),
    event(WorkCompleted(outputs=(out("30"), out("2", "scrap")), resources=FULL, final=True, **JOB), "r1", 4),
]


def sheet(*events: Event, work_order: str = "W1") -> CostSheet:
    return cost_sheet(work_order, events, MASTERDATA)


def row(held: CostSheet, element: str, subject: str = "") -> Comparison:
    return next(r for r in held.comparisons if r.element == element and subject in ("", r.subject))


def amounts(lines: tuple[Line, ...]) -> list[tuple[str, str, Decimal | None]]:
    return [(line.subject, line.lot or line.detail, line.amount) for line in lines]


def kinds(held: CostSheet) -> set[tuple[str, str]]:
    return {(gap.kind, gap.subject) for gap in held.gaps}


def test_each_element_costs_quantity_times_price() -> None:
    held = sheet(*ORDER)
    assert amounts(held.of("material")) == [
        ("STEEL", "A", Decimal("22.5")),  # (10 − 1) kg × 2.50
        ("STEEL", "B", Decimal("22.6796185")),  # 20 lb × 0.45359237 × 2.50
    ]
    assert amounts(held.of("machine")) == [("WC1", "run", Decimal(20)), ("WC1", "setup", Decimal(12))]
    assert [line.subject for line in held.of("labour")] == ["1042", "1043"]
    assert held.totals["labour"] == Amount(Decimal(20))  # 1800 s × 40 / h
    assert held.totals["energy"] == Amount(Decimal(2))  # 2.5 kWh × 0.80
    assert held.total == Amount(Decimal("99.1796185"))
    assert held.gaps == ()
    assert held.completed


def test_good_units_absorb_the_cost_of_scrap() -> None:
    (unit,) = sheet(*ORDER).unit_costs
    assert unit.good == 30
    assert unit.each is not None
    assert unit.each.value == Decimal("3.305987283333333333")  # 99.1796185 / 30


def test_variances_are_those_of_the_book() -> None:
    held = sheet(*ORDER)
    steel, machine, hands = row(held, "material"), row(held, "machine"), row(held, "labour")
    assert (steel.standard_quantity, steel.standard) == (15, Decimal("37.5"))  # 30 × 0.5 kg × 2.50
    assert (steel.price, steel.yield_) == (0, Decimal("2.5"))  # 2 scrapped × 0.5 kg × 2.50
    assert steel.usage == Decimal("5.1796185")  # (18.0718474 − 16) kg × 2.50
    assert (machine.standard_quantity, machine.standard) == (1680, 28)  # 600 + 30 × 36 s, × 60 / h
    assert (machine.price, machine.usage, machine.yield_) == (0, Decimal("2.8"), Decimal("1.2"))
    assert hands.usage == Decimal("0.533333333333333333")  # (1800 − 600 − 32 × 36) s × 40 / h
    assert hands.yield_ == Decimal("0.8")
    assert held.variance == Decimal("7.6796185") + 4 + Decimal("1.333333333333333333")


def test_a_substitute_is_a_price_variance_and_another_machine_a_rate_variance() -> None:
    there = {**JOB, "work_center": "WC2"}
    held = sheet(
        event(consumed("4", material="STEEL-B"), "c1"),
        event(WorkReported(outputs=(out("8"),), resources=FULL, **there), "r1", 2),
    )
    assert row(held, "material", "STEEL").price == Decimal(2)  # 4 kg × (3.00 − 2.50)
    assert row(held, "material", "STEEL").usage == 0
    assert row(held, "machine").price == Decimal(16)  # 1920 s × (90 − 60) / h
    assert held.price_dates == ("2026-10-01",)


def test_unknown_is_never_zero() -> None:
    nothing = Resources(setup_s=None, machine_s=None, labour=None, energy_kwh=None)
    held = sheet(
        event(consumed("2", lot=None, material="NO-PRICE", unit="C62"), "c1"),
        event(WorkReported(outputs=(out("1"),), resources=nothing, **JOB), "r1", 2),
    )
    assert held.of("material")[0].amount is None
    assert held.total == Amount(Decimal(0), at_least=True)
    assert kinds(held) >= {
        ("price", "NO-PRICE"),
        ("lot", "NO-PRICE"),
        ("setup_time", "0020"),
        ("machine_time", "0020"),
        ("labour_time", "0020"),
        ("energy", "0020"),
    }
    assert row(held, "machine").usage is None
    assert held.unit_costs[0].each == Amount(Decimal(0), at_least=True)


def test_output_without_any_time_is_incomplete() -> None:
    held = sheet(event(WorkReported(outputs=(out("1"),), **JOB), "r1"))
    times = {("labour_time", "0020"), ("machine_time", "0020"), ("setup_time", "0020"), ("energy", "0020")}
    assert kinds(held) == times | {("consumption", "STEEL")}
    assert held.totals["material"].at_least
    assert all(held.totals[element].at_least for element in ("labour", "machine", "energy"))


def test_a_scrap_report_leaves_times_to_another_report() -> None:
    scrap = event(WorkReported(outputs=(out("1", "scrap"),), **JOB), "r0")
    assert sheet(scrap, *ORDER).gaps == ()


def test_a_unit_that_cannot_be_converted_is_unknown() -> None:
    held = sheet(event(consumed("2", unit="MTR"), "c1"))
    assert held.of("material")[0].amount is None
    assert ("unit", "STEEL") in kinds(held)
    assert held.totals["material"].at_least
    assert row(held, "material", "STEEL").usage is None


def test_currencies_are_never_added() -> None:
    held = sheet(event(consumed("2", material="IMPORT", unit="C62"), "c1"))
    assert held.currency == "CNY"
    assert held.total == Amount(Decimal(0), at_least=True)
    assert "no price in CNY" in next(gap.text for gap in held.gaps if gap.kind == "price")


def test_what_the_erp_backflushes_itself_costs_nothing_here() -> None:
    backflushed = event(consumed("5", posted_by="erp"), "c1")
    report = event(
        WorkReported(outputs=(out("1"),), resources=FULL, work_order="W3", operation="0020"), "r1", 2
    )
    assert sheet(backflushed).lines == ()
    held = sheet(report, work_order="W3")
    assert ("posted_by_erp", "STEEL") in kinds(held)
    assert [r.element for r in held.comparisons] == ["labour", "machine"]


def test_reclassified_output_moves_and_costs_no_second_time() -> None:
    first = event(WorkReported(outputs=(out("9"), out("1", "rework")), resources=FULL, **JOB), "r1")
    turned = OutputReclassified(
        material="P", quantity=Decimal(1), unit="C62", from_="rework", to="good", reason="04", **JOB
    )
    held = sheet(first, event(turned, "t1", 2))
    assert {o.disposition: o.quantity for o in held.outputs} == {"good": Decimal(10), "rework": Decimal(0)}
    assert held.unit_costs[0].good == 10
    assert held.total == sheet(first).total


def test_joint_cost_is_shared_after_the_by_product() -> None:
    outputs = (
        out("10", material="L"),
        out("10", material="R", role="co"),
        out("4", material="CHIPS", role="by", unit="KGM"),
    )
    used = Resources(machine_s=Decimal(3600), labour=labour(("1042", "3600")), energy_kwh=Decimal(0))
    held = sheet(
        event(WorkReported(outputs=outputs, resources=used, work_order="W2", operation="0010"), "r1"),
        work_order="W2",
    )
    left, right = held.unit_costs
    assert left.amount == Amount(Decimal("58.8"))  # (60 + 40 − 4 × 0.50) × 0.6
    assert right.each == Amount(Decimal("3.92"))  # 98 × 0.4 / 10


def test_further_activities_have_their_own_rate() -> None:
    used = Resources(other=(Activity(activity="air", quantity=Decimal(5), unit="MTQ"),))
    assert sheet(event(WorkReported(resources=used, **JOB), "r1")).totals["other"] == Amount(Decimal("0.6"))


def test_measured_and_standard_hours_stay_apart() -> None:
    measured = Resources(machine_s=Decimal(10), basis={"machine_s": "measured"})
    standard = Resources(machine_s=Decimal(20), basis={"machine_s": "standard"})
    held = sheet(
        event(WorkReported(resources=measured, **JOB), "r1"),
        event(WorkReported(resources=standard, **JOB), "r2", 2),
    )
    assert [(line.basis, line.quantity) for line in held.of("machine")] == [
        ("measured", 10),
        ("standard", 20),
    ]


def test_a_correction_takes_what_the_event_caused_with_it() -> None:
    caused = event(consumed("5", caused_by="r1"), "b1", 5)
    held = sheet(*ORDER, caused, event(correction("r1"), "x1", 6))
    assert held.total == Amount(Decimal("45.1796185"))
    assert held.outputs == ()
    assert not held.completed


def test_an_order_outside_the_master_data_still_shows_its_quantities() -> None:
    held = sheet(event(consumed("3", work_order="W9"), "c1"), work_order="W9")
    assert held.of("material")[0].amount == Decimal("7.5")
    assert kinds(held) == {("order", "W9")}
    assert held.standard is None


figures = st.decimals(min_value=0, max_value=10**9, places=3, allow_nan=False, allow_infinity=False)
times = st.none() | figures


@st.composite
def facts(draw: st.DrawFn) -> Fact:
    if draw(st.booleans()):
        unit, material = draw(st.sampled_from((("KGM", "STEEL"), ("LBR", "STEEL"), ("KGM", "STEEL-B"))))
        cause = draw(st.none() | st.sampled_from(("e0", "e1", "e2")))
        return consumed(str(draw(figures)), unit=unit, material=material, caused_by=cause)
    made = draw(
        st.lists(st.tuples(figures, st.sampled_from(("good", "concession", "rework", "scrap"))), max_size=3)
    )
    used = Resources(
        setup_s=draw(times),
        machine_s=draw(times),
        labour=labour(("1042", str(draw(figures)))),
        energy_kwh=None,
    )
    center = draw(st.sampled_from(("WC1", "WC2")))
    outputs = tuple(out(str(quantity), disposition) for quantity, disposition in made)
    return WorkReported(outputs=outputs, resources=used, **{**JOB, "work_center": center})


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    made = [event(fact, f"e{n}", n + 1) for n, fact in enumerate(draw(st.lists(facts(), max_size=6)))]
    undone = draw(st.lists(st.sampled_from(("e0", "e1", "e2", "e9")), max_size=3))
    return made + [event(correction(of), f"x{n}", n + 50) for n, of in enumerate(undone)]


@given(histories())
def test_variances_add_up_to_actual_minus_standard(history: list[Event]) -> None:
    held = sheet(*history)
    for line in held.comparisons:
        if line.standard is None or line.price is None or line.usage is None or line.yield_ is None:
            assert line.standard is None or line.actual.at_least
        else:
            assert line.price + line.usage + line.yield_ == line.actual.value - line.standard


@given(histories())
def test_usage_is_quantity_beyond_standard_at_standard_price(history: list[Event]) -> None:
    made: dict[str, Decimal] = {"all": Decimal(0)}
    held = sheet(*history)
    for output in held.outputs:
        made["all"] += output.quantity
    for line in held.comparisons:
        if line.usage is not None and line.element == "material":
            by_hand = (line.quantity - made["all"] / 2) * Decimal("2.50")
            assert abs(line.usage - by_hand) < Decimal("1e-9")


@given(histories(), st.randoms(use_true_random=False))
def test_neither_order_of_arrival_nor_duplicates_change_the_sheet(history: list[Event], chance: Any) -> None:
    arrived = history + [event for event in history if chance.random() < 0.5]
    chance.shuffle(arrived)
    assert sheet(*arrived) == sheet(*history)
