"""The machines of a replay: a clock that people set, and devices that say what the script lets them say."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec.structs import replace

from edge.ports import Observer, Verdict
from edge.readings import ClockQuality, Link, Moment, Quality, Reading, Value
from edge.replay.script import ClockSet, Script, TagSet, tag_names

_UP_FOR_MS = 86_400_000  # the machine has run for a day when a replay begins
_FINEST = Decimal("0.001")  # of what goes evenly
_BOOT_MS = 20_000  # from power on to the collector's start


class Clock:
    """The machine's clock. `true_ms` is what nobody on the machine knows."""

    def __init__(self, true_ms: int) -> None:
        self.true_ms = true_ms
        self._now = Moment(true_ms, _UP_FOR_MS, "boot-1")
        self._boots = 1

    def now(self) -> Moment:
        """What the machine takes for now."""
        return self._now

    def advance(self, true_ms: int) -> None:
        """Let time pass until then."""
        passed_ms = true_ms - self.true_ms
        self.true_ms, now = true_ms, self._now
        self._now = Moment(
            now.wall_ms + passed_ms, now.monotonic_ms + passed_ms, now.boot_id, now.clock, now.sound
        )

    def set(self, given: ClockSet) -> None:
        """Set the wall clock as a line of the script says."""
        wall_ms = self._now.wall_ms
        if given.step_ms is not None:
            wall_ms += given.step_ms
        elif not given.keeps:
            wall_ms = self.true_ms if given.wall_ms is None else given.wall_ms
        quality: ClockQuality = given.quality or self._now.clock
        self._now = replace(self._now, wall_ms=wall_ms, clock=quality)

    def boot(self) -> None:
        """The machine came up: what its clock showed goes on, the time since boot begins anew."""
        self._boots += 1
        self._now = replace(self._now, monotonic_ms=_BOOT_MS, boot_id=f"boot-{self._boots}")


class Device:
    """A device whose tags have the values of the script. Meets edge.ports.Driver."""

    def __init__(
        self, name: str, poll_ms: int, tags: dict[str, list[tuple[int, TagSet]]], clock: Clock
    ) -> None:
        self.name = name
        self.poll_ms = poll_ms
        self.up = True
        self.observer: Observer | None = None
        self._tags = tags  # each with its mentions in the script and when
        self._clock = clock
        self._passed: dict[str, int] = {}  # by tag, how many mentions were reached

    @property
    def speaks(self) -> bool:
        """Whether the script lets it say anything when it is polled."""
        return bool(self._tags)

    async def run(self, observer: Observer) -> None:
        """Devices of a replay are asked, they do not run."""

    async def refresh(self) -> None:
        """Say the values now."""
        self.poll()

    def signal(self, verdict: Verdict) -> None:
        """The verdict is in the answer."""

    def reach(self, tag: str) -> None:
        """The script came to the next mention of a tag; several may stand at one time."""
        self._passed[tag] = self._passed.get(tag, 0) + 1

    def poll(self) -> None:
        """Tell the observer what all tags say now, if the device answers."""
        if self.up and self.observer is not None and (readings := self._readings()):
            self.observer.readings(readings)

    def link(self, up: bool) -> None:
        """Stop or begin to answer."""
        self.up = up
        if self.observer is None:
            return
        now = self._clock.now()
        detail = "" if up else "it does not answer"
        self.observer.link(Link(self.name, up, detail, "", now))
        if up:
            self.poll()
        elif self._tags:
            bad = [Reading(self.name, tag, None, Quality.bad, now) for tag in self._tags]
            self.observer.readings(bad)

    def _readings(self) -> Sequence[Reading]:
        now = self._clock.now()
        found = []
        for tag in self._tags:
            known, value = self._value(tag)
            if known:
                quality = Quality.bad if value is None else Quality.good
                found.append(Reading(self.name, tag, value, quality, now))
        return found

    def _value(self, tag: str) -> tuple[bool, Value | None]:
        """Whether the tag has a value yet, and which."""
        mentions = self._tags[tag]
        passed = self._passed.get(tag, 0)
        if not passed:
            return False, None
        from_ms, last = mentions[passed - 1]
        following = mentions[passed] if passed < len(mentions) else None
        if following is not None and following[1].evenly:
            return True, _between(
                last.value, following[1].value, self._clock.true_ms - from_ms, following[0] - from_ms
            )
        return True, float(last.value) if isinstance(last.value, Decimal) else last.value


def _between(first: object, last: object, passed_ms: int, whole_ms: int) -> int | float:
    """Where something stands that goes evenly from one number to another; whole numbers by whole steps."""
    if not whole_ms:
        return _plain(last)
    if isinstance(first, int) and isinstance(last, int):
        gone = abs(last - first) * passed_ms // whole_ms
        return first + gone if last > first else first - gone
    assert isinstance(first, int | Decimal) and isinstance(last, int | Decimal)
    return float((first + Decimal(last - first) * passed_ms / whole_ms).quantize(_FINEST))


def _plain(value: object) -> int | float:
    """A number as drivers say it."""
    assert isinstance(value, int | Decimal)
    return float(value) if isinstance(value, Decimal) else value


def devices(script: Script, polls_ms: dict[str, int], clock: Clock) -> dict[str, Device]:
    """The devices of a site by name; `polls_ms`: how often each is asked."""
    tags: dict[str, dict[str, list[tuple[int, TagSet]]]] = {name: {} for name in polls_ms}
    for device, tag in tag_names(script):
        tags[device][tag] = script.of_tag(device, tag)
    return {name: Device(name, poll_ms, tags[name], clock) for name, poll_ms in polls_ms.items()}
