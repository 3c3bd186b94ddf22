"""A site's own rules: what their groups mean in the words of stations."""

from collections.abc import Mapping
from decimal import Decimal

from edge.codes import commands, gs1
from edge.codes.rules import Rule, kind_of
from edge.station.grammar.words import (
    Amount,
    Badge,
    Command,
    Label,
    Malformed,
    Order,
    OutputLot,
    Unclear,
    Word,
    lot_of,
    shown,
)

_WHOLE, _FRACTION = 9, 6  # places of a quantity


def read(rule: Rule, values: Mapping[str, str], text: str) -> Word:
    """The meaning of a code that fits a rule, from the values of its groups."""
    if not all(value.isprintable() for value in values.values()):
        return Malformed(shown(text), rule.name)
    groups = {**values, **({"command": rule.command} if rule.command else {})}
    amount = None
    if "quantity" in groups:
        amount = _amount(rule, groups)
        if amount is None:
            return Malformed(shown(text), rule.name)
    match kind_of(frozenset(groups)):
        case "badge":
            return Badge(groups["badge"])
        case "order":
            return Order(groups["order"], groups.get("operation"))
        case "command":
            command = commands.named((groups["command"] + groups.get("reason", "")).upper())
            return Command(*command) if command else Malformed(shown(text), rule.name)
        case "output":
            return OutputLot(groups.get("output_lot"), groups.get("serial"))
        case "quantity" if amount is not None:
            return amount
    return _label(groups, amount, text)


def _amount(rule: Rule, groups: Mapping[str, str]) -> Amount | None:
    """The quantity; None where its text is no number."""
    whole, point, fraction = groups["quantity"].partition(".")
    if not whole.isdecimal() or len(whole) > _WHOLE + rule.decimals:
        return None
    if point and (rule.decimals or not 0 < len(fraction) <= _FRACTION or not fraction.isdecimal()):
        return None
    quantity = Decimal(groups["quantity"]).scaleb(-rule.decimals)
    return Amount(quantity, groups.get("unit") or rule.unit)


def _label(groups: Mapping[str, str], amount: Amount | None, text: str) -> Word:
    gtin = groups.get("gtin")
    if gtin is not None and (len(gtin) not in (8, 12, 13, 14) or not gs1.checked(gtin)):
        return Unclear(shown(text), "malformed")
    if not groups.keys() & {"material", "gtin", "supplier_part"}:
        return lot_of(groups["lot"], amount, groups.get("serial"))
    return Label(
        material=groups.get("material"),
        gtin=gtin and gtin.zfill(14),
        supplier_part=groups.get("supplier_part"),
        lot=groups.get("lot"),
        serial=groups.get("serial"),
        amounts=(amount,) if amount else (),
    )
