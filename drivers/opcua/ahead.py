"""Values that were told ahead of being published: neither they nor older ones are told behind them."""

from collections.abc import Mapping

from asyncua import ua


class Ahead:
    """By handle what was told lately, until neither it nor an older value can still be published."""

    def __init__(self) -> None:
        self._read: dict[int, ua.DataValue] = {}
        self._kept: dict[int, ua.DataValue] = {}
        self._answers = 0  # complete ones until nothing of before can come

    def read(self, values: Mapping[int, ua.DataValue]) -> None:
        """These values were read and are told now."""
        self._read |= values
        # The answer under way may be older, the one behind it is not.
        self._answers = 2

    def kept(self, message: ua.NotificationMessage) -> None:
        """The server had kept this message while the connection was broken.

        Some servers send the present values again to who comes back: those of the last message twice then.
        """
        for data in message.NotificationData or ():
            if isinstance(data, ua.DataChangeNotification):
                self._kept |= {item.ClientHandle: item.Value for item in data.MonitoredItems}
        self._answers = 2

    def answered(self) -> None:
        """A publish request has been answered completely."""
        self._answers -= 1
        if self and self._answers <= 0:
            self._read, self._kept = {}, {}

    def __bool__(self) -> bool:
        return bool(self._read or self._kept)

    def outdates(self, handle: int, value: ua.DataValue) -> bool:
        """Whether a published value was told already, or was sampled before one that was read."""
        read, kept = self._read.get(handle), self._kept.get(handle)
        if value.SourceTimestamp is None:
            return False
        if kept is not None and _same(kept, value):
            return True
        if read is None or read.SourceTimestamp is None:
            return False
        return value.SourceTimestamp < read.SourceTimestamp or _same(read, value)


def _same(told: ua.DataValue, value: ua.DataValue) -> bool:
    return (
        told.SourceTimestamp == value.SourceTimestamp
        and told.Value == value.Value
        and told.StatusCode == value.StatusCode
    )
