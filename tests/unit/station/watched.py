"""A station whose clock is watched as the collector watches it: it may be set, die, and come back."""

from collections.abc import Coroutine, Sequence
from typing import Any

from msgspec.structs import replace

from edge.alerts import Alert, Alerts
from edge.events import ClockStepped, Draft, Event
from edge.readings import ClockQuality, Moment
from edge.station.evolve import fold
from edge.station.live import Live
from edge.station.step import Input, Restarted, Step
from edge.timekeeper import Timekeeper
from tests.unit.clocks import ManualClock
from tests.unit.station.floor import Floor


class Watched(Floor):
    """`clock` is the machine's; `true_ms` is what nobody on the machine knows."""

    def __init__(self, **station: object) -> None:
        super().__init__(**station)
        self.epoch = 16 * "e"
        self.clock = ManualClock()
        self.true_ms = self.now.wall_ms
        self.true_of: dict[int, int] = {}  # seq: when it really was
        self.alerts = Alerts(_NoLedger(), self.clock)
        self._boots = 1
        self.now = replace(self.now, clock="unsynced")
        self.watch()

    def watch(self) -> None:
        """Begin to watch, as a process that starts does."""
        self.keeper = Timekeeper(self, self.clock, self.site.calendar, self.alerts)  # type: ignore[arg-type]
        self.settle()

    def settle(self) -> None:
        self.clock.moment = self.now
        _done(self.keeper.settle(self.line.wall, self._record))

    def put(self, given: Input, station: str) -> Step:
        self.clock.moment = self.now
        if self.keeper.look(self.line.wall) is None:
            self.settle()
        assert self.keeper.look(self.line.wall) == self.now
        return super().put(given, station)

    def pass_(self, seconds: float) -> None:
        """Time passes, and nothing happens."""
        ms = round(seconds * 1000)
        self.true_ms += ms
        now = self.now
        self.now = replace(now, wall_ms=now.wall_ms + ms, monotonic_ms=now.monotonic_ms + ms)

    def wait(self, seconds: float) -> "Watched":
        self.true_ms += round(seconds * 1000)
        super().wait(seconds)
        return self

    def set(self, seconds: float, clock: ClockQuality = "unsynced") -> "Watched":
        """Set the clock forward, or back."""
        self.now = replace(self.now, wall_ms=self.now.wall_ms + round(seconds * 1000), clock=clock)
        return self

    def correct(self, clock: ClockQuality = "synced") -> "Watched":
        """Set the clock right."""
        return self.set((self.true_ms - self.now.wall_ms) / 1000, clock)

    def reboot(
        self, took_s: float = 60, wall_ms: int | None = None, clock: ClockQuality = "unsynced"
    ) -> "Watched":
        """Lose power; the clock shows the right time after it, or another one."""
        self._boots += 1
        self.true_ms += round(took_s * 1000)
        shown_ms = self.true_ms if wall_ms is None else wall_ms
        self.now = Moment(shown_ms, 20_000, f"boot-{self._boots}", clock)
        return self.start()

    def start(self) -> "Watched":
        """The collector starts: state comes from the journal alone."""
        self.line = self.refolded()
        self.lives = {name: Live(resumed=self.line.at) for name in self.site.stations}
        self.watch()
        self.put(Restarted(), "OP20")
        return self

    @property
    def steps(self) -> list[ClockStepped]:
        return [event.data for event in self.events if isinstance(event.data, ClockStepped)]

    @property
    def standing(self) -> list[str]:
        return list(self.alerts.standing)

    def date_of(self, event: Event) -> str | None:
        """The posting date as a receiver has it in the end."""
        if event.data.posting_date is not None:
            return event.data.posting_date
        return next(
            (step.posting_date for step in self.steps if step.posting_date and _in(event, step)), None
        )

    async def read_after(self, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """The journal's, for the timekeeper; pages of three show that it pages."""
        return list(enumerate(self.bodies[seq : seq + min(limit, 3)], seq + 1))

    async def _record(self, drafts: Sequence[Draft]) -> None:
        for draft in drafts:
            self._commit(draft)
            self.line = fold(self.line, self.events[-1])

    def _commit(self, draft: Draft) -> None:
        super()._commit(draft)
        self.true_of[len(self.events)] = self.true_ms


def _in(event: Event, step: ClockStepped) -> bool:
    return int(step.from_seq or 0) <= event.seq <= int(step.to_seq or 0)


class _NoLedger:
    """Alerts are kept in memory."""

    async def note(self, sql: str, *values: object) -> None:
        pass

    async def standing(self) -> tuple[Alert, ...]:
        return ()


def _done(work: Coroutine[Any, Any, None]) -> None:
    """Run what never waits."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("it waits")
