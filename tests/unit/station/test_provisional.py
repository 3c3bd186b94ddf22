"""An order that was never delivered: refused, or begun provisionally and made whole when it comes."""

from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace

from edge import settings
from edge.events import CountRecorded, Fact, MaterialConsumed, WorkCompleted, WorkReported, WorkStarted
from edge.masterdata import MasterData, parse
from tests.unit.station.floor import MASTER, Floor

ORDER = {
    "work_order": "999", "line": "7", "product": "COVER-2", "quantity": "40", "unit": "C62",
    "refs": {"FMoId": "9"}, "operations": [{"operation": "0020", "work_center": "WC-PRESS-1"}],
    "bom": [{"line": "10", "operation": "0020", "material": "OIL", "quantity": "1", "unit": "LTR"}],
}  # fmt: skip


def provisional(master: object = MASTER) -> Floor:
    """A site that lets unknown orders begin; somebody is signed on."""
    floor = Floor(master)
    floor.site = replace(floor.site, checks=settings.Checks(unknown_order="provisional"))
    floor.read(cycles=100, running=True)
    floor.scan("LSE1042")
    return floor


def deliver(floor: Floor, order: object = ORDER) -> None:
    """The ERP sends the order at last."""
    document = {**MASTER, "work_orders": [*MASTER["work_orders"], order]}  # type: ignore[misc]
    floor.master = MasterData(parse(msgspec.json.encode(document)), "etag-2")
    floor.wait(1)


def of_order(floor: Floor, *kinds: type[Fact]) -> list[Fact]:
    return [fact for fact in floor.facts(*kinds) if fact.work_order == "999"]


def test_an_unknown_order_is_refused_unless_the_site_lets_it_begin() -> None:
    floor = Floor()
    floor.scan("LSE1042")
    assert floor.scan("LSW999 0020").result == "refused"
    assert floor.facts(WorkStarted) == []


@pytest.mark.parametrize("master", [MASTER, {}], ids=["unknown", "never received any"])
def test_a_provisional_start_says_what_is_unknown_by_leaving_it_out(master: object) -> None:
    floor = provisional(master)
    answer = floor.scan("LSW999 0020")
    assert answer.result == "recorded" and "provisionally" in answer.message.en
    (started,) = floor.facts(WorkStarted)
    assert isinstance(started, WorkStarted)
    assert (started.work_order, started.operation, started.provisional) == ("999", "0020", True)
    assert (started.product, started.unit, started.planned_quantity, started.refs) == (None,) * 4
    shown = floor.view()
    assert (shown.planned, shown.product, shown.good) == (None, None, "0")


def test_without_an_operation_it_is_refused_and_the_message_says_what_to_scan() -> None:
    floor = provisional()
    answer = floor.scan("LSW999")
    assert answer.result == "refused" and "LSW999 and the operation" in answer.message.en
    assert floor.facts(WorkStarted) == []


def test_a_known_order_is_checked_as_ever() -> None:
    floor = provisional()
    for code in ("LSW400", "LSW300", "LSW100 0099"):
        assert floor.scan(code).result == "refused", code


def test_what_is_reported_before_the_order_comes_is_marked_and_names_no_product() -> None:
    floor = provisional()
    floor.scan("LSW999 0020")
    floor.wait(30).read(cycles=125, running=True)
    answer = floor.scan("LSCDONE", "LSCOK")
    assert "planned" not in answer.message.en  # nobody knows the plan
    (done,) = of_order(floor, WorkCompleted)
    assert isinstance(done, WorkCompleted) and done.provisional
    (output,) = done.outputs
    assert (output.material, output.role, output.quantity, output.unit) == (None, "main", Decimal(25), "C62")


def test_when_the_order_comes_what_follows_is_whole_and_nothing_is_counted_twice() -> None:
    floor = provisional()
    floor.scan("LSW999 0020")
    floor.wait(30).read(cycles=110, running=True)
    floor.scan("LSCPART", "LSCOK")
    deliver(floor)
    first, arrived = floor.facts(WorkStarted)
    assert isinstance(arrived, WorkStarted) and arrived.origin == "signal" and not arrived.provisional
    assert (arrived.product, arrived.planned_quantity, arrived.order_line) == ("COVER-2", Decimal(40), "7")
    assert (arrived.refs, arrived.phase, arrived.masterdata) == ({"FMoId": "9"}, "run", "etag-2")
    floor.wait(30).read(cycles=140, running=True)
    answer = floor.scan("LSCDONE", "LSCOK")
    assert answer.message.en.endswith("completed: good 40, scrap 0")
    part, done = of_order(floor, WorkReported, WorkCompleted)
    assert isinstance(part, WorkReported) and isinstance(done, WorkCompleted)
    assert [(one.outputs[0].material, one.outputs[0].quantity) for one in (part, done)] == [
        (None, Decimal(10)), ("COVER-2", Decimal(30)),
    ]  # fmt: skip
    assert (part.provisional, done.provisional) == (True, False) and done.refs == {"FMoId": "9"}
    counted = floor.quantity(f for f in of_order(floor, CountRecorded) if getattr(f, "counter", "") == "good")
    assert counted == Decimal(40)
    floor.wait(5)
    assert len(floor.facts(WorkStarted)) == 2  # it arrives once
    assert first.provisional


def test_the_state_from_the_facts_alone_is_the_live_one_before_and_after_the_order_comes() -> None:
    floor = provisional()
    floor.scan("LSW999 0020")
    assert floor.refolded() == floor.line and floor.job.provisional
    deliver(floor)
    assert floor.refolded() == floor.line and not floor.job.provisional
    assert (floor.job.product, floor.job.planned) == ("COVER-2", Decimal(40))


def test_an_order_that_comes_for_a_job_in_the_background_selects_nothing() -> None:
    floor = provisional()
    floor.scan("LSW999 0020", "LSW100", "LSCOK")
    assert floor.job.work_order == "100"
    deliver(floor)
    assert floor.job.work_order == "100"
    assert not any(job.provisional for job in floor.station.jobs)


def test_what_was_reported_in_pieces_stays_pieces_whatever_unit_the_order_has() -> None:
    floor = provisional()
    floor.scan("LSW999 0020", "LSCSCRAP04")
    deliver(floor, {**ORDER, "unit": "KGM"})
    assert floor.job.unit == "C62"
    other = provisional()
    other.scan("LSW999 0020")
    deliver(other, {**ORDER, "unit": "KGM"})
    assert other.job.unit == "KGM"


def test_set_up_of_a_provisional_job_stays_provisional() -> None:
    floor = provisional()
    floor.scan("LSW999 0020", "LSCSETUP")
    started = floor.facts(WorkStarted)[-1]
    assert isinstance(started, WorkStarted)
    assert (started.phase, started.provisional, started.product, started.unit) == ("setup", True, None, None)
    assert floor.job.provisional and floor.refolded() == floor.line


def test_a_lot_is_consumed_by_its_number_where_that_names_one_material() -> None:
    floor = provisional()
    assert floor.scan("LSW999 0020", "LSL A1", "LSQ2").result == "recorded"
    (used,) = floor.facts(MaterialConsumed)
    assert isinstance(used, MaterialConsumed) and used.provisional
    assert (used.material, used.lot, used.quantity, used.unit, used.bom_line) == (
        "STEEL-4", "A1", Decimal(2), "KGM", None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "why"),
    [("LSL NEVER", "unknown"), ("LSL TWIN", "several|exists for"), ("LSL OLD", "expired"),
     ("LSL BLOCKED", "blocked"), ("LSL X1", "unknown")],
)  # fmt: skip
def test_a_lot_that_names_no_usable_material_is_refused(code: str, why: str) -> None:
    floor = provisional()
    floor.scan("LSW999 0020")
    answer = floor.scan(code)
    assert answer.result == "refused" and any(word in answer.message.en for word in why.split("|"))
    assert floor.facts(MaterialConsumed) == []


@pytest.mark.parametrize(
    ("age_ms", "said"),
    [(None, None), (3_599_999, None), (3_600_000, "Orders as of 1 h ago"), (172_800_000, "2 days"),
     (-5_000, None)],
)  # fmt: skip
def test_the_page_says_how_old_the_master_data_is(age_ms: int | None, said: str | None) -> None:
    floor = Floor()
    floor.master.fetched_ms = None if age_ms is None else floor.now.wall_ms - age_ms
    shown = floor.view().masterdata
    assert shown is None if said is None else shown is not None and said in shown.en


def test_the_page_says_that_no_order_was_ever_received() -> None:
    shown = Floor({}).view().masterdata
    assert shown is not None and shown.en == "No orders from the ERP yet"


def test_a_provisional_start_can_be_undone() -> None:
    floor = provisional()
    floor.scan("LSW999 0020", "LSCUNDO", "LSCOK")
    assert floor.station.jobs == ()
