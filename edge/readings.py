"""What devices say: readings of tags and scans of codes.

Everything a driver emits is one of these. A reading with quality `bad` carries no value.
"""

from enum import StrEnum
from typing import Literal

import msgspec

Value = bool | int | float | str
ClockQuality = Literal["synced", "unsynced", "stepped"]


class Moment(msgspec.Struct, frozen=True, gc=False):
    """A point in time as this machine saw it; durations come from `monotonic_ms`."""

    wall_ms: int  # UTC, milliseconds since 1970
    monotonic_ms: int  # since boot, suspend included (CLOCK_BOOTTIME)
    boot_id: str
    clock: ClockQuality = "synced"
    sound: bool = True  # whether the wall clock can be right (edge/wallclock.py)

    def since(self, earlier: "Moment") -> int:
        """Milliseconds from `earlier` to this moment of the same boot, never negative. Raises ValueError."""
        if self.boot_id != earlier.boot_id:
            raise ValueError("the moments are of two boots: ask `elapsed`")
        return max(0, self.monotonic_ms - earlier.monotonic_ms)

    def elapsed(self, earlier: "Moment") -> int | None:
        """Milliseconds since a moment that may be of an earlier boot; None where no clock can tell.

        Over a boot only the wall clock counts, where it can be right on both sides.
        """
        if self.boot_id == earlier.boot_id:
            return self.since(earlier)
        passed_ms = self.wall_ms - earlier.wall_ms
        return passed_ms if passed_ms >= 0 and self.sound and earlier.sound else None


class Quality(StrEnum):
    """How far a value may be trusted (OPC UA Part 8, 5.4: the upper two bits of a status code)."""

    good = "good"
    uncertain = "uncertain"
    bad = "bad"


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What a device said about one tag."""

    device: str
    tag: str
    value: Value | None  # scaled to `unit`; None where quality is bad
    quality: Quality
    received: Moment
    unit: str | None = None
    source_ms: int | None = None  # the device's own time, UTC ms, where it gives one
    asked: Moment | None = None  # when the device was asked: the value is of no earlier time

    @property
    def earliest(self) -> Moment:
        """The earliest time that the value can be of. An answer may have waited for a busy machine."""
        return self.asked or self.received

    @property
    def name(self) -> str:
        """The tag as the configuration names it: `<device>.<tag>`."""
        return f"{self.device}.{self.tag}"


class Scan(msgspec.Struct, frozen=True):
    """A code that a scanner read, without its frame."""

    device: str
    text: str
    received: Moment
    symbology: str | None = None  # the AIM identifier of the kind of code (ISO/IEC 15424), where one was sent
    kept: bool = True  # the way here carries separators; that of a page's input field does not


class Unreadable(msgspec.Struct, frozen=True):
    """Bytes from a scanner that are no scan: garbage, an over-long line, a half line, values run together."""

    device: str
    reason: Literal["garbage", "too_long", "incomplete", "ambiguous"]
    raw: bytes  # at most the first 64 bytes, as evidence
    received: Moment


class Link(msgspec.Struct, frozen=True):
    """A device came or went. Emitted on change only; a down of the same `at` tells a loss's reason better."""

    device: str
    up: bool
    detail: str  # what happened, in words
    hint: str  # what to do; empty when up
    at: Moment
