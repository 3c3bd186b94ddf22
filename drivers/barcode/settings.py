"""What a person writes below `[devices.<name>]` for a scanner.

`ReaderSettings` is what every scanner that sends bytes has. `frame` says how a code ends, `feedback` what
makes the gun beep good or bad: a maker's preset, or the bytes themselves. Bytes are written as text with
escapes (`\\x1b7,` or `\\e7,`) or as `hex:1b 37 2c`.
"""

import codecs
import ipaddress
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from drivers.barcode.framing import Form, Framer, LineFramer, MarkedFramer, SilenceFramer
from drivers.barcode.keymap import Layout
from edge.settings import Address, DeviceSettings, Part, Seconds

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


def ssi(opcode: int, data: bytes = b"") -> bytes:
    """A packet of Zebra's Simple Serial Interface: length, opcode, source 4, status 0, data, checksum.

    The checksum is the two's complement of the sum of the bytes before it (Programmer's Guide 72E-40451).
    """
    packet = bytes([4 + len(data), opcode, 4, 0]) + data
    return packet + (-sum(packet) & 0xFFFF).to_bytes(2, "big")


_SSI_BEEP = 0xE6

# From the makers' manuals. Honeywell: host-ACK mode, which waits up to 10 s for one of the two.
PRESETS: Mapping[str, Feedback] = MappingProxyType(
    {
        "none": Feedback(),
        "plain": Feedback(good=b"\x06", bad=b"\x15"),  # ACK and NAK
        "honeywell": Feedback(good=b"\x1b7,", bad=b"\x1b8,"),
        "datalogic": Feedback(good=b"\x1b[3q\r", bad=b"\x1b[4q\r"),  # handhelds: good and bad read tone
        "datalogic-fixed": Feedback(good=b"B", bad=b"F"),  # good beep, not on file
        "zebra-ssi": Feedback(good=ssi(_SSI_BEEP, b"\x00"), bad=ssi(_SSI_BEEP, b"\x06")),  # 1 high, 2 low
    }
)
Preset = Literal["none", "plain", "honeywell", "datalogic", "datalogic-fixed", "zebra-ssi"]


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


FrameName = Literal["line", "stx-etx", "idle"]
_FRAMES: Mapping[str, type[Framer]] = MappingProxyType(
    {"line": LineFramer, "stx-etx": MarkedFramer, "idle": SilenceFramer}
)


class Length(Part):
    """Every code has so many bytes, prefix and suffix included, and silence behind it."""

    length: Annotated[int, Field(ge=1, le=8192)]


class Frame(Part):
    """How a code ends, and how many bytes it must have."""

    end: FrameName
    length: Annotated[int, Field(ge=1, le=8192)] | None = None


def _frame(value: Any) -> Any:
    if isinstance(value, str) and value in _FRAMES:
        return Frame(end=value)
    if isinstance(value, dict) and set(value) == {"length"}:
        return {"end": "idle", "length": value["length"]}
    if isinstance(value, Frame):
        return value
    raise ValueError(f"is no known frame; allowed: {', '.join(_FRAMES)}, or {{ length = 12 }}")


class ReaderSettings(DeviceSettings):
    """A scanner that sends its codes as bytes."""

    scans: ClassVar[bool] = True
    frame: Annotated[Frame, BeforeValidator(_frame, json_schema_input_type=FrameName | Length)] = Frame(
        end="line"
    )
    prefix: Bytes = (
        b""  # what the scanner puts before each code, and is taken off; a code without it is refused
    )
    suffix: Bytes = b""  # the same behind it, before the frame's end
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"
    max_length: Annotated[int, Field(ge=8, le=8192)] = 512  # bytes of one code
    idle_s: Annotated[Seconds, Field(ge=0.01, le=10)] | None = None  # None: by the frame
    feedback: Annotated[
        Feedback,
        BeforeValidator(_preset, json_schema_input_type=Preset | Feedback),
        Field(validate_default=True),
    ] = PRESETS["none"]

    @property
    def silence_s(self) -> float:
        """The silence that ends a code where nothing else does; else after which a half one is given up."""
        return self.idle_s or (0.05 if self.frame.end == "idle" else 1.0)

    def framer(self) -> Framer:
        """A framer for one connection."""
        form = Form(self.encoding, self.max_length, self.prefix, self.suffix)
        if self.frame.length is not None:
            return SilenceFramer(form, self.frame.length)
        return _FRAMES[self.frame.end](form)


class ScannerSettings(ReaderSettings):
    """A scanner on a serial line, or on USB as a serial port."""

    driver: Literal["scanner-serial"]
    port: Annotated[str, Field(min_length=1)]  # a tty; best a link that udev makes, which survives replugging
    baudrate: Annotated[int, Field(ge=300, le=921600)] = 9600
    bytesize: Literal[7, 8] = 8
    parity: Literal["none", "even", "odd", "mark", "space"] = "none"
    stopbits: Literal[1, 2] = 1

    @property
    def claim(self) -> tuple[str, str]:
        return self.port, ""


def _host(value: str) -> str:
    if not value or any(char.isspace() or char in "/@" for char in value):
        raise ValueError("is no host; allowed: an address such as 192.168.10.41, or a host name")
    return value


def _peer(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError("is no address; allowed: one such as 192.168.10.41") from None


class TcpScannerSettings(ReaderSettings):
    """A reader on the network: lineside connects to it (`host`, `port`), or it to lineside (`listen`)."""

    driver: Literal["scanner-tcp"]
    host: Annotated[str, AfterValidator(_host)] | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    listen: Address | None = None
    peer: Annotated[str, AfterValidator(_peer)] | None = None  # the only address that may connect; None: any
    timeout_s: Annotated[Seconds, Field(ge=0.1, le=60)] = 3.0  # to connect
    expect_s: Annotated[Seconds, Field(ge=0.1)] = 5.0  # in which a reader connects before it is told missing
    keepalive_s: Annotated[int, Field(ge=4, le=3600)] = 10  # after which a dead connection is noticed

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.listen is not None:
            if self.host is not None or self.port is not None:
                raise ValueError("has listen and host or port; allowed: host and port, or listen")
        elif self.host is None or self.port is None:
            raise ValueError("lacks its address; it must have host and port, or listen")
        elif self.peer is not None:
            raise ValueError("peer goes with listen; with host there is no other peer")
        return self

    @property
    def claim(self) -> tuple[str, str] | None:
        return None if self.listen is None else (self.listen, "")


class HidScannerSettings(DeviceSettings):
    """A USB scanner that pretends to be a keyboard. It hears nothing: keyboards take no bytes."""

    scans: ClassVar[bool] = True
    driver: Literal["scanner-hid"]
    device: Annotated[str, Field(pattern="^/dev/input/.")]  # best one of /dev/input/by-id
    layout: Layout = "us"  # the keyboard that the scanner was set to
    max_length: Annotated[int, Field(ge=8, le=8192)] = 512  # characters of one code
    idle_s: Annotated[Seconds, Field(ge=0.05, le=10)] = 1.0  # silence after which a half code is given up

    @property
    def claim(self) -> tuple[str, str]:
        return self.device, ""
