"""What of an OPC UA answer is refused before anything is made of it."""

import asyncio
import struct
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import NotEnoughData
from asyncua.ua import ua_binary
from asyncua.ua.uaerrors import UaError

from drivers.opcua.channel import Answer, _check, _Frames

ARRAY = 0x80


def decoded(data: bytes) -> Any:
    return ua_binary.variant_from_binary(Answer(data))


def test_an_array_of_nothing_cannot_be_longer_than_the_message() -> None:
    with pytest.raises(NotEnoughData):
        decoded(bytes([ARRAY]) + struct.pack("<i", 10**6))


def test_a_length_below_zero_is_no_way_back() -> None:
    with pytest.raises(NotEnoughData):
        decoded(bytes([ua.VariantType.String.value]) + struct.pack("<i", -4))
    for going_back in (Answer(b"abcd").skip, Answer(b"abcd").copy):
        with pytest.raises(NotEnoughData):
            going_back(-2)


def test_what_is_right_is_decoded_as_asyncua_does() -> None:
    given = ua.Variant(["LOT-1", None, "LOT-3"], ua.VariantType.String)
    assert decoded(ua_binary.variant_to_binary(given)).Value == given.Value
    assert decoded(b"\x00").Value is None


def answered(response: Any, handle: int) -> Answer:
    response.ResponseHeader.RequestHandle = handle
    return Answer(ua_binary.struct_to_binary(response))


def test_an_answer_of_another_kind_or_to_another_request_is_refused() -> None:
    request = ua.ReadRequest()
    request.RequestHeader.RequestHandle = ua.UInt32(7)
    _check(request, answered(ua.ReadResponse(), 7))
    with pytest.raises(UaError, match="instead of 7"):
        _check(request, answered(ua.ReadResponse(), 8))
    with pytest.raises(UaError, match="answered a Read request"):
        _check(request, answered(ua.PublishResponse(), 7))


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1",
        b"MSGX\x20\x00\x00\x00",
        b"MSGF\x00\x00\x00\x00",
        b"MSGF\xff\xff\xff\xff",
        b"MSGF\x00\x00\x01\x00",
    ],
)
async def test_what_cannot_be_a_frame_fails_who_waits_at_its_eighth_byte(head: bytes) -> None:
    frames = _Frames()
    waiting = frames._callbackmap[1] = asyncio.get_running_loop().create_future()
    frames.data_received(head[:7])
    assert not waiting.done()
    frames.data_received(head[7:])
    with pytest.raises(UaError, match="no frame"):
        await waiting
