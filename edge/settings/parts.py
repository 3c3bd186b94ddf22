"""What every part of the configuration is made of."""

from contextlib import suppress
from datetime import time
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

NAME = r"^[A-Za-z0-9._-]+$"
Name = Annotated[str, Field(pattern=NAME, max_length=64)]
Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


def _address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("must be <host>:<port>, for example 127.0.0.1:8700")
    return value


def _face(value: object) -> object:
    if not isinstance(value, str | time):
        raise ValueError('must be a time of day, for example "08:00"')
    return value


def _minute(value: time) -> time:
    if value.tzinfo is not None or value.second or value.microsecond:
        raise ValueError('must be hours and minutes without a time zone, for example "08:00"')
    return value


def printable_path(value: Path) -> Path:
    if "\0" in str(value):
        raise ValueError("is no path: it holds a NUL character")
    return value


def is_loopback(host: str) -> bool:
    """Whether what is sent to this host never leaves the machine."""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host.lower() == "localhost"


Address = Annotated[str, AfterValidator(_address)]
TimeOfDay = Annotated[time, BeforeValidator(_face), AfterValidator(_minute)]


class Exposure(NamedTuple):
    """A connection that others on the network can read and change, and what to do about it."""

    how: str
    carried: tuple[str, ...]
    hint: str

    @property
    def text(self) -> str:
        """What anybody can do, in words."""
        return f"{self.how}: {', '.join(self.carried)} can be read and changed by whoever is on the network"


class Part(BaseModel):
    """A part of the configuration: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")
