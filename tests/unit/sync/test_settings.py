"""What a person may set for an uplink, and where its files are sought."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from sync.registry import KINDS
from sync.settings import HttpSettings

URL = "https://erp.example/costing/events"


def made(**given: object) -> HttpSettings:
    return HttpSettings.model_validate({"kind": "http", "url": URL, **given})


def test_the_design_example_is_enough() -> None:
    found = made(token_file="erp-token", start="oldest")
    assert (found.batch_events, found.batch_bytes, found.on_reject) == (500, 1048576, "continue")
    assert KINDS["http"]() is HttpSettings


@pytest.mark.parametrize(
    "given",
    [
        {"url": "ftp://erp"},
        {"url": "erp.example/x"},
        {"url": URL + "/"},
        {"url": "https://me:secret@erp.example/x"},
        {"url": URL + "?key=secret"},
        {"url": "https://"},
        {"token": "secret"},
        {"password": "secret"},
        {"user": "me"},
        {"password_file": "p"},
        {"user": "me", "password_file": "p", "token_file": "t"},
        {"token_url": URL},
        {"token_url": "http://erp.example/token", "client_id": "c", "client_secret_file": "s"},
        {"token_url": "https://u:p@erp.example/t", "client_id": "c", "client_secret_file": "s"},
        {"token_url": URL, "client_id": "c", "client_secret_file": "s", "token_file": "t"},
        {"token_url": URL, "client_id": "c", "client_secret": "s3cr3t"},
        {"scope": "a"},
        {"cert_file": "c.pem"},
        {"cert_file": "c.pem", "key_file": "k.pem", "url": "http://erp.example/events"},
        {"proxy": "socks5://proxy:1080"},
        {"proxy": "http://me:secret@proxy:3128"},
        {"proxy_user": "me", "proxy_password_file": "p"},
        {"proxy": "http://proxy:3128", "proxy_user": "me"},
        {"batch_events": 501},
        {"batch_events": 0},
        {"batch_bytes": 2_000_000},
        {"start": "middle"},
        {"on_reject": "drop"},
        {"backoff_max_s": 0},
    ],
)
def test_what_cannot_work_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        made(**given)


def test_secrets_are_sought_beside_the_toml_or_in_systemds_credentials() -> None:
    given = made(token_file="token", ca_file="ca.pem")
    beside = given.located(Path("/etc/lineside"), None)
    assert (beside.token_file, beside.ca_file) == ("/etc/lineside/token", "/etc/lineside/ca.pem")
    credentials = given.located(Path("/etc/lineside"), Path("/run/credentials/sync"))
    assert (credentials.token_file, credentials.ca_file) == (
        "/run/credentials/sync/token", "/etc/lineside/ca.pem"
    )  # fmt: skip
    mtls = made(cert_file="edge.pem", key_file="edge.key").located(Path("/etc"), Path("/run"))
    assert (mtls.cert_file, mtls.key_file) == ("/etc/edge.pem", "/run/edge.key")
    assert made(token_file="/abs/token").located(Path("/etc"), Path("/run")).token_file == "/abs/token"
