"""GS1 codes: whether their elements can be told apart, and what they are.

An element is an application identifier (AI) and its value. AIs with a predefined length (GS1 General
Specifications, 7.8.5) need nothing behind them; every other one ends with FNC1, which arrives as GS, or with
the code. A scanner that drops GS makes one value of several elements, and nobody can tell which:

- A code whose elements cannot be told apart is refused; nothing is guessed.
- Where the separators may have been lost (`kept` is false), any other reading refuses a code. Where the line
  carries every byte, only what a right label would hardly hold does: an over-long value, or one that ends
  with a sound date or number of its own.

`doubt` uses no library: it looks at every scan. `elements` imports biip, which takes 0.2 s and 17 MB.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from biip.gs1_element_strings import GS1ElementString

SEPARATOR = "\x1d"

# Characters of AI and value together, by the first two digits.
_PREDEFINED: Mapping[str, int] = MappingProxyType(
    {"00": 20, "01": 16, "02": 16, "03": 16, "04": 18, "20": 4, "41": 16}
    | {str(ai): 8 for ai in range(11, 20)}
    | {str(ai): 10 for ai in range(31, 37)}
)
# The others that stand on labels of a line, with the most that their value may have.
_OPEN: Mapping[str, int] = MappingProxyType(
    {"10": 20, "21": 20, "22": 20, "30": 8, "37": 8, "240": 30, "241": 30, "250": 30, "251": 30, "400": 30}
    | {"8008": 12, "90": 30}
    | {str(ai): 90 for ai in range(91, 100)}
)
_DIGITS = frozenset({"30", "37", "8008"})  # AIs of `_OPEN` whose value is a number
_DATES = frozenset({"11", "12", "13", "15", "16", "17"})
_CHECKED = frozenset({"00", "01", "02", "41"})
_CHECKED_TOO = frozenset({"402", "8017", "8018"})  # what biip leaves unchecked
_NUMBER = re.compile(r"[0-9]+")


class Element(NamedTuple):
    """One AI, or data identifier, with its value."""

    key: str
    value: str  # as it was read
    means: str  # a date as ISO 8601, a measure with its decimal point, else the value
    title: str = ""  # of the key, for people


class Unsound(Exception):
    """No GS1 code, or a damaged one; the text says why."""


def is_gs1(text: str) -> bool:
    """Whether a code without symbology identifier looks like GS1: a number, rightly checked, comes first."""
    body = text.lstrip(SEPARATOR)
    return body[:2] in _CHECKED - {"41"} and _sound(body[: _PREDEFINED[body[:2]]])


def doubt(text: str, *, kept: bool) -> str:
    """Why the elements of a GS1 code cannot be told apart; empty where they can."""
    body = text.strip(SEPARATOR)
    for segment in body.split(SEPARATOR):
        key, value = _open_end(segment)
        if not key:
            continue
        if len(value) > _OPEN[key]:
            return (
                f"({key}) has {len(value)} characters where {_OPEN[key]} are the most: separators are missing"
            )
        if SEPARATOR in text:
            continue
        if other := _other_reading(value, sure=kept):
            return f"({key}) {value} may be ({key}) {other}: its separators are missing"
    return ""


def elements(text: str) -> tuple[Element, ...]:
    """The elements of a GS1 code. Raises Unsound."""
    from biip import ParseError
    from biip.gs1_element_strings import GS1ElementString

    found = []
    for segment in text.strip(SEPARATOR).split(SEPARATOR):
        rest = segment
        while rest:
            try:
                one = GS1ElementString.extract(rest)
            except ParseError as error:
                raise Unsound(f"{rest[:30]!r} begins with no identifier and its value") from error
            found.append(_element(one))
            rest = rest[len(one) :]
            if rest and one.ai.separator_required:
                raise Unsound(f"({one.ai.ai}) is followed by {rest[:30]!r} without a separator")
    if not found:
        raise Unsound("it is empty")
    return tuple(found)


def linked(uri: str) -> tuple[Element, ...] | None:
    """The elements of a GS1 Digital Link; None for any other address. Raises Unsound."""
    from biip import ParseError
    from biip.gs1_digital_link_uris import GS1DigitalLinkURI

    try:
        strings = GS1DigitalLinkURI.parse(uri).element_strings
    except (ParseError, ValueError):  # ValueError: what urllib takes for no address
        return None
    keys = [key for key, _ in parse_qsl(urlsplit(uri).query) if key.isdecimal()]
    if len(keys) > len(set(keys)):
        raise Unsound("an identifier stands in the link twice")  # biip takes the last one
    return tuple(_element(one) for one in strings)


def checked(number: str) -> bool:
    """Whether a number's last digit is its check digit (GS1 General Specifications, 7.9.1)."""
    if not _NUMBER.fullmatch(number):
        return False
    total = sum(int(digit) * (3, 1)[at % 2] for at, digit in enumerate(reversed(number[:-1])))
    return (total + int(number[-1])) % 10 == 0


def _element(one: "GS1ElementString") -> Element:
    """An element of biip's. Raises Unsound where a check digit is wrong or there is no value."""
    problem = one.gtin_error or one.sscc_error or one.gln_error
    if not one.value:  # biip takes (30) and the like without one
        problem = f"({one.ai.ai}) has no value"
    if one.ai.ai in _CHECKED_TOO and not checked(one.value):
        problem = f"({one.ai.ai}) {one.value}: the check digit is wrong"
    if problem:
        raise Unsound(problem)
    day = one.datetime or one.date
    means = day.isoformat() if day else f"{one.decimal:f}" if one.decimal is not None else one.value
    return Element(one.ai.ai, one.value, means, one.ai.data_title)


def _open_end(segment: str) -> tuple[str, str]:
    """The AI without a predefined length at which a segment must end, with its value; else nothing."""
    at = 0
    while segment[at : at + 2] in _PREDEFINED:
        at += _PREDEFINED[segment[at : at + 2]]
    key = next((key for key in _OPEN if segment.startswith(key, at)), "")
    return key, segment[at + len(key) :]


def _other_reading(value: str, *, sure: bool) -> str:
    """Another way to read a value: a shorter one and elements behind it; empty where there is none."""
    for at in range(1, len(value)):
        for found in _readings(value[at:], sure=sure):
            return f"{value[:at]} {found}"
    return ""


def _readings(text: str, *, sure: bool) -> Iterator[str]:
    """The ways to read a text as elements from its first to its last character."""
    length = _PREDEFINED.get(text[:2])
    if length is not None and _sound(text[:length], sure=sure):
        shown = f"({text[:2]}) {text[2:length]}"
        if len(text) == length:
            yield shown
        else:
            yield from (f"{shown} {rest}" for rest in _readings(text[length:], sure=sure))
    if sure:
        return
    for key, most in _OPEN.items():
        # Company-internal AIs, 90 to 99, are too many two-digit beginnings to doubt each lot for.
        if text.startswith(key) and not key.startswith("9"):
            value = text[len(key) :]
            if value and len(value) <= most and (key not in _DIGITS or _NUMBER.fullmatch(value)):
                yield f"({key}) {value}"


def _sound(element: str, *, sure: bool = True) -> bool:
    """Whether an element of predefined length is whole and right; `sure`: by a check digit or a date."""
    key, value = element[:2], element[2:]
    if len(element) != _PREDEFINED[key] or not _NUMBER.fullmatch(value):
        return False
    if key in _DATES:
        return 1 <= int(value[2:4]) <= 12 and int(value[4:]) <= 31
    if key in _CHECKED:
        return checked(value if key != "41" else value[1:])
    return not sure
