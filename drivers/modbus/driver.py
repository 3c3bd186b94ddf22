"""The driver of one Modbus device, over TCP or a serial line: connect, poll at a fixed rate, come back.

Invariants:
- Only the task in `run` asks the device; `refresh` asks that task for a poll and waits for it.
- It asks through a channel, which it may share with other devices' drivers.
- A poll is one batch with one moment: that at which its last answer had arrived.
- Polls lie on a grid of their interval; one that is missed is left out, never made up for.
- A lost device gives one Link (down) and each tag once with quality bad, then nothing until it is back.
- A lost device is asked for one tag, once, before it is polled again: whoever shares the line waits less.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from drivers.modbus.answers import Refusal
from drivers.modbus.channel import Asker, Channel, Endpoint, channel
from drivers.modbus.client import TcpEndpoint
from drivers.modbus.line import SerialEndpoint
from drivers.modbus.plan import Block, alone, groups
from drivers.modbus.serialport import SerialSettings
from drivers.modbus.serving import Ask, Group
from drivers.modbus.settings import ModbusSettings, RtuSettings
from edge.faults import DeviceFault
from edge.ports import Clock, Observer, Verdict
from edge.readings import Link, Moment, Quality, Reading

_GOOD, _BAD = Quality.good, Quality.bad
_EARLY_S = 0.002  # a timer may come so early


class ModbusDriver:
    """One device that answers Modbus."""

    def __init__(self, name: str, settings: ModbusSettings | RtuSettings, clock: Clock) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._endpoint = _endpoint(settings)
        fences = not isinstance(settings, RtuSettings) or settings.fences == "auto"
        self._asker = Asker(settings.device_id, settings.timeout_s, fences)
        self._groups = [
            Group(name, interval_s, blocks, settings.byte_order, settings.word_order)
            for interval_s, blocks in groups(settings)
        ]
        self._up: bool | None = None  # None: not known yet
        self._wake = asyncio.Event()
        self._asked: asyncio.Future[None] | None = None  # done after the next poll to begin
        self._reading: asyncio.Future[None] | None = None  # done after the poll that goes on
        self._connected = False

    @property
    def name(self) -> str:
        return self._name

    @property
    def refusals(self) -> Mapping[str, str]:
        """Why the device refuses a tag, for each tag that it refuses now."""
        return {
            name: refusal.reason
            for group in self._groups
            for block, refusal in group.refused.items()
            for name, _ in block.tags
        }

    async def run(self, observer: Observer) -> None:
        """Serve the device until cancelled."""
        shared = channel(self._endpoint)
        try:
            async with shared.used(self._asker):
                await self._serve(shared, observer)
        finally:
            self._release()
            self._up = None

    async def refresh(self) -> None:
        """Read all tags now and emit them; returns at once while the device is lost."""
        if not self._connected:
            return
        if self._asked is None:
            self._asked = asyncio.get_running_loop().create_future()
            self._wake.set()
        # Shielded, because several callers may wait for the same poll and any of them may give up.
        await asyncio.shield(self._asked)

    def signal(self, verdict: Verdict) -> None:
        """A PLC has no one to beep to."""

    async def _serve(self, shared: Channel, observer: Observer) -> None:
        pause_s = self._settings.reconnect_min_s
        while True:
            try:
                await self._connection(shared, observer)
            except DeviceFault as fault:
                if self._up:
                    pause_s = self._settings.reconnect_min_s
                self._lost(observer, fault)
            # After the loss is told, so that who waits finds bad readings, not old good ones.
            self._release()
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, self._settings.reconnect_max_s)

    async def _connection(self, shared: Channel, observer: Observer) -> None:
        """One connection from its making to its loss, which always raises DeviceFault."""
        loop = asyncio.get_running_loop()
        try:
            # A request on a broken connection would run into its time-out; the guard ends it at once.
            async with asyncio.timeout(None) as guard:
                with shared.joined(self._asker, on_lost=lambda: guard.reschedule(loop.time())):
                    await shared.connect(self._asker, self._endpoint, explain=self._up is not False)
                    if self._up is False:
                        async with shared.probing(self._asker):
                            await self._ask(shared, 1, alone(self._groups[0].served[0].block))
                    self._connected = True
                    await self._polls(shared, observer)
        except TimeoutError as error:
            raise self._endpoint.gone() from error
        finally:
            self._connected = False

    async def _polls(self, shared: Channel, observer: Observer) -> None:
        loop = asyncio.get_running_loop()
        ask = partial(self._ask, shared, self._settings.retries + 1)
        for group in self._groups:
            group.due = loop.time()
        while True:
            self._wake.clear()
            self._reading, self._asked = self._asked, None
            now = loop.time() + _EARLY_S
            due = [group for group in self._groups if self._reading is not None or group.due <= now]
            if due:
                await self._poll(ask, due, observer)
            if self._reading is not None:
                self._reading.set_result(None)
                self._reading = None
            now = loop.time()
            for group in due:
                group.due = next_due(group.due, now, group.interval_s)
            timer = loop.call_at(min(group.due for group in self._groups), self._wake.set)
            try:
                await self._wake.wait()
            finally:
                timer.cancel()

    def _release(self) -> None:
        """Let go of whoever waits for a poll that will not come."""
        for waited in (self._reading, self._asked):
            if waited is not None and not waited.done():
                waited.set_result(None)
        self._reading = self._asked = None

    async def _ask(self, shared: Channel, tries: int, block: Block) -> bytes | Refusal:
        answer = await shared.read(self._asker, block, tries)
        # Python 3.11's wait_for, within pymodbus, drops a cancellation that meets an answer.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError
        return answer

    async def _poll(self, ask: Ask, due: Sequence[Group], observer: Observer) -> None:
        asked = self._clock.now()
        answers = [answer for group in due for answer in await group.read(ask)]
        now = self._clock.now()
        if self._up is not True:
            self._answered(observer, answers, now)
        batch: list[Reading] = []
        name = self._name
        served = [part for group in due for part in group.served]
        for part, answer in zip(served, answers, strict=True):
            if isinstance(answer, Refusal):
                batch += [Reading(name, tag, None, _BAD, now, unit) for tag, unit in part.heads]
            else:
                batch += [
                    Reading(name, tag, value, _GOOD if value is not None else _BAD, now, unit, None, asked)
                    for (tag, unit), value in zip(part.heads, part.decode(answer), strict=True)
                ]
        observer.readings(batch)

    def _answered(self, observer: Observer, answers: Sequence[bytes | Refusal], now: Moment) -> None:
        """The device is back with its first good answer; one that only refuses is not."""
        refusals = [answer for answer in answers if isinstance(answer, Refusal)]
        if len(refusals) < len(answers):
            self._up = True
            observer.link(Link(self._name, True, str(self._endpoint), "", now))
        elif self._up is None:
            self._up = False
            detail = f"{self._endpoint} refuses every request: {refusals[0].reason}"
            observer.link(Link(self._name, False, detail, refusals[0].hint, now))

    def _lost(self, observer: Observer, fault: DeviceFault) -> None:
        if self._up is False:
            return
        self._up = False
        now = self._clock.now()
        observer.link(Link(self._name, False, fault.message, fault.hint, now))
        observer.readings(
            [
                Reading(self._name, tag, None, _BAD, now, settings.unit)
                for tag, settings in self._settings.tags.items()
            ]
        )


def next_due(due: float, now: float, interval_s: float) -> float:
    """When to poll next: `due` while it is ahead, else the next place after `now` on the grid through it."""
    late_s = now - due
    return due if late_s < 0 else due + interval_s * (late_s // interval_s + 1)


def _endpoint(settings: ModbusSettings | RtuSettings) -> Endpoint:
    if isinstance(settings, ModbusSettings):
        return TcpEndpoint(settings.host, settings.port)
    return SerialEndpoint(
        SerialSettings(settings.port, settings.baudrate, settings.parity, settings.stopbits)
    )
