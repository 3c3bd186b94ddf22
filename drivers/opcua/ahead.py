"""Values that were read ahead of being published: nothing older may be told behind them."""

from collections.abc import Mapping

from asyncua import ua


class Ahead:
    """By handle what was read lately, until no older value can still be published."""

    def __init__(self) -> None:
        self._values: dict[int, ua.DataValue] = {}
        self._answers = 0  # complete ones until nothing older can come

    def read(self, values: Mapping[int, ua.DataValue]) -> None:
        """These values are told now."""
        self._values |= values
        # The answer under way may be older, the one behind it is not.
        self._answers = 2

    def answered(self) -> None:
        """A publish request has been answered completely."""
        self._answers -= 1
        if self._values and self._answers <= 0:
            self._values = {}

    def __bool__(self) -> bool:
        return bool(self._values)

    def outdates(self, handle: int, value: ua.DataValue) -> bool:
        """Whether a published value was sampled before the one that was read, or is the same."""
        read = self._values.get(handle)
        if read is None or value.SourceTimestamp is None or read.SourceTimestamp is None:
            return False
        if value.SourceTimestamp == read.SourceTimestamp:
            return value.Value == read.Value and value.StatusCode == read.StatusCode
        return value.SourceTimestamp < read.SourceTimestamp
