"""What a server says about a value, as a reading has it: pure functions on decoded OPC UA data.

A value is a number, a truth or a text; integers stay integers unless a scale makes fractions of them. What is
no number (NaN, infinite) or no single value (arrays, structures, bytes) is None.
"""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from asyncua import ua

from drivers.opcua.settings import NodeTag
from edge.readings import Quality, Value

Convert = Callable[[object], Value | None]

# By severity, the upper two bits of a status code (Part 4, 7.39.1); 3 is reserved and means bad.
QUALITIES = (Quality.good, Quality.uncertain, Quality.bad, Quality.bad)
# A data value's status says that the server's queue ran over before it (Part 4, 7.39.1: info type, overflow).
OVERFLOW = 0x480

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER = datetime(1601, 1, 2, tzinfo=UTC)  # a null time is the first moment of 1601
_MS = timedelta(milliseconds=1)


def source_ms(at: datetime | None) -> int | None:
    """The device's own time in UTC ms since 1970, where it gives one."""
    return (at - _EPOCH) // _MS if at is not None and at > _NEVER else None


def converter(tag: NodeTag) -> Convert:
    """How a tag's values are made of the server's."""
    if tag.scale is None and tag.offset is None:
        return _plain
    return _scaled(Fraction(tag.scale or Decimal(1)), Fraction(tag.offset or Decimal(0)))


def unfit(raw: object) -> str | None:
    """Why a value cannot be a reading; None where it is only no finite number."""
    if isinstance(raw, float):
        return None
    if raw is None:
        return "the value is empty"
    if isinstance(raw, list):
        return "the value is an array; only single values can be read"
    text = _text(raw)
    if text is not None and legible(text) != text:
        return "the text is not in UTF-8, as OPC UA wants it"
    if isinstance(raw, str | bool):
        return "the value is no number, so that scale and offset do not fit"
    return f"the value is a {type(raw).__name__}; only numbers, booleans and texts can be read"


def _plain(raw: object) -> Value | None:
    if isinstance(raw, float):
        return raw if math.isfinite(raw) else None
    if isinstance(raw, bool | int):
        return raw
    text = _text(raw)
    return text if text is None or legible(text) == text else None


def legible(text: str) -> str:
    """The text with question marks for bytes that are no UTF-8; asyncua keeps those as lone surrogates."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _text(raw: object) -> str | None:
    if isinstance(raw, str):
        return raw
    if isinstance(raw, ua.LocalizedText):
        return raw.Text or ""
    if isinstance(raw, datetime):
        return raw.isoformat()
    return str(raw) if isinstance(raw, UUID) else None


def _scaled(scale: Fraction, offset: Fraction) -> Convert:
    """Integers in whole numbers up to one division, so that 123 × 0.1 is 12.3 and nothing near it."""
    below = math.lcm(scale.denominator, offset.denominator)
    factor, summand = int(scale * below), int(offset * below)
    slope, start = float(scale), float(offset)

    def convert(raw: object) -> Value | None:
        if isinstance(raw, float):
            value = raw * slope + start
            return value if math.isfinite(value) else None
        if isinstance(raw, bool) or not isinstance(raw, int):
            return None
        whole = raw * factor + summand
        return whole if below == 1 else whole / below

    return convert
