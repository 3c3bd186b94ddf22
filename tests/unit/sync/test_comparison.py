"""What receivers say is read with doubt; figures of two sides are compared by place."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from sync.comparison import DIFFERENCES_MAX, MISSING_MAX, Claim, Difference, counted, differing, understood
from sync.tally import Report, Total


def total(quantity: str, **more: Any) -> Total:
    given: dict[str, Any] = {
        "posting_date": "2026-11-22", "work_order": "W", "operation": "1", "material": "S",
        "kind": "scanned", "unit": "KGM",
    }  # fmt: skip
    return Total(**given | more, quantity=Decimal(quantity))


def ours(*totals: Total, excluded: tuple[int, ...] = (), to_seq: int = 9) -> Report:
    return Report("urn:x", 5, to_seq, 5, "d" * 64, list(excluded), list(totals))


def said(excluded: tuple[int, ...] = (), to_seq: int = 9, **answer: Any) -> Any:
    return understood(msgspec.json.encode(answer), ours(excluded=excluded, to_seq=to_seq))


def test_a_match_counts_only_where_nothing_contradicts_it() -> None:
    assert said(match=True, missing=[], differences=[]).match
    assert said(match=True, count=5, digest="d" * 64).match
    assert not said(match=True, missing=[7]).match
    assert not said(match=True, differences=[{"kind": "count", "sent": "5", "received": "4"}]).match
    assert not said(match=True, count=4).match
    assert not said(match=True, digest="e" * 64).match
    assert not said(match=True, excluded=(6,)).match
    assert said(match=False).differences == (Difference("match", "true", "false, without saying what"),)


def test_a_count_of_its_own_is_not_hidden_by_one_that_it_names_as_a_difference() -> None:
    named = {"kind": "count", "sent": "5", "received": "5"}
    found = said(match=True, count=4, differences=[named]).differences
    assert found == (Difference("count", "5", "5"), Difference("count", "5", "4")) and counted(found) == 4
    same = said(match=False, count=4, differences=[named | {"received": "4"}]).differences
    assert same == (Difference("count", "5", "4"),)
    assert counted(said(match=True).differences) is None


def test_of_what_is_called_missing_only_what_can_be_counts() -> None:
    found = said(match=False, missing=[9, 7, 7, 6, 4, 10, -1, 0, 10**18], excluded=(6,))
    assert (found.missing, found.absurd) == ((7, 9), 5)
    found = said(match=False, missing=list(range(5, 50_000)), to_seq=60_000)
    assert len(found.missing) == MISSING_MAX


def test_differences_of_any_form_are_plain_bounded_text() -> None:
    form = {"kind": "good", "material": "B\x1b[2J", "unit": "C62", "sent": "5", "received": "4", "more": 1}
    found = said(match=False, differences=[form, "odd", None, {"a": "x" * 999}, *[1] * 1000]).differences
    assert found[0] == Difference("B [2J good C62", "5", "4")
    assert found[1] == Difference("odd", "", "")
    assert len(found) == DIFFERENCES_MAX and max(len(one.what) for one in found) <= 200


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"match": 1}', b'{"match": true, "missing": ["5"]}'])
def test_what_is_no_answer_is_none(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        understood(body, ours())


def test_two_sides_differ_where_a_figure_does() -> None:
    mine = ours(total("5"), total("1", kind="good", unit="C62"))
    same = Claim(5, "d" * 64, [total("1.00", kind="good", unit="C62"), total("2"), total("3")])
    assert differing(mine, same) == (), "5 is 2 and 3"
    assert differing(mine, Claim()) == (), "what is not sent is not compared"
    found = differing(mine, Claim(4, "e", [total("6"), total("9", material="T")]))
    assert [(one.what, one.here, one.there) for one in found] == [
        ("count", "5", "4"),
        ("digest", "d" * 64, "e"),
        ("2026-11-22 W 1 S good C62", "1", "0"),
        ("2026-11-22 W 1 S scanned KGM", "5", "6"),
        ("2026-11-22 W 1 T scanned KGM", "0", "9"),
    ]
