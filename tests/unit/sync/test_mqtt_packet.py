"""What goes onto the wire of MQTT, and what comes from it, without paho's help is what paho reads."""

from typing import Any, cast
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt._packet import decode_publish
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.exception import MalformedPacket
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from sync.mqtt.packets import Incoming, Outgoing, Packed, incoming
from sync.mqtt.wire import page


@given(st.none() | st.text("abc/+-", max_size=80), st.none() | st.binary(max_size=256))
def test_properties_are_read_back(content_type: str | None, correlation: bytes | None) -> None:
    packed = Packed(Outgoing("t", b"", content_type=content_type, correlation=correlation)).pack()
    found = Properties(PacketTypes.PUBLISH)
    _, length = found.unpack(packed + b"the payload")
    assert length == len(packed)
    assert getattr(found, "ContentType", None) == content_type
    assert getattr(found, "CorrelationData", None) == correlation
    assert getattr(found, "PayloadFormatIndicator", None) == (None if content_type is None else 1)


WORDS = st.text("abc/+-压", max_size=80)
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        "PayloadFormatIndicator": st.integers(0, 1),
        "MessageExpiryInterval": st.integers(0, 2**32 - 1),
        "ContentType": WORDS,
        "ResponseTopic": WORDS,
        "CorrelationData": st.binary(max_size=300),
        "SubscriptionIdentifier": st.lists(st.integers(1, 2**28 - 1), min_size=1, max_size=2),
        "UserProperty": st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=3),
    },
)


def published(topic: bytes, mid: int | None, given: dict[str, Any], body: bytes) -> tuple[int, bytes]:
    """A PUBLISH by its first byte and the rest behind its length, as paho writes it."""
    properties = Properties(PacketTypes.PUBLISH)
    for name, value in given.items():
        for one in value if isinstance(value, list) else [value]:
            setattr(properties, name, one)
    number = b"" if mid is None else mid.to_bytes(2, "big")
    head = 0x30 if mid is None else 0x32
    return head, len(topic).to_bytes(2, "big") + topic + number + properties.pack() + body


@given(WORDS, st.none() | st.integers(1, 65535), PROPERTIES, st.binary(max_size=200))
def test_a_message_is_read_as_it_was_sent(
    topic: str, mid: int | None, properties: dict[str, Any], body: bytes
) -> None:
    head, packet = published(topic.encode(), mid, properties, body)
    found = incoming(head, packet)
    to, correlation = properties.get("ResponseTopic"), properties.get("CorrelationData")
    assert found == Incoming(topic, body, int(mid is not None), mid or 0, to, correlation)
    for end in range(len(packet) - len(body)):
        with pytest.raises((ValueError, IndexError)):
            incoming(head, packet[:end])


@given(PROPERTIES, st.integers(0, 400), st.integers(1, 255))
def test_a_spoilt_message_is_none_or_what_paho_reads(given: dict[str, Any], place: int, mask: int) -> None:
    head, whole = published(b"lineside/pull/erp", 7, given, b"{}")
    spoilt = bytearray(whole)
    spoilt[place % len(spoilt)] ^= mask
    try:
        found = incoming(head, bytes(spoilt))
        theirs = decode_publish(head, bytes(spoilt), MQTTv5)
    except (ValueError, IndexError):
        return
    except MalformedPacket:
        return  # for characters that MQTT forbids, in texts that are not read here or refused as a topic
    names = ("ResponseTopic", "CorrelationData")
    to, correlation = (getattr(theirs.properties, name, None) for name in names)
    assert found == Incoming(theirs.topic.decode(), theirs.payload, 1, theirs.mid, to, correlation)


@pytest.mark.parametrize(
    ("head", "packet"),
    [
        (0x34, b"\x00\x01t\x00\x07\x00"),  # QoS 2, which nobody asked for
        (0x30, b"\x00\x01t\x03\x23\x00\x01"),  # a topic alias, of which we allow none
        (0x30, b"\x00\x01t\x06\x09\x00\x00\x09\x00\x00"),  # correlation data twice
        (0x30, b"\x00\x01t\x80\x80\x80\x80\x00"),  # a length of five bytes
        (0x30, b"\x00\x02\xff\xfe\x00"),  # no UTF-8
    ],
)
def test_what_a_broker_must_not_send_is_no_message(head: int, packet: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        incoming(head, packet)


@given(st.sampled_from((0, 90, 100, 110, 127, 128, 16_200, 16_380, 16_400, 2_097_100, 2_097_160)))
def test_the_size_of_a_packet_is_that_of_the_one_that_paho_makes(body: int) -> None:
    made: list[bytes] = []
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client._packet_queue = lambda _command, packet, *_rest, **_named: made.append(packet)  # type: ignore[assignment,return-value]
    one = Outgoing("lineside/x", b"x" * body, correlation=b"1")
    with mock.patch.object(client, "_sock", mock.Mock()):
        client._send_publish(
            7, one.topic.encode(), one.body, 1, False, properties=cast(Properties, Packed(one))
        )
    assert [len(packet) for packet in made] == [one.packet_bytes]


@pytest.mark.parametrize(
    ("events", "again", "text"),
    [
        ([], [], b'{"events":[],"again":[],"next":"e:1","more":false,"head":"e:9"}'),
        ([(1, b"{}")], [(7, b"[]")], b'{"events":[{}],"again":[[]],"next":"e:1","more":false,"head":"e:9"}'),
        ([(1, b"1"), (2, b"2")], [], b'{"events":[1,2],"again":[],"next":"e:1","more":false,"head":"e:9"}'),
    ],
)
def test_a_page_is_joined(
    events: list[tuple[int, bytes]], again: list[tuple[int, bytes]], text: bytes
) -> None:
    assert page(events, again, "e:1", False, "e:9") == text
