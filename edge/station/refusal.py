"""How a scan is refused."""

from edge.station.texts import say


class Refused(Exception):
    """A scan that may not be: nothing of it is recorded."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.text = say(key, **values)
