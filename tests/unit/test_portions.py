"""A large document is read in portions, and says the same as if it were read as a whole."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.faults import MasterDataInvalid
from edge.masterdata import portions
from edge.masterdata.document import LISTS, lists, news, parse
from edge.masterdata.portions import Cutter, Rows
from tests.unit.station.floor import MASTER

CUTTER = Cutter(LISTS)
# Within a record stands what looks like the end of a record, of a list, of the document.
TEXTS = st.sampled_from(["}", '},{"lot":', "}]}", '"', "\\", "批次", ""])
NESTED = st.lists(st.builds(lambda text: {"lot": text}, TEXTS), min_size=1, max_size=4)
RECORDS = st.lists(
    st.builds(
        lambda lot, name, nested: {"lot": lot, name: nested, "materials": nested},
        TEXTS,
        st.sampled_from(["of", *LISTS]),
        NESTED,
    ),
    min_size=10,
    max_size=20,
)
DOCUMENTS = st.dictionaries(st.sampled_from(LISTS), RECORDS, min_size=1, max_size=3).flatmap(
    lambda lists: st.dictionaries(st.just("version"), TEXTS, max_size=1).map(lambda more: {**more, **lists})
)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portions, "PORTION_BYTES", 300)


def whole(body: bytes) -> dict[str, list[Any]]:
    given = json.loads(body)
    return {name: rows for name, rows in given.items() if rows is not None}


def read(rows: Rows) -> list[Any]:
    return [json.loads(bytes(row)) for row in rows]


@pytest.mark.usefixtures("small")
@settings(max_examples=200)
@given(DOCUMENTS, st.sampled_from([None, 1]), st.booleans())
def test_what_is_cut_says_what_the_whole_says(given: dict[str, Any], indent: int | None, plain: bool) -> None:
    body = json.dumps(given, indent=indent, ensure_ascii=not plain).encode()
    cut = CUTTER.lists(body)
    if cut is None:
        return
    expected = whole(body)
    assert cut.keys() == expected.keys()
    for name, rows in cut.items():
        assert json.loads(bytes(rows.json)) == expected[name]
        if isinstance(expected[name], list):
            assert read(rows) == expected[name]
            assert [json.loads(bytes(rows[n])) for n in range(len(expected[name]))] == expected[name]


@pytest.mark.usefixtures("small")
@given(st.binary(max_size=40), st.integers(0, 2000), st.integers(0, 40))
def test_a_spoilt_document_is_refused_as_the_whole_would_be(put: bytes, at: int, out: int) -> None:
    body = msgspec.json.encode({name: MASTER[name] for name in LISTS if name in MASTER})
    at %= len(body)
    spoilt = body[:at] + put + body[at + out :]
    assert outcome(spoilt) == outcome(spoilt, cut=False)


def outcome(body: bytes, cut: bool = True) -> object:
    """The records that are taken, or that none is."""
    with pytest.MonkeyPatch.context() as patch:
        if not cut:
            patch.setattr(portions, "PORTION_BYTES", len(body))
        try:
            return parse(body)
        except MasterDataInvalid:
            return None


def large() -> dict[str, Any]:
    orders = [{**MASTER["work_orders"][0], "work_order": str(n)} for n in range(3000)]
    lots = [{"material": "STEEL-4", "lot": f"A{n}", "quantity": "100"} for n in range(30_000)]
    return {"version": "7", "work_orders": orders, "lots": lots, "people": [], "reasons": None}


@pytest.mark.parametrize("indent", [None, 2], ids=["compact", "indented"])
def test_no_piece_of_a_large_document_is_read_at_once_that_holds_up_a_scan(indent: int | None) -> None:
    given = large()
    cut = CUTTER.lists(json.dumps(given, indent=indent).encode())
    assert cut is not None
    assert {name: len(list(rows)) for name, rows in cut.items() if name != "version"} == {
        "work_orders": 3000,
        "lots": 30_000,
        "people": 0,
    }
    pieces = [end - begin for rows in cut.values() for begin, end in rows._spans]
    assert len(pieces) > 8 and max(pieces) <= 2 * portions.PORTION_BYTES


def test_a_problem_in_a_later_portion_is_named_with_its_number() -> None:
    given = large()
    given["lots"][29_000]["quantity"] = "-"
    rows = lists(msgspec.json.encode(given))["lots"]
    with pytest.raises(MasterDataInvalid, match=r"\$\.lots\[29000\]"):
        list(news("lots", rows, ()))


def test_a_record_given_again_in_another_portion_must_be_the_same() -> None:
    given = large()
    given["lots"] += [given["lots"][7]]
    assert len(parse(msgspec.json.encode(given)).lots or ()) == 30_000
    given["lots"][-1] = {**given["lots"][7], "quantity": "8"}
    with pytest.raises(MasterDataInvalid, match=r"\$\.lots\[30000\] says something else than \$\.lots\[7\]"):
        parse(msgspec.json.encode(given))
