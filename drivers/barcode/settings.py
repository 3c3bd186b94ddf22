"""What a person writes below `[devices.<name>]` with `driver = "scanner-serial"`.

`feedback` is what makes the gun beep good or bad: a maker's preset, or the bytes themselves. Bytes are
written as text with escapes (`\\x1b7,` or `\\e7,`) or as `hex:1b 37 2c`.
"""

import codecs
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from edge.settings import DeviceSettings, Part, Seconds

_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|([ernt\\]))")
_NAMED = {"e": "\x1b", "r": "\r", "n": "\n", "t": "\t", "\\": "\\"}


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise ValueError(r"must be text; allowed: text with escapes (\e7,) or hex:1b 37 2c")
    try:
        if value.startswith("hex:"):
            return bytes.fromhex(value.removeprefix("hex:"))
        if "\\" in _ESCAPE.sub("", value):
            raise ValueError
        text = _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _NAMED[m[2]], value)
        return text.encode("latin-1")
    except ValueError:
        raise ValueError(r"is no byte string; allowed: text with escapes (\e7,) or hex:1b 37 2c") from None


Bytes = Annotated[bytes, BeforeValidator(_bytes, json_schema_input_type=str)]


class Feedback(Part):
    """What to send to the gun. Empty: nothing."""

    good: Bytes = b""
    bad: Bytes = b""


# From the makers' manuals. Honeywell: host-ACK mode, which waits up to 10 s for one of the two.
PRESETS: Mapping[str, Feedback] = MappingProxyType(
    {
        "none": Feedback(),
        "plain": Feedback(good=b"\x06", bad=b"\x15"),  # ACK and NAK
        "honeywell": Feedback(good=b"\x1b7,", bad=b"\x1b8,"),
        "datalogic": Feedback(good=b"\x1b[3q\r", bad=b"\x1b[4q\r"),  # handhelds: good and bad read tone
        "datalogic-fixed": Feedback(good=b"B", bad=b"F"),  # good beep, not on file
    }
)
Preset = Literal["none", "plain", "honeywell", "datalogic", "datalogic-fixed"]


def _preset(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if value not in PRESETS:
        raise ValueError(f"is no known preset; allowed: {', '.join(PRESETS)}, or a table with good and bad")
    return PRESETS[value]


def _encoding(value: str) -> str:
    """Frames end with the bytes CR and LF, so the encoding must leave ASCII alone."""
    ascii_bytes = bytes(range(128))
    try:
        if codecs.lookup(value)._is_text_encoding and ascii_bytes.decode(value) == ascii_bytes.decode(
            "ascii"
        ):
            return value
    except (LookupError, ValueError):
        pass
    raise ValueError(
        "is no encoding that contains ASCII; allowed: utf-8, ascii, latin-1, gb18030 and the like"
    )


class ScannerSettings(DeviceSettings):
    """A scanner that sends each code as a line."""

    scans: ClassVar[bool] = True
    driver: Literal["scanner-serial"]
    port: Annotated[str, Field(min_length=1)]  # a tty; best a link that udev makes, which survives replugging
    baudrate: Annotated[int, Field(ge=300, le=921600)] = 9600
    bytesize: Literal[7, 8] = 8
    parity: Literal["none", "even", "odd", "mark", "space"] = "none"
    stopbits: Literal[1, 2] = 1
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"
    max_length: Annotated[int, Field(ge=8, le=8192)] = 512  # bytes of one code
    idle_s: Annotated[Seconds, Field(ge=0.05, le=10)] = 1.0  # silence after which a half line is given up
    feedback: Annotated[
        Feedback,
        BeforeValidator(_preset, json_schema_input_type=Preset | Feedback),
        Field(validate_default=True),
    ] = PRESETS["none"]
