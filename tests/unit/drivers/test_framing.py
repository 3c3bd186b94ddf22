"""A code arrives whole or is told as what it is, however the line cuts its bytes."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.barcode.framing import EVIDENCE, Flaw, Framer

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
    framer = Framer(max_length=max_length)
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
    framer = Framer(max_length=64)
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        framer.feed(data[start:end])
        assert len(framer._held) <= 64


@pytest.mark.parametrize("line_end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("code", ["LSW10045678", GS1, ISO_15434, " spaces kept ", "物料 钢带", "|~^"])
def test_a_code_is_given_back_without_its_line_end_and_otherwise_untouched(code: str, line_end: str) -> None:
    framer = Framer()
    assert framer.feed((code + line_end).encode()) == [code]
    assert not framer.pending


def test_empty_lines_are_nothing() -> None:
    assert Framer().feed(b"\r\n\r\n\n\r") == []


@pytest.mark.parametrize(
    "line", [b"\xff\xfe\x80", b"LSW\x00123", b"\x1b[A", b"LS\tW", b"\x7f", "\u0085".encode(), b"\xc3"]
)
def test_bytes_that_are_no_code_are_told_as_garbage_and_the_next_code_is_read(line: bytes) -> None:
    assert Framer().feed(line + b"\rLSOK\r") == [Flaw("garbage", line), "LSOK"]


def test_an_over_long_line_is_told_once_and_the_line_behind_it_is_read() -> None:
    framer = Framer(max_length=16)
    found: list[str | Flaw] = []
    for _ in range(100):
        found += framer.feed(b"0123456789")
    assert found == [Flaw("too_long", b"0123456789012345")]
    assert framer.feed(b"tail\rLSOK\r") == ["LSOK"]


def test_a_line_of_exactly_the_limit_is_a_code() -> None:
    assert Framer(max_length=16).feed(b"0123456789abcdef\r") == ["0123456789abcdef"]


def test_evidence_is_at_most_64_bytes() -> None:
    (flaw,) = Framer(max_length=1000).feed(b"\xff" * 500 + b"\r")
    assert flaw == Flaw("garbage", b"\xff" * 64)


def test_a_half_line_is_given_up_at_silence_and_does_not_spoil_the_next_code() -> None:
    framer = Framer()
    framer.feed(b"LSW100")
    assert framer.pending
    assert framer.silence() == Flaw("incomplete", b"LSW100")
    assert not framer.pending
    assert framer.silence() is None
    assert framer.feed(b"LSOK\r") == ["LSOK"]


def test_silence_after_an_over_long_line_ends_it() -> None:
    framer = Framer(max_length=8)
    framer.feed(b"0123456789")
    assert framer.pending
    assert framer.silence() is None
    assert framer.feed(b"LSOK\r") == ["LSOK"]


def test_another_encoding_is_honoured() -> None:
    assert Framer("gb18030").feed("钢带\r".encode("gb18030")) == ["钢带"]
