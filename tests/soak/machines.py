"""The machines of the soak: counters behind Modbus TCP, a serial line, and OPC UA, each with its own faults.

A counter keeps beside its raw value what it really did, to be held against the journal: strokes, and jumps
that no machine makes (a technician's hand, a spoilt memory).
"""

import asyncio
import random
import struct
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from asyncua import ua

from drivers.modbus.simulator import Plc
from drivers.opcua.simulator import OpcUaServer
from tests.line.rtu_slave import Slaves, framed, refusal
from tests.soak.relay import Relay

Restore = Callable[[], Awaitable[None]]
Begin = Callable[[], Awaitable[Restore]]

STROKE_S = 0.05  # at most 2 strokes each: 40 a second
MOST_PER_MIN = 6000  # what the configuration allows, so that no stroke is doubted on a busy machine
TRANSACTION_AT = 1  # the lower byte of Modbus TCP's transaction identifier
REQUEST_ID_AT = 20  # of OPC UA's request id, behind header, channel, token and sequence number


class Counted:
    """A counter that starts again from 0 at `modulus`."""

    def __init__(self, tag: str, first: int, modulus: int, *, resets: bool) -> None:
        self.tag = tag
        self.raw = first
        self.modulus = modulus
        self.resets = resets  # whether it may be set to 0 in between
        self.strokes = 0
        self.rollovers = 0
        self.jumps: list[int] = []
        self.zeroed = 0  # how often it was set to 0

    def stroke(self, strokes: int) -> None:
        self.strokes += strokes
        self.rollovers += self.raw + strokes >= self.modulus
        self.raw = (self.raw + strokes) % self.modulus

    def jump(self, by: int) -> None:
        """Change as no stroke does; a person must decide what it was."""
        assert 0 <= self.raw + by < self.modulus
        self.jumps.append(by)
        self.raw += by

    def zero(self) -> None:
        """An order change at the machine."""
        self.zeroed += 1
        self.raw = 0


class Trouble(ABC):
    """A device, or a line of them, that faults come over."""

    rest_s = (0.1, 1.5)  # between two faults

    def __init__(self, name: str, devices: tuple[str, ...]) -> None:
        self.name = name
        self.devices = devices

    @property
    @abstractmethod
    def faults(self) -> Mapping[str, Begin]:
        """How each begins; what that gives ends it."""


async def nothing() -> None:
    """For faults that are over at once."""


def _relayed(relay: Relay, kind: str) -> Begin:
    async def begin() -> Restore:
        relay.fault = kind  # type: ignore[assignment]

        async def restore() -> None:
            relay.fault = None

        return restore

    return begin


def _networks(relay: Relay) -> dict[str, Begin]:
    """What can happen to any connection."""

    async def reset() -> Restore:
        relay.cut()
        return nothing

    async def refused() -> Restore:
        relay.shut()
        relay.cut()
        return relay.open

    return {
        "connection reset": reset,
        "connections refused": refused,
        **{f"answers: {kind}": _relayed(relay, kind) for kind in ("silence", "half", "wrong id")},
    }


class PressTrouble(Trouble):
    """A Modbus TCP device: `counter` in holding register 100."""

    def __init__(self, plc: Plc, relay: Relay, counter: Counted) -> None:
        super().__init__("press", ("press",))
        self.plc, self.relay, self.counter = plc, relay, counter

    def show(self) -> None:
        self.plc.write("holding", 100, "uint32", self.counter.raw)

    @property
    def faults(self) -> Mapping[str, Begin]:
        return _networks(self.relay) | {"restart": self._restart} | {
            kind: self._misbehaving(kind) for kind in ("exception", "delay", "silence")
        }  # fmt: skip

    def _misbehaving(self, kind: str) -> Begin:
        async def begin() -> Restore:
            self.plc.fault = kind  # type: ignore[assignment]

            async def restore() -> None:
                self.plc.fault = None

            return restore

        return begin

    async def _restart(self) -> Restore:
        await self.plc.power_off()
        return self.plc.power_on


class OvenTrouble(Trouble):
    """An OPC UA server: `counter` in Oven.Count."""

    def __init__(self, server: OpcUaServer, relay: Relay, counter: Counted) -> None:
        super().__init__("oven", ("oven",))
        self.server, self.relay, self.counter = server, relay, counter

    async def show(self) -> None:
        if self.server.values["Count"].Value != self.counter.raw:
            await self._set()

    async def _set(self) -> None:
        await self.server.set("Count", ua.Variant(self.counter.raw, ua.VariantType.UInt32))

    @property
    def faults(self) -> Mapping[str, Begin]:
        return {**_networks(self.relay), "restart": self._restart}

    async def _restart(self) -> Restore:
        await self.server.power_off()

        async def restore() -> None:
            await self.server.power_on()
            await self._set()  # what changed meanwhile

        return restore


class BusTrouble(Trouble):
    """Two Modbus RTU devices on one line: each one's counter in holding registers 0 and 1."""

    def __init__(self, link: Path, counters: Mapping[int, Counted], chance: random.Random) -> None:
        super().__init__("bus", tuple(counter.tag.partition(".")[0] for counter in counters.values()))
        self.slaves = Slaves(link, counters)
        self.slaves.respond = self._respond
        self._counters = counters
        self._chance = chance
        self._spoil: dict[int, str] = {}  # by device
        self._plugged = False
        self._due = 0.0  # when the last late answer leaves

    def plug(self) -> None:
        self.slaves.__enter__()
        self._plugged = True

    def unplug(self) -> None:
        if self._plugged:
            self._plugged = False
            self.slaves.__exit__(None, None, None)

    @property
    def faults(self) -> Mapping[str, Begin]:
        kinds = ("exception", "late", "silence", "half", "wrong id", "noise")
        return {kind: self._spoiling(kind) for kind in kinds} | {
            "unplugged": self._unplugged, "answers kept back": self._behind,
        }  # fmt: skip

    def _respond(self, request: bytes) -> bytes | None:
        self.slaves.requests.clear()
        answer, late_s = self._made(request), 0.0
        if answer is not None and self._spoil.get(request[0]) == "late":
            late_s = self._chance.uniform(0.05, 1.5)
        now = asyncio.get_running_loop().time()
        if answer is None or (not late_s and now > self._due):
            return answer
        # A late answer is not overtaken: devices answer in the order of asking.
        self._due = max(self._due + 0.001, now + late_s)
        asyncio.get_running_loop().call_at(self._due, self._say, answer)
        return None

    def _made(self, request: bytes) -> bytes | None:
        device, function, address, count = struct.unpack(">BBHH", request[:6])
        if function == 8:
            sound = request
        elif (function, address, count) == (3, 0, 2):
            data = struct.pack(">I", self._counters[device].raw)
            sound = framed(bytes([device, function, len(data)]) + data)
        else:
            return refusal(request, 2)
        match self._spoil.get(device):
            case "exception":
                return refusal(request, 6)
            case "silence":
                return None
            case "half":
                return sound[: self._chance.randrange(1, len(sound))]
            case "wrong id":
                other = self._chance.choice([one for one in (1, 2, 9) if one != device])
                return framed(bytes([other]) + sound[1:-2])
            case "noise":
                return self._chance.randbytes(self._chance.randrange(1, 40))
        return sound

    def _say(self, data: bytes) -> None:
        if self._plugged:
            self.slaves.say(data)

    def _spoiling(self, kind: str) -> Begin:
        async def begin() -> Restore:
            devices = self._chance.sample(sorted(self._counters), self._chance.randint(1, 2))
            self._spoil = dict.fromkeys(devices, kind)

            async def restore() -> None:
                self._spoil = {}

            return restore

        return begin

    async def _behind(self) -> Restore:
        self.slaves.behind = 1

        async def restore() -> None:
            self.slaves.behind = 0

        return restore

    async def _unplugged(self) -> Restore:
        self.unplug()

        async def restore() -> None:
            self.plug()

        return restore
