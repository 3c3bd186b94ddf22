"""Event ids: UUIDv7 (RFC 9562, 5.7)."""

import secrets


def new_id(wall_ms: int) -> str:
    """A fresh UUIDv7 of the given UTC millisecond."""
    return uuid7(wall_ms, secrets.randbits(74))


def uuid7(wall_ms: int, random: int) -> str:
    """A UUIDv7 from a UTC millisecond and 74 random bits."""
    value = (wall_ms & (1 << 48) - 1) << 80 | 0x7 << 76 | (random >> 62 & 0xFFF) << 64
    value |= 0b10 << 62 | random & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
