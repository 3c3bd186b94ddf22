"""How times and figures are written in facts."""

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache


@lru_cache(64)  # facts of one moment share it
def instant(wall_ms: int) -> str:
    """UTC milliseconds as RFC 3339, `2026-11-22T08:00:00.000Z`."""
    seconds, ms = divmod(wall_ms, 1000)
    return f"{_to_the_second(seconds)}.{ms:03d}Z"


@lru_cache(64)  # every event of a second has the same, and formatting a datetime is dear
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]


def parse_instant(text: str) -> int:
    """RFC 3339 as UTC milliseconds. Raises ValueError."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def seconds(ms: int) -> Decimal:
    """Milliseconds as decimal seconds with three places."""
    return Decimal(ms).scaleb(-3)


def plain(value: Decimal | int | str) -> Decimal:
    """A finite decimal of at most six places that writes itself without an exponent."""
    number = Decimal(value)
    exponent = number.as_tuple().exponent
    if exponent in _PLAIN:
        return number
    if not isinstance(exponent, int):
        raise ValueError(f"{value} is no quantity")
    return number.quantize(_FINEST) if exponent < 0 else Decimal(format(number, "f"))


_PLAIN = range(-6, 1)
_FINEST = Decimal("0.000001")
