"""Values come out of a block as the device meant them, whatever their order, place and neighbours."""

import math
import struct
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.modbus.decoding import decoder, size
from drivers.modbus.plan import plan
from drivers.modbus.settings import WIDTH, Tag
from edge.readings import Value

CODES = {
    "uint16": ">H",
    "int16": ">h",
    "uint32": ">I",
    "int32": ">i",
    "uint64": ">Q",
    "int64": ">q",
    "float32": ">f",
    "float64": ">d",
}
ORDERS = [(byte, word) for byte in ("big", "little") for word in ("big", "little")]


def tag(address: int = 0, type: str = "uint16", register: str = "holding", **more: Any) -> Tag:
    return Tag.model_validate({"register": register, "address": address, "type": type, **more})


def registers(type: str, value: Any, byte_order: str, word_order: str) -> list[int]:
    """A value as a device with these orders holds it, made the slow way."""
    packed = struct.pack(CODES[type], value)
    words = [packed[at : at + 2] for at in range(0, len(packed), 2)]
    if word_order == "little":
        words.reverse()
    return [int.from_bytes(word, byte_order) for word in words]  # type: ignore[arg-type]


def read(
    tags: dict[str, Tag], memory: dict[int, int], orders: tuple[Any, Any] = ("big", "big")
) -> dict[str, Value | None]:
    """All tags read from one table of registers."""
    values: dict[str, Value | None] = {}
    for block in plan(tags, 16):
        words = [memory.get(block.address + number, 0xDEAD) for number in range(block.count)]
        payload = struct.pack(f">{block.count}H", *words)
        assert len(payload) == size(block)
        decoded = decoder(block, *orders)(payload)
        values |= dict(zip([name for name, _ in block.tags], decoded, strict=True))
    return values


def value_of(type: str) -> st.SearchStrategy[Any]:
    if type.startswith("float"):
        return st.floats(width=32 if type == "float32" else 64, allow_nan=False, allow_infinity=False)
    bits = 16 * WIDTH[type]
    return (
        st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        if type[0] == "i"
        else st.integers(0, 2**bits - 1)
    )


placed = st.lists(
    st.sampled_from(sorted(CODES)).flatmap(
        lambda type: st.tuples(st.just(type), value_of(type), st.sampled_from(ORDERS), st.integers(0, 20))
    ),
    min_size=1,
    max_size=40,
)


@given(placed, st.sampled_from(ORDERS))
def test_any_mixture_of_types_orders_and_gaps_reads_back(placed: list[Any], device: tuple[str, str]) -> None:
    tags: dict[str, Tag] = {}
    memory: dict[int, int] = {}
    expected: dict[str, Any] = {}
    address = 0
    for number, (kind, value, (byte_order, word_order), gap) in enumerate(placed):
        address += gap
        own = {"byte_order": byte_order, "word_order": word_order} if number % 2 else {}
        tags[f"t{number}"] = tag(address, kind, **own)
        expected[f"t{number}"] = value
        for word in registers(kind, value, *((byte_order, word_order) if own else device)):
            memory[address] = word
            address += 1
    values = read(tags, memory, device)
    assert values == expected
    assert {name: type(value) for name, value in values.items()} == {n: type(v) for n, v in expected.items()}


@pytest.mark.parametrize(
    ("byte_order", "word_order", "words"),
    [
        ("big", "big", [0x4142, 0x4344]),
        ("big", "little", [0x4344, 0x4142]),
        ("little", "big", [0x4241, 0x4443]),
        ("little", "little", [0x4443, 0x4241]),
    ],
)
def test_the_four_orders_that_manuals_call_abcd_cdab_badc_dcba(
    byte_order: str, word_order: str, words: list[int]
) -> None:
    values = read({"v": tag(7, "uint32")}, dict(enumerate(words, 7)), (byte_order, word_order))
    assert values == {"v": 0x41424344}


def test_tags_that_overlap_are_each_read_right() -> None:
    tags = {
        "whole": tag(0, "uint32"),
        "high": tag(0),
        "low": tag(1),
        "across": tag(1, "uint32"),
        "flag": tag(1, "bool", bit=0),
        "same": tag(0, "uint32"),
    }
    values = read(tags, {0: 1, 1: 2, 2: 3})
    assert values == {"whole": 65538, "high": 1, "low": 2, "across": 131075, "flag": False, "same": 65538}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("type", ["float32", "float64"])
@pytest.mark.parametrize("scale", [None, 2.5])
def test_what_is_no_number_has_no_value(type: str, value: float, scale: float | None) -> None:
    memory = dict(enumerate(registers(type, value, "big", "big")))
    assert read({"v": tag(0, type, scale=scale)}, memory) == {"v": None}


def test_a_scaled_float_beyond_the_largest_has_no_value() -> None:
    memory = dict(enumerate(registers("float64", 1e308, "big", "big")))
    assert read({"v": tag(0, "float64", scale=100)}, memory) == {"v": None}


@pytest.mark.parametrize(
    ("raw", "scale", "offset", "value"),
    [
        (123, 0.1, None, 12.3),
        (65535, 0.001, None, 65.535),
        (7, None, -7, 0),
        (3, 10, None, 30),
        (300, 0.1, -273.15, -243.15),
        (1, 0.5, 0.5, 1.0),
    ],
)
def test_scaling_gives_the_decimal_a_person_would_write(
    raw: int, scale: float | None, offset: float | None, value: float
) -> None:
    (read_value,) = read({"v": tag(0, scale=scale, offset=offset)}, {0: raw}).values()
    assert (read_value, type(read_value)) == (value, type(value))


def test_an_integer_stays_an_integer_up_to_its_last_bit() -> None:
    words = dict(enumerate(registers("uint64", 2**64 - 1, "big", "big")))
    assert read({"v": tag(0, "uint64")}, words) == {"v": 2**64 - 1}


@given(st.lists(st.booleans(), min_size=1, max_size=200), st.integers(0, 3000), st.integers(0, 15))
def test_bits_are_read_from_the_lowest_of_the_first_byte(bits: list[bool], first: int, gap: int) -> None:
    step = gap + 1
    tags = {f"b{n}": tag(first + n * step, "bool", "coil") for n in range(len(bits))}
    values: dict[str, Any] = {}
    for block in plan(tags, 16):
        packed = 0
        for name, entry in block.tags:
            packed |= bits[int(name[1:])] << (entry.address - block.address)
        decoded = decoder(block, "big", "big")(packed.to_bytes(size(block), "little"))
        values |= dict(zip([name for name, _ in block.tags], decoded, strict=True))
    assert values == {f"b{n}": bit for n, bit in enumerate(bits)}


@pytest.mark.parametrize("byte_order", ["big", "little"])
def test_a_bit_of_a_register_and_a_register_as_a_bool(byte_order: str) -> None:
    word = 0x8001 if byte_order == "big" else 0x0180
    tags = {
        "lowest": tag(0, "bool", bit=0),
        "second": tag(0, "bool", bit=1),
        "highest": tag(0, "bool", bit=15),
        "any": tag(0, "bool"),
        "none": tag(1, "bool"),
    }
    values = read(tags, {0: word, 1: 0}, (byte_order, "big"))
    assert values == {"lowest": True, "second": False, "highest": True, "any": True, "none": False}


@pytest.mark.parametrize(
    ("raw", "more", "expected"),
    [
        (b"PRESS-7\0\0\0", {}, "PRESS-7"),
        (b"AB        ", {}, "AB"),
        (b"AB\0 rests ", {}, "AB"),
        (b"AB\xff\xff\xff\xff\xff\xff\xff\xff", {}, "AB"),
        (b"BA\0C\0\0\0\0\0\0", {"byte_order": "little"}, "ABC"),
        (b"ABCD\0\0\0\0\0\0", {"word_order": "little"}, "ABCD"),
        ("冲床".encode("gb18030") + bytes(6), {"encoding": "gb18030"}, "冲床"),
        (b"\xc0\xb1AB\0\0\0\0\0\0", {}, None),
        (bytes(10), {}, ""),
    ],
)
def test_text_comes_without_what_fills_it_up_and_bytes_that_are_none_are_bad(
    raw: bytes, more: dict[str, Any], expected: str | None
) -> None:
    memory = dict(enumerate(struct.unpack(">5H", raw), 7))
    tags = {"s": tag(7, "string", length=5, **more), "n": tag(12)}
    assert read(tags, memory | {12: 9}) == {"s": expected, "n": 9}


@pytest.mark.parametrize(
    ("type", "raw", "more", "expected"),
    [
        ("bcd16", 0x1234, {}, 1234),
        ("bcd16", 0x0000, {}, 0),
        ("bcd32", 0x99999999, {}, 99999999),
        ("bcd32", 0x12345678, {"word_order": "little"}, 56781234),
        ("bcd32", 0x00012345, {"scale": "0.01"}, 123.45),
        ("bcd16", 0x12A4, {}, None),
        ("bcd32", 0xF0000000, {}, None),
    ],
)
def test_digits_of_four_bits_are_read_as_the_number_they_spell_and_others_are_bad(
    type: str, raw: int, more: dict[str, Any], expected: float | None
) -> None:
    words = [raw] if type == "bcd16" else [raw >> 16, raw & 0xFFFF]
    assert read({"t": tag(3, type, **more)}, dict(enumerate(words, 3))) == {"t": expected}


@pytest.mark.parametrize(
    ("raw", "more", "expected"),
    [
        (200, {"min": 0, "max": 200}, 200),
        (201, {"min": 0, "max": 200}, None),
        (65535, {"type": "int16", "min": 0}, None),
        (215, {"scale": "0.1", "max": "21.5", "unit": "Cel"}, 21.5),
        (216, {"scale": "0.1", "max": "21.5", "unit": "Cel"}, None),
        (0x12, {"type": "bcd16", "max": 11}, None),
        (0x1F, {"type": "bcd16", "max": 99}, None),
    ],
)
def test_a_value_outside_its_range_is_bad(raw: int, more: dict[str, Any], expected: float | None) -> None:
    assert read({"t": tag(3, **({"type": "uint16"} | more))}, {3: raw}) == {"t": expected}


def test_not_a_number_is_outside_every_range() -> None:
    words = struct.unpack(">2H", struct.pack(">f", math.nan))
    assert read({"t": tag(3, "float32", min=0)}, dict(enumerate(words, 3))) == {"t": None}


# Devices say anything: so does what follows

factors = st.none() | st.decimals(-Decimal("1e20"), Decimal("1e20"), allow_nan=False).filter(
    lambda one: not one or abs(one) >= Decimal("1e-20")
)


@given(
    st.sampled_from([*sorted(CODES), "bcd16", "bcd32"]),
    st.sampled_from(ORDERS),
    st.tuples(factors.filter(lambda one: one != 0), factors),
    st.tuples(factors, factors).filter(lambda ends: None in ends or ends[0] <= ends[1]),
    st.lists(st.integers(0, 0xFFFF), min_size=4, max_size=4),
)
def test_whatever_a_device_says_a_value_is_finite_and_within_its_range_or_none(
    type: str, orders: tuple[str, str], scaling: tuple[Any, Any], ends: tuple[Any, Any], words: list[int]
) -> None:
    given_ = {"scale": scaling[0], "offset": scaling[1], "min": ends[0], "max": ends[1]}
    value = read({"t": tag(0, type, **given_)}, dict(enumerate(words)), orders)["t"]
    if value is None:
        return
    assert isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if ends[0] is not None:
        assert value >= float(ends[0])
    if ends[1] is not None:
        assert value <= float(ends[1])


@pytest.mark.parametrize("key", ["scale", "offset", "min", "max"])
@pytest.mark.parametrize("value", ["1e400", "-1e21", "1e-400", "-9e-21"])
def test_figures_that_would_make_every_value_none_or_nought_are_refused(key: str, value: str) -> None:
    with pytest.raises(ValidationError, match="out of all proportion; allowed: 0, or 1e-20 to 1e20 in size"):
        tag(0, "float64", **{key: value})
