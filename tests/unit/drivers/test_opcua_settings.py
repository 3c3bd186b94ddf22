"""A wrong OPC UA device is refused in words that say what is allowed; a right one needs little."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.opcua.settings import NODE, OpcUaSettings, steps

RIGHT: dict[str, Any] = {
    "driver": "opcua",
    "endpoint": "opc.tcp://192.168.10.31:4840",
    "tags": {"temperature": {"node": "ns=2;s=Oven.Temperature", "unit": "Cel"}},
}


def made(**more: Any) -> OpcUaSettings:
    return OpcUaSettings.model_validate(RIGHT | more)


def told(**more: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        made(**more)
    return str(caught.value)


def test_the_documented_device_needs_no_more_than_endpoint_and_tags() -> None:
    settings = made()
    assert (settings.security, settings.queue_size, settings.timeout_s) == ("none", 100, 4.0)
    assert (settings.sampling_interval_s, settings.publishing_interval_s) == (0.25, 0.5)
    assert settings.tag_names == {"temperature"} and not settings.secured


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "192.168.10.31:4840",
        "opc.tcp://host",
        "http://host:4840",
        "opc.tcp://u:p@host:4840",
        "opc.tcp://h:x",
    ],
)
def test_an_endpoint_that_cannot_be_one_is_refused(endpoint: str) -> None:
    assert "is no endpoint; allowed: opc.tcp://" in told(endpoint=endpoint)


@pytest.mark.parametrize(
    "node",
    [
        "i=2258",
        "ns=2;i=4294967295",
        "ns=65535;s=a;b=c",
        "nsu=http://maker.example/oven/;s=Oven.Temperature",
        "ns=3;g=09087e75-8e5e-499b-954f-f2a9603db28a",
        "ns=1;b=M/RbKBsRVkePCePcx24oRA==",
        'ns=3;s="DB_Oven"."Temperature"',
    ],
)
def test_every_form_of_a_node_id_is_allowed(node: str) -> None:
    assert made(tags={"n": {"node": node}}).tags["n"].node == node
    assert NODE.fullmatch(node) is not None


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ({}, "needs either node or path"),
        ({"node": "ns=2;s=a", "path": "2:a"}, "needs either node or path"),
        ({"node": "Oven.Temperature"}, "is no node id; allowed: ns=<index>;s=<text>"),
        ({"node": "ns=2;i=x"}, "is no node id"),
        ({"node": "ns=70000;i=1"}, "is no node id"),
        ({"node": "ns=2;g=1"}, "is no node id"),
        ({"node": "ns=2;s=a", "namespace": "urn:a"}, "write nsu=<namespace URI>"),
        ({"path": "Oven/Temperature"}, "'Oven' has no namespace; allowed: <index>:Oven"),
        ({"path": "2:Oven//2:Temperature"}, "is no browse path"),
        ({"path": ""}, "is no browse path"),
        ({"node": "i=1", "scale": 0}, "scale = 0 would make every value the same"),
        ({"node": "i=1", "deadband": 0}, "greater than 0"),
    ],
)
def test_a_wrong_tag_is_refused_with_what_is_allowed(tag: dict[str, Any], words: str) -> None:
    assert words in told(tags={"n": tag})


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"security": "full"}, "'none', 'sign' or 'sign-and-encrypt'"),
        ({"policy": "Basic128Rsa15"}, "'Basic256Sha256' or 'Aes256Sha256RsaPss'"),
        ({"user": "a"}, "user and password_file belong together"),
        ({"user": "a", "password_file": "p"}, "allow_plain_password = true"),
        ({"user_key_file": "k"}, "user_certificate_file and user_key_file belong together"),
        ({"reconnect_min_s": 5, "reconnect_max_s": 1}, "allowed: 5.0 to 60"),
        ({"queue_size": 0}, "queue_size"),
        ({"tags": {}}, "tags"),
    ],
)
def test_a_wrong_device_is_refused_with_what_is_allowed(more: dict[str, Any], words: str) -> None:
    assert words in told(**more)


def test_files_are_found_beside_the_configuration_the_credentials_and_the_data() -> None:
    settings = made(user="a", password_file="p", security="sign")
    folder, credentials, data = Path("/etc/lineside"), Path("/run/credentials"), Path("/var/lib/lineside")
    with_credentials = settings.located(folder, credentials, data)
    assert with_credentials.password_file == "/run/credentials/p"
    assert with_credentials.pki_dir == data / "pki"
    beside = made(user="a", password_file="p", security="sign", pki_dir="certs").located(folder, None, data)
    assert beside.password_file == "/etc/lineside/p" and beside.pki_dir == folder / "certs"


def test_a_path_is_taken_apart_at_slashes_that_are_not_escaped() -> None:
    assert steps("2:Oven/Zone&/1/3:A&&B") == [(2, "Oven"), (None, "Zone/1"), (3, "A&B")]
    assert made(tags={"n": {"path": "2:R&&/2:D&&"}}).tags["n"].path == "2:R&&/2:D&&"
    for odd in ("", "2:R&", "2:R&&&", "2:R//2:D", "/2:R"):
        with pytest.raises(ValidationError):
            made(tags={"n": {"path": odd}})


@given(st.lists(st.tuples(st.integers(0, 65535), st.text(min_size=1)), min_size=1, max_size=5))
def test_any_names_survive_being_written_as_a_path(names: list[tuple[int, str]]) -> None:
    written = "/".join(f"{index}:{name.replace('&', '&&').replace('/', '&/')}" for index, name in names)
    assert steps(written) == names
    assert made(tags={"n": {"path": written}}).tags["n"].path == written
