"""From a keyboard's key events to codes, for scanners that pretend to be a keyboard.

- Keys are named as the kernel names them (linux/input-event-codes.h, without KEY_), by their place on a US
  keyboard; what stands on them depends on the layout that the scanner was set to.
- ENTER ends a code. An unknown key spoils the code: it is told as a flaw, and never guessed.
- Shift and AltGr count while they are held. Caps Lock counts for letters as this device's own presses say.
- Ctrl with a key is a separator (GS: Ctrl and the key of `]`), or spoils the code.
- At most `max_length` characters are held.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from drivers.barcode.framing import EVIDENCE, Flaw

Layout = Literal["us", "de", "fr"]

UP, DOWN, REPEAT = 0, 1, 2  # a key event's value

# By their numbers (linux/input-event-codes.h); a layout gives 48 of them something.
_ROWS = (
    (41, "GRAVE"), (2, "1 2 3 4 5 6 7 8 9 0 MINUS EQUAL"), (16, "Q W E R T Y U I O P LEFTBRACE RIGHTBRACE"),
    (30, "A S D F G H J K L SEMICOLON APOSTROPHE"), (43, "BACKSLASH"), (86, "102ND"),
    (44, "Z X C V B N M COMMA DOT SLASH"),
)  # fmt: skip
_OTHERS = (
    (28, "ENTER LEFTCTRL"), (42, "LEFTSHIFT"), (54, "RIGHTSHIFT KPASTERISK LEFTALT SPACE CAPSLOCK"),
    (69, "NUMLOCK"), (71, "KP7 KP8 KP9 KPMINUS KP4 KP5 KP6 KPPLUS KP1 KP2 KP3 KP0 KPDOT"),
    (96, "KPENTER RIGHTCTRL KPSLASH"), (100, "RIGHTALT"), (125, "LEFTMETA"),
)  # fmt: skip
_PLACES = tuple(key for _, names in _ROWS for key in names.split())
KEYS: Mapping[int, str] = MappingProxyType(
    {first + at: key for first, names in (*_ROWS, *_OTHERS) for at, key in enumerate(names.split())}
)

Faces = Mapping[str, tuple[str, str, str]]


def _rows(plain: str, shifted: str, altgr: Mapping[str, str] | None = None) -> Faces:
    """What each place gives: plain, with Shift, with AltGr. A space stands for nothing (a dead key)."""
    third = altgr or {}
    return {
        place: (plain[at].strip(), shifted[at].strip(), third.get(place, ""))
        for at, place in enumerate(_PLACES)
    }


LAYOUTS: Mapping[Layout, Faces] = MappingProxyType(
    {
        "us": _rows(
            "`1234567890-=" "qwertyuiop[]" "asdfghjkl;'\\" "\\zxcvbnm,./",
            "~!@#$%^&*()_+" "QWERTYUIOP{}" 'ASDFGHJKL:"|' "|ZXCVBNM<>?",
        ),
        "de": _rows(
            " 1234567890ß " "qwertzuiopü+" "asdfghjklöä#" "<yxcvbnm,.-",
            '°!"§$%&/()=? ' "QWERTZUIOPÜ*" "ASDFGHJKLÖÄ'" ">YXCVBNM;:_",
            {
                "2": "²", "3": "³", "7": "{", "8": "[", "9": "]", "0": "}", "MINUS": "\\", "Q": "@",
                "E": "€", "RIGHTBRACE": "~", "102ND": "|", "M": "µ",
            },
        ),
        "fr": _rows(
            "²&é\"'(-è_çà)=" "azertyuiop $" "qsdfghjklmù*" "<wxcvbn,;:!",
            " 1234567890°+" "AZERTYUIOP £" "QSDFGHJKLM%µ" ">WXCVBN?./§",
            {
                "3": "#", "4": "{", "5": "[", "6": "|", "8": "\\", "9": "^", "0": "@", "MINUS": "]",
                "EQUAL": "}", "E": "€",
            },
        ),
    }
)  # fmt: skip

# The same in every layout. The numeric pad is what some scanners use to be independent of it.
_FIXED: Mapping[str, str] = MappingProxyType(
    {"SPACE": " ", "KPASTERISK": "*", "KPMINUS": "-", "KPPLUS": "+", "KPDOT": ".", "KPSLASH": "/"}
    | {f"KP{digit}": str(digit) for digit in range(10)}
)
# With Ctrl: FS, GS, RS, US and EOT, by their places on a US keyboard.
_CONTROL = {"BACKSLASH": "\x1c", "RIGHTBRACE": "\x1d", "6": "\x1e", "MINUS": "\x1f", "D": "\x04"}
_ENDS = frozenset({"ENTER", "KPENTER"})
_SHIFTS = frozenset({"LEFTSHIFT", "RIGHTSHIFT"})
_CONTROLS = frozenset({"LEFTCTRL", "RIGHTCTRL"})
_THIRD = "RIGHTALT"
_SILENT = frozenset({"NUMLOCK", "LEFTALT", "LEFTMETA"})  # pressed by some scanners around a code
_HELD = _SHIFTS | _CONTROLS | {_THIRD}


class Typist:
    """Gathers the key events of one scanner."""

    def __init__(self, layout: Layout = "us", max_length: int = 512) -> None:
        self._keys = LAYOUTS[layout]
        self._max_length = max_length
        self._held: set[str] = set()
        self._caps = False
        self._text = ""
        self._spoiled: Literal["garbage", "too_long"] | None = None

    @property
    def pending(self) -> bool:
        """Whether a code has begun and not ended."""
        return bool(self._text) or self._spoiled is not None

    def press(self, key: str, value: int) -> str | Flaw | None:
        """A key event; the code or flaw that it completes."""
        if key in _HELD:
            (self._held.discard if value == UP else self._held.add)(key)
            return None
        if value == UP or key in _SILENT:
            return None
        if value == REPEAT:
            # No scanner holds a key: the event that it was released was lost, or a person types.
            self._spoiled = self._spoiled or "garbage"
            return None
        if key == "CAPSLOCK":
            self._caps = not self._caps
            return None
        if key in _ENDS:
            return self._end()
        self._add(self._character(key))
        return None

    def silence(self) -> Flaw | None:
        """Give up what has begun. What comes next begins a new code."""
        text, spoiled = self._text, self._spoiled
        self._text, self._spoiled = "", None
        return Flaw(spoiled or "incomplete", _raw(text)) if text or spoiled else None

    def spoil(self) -> None:
        """Events were lost: nothing of this code is believed, and no key is known to be held."""
        self._held.clear()
        self._spoiled = self._spoiled or "garbage"

    def lost(self) -> Flaw | None:
        """The device is gone: no key is held any more."""
        self._held.clear()
        self._caps = False
        return self.silence()

    def _end(self) -> str | Flaw | None:
        if self._spoiled is not None:
            return self.silence()
        text, self._text = self._text, ""
        return text or None

    def _add(self, character: str) -> None:
        if not character:
            self._spoiled = self._spoiled or "garbage"
        elif len(self._text) == self._max_length:
            self._spoiled = self._spoiled or "too_long"
        elif self._spoiled is None:
            self._text += character

    def _character(self, key: str) -> str:
        """What a key gives now; empty where it gives nothing that belongs to a code."""
        shifted = bool(self._held & _SHIFTS)
        plain, upper, third = self._keys.get(key, ("", "", ""))
        if self._held & _CONTROLS:
            return _CONTROL.get(key, "")
        if key in _FIXED:
            return _FIXED[key]
        if _THIRD in self._held:
            return third
        if self._caps and plain.isalpha() and upper == plain.upper():
            shifted = not shifted
        return upper if shifted else plain


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "replace")[:EVIDENCE]
