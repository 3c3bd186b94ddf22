"""A code arrives whole or is told as what it is, however the line cuts its bytes."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.barcode.framing import EVIDENCE, Flaw, Form, Framer, LineFramer, MarkedFramer, SilenceFramer

GS1 = "]d20106901234567892\x1d10A2207\x1d17270131"
ISO_15434 = "[)>\x1e06\x1dPSTEEL-4\x1dQ100\x1d1TA2207\x1e\x04"

stream = st.lists(
    st.one_of(
        st.sampled_from([b"\r", b"\n", b"\r\n", b"\xff", b"\x00", b"\x1b", "钢带".encode(), GS1.encode()]),
        st.binary(max_size=40),
        st.text("LSW0123456789", max_size=40).map(str.encode),
    ),
    max_size=30,
).map(b"".join)


def fed(data: bytes, cuts: list[int], max_length: int = 32) -> tuple[list[str | Flaw], Flaw | None]:
    framer = LineFramer(Form(max_length=max_length))
    found: list[str | Flaw] = []
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        found += framer.feed(data[start:end])
    return found, framer.silence()


@given(stream, st.lists(st.integers(0, 10_000), max_size=40))
def test_how_the_bytes_are_cut_changes_nothing(data: bytes, cuts: list[int]) -> None:
    whole = fed(data, [])
    assert fed(data, cuts) == whole
    assert fed(data, list(range(len(data)))) == whole


@given(stream, st.lists(st.integers(0, 10_000), max_size=40))
def test_every_line_gives_exactly_one_code_or_flaw_in_order(data: bytes, cuts: list[int]) -> None:
    found, rest = fed(data, cuts)
    *lines, last = data.replace(b"\r", b"\n").split(b"\n")
    told = [*found, *([rest] if rest else [])]
    expected = [line for line in lines if line] + ([last] if last else [])
    assert len(told) == len(expected)
    for one, line in zip(told, expected, strict=True):
        assert one == line.decode() if isinstance(one, str) else one.raw == line[:EVIDENCE][: len(one.raw)]


@given(st.binary(max_size=5000), st.lists(st.integers(0, 10_000), max_size=40))
def test_memory_is_bounded_whatever_comes(data: bytes, cuts: list[int]) -> None:
    framer = LineFramer(Form(max_length=64))
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        framer.feed(data[start:end])
        assert len(framer._held) <= 64


@pytest.mark.parametrize("line_end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("code", ["LSW10045678", GS1, ISO_15434, " spaces kept ", "物料 钢带", "|~^"])
def test_a_code_is_given_back_without_its_line_end_and_otherwise_untouched(code: str, line_end: str) -> None:
    framer = LineFramer()
    assert framer.feed((code + line_end).encode()) == [code]
    assert not framer.pending


def test_empty_lines_are_nothing() -> None:
    assert LineFramer().feed(b"\r\n\r\n\n\r") == []


@pytest.mark.parametrize(
    "line", [b"\xff\xfe\x80", b"LSW\x00123", b"\x1b[A", b"LS\tW", b"\x7f", "\u0085".encode(), b"\xc3"]
)
def test_bytes_that_are_no_code_are_told_as_garbage_and_the_next_code_is_read(line: bytes) -> None:
    assert LineFramer().feed(line + b"\rLSOK\r") == [Flaw("garbage", line), "LSOK"]


def test_an_over_long_line_is_told_once_and_the_line_behind_it_is_read() -> None:
    framer = LineFramer(Form(max_length=16))
    found: list[str | Flaw] = []
    for _ in range(100):
        found += framer.feed(b"0123456789")
    assert found == [Flaw("too_long", b"0123456789012345")]
    assert framer.feed(b"tail\rLSOK\r") == ["LSOK"]


def test_a_line_of_exactly_the_limit_is_a_code() -> None:
    assert LineFramer(Form(max_length=16)).feed(b"0123456789abcdef\r") == ["0123456789abcdef"]


def test_evidence_is_at_most_64_bytes() -> None:
    (flaw,) = LineFramer(Form(max_length=1000)).feed(b"\xff" * 500 + b"\r")
    assert flaw == Flaw("garbage", b"\xff" * 64)


def test_a_half_line_is_given_up_at_silence_and_does_not_spoil_the_next_code() -> None:
    framer = LineFramer()
    framer.feed(b"LSW100")
    assert framer.pending
    assert framer.silence() == Flaw("incomplete", b"LSW100")
    assert not framer.pending
    assert framer.silence() is None
    assert framer.feed(b"LSOK\r") == ["LSOK"]


def test_silence_after_an_over_long_line_ends_it() -> None:
    framer = LineFramer(Form(max_length=8))
    framer.feed(b"0123456789")
    assert framer.pending
    assert framer.silence() is None
    assert framer.feed(b"LSOK\r") == ["LSOK"]


def test_another_encoding_is_honoured() -> None:
    assert LineFramer(Form("gb18030")).feed("钢带\r".encode("gb18030")) == ["钢带"]


# Between STX and ETX


def marked(data: bytes, cuts: list[int], max_length: int = 32) -> list[str | Flaw]:
    return told(MarkedFramer(Form(max_length=max_length)), data, cuts)


def told(framer: Framer, data: bytes, cuts: list[int]) -> list[str | Flaw]:
    """Everything that a framer says of `data`, however cut, with silence behind it."""
    found: list[str | Flaw] = []
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        found += framer.feed(data[start:end])
    last = framer.silence()
    assert not framer.pending
    return [*found, *([last] if last is not None else [])]


frames = st.lists(
    st.one_of(
        st.sampled_from([b"\x02", b"\x03", b"\r\n", b"\x02LSW1\x03", b"\x02\x03", GS1.encode()]),
        st.binary(max_size=40),
    ),
    max_size=20,
).map(b"".join)


@given(frames, st.lists(st.integers(0, 10_000), max_size=40))
def test_between_marks_too_how_the_bytes_are_cut_changes_nothing(data: bytes, cuts: list[int]) -> None:
    assert marked(data, cuts) == marked(data, []) == marked(data, list(range(len(data))))


@given(frames)
def test_no_code_is_taken_that_did_not_stand_between_its_marks(data: bytes) -> None:
    for code in marked(data, []):
        if isinstance(code, str):
            assert b"\x02" + code.encode() + b"\x03" in data


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x02LSW1\x03", ["LSW1"]),
        (b"\x02LSW1\x03\r\n\x02LSW2\x03\r\n", ["LSW1", "LSW2"]),
        (b"\x02\x03", []),
        (b"\x02LSW1\x02LSW2\x03", [Flaw("incomplete", b"LSW1"), "LSW2"]),
        (b"SW1\x03\x02LSW2\x03", [Flaw("garbage", b"SW1\x03"), "LSW2"]),
        (b"LSW1\r\n", [Flaw("garbage", b"LSW1")]),
        (b"\x02LSW1", [Flaw("incomplete", b"LSW1")]),
        (b"\x02LS\rW1\x03", [Flaw("garbage", b"LS\rW1")]),
        (b"\x02" + b"x" * 33 + b"\x03\x02LSW2\x03", [Flaw("too_long", b"x" * 32), "LSW2"]),
        (b"x" * 500, [Flaw("garbage", b"x" * EVIDENCE)]),
    ],
)
def test_what_stands_outside_its_marks_or_lacks_one_is_no_code(
    data: bytes, expected: list[str | Flaw]
) -> None:
    assert marked(data, []) == expected


# Ended by silence


@given(st.binary(max_size=60), st.lists(st.integers(0, 10_000), max_size=40))
def test_before_silence_too_how_the_bytes_are_cut_changes_nothing(data: bytes, cuts: list[int]) -> None:
    for length in (None, 12):
        whole = told(SilenceFramer(Form(max_length=32), length), data, [])
        assert told(SilenceFramer(Form(max_length=32), length), data, cuts) == whole


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"LSW100456789", ["LSW100456789"]),
        (b"LSW100456789\r\n", ["LSW100456789"]),
        (b"\r\nLSW100456789", ["LSW100456789"]),
        (b"LSW10045678", [Flaw("incomplete", b"LSW10045678")]),
        (b"LSW1004567890", [Flaw("too_long", b"LSW1004567890")]),
        (b"LSW10045678\rLSW10045679\r", [Flaw("too_long", b"LSW10045678\rLSW1")]),
        (b"LSW10\r\n45678", [Flaw("garbage", b"LSW10\r\n45678")]),
        (b"\r\n", []),
    ],
)
def test_a_code_of_another_length_is_none_and_its_beginning_is_not_taken(
    data: bytes, expected: list[str | Flaw]
) -> None:
    assert told(SilenceFramer(length=12), data, []) == expected


def test_silence_ends_a_code_and_a_scanner_that_went_away_does_not() -> None:
    framer = SilenceFramer()
    assert framer.feed(b"LSW1") == []
    assert framer.silence() == "LSW1"
    framer.feed(b"LSW2")
    assert framer.lost() == Flaw("incomplete", b"LSW2")
    assert framer.silence() is None


@pytest.mark.parametrize("framer", [LineFramer, MarkedFramer, SilenceFramer])
@given(data=st.binary(max_size=5000), cuts=st.lists(st.integers(0, 10_000), max_size=40))
def test_memory_is_bounded_in_every_frame(framer: type[Framer], data: bytes, cuts: list[int]) -> None:
    one = framer(Form(max_length=64))
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        one.feed(data[start:end])
        assert len(one._held) <= 68


# Prefix and suffix


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"G1:LSW1;", "LSW1"),
        (b"LSW1;", Flaw("incomplete", b"LSW1;")),
        (b"G1:LSW1", Flaw("incomplete", b"G1:LSW1")),
        (b"G1:;", Flaw("incomplete", b"G1:;")),
        (b"G1:G1:LSW1;;", "G1:LSW1;"),
    ],
)
def test_prefix_and_suffix_are_taken_off_once_and_a_code_without_them_is_half(
    line: bytes, expected: str | Flaw
) -> None:
    assert LineFramer(Form(prefix=b"G1:", suffix=b";")).feed(line + b"\r") == [expected]


def test_prefix_and_suffix_may_not_share_a_byte() -> None:
    assert LineFramer(Form(prefix=b"::", suffix=b"::")).feed(b":::\r") == [Flaw("incomplete", b":::")]
