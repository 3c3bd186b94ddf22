"""Master data: taken whole or not at all, and the place that is wrong is named."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import masterdata
from edge.demo.endpoint import MASTERDATA
from edge.faults import MasterDataInvalid
from edge.masterdata import Document, MasterData, parse
from edge.masterdata.lookup import load
from tests.deliveries import delivered
from tests.unit.station.floor import MASTER

ORDER: dict[str, Any] = {"work_order": "1", "product": "P", "quantity": "5", "unit": "C62"}


def refused(document: object) -> str:
    """Why a document is refused."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    with pytest.raises(MasterDataInvalid) as caught:
        parse(body)
    assert "stays in use" in caught.value.hint
    return caught.value.message


def test_the_demos_master_data_is_taken() -> None:
    held = MasterData(parse(MASTERDATA.read_bytes()))
    assert held.orders["10045678"].bom[0].quantity == Decimal("0.48")
    assert held.badges["1042"].person == "1042"


@pytest.mark.parametrize(
    "value",
    ['"NaN"', '"sNaN"', '"Infinity"', '"-Infinity"', '"1E+500"', '"1E-500"', '"1E+15"', '"0.0000000001"',
     '"1e999999999999"', '"five"', '""', "true", "null", "[]", "{}", "1e400", "NaN", '"５，０"'],
)  # fmt: skip
def test_a_number_that_is_no_plain_decimal_is_refused_and_its_place_named(value: str) -> None:
    order = json.dumps(ORDER).replace('"5"', value)
    message = refused(f'{{"work_orders": [{order}]}}'.encode())
    assert "the master data was not taken" in message
    if value not in ("NaN", "1e400"):
        assert "$.work_orders[0]" in message or "work_orders[...]" in message
        assert "quantity" in message


@pytest.mark.parametrize(
    ("value", "held"), [('"1E+3"', "1000"), ('"5.000"', "5.000"), ("5", "5"), ("0.48", "0.48")]
)
def test_plain_decimals_are_held_as_written_and_without_an_exponent(value: str, held: str) -> None:
    order = json.dumps(ORDER).replace('"5"', value)
    taken = parse(f'{{"work_orders": [{order}]}}'.encode())
    assert str(taken.work_orders[0].quantity) == held  # type: ignore[index]


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ([], "array"),
        ({"work_orders": {}}, "$.work_orders"),
        ({"work_orders": [{**ORDER, "status": "open"}]}, "status"),
        ({"work_orders": [{**ORDER, "operations": [{"operation": "1"}]}]}, "work_center"),
        ({"work_orders": [{**ORDER, "refs": {"a\nb": "1"}}]}, "refs"),
        ({"lots": [{"material": "A"}]}, "lot"),
        ({"materials": [{"material": 4, "unit": "C62"}]}, "material"),
        ({"materials": [{"material": "A", "unit": "KGM",
                         "units": [{"unit": "LBR", "numerator": "0", "denominator": "1"}]}]}, "above 0"),
        ({"periods": [{"to": "2026-11-30"}]}, "from"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_and_its_place_named(document: object, place: str) -> None:
    assert place in refused(document)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Sign in</html>",
        b"\xff\xfe{}",
        b'{"work_orders": [',
        b"nul",
        b'"text"',
        b'{"work_orders": [{}]} x',
    ],
)
def test_what_is_no_document_is_refused(body: bytes) -> None:
    refused(body)


@pytest.mark.parametrize("depth", [1_000, 100_000])
@pytest.mark.parametrize("key", ["x", "work_orders"])
def test_absurd_nesting_is_refused_or_ignored_and_never_a_crash(depth: int, key: str) -> None:
    body = f'{{"{key}": {"[" * depth}{"]" * depth}}}'.encode()
    try:
        assert parse(body) == Document()
    except MasterDataInvalid as fault:
        assert "was not taken" in fault.message


def test_unknown_keys_are_ignored_at_every_level() -> None:
    plain = parse(json.dumps(MASTER).encode())

    def more(value: Any) -> Any:
        if isinstance(value, dict) and "en" not in value and "FMoId" not in value:
            return {**{k: more(v) for k, v in value.items()}, "x_new": {"deep": [1, None, "NaN"]}}
        return [more(one) for one in value] if isinstance(value, list) else value

    assert parse(json.dumps(more(MASTER)).encode()) == plain


def test_an_absent_list_keeps_the_old_one_and_an_empty_one_empties_it(tmp_path: Path) -> None:
    path = tmp_path / "masterdata.db"
    delivered(path, MASTER, "e1", 1)
    delivered(path, {"work_orders": [ORDER], "lots": []}, "e2", 2)
    held = load(path)
    assert list(held.orders) == ["1"]
    assert held.document.lots is not None and not list(held.document.lots)
    assert held.materials.keys() == {"STEEL-4", "BRACKET-7"}
    assert held.document.tools is None  # never received: its checks only warn
    assert (held.etag, held.fetched_ms) == ("e2", 2)


leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just("NaN"))
trees = st.recursive(
    leaves,
    lambda t: st.lists(t, max_size=3) | st.dictionaries(st.sampled_from(["unit", "quantity", "bom"]), t),
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(masterdata.LISTS)), trees)
def test_a_mangled_list_is_taken_or_refused_and_never_a_crash(name: str, tree: object) -> None:
    try:
        parse(json.dumps({name: tree}).encode())
    except MasterDataInvalid as fault:
        assert "was not taken" in fault.message


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_document_with_mangled_bytes_is_taken_or_refused_and_never_a_crash(data: st.DataObject) -> None:
    body = bytearray(json.dumps(MASTER).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse(bytes(body))
    except MasterDataInvalid as fault:
        assert "was not taken" in fault.message


@pytest.mark.parametrize(
    ("tool", "told"),
    [
        ({"tool": "M", "units_per_count": "0"}, "units_per_count"),
        ({"tool": "M", "shares": [{"material": "A", "share": "0"}]}, "share"),
        ({"tool": "M", "shares": [{"material": "A", "share": "1"}] * 2}, "names a material twice"),
    ],
)
def test_a_tool_that_makes_nothing_is_refused_by_name(tool: dict[str, object], told: str) -> None:
    assert told in refused({"tools": [tool]})
