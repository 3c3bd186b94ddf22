"""A pattern as an automaton: what is proven of it is what runs.

Each place of the pattern that takes a character is a state, numbered as a bit; sets of states are integers
(Glushkov's construction: no empty moves). Reading takes time proportional to length of text × states,
whatever both are, for there is no going back. Whether two patterns share a text, and whether one reads some
text in two ways, are searches over pairs of states: exact, with an example, and polynomial.

Rejected: `re` (exponential time for some patterns), google-re2 (reads in linear time, but proves nothing),
interegular (proves what is shared, by deterministic automata: three minutes for a pattern of 24 characters).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from edge.codes.patterns import Choice, Named, Node, One, PatternError, Ranges, Row, Times, groups, parse

MOST_STATES = 200  # of one pattern
MOST_TEXT = 256  # characters; a longer code fits no pattern
_LIKED = "A1BCXYZ0 -./"  # characters for an example, before any other


@dataclass(frozen=True)
class _Piece:
    """A part of the pattern while it is put together."""

    empty: bool  # whether it takes an empty text
    first: int
    last: int


class Automaton:
    """One pattern. Raises PatternError where it is none, too large, or reads a text in two ways."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.names: list[str] = []  # of its groups
        self._ranges: list[Ranges] = []
        self._labels: list[str] = []  # the group that each state stands in
        self._follow: list[int] = []
        tree = parse(pattern)
        whole = self._built(tree, "")
        if whole.empty:
            raise PatternError("an empty code would fit it")
        self.groups = groups(tree)  # which of them a code may have together
        self._first, self._last = whole.first, whole.last
        self._before = [0] * len(self._follow)
        for state, follow in enumerate(self._follow):
            for after in _bits(follow):
                self._before[after] |= 1 << state
        self._alike: dict[Ranges, int] = {}  # by the characters that they take, the states
        for state, ranges in enumerate(self._ranges):
            self._alike[ranges] = self._alike.get(ranges, 0) | 1 << state
        self._taking: dict[str, int] = {}  # by character, the states that take it
        if (twice := self.read_in_two_ways()) is not None:
            raise PatternError(
                f"it reads {twice!r} in two ways: put a sign between its groups, or count them"
            )

    @property
    def size(self) -> int:
        """How many states it has: the characters of the pattern, counted out."""
        return len(self._follow)

    def values(self, text: str) -> dict[str, str] | None:
        """The values of the groups that a text has, if the whole of it fits the pattern."""
        if not 0 < len(text) <= MOST_TEXT:
            return None
        reached, states = [], self._first & self._takes(text[0])
        for char in text[1:]:
            reached.append(states)
            states = self._after(states) & self._takes(char)
            if not states:
                return None
        states &= self._last
        return self._labelled(text, reached, states) if states else None

    def shared(self, other: "Automaton") -> str | None:
        """A text that fits both patterns; None where there is none."""
        return self._meeting(other, [0] * len(self._follow))

    def read_in_two_ways(self) -> str | None:
        """A text whose values may be told in two ways; None where there is none."""
        alike = dict.fromkeys(self._labels, 0)
        for state, label in enumerate(self._labels):
            alike[label] |= 1 << state
        return self._meeting(self, [alike[label] for label in self._labels])

    def takes_only(self, name: str, allowed: str) -> bool:
        """Whether the values of a group consist of the allowed characters."""
        within = {ord(char) for char in allowed}
        return all(
            point in within
            for label, ranges in zip(self._labels, self._ranges, strict=True)
            if label == name
            for low, high in ranges
            for point in range(low, min(high, low + len(within)) + 1)
        )

    # Putting together

    def _built(self, node: Node, label: str) -> _Piece:
        match node:
            case One(ranges):
                return self._state(ranges, label)
            case Choice(parts):
                pieces = [self._built(part, label) for part in parts]
                first = last = 0
                for piece in pieces:
                    first, last = first | piece.first, last | piece.last
                return _Piece(any(piece.empty for piece in pieces), first, last)
            case Row(parts):
                return self._in_a_row(self._built(part, label) for part in parts)
            case Named(name, part):
                return self._named(name, part, label)
            case Times(part, least, most):
                return self._repeated(part, least, most, label)

    def _state(self, ranges: Ranges, label: str) -> _Piece:
        if len(self._follow) == MOST_STATES:
            raise PatternError(f"it is too large: counted out, {MOST_STATES} characters are the most")
        bit = 1 << len(self._follow)
        self._ranges.append(ranges)
        self._labels.append(label)
        self._follow.append(0)
        return _Piece(False, bit, bit)

    def _in_a_row(self, pieces: Iterator[_Piece]) -> _Piece:
        whole = _Piece(True, 0, 0)
        for piece in pieces:
            self._link(whole.last, piece.first)
            whole = _Piece(
                whole.empty and piece.empty,
                whole.first | piece.first if whole.empty else whole.first,
                piece.last | whole.last if piece.empty else piece.last,
            )
        return whole

    def _named(self, name: str, part: Node, label: str) -> _Piece:
        if label:
            raise PatternError(f"the group {name} stands within the group {label}")
        self.names.append(name)
        piece = self._built(part, name)
        if piece.empty:
            raise PatternError(f"the group {name} may be empty: put the ? behind its bracket")
        return piece

    def _repeated(self, part: Node, least: int, most: int | None, label: str) -> _Piece:
        known = len(self.names)
        pieces = [self._built(part, label)]
        if not pieces[0].first:
            return pieces[0]  # nothing, however often
        if len(self.names) > known and most != 1:
            raise PatternError(f"the group {self.names[-1]} is repeated: put the count inside of it")
        copies = max(least, 1) if most is None else most
        pieces += [self._built(part, label) for _ in range(copies - 1)]
        if most is None:
            self._link(pieces[-1].last, pieces[-1].first)
        freed = [_Piece(one.empty or at >= least, one.first, one.last) for at, one in enumerate(pieces)]
        return self._in_a_row(iter(freed))

    def _link(self, last: int, first: int) -> None:
        for state in _bits(last):
            self._follow[state] |= first

    # Reading

    def _takes(self, char: str) -> int:
        known = self._taking.get(char)
        if known is None:
            point = ord(char)
            known = 0
            for ranges, states in self._alike.items():
                if any(low <= point <= high for low, high in ranges):
                    known |= states
            if (
                len(self._taking) >= 512
            ):  # whoever sends so many kinds of characters shall not fill the memory
                self._taking.clear()
            self._taking[char] = known
        return known

    def _after(self, states: int) -> int:
        found = 0
        for state in _bits(states):
            found |= self._follow[state]
        return found

    def _labelled(self, text: str, reached: list[int], ends: int) -> dict[str, str]:
        """The values along one way to an end, from the back: there is one way to tell them."""
        found = dict.fromkeys(self.names, "")
        state = _lowest(ends)
        for at in range(len(text) - 1, -1, -1):
            label = self._labels[state]
            if label:
                found[label] = text[at] + found[label]
            if at:
                state = _lowest(self._before[state] & reached[at - 1])
        return {name: value for name, value in found.items() if value}

    # Proving

    def _meeting(self, other: "Automaton", alike: list[int]) -> str | None:
        """A text that takes both to an end, with states on the way that are not `alike` at least once.

        `alike` has for each state of this the states of the other that count as the same.
        """
        common: dict[int, int] = {}  # by state of this, the states of the other that take a character of it

        def moves(states: int, theirs: int, differ: bool) -> Iterator[tuple[tuple[int, bool], int]]:
            for state in _bits(states):
                if state not in common:
                    common[state] = other._sharing(self._ranges[state])
                both = theirs & common[state]
                yield (state, True), both if differ else both & ~alike[state]
                if not differ:
                    yield (state, False), both & alike[state]

        seen: dict[tuple[int, bool], int] = {}
        steps = [_fresh(moves(self._first, other._first, False), seen)]
        while steps[-1]:
            for (state, differ), theirs in steps[-1].items():
                if differ and self._last >> state & 1 and theirs & other._last:
                    return self._example(other, steps, (state, differ), _lowest(theirs & other._last), alike)
            following = (
                move
                for (state, differ), theirs in steps[-1].items()
                for move in moves(self._follow[state], other._after(theirs), differ)
            )
            steps.append(_fresh(following, seen))
        return None

    def _sharing(self, ranges: Ranges) -> int:
        """The states that take a character of a set."""
        found = 0
        for own, states in self._alike.items():
            if any(low <= last and first <= high for low, high in own for first, last in ranges):
                found |= states
        return found

    def _example(
        self,
        other: "Automaton",
        steps: list[dict[tuple[int, bool], int]],
        end: tuple[int, bool],
        theirs: int,
        alike: list[int],
    ) -> str:
        """The text that leads to a pair of states, found backwards."""
        (state, differ), text = end, ""
        for before in [*reversed(steps[:-1]), {}]:
            text = (_one_of_both(self._ranges[state], other._ranges[theirs]) or "?") + text
            same = bool(alike[state] >> theirs & 1)
            for (earlier, differed), their_earlier in before.items():
                came = their_earlier & other._before[theirs]
                if came and self._follow[earlier] >> state & 1 and (differed or not same) == differ:
                    state, differ, theirs = earlier, differed, _lowest(came)
                    break
        return text


def _fresh(
    moves: Iterator[tuple[tuple[int, bool], int]], seen: dict[tuple[int, bool], int]
) -> dict[tuple[int, bool], int]:
    """The pairs of states that were not reached before."""
    found: dict[tuple[int, bool], int] = {}
    for key, theirs in moves:
        new = theirs & ~seen.get(key, 0)
        if new:
            seen[key] = seen.get(key, 0) | new
            found[key] = found.get(key, 0) | new
    return found


def _one_of_both(ours: Ranges, theirs: Ranges) -> str | None:
    """A character of both sets, one that people can read where there is one."""
    both = [(max(a, c), min(b, d)) for a, b in ours for c, d in theirs if max(a, c) <= min(b, d)]
    if not both:
        return None
    liked = (char for char in _LIKED if any(low <= ord(char) <= high for low, high in both))
    return next(liked, chr(both[-1][0]))


def _bits(states: int) -> Iterator[int]:
    while states:
        lowest = states & -states
        yield lowest.bit_length() - 1
        states ^= lowest


def _lowest(states: int) -> int:
    return (states & -states).bit_length() - 1
