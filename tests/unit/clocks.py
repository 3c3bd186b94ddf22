"""A clock that stands until it is moved."""

from msgspec.structs import replace

from edge.clock import SystemClock
from edge.readings import Moment


class ManualClock:
    """`now` is what the test says."""

    def __init__(self, wall_ms: int = 1_795_312_800_000) -> None:
        self.moment = Moment(wall_ms, 1_000_000, "boot-1")

    def now(self) -> Moment:
        return self.moment

    def advance(self, seconds: float) -> None:
        ms = round(seconds * 1000)
        moment = self.moment
        self.moment = replace(moment, wall_ms=moment.wall_ms + ms, monotonic_ms=moment.monotonic_ms + ms)


class HeldClock(SystemClock):
    """The machine's own, as if a time server held it."""

    def now(self) -> Moment:
        return replace(super().now(), clock="synced")
