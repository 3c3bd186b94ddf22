"""One connection to a Modbus TCP device: blocks in, their bytes or a refusal out.

pymodbus frames, matches answers to requests and times out; it does not reconnect and does not log here, both
being the driver's. Responses are kept as bytes: taking them apart register by register costs more than all
the rest, and the decoder does it in one step. Everything that means "the device is lost" is a DeviceFault; an
exception response is an answer, so it is returned.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU

from drivers.modbus.decoding import size
from drivers.modbus.plan import Block
from drivers.modbus.settings import ModbusSettings, Register
from edge.faults import DeviceFault

# Each failed attempt would be a line of its own, with a dump; the driver tells of changes only.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3

# Exception codes (Modbus Application Protocol V1.1b3, clause 7), worded for the person at the machine.
REASONS: Mapping[int, str] = MappingProxyType(
    {
        1: "illegal function: the device does not have this kind of register",
        2: "illegal data address: the device has no such register",
        3: "illegal data value: the device does not accept a request of this length",
        4: "device failure: the device could not carry out the request",
        5: "acknowledge: the device needs longer for the request",
        6: "device busy: the device is occupied with something else",
        8: "memory parity error: the device's memory is damaged",
        10: "gateway path unavailable: the gateway cannot reach its bus",
        11: "gateway target did not respond: the device behind the gateway is silent",
    }
)
_BEHIND_GATEWAY = (10, 11)


@dataclass(frozen=True)
class Refusal:
    """The device answered a request with an exception, or with something else than was asked."""

    code: int  # exception code; 0 where the answer did not fit the request
    reason: str

    @property
    def hint(self) -> str:
        """What a technician does about it."""
        if self.code <= ILLEGAL_VALUE:
            return "Compare register, address, type and device_id with the device's register list"
        return "Look at the device: its state, its own error display, and how often it is asked"


class _Payload(ModbusPDU):
    """A read response whose data stay bytes, without the leading byte count."""

    payload = b""

    def decode(self, data: bytes) -> None:
        self.payload = data[1:] if data and data[0] == len(data) - 1 else b""

    def __str__(self) -> str:
        return f"{len(self.payload)} bytes"


class _Coils(_Payload):
    function_code = 1


class _Discrete(_Payload):
    function_code = 2


class _Holding(_Payload):
    function_code = 3


class _Input(_Payload):
    function_code = 4


class Client:
    """A connection that lives until it is closed or lost."""

    def __init__(self, settings: ModbusSettings, on_lost: Callable[[], None]) -> None:
        """`on_lost` is called once if the other end closes or breaks the connection."""
        self._settings = settings
        self._client = client = AsyncModbusTcpClient(
            settings.host,
            port=settings.port,
            timeout=settings.timeout_s,
            retries=settings.retries,
            reconnect_delay=0,
            trace_connect=lambda connected: None if connected else on_lost(),
        )
        for response in (_Coils, _Discrete, _Holding, _Input):
            client.register(response)
        self._reads: dict[Register, tuple[Callable[..., Awaitable[ModbusPDU]], type[_Payload]]] = {
            "coil": (client.read_coils, _Coils),
            "discrete": (client.read_discrete_inputs, _Discrete),
            "holding": (client.read_holding_registers, _Holding),
            "input": (client.read_input_registers, _Input),
        }

    async def connect(self) -> bool:
        """Whether the connection could be made, within `timeout_s`."""
        return await self._client.connect()

    async def read(self, block: Block) -> bytes | Refusal:
        """The block's bytes, or why the device refuses. Raises DeviceFault when the device is lost."""
        settings = self._settings
        read, expected = self._reads[block.register]
        try:
            answer = await read(block.address, count=block.count, device_id=settings.device_id)
        except ModbusException as error:
            raise self._silent(block) from error
        if isinstance(answer, expected) and len(answer.payload) == size(block):
            return answer.payload
        if answer.isError():
            return self._refused(answer.exception_code)
        return Refusal(0, f"the answer does not fit the request for {block}")

    def _refused(self, code: int) -> Refusal:
        reason = REASONS.get(code, f"exception {code}")
        if code in _BEHIND_GATEWAY:
            raise DeviceFault(
                f"no device {self._settings.device_id} behind {self._settings.host}: {reason}",
                hint="Check the device behind the gateway: its power, its bus cable, and device_id",
            )
        return Refusal(code, reason)

    def _silent(self, block: Block) -> DeviceFault:
        tries = self._settings.retries + 1
        waited_s = self._settings.timeout_s * tries
        return DeviceFault(
            f"no answer from {self._settings.host}:{self._settings.port} to {block} within {waited_s:g} s",
            hint="Check device_id, whether the device is overloaded, and how many clients it allows",
        )

    async def close(self) -> None:
        """Close the connection; nothing is left behind after this."""
        self._client.close()
        await asyncio.sleep(0)  # the transport closes its socket in the next turn of the loop


async def why_unreachable(settings: ModbusSettings) -> DeviceFault:
    """Why a connection could not be made: pymodbus only says that it could not."""
    at = f"{settings.host}:{settings.port}"
    try:
        async with asyncio.timeout(settings.timeout_s):
            _, writer = await asyncio.open_connection(settings.host, settings.port)
    except ConnectionRefusedError:
        return DeviceFault(
            f"no connection to {at}: refused",
            hint="The address is in use but nothing listens there: check port, and that the device's "
            "Modbus TCP server is switched on",
        )
    except OSError as error:
        cause = error.strerror or (
            "no answer" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        )
        return DeviceFault(
            f"no connection to {at}: {cause}",
            hint="Check the device's power, the network cable, and host",
        )
    writer.close()
    return DeviceFault(
        f"no connection to {at} at the first try", hint="Check the network cable and the switch"
    )
