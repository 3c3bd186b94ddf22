"""The connection to a Modbus TCP address: blocks in, their bytes or a refusal out.

pymodbus frames, matches answers to requests and times out; it does not reconnect and does not log here, both
being the channel's and the driver's. Responses are kept as bytes: taking them apart register by register
costs more than all the rest, and the decoder does it in one step. An exception response is an answer, so it
is returned; silence is a `Silent`.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU

from drivers.modbus.answers import MISFIT, Refusal, Silent, refused
from drivers.modbus.channel import Asker
from drivers.modbus.decoding import size
from drivers.modbus.plan import Block
from edge.faults import DeviceFault

# Each failed attempt would be a line of its own, with a dump; the driver tells of changes only.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

_NEVER = 2**62  # pymodbus closes a connection after so many unanswered requests; the channel decides that


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


class _Decoder(DecodePDU):
    """What cannot be decoded is an answer that does not fit; pymodbus would fail in the event loop."""

    def decode(self, frame: bytes) -> ModbusPDU:
        return super().decode(frame) or _Payload()


@dataclass(frozen=True)
class TcpEndpoint:
    """Where devices are reached over TCP."""

    host: str
    port: int

    @property
    def address(self) -> tuple[str, str]:
        """What one connection is enough for."""
        return ("tcp", f"{self.host}:{self.port}")

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def connection(self, on_lost: Callable[[], None]) -> "TcpConnection":
        """A connection that is not made yet; `on_lost` is called each time the other end breaks it."""
        return TcpConnection(self, on_lost)

    def gone(self) -> DeviceFault:
        """Why a made connection is no more."""
        return DeviceFault(
            f"{self} closed the connection",
            hint="Check the device's power and network; some devices allow only one or two clients",
        )


class TcpConnection:
    """One connection at a time; not for two askers at once: the channel sees to that."""

    # Nobody gains from keeping a TCP connection on which every device has fallen silent.
    keeps_when_silent = False

    def __init__(self, endpoint: TcpEndpoint, on_lost: Callable[[], None]) -> None:
        self._endpoint = endpoint
        self._on_lost = on_lost
        self._client: AsyncModbusTcpClient | None = None

    @property
    def made(self) -> bool:
        return self._client is not None

    async def connect(self, timeout_s: float, *, explain: bool) -> None:
        """Make the connection. Raises DeviceFault, with the reason if it is to `explain`."""
        client = AsyncModbusTcpClient(
            self._endpoint.host,
            port=self._endpoint.port,
            timeout=timeout_s,
            retries=0,
            reconnect_delay=0,
            trace_connect=lambda connected: None if connected else self._lost(),
        )
        client.set_max_no_responses(_NEVER)
        client.ctx.framer.decoder = _Decoder(False)
        for response in (_Coils, _Discrete, _Holding, _Input):
            client.register(response)
        self._client = client
        try:
            connected = await client.connect()
        except BaseException:
            await self.close()
            raise
        if not connected:
            await self.close()
            if not explain:
                raise DeviceFault("still no connection")  # nobody is told twice: the reason is not asked for
            raise await why_unreachable(self._endpoint, timeout_s)
        self._reads = {
            "coil": (client.read_coils, _Coils),
            "discrete": (client.read_discrete_inputs, _Discrete),
            "holding": (client.read_holding_registers, _Holding),
            "input": (client.read_input_registers, _Input),
        }

    async def read(self, asker: Asker, block: Block, tries: int) -> bytes | Refusal:
        """The block's bytes, or why the device refuses. Raises Silent, or DeviceFault."""
        client, device_id, timeout_s = self._client, asker.device_id, asker.timeout_s
        if client is None:
            raise self._endpoint.gone()
        # Devices that share the connection have their own patience.
        client.ctx.comm_params.timeout_connect, client.ctx.retries = timeout_s, tries - 1
        read, expected = self._reads[block.register]
        try:
            answer = await read(block.address, count=block.count, device_id=device_id)
        except ModbusException as error:
            raise self._silent(block, timeout_s * tries) from error
        # pymodbus takes transaction 0 for an answer to any request, so it could be one that came late.
        if isinstance(answer, expected) and len(answer.payload) == size(block) and answer.transaction_id:
            return answer.payload
        if isinstance(answer, ExceptionResponse):
            return refused(answer.exception_code, device_id, self._endpoint.host)
        return Refusal(MISFIT, f"the answer does not fit the request for {block}")

    async def settled(self, asker: Asker) -> None:
        """TCP answers carry the number of their request: there is nothing to wait for."""

    async def close(self) -> None:
        """Close the connection; nothing is left behind after this, and another may be made."""
        client, self._client = self._client, None
        if client is not None:
            client.close()
            await asyncio.sleep(0)  # the transport closes its socket in the next turn of the loop

    def _lost(self) -> None:
        if self._client is not None:
            self._client = None
            self._on_lost()

    def _silent(self, block: Block, waited_s: float) -> Silent:
        return Silent(
            f"no answer from {self._endpoint} to {block} within {waited_s:g} s",
            hint="Check device_id, whether the device is overloaded, and how many clients it allows",
        )


async def why_unreachable(endpoint: TcpEndpoint, timeout_s: float) -> DeviceFault:
    """Why a connection could not be made: pymodbus only says that it could not."""
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    except ConnectionRefusedError:
        return DeviceFault(
            f"no connection to {endpoint}: refused",
            hint="The address is in use but nothing listens there: check port, and that the device's "
            "Modbus TCP server is switched on",
        )
    except OSError as error:
        cause = error.strerror or (
            "no answer" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        )
        return DeviceFault(
            f"no connection to {endpoint}: {cause}",
            hint="Check the device's power, the network cable, and host",
        )
    writer.close()
    return DeviceFault(
        f"no connection to {endpoint} at the first try", hint="Check the network cable and the switch"
    )
