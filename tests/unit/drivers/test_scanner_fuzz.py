"""Whatever bytes a scanner sends: no crash, bounded memory, and nothing is taken for a code that is none."""

import gc
import random
import sys
from collections.abc import Iterator

import pytest

from drivers.barcode.framing import Flaw, Form, Framer, LineFramer, MarkedFramer, SilenceFramer
from edge.codes import content, symbology

MAX = 64
LENGTH = 24
PIECES = (
    b"LSW10045678 0020", b"LSE1042", b"LSQ12D5 KGM", b"0106901234567892", b"10A2207", b"17270131", b"3010",
    b"\x1d", b"\x1e", b"\x04", b"[)>", b"06", b"05", b"PSTEEL-4", b"Q100", b"]C1", b"]d2", b"]E0", b"]",
    b"https://id.gs1.org/01/06901234567892", "钢带".encode(), b"\xff", b"\x00", b"\x1b[A", b"\xc3",
    b"0" * 30, b"9" * 100, b"6901234567892", b"\x02", b"\x03", b"\r", b"\n",
)  # fmt: skip


# One small object kept at each two-hundredth of 40,000 scans would be more. What is made at its first use,
# patterns for one, is some hundred blocks; most of it is held by the time the count begins.
BLOCKS = 150
WARM_UP = 20_000  # scans


def scans(chance: random.Random, number: int) -> Iterator[bytes]:
    """Parts of codes put together, cut and spoiled; each fifth one is mere bytes."""
    for turn in range(number):
        if turn % 5 == 0:
            yield chance.randbytes(chance.randrange(1, 200))
            continue
        scan = b"".join(chance.choices(PIECES, k=chance.randrange(1, 7)))
        for _ in range(chance.randrange(3) if chance.random() < 0.3 else 0):
            at = chance.randrange(len(scan))
            scan = scan[:at] + bytes([chance.randrange(256)]) + scan[at + 1 :]
        yield scan[: chance.randrange(1, 200)]


def framed(framer: Framer, data: bytes, chance: random.Random) -> list[str | Flaw]:
    """What a framer makes of the bytes, in two chunks and with silence behind them."""
    at = chance.randrange(len(data) + 1)
    found = framer.feed(data[:at]) + framer.feed(data[at:])
    assert len(framer._held) <= MAX + 4
    last = framer.silence()
    assert not framer.pending
    return [*found, *([last] if last is not None else [])]


def checked(found: str | Flaw, sent: bytes, chance: random.Random) -> None:
    """A flaw is bounded; a code was sent as it is, holds no noise, and is taken to pieces or refused."""
    if isinstance(found, Flaw):
        assert 0 < len(found.raw) <= 64
        return
    assert found.encode() in sent
    assert 0 < len(found.encode()) <= MAX
    assert not any(ord(char) < 32 and char not in "\x04\x1c\x1d\x1e\x1f" for char in found)
    kind, text = symbology.split(found)
    read = content.read(text, kind, kept=chance.random() < 0.5)
    if isinstance(read, content.Elements):
        assert read.items
        assert all(item.key and item.value for item in read.items)
        said = "".join(item.key + item.value for item in read.items)
        if read.form == "gs1":  # nothing is left out and nothing is added
            assert said == text.replace("\x1d", "")
        if read.form == "iso15434":
            assert all(item.key + item.value in text for item in read.items)


def _all(number: int, seed: int, *, keep_each: int = 0) -> int:
    """Blocks of memory left behind by either half of the scans after the warm-up, whichever left less.

    What is kept of scans is kept of both halves; what is made once is of one. `keep_each` is for the control.
    """
    chance = random.Random(seed)
    form = Form(max_length=MAX)
    framers = (LineFramer(form), MarkedFramer(form), SilenceFramer(form), SilenceFramer(form, LENGTH))
    kept: list[bytes] = []
    held: list[int] = []
    for turn, scan in enumerate(scans(chance, number)):
        _one(scan, framers, chance)
        if turn in (WARM_UP, (WARM_UP + number) // 2):
            held.append(_blocks())
        if keep_each and turn % keep_each == 0:
            kept.append(scan)
    begun, halfway = held
    return min(halfway - begun, _blocks() - halfway)


def _one(scan: bytes, framers: tuple[Framer, Framer, Framer, Framer], chance: random.Random) -> None:
    line, marked, silent, measured = framers
    for framer, sent in (
        (line, scan + b"\r"),
        (marked, b"\x02" + scan + b"\x03"),
        (silent, scan),
        (measured, scan),
    ):
        for found in framed(framer, sent, chance):
            checked(found, sent, chance)
            if framer is measured and isinstance(found, str):
                assert len(found.encode()) == LENGTH
            if framer is marked and isinstance(found, str):
                assert b"\x02" + found.encode() + b"\x03" in sent


def _blocks() -> int:
    gc.collect()
    return sys.getallocatedblocks()


def test_a_hundred_thousand_scans_of_anything_are_read_or_refused_and_leave_no_memory_behind() -> None:
    assert _all(100_000, seed=2) < BLOCKS


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 20))
def test_a_million_scans_of_anything_are_read_or_refused_and_leave_no_memory_behind(seed: int) -> None:
    assert _all(100_000, seed) < BLOCKS


def test_memory_that_scans_leave_behind_is_noticed() -> None:
    assert _all(24_000, seed=1, keep_each=2) > BLOCKS
