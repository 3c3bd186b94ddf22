"""Facts on the wire: canonical form, chain, CloudEvents and the published schemas."""

import hashlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import rfc8785
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from edge import events as e
from edge.schemas import schemas, text

SOURCE = "urn:lineside:suzhou:L3-IPC1:0123456789abcdef"
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
QUANTITIES = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=3)


def sealed(fact: e.Fact, seq: int = 1, previous: str = "") -> tuple[e.Event, bytes]:
    draft = e.Draft("01939c3e-5f00-7000-8000-000000000001", 1_795_312_800_123, fact)
    return e.seal(draft, SOURCE, seq, "2026-11-22T02:00:00.200Z", previous)


def consumed(**more: Any) -> e.MaterialConsumed:
    given = {
        "material": "STEEL-4", "lot": "A1", "quantity": Decimal("5.000"), "unit": "KGM", "method": "scanned",
        "use": "production", "posted_by": "edge",
    } | more  # fmt: skip
    return e.MaterialConsumed(**given)


@given(WORDS, WORDS, QUANTITIES, st.dictionaries(st.from_regex(r"\A[ -~]{1,8}\Z"), WORDS, max_size=4))
def test_the_stored_form_is_rfc_8785_and_the_chain_is_over_it(
    material: str, lot: str, quantity: Decimal, refs: dict[str, str]
) -> None:
    fact = consumed(
        material=material, lot=lot, quantity=e.plain(quantity), refs=refs or None, operators=(lot,)
    )
    _, body = sealed(fact, previous="ab" * 32)
    parsed = json.loads(body)
    assert rfc8785.dumps(parsed) == body
    chain = parsed.pop("chain")
    assert chain == hashlib.sha256(b"ab" * 32 + rfc8785.dumps(parsed)).hexdigest()
    assert e.chains(body, "ab" * 32)
    assert not e.chains(body, "ba" * 32)


@given(st.integers(0, 400), st.integers(1, 255))
def test_any_changed_byte_breaks_the_chain_or_the_form(position: int, flip: int) -> None:
    _, body = sealed(consumed())
    changed = bytearray(body)
    changed[position % len(body)] ^= flip
    assert not e.chains(bytes(changed), "")


@given(st.integers(0, 2), st.integers(0, 10**6), st.integers(1, 255))
def test_any_changed_byte_in_a_row_of_events_is_found_where_it_is(at: int, position: int, flip: int) -> None:
    rows, chain = [], ""
    for seq in (5, 6, 7):
        _, body = sealed(e.WorkPaused(reason="04"), seq, chain)
        rows.append((seq, body))
        chain = e.chain_of(body)
    assert e.first_broken(rows, 4, "") is None
    changed = bytearray(rows[at][1])
    changed[position % len(changed)] ^= flip
    rows[at] = rows[at][0], bytes(changed)
    assert e.first_broken(rows, 4, "") == 5 + at


def test_absent_null_and_nought_are_three_things() -> None:
    resources = e.Resources(machine_s=None, labour=(), setup_s=Decimal("0.000"))
    _, body = sealed(e.WorkReported(resources=resources))
    assert json.loads(body)["data"]["resources"] == {"labour": [], "machine_s": None, "setup_s": "0.000"}
    decoded = e.decode(body).data
    assert isinstance(decoded, e.WorkReported) and decoded.resources is not None
    assert decoded.resources.energy_kwh is msgspec.UNSET
    assert decoded.resources.machine_s is None


def test_an_event_comes_back_as_it_was() -> None:
    event, body = sealed(
        consumed(entered=e.Entered(quantity=Decimal("11.02"), unit="LBR"), work_order="1", operation="2")
    )
    again = e.decode(body)
    assert again.data == event.data
    assert (again.subject, again.seq, again.time) == ("1/2", 1, "2026-11-22T02:00:00.123Z")


def test_an_unknown_type_is_read_without_its_further_keys() -> None:
    _, body = sealed(consumed(station="OP20"))
    renamed = body.replace(b"lineside.material.consumed.v1", b"lineside.something.new.v9")
    assert e.decode(renamed).data == e.Unknown(station="OP20")


@pytest.mark.parametrize("value", ["1E+3", "1E-7", "0E-9", "123456789.1234567", "-0.000001", "5"])
def test_a_quantity_writes_itself_plainly(value: str) -> None:
    _, body = sealed(consumed(quantity=e.plain(Decimal(value))))
    written = json.loads(body)["data"]["quantity"]
    jsonschema.validate(written, {"pattern": e.DECIMAL_PATTERN})
    assert abs(Decimal(written) - Decimal(value)) <= Decimal("0.0000005")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_no_quantity(value: str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        e.plain(Decimal(value))


def test_the_official_sdk_takes_an_event() -> None:
    _, body = sealed(consumed(work_order="1", operation="2"))
    event = JSONFormat().read(CloudEvent, body)
    assert (event.get_type(), event.get_source()) == ("lineside.material.consumed.v1", SOURCE)
    assert event.get_extension("sequence") == "00000000000000000001"


EXAMPLES: dict[str, e.Fact] = {
    "work.started": e.WorkStarted(
        phase="run", planned_quantity=Decimal(5), product="P", unit="C62",
        standard=e.Standard(setup_s=Decimal(600), labour_s=Decimal("12.5")),
    ),
    "work.paused": e.WorkPaused(reason="21"),
    "work.resumed": e.WorkResumed(),
    "work.reported": e.WorkReported(
        outputs=(e.Output(material="P", role="main", disposition="good", quantity=Decimal(1), unit="C62"),),
        resources=e.Resources(machine_s=None, labour=(e.Labour(operator="1", phase="run", s=Decimal(2)),)),
        interval=e.Interval(from_="2026-11-22T02:00:00.000Z", to="2026-11-22T02:00:01.000Z"),
    ),
    "work.completed": e.WorkCompleted(final=True),
    "material.consumed": consumed(),
    "output.reclassified": e.OutputReclassified(
        material="P", quantity=Decimal(1), unit="C62", from_="rework", to="good"
    ),
    "output.identified": e.OutputIdentified(lot="2611A", serial="S1"),
    "work.corrected": e.WorkCorrected(corrects="x", reason="did_not_occur", person="1"),
    "count.recorded": e.CountRecorded(counter="good", from_=Decimal(1), to=Decimal(2), delta=Decimal(1)),
    "count.unattributed": e.CountUnattributed(counter="good", held="backwards"),
    "time.unassigned": e.TimeUnassigned(category="undone", s=Decimal("1.000")),
    "break.taken": e.BreakTaken(operator="1", s=Decimal("1800.000")),
    "shift.changed": e.ShiftChanged(on_break="unpaid", incomplete=True),
    "crew.recorded": e.CrewRecorded(operators=("1",)),
    "operator.doubted": e.OperatorDoubted(operator="1", present_s=Decimal("50400.000")),
    "operator.signed_on": e.OperatorSignedOn(operator="1"),
    "operator.signed_off": e.OperatorSignedOff(operator="1"),
    "lot.mounted": e.LotMounted(material="M", lot="L"),
    "lot.unmounted": e.LotUnmounted(material="M", lot="L"),
    "tool.mounted": e.ToolMounted(tool="T", units_per_count=Decimal(4)),
    "tool.unmounted": e.ToolUnmounted(tool="T"),
    "meter.replaced": e.MeterReplaced(counter="energy", from_=Decimal("812.5")),
    "review.opened": e.ReviewOpened(
        opens="x", original_type="work.reported", original_time="2026-11-22T02:00:00.000Z", original="{}",
        caused=(e.OpenedPart(id="y", original="{}"),), made_up=True,
    ),
    "review.settled": e.ReviewSettled(settles=("x",), how="retried", person="1"),
    "clock.stepped": e.ClockStepped(offset_s=Decimal("-1.5")),
    "journal.opened": e.JournalOpened(cause="new"),
}  # fmt: skip


def test_every_type_of_the_design_is_there() -> None:
    assert {name.removeprefix("lineside.").removesuffix(".v1") for name in e.FACTS} == set(EXAMPLES)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_event_fits_its_published_schema_and_a_json_number_does_not(name: str) -> None:
    kind = f"lineside.{name}.v1"
    published = json.loads(Path("docs/schemas", f"{kind}.json").read_text(encoding="utf-8"))
    _, body = sealed(EXAMPLES[name])
    parsed = json.loads(body)
    jsonschema.validate(parsed, published)
    for key, value in parsed["data"].items():
        if isinstance(value, str) and value.replace(".", "").replace("-", "").isdigit() and key != "reason":
            broken = {**parsed, "data": {**parsed["data"], key: float(value)}}
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(broken, published)


def test_the_published_schemas_are_those_of_the_types() -> None:
    published = {path.name: path.read_text(encoding="utf-8") for path in Path("docs/schemas").glob("*.json")}
    assert published == {f"{kind}.json": text(schema) for kind, schema in schemas().items()}
