"""What goes over the network unencrypted is named, with what it carries; what does not is not."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge.settings import Exposure, UplinkSettings, Webhook
from sync.exposure import exposed
from sync.registry import KINDS

OAUTH = {"token_url": "https://erp.example/token", "client_id": "c", "client_secret_file": "s"}
FACTS = ("every fact",)
PROXY, PROXYS = {"proxy_user": "u", "proxy_password_file": "p"}, "the proxy's user and password"


def uplink(kind: str, given: Mapping[str, Any]) -> UplinkSettings:
    return KINDS[kind]().model_validate({"kind": kind, **given})


def carried(found: Exposure | None) -> tuple[str, ...]:
    return found.carried if found is not None else ()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"url": "https://erp.example/x", "token_file": "t"}, ()),
        ({"url": "http://erp.example/x"}, FACTS),
        ({"url": "http://erp.example/x", "token_file": "t"}, ("the token", *FACTS)),
        ({"url": "http://erp.example/x", "user": "u", "password_file": "p"}, ("user and password", *FACTS)),
        ({"url": "http://192.168.1.7/x", **OAUTH}, ("the token", *FACTS)),
        ({"url": "http://[2001:db8::1]/x", "token_file": "t"}, ("the token", *FACTS)),
        ({"url": "http://127.0.0.1:8080/x", "token_file": "t"}, ()),
        ({"url": "http://127.0.0.53/x", "token_file": "t"}, ()),
        ({"url": "http://[::1]/x", "token_file": "t"}, ()),
        ({"url": "http://LocalHost/x", "token_file": "t"}, ()),
        ({"url": "http://localhost.example/x"}, FACTS),
        ({"url": "http://127.0.0.1/x", "proxy": "http://proxy.example:3128"}, FACTS),
        ({"url": "https://erp.example/x", "proxy": "http://proxy.example:3128"}, ()),
        ({"url": "https://erp.example/x", "proxy": "http://proxy.example:3128", **PROXY}, (PROXYS,)),
        ({"url": "http://erp.example/x", "proxy": "http://proxy.example:3128", **PROXY}, (PROXYS, *FACTS)),
        ({"url": "https://erp.example/x", "proxy": "http://127.0.0.1:3128", **PROXY}, ()),
    ],
)
def test_plain_http_beyond_this_machine_is_named(given: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert carried(uplink("http", given).exposure) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"host": "broker.example"}, ()),
        ({"host": "broker.example", "tls": False}, FACTS),
        (
            {"host": "broker.example", "tls": False, "user": "u", "password_file": "p"},
            ("user and password", *FACTS),
        ),
        ({"host": "127.0.0.1", "tls": False, "user": "u", "password_file": "p"}, ()),
        ({"host": "::1", "tls": False}, ()),
        ({"host": "localhost", "tls": False}, ()),
    ],
)
def test_mqtt_without_tls_beyond_this_machine_is_named(
    given: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert carried(uplink("mqtt", {"consumers": ["erp"], **given}).exposure) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("http://robot.example/hook?key=s3cret", ("its secret address", "every alert")),
        ("https://robot.example/hook?key=s3cret", ()),
        ("http://127.0.0.1/hook", ()),
        ("http://[", ()),
    ],
)
def test_a_webhook_whose_address_is_a_secret_is_looked_at_too(
    tmp_path: Path, address: str, expected: tuple[str, ...]
) -> None:
    (tmp_path / "url").write_text(address)
    hook = Webhook.model_validate({"name": "leader", "url_file": str(tmp_path / "url")})
    found = dict(exposed(SimpleNamespace(uplinks={}), [hook]))  # type: ignore[arg-type]
    assert carried(found.get("webhooks.leader")) == expected
    assert "s3cret" not in repr(found)


def test_a_webhook_with_a_token_or_without_its_file() -> None:
    named = {"name": "leader", "url": "http://hook.example/x", "token_file": "t"}
    missing = {"name": "gone", "url_file": "/nowhere/url"}
    hooks = [Webhook.model_validate(one) for one in (named, missing)]
    ((place, found),) = exposed(SimpleNamespace(uplinks={}), hooks)  # type: ignore[arg-type]
    assert (place, found.carried) == ("webhooks.leader", ("the token", "every alert"))
