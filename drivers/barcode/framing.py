"""From a scanner's bytes to codes, however the bytes are cut.

- A line ends with CR, LF or both, never with GS, RS or EOT: those belong to the code (GS1, ISO/IEC 15434).
- Nothing but the line end is taken off; an empty line is nothing.
- What is no code is told once as a `Flaw`: bytes that are no text, a line beyond `max_length`, a half line.
- At most `max_length` bytes and one chunk are held; the rest of an over-long line is let go.
"""

import re
from typing import Literal, NamedTuple

_LINE_END = re.compile(rb"[\r\n]")

# Control characters in a code come from noise or a wrong baud rate. EOT, FS, GS, RS and US are part of codes
# (ISO/IEC 15434, clause 5); FNC1 arrives as GS.
_NOISE = re.compile("[\x00-\x03\x05-\x1b\x7f-\x9f]")

EVIDENCE = 64  # bytes of a flaw that are kept


class Flaw(NamedTuple):
    """Bytes that are no code."""

    reason: Literal["garbage", "too_long", "incomplete"]
    raw: bytes  # at most the first EVIDENCE bytes


class Framer:
    """Cuts a stream into codes. Feed it bytes as they come; tell it when the line has been silent."""

    def __init__(self, encoding: str = "utf-8", max_length: int = 512) -> None:
        self._encoding = encoding
        self._max_length = max_length
        self._held = b""
        self._skipping = False  # the rest of an over-long line, already told

    @property
    def pending(self) -> bool:
        """Whether a line has begun and not ended."""
        return bool(self._held) or self._skipping

    def feed(self, data: bytes) -> list[str | Flaw]:
        """The codes and flaws that `data` completes, in order."""
        found: list[str | Flaw] = []
        *ended, rest = _LINE_END.split(data)
        for piece in ended:
            self._extend(piece, found)
            if self._held:
                found.append(self._code(self._held))
            self._held, self._skipping = b"", False
        self._extend(rest, found)
        return found

    def silence(self) -> Flaw | None:
        """Give up a half line. What comes next begins a new one."""
        held, self._held, self._skipping = self._held, b"", False
        return Flaw("incomplete", held[:EVIDENCE]) if held else None

    def _extend(self, piece: bytes, found: list[str | Flaw]) -> None:
        if self._skipping:
            return
        self._held += piece
        if len(self._held) > self._max_length:
            found.append(Flaw("too_long", self._held[: min(EVIDENCE, self._max_length)]))
            self._held, self._skipping = b"", True

    def _code(self, line: bytes) -> str | Flaw:
        try:
            text = line.decode(self._encoding)
        except UnicodeDecodeError:
            return Flaw("garbage", line[:EVIDENCE])
        return Flaw("garbage", line[:EVIDENCE]) if _NOISE.search(text) else text
