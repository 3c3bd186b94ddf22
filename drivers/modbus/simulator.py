"""A PLC to try things on: a real Modbus TCP server whose registers and faults are set from Python.

`Plc` holds registers and misbehaves on demand; `Press` is a Plc that a press is wired to. What is not in a
register table does not exist for the client: it is refused as an illegal data address. Nothing outlives
`async with`.
"""

import asyncio
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self, cast

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.listening import stop_listening
from drivers.modbus.settings import Register

Fault = Literal["silence", "exception", "delay"]

_CODES = {"uint16": "H", "int16": "h", "uint32": "I", "int32": "i", "uint64": "Q", "int64": "q"}
_CODES |= {"float32": "f", "float64": "d"}
_REGISTER_OF: Mapping[int, Register] = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}

# pymodbus wants every table to hold something; nobody reads this far up.
_LAST = 65535


def registers(type: str, value: float) -> list[int]:
    """`value` as registers, the highest first: `registers("uint32", 65537)` is [1, 1]."""
    packed = struct.pack(f">{_CODES[type]}", value)
    return list(struct.unpack(f">{len(packed) // 2}H", packed))


class Plc:
    """A Modbus TCP server on `host`; port 0 lets the system choose, and a restart keeps the chosen one.

    Tables are address to value and may be changed at any time; addresses are fixed when the power comes on.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        device_id: int = 1,
        holding: Mapping[int, int] | None = None,
        input: Mapping[int, int] | None = None,
        coil: Mapping[int, bool] | None = None,
        discrete: Mapping[int, bool] | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.device_id = device_id
        self.tables: dict[Register, dict[int, int]] = {
            "holding": dict(holding or {}),
            "input": dict(input or {}),
            "coil": dict(coil or {}),
            "discrete": dict(discrete or {}),
        }
        self.fault: Fault | None = None  # silence: no answers; exception: refusals; delay: late answers
        self.refuse: set[Register] = set()  # tables that are refused whatever the fault
        self.lacking: set[int] = set()  # addresses for which a request is refused, in any table
        self.exception_code = ExcCodes.DEVICE_BUSY
        self.delay_s = 0.2
        self.requests: list[
            tuple[Register, int, int]
        ] = []  # register, address, count: the last 1000 asked for
        self._server: ModbusTcpServer | None = None
        self._off = asyncio.Event()

    def write(self, register: Register, address: int, type: str, value: float) -> None:
        """Set a value of one or several registers."""
        for number, word in enumerate(registers(type, value)):
            self.tables[register][address + number] = word

    async def power_on(self) -> None:
        """Answer from now on. Raises RuntimeError when the port is taken."""
        if self._server is not None:
            return
        self._off = asyncio.Event()
        server = ModbusTcpServer(
            SimDevice(self.device_id, self._simdata(), action=self._action),
            address=(self.host, self.port),
            trace_packet=lambda sending, packet: b"" if sending and self.fault == "silence" else packet,
        )
        await server.serve_forever(background=True)
        self._server = server
        self.port = cast(asyncio.Server, server.transport).sockets[0].getsockname()[1]

    async def power_off(self) -> None:
        """Close every connection and the port; values stay, as in a PLC with a battery."""
        server, self._server = self._server, None
        self._off.set()
        if server is not None:
            await stop_listening(cast(asyncio.Server, server.transport))
            await server.shutdown()  # type: ignore[no-untyped-call]
            await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        await self.power_on()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.power_off()

    def _simdata(self) -> tuple[list[SimData], list[SimData], list[SimData], list[SimData]]:
        return (
            self._bits("coil"),
            self._bits("discrete"),
            self._words("holding"),
            self._words("input"),
        )

    def _words(self, register: Register) -> list[SimData]:
        """One SimData for each run of neighbours."""
        runs: list[list[int]] = []
        for address in sorted({_LAST, *self.tables[register]}):
            if runs and address == runs[-1][-1] + 1:
                runs[-1].append(address)
            else:
                runs.append([address])
        return [SimData(run[0], values=[0] * len(run), datatype=DataType.REGISTERS) for run in runs]

    def _bits(self, register: Register) -> list[SimData]:
        addresses = sorted({*self.tables[register]} or {_LAST})
        count = addresses[-1] - addresses[0] + 1
        return [SimData(addresses[0], values=[False] * count, datatype=DataType.BITS)]

    async def _action(
        self,
        function_code: int,
        start: int,
        address: int,
        count: int,
        current: list[int],
        written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """pymodbus asks this before it answers from `current`, which begins at `start`."""
        register = _REGISTER_OF.get(function_code)
        if register is None:
            return ExcCodes.ILLEGAL_FUNCTION
        self.requests = [*self.requests[-999:], (register, address, count)]
        lacking = not self.lacking.isdisjoint(range(address, address + count))
        if self.fault == "exception" or register in self.refuse or lacking:
            return self.exception_code
        if self.fault == "delay":
            await self._late()
        self._telling(register)
        if register in ("coil", "discrete"):
            # Bits are kept 16 to a word; start and count are in words then.
            words: dict[int, int] = {}
            for bit, value in self.tables[register].items():
                words[bit // 16] = words.get(bit // 16, 0) | bool(value) << bit % 16
        else:
            words = self.tables[register]
        first = address // 16 if register in ("coil", "discrete") else address
        for number in range(first, first + count):
            current[number - start] = words.get(number, 0)
        return None

    def _telling(self, register: Register) -> None:
        """The client is about to hear what `register` holds now."""

    async def _late(self) -> None:
        try:
            async with asyncio.timeout(self.delay_s):
                await self._off.wait()
        except TimeoutError:
            pass


@dataclass
class Switching:
    """A press started or stopped; monotonic seconds.

    Whoever polls it noticed between `at_s` and `noticed_s`: when it was asked the second time since.
    """

    at_s: float
    told: bool = False
    noticed_s: float | None = None


class Press(Plc):
    """A press: cycles in holding 100 (uint32), running in coil 0, energy in input 20 (float32, kWh).

    It makes a stroke each `cycle_s` while started; strokes by hand come from `stroke`.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        cycle_s: float = 1.0,
        first_count: int = 0,
        first_energy_kwh: float = 1200.0,
        power_kw: float = 15.0,
        device_id: int = 1,
    ) -> None:
        super().__init__(host, port, device_id=device_id)
        self.cycle_s = cycle_s
        self.power_kw = power_kw
        self.count = first_count
        self.energy_kwh = first_energy_kwh
        self.switchings: list[Switching] = []  # starts and stops in turn
        self._started = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._show()

    @property
    def running(self) -> bool:
        return self._started.is_set()

    def start(self) -> None:
        """Begin production."""
        self._switch(on=True)

    def stop(self) -> None:
        """End production; the count stays."""
        self._switch(on=False)

    def _switch(self, *, on: bool) -> None:
        if on != self.running:
            self.switchings.append(Switching(time.monotonic()))
        if on:
            self._started.set()
        else:
            self._started.clear()
        self._show()

    def _telling(self, register: Register) -> None:
        if register != "coil":
            return
        for switching in reversed(self.switchings):
            if switching.noticed_s is not None:
                break
            if switching.told:
                switching.noticed_s = time.monotonic()
            switching.told = True

    def stroke(self, strokes: int = 1) -> None:
        """Make strokes at once, started or not."""
        self.count = (self.count + strokes) % 2**32
        self.energy_kwh += strokes * self.power_kw * self.cycle_s / 3600
        self._show()

    def set_count(self, count: int) -> None:
        """What a technician or an order change does to a counter."""
        self.count = count
        self._show()

    async def run(self) -> None:
        """The press's rhythm, until cancelled."""
        while True:
            await self._started.wait()
            await asyncio.sleep(self.cycle_s)
            # Without power there is no stroke.
            if self.running and self._server is not None:
                self.stroke()

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._task = asyncio.create_task(self.run(), name=f"press on port {self.port}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await super().__aexit__(kind, error, trace)

    def _show(self) -> None:
        self.write("holding", 100, "uint32", self.count)
        self.write("input", 20, "float32", self.energy_kwh)
        self.tables["coil"][0] = self.running
