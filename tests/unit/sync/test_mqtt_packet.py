"""What goes onto the wire of MQTT without paho's help is what paho reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from sync.mqtt.connection import Outgoing, _Packed
from sync.mqtt.wire import page


@given(st.none() | st.text("abc/+-", max_size=80), st.none() | st.binary(max_size=256))
def test_properties_are_read_back(content_type: str | None, correlation: bytes | None) -> None:
    packed = _Packed(Outgoing("t", b"", content_type=content_type, correlation=correlation)).pack()
    found = Properties(PacketTypes.PUBLISH)
    _, length = found.unpack(packed + b"the payload")
    assert length == len(packed)
    assert getattr(found, "ContentType", None) == content_type
    assert getattr(found, "CorrelationData", None) == correlation
    assert getattr(found, "PayloadFormatIndicator", None) == (None if content_type is None else 1)


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
