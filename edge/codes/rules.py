"""A site's own rules: codes in its own patterns, with what their groups mean.

What a rule says is proven when the configuration is loaded: each code that fits has a meaning, is told apart
in one way, and fits no other rule of the same scanner.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from edge.codes.automaton import Automaton
from edge.codes.commands import COMMANDS_WITH_REASON, named
from edge.codes.patterns import PatternError

Kind = Literal["badge", "order", "command", "output", "label", "quantity"]

# By kind, the groups of which one is needed, and those that may stand beside it.
_KINDS: tuple[tuple[Kind, frozenset[str], frozenset[str]], ...] = (
    ("badge", frozenset({"badge"}), frozenset()),
    ("order", frozenset({"order"}), frozenset({"operation"})),
    ("command", frozenset({"command"}), frozenset({"reason"})),
    ("output", frozenset({"output_lot", "serial"}), frozenset()),
    ("label", frozenset({"lot", "material", "gtin", "supplier_part"}),
     frozenset({"serial", "quantity", "unit"})),
    ("quantity", frozenset({"quantity"}), frozenset({"unit"})),
)  # fmt: skip
GROUPS = frozenset().union(*(needed | beside for _, needed, beside in _KINDS))


@dataclass(frozen=True)
class Rule:
    """A rule as it reads. Raises PatternError where it does not hold together.

    `scanners`: where it holds; empty: everywhere, pages included. `command`: what each code stands for, as
    behind LSC. `unit` (UN/ECE Rec 20) and `decimals` belong to the quantity: with 2, `125` is 1.25.
    """

    name: str
    pattern: Automaton
    scanners: tuple[str, ...] = ()
    command: str | None = None
    unit: str | None = None
    decimals: int = 0

    def __post_init__(self) -> None:
        if unknown := set(self.pattern.names) - GROUPS:
            raise PatternError(f"unknown group {min(unknown)}; allowed: {', '.join(sorted(GROUPS))}")
        for groups in self.pattern.groups:
            self._check(groups)
        if "quantity" in self.pattern.names and not self.pattern.takes_only("quantity", "0123456789."):
            raise PatternError("the group quantity takes more than digits and a decimal point")
        if "gtin" in self.pattern.names and not self.pattern.takes_only("gtin", "0123456789"):
            raise PatternError("the group gtin takes more than digits")

    def _check(self, groups: frozenset[str]) -> None:
        """Raise PatternError where a code with these groups would say nothing."""
        shown = ", ".join(sorted(groups)) or "no group"
        if self.command is not None:
            if "command" in groups:
                raise PatternError("it has a command of its own and a group command")
            meant = named(self.command)
            with_reason = self.command in COMMANDS_WITH_REASON and "reason" in groups
            if meant is None and not with_reason:
                raise PatternError(f"{self.command!r} names no command, or lacks its reason")
            if meant is not None and "reason" in groups:
                raise PatternError(f"{self.command!r} takes no further reason")
            groups |= {"command"}
        if kind_of(groups) is None:
            raise PatternError(f"a code with {shown} fits it, which says nothing a station could do")
        if (self.unit is not None or self.decimals) and "quantity" not in self.pattern.names:
            raise PatternError("unit and decimals belong to a group quantity")
        if self.unit is not None and "unit" in groups:
            raise PatternError("it has a unit of its own and a group unit")


def kind_of(groups: frozenset[str]) -> Kind | None:
    """What a code with these groups is; None where they do not belong together."""
    for kind, needed, beside in _KINDS:
        if groups & needed and groups <= needed | beside:
            return None if "unit" in groups and "quantity" not in groups else kind
    return None


def shared(rules: Sequence[Rule]) -> Iterator[tuple[int, int, str]]:
    """Pairs of rules that one code of one scanner fits, by their places, with such a code."""
    for (first, one), (second, other) in combinations(enumerate(rules), 2):
        apart = one.scanners and other.scanners and not set(one.scanners) & set(other.scanners)
        if not apart and (text := one.pattern.shared(other.pattern)) is not None:
            yield first, second, text
