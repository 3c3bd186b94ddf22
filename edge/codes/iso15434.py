"""ISO/IEC 15434 messages with the data identifiers of MH10.8.2.

`[)>` RS, then format envelopes: two digits, the fields, each after GS, RS behind the last; EOT at the end.
Format 06 has data identifiers, 05 GS1 application identifiers. A missing EOT, and the RS before it, are
tolerated: many labels and scanners leave them out. Missing separators within are not: see `doubt`.
"""

import re

from edge.codes.gs1 import SEPARATOR, Element, Unsound

HEADER = "[)>"
_RECORD = "\x1e"
_END = "\x04"
_FIELD = re.compile(r"([0-9]{0,3}[A-Z])(.+)", re.DOTALL)

_TITLES = {
    "P": "CUSTOMER PART", "1P": "SUPPLIER PART", "Q": "QUANTITY", "T": "LOT", "1T": "SUPPLIER LOT",
    "S": "SERIAL", "K": "PURCHASE ORDER", "V": "SUPPLIER", "W": "WORK ORDER", "3W": "WORK ORDER",
    "1W": "OPERATION", "1H": "EMPLOYEE", "Z": "COMMAND",
}  # fmt: skip


def doubt(text: str) -> str:
    """Why the fields of a message cannot be told apart; empty where they can."""
    body = text.removeprefix(HEADER)
    if not body.startswith(_RECORD):
        return "RS is missing behind [)>: the scanner drops separators"
    if re.match(r"[0-9]{2}(?!\x1d)", body[1:]) and body[1:3] in ("05", "06"):
        return f"GS is missing behind format {body[1:3]}: the scanner drops separators"
    return ""


def envelopes(text: str) -> list[tuple[str, str]]:
    """The formats of a message, each with its fields as they were read. Raises Unsound."""
    body = text.removeprefix(HEADER + _RECORD).removesuffix(_END).removesuffix(_RECORD)
    found = []
    for envelope in body.split(_RECORD):
        if not re.match(r"[0-9]{2}\x1d", envelope):
            raise Unsound(f"no format with its fields: {envelope[:30]!r}")
        found.append((envelope[:2], envelope[3:]))
    return found


def fields(envelope: str) -> tuple[Element, ...]:
    """The fields of format 06. Raises Unsound."""
    found = []
    for field in envelope.removesuffix(SEPARATOR).split(SEPARATOR):
        match = _FIELD.fullmatch(field)
        if not match:
            raise Unsound(f"no data identifier with its value: {field[:30]!r}")
        found.append(Element(match[1], match[2], match[2], _TITLES.get(match[1], "")))
    return tuple(found)
