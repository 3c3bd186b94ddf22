"""A code says what it says, or is refused with the reason: no lot and no quantity is ever guessed."""

import subprocess
import sys
from decimal import Decimal

import pytest
from biip.gs1_messages import GS1Message
from hypothesis import given
from hypothesis import strategies as st

from edge.codes import gs1, symbology
from edge.codes.content import Content, Elements, Plain, Refused, read, told_apart

GTIN = "06901234567892"


def said(content: Content) -> dict[str, str]:
    assert isinstance(content, Elements), content
    return {item.key: item.means for item in content.items}


# GS1 element strings


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        (f"01{GTIN}", "]d2", {"01": GTIN}),
        (f"01{GTIN}10A2207", "]C1", {"01": GTIN, "10": "A2207"}),
        (f"01{GTIN}10A2207\x1d17270131", "]d2", {"01": GTIN, "10": "A2207", "17": "2027-01-31"}),
        (f"01{GTIN}10A2207\x1d3010", "]Q3", {"01": GTIN, "10": "A2207", "30": "10"}),
        (f"01{GTIN}3103001250", "]C1", {"01": GTIN, "3103": "1.250"}),
        (f"01{GTIN}3100001250", "]C1", {"01": GTIN, "3100": "1250"}),
        (f"01{GTIN}17270200", "]C1", {"01": GTIN, "17": "2027-02-28"}),
        (f"01{GTIN}17280200", "]C1", {"01": GTIN, "17": "2028-02-29"}),
        (f"02{GTIN}37100", None, {"02": GTIN, "37": "100"}),
        (f"\x1d01{GTIN}10A2207\x1d", None, {"01": GTIN, "10": "A2207"}),
        ("10A2207\x1d21S-9", None, {"10": "A2207", "21": "S-9"}),
        ("8018069012345678901238", "]C1", {"8018": "069012345678901238"}),
        ("00006141411234567890", "]C1", {"00": "006141411234567890"}),
    ],
)
def test_elements_are_read_with_their_dates_and_measures(
    text: str, kind: str | None, expected: dict[str, str]
) -> None:
    assert said(read(text, kind)) == expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"01{GTIN}10A22073010", None),  # lot A22073010, or lot A2207 and 10 pieces
        (f"01{GTIN}10A220717270131", "]C1"),
        (f"01{GTIN}10A220721S9", None),
        (f"01{GTIN}10A2207{'0' * 20}", "]d2"),  # longer than a lot may be
        (f"01{GTIN}10{'A' * 18}01{GTIN}", "]d2"),
    ],
)
def test_a_code_that_can_be_read_in_two_ways_is_refused_where_separators_get_lost(
    text: str, kind: str | None
) -> None:
    found = read(text, kind, kept=False)
    assert isinstance(found, Refused)
    assert found.reason == "ambiguous"
    assert "separators are missing" in found.why


def test_a_line_that_carries_every_byte_is_believed_except_where_a_label_would_hardly_say_so() -> None:
    assert said(read(f"01{GTIN}10A22073010")) == {"01": GTIN, "10": "A22073010"}
    assert said(read(f"01{GTIN}10LOT210")) == {"01": GTIN, "10": "LOT210"}
    for text in (f"01{GTIN}10A220717270131", f"01{GTIN}10A220701{GTIN}", f"10{'A' * 21}\x1d301"):
        assert told_apart(text, "]d2", kept=True)


def test_separators_that_are_there_leave_no_doubt() -> None:
    text = f"01{GTIN}10A220717270131\x1d3010"
    assert said(read(text, kept=False)) == {"01": GTIN, "10": "A220717270131", "30": "10"}


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("0106901234567893", "]C1", "check digit"),
        (f"01{GTIN}17271331", "]C1", "17271331"),
        (f"01{GTIN}10", "]C1", "'10'"),
        (f"01{GTIN}30", "]C1", "(30) has no value"),
        ("", "]C1", "empty"),
        (f"01{GTIN}305A\x1d", "]C1", "(30) is followed by 'A'"),
        ("8018069012345678901231", "]C1", "check digit"),
        ("LSW10045678", "]C1", "LSW10045678"),
        (f"01{GTIN}10A1\x1d10A2", "]d2", "twice"),
        (f"01{GTIN}10A1\x1d10A1", "]d2", ""),
    ],
)
def test_a_damaged_code_is_refused_with_what_is_wrong(text: str, kind: str, words: str) -> None:
    found = read(text, kind)
    if words:
        assert isinstance(found, Refused) and found.reason == "malformed"
        assert words in found.why
    else:
        assert isinstance(found, Elements)


lots = st.text("ABCXYZ0123456789-./", min_size=1, max_size=20)


@given(lot=lots, quantity=st.integers(1, 99_999_999), day=st.sampled_from(["261122", "270131", "280200"]))
def test_what_a_label_says_is_read_and_without_its_separators_never_as_something_else(
    lot: str, quantity: int, day: str
) -> None:
    parts = [f"01{GTIN}", f"10{lot}\x1d", f"30{quantity}\x1d", f"17{day}"]
    expected = {"01": GTIN, "10": lot, "30": str(quantity)}
    right = read("".join(parts))
    assert isinstance(right, Elements)
    assert expected.items() <= {item.key: item.value for item in right.items}.items()
    dropped = read("".join(parts).replace("\x1d", ""), kept=False)
    assert isinstance(dropped, Refused) and dropped.reason == "ambiguous", dropped


@given(lots)
def test_the_own_table_of_lengths_agrees_with_the_library(lot: str) -> None:
    text = f"01{GTIN}1126112215271231200041069012345678923103001250\x1d10{lot}"
    assert gs1._open_end(text.split("\x1d")[0]) == ("", "")
    found = read(text, "]d2")
    assert isinstance(found, Elements)
    assert [item.value for item in found.items] == [
        one.value for one in GS1Message.parse(text).element_strings
    ]


# Digital Link and plain numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"https://id.gs1.org/01/{GTIN}/10/A2207?17=270131", {"01": GTIN, "10": "A2207", "17": "2027-01-31"}),
        (f"HTTPS://shop.example/x/01/{GTIN[1:]}?s=1", {"01": GTIN}),
        ("https://example.com/manual", None),
        ("https://[broken", None),
    ],
)
def test_a_digital_link_is_read_and_any_other_address_is_text(
    text: str, expected: dict[str, str] | None
) -> None:
    found = read(text, "]Q1")
    assert found == Plain(text) if expected is None else said(found) == expected


@pytest.mark.parametrize(
    "text", ["https://id.gs1.org/01/06901234567893", f"https://id.gs1.org/01/{GTIN}?10=A1&10=A2"]
)
def test_a_digital_link_that_contradicts_itself_is_refused(text: str) -> None:
    assert isinstance(read(text), Refused)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [("6901234567892", "]E0", GTIN), (GTIN, "]I1", GTIN), ("96385074", "]E4", "00000096385074")],
)
def test_a_products_number_is_a_gtin_of_14_digits(text: str, kind: str, expected: str) -> None:
    assert said(read(text, kind)) == {"01": expected}


@pytest.mark.parametrize("text", ["LSW10045678 0020", "LSQ12D5 KGM", "LSCDONE", "10045678", "A2207", "", "]"])
@pytest.mark.parametrize("kind", [None, "]C0", "]A0", "]d1", "]Q1"])
@pytest.mark.parametrize("kept", [True, False])
def test_the_plain_grammar_passes_untouched(text: str, kind: str | None, kept: bool) -> None:
    assert read(text, kind, kept=kept) == Plain(text)


# ISO/IEC 15434


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[)>\x1e06\x1dPSTEEL-4\x1dQ100\x1d1TA2207\x1e\x04", {"P": "STEEL-4", "Q": "100", "1T": "A2207"}),
        ("[)>\x1e06\x1dPSTEEL-4\x1dQ100\x1d1TA2207\x1e", {"P": "STEEL-4", "Q": "100", "1T": "A2207"}),
        ("[)>\x1e06\x1dPSTEEL-4\x1dQ100", {"P": "STEEL-4", "Q": "100"}),
        ("[)>\x1e06\x1d3W10045678+0020\x1d1H1042\x1d\x1e\x04", {"3W": "10045678+0020", "1H": "1042"}),
        (f"[)>\x1e05\x1d01{GTIN}10A2207\x1d3010\x1e\x04", {"01": GTIN, "10": "A2207", "30": "10"}),
        (f"[)>\x1e06\x1dQ5\x1e05\x1d01{GTIN}\x1e\x04", {"Q": "5", "01": GTIN}),
    ],
)
def test_a_message_is_read_with_its_keys(text: str, expected: dict[str, str]) -> None:
    assert said(read(text, "]d1")) == expected


@pytest.mark.parametrize(
    ("text", "reason", "words"),
    [
        ("[)>06PSTEEL-4Q1001TA2207", "ambiguous", "RS is missing"),
        ("[)>\x1e06PSTEEL-4Q1001TA2207\x1e\x04", "ambiguous", "GS is missing"),
        ("[)>", "ambiguous", "RS is missing"),
        ("[)>\x1e", "malformed", "no format"),
        ("[)>\x1e06\x1dSTEEL\x1dq5\x1e\x04", "malformed", "'q5'"),
        ("[)>\x1e06\x1dQ\x1e\x04", "malformed", "'Q'"),
        ("[)>\x1e06\x1d\x1e\x04", "malformed", "no data identifier"),
        ("[)>\x1e06\x1dQ5\x1dQ6\x1e\x04", "malformed", "twice"),
        ("[)>\x1e12\x1dX\x1e\x04", "malformed", "format 12"),
        ("[)>\x1e06\x1dQ5\x1ex\x1e\x04", "malformed", "no format"),
    ],
)
def test_a_damaged_message_is_refused_with_what_is_wrong(text: str, reason: str, words: str) -> None:
    found = read(text)
    assert isinstance(found, Refused)
    assert (found.reason, words in found.why) == (reason, True), found


# Symbology identifiers


@pytest.mark.parametrize(
    ("text", "kind", "rest", "name"),
    [
        ("]C1010690", "]C1", "010690", "GS1-128"),
        ("]d2x", "]d2", "x", "GS1 DataMatrix"),
        ("]C0LSW1", "]C0", "LSW1", "Code 128"),
        ("]A1LSW1", "]A1", "LSW1", "Code 39"),
        ("LSW1", None, "LSW1", ""),
        ("]", None, "]", ""),
        ("] C0", None, "] C0", ""),
    ],
)
def test_a_symbology_identifier_is_taken_off_and_named(
    text: str, kind: str | None, rest: str, name: str
) -> None:
    assert symbology.split(text) == (kind, rest)
    assert kind is None or symbology.named(kind) == name


# All of it


@given(st.text(max_size=80), st.sampled_from([None, "]C1", "]d2", "]E0", "]C0"]), st.booleans())
def test_whatever_the_text_there_is_an_answer(text: str, kind: str | None, kept: bool) -> None:
    assert isinstance(read(text, kind, kept=kept), Plain | Elements | Refused)


@given(st.decimals("0", "999999", places=0))
def test_a_measure_keeps_its_figure(figure: Decimal) -> None:
    for places in range(6):
        measure = said(read(f"01{GTIN}310{places}{int(figure):06d}", "]C1"))[f"310{places}"]
        assert Decimal(measure) == figure.scaleb(-places)


def test_a_scan_needs_no_library() -> None:
    code = (
        "import sys; from edge.codes import content; "
        f"content.told_apart('01{GTIN}10A220717270131', None, kept=True); sys.exit('biip' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
