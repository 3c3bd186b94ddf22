"""The default grammar in its forms with keys: GS1 application identifiers, MH10.8.2 data identifiers.

A code is a badge, an order, a command, a quantity, or a label of some material; one that is two of these is
refused with both names. Keys that say nothing here (dates, purchase orders, countries) are passed over, and
so are company-internal ones, 91 and 92, on a label that names its material: they are its printer's.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType

from edge.codes import commands
from edge.codes.gs1 import Element
from edge.station.grammar.plain import KEY
from edge.station.grammar.words import (
    Amount,
    Badge,
    Command,
    Contradiction,
    Label,
    Malformed,
    Order,
    Unclear,
    Unrecognised,
    Word,
    lot_of,
    shown,
)

PIECES = "C62"
# Measures of trade items by the first three digits of their identifier (GS1 General Specifications, 3.6.2).
_MEASURES: Mapping[str, str] = MappingProxyType(
    {"310": "KGM", "311": "MTR", "314": "MTK", "315": "LTR", "316": "MTQ", "320": "LBR"}
)
_OWN: Mapping[str, str] = MappingProxyType(
    {"1H": "badge", "8018": "badge", "3W": "order", "W": "order", "91": "order"}
    | {"Z": "command", "92": "command"}
)
_LABEL = frozenset({"P", "1P", "01", "02", "T", "1T", "10", "S", "21"})
_COUNTS = frozenset({"Q", "30", "37"})
_INTERNAL = frozenset({"91", "92"})
_ORDER = re.compile(r"([A-Z0-9._-]{1,40})(?:\+([A-Z0-9]{1,12}))?")
_OPERATION = re.compile(r"[A-Z0-9]{1,12}")
_QUANTITY = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_MOST = 64  # characters of a key on somebody else's label


class _Damaged(Exception):
    """A value that is none; the argument is the right form."""


class _Strange(Exception):
    """A value on somebody else's label that no system could hold."""


def read(items: Sequence[Element], text: str) -> Word:
    """The meaning of a code's elements; `text` is the code as it was read."""
    found = {item.key: item.value for item in items}
    named = bool(found.keys() & (_LABEL - {"S", "21"}))
    own = {key: kind for key, kind in _OWN.items() if key in found and not (named and key in _INTERNAL)}
    amounts = {item.key for item in items if item.key in _COUNTS or _measured(item.key)}
    label = found.keys() & _LABEL
    rest = {"label"} if label else {"amount"} if amounts else set()
    kinds = sorted({*own.values(), *rest})
    if len(kinds) > 1:
        return Contradiction(shown(text), tuple(kinds))
    if not kinds:
        return Unrecognised(shown(text))
    try:
        match kinds[0]:
            case "badge":
                return Badge(_key(_only(found, ("1H", "8018")), "1H1042"))
            case "order":
                return _order(found)
            case "command":
                return _command(_only(found, ("Z", "92")))
            case "amount":
                return _amount(items)
        return _label(found, _amounts(items))
    except _Damaged as damaged:
        return Malformed(shown(text), str(damaged))
    except _Strange:
        return Unclear(shown(text), "malformed")
    except _Two as two:
        return Contradiction(shown(text), two.keys)


class _Two(Exception):
    """Two keys that say one thing, each differently."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        super().__init__(keys)
        self.keys = keys


def _only(found: Mapping[str, str], keys: Sequence[str]) -> str:
    """The value under one of several keys. Raises _Two where they differ."""
    there = tuple(key for key in keys if key in found)
    if len({found[key] for key in there}) > 1:
        raise _Two(there)
    return found[there[0]]


def _key(value: str, expects: str) -> str:
    """One of our own keys; case does not count."""
    if not KEY.fullmatch(value.upper()):
        raise _Damaged(expects)
    return value.upper()


def _order(found: Mapping[str, str]) -> Word:
    expects = "3W10045678+0020, (91)10045678+0020"
    match = _ORDER.fullmatch(_only(found, ("3W", "W", "91")).upper())
    operation = found.get("1W", "").upper()
    if not match or (operation and not _OPERATION.fullmatch(operation)):
        raise _Damaged(expects)
    if match[2] and operation and match[2] != operation:
        raise _Two(("3W", "1W"))
    return Order(match[1], match[2] or operation or None)


def _command(value: str) -> Word:
    command = commands.named(value.upper().removeprefix("LSC"))
    if command is None:
        raise _Damaged("ZDONE, (92)DONE")
    return Command(*command)


def _amount(items: Sequence[Element]) -> Amount:
    amounts = _amounts(items)
    if len(amounts) > 1:
        raise _Two(tuple(item.key for item in items if item.key in _COUNTS or _measured(item.key)))
    return amounts[0]


def _amounts(items: Sequence[Element]) -> tuple[Amount, ...]:
    """What the code says of its quantity, in each unit in which it says so. 37 counts what 02 names."""
    keys = {item.key for item in items}
    found = []
    for item in items:
        if item.key in _COUNTS:
            if not _QUANTITY.fullmatch(item.value):
                raise _Damaged("Q50, Q12.5, (30)50")
            if item.key == "37" and "02" not in keys:
                raise _Damaged("(02)…(37)50")
            found.append(Amount(Decimal(item.value), None if item.key == "Q" else PIECES))
        elif unit := _measured(item.key):
            found.append(Amount(Decimal(item.means), unit))
    return tuple(found)


def _measured(key: str) -> str | None:
    """The unit of a measure, by its identifier of four digits."""
    return _MEASURES.get(key[:3]) if len(key) == 4 and key.isdecimal() else None


def _label(found: Mapping[str, str], amounts: tuple[Amount, ...]) -> Word:
    lots = [key for key in ("T", "1T", "10") if key in found]
    serials = [key for key in ("S", "21") if key in found]
    gtins = [key for key in ("01", "02") if key in found]
    label = Label(
        material=_foreign(found.get("P")),
        gtin=_only(found, gtins) if gtins else None,
        supplier_part=_foreign(found.get("1P")),
        supplier=_foreign(found.get("V")),
        lot=_foreign(_only(found, lots)) if lots else None,
        serial=_foreign(_only(found, serials)) if serials else None,
        amounts=amounts,
    )
    if label.material or label.gtin or label.supplier_part:
        return label
    if label.lot is None and ("21" in found or amounts):
        raise _Damaged("(01)…(21)…, P…S…")
    if label.lot is None or not ("10" in found or amounts):
        return label  # the output's, unless the lot is known to go in
    if len(amounts) > 1:
        raise _Damaged("(01)…(10)…(30)…")
    amount = amounts[0] if amounts else None
    return lot_of(label.lot, amount, label.serial)


def _foreign(value: str | None) -> str | None:
    """A key on somebody else's label, kept as it is."""
    if value is None:
        return None
    if len(value) > _MOST or not value.isprintable() or value != value.strip():
        raise _Strange
    return value
