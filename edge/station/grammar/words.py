"""The words that scans are made of, whatever form they were printed in."""

from decimal import Decimal

import msgspec

from edge.codes.content import Doubt


class Badge(msgspec.Struct, frozen=True):
    """A person's badge."""

    badge: str


class Order(msgspec.Struct, frozen=True):
    """A work order, with its operation where the code names it."""

    work_order: str
    operation: str | None = None


class Lot(msgspec.Struct, frozen=True):
    """A lot of material, by the own material code; `quantity` in `unit` where the code carries it."""

    lot: str
    material: str | None = None
    quantity: Decimal | None = None
    unit: str | None = None
    serial: str | None = None


class Kit(msgspec.Struct, frozen=True):
    """What was picked for an operation together: lots of several materials under one number."""

    kit: str


class Amount(msgspec.Struct, frozen=True):
    """A quantity, in the unit expected where none is given (UN/ECE Rec 20)."""

    quantity: Decimal
    unit: str | None = None


class OutputLot(msgspec.Struct, frozen=True):
    """The lot or the serial number of what comes out; one of them at least."""

    lot: str | None = None
    serial: str | None = None


class CoProduct(msgspec.Struct, frozen=True):
    """A co-product or by-product, by the own material code, with what else its code says."""

    material: str
    lot: str | None = None
    serial: str | None = None
    quantity: Decimal | None = None
    unit: str | None = None


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """What stands on a material's label. Master data and the open order say what it is: a lot that goes in,
    the output, or a co-product (scans/labels.py). One of the names, the lot or the serial is there.
    """

    material: str | None = None  # the own code
    gtin: str | None = None  # 14 digits, rightly checked
    supplier_part: str | None = None
    supplier: str | None = None
    lot: str | None = None
    serial: str | None = None
    amounts: tuple[Amount, ...] = ()  # the same quantity, perhaps in several units


class Command(msgspec.Struct, frozen=True):
    """A command card; SCRAP, REWORK, PAUSE and EXTRA carry a reason, TOOL, BLOCKED and METER a name."""

    name: str
    reason: str | None = None


class Malformed(msgspec.Struct, frozen=True):
    """One of our codes, damaged: `expects` shows the right form."""

    text: str
    expects: str


class Unclear(msgspec.Struct, frozen=True):
    """A code in a form that we read, which says nothing certain: separators or check digits are wrong."""

    text: str
    doubt: Doubt


class Contradiction(msgspec.Struct, frozen=True):
    """A code that fits two rules, by the names of the rules, of default words (`badge`, `label`…) or keys."""

    text: str
    rules: tuple[str, ...]


class Unrecognised(msgspec.Struct, frozen=True):
    """No code of ours."""

    text: str


Word = (
    Badge | Order | Lot | Kit | Amount | OutputLot | CoProduct | Label | Command
    | Malformed | Unclear | Contradiction | Unrecognised
)  # fmt: skip
NOTHING = (Malformed, Unclear, Contradiction, Unrecognised)  # what no station can do anything with


def lot_of(lot: str, amount: Amount | None, serial: str | None = None) -> Lot:
    """A lot with its quantity, where there is one."""
    return Lot(lot, None, amount.quantity if amount else None, amount.unit if amount else None, serial)


def shown(text: str) -> str:
    """A scan as it may be shown: at most 40 characters, control characters made visible."""
    visible = "".join(c if c.isprintable() else f"<{ord(c):02X}>" for c in text[:41])
    return visible if len(visible) <= 40 else visible[:39] + "…"
