"""A scan means one thing, in whichever form it was printed, or is refused by name."""

import time
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edge.codes.automaton import MOST_TEXT, Automaton
from edge.codes.commands import COMMANDS, COMMANDS_WITH_REASON
from edge.codes.rules import Rule
from edge.readings import Moment, Scan
from edge.station.grammar import (
    DEFAULT,
    MOST,
    Amount,
    Badge,
    Command,
    Contradiction,
    CoProduct,
    Grammar,
    Label,
    Lot,
    Malformed,
    Order,
    OutputLot,
    Unclear,
    Unrecognised,
    Word,
)

NOW = Moment(1_795_312_800_000, 1_000_000, "boot-1")
GTIN = "06901234567892"


def read(
    text: str, kind: str | None = None, grammar: Grammar = DEFAULT, device: str = "gun1", kept: bool = True
) -> Word:
    return grammar.read(Scan(device, text, NOW, kind, kept))


def message(*fields: str) -> str:
    return "[)>\x1e06\x1d" + "\x1d".join(fields) + "\x1e\x04"


# The default grammar, form by form

keys = st.from_regex(r"[A-Z0-9._-]{1,20}", fullmatch=True)
operations = st.from_regex(r"[A-Z0-9]{1,12}", fullmatch=True)
quantities = st.decimals(0, 999_999_999, places=3).map(abs)
spaces = st.sampled_from(["", " ", "  "])


@given(keys, operations, spaces)
def test_plain_badges_orders_lots_outputs_and_co_products(key: str, operation: str, space: str) -> None:
    assert read(f"LSE{space}{key}") == Badge(key)
    assert read(f"LSW{space}{key}") == Order(key)
    assert read(f"lsw{space}{key.lower()} {operation}{space}") == Order(key, operation)
    assert read(f"LSL{space}{key}") == Lot(key)
    assert read(f"LSO{space}{key}") == OutputLot(key)
    assert read(f"LSP{space}{key}") == CoProduct(key)


@given(quantities, st.sampled_from([None, "KGM", "C62"]))
def test_a_plain_quantity_keeps_its_figure_and_unit(quantity: Decimal, unit: str | None) -> None:
    text = f"LSQ{quantity}".replace(".", "D") + (f" {unit}" if unit else "")
    assert read(text) == Amount(quantity, unit)


@given(keys, keys, operations, st.integers(0, 99_999_999), st.booleans())
def test_every_word_printed_as_iso_15434_reads_back_the_same(
    key: str, lot: str, operation: str, count: int, ended: bool
) -> None:
    def back(*fields: str) -> Word:
        text = message(*fields)
        return read(text if ended else text.removesuffix("\x1e\x04"), "]d1")

    assert back(f"1H{key}") == Badge(key)
    assert back(f"3W{key}") == back(f"W{key}") == Order(key)
    assert back(f"3W{key}+{operation}") == back(f"W{key}", f"1W{operation}") == Order(key, operation)
    assert back(f"Q{count}") == Amount(Decimal(count))
    label = Label(material=key, lot=lot, amounts=(Amount(Decimal(count)),))
    assert back(f"P{key}", f"1T{lot}", f"Q{count}") == back(f"Q{count}", f"T{lot}", f"P{key}") == label
    assert back(f"1P{key}", "VACME", f"1T{lot}") == Label(supplier_part=key, supplier="ACME", lot=lot)
    assert back(f"1T{lot}", f"Q{count}") == Lot(lot, None, Decimal(count))
    assert back(f"1T{lot}") == Label(lot=lot)
    assert back(f"S{lot}") == Label(serial=lot)
    assert back(f"P{key}") == Label(material=key)


@given(st.from_regex(r"[A-Z0-9./-]{1,20}", fullmatch=True), st.integers(0, 999_999), st.integers(0, 5))
def test_every_word_printed_as_gs1_reads_back_the_same(lot: str, figure: int, places: int) -> None:
    kilograms = Amount(Decimal(figure).scaleb(-places), "KGM")
    pieces = Amount(Decimal(figure), "C62")
    weight = f"310{places}{figure:06d}"
    assert read(weight, "]C1") == kilograms
    assert read(f"30{figure}", "]C1") == pieces
    assert read(f"01{GTIN}10{lot}\x1d30{figure}", "]d2") == Label(gtin=GTIN, lot=lot, amounts=(pieces,))
    assert read(f"01{GTIN}{weight}10{lot}\x1d17270131", "]d2") == Label(
        gtin=GTIN, lot=lot, amounts=(kilograms,)
    )
    assert read(f"02{GTIN}37{figure}\x1d10{lot}", "]C1") == Label(gtin=GTIN, lot=lot, amounts=(pieces,))
    assert read(f"01{GTIN}21{lot}\x1d", "]Q3") == Label(gtin=GTIN, serial=lot)
    assert read(f"\x1d10{lot}\x1d30{figure}") == Lot(lot, None, Decimal(figure), "C62")
    assert read(f"01{GTIN}") == Label(gtin=GTIN)


@given(keys, operations)
def test_company_internal_gs1_keys_carry_orders_and_badges(order: str, operation: str) -> None:
    assume("_" not in order)  # GS1 prints no other way
    assert read(f"91{order}+{operation}", "]C1") == Order(order, operation)
    assert read("8018069012345678901238", "]C1") == Badge("069012345678901238")


@pytest.mark.parametrize("name", [*COMMANDS, *(f"{name}04" for name in COMMANDS_WITH_REASON)])
def test_every_command_reads_the_same_in_all_forms(name: str) -> None:
    reason = "04" if name.endswith("04") else None
    word = Command(name.removesuffix("04"), reason)
    assert read(f"LSC{name}") == read(message(f"Z{name}")) == read(f"92{name}", "]C1") == word
    assert read(message(f"ZLSC{name}")) == read(f"92LSC{name}", "]d2") == word


def test_a_digital_link_is_a_label() -> None:
    assert read(f"https://id.gs1.org/01/{GTIN}/10/A2207") == Label(gtin=GTIN, lot="A2207")
    assert read("6901234567892", "]E0") == Label(gtin=GTIN)


# What says nothing certain


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("LSE", None, Malformed("LSE", "LSE1042")),
        ("LSW10045678 0020 X", None, Malformed("LSW10045678 0020 X", "LSW10045678 0020")),
        ("LSQ1.5", None, Malformed("LSQ1.5", "LSQ50, LSQ12D5 KGM")),
        ("LSCSCRAP", None, Malformed("LSCSCRAP", "LSCSCRAP04")),
        ("LSCEXTRA", None, Malformed("LSCEXTRA", "LSCEXTRA04")),
        ("LSO", None, Malformed("LSO", "LSO 2611A")),
        ("LSX1", None, Unrecognised("LSX1")),
        (message("Q1,5"), None, Malformed("[)><1E>06<1D>Q1,5<1E><04>", "Q50, Q12.5, (30)50")),
        (message("ZJUMP"), None, Malformed("[)><1E>06<1D>ZJUMP<1E><04>", "ZDONE, (92)DONE")),
        ("9137\x1d", "]C1", Order("37")),
        ("37100", "]C1", Malformed("37100", "(02)…(37)50")),
        ("21S9", "]C1", Malformed("21S9", "(01)…(21)…, P…S…")),
        ("0106901234567893", "]C1", Unclear("0106901234567893", "malformed")),
        ("[)>06PSTEEL-4", None, Unclear("[)>06PSTEEL-4", "ambiguous")),
        (message("KPO-1", "4LCN"), None, Unrecognised("[)><1E>06<1D>KPO-1<1D>4LCN<1E><04>")),
        (message("P" + "X" * 65), None, Unclear("[)><1E>06<1D>P" + "X" * 25 + "…", "malformed")),
        ("A" * (MOST + 1), None, Unrecognised("A" * 39 + "…")),
    ],
)
def test_what_is_no_word_is_named(text: str, kind: str | None, expected: Word) -> None:
    assert read(text, kind) == expected


@pytest.mark.parametrize(
    ("text", "kind", "rules"),
    [
        (message("1H1042", "3W10045678"), None, ("badge", "order")),
        (message("ZDONE", "Q5"), None, ("amount", "command")),
        (message("PSTEEL-4", "1TA1", "W10045678"), None, ("label", "order")),
        (message("1TA1", "TB2", "PSTEEL-4"), None, ("T", "1T")),
        (message("W1", "3W2"), None, ("3W", "W")),
        (message("3W1+0020", "1W0030"), None, ("3W", "1W")),
        ("30103102000150", "]C1", None),
        ("3102000150301", "]C1", ("3102", "30")),
        ("91100\x1d92DONE", "]C1", ("command", "order")),
    ],
)
def test_what_means_two_things_is_refused_with_both_names(
    text: str, kind: str | None, rules: tuple[str, ...] | None
) -> None:
    word = read(text, kind)
    if rules is None:
        assert isinstance(word, Malformed | Unclear), word  # eight digits are the most of a count
    else:
        assert isinstance(word, Contradiction) and word.rules == rules, word


def test_a_suppliers_internal_keys_on_their_label_are_theirs() -> None:
    assert read(f"01{GTIN}10A1\x1d91X-5\x1d92Y", "]C1") == Label(gtin=GTIN, lot="A1")


def test_what_was_typed_may_have_lost_separators() -> None:
    text = f"01{GTIN}10A22073010"
    assert read(text) == Label(gtin=GTIN, lot="A22073010")
    assert read(text, kept=False) == Unclear(text, "ambiguous")


# A site's own rules


def rule(name: str, pattern: str, *scanners: str, **more: object) -> Rule:
    return Rule(name, Automaton(pattern), scanners, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("own", "text", "word"),
    [
        (rule("r", r"P-(?P<badge>\d{4})"), "P-1042", Badge("1042")),
        (rule("r", r"A(?P<order>\d+)/(?P<operation>\d+)"), "A100/20", Order("100", "20")),
        (
            rule("r", r"B(?P<lot>\w+)/(?P<quantity>\d+)/(?P<unit>[A-Z]{3})"),
            "BA1/50/KGM",
            Lot("A1", None, Decimal(50), "KGM"),
        ),
        (
            rule("r", r"B(?P<lot>\w+)/(?P<quantity>\d+)", unit="KGM", decimals=2),
            "BA1/1250",
            Lot("A1", None, Decimal("12.5"), "KGM"),
        ),
        (rule("r", r"B(?P<lot>\w+)(/(?P<quantity>\d+))?"), "BA1", Lot("A1")),
        (
            rule("r", r"S(?P<supplier_part>[^ ]+) (?P<lot>.+)"),
            "SX-1 L7",
            Label(supplier_part="X-1", lot="L7"),
        ),
        (rule("r", r"G(?P<gtin>\d{13})"), "G6901234567892", Label(gtin=GTIN)),
        (rule("r", r"G(?P<gtin>\d{13})"), "G6901234567893", Unclear("G6901234567893", "malformed")),
        (rule("r", r"(?P<quantity>[\d.]+)KG", unit="KGM"), "1.5KG", Amount(Decimal("1.5"), "KGM")),
        (rule("r", r"(?P<quantity>[\d.]+)KG"), "1..5KG", Malformed("1..5KG", "r")),
        (rule("r", r"(?P<quantity>\d+)KG"), "1234567890KG", Malformed("1234567890KG", "r")),
        (rule("r", r"O(?P<output_lot>\w+)-(?P<serial>\d+)"), "O26A-7", OutputLot("26A", "7")),
        (rule("r", "FERTIG", command="DONE"), "FERTIG", Command("DONE")),
        (rule("r", "停机", command="PAUSE21"), "停机", Command("PAUSE", "21")),
        (rule("r", r"X(?P<reason>\d\d)", command="SCRAP"), "X04", Command("SCRAP", "04")),
        (rule("r", r"C(?P<command>[A-Z]+)"), "CJUMP", Malformed("CJUMP", "r")),
        (rule("r", r"B(?P<lot>.+)"), "BA\x1d1", Malformed("BA<1D>1", "r")),
        (rule("r", r"LSE(?P<order>\d+)"), "LSE1042", Order("1042")),  # the site's own come first
    ],
)
def test_a_sites_rule_says_what_its_groups_say(own: Rule, text: str, word: Word) -> None:
    assert read(text, grammar=Grammar([own])) == word


def test_a_rule_holds_where_its_scanners_are_and_the_default_everywhere_else() -> None:
    grammar = Grammar([rule("r", r"LSE(?P<order>\d+)", "gun1")])
    assert read("LSE1042", grammar=grammar, device="gun1") == Order("1042")
    assert read("LSE1042", grammar=grammar, device="page") == Badge("1042")


def test_a_code_that_fits_two_rules_is_refused_with_both_names() -> None:
    grammar = Grammar([rule("box", r"X(?P<lot>\d+)"), rule("pallet", r"X(?P<order>\d{8})")])
    assert read("X12345678", grammar=grammar) == Contradiction("X12345678", ("box", "pallet"))
    assert read("X1", grammar=grammar) == Lot("1")


# Anything at all

LARGE = Grammar([rule(str(at), r"(.?){180}(?P<lot>\d)") for at in range(10)])  # 1,810 states

pieces = st.sampled_from(
    ["LSQ", "LSC", "]C1", "[)>", "\x1e", "\x1d", "\x04", "06", "05", f"01{GTIN}", "10A", "3103", "91", "9",
     "Q", "1T", "Z", "https://id.gs1.org/", "\ud800", "٣", "²", "钢", "0", "999999", "+", ".", "D", " "]
)  # fmt: skip


@given(
    st.one_of(st.text(max_size=60), st.binary(max_size=60).map(lambda data: data.decode("latin-1")))
    | st.lists(pieces, max_size=30).map("".join),
    st.sampled_from([None, "]C1", "]d1", "]d2", "]E0", "]C0"]),
    st.booleans(),
)
@settings(max_examples=500)
def test_any_text_has_a_meaning_and_no_figure_is_invented(text: str, kind: str | None, kept: bool) -> None:
    grammar = Grammar([rule("any", r"#(?P<lot>[^ ]+) (?P<quantity>[\d.]+)")])
    word = read(text, kind, grammar, kept=kept)
    assert isinstance(word, Word)
    for amount in (word, *getattr(word, "amounts", ())):
        quantity = getattr(amount, "quantity", None)
        assert quantity is None or (quantity.is_finite() and 0 <= quantity < 10**15)


@pytest.mark.parametrize(
    "text",
    ["0" * MOST, "10" * 1000, f"01{GTIN}" * 125, "\x1d10A" * 500, "[)>\x1e06\x1d" + "Q1\x1d" * 650,
     "LSL" + "A" * 1990, f"01{GTIN}10" + "11220101" * 248, "https://id.gs1.org/" + "01/" * 600,
     "[)>" + "\x1e05\x1d01" * 300],
)  # fmt: skip
@pytest.mark.parametrize("length", [MOST_TEXT, MOST])
@pytest.mark.parametrize("kind", [None, "]C1"])
@pytest.mark.parametrize("kept", [True, False])
def test_reading_takes_bounded_time(text: str, length: int, kind: str | None, kept: bool) -> None:
    read(f"01{GTIN}", "]C1")  # the library is there
    begun_s = time.process_time()
    read(text[:length], kind, LARGE, kept=kept)
    assert time.process_time() - begun_s < 0.5


def test_a_code_is_read_once_however_often_it_is_asked_for() -> None:
    grammar = Grammar()
    scan = Scan("gun1", "LSE1042", NOW)
    assert grammar.read(scan) is grammar.read(scan)
