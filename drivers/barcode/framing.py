"""From a scanner's bytes to codes, however the bytes are cut.

- A frame ends as the settings say: with CR, LF or both; between STX and ETX; or with silence, where a length
  may be required. Never with GS, RS or EOT: those belong to the code (GS1, ISO/IEC 15434).
- Nothing but the frame, and the prefix and suffix of the settings, is taken off; an empty frame is nothing.
- What is no code is told once as a `Flaw`: bytes that are no text, bytes outside a frame, a frame beyond
  `max_length` or of another length, a half frame, a frame without its prefix or suffix.
- At most `max_length` bytes and one chunk are held; the rest of an over-long frame is let go.
"""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, NamedTuple

_LINE_END = re.compile(rb"[\r\n]")
_MARK = re.compile(rb"([\x02\x03])")
_STX = b"\x02"
_ETX = b"\x03"

# Control characters in a code come from noise or a wrong baud rate. EOT, FS, GS, RS and US are part of codes
# (ISO/IEC 15434, clause 5); FNC1 arrives as GS.
_NOISE = re.compile("[\x00-\x03\x05-\x1b\x7f-\x9f]")

EVIDENCE = 64  # bytes of a flaw that are kept


class Flaw(NamedTuple):
    """Bytes that are no code."""

    reason: Literal["garbage", "too_long", "incomplete"]
    raw: bytes  # at most the first EVIDENCE bytes


@dataclass(frozen=True)
class Form:
    """What a frame holds, however it ends."""

    encoding: str = "utf-8"
    max_length: int = 512  # bytes of a frame, prefix and suffix included
    prefix: bytes = b""
    suffix: bytes = b""

    def code(self, frame: bytes) -> str | Flaw:
        """The code in a whole frame."""
        begin, end = len(self.prefix), len(frame) - len(self.suffix)
        if begin >= end or not frame.startswith(self.prefix) or not frame.endswith(self.suffix):
            return Flaw("incomplete", frame[:EVIDENCE])
        try:
            text = frame[begin:end].decode(self.encoding)
        except UnicodeDecodeError:
            return Flaw("garbage", frame[:EVIDENCE])
        return Flaw("garbage", frame[:EVIDENCE]) if _NOISE.search(text) else text


class Framer(ABC):
    """Cuts a stream into codes. Feed it bytes as they come; tell it when the line has been silent."""

    def __init__(self, form: Form | None = None) -> None:
        self._form = form or Form()
        self._held = b""
        self._skipping = False  # the rest of something that was already told

    @property
    def pending(self) -> bool:
        """Whether something has begun that silence would end."""
        return bool(self._held) or self._skipping

    @abstractmethod
    def feed(self, data: bytes) -> list[str | Flaw]:
        """The codes and flaws that `data` completes, in order."""

    def silence(self) -> str | Flaw | None:
        """The line has been silent for long: what is held will not go on."""
        return self.lost()

    def lost(self) -> Flaw | None:
        """Give up what is held: the scanner is gone. What comes next begins a new frame."""
        held = self._taken()
        return Flaw("incomplete", held[:EVIDENCE]) if held else None

    def _taken(self) -> bytes:
        held, self._held, self._skipping = self._held, b"", False
        return held

    def _extend(self, piece: bytes, found: list[str | Flaw], limit: int) -> None:
        if self._skipping:
            return
        self._held += piece
        if len(self._held) > limit:
            found.append(Flaw("too_long", self._held[: min(EVIDENCE, limit)]))
            self._held, self._skipping = b"", True


class LineFramer(Framer):
    """Each code ends with CR, LF or both."""

    def feed(self, data: bytes) -> list[str | Flaw]:
        found: list[str | Flaw] = []
        *ended, rest = _LINE_END.split(data)
        for piece in ended:
            self._extend(piece, found, self._form.max_length)
            if frame := self._taken():
                found.append(self._form.code(frame))
        self._extend(rest, found, self._form.max_length)
        return found


class MarkedFramer(Framer):
    """Each code stands between STX and ETX. CR and LF outside are nothing; anything else there is told."""

    def __init__(self, form: Form | None = None) -> None:
        super().__init__(form)
        self._inside = False

    @property
    def pending(self) -> bool:
        return self._inside or super().pending

    def feed(self, data: bytes) -> list[str | Flaw]:
        found: list[str | Flaw] = []
        for piece in _MARK.split(data):
            if piece == _STX:
                self._begin(found)
            elif piece == _ETX:
                self._end(found)
            elif self._inside:
                self._extend(piece, found, self._form.max_length)
            else:
                self._stray(piece)
        return found

    def lost(self) -> Flaw | None:
        inside, held = self._inside, self._taken()
        if inside:
            return Flaw("incomplete", held[:EVIDENCE]) if held else None
        return Flaw("garbage", held) if held else None

    def _taken(self) -> bytes:
        self._inside = False
        return super()._taken()

    def _begin(self, found: list[str | Flaw]) -> None:
        if (flaw := self.lost()) is not None:
            found.append(flaw)
        self._inside = True

    def _end(self, found: list[str | Flaw]) -> None:
        if not self._inside:
            self._stray(_ETX)
        elif frame := self._taken():
            found.append(self._form.code(frame))

    def _stray(self, piece: bytes) -> None:
        """Hold the first bytes outside a frame, to be told as one flaw when a frame begins or at silence."""
        self._held = (self._held + _LINE_END.sub(b"", piece))[:EVIDENCE]


class SilenceFramer(Framer):
    """Each code ends with silence; CR and LF around it are nothing.

    A required length is checked at the silence and not earlier: the first bytes of a longer code are no code.
    """

    def __init__(self, form: Form | None = None, length: int | None = None) -> None:
        super().__init__(form)
        self._length = length
        # Line ends are not counted, and are known as such only when the silence comes.
        self._limit = (length or self._form.max_length) + len(b"\r\n\r\n")

    def feed(self, data: bytes) -> list[str | Flaw]:
        found: list[str | Flaw] = []
        self._extend(data, found, self._limit)
        return found

    def silence(self) -> str | Flaw | None:
        frame = self._taken().strip(b"\r\n")
        if not frame:
            return None
        if len(frame) > (self._length or self._form.max_length):
            return Flaw("too_long", frame[:EVIDENCE])
        if self._length is not None and len(frame) < self._length:
            return Flaw("incomplete", frame[:EVIDENCE])
        return self._form.code(frame)
