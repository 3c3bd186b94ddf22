"""What a person writes below `[devices.<name>]` with `driver = "modbus-tcp"` or `"modbus-rtu"`.

A tag is complete or refused: what is left out has a value here, and what does not fit together is named
together with what would.
"""

import codecs
import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from edge.settings import Factor, Name, Part, ReconnectingSettings, Seconds

Register = Literal["holding", "input", "coil", "discrete"]
Type = Literal[
    "bool",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "uint64",
    "int64",
    "float32",
    "float64",
    "bcd16",
    "bcd32",
    "string",
]
Order = Literal["big", "little"]

# Registers that a value of this type takes; coils and discrete inputs take one bit each, strings `length`.
WIDTH: Mapping[str, int] = MappingProxyType(
    {"bool": 1, "uint16": 1, "int16": 1, "uint32": 2, "int32": 2, "float32": 2}
    | {"uint64": 4, "int64": 4, "float64": 4, "bcd16": 1, "bcd32": 2}
)


def _host(value: str) -> str:
    try:
        value.encode("idna")
    except UnicodeError:
        value = ""
    if not value or any(char.isspace() or char in "/@" for char in value):
        raise ValueError("is no host; allowed: an address such as 192.168.10.21, or a host name")
    return value


def _encoding(value: str) -> str:
    """Strings end with the byte 0 or are filled up with spaces, so the encoding must leave ASCII alone."""
    characters = bytes(range(128))
    try:
        if codecs.lookup(value)._is_text_encoding and characters.decode(value) == characters.decode("ascii"):
            return value
    except (LookupError, ValueError):
        pass
    raise ValueError(
        "is no encoding that contains ASCII; allowed: ascii, utf-8, latin-1, gb18030 and the like"
    )


# The key is called register like a method that ABCMeta gives every class; pydantic warns of the namesake.
warnings.filterwarnings("ignore", 'Field name "register" in "Tag" shadows', UserWarning)


class Tag(Part):
    """Where a value is, and how it is read: value × scale + offset, in `unit`."""

    register: Register = Field()
    address: Annotated[
        int, Field(ge=0, le=65535)
    ]  # from 0, as on the wire: manuals often count from 1 or 40001
    type: Type | None = None  # None: bool for coils and discrete inputs, else uint16
    bit: Annotated[int, Field(ge=0, le=15)] | None = None  # which bit of the register; 0 is the lowest
    byte_order: Order | None = None  # within a register; None: the device's
    word_order: Order | None = None  # of the registers of a value; None: the device's
    scale: Factor | None = None
    offset: Factor | None = None
    min: Factor | None = None  # a value below is bad; in `unit`, after scale and offset
    max: Factor | None = None  # a value above is bad
    length: Annotated[int, Field(ge=1, le=125)] | None = None  # of a string, in registers
    encoding: Annotated[str, AfterValidator(_encoding)] = "ascii"  # of a string
    unit: str | None = None
    poll: str | None = None  # which of the device's `polls`; None: poll_interval_s

    @property
    def is_bit(self) -> bool:
        """Whether the table holds bits instead of registers."""
        return self.register in ("coil", "discrete")

    @property
    def kind(self) -> Type:
        """The type, the default filled in."""
        if self.type is not None:
            return self.type
        return "bool" if self.is_bit or self.bit is not None else "uint16"

    @property
    def end(self) -> int:
        """The address behind the value's last register or bit."""
        return self.address + (self.length or WIDTH[self.kind])

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.is_bit and self.kind != "bool":
            raise ValueError(f"type {self.kind} does not fit register {self.register}; allowed: bool")
        if self.bit is not None and (self.is_bit or self.kind != "bool"):
            raise ValueError("bit picks one bit of a register; allowed with holding or input and type bool")
        if (self.kind == "string") is not (self.length is not None):
            raise ValueError("length is how many registers a string takes; it goes with type string only")
        numeric = any(value is not None for value in (self.scale, self.offset, self.min, self.max))
        if self.kind in ("bool", "string") and numeric:
            raise ValueError(
                f"scale and offset, min and max do not fit type {self.kind}; allowed with numbers"
            )
        if self.min is not None and self.max is not None and self.max < self.min:
            raise ValueError(f"max = {self.max} is less than min = {self.min}: no value could be good")
        if self.scale == 0:
            raise ValueError("scale = 0 would make every value the same; allowed: any other number")
        if self.end > 65536:
            raise ValueError(f"a {self.kind} at address {self.address} reaches beyond the last address 65535")
        return self


class PolledSettings(ReconnectingSettings):
    """What every device that answers Modbus has, whatever carries it."""

    device_id: Annotated[int, Field(ge=0, le=255)] = 1  # unit id; gateways use it to choose the device behind
    poll_interval_s: Annotated[Seconds, Field(ge=0.01)] = 1.0
    polls: dict[Name, Annotated[Seconds, Field(ge=0.01)]] = Field(default_factory=dict)  # for tags' `poll`
    timeout_s: Annotated[Seconds, Field(ge=0.05, le=30)] = 1.0  # to connect, and for each answer
    retries: Annotated[int, Field(ge=0, le=5)] = 1  # lost after timeout_s × (retries + 1)
    max_gap: Annotated[int, Field(ge=0, le=123)] = 16  # unused registers read along to save a request
    byte_order: Order = "big"
    word_order: Order = "big"
    tags: Annotated[dict[Name, Tag], Field(min_length=1)]

    @model_validator(mode="after")
    def _polled(self) -> Self:
        for name, tag in self.tags.items():
            if tag.poll is not None and tag.poll not in self.polls:
                allowed = ", ".join(sorted(self.polls)) or "none, as the device has no table polls"
                raise ValueError(
                    f"tags.{name}.poll = {tag.poll!r}: there is no such poll; allowed: {allowed}"
                )
        return self


class ModbusSettings(PolledSettings):
    """A device that answers Modbus TCP. Devices with the same host and port share one connection."""

    driver: Literal["modbus-tcp"]
    host: Annotated[str, AfterValidator(_host)]
    port: Annotated[int, Field(ge=1, le=65535)] = 502


class RtuSettings(PolledSettings):
    """A device that answers Modbus RTU. Devices on the same port share it and its line settings."""

    driver: Literal["modbus-rtu"]
    port: Annotated[str, Field(min_length=1)]  # a tty; best a link that udev makes, which survives replugging
    baudrate: Annotated[int, Field(ge=300, le=921600)] = 9600
    parity: Literal["none", "even", "odd"] = "none"
    stopbits: Literal[1, 2] = 1
    device_id: Annotated[int, Field(ge=1, le=247)] = 1  # the slave's address; 0 is a broadcast
    fences: Literal["auto", "off"] = "auto"  # off: function 8 is never sent; what that costs: README.md

    @property
    def claim(self) -> tuple[str, str]:
        return self.port, "Modbus RTU"
