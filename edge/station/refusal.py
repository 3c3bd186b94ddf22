"""How a scan is refused."""

from edge.station.texts import Text, say


class Refused(Exception):
    """A scan that may not be: nothing of it is recorded."""

    def __init__(self, key: str, said: Text | None = None, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.text = said or say(key, **values)
