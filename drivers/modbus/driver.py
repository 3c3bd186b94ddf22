"""The driver of one Modbus TCP device: connect, poll at a fixed rate, come back after a loss.

Invariants:
- Only the task in `run` talks to the device; `refresh` asks that task for a poll and waits for it.
- A poll is one batch with one moment: that at which its last answer had arrived.
- Polls lie on a grid of `poll_interval_s`; one that is missed is left out, never made up for.
- A lost device gives one Link (down) and each tag once with quality bad, then nothing until it is back.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from drivers.modbus.client import ILLEGAL_ADDRESS, ILLEGAL_VALUE, Client, Refusal, why_unreachable
from drivers.modbus.decoding import Decode, decoder
from drivers.modbus.plan import Block, plan, split
from drivers.modbus.settings import ModbusSettings
from edge.faults import DeviceFault
from edge.ports import Clock, Observer, Verdict
from edge.readings import Link, Moment, Quality, Reading

log = structlog.get_logger()

_GOOD, _BAD = Quality.good, Quality.bad


@dataclass(frozen=True)
class _Served:
    """A block with all that serving it takes."""

    block: Block
    decode: Decode
    heads: tuple[tuple[str, str | None], ...]  # name and unit of each tag


class ModbusDriver:
    """One device that answers Modbus TCP."""

    def __init__(self, name: str, settings: ModbusSettings, clock: Clock) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._served = [self._serving(block) for block in plan(settings.tags, settings.max_gap)]
        self._refused: dict[Block, Refusal] = {}
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
        return {name: refusal.reason for block, refusal in self._refused.items() for name, _ in block.tags}

    async def run(self, observer: Observer) -> None:
        """Serve the device until cancelled."""
        pause_s = self._settings.reconnect_min_s
        try:
            while True:
                try:
                    await self._connection(observer)
                except DeviceFault as fault:
                    if self._up:
                        pause_s = self._settings.reconnect_min_s
                    self._lost(observer, fault)
                # After the loss is told, so that who waits finds bad readings, not old good ones.
                self._release()
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, self._settings.reconnect_max_s)
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

    async def _connection(self, observer: Observer) -> None:
        """One connection from its making to its loss, which always raises DeviceFault."""
        loop = asyncio.get_running_loop()
        try:
            # pymodbus lets a request on a broken connection run into its time-out; the guard ends it at once.
            async with asyncio.timeout(None) as guard:
                client = Client(self._settings, on_lost=lambda: guard.reschedule(loop.time()))
                try:
                    if not await client.connect():
                        await self._unreachable()
                    self._connected = True
                    await self._polls(client, observer)
                finally:
                    self._connected = False
                    await client.close()
        except TimeoutError as error:
            raise DeviceFault(
                f"{self._settings.host}:{self._settings.port} closed the connection",
                hint="Check the device's power and network; some devices allow only one or two clients",
            ) from error

    async def _unreachable(self) -> None:
        if self._up is False:
            raise DeviceFault("still no connection")  # nobody is told twice, so the reason is not asked for
        raise await why_unreachable(self._settings)

    async def _polls(self, client: Client, observer: Observer) -> None:
        loop = asyncio.get_running_loop()
        interval_s = self._settings.poll_interval_s
        due = loop.time()
        while True:
            self._wake.clear()
            self._reading, self._asked = self._asked, None
            await self._poll(client, observer)
            if self._reading is not None:
                self._reading.set_result(None)
                self._reading = None
            due = next_due(due, loop.time(), interval_s)
            timer = loop.call_at(due, self._wake.set)
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

    async def _poll(self, client: Client, observer: Observer) -> None:
        asked = self._clock.now()
        served, answers = await self._read(client)
        now = self._clock.now()
        if self._up is not True:
            self._answered(observer, answers, now)
        batch: list[Reading] = []
        name = self._name
        for part, answer in zip(served, answers, strict=True):
            if isinstance(answer, Refusal):
                batch += [Reading(name, tag, None, _BAD, now, unit) for tag, unit in part.heads]
            else:
                batch += [
                    Reading(name, tag, value, _GOOD if value is not None else _BAD, now, unit, None, asked)
                    for (tag, unit), value in zip(part.heads, part.decode(answer), strict=True)
                ]
        observer.readings(batch)

    async def _read(self, client: Client) -> tuple[list[_Served], list[bytes | Refusal]]:
        """Every block's answer. A refused one is divided until what is refused stands alone, and stays so."""
        task = asyncio.current_task()
        waiting = deque(self._served)
        served: list[_Served] = []
        answers: list[bytes | Refusal] = []
        while waiting:
            part = waiting.popleft()
            answer = await client.read(part.block)
            # Python 3.11's wait_for, within pymodbus, drops a cancellation that meets an answer.
            if task is not None and task.cancelling():
                raise asyncio.CancelledError
            if isinstance(answer, Refusal) and answer.code in (ILLEGAL_ADDRESS, ILLEGAL_VALUE):
                halves = split(part.block)
                if halves is not None:
                    waiting.extendleft(self._serving(half) for half in reversed(halves))
                    continue
            served.append(part)
            answers.append(answer)
        self._served = served
        self._note({p.block: a for p, a in zip(served, answers, strict=True) if isinstance(a, Refusal)})
        return served, answers

    def _serving(self, block: Block) -> _Served:
        heads = tuple((name, tag.unit) for name, tag in block.tags)
        return _Served(block, decoder(block, self._settings.byte_order, self._settings.word_order), heads)

    def _note(self, refused: dict[Block, Refusal]) -> None:
        """Log what is refused from now on, once, and what no longer is, once."""
        before, self._refused = self._refused, refused
        if refused.keys() == before.keys():
            return
        begun = [block for block in refused if block not in before]
        ended = [block for block in before if block not in refused]
        if begun:
            log.warning(
                "device refuses tags",
                device=self._name,
                tags=_names(begun),
                requests=[str(block) for block in begun],
                reason=refused[begun[0]].reason,
                hint=refused[begun[0]].hint,
            )
        if ended:
            log.info("device no longer refuses tags", device=self._name, tags=_names(ended))

    def _answered(self, observer: Observer, answers: Sequence[bytes | Refusal], now: Moment) -> None:
        """The device is back with its first good answer; one that only refuses is not."""
        if not all(isinstance(answer, Refusal) for answer in answers):
            self._up = True
            observer.link(Link(self._name, True, self._at(), "", now))
        elif self._up is None:
            self._up = False
            refusal = next(iter(self._refused.values()))
            detail = f"{self._at()} refuses every request: {refusal.reason}"
            observer.link(Link(self._name, False, detail, refusal.hint, now))

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

    def _at(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"


def next_due(due: float, now: float, interval_s: float) -> float:
    """When to poll next: `due` while it is ahead, else the next place after `now` on the grid through it."""
    late_s = now - due
    return due if late_s < 0 else due + interval_s * (late_s // interval_s + 1)


def _names(blocks: Sequence[Block]) -> list[str]:
    return [name for block in blocks for name, _ in block.tags]
