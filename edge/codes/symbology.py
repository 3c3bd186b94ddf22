"""What kind of code it was: the AIM identifier that a scanner may put before it (ISO/IEC 15424).

`]`, a letter for the kind, a modifier. Scanners send it when they are told to; it is no part of the code.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

_IDENTIFIER = re.compile(r"\][A-Za-z][0-9A-Za-z]")

# What GS1 uses; the modifier says that the code begins with FNC1, so that its content has identifiers.
GS1 = frozenset({"]C1", "]d2", "]Q3", "]e0", "]e1", "]e2", "]J1"})
NUMBERS = frozenset({"]E0", "]E4", "]I1"})  # one number for a product, which has a check digit

_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "]C1": "GS1-128", "]d2": "GS1 DataMatrix", "]Q3": "GS1 QR Code", "]E0": "EAN-13 or UPC",
        "]E4": "EAN-8", "]I1": "ITF-14", "]e0": "GS1 DataBar", "]J1": "GS1 DotCode",
    }
)  # fmt: skip
_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "A": "Code 39", "C": "Code 128", "d": "Data Matrix", "E": "EAN/UPC", "e": "DataBar or composite",
        "F": "Codabar", "G": "Code 93", "I": "Interleaved 2 of 5", "J": "DotCode", "L": "PDF417",
        "Q": "QR Code", "U": "MaxiCode", "z": "Aztec",
    }
)  # fmt: skip


def split(text: str) -> tuple[str | None, str]:
    """The identifier of a code, where it has one, and the code."""
    match = _IDENTIFIER.match(text)
    return (match[0], text[match.end() :]) if match else (None, text)


def named(identifier: str) -> str:
    """The name of a kind of code, for people."""
    return _NAMES.get(identifier) or _KINDS.get(identifier[1:2]) or "another kind"
