"""asyncua's connection with what it leaves unchecked: frames, and whether an answer is one to its request.

Invariants:
- What cannot be a frame ends the connection at once, instead of being waited for; what waits for an answer
  then fails as garbled.
- An answer is of the kind that was asked for and names its request; what is read of it is never read twice.
- Decoding an answer takes memory in proportion to its length.
"""

import struct
from collections.abc import Iterator
from typing import Any

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UaClient, UASocketProtocol
from asyncua.client.ua_session import UaSession
from asyncua.common.utils import Buffer, NotEnoughData
from asyncua.ua import ua_binary
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaerrors import UaError

# What a server sends (Part 6, 6.7.2 and 7.1.2); frames are at most as long as asyncua's Hello says.
_KINDS = (b"MSG", b"OPN", b"ACK", b"ERR")
_PARTS = b"FCA"
_SHORTEST, _LONGEST = 16, 65535
_HEADER = 8  # bytes up to the frame's length


class Answer(Buffer):
    """A message's body to be decoded; a length below zero in it is an error, not a way back."""

    def __init__(self, data: bytes, start_pos: int = 0, size: int = -1) -> None:
        super().__init__(data, start_pos, size)
        self._empties = 0

    def read(self, size: int) -> bytes:
        if not 0 <= size <= self._size:
            raise NotEnoughData(f"a length of {size}, and {self._size} bytes are left")
        start = self._cur_pos
        self._cur_pos = end = start + size
        self._size -= size
        return self._data[start:end]

    def skip(self, size: int) -> None:
        if size < 0:
            raise NotEnoughData(f"a length of {size}")
        super().skip(size)

    def copy(self, size: int = -1) -> "Answer":
        length = self._size if size == -1 else size
        if not 0 <= length <= self._size:
            raise NotEnoughData(f"a length of {length}, and {self._size} bytes are left")
        return Answer(self._data, self._cur_pos, length)

    def take_empty(self) -> None:
        """A value without bytes: there are not more of them than the message has bytes."""
        self._empties += 1
        if self._empties > len(self._data):
            raise NotEnoughData(f"more than {len(self._data)} empty values")


class _Empty:
    """How asyncua codes the type Null: an array of it can be of any length in five bytes."""

    @staticmethod
    def pack(data: Any) -> bytes:
        return b""

    @staticmethod
    def unpack(data: Any) -> None:
        if isinstance(data, Answer):
            data.take_empty()


ua_binary.Primitives.Null = _Empty()  # type: ignore[assignment]
ua_binary.MAX_RESHAPE_ELEMENTS = (
    10_000  # of an array's dimensions: asyncua makes them whether they are sent or not
)


class _Frames(UASocketProtocol):
    """One connection. asyncua gets whole frames, each by itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._held = bytearray()

    def data_received(self, data: bytes) -> None:
        self._held += data
        try:
            for frame in self._frames():
                self._process_received_data(frame)
                if self.transport is None or self.transport.is_closing():
                    raise UaError("the server sent what is no message here")
        except UaError as error:
            self._held.clear()
            self._fail_all_pending(error)
            self.disconnect_socket()

    def _frames(self) -> Iterator[bytes]:
        while len(self._held) >= _HEADER:
            kind, part, size = struct.unpack_from("<3scI", self._held)
            if kind not in _KINDS or part not in _PARTS or not _SHORTEST <= size <= _LONGEST:
                raise UaError(f"the server sent what is no frame: {bytes(self._held[:8]).hex(' ')}")
            if len(self._held) < size:
                return
            frame = bytes(self._held[:size])
            del self._held[:size]
            yield frame

    def _call_callback(self, request_id: int, body: Any) -> None:
        super()._call_callback(request_id, Answer(body.read(len(body))) if isinstance(body, Buffer) else body)


def client(endpoint: str, timeout_s: float) -> Client:
    """asyncua's client over such a connection; each answer has so long."""
    made = Client(endpoint, timeout=timeout_s)
    made.uaclient = Connection(timeout_s)
    return made


class Connection(UaClient):
    """asyncua's client below its services."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(timeout_s)
        self.session = Services(self)
        self.answer = Answer(b"")  # the last one

    def _make_protocol(self) -> UASocketProtocol:
        made = _Frames(self._timeout, security_policy=self.security_policy)
        made.on_connection_lost = self._on_transport_lost
        made.is_session_closing = self._is_session_closing
        self.protocol = made
        return made

    async def _send_request(
        self, request: Any, timeout: float | None = None, message_type: Any = ua.MessageType.SecureMessage
    ) -> Buffer:
        answer = await super()._send_request(request, timeout, message_type)
        assert isinstance(answer, Answer)
        _check(request, answer.copy())
        self.answer = answer
        return answer


class Services(UaSession):
    """asyncua's without its publish loop: the driver publishes. Answers with values are read to the end."""

    def ensure_publish_loop(self) -> None:
        pass

    async def read(self, parameters: ua.ReadParameters) -> list[ua.DataValue]:
        values = await super().read(parameters)
        self._at_end()
        return values

    async def publish(self, acks: list[ua.SubscriptionAcknowledgement]) -> ua.PublishResponse:
        response = await super().publish(acks)
        self._at_end()
        return response

    async def republish(
        self, subscription_id: int, retransmit_sequence_number: int
    ) -> ua.NotificationMessage:
        message = await super().republish(subscription_id, retransmit_sequence_number)
        self._at_end()
        return message

    def _at_end(self) -> None:
        """Nothing else ran since the answer came: decoding it does not wait."""
        client = self._client
        assert isinstance(client, Connection)
        if client.answer:
            raise UaError(f"{len(client.answer)} bytes behind the end of an answer")


def _check(request: Any, answer: Answer) -> None:
    """Raises UaError where an answer is another kind's or another request's (Part 4, 7.33)."""
    name = type(request).__name__.removesuffix("Request")
    wanted = getattr(ObjectIds, f"{name}Response_Encoding_DefaultBinary")
    kind = ua_binary.nodeid_from_binary(answer)
    if kind.Identifier != wanted or kind.NamespaceIndex != 0:
        raise UaError(f"{kind.to_string()} answered a {name} request")
    answer.skip(8)  # the time
    (handle,) = struct.unpack("<I", answer.read(4))
    if handle != request.RequestHeader.RequestHandle:
        raise UaError(f"an answer to request {handle} instead of {request.RequestHeader.RequestHandle}")
