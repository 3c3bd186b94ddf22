"""The default grammar in its plain form: letters, digits and spaces survive every keyboard layout.

What starts like ours but is damaged is `Malformed`, with the right form.
"""

import re
from collections.abc import Callable
from decimal import Decimal

from edge.codes import commands
from edge.station.grammar.words import (
    Amount,
    Badge,
    Command,
    CoProduct,
    Kit,
    Lot,
    Malformed,
    Order,
    OutputLot,
    Unrecognised,
    Word,
    shown,
)

KEY = re.compile(r"[A-Z0-9._-]{1,40}")
_ORDER = re.compile(r"([A-Z0-9._-]{1,40})(?: +([A-Z0-9]{1,12}))?")
_QUANTITY = re.compile(r"([0-9]{1,9})(?:D([0-9]{1,6}))?(?: +([A-Z0-9]{1,3}))?")


def read(text: str) -> Word:
    """The meaning of a text without keys. Case and spaces at the ends do not count."""
    code = text.strip(" ").upper()
    reader = _READERS.get(code[:3])
    if reader is None:
        return Unrecognised(shown(text))
    word, expects = reader(code[3:].strip(" "))
    return word or Malformed(shown(code), expects)


def _badge(rest: str) -> tuple[Word | None, str]:
    return Badge(rest) if KEY.fullmatch(rest) else None, "LSE1042"


def _order(rest: str) -> tuple[Word | None, str]:
    match = _ORDER.fullmatch(rest)
    return Order(match[1], match[2]) if match else None, "LSW10045678 0020"


def _lot(rest: str) -> tuple[Word | None, str]:
    return Lot(rest) if KEY.fullmatch(rest) else None, "LSL A2207"


def _kit(rest: str) -> tuple[Word | None, str]:
    return Kit(rest) if KEY.fullmatch(rest) else None, "LSK K2207"


def _output(rest: str) -> tuple[Word | None, str]:
    return OutputLot(rest) if KEY.fullmatch(rest) else None, "LSO 2611A"


def _co_product(rest: str) -> tuple[Word | None, str]:
    return CoProduct(rest) if KEY.fullmatch(rest) else None, "LSP BRACKET-7R"


def _amount(rest: str) -> tuple[Word | None, str]:
    match = _QUANTITY.fullmatch(rest)
    if not match:
        return None, "LSQ50, LSQ12D5 KGM"
    return Amount(Decimal(f"{match[1]}.{match[2]}" if match[2] else match[1]), match[3]), ""


def _command(rest: str) -> tuple[Word | None, str]:
    command = commands.named(rest)
    if command is not None:
        return Command(*command), ""
    example = commands.example(rest)
    return None, f"LSC{example}" if example else COMMANDS_SHOWN


COMMANDS_SHOWN = "LSCDONE, LSCOK, LSCPART, LSCGO, LSCUNDO, LSCSCRAP04, LSCPAUSE21"

_READERS: dict[str, Callable[[str], tuple[Word | None, str]]] = {
    "LSE": _badge, "LSW": _order, "LSL": _lot, "LSK": _kit, "LSQ": _amount, "LSO": _output,
    "LSP": _co_product, "LSC": _command,
}  # fmt: skip
