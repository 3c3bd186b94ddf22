"""From a response's bytes to values: everything about a block is compiled once, then run per answer.

One `struct` reads all registers of a block that share an order; that costs 0.05 µs a value, where converting
each by itself costs 2. Integers stay integers unless a scale makes fractions of them. What is no number (NaN,
infinity), no BCD, no text, or outside `min` and `max` is None.
"""

import math
import struct
from array import array
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from drivers.modbus.plan import Block
from drivers.modbus.settings import Order, Tag
from edge.readings import Value

Decode = Callable[[bytes], Sequence[Value | None]]
_Convert = Callable[[Any], Value | None]

_CODES = {"bool": "H", "uint16": "H", "int16": "h", "uint32": "I", "int32": "i", "uint64": "Q", "int64": "q"}
_CODES |= {"float32": "f", "float64": "d", "bcd16": "H", "bcd32": "I"}


def size(block: Block) -> int:
    """How many bytes an answer to the block's request carries."""
    return (block.count + 7) // 8 if block.register in ("coil", "discrete") else block.count * 2


def decoder(block: Block, byte_order: Order, word_order: Order) -> Decode:
    """A function from the block's answer, of the right `size`, to one value per tag, in the tags' order.

    The orders are the device's; a tag's own win. None stands for what is no number.
    """
    if block.register in ("coil", "discrete"):
        return _bits(block)
    return _registers(block, byte_order, word_order)


def _bits(block: Block) -> Decode:
    """Bits come packed, the first in the lowest bit of the first byte (V1.1b3, 6.1)."""
    offsets = [tag.address - block.address for _, tag in block.tags]
    places = [(offset >> 3, 1 << (offset & 7)) for offset in offsets]
    return lambda payload: [payload[byte] & mask != 0 for byte, mask in places]


class _Layer:
    """Fields of one order that do not overlap: one struct."""

    def __init__(self, swapped: bool, prefix: str) -> None:
        self.swapped = swapped
        self.format = prefix
        self.end = 0
        self.fields: dict[tuple[int, str], int] = {}

    def take(self, offset: int, code: str) -> int | None:
        """The field's index in this layer; None where it would overlap another one."""
        if (offset, code) in self.fields:
            return self.fields[offset, code]
        if offset < self.end:
            return None
        self.format += f"{offset - self.end}x{code}" if offset > self.end else code
        self.end = offset + struct.calcsize(f">{code}")
        return self.fields.setdefault((offset, code), len(self.fields))


def _registers(block: Block, byte_order: Order, word_order: Order) -> Decode:
    layers: list[_Layer] = []
    places: list[tuple[int, int]] = []  # layer, index within
    for _, tag in block.tags:
        # Text runs through the registers in the order of addresses, however numbers are laid.
        words = "big" if tag.kind == "string" else tag.word_order or word_order
        order = _order(tag.byte_order or byte_order, words)
        code = f"{tag.length * 2}s" if tag.length is not None else _CODES[tag.kind]
        places.append(_place(layers, order, (tag.address - block.address) * 2, code))
    bases = [sum(len(layer.fields) for layer in layers[:number]) for number in range(len(layers))]
    steps = [
        (bases[number] + index, _converter(tag))
        for (number, index), (_, tag) in zip(places, block.tags, strict=True)
    ]
    unpack = _unpacker(layers)
    if all(convert is None for _, convert in steps) and [index for index, _ in steps] == list(
        range(len(steps))
    ):
        return unpack

    def decode(payload: bytes) -> list[Value | None]:
        fields = unpack(payload)
        return [fields[index] if convert is None else convert(fields[index]) for index, convert in steps]

    return decode


def _order(byte_order: Order, word_order: Order) -> tuple[bool, str]:
    """How struct reads a value 0xABCD: whether bytes are swapped within each register first, and its prefix.

    big/big ABCD as it is; byte little BADC swapped; word little CDAB swapped, then from the end; both DCBA.
    """
    return byte_order != word_order, ">" if word_order == "big" else "<"


def _place(layers: list[_Layer], order: tuple[bool, str], offset: int, code: str) -> tuple[int, int]:
    swapped, prefix = order
    for number, layer in enumerate(layers):
        if (layer.swapped, layer.format[0]) == order and (index := layer.take(offset, code)) is not None:
            return number, index
    layers.append(_Layer(swapped, prefix))
    return len(layers) - 1, layers[-1].take(offset, code) or 0


def _unpacker(layers: list[_Layer]) -> Callable[[bytes], tuple[Any, ...]]:
    if len(layers) == 1 and not layers[0].swapped:
        return struct.Struct(layers[0].format).unpack_from
    parts = [(struct.Struct(layer.format).unpack_from, layer.swapped) for layer in layers]

    def unpack(payload: bytes) -> tuple[Any, ...]:
        turned = array("H", payload)
        turned.byteswap()
        fields: tuple[Any, ...] = ()
        for unpack_from, swapped in parts:
            fields += unpack_from(turned if swapped else payload)
        return fields

    return unpack


def _converter(tag: Tag) -> _Convert | None:
    """What is left to do with an unpacked field; None where nothing is."""
    convert = _unbounded(tag)
    if tag.min is None and tag.max is None:
        return convert
    low = -math.inf if tag.min is None else _plain(tag.min)
    high = math.inf if tag.max is None else _plain(tag.max)

    def bounded(raw: Any) -> Value | None:
        value: Any = raw if convert is None else convert(raw)
        return value if value is not None and low <= value <= high else None

    return bounded


def _plain(bound: Decimal) -> float:
    return int(bound) if bound == int(bound) else float(bound)


def _unbounded(tag: Tag) -> _Convert | None:
    if tag.kind == "string":
        return _text(tag.encoding)
    if tag.kind == "bool":
        mask = 0xFFFF if tag.bit is None else 1 << tag.bit
        return lambda raw: raw & mask != 0
    scale, offset = Fraction(tag.scale or Decimal(1)), Fraction(tag.offset or Decimal(0))
    if tag.kind.startswith("float"):
        return _float(float(scale), float(offset))
    integer = None if tag.scale is None and tag.offset is None else _integer(scale, offset)
    return _bcd(integer) if tag.kind.startswith("bcd") else integer


def _text(encoding: str) -> _Convert:
    """Up to the first NUL, without the spaces or bytes 255 that fill the rest."""

    def convert(raw: bytes) -> str | None:
        try:
            return raw.partition(b"\0")[0].rstrip(b"\xff ").decode(encoding)
        except UnicodeDecodeError:
            return None

    return convert


def _bcd(convert: _Convert | None) -> _Convert:
    """Four bits a digit: the digits are those of the hexadecimal number, and A to F are none."""

    def digits(raw: int) -> Value | None:
        shown = f"{raw:x}"
        if not shown.isdecimal():
            return None
        return int(shown) if convert is None else convert(int(shown))

    return digits


def _float(scale: float, offset: float) -> _Convert:
    isfinite = math.isfinite
    if scale == 1.0 and offset == 0.0:
        return lambda raw: raw if isfinite(raw) else None

    def convert(raw: float) -> float | None:
        value = raw * scale + offset
        return value if isfinite(value) else None

    return convert


def _integer(scale: Fraction, offset: Fraction) -> _Convert:
    """In whole numbers up to one division, so that 123 × 0.1 is 12.3 and nothing near it."""
    below = math.lcm(scale.denominator, offset.denominator)
    factor, summand = int(scale * below), int(offset * below)
    if below == 1:
        return lambda raw: raw * factor + summand
    return lambda raw: (raw * factor + summand) / below
