"""What scans mean: a site's own rules first, then the default grammar in its plain, ISO 15434 and GS1 forms.

Pure. Any text has a meaning within bounded time; what fits two rules is a contradiction, with their names.
"""

from collections.abc import Sequence
from functools import lru_cache

from edge.codes import content
from edge.codes.rules import Rule
from edge.readings import Scan
from edge.station.grammar import elements, own, plain
from edge.station.grammar.words import (
    NOTHING,
    Amount,
    Badge,
    Command,
    Contradiction,
    CoProduct,
    Kit,
    Label,
    Lot,
    Malformed,
    Order,
    OutputLot,
    Unclear,
    Unrecognised,
    Word,
    shown,
)

__all__ = [
    "DEFAULT", "MOST", "NOTHING", "Amount", "Badge", "CoProduct", "Command", "Contradiction", "Grammar",
    "Kit", "Label", "Lot", "Malformed", "Order", "OutputLot", "Unclear", "Unrecognised", "Word", "shown",
]  # fmt: skip

MOST = 2000  # characters; nothing longer is a code


class Grammar:
    """How a site's scans are read."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self.rules = tuple(rules)
        self._read = lru_cache(64)(self._meaning)

    def read(self, scan: Scan) -> Word:
        """The meaning of a scan."""
        return self._read(scan.text, scan.symbology, scan.kept, scan.device)

    def fitting(self, text: str, device: str) -> list[Rule]:
        """The own rules that a code of a scanner fits."""
        return [rule for rule, _ in self._fits(text, device)]

    def _fits(self, text: str, device: str) -> list[tuple[Rule, dict[str, str]]]:
        here = (rule for rule in self.rules if not rule.scanners or device in rule.scanners)
        tried = ((rule, rule.pattern.values(text)) for rule in here)
        return [(rule, values) for rule, values in tried if values is not None]

    def _meaning(self, text: str, symbology: str | None, kept: bool, device: str) -> Word:
        if len(text) > MOST:
            return Unrecognised(shown(text))
        fits = self._fits(text, device)
        if len(fits) > 1:
            return Contradiction(shown(text), tuple(rule.name for rule, _ in fits))
        if fits:
            return own.read(*fits[0], text)
        match content.read(text, symbology, kept=kept):
            case content.Elements(_, items):
                return elements.read(items, text)
            case content.Refused(reason, _):
                return Unclear(shown(text), reason)
        return plain.read(text)


DEFAULT = Grammar()
