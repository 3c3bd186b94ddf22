"""What a server says becomes a value, or none: exact integers, finite numbers, single values."""

import math
from datetime import UTC, datetime

import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from drivers.opcua.decoding import QUALITIES, converter, source_ms, unfit
from drivers.opcua.nodes import targets
from drivers.opcua.pki import fingerprint
from drivers.opcua.security import first_of_chain
from drivers.opcua.settings import NodeTag
from drivers.opcua.simulator import Identity
from drivers.opcua.words import Refusal
from edge.readings import Quality


def tag(**more: object) -> NodeTag:
    return NodeTag.model_validate({"node": "ns=2;s=a"} | more)


@given(st.one_of(st.integers(-(2**63), 2**64 - 1), st.booleans(), st.text()))
def test_without_a_scale_a_value_is_what_the_server_holds(raw: object) -> None:
    assert converter(tag())(raw) is raw


@given(st.integers(-(2**53), 2**53))
def test_integers_are_scaled_in_whole_numbers(raw: int) -> None:
    assert converter(tag(scale="0.1"))(raw) == raw / 10
    assert converter(tag(scale=3, offset=-1))(raw) == 3 * raw - 1


@pytest.mark.parametrize("raw", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_no_value_and_no_mistake_of_the_configuration(raw: float) -> None:
    assert converter(tag())(raw) is None and converter(tag(scale=2))(raw) is None
    assert unfit(raw) is None


def test_a_text_that_is_not_in_utf_8_is_no_value_and_is_told() -> None:
    gbk = "批号 7".encode("gbk").decode("utf-8", "surrogateescape")  # as asyncua keeps what is no UTF-8
    for raw in (gbk, ua.LocalizedText(gbk)):
        assert converter(NodeTag(node="i=1"))(raw) is None
        assert "not in UTF-8" in (unfit(raw) or "")
    assert converter(NodeTag(node="i=1"))("批号 7") == "批号 7"


def test_a_scale_that_makes_a_number_infinite_makes_no_value() -> None:
    assert converter(tag(scale="1e20"))(1e300) is None


def test_the_upper_two_bits_of_a_status_are_the_quality() -> None:
    words = [ua.StatusCodes.Good, ua.StatusCodes.UncertainInitialValue, ua.StatusCodes.BadSensorFailure]
    assert [QUALITIES[code >> 30] for code in words] == [Quality.good, Quality.uncertain, Quality.bad]
    assert QUALITIES[0xC0000000 >> 30] is Quality.bad


def test_a_null_time_is_no_time() -> None:
    assert source_ms(None) is None and source_ms(datetime(1601, 1, 1, tzinfo=UTC)) is None
    assert source_ms(datetime(1970, 1, 1, 0, 0, 1, 999, tzinfo=UTC)) == 1000


def test_a_namespace_is_looked_up_by_its_name_wherever_it_stands() -> None:
    tags = {
        "uri": tag(node="nsu=urn:oven;i=300"),
        "index": tag(node="ns=1;s=x"),
        "gone": tag(node="nsu=urn:other;s=x"),
        "path": NodeTag(path="Oven/1:T", namespace="urn:oven"),
    }
    found = targets(tags, ["http://opcfoundation.org/UA/", "urn:server", "urn:new", "urn:oven"])
    assert found["uri"] == ua.NodeId(ua.Int32(300), ua.Int16(3))
    assert found["index"] == ua.NodeId(ua.String("x"), ua.Int16(1))
    assert isinstance(found["gone"], Refusal) and "urn:new" in found["gone"].hint
    path = found["path"]
    assert isinstance(path, ua.BrowsePath)
    assert [step.TargetName.NamespaceIndex for step in path.RelativePath.Elements] == [3, 1]


def test_of_a_chain_of_certificates_the_first_is_the_servers() -> None:
    one, two = Identity().certificate, Identity().certificate
    assert first_of_chain(one + two) == one == first_of_chain(one)
    assert fingerprint(one) != fingerprint(two)
