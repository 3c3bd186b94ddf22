"""What is proven of a site's pattern holds: judged by `re` and by counting through every short text."""

import re
import time
import warnings
from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edge.codes.automaton import MOST_TEXT, Automaton
from edge.codes.patterns import PatternError

LETTERS = "ab1"
SHORT = [
    "".join(signs) for length in range(1, 6) for signs in product(LETTERS, repeat=length)
]  # every text of up to five signs


def parts(depth: int) -> st.SearchStrategy[str]:
    """Patterns without names."""
    leaf = st.sampled_from(["a", "b", "1", "[ab]", "[^a]", r"\d", ".", "[a-b1]", r"\x61"])
    if depth == 0:
        return leaf
    inner = parts(depth - 1)
    counts = st.sampled_from(["?", "*", "+", "{2}", "{1,}", "{0,2}", "{1,3}"])
    return st.one_of(
        leaf,
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda found: f"(?:{'|'.join(found)})"),
        st.tuples(inner, counts).map(lambda found: f"({found[0]}){found[1]}"),
    )


@st.composite
def named(draw: st.DrawFn) -> str:
    """Patterns with up to two groups."""
    pieces = [draw(st.one_of(st.just(""), parts(1))) for _ in range(3)]
    first, second = (f"(?P<{name}>{draw(parts(1))})" for name in ("x", "y"))
    first += draw(st.sampled_from(["", "?"]))
    if draw(st.booleans()):
        return f"{pieces[0]}(?:{first}|{second}){pieces[2]}"
    return pieces[0] + first + pieces[1] + second + pieces[2]


def built(pattern: str) -> Automaton:
    """The pattern, where it is one that lineside takes."""
    try:
        return Automaton(pattern)
    except PatternError:
        assume(False)
        raise


def judged(pattern: str, text: str) -> dict[str, str] | None:
    """What the standard library says."""
    match = re.fullmatch(pattern, text, re.DOTALL | re.ASCII)
    return None if match is None else {k: v for k, v in match.groupdict().items() if v is not None}


@given(parts(3))
@settings(max_examples=60, deadline=None)
def test_a_pattern_takes_exactly_what_the_standard_library_takes(pattern: str) -> None:
    automaton = built(pattern)
    for text in SHORT:
        assert (automaton.values(text) is not None) == (judged(pattern, text) is not None), text


@given(named())
@settings(max_examples=60, deadline=None)
def test_the_values_are_those_that_the_standard_library_finds(pattern: str) -> None:
    automaton = built(pattern)
    for text in SHORT:
        assert automaton.values(text) == judged(pattern, text), text


@given(parts(2), parts(2))
@settings(max_examples=120, deadline=None)
def test_two_patterns_share_a_text_exactly_where_one_is_found(one: str, other: str) -> None:
    first, second = built(one), built(other)
    shared = first.shared(second)
    if shared is None:
        assert [text for text in SHORT if judged(one, text) == judged(other, text) == {}] == []
    else:
        assert judged(one, shared) == judged(other, shared) == {}, shared


def ways(pattern: str, text: str) -> set[tuple[str, ...]]:
    """Every way in which A, B and C of `A(?P<x>B)C(?P<y>D)` can share out a text: by trying all cuts."""
    pieces = pattern.split("|||")
    return set(_cuts(pieces, text))


def _cuts(pieces: list[str], text: str) -> Iterator[tuple[str, ...]]:
    if not pieces:
        if not text:
            yield ()
        return
    for at in range(len(text) + 1):
        if judged(pieces[0], text[:at]) is not None:
            for rest in _cuts(pieces[1:], text[at:]):
                yield text[:at], *rest


@given(st.lists(parts(1), min_size=2, max_size=4))
@settings(max_examples=120, deadline=None)
def test_what_can_be_read_in_two_ways_is_refused_with_a_text_that_can(pieces: list[str]) -> None:
    pattern = "".join(f"(?P<g{at}>{piece})" for at, piece in enumerate(pieces))
    assume(all(judged(piece, "") is None for piece in pieces))  # a value may not be empty
    try:
        Automaton(pattern)
    except PatternError as error:
        example = re.search(r"it reads '(.*)' in two ways", str(error))
        assert example, error
        assert len(ways("|||".join(pieces), example[1])) > 1
    else:
        for text in SHORT:
            assert len(ways("|||".join(pieces), text)) <= 1, text


def test_a_lot_and_a_quantity_without_a_sign_between_them_are_refused() -> None:
    with pytest.raises(PatternError, match="it reads 'A11' in two ways: put a sign between"):
        Automaton(r"(?P<lot>[A-Z0-9]+)(?P<quantity>[0-9]+)")
    right = Automaton(r"(?P<lot>[A-Z0-9]+)/(?P<quantity>[0-9]+)")
    assert right.values("A22073/10") == {"lot": "A22073", "quantity": "10"}


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("", "an empty code"),
        ("a*", "an empty code"),
        ("^a", "leave ^ out"),
        ("a$", "leave $ out"),
        ("(?=a)b", "only (?:…) and (?P<name>…)"),
        ("(a)\\1", r"may follow \ here"),
        (r"\s", r"may follow \ here"),
        ("a**", "another one"),
        ("a*?", "another one"),
        ("*a", "nothing stands before it"),
        ("a{2,1}", "ends before it begins"),
        ("[b-a]", "from a higher sign to a lower"),
        ("[]", "empty"),
        ("[a", "never closed"),
        ("(a", "never closed"),
        ("a)", "closes nothing"),
        ("}", "the sign itself"),
        ("(?P<lot>a)+", "is repeated"),
        ("(?P<lot>a?)b", "may be empty"),
        ("(?P<lot>a(?P<unit>b))", "within the group lot"),
        ("(?P<lot>a)(?P<lot>b)", "there twice"),
        ("a{999}", "too large"),
        ("((a?){99}){99}", "too large"),
        ("(" * 30 + "a" + ")" * 30, "nested"),
    ],
)
def test_what_is_no_pattern_of_ours_is_refused_with_the_place(pattern: str, words: str) -> None:
    with pytest.raises(PatternError) as found:
        Automaton(pattern)
    assert words in str(found.value)


@given(st.text(r"ab1(){}[]|?*+\^$.-,:P<>dwx=!", max_size=30))
def test_any_text_is_a_pattern_or_is_refused(pattern: str) -> None:
    try:
        automaton = Automaton(pattern)
    except PatternError as error:
        assert str(error)
    else:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of sets to come
            re.compile(pattern)
        automaton.values("ab1")


@pytest.mark.parametrize(
    "pattern",
    [r"(a*)*b", r"(a|a)*b", r"(a|aa)+b", r"(.*a){19}b", r"(a?){99}a{99}b", r"(.?){199}b", "(((a+)+)+)+b"],
)
def test_reading_takes_bounded_time_whatever_the_pattern(pattern: str) -> None:
    begun_s = time.process_time()
    automaton = Automaton(pattern)
    assert time.process_time() - begun_s < 5
    for text in ("a" * MOST_TEXT, "a" * (MOST_TEXT - 1) + "b", "a" * 20_000):
        begun_s = time.process_time()
        automaton.values(text)
        assert time.process_time() - begun_s < 0.2  # `re` needs longer than the universe for some of these


def test_nothing_counted_a_million_times_is_nothing() -> None:
    begun_s = time.process_time()
    with pytest.raises(PatternError, match="an empty code"):
        Automaton("(((){999}){999}){999}")
    assert time.process_time() - begun_s < 1


def test_the_characters_met_do_not_fill_the_memory() -> None:
    automaton = Automaton(".{1,5}")
    for point in range(0x3000, 0x9000):
        automaton.values(chr(point))
    assert len(automaton._taking) <= 512
