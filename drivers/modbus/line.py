"""The connection to Modbus RTU devices on a serial line: blocks in, their bytes or a refusal out.

An RTU answer does not say which request it belongs to, only device, function, length and checksum. So one
that comes after its time would be taken for the answer to a later request. Invariants:
- A device that left a try unanswered is `behind`. Until it has caught up nothing it says is taken for an
  answer to a new request; only a further try of the same request may take it.
- It has caught up when it answers a fence: function 8, return query data, with the next number. Devices
  answer in the order of asking, so whatever was late lies before that. A refusal of function 8 is as good,
  since nothing else is asked with it; as it carries no number, refusals are counted, and where a device ever
  answered with the number they do not serve. One that is lost spoils the count for all fences behind it: so
  after `VAIN` fences the device is left alone until those that it may still refuse are taken for lost.
- A device that left `VAIN` fences in a row unanswered and never answered one, however late, knows none. It is
  left alone for `SETTLE` × timeout_s instead. So is one whose fences are off, and one that answered some and
  left `SWAPPED` unanswered: it may be another device by now. That is no proof: an answer that comes later yet
  can be taken for that of the wrong request (README.md).
- Before each request the line has been quiet for 3.5 characters (Modbus over Serial Line V1.02, 2.5.1.1), and
  what arrived by then is thrown away.
- At most `_HELD` bytes are held.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.modbus.answers import Refusal, Silent, refused
from drivers.modbus.channel import Asker
from drivers.modbus.decoding import size
from drivers.modbus.frames import DIAGNOSTICS, EXCEPTION, Awaited, Ear, framed, frames
from drivers.modbus.plan import Block
from drivers.modbus.serialport import SerialPort, SerialSettings
from edge.faults import DeviceFault

VAIN = 3
SWAPPED = 50
SETTLE = 3
FORGET = 10  # a fence is taken to be lost, not late, after so many times timeout_s
_HELD = 1024
_FUNCTIONS = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}


@dataclass(frozen=True)
class SerialEndpoint:
    """A serial line with devices on it."""

    settings: SerialSettings

    @property
    def address(self) -> tuple[str, str]:
        """What one connection is enough for."""
        return ("serial", self.settings.port)

    def __str__(self) -> str:
        return str(self.settings)

    def connection(self, on_lost: Callable[[], None]) -> "SerialConnection":
        """A port that is not open yet; `on_lost` is called each time it goes away."""
        return SerialConnection(self, on_lost)

    def gone(self) -> DeviceFault:
        """Why an open port is no more."""
        return DeviceFault(
            f"{self.settings.port} is gone",
            hint="Plug the serial adapter in again. If it is in: check its cable and power",
        )


@dataclass
class _Slave:
    """What is known of a device on the line."""

    behind: bool = False  # an answer of it may still come
    fences: bool | None = None  # whether it ever answered a fence, late or in time; None: not asked yet
    vain: int = 0  # fences in a row without an answer in time
    mute: int = 0  # the same without any answer
    settled_at: float = 0.0  # from when on an answer of it is taken to be no late one
    numbers: bool = False  # whether it ever answered a fence with its number
    owed: list[float] = field(default_factory=list)  # when the fences were sent that it may still refuse


class SerialConnection:
    """A port with its devices; not for two askers at once: the channel sees to that."""

    # Silence is a device's; closing and opening the port would not help.
    keeps_when_silent = True

    def __init__(self, endpoint: SerialEndpoint, on_lost: Callable[[], None]) -> None:
        self._endpoint = endpoint
        self._on_lost = on_lost
        self._port: SerialPort | None = None
        self._gap_s = max(3.5 * endpoint.settings.char_s, 0.00175)
        self._quiet_at = 0.0
        self._held = bytearray()
        self._awaited: Awaited | None = None
        self._ear = Ear()
        self._slaves: dict[int, _Slave] = {}  # outlives the port: a late answer may do so too
        self._fence = 0

    @property
    def made(self) -> bool:
        return self._port is not None

    async def connect(self, timeout_s: float, *, explain: bool) -> None:
        """Open the port. Raises DeviceFault."""
        self._port = await SerialPort.opened(self._endpoint.settings, self._bytes, self._lost)

    async def close(self) -> None:
        """Close the port; it may be opened again."""
        port, self._port = self._port, None
        if port is not None:
            port.close()

    async def settled(self, asker: Asker) -> None:
        """Wait until a device that no fence can tell of has been left alone for long enough."""
        slave = self._slaves.get(asker.device_id)
        if slave is None or not slave.behind:
            return
        if not (slave.fences and asker.fences):
            until = slave.settled_at
        elif slave.owed and slave.vain >= VAIN and not slave.numbers:
            until = slave.owed[-1] + FORGET * asker.timeout_s + self._gap_s
        else:
            return
        await asyncio.sleep(until - asyncio.get_running_loop().time())

    async def read(self, asker: Asker, block: Block, tries: int) -> bytes | Refusal:
        """The block's bytes, or why the device refuses. Raises Silent, or DeviceFault."""
        device_id, timeout_s = asker.device_id, asker.timeout_s
        slave = self._slaves.setdefault(device_id, _Slave())
        if slave.behind and asker.fences:
            await self._catch_up(device_id, slave, timeout_s)
        function, expected = _FUNCTIONS[block.register], size(block)
        body = block.address.to_bytes(2, "big") + block.count.to_bytes(2, "big")
        for number in range(tries):
            answer = await self._ask(device_id, function, body, bytes([expected]), 5 + expected, timeout_s)
            if answer is None:
                continue
            # An answer to the second try may be the first one's, the second one's is still to come then.
            slave.behind = number > 0
            if slave.behind:
                slave.settled_at = asyncio.get_running_loop().time() + SETTLE * timeout_s
            elif slave.fences is None and asker.fences:
                await self._learn(device_id, slave, timeout_s)
            if answer[1] & 0x80:
                return refused(answer[2], device_id, self._endpoint.settings.port)
            return bytes(answer[3:-2])
        raise Silent(
            f"no answer from device {device_id} on {self._endpoint} to {block} "
            f"within {timeout_s * tries:g} s",
            hint="Check device_id, baudrate and parity, wires A and B, and the device's power",
        )

    async def _catch_up(self, device_id: int, slave: _Slave, timeout_s: float) -> None:
        if await self._fenced(device_id, slave, timeout_s):
            slave.behind = False
        elif slave.fences or slave.vain < VAIN:
            raise Silent(
                f"device {device_id} on {self._endpoint} answers late or not at all",
                hint="Raise timeout_s if the device is slow; check its power and the bus cable",
            )

    async def _learn(self, device_id: int, slave: _Slave, timeout_s: float) -> None:
        """Find out once, while nothing is late, whether the device answers fences."""
        await self._fenced(device_id, slave, timeout_s)
        slave.behind = False  # nothing but another fence could be taken for this one's answer

    async def _fenced(self, device_id: int, slave: _Slave, timeout_s: float) -> bool:
        await self._quiet(timeout_s)
        self._discard()
        now = asyncio.get_running_loop().time()
        slave.owed = [sent_at for sent_at in slave.owed if sent_at > now - FORGET * timeout_s]
        slave.owed.append(now)
        self._fence = (self._fence + 1) % 0x10000
        body = bytes(2) + self._fence.to_bytes(2, "big")
        refusals = _HELD if slave.numbers else len(slave.owed)
        answer = await self._ask(device_id, DIAGNOSTICS, body, body, 8, timeout_s, refusals)
        if answer is None:
            slave.vain += 1
            slave.mute += 1
            self._discard()
            if slave.mute >= SWAPPED:
                slave.fences = slave.numbers = False
            slave.fences = bool(slave.fences)
        else:
            slave.vain, slave.mute, slave.fences = 0, 0, True
            slave.owed.clear()
            slave.numbers = slave.numbers or answer[1] == DIAGNOSTICS
        return answer is not None

    async def _ask(
        self,
        device_id: int,
        function: int,
        body: bytes,
        beginning: bytes,
        length: int,
        timeout_s: float,
        refusals: int = 1,
    ) -> bytes | None:
        """The answer that begins so after device and function, or a refusal; None when neither comes."""
        loop = asyncio.get_running_loop()
        request = framed(bytes([device_id, function]) + body)
        await self._quiet(timeout_s)
        self._discard()
        if self._port is None:
            raise self._endpoint.gone()
        on_line_s = (len(request) + length) * self._endpoint.settings.char_s
        self._awaited = awaited = Awaited(
            bytes([device_id, function]) + beginning,
            length,
            bytes([device_id, function | 0x80]),
            refusals,
            request,
            loop.create_future(),
        )
        self._slave_is_behind(device_id, loop.time() + on_line_s + (1 + SETTLE) * timeout_s)
        self._port.write(request)
        try:
            async with asyncio.timeout(timeout_s + on_line_s):
                return await awaited.came
        except TimeoutError:
            return None
        finally:
            self._awaited = None
            self._quiet_at = max(self._quiet_at, loop.time() + self._gap_s)

    def _slave_is_behind(self, device_id: int, settled_at: float) -> None:
        # Before the request goes out, so that it holds for one that is cancelled too.
        slave = self._slaves[device_id]
        slave.behind, slave.settled_at = True, settled_at

    async def _quiet(self, at_most_s: float) -> None:
        """Wait until nothing has arrived for a frame gap; a line that babbles is not waited for longer."""
        loop = asyncio.get_running_loop()
        until = loop.time() + at_most_s
        while (wait_s := min(self._quiet_at, until) - loop.time()) > 0:  # noqa: ASYNC110  bytes move the end
            await asyncio.sleep(wait_s)

    def _discard(self) -> None:
        """Throw away what nobody waits for, but note late answers to fences."""
        if not self._held:
            return
        for device_id, slave in self._slaves.items():
            refusals = len(frames(self._held, bytes([device_id, DIAGNOSTICS | 0x80]), EXCEPTION))
            del slave.owed[:refusals]
            echoed = frames(self._held, bytes([device_id, DIAGNOSTICS]), 8)
            if (refusals and not slave.numbers) or self._late(echoed):
                slave.mute, slave.fences = 0, True
        self._held.clear()

    def _late(self, fences: list[bytes]) -> bool:
        """Whether one of these came from the device, not from an adapter that gives back the last one."""
        last = self._fence.to_bytes(2, "big")
        return len(fences) > self._ear.echoes or any(fence[4:6] != last for fence in fences)

    def _bytes(self, data: bytes) -> None:
        self._quiet_at = asyncio.get_running_loop().time() + self._gap_s
        held, awaited = self._held, self._awaited
        held += data
        del held[:-_HELD]
        if awaited is None or awaited.came.done():
            return
        answer = self._ear.answer(awaited, held)
        if answer is not None:
            awaited.came.set_result(answer)

    def _lost(self) -> None:
        self._port = None
        self._on_lost()
