"""What scans mean: the default grammar in its plain form (letters, digits and spaces survive every layout).

A scan becomes one of the classes below. What starts like ours but is malformed becomes `Malformed` with the
place where it went wrong; everything else `Unrecognised`. Other forms (ISO 15434, GS1, a site's own rules)
join here as further readers of the same words.
"""

import re
from decimal import Decimal

import msgspec

COMMANDS_WITH_REASON = ("SCRAP", "REWORK", "PAUSE", "TOOL", "BLOCKED", "METER")
COMMANDS = (
    "DONE", "PART", "OK", "GO", "UNDO", "SETUP", "OUT", "RETURN", "UNMOUNT", "SHIFT", "NOTOOL",
)  # fmt: skip

_ORDER = re.compile(r"([A-Z0-9._-]{1,40})(?: +([A-Z0-9]{1,12}))?")
_KEY = re.compile(r"[A-Z0-9._-]{1,40}")
_CAVITIES = re.compile(r"[0-9]{1,3}(?: +[A-Z0-9._-]{1,40})?")  # how many, of which material
_QUANTITY = re.compile(r"([0-9]{1,9})(?:D([0-9]{1,6}))?(?: +([A-Z0-9]{1,3}))?")


class Badge(msgspec.Struct, frozen=True):
    """A person's badge."""

    badge: str


class Order(msgspec.Struct, frozen=True):
    """A work order, with its operation where the code names it."""

    work_order: str
    operation: str | None = None


class Lot(msgspec.Struct, frozen=True):
    """A lot of material; `quantity` in `unit` where the code carries it."""

    lot: str
    material: str | None = None
    quantity: Decimal | None = None
    unit: str | None = None


class Amount(msgspec.Struct, frozen=True):
    """A quantity, in the unit expected where none is given (UN/ECE Rec 20)."""

    quantity: Decimal
    unit: str | None = None


class Command(msgspec.Struct, frozen=True):
    """A command card; SCRAP, REWORK and PAUSE carry a reason, TOOL, BLOCKED and METER what they are about."""

    name: str
    reason: str | None = None


class Malformed(msgspec.Struct, frozen=True):
    """One of our codes, damaged: `expects` shows the right form."""

    text: str
    expects: str


class Unrecognised(msgspec.Struct, frozen=True):
    """No code of ours."""

    text: str


Word = Badge | Order | Lot | Amount | Command | Malformed | Unrecognised


def read(text: str) -> Word:
    """The meaning of a scan."""
    code = text.strip(" ").upper()
    reader = _READERS.get(code[:3])
    return reader(code[3:].strip(" "), code) if reader else Unrecognised(shown(text))


def shown(text: str) -> str:
    """A scan as it may be shown: at most 40 characters, control characters made visible."""
    visible = "".join(c if c.isprintable() else f"<{ord(c):02X}>" for c in text[:41])
    return visible if len(visible) <= 40 else visible[:39] + "…"


def _badge(rest: str, code: str) -> Word:
    return Badge(rest) if _KEY.fullmatch(rest) else Malformed(shown(code), "LSE1042")


def _order(rest: str, code: str) -> Word:
    match = _ORDER.fullmatch(rest)
    return Order(match[1], match[2]) if match else Malformed(shown(code), "LSW10045678 0020")


def _lot(rest: str, code: str) -> Word:
    return Lot(rest) if _KEY.fullmatch(rest) else Malformed(shown(code), "LSL A2207")


def _amount(rest: str, code: str) -> Word:
    match = _QUANTITY.fullmatch(rest)
    if not match:
        return Malformed(shown(code), "LSQ50, LSQ12D5 KGM")
    return Amount(Decimal(f"{match[1]}.{match[2]}" if match[2] else match[1]), match[3])


def _command(rest: str, code: str) -> Word:
    if rest in COMMANDS:
        return Command(rest)
    for name in COMMANDS_WITH_REASON:
        if rest.startswith(name):
            reason = rest[len(name) :].strip(" ")
            form, example = _BESIDE.get(name, (_KEY, f"LSC{name}04"))
            return Command(name, reason) if form.fullmatch(reason) else Malformed(shown(code), example)
    return Malformed(shown(code), "LSCDONE, LSCOK, LSCPART, LSCGO, LSCUNDO, LSCSCRAP04, LSCPAUSE21")


_BESIDE = {
    "TOOL": (_KEY, "LSCTOOL M-12"),
    "BLOCKED": (_CAVITIES, "LSCBLOCKED 1"),
    "METER": (_KEY, "LSCMETER ENERGY"),
}
_READERS = {"LSE": _badge, "LSW": _order, "LSL": _lot, "LSQ": _amount, "LSC": _command}
