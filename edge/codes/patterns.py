"""The patterns in which a site writes its own codes: a part of the regular expressions that people know.

Literals, `.`, `[A-Z0-9]`, `[^ ]`, `\\d`, `\\w`, `\\x1d`, groups, `(?P<name>…)`, `|` and the counts
`? * + {2} {2,} {2,8}`; greed makes no difference, for a pattern stands for the whole code and may read it in
one way only (automaton.py proves that). What cannot be proven is no part of it: back references, looking
ahead, flags.
"""

import re
from dataclasses import dataclass

Ranges = tuple[tuple[int, int], ...]  # of code points, ascending, apart from each other

ANY: Ranges = ((0, 0x10FFFF),)
_DIGITS: Ranges = ((48, 57),)
_WORDS: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
_COUNT = re.compile(r"\{([0-9]{1,3})(?:(,)([0-9]{1,3})?)?\}")
_NAME = re.compile(r"\?P<([A-Za-z_][A-Za-z0-9_]*)>")
_HEX = re.compile(r"x([0-9A-Fa-f]{2})")
_ALONE = {
    "^": "a pattern stands for the whole code anyway: leave ^ out",
    "$": "a pattern stands for the whole code anyway: leave $ out",
    "*": "nothing stands before it to be repeated",
    "+": "nothing stands before it to be repeated",
    "?": "nothing stands before it to be repeated",
    "{": r"nothing stands before it to be repeated; the sign itself is \{",
    "}": r"the sign itself is \}",
    "]": r"the sign itself is \]",
}


class PatternError(ValueError):
    """A pattern that is none, or not one of ours; the text says where and why."""


@dataclass(frozen=True)
class One:
    """One character out of a set."""

    ranges: Ranges


@dataclass(frozen=True)
class Row:
    """Parts one after another; without parts, nothing."""

    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Choice:
    """One of several."""

    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Times:
    """A part `least` to `most` times; `most` is None for any number."""

    part: "Node"
    least: int
    most: int | None


@dataclass(frozen=True)
class Named:
    """A part whose text is a value of the code."""

    name: str
    part: "Node"


Node = One | Row | Choice | Times | Named


def parse(pattern: str) -> Node:
    """The pattern as a tree. Raises PatternError."""
    return _Parser(pattern).whole()


def groups(node: Node) -> frozenset[frozenset[str]]:
    """Which groups a code may have together."""
    match node:
        case One():
            return frozenset({frozenset()})
        case Choice(parts):
            return frozenset().union(*(groups(part) for part in parts))
        case Row(parts):
            found = frozenset({frozenset[str]()})
            for part in parts:
                found = frozenset(one | other for one in found for other in groups(part))
            return found
        case Named(name, part):
            return frozenset(inside | {name} for inside in groups(part))
        case Times(part, least, _):
            return groups(part) | ({frozenset()} if least == 0 else frozenset())


class _Parser:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._names: set[str] = set()
        self._depth = 0

    def whole(self) -> Node:
        node = self._choice()
        if self._at < len(self._pattern):
            raise self._wrong(r"this bracket closes nothing; the sign itself is \)")
        return node

    def _choice(self) -> Node:
        parts = [self._row()]
        while self._took("|"):
            parts.append(self._row())
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def _row(self) -> Node:
        parts: list[Node] = []
        while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
            parts.append(self._counted(self._part()))
        return parts[0] if len(parts) == 1 else Row(tuple(parts))

    def _part(self) -> Node:
        sign = self._pattern[self._at]
        if sign in _ALONE:
            raise self._wrong(_ALONE[sign])
        self._at += 1
        match sign:
            case "(":
                return self._group()
            case "[":
                return One(self._set())
            case ".":
                return One(ANY)
            case "\\":
                return One(self._escaped())
        return One(((ord(sign), ord(sign)),))

    def _group(self) -> Node:
        opened = self._at - 1
        name = None
        if found := _NAME.match(self._pattern, self._at):
            name = found[1]
            if name in self._names:
                raise self._wrong(f"the group {name} is there twice", opened)
            self._names.add(name)
            self._at = found.end()
        elif self._pattern.startswith("?:", self._at):
            self._at += 2
        elif self._took("?"):
            raise self._wrong("only (?:…) and (?P<name>…) are offered", opened)
        self._depth += 1
        if self._depth > 20:
            raise self._wrong("brackets are nested more than 20 deep", opened)
        node = self._choice()
        if not self._took(")"):
            raise self._wrong("this bracket is never closed", opened)
        self._depth -= 1
        return Named(name, node) if name else node

    def _counted(self, part: Node) -> Node:
        begun = self._at
        least, most = 1, 1
        if self._took("?"):
            least, most = 0, 1
        elif self._took("*"):
            return self._once_counted(Times(part, 0, None), begun)
        elif self._took("+"):
            return self._once_counted(Times(part, 1, None), begun)
        elif found := _COUNT.match(self._pattern, self._at):
            self._at = found.end()
            least = int(found[1])
            if found[2] and not found[3]:
                return self._once_counted(Times(part, least, None), begun)
            most = int(found[3]) if found[2] else least
            if most < least or most == 0:
                raise self._wrong("it ends before it begins", begun)
        if self._at == begun:
            return part
        return self._once_counted(Times(part, least, most), begun)

    def _once_counted(self, node: Node, begun: int) -> Node:
        if self._at < len(self._pattern) and self._pattern[self._at] in "*+?{":
            raise self._wrong("a count is followed by another one", begun)
        return node

    def _set(self) -> Ranges:
        """The inside of [...]; the opening bracket is read."""
        opened = self._at - 1
        negated = self._took("^")
        found: list[tuple[int, int]] = []
        while not self._took("]"):
            first = self._one_of_set(opened)
            if (
                self._pattern[self._at : self._at + 1] == "-"
                and self._pattern[self._at + 1 : self._at + 2] != "]"
            ):
                self._at += 1
                last = self._one_of_set(opened)
                if len(first) > 1 or len(last) > 1 or first[0][0] != first[0][1] or last[0][0] < first[0][0]:
                    raise self._wrong("a range in it goes from a higher sign to a lower one", opened)
                first = ((first[0][0], last[0][1]),)
            found += first
        if not found:
            raise self._wrong(r"it is empty; the sign itself is \[", opened)
        return _without(_joined(found)) if negated else _joined(found)

    def _one_of_set(self, opened: int) -> Ranges:
        if self._at >= len(self._pattern):
            raise self._wrong(r"this bracket is never closed; the sign itself is \[", opened)
        sign = self._pattern[self._at]
        self._at += 1
        return self._escaped() if sign == "\\" else ((ord(sign), ord(sign)),)

    def _escaped(self) -> Ranges:
        """What stands behind a backslash, which is read."""
        if found := _HEX.match(self._pattern, self._at):
            self._at = found.end()
            return ((int(found[1], 16), int(found[1], 16)),)
        sign = self._pattern[self._at : self._at + 1]
        if sign == "d":
            ranges = _DIGITS
        elif sign == "w":
            ranges = _WORDS
        elif sign and not sign.isalnum():
            ranges = ((ord(sign), ord(sign)),)
        else:
            raise self._wrong(r"only \d, \w, \x1d and signs such as \. may follow \ here", self._at - 1)
        self._at += 1
        return ranges

    def _took(self, sign: str) -> bool:
        if self._pattern.startswith(sign, self._at):
            self._at += len(sign)
            return True
        return False

    def _wrong(self, why: str, at: int | None = None) -> PatternError:
        at = self._at if at is None else at
        return PatternError(f"at {self._pattern[at : at + 8]!r} (sign {at + 1}): {why}")


def _joined(ranges: list[tuple[int, int]]) -> Ranges:
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(high, found[-1][1])
        else:
            found.append((low, high))
    return tuple(found)


def _without(ranges: Ranges) -> Ranges:
    found, low = [], 0
    for first, last in ranges:
        if low < first:
            found.append((low, first - 1))
        low = last + 1
    return (*found, (low, ANY[0][1])) if low <= ANY[0][1] else tuple(found)
