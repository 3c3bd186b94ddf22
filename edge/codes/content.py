"""What a code says: plain text, or elements with their keys, or that it cannot be told.

Pure. `told_apart` is for every scan and imports nothing; `read` takes a code to pieces.
"""

import re
from dataclasses import dataclass
from typing import Literal

from edge.codes import gs1, iso15434, symbology
from edge.codes.gs1 import Element, Unsound

Doubt = Literal["ambiguous", "malformed"]
_LINK = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True)
class Plain:
    """A text without keys."""

    text: str


@dataclass(frozen=True)
class Elements:
    """A code of several values, each with its key: a GS1 application identifier or an MH10.8.2 identifier."""

    form: Literal["gs1", "digital-link", "iso15434", "gtin"]
    items: tuple[Element, ...]

    def get(self, key: str) -> str | None:
        """The value of a key as it was read."""
        return next((item.value for item in self.items if item.key == key), None)


@dataclass(frozen=True)
class Refused:
    """A code that says nothing certain; `why` is for the person who sets up the scanner."""

    reason: Doubt
    why: str


Content = Plain | Elements | Refused


def told_apart(text: str, kind: str | None, *, kept: bool) -> str:
    """Why the elements of a code cannot be told apart; empty where they can, and where there are none.

    `kind` is its symbology identifier. `kept` says that the line carries separators: a keyboard does not.
    """
    if text.startswith(iso15434.HEADER):
        return iso15434.doubt(text)
    return gs1.doubt(text, kept=kept) if _is_gs1(text, kind) else ""


def read(text: str, kind: str | None = None, *, kept: bool = True) -> Content:
    """What a code without its symbology identifier says."""
    if why := told_apart(text, kind, kept=kept):
        return Refused("ambiguous", why)
    try:
        found = _elements(text, kind)
        if found is not None:
            _once(found.items)
    except Unsound as error:
        return Refused("malformed", str(error))
    return found or Plain(text)


def _elements(text: str, kind: str | None) -> Elements | None:
    if text.startswith(iso15434.HEADER):
        items: tuple[Element, ...] = ()
        for number, envelope in iso15434.envelopes(text):
            if number not in ("05", "06"):
                raise Unsound(f"format {number} of ISO/IEC 15434 is not read; 05 and 06 are")
            items += iso15434.fields(envelope) if number == "06" else gs1.elements(envelope)
        return Elements("iso15434", items)
    if _is_gs1(text, kind):
        return Elements("gs1", gs1.elements(text))
    if kind in symbology.NUMBERS and len(text) in (8, 12, 13, 14) and gs1.checked(text):
        return Elements("gtin", (Element("01", text.zfill(14), text.zfill(14), "GTIN"),))
    if _LINK.match(text):
        link = gs1.linked(text)
        return Elements("digital-link", link) if link else None
    return None


def _is_gs1(text: str, kind: str | None) -> bool:
    if kind is not None:
        return kind in symbology.GS1
    return gs1.is_gs1(text) or (gs1.SEPARATOR in text and text.lstrip(gs1.SEPARATOR)[:2].isdecimal())


def _once(items: tuple[Element, ...]) -> None:
    """GS1 allows a key twice with one value; with two, none of them is certain."""
    seen: dict[str, str] = {}
    for item in items:
        if seen.setdefault(item.key, item.value) != item.value:
            raise Unsound(f"({item.key}) stands there twice, with {seen[item.key]!r} and {item.value!r}")
