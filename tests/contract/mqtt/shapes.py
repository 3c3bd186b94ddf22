"""What stays the same from one run to the next: which keys there are, and of what type their values."""

from typing import Any


def shape(value: Any) -> Any:
    """Types in place of values; of a list what its elements are like, each once."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in sorted(value.items())}
    if isinstance(value, list):
        found: list[Any] = []
        for inner in map(shape, value):
            found += [inner] if inner not in found else []
        return found
    return type(value).__name__
