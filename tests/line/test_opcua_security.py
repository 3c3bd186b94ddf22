"""The OPC UA driver and certificates, users and passwords, against a real secured server."""

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from drivers.opcua import pki, session
from drivers.opcua.driver import OpcUaDriver
from drivers.opcua.settings import OpcUaSettings
from drivers.opcua.simulator import URI, Identity, Oven
from tests.contract.observing import Recorder, TestClock, eventually, serving

TAGS = {"batches": {"node": f"nsu={URI};s=Oven.Batches"}}


@pytest.fixture(scope="module")
def identity() -> Identity:
    return Identity()


@asynccontextmanager
async def served(machine: Oven, folder: Path, **more: Any) -> AsyncIterator[Recorder]:
    """The oven and its driver as a device whose certificates are in `folder`."""
    table: dict[str, Any] = {
        "driver": "opcua",
        "publishing_interval_s": 0.05,
        "timeout_s": 30,
        "reconnect_min_s": 0.05,
        "reconnect_max_s": 0.1,
        "security": machine.security,
        "policy": machine.policy,
        "pki_dir": folder,
        "tags": TAGS,
    }
    async with machine:
        settings = OpcUaSettings.model_validate(table | {"endpoint": machine.endpoint} | more)
        async with serving(OpcUaDriver("oven1", settings, TestClock())) as told:
            yield told


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes256Sha256RsaPss"])
@pytest.mark.parametrize("security", ["sign", "sign-and-encrypt"])
async def test_a_trusted_server_is_read_and_found_again_with_each_policy(
    tmp_path: Path, identity: Identity, policy: str, security: str
) -> None:
    pki.trust(tmp_path, "oven1", identity.certificate)
    machine = Oven(identity=identity, security=security, policy=policy)
    async with served(machine, tmp_path) as told:
        await told.until(lambda: told.values.get("batches") == 0)
        machine.cut()
        await told.until_up(times=2)
        await machine.batch(2)
        await told.until(lambda: told.values["batches"] == 2)
        await machine.power_off()
        await told.until_down(times=2)
        await machine.power_on()
        await told.until_up(times=3)
    assert told.ups == [True, False, True, False, True]


async def test_a_server_that_nobody_trusted_is_not_read_until_somebody_does(
    tmp_path: Path, identity: Identity
) -> None:
    machine = Oven(identity=identity, security="sign-and-encrypt")
    async with served(machine, tmp_path) as told:
        await told.until_down()
        assert pki.fingerprint(identity.certificate) in told.links[0].detail
        assert "lineside opcua trust oven1" in told.links[0].hint
        pki.trust(tmp_path, "oven1", identity.certificate)
        await told.until_up()
    assert told.ups == [False, True]


async def test_a_server_that_shows_another_certificate_than_the_trusted_is_not_read(
    tmp_path: Path, identity: Identity
) -> None:
    pki.trust(tmp_path, "oven1", Identity().certificate)
    async with served(Oven(identity=identity, security="sign"), tmp_path) as told:
        await told.until_down()
    assert told.ups == [False]
    assert "another than the one that was trusted" in told.links[0].detail
    assert told.values == {"batches": None} or not told.values


async def test_a_server_that_comes_back_with_another_certificate_is_not_read_until_it_is_trusted(
    tmp_path: Path, identity: Identity
) -> None:
    second = Identity()
    pki.trust(tmp_path, "oven1", identity.certificate)
    machine = Oven(identity=identity, security="sign-and-encrypt")
    # This server says nothing to who speaks to it with the keys of before.
    async with served(machine, tmp_path, timeout_s=3) as told:
        await told.until(lambda: told.values.get("batches") == 0)
        machine.identity = second
        await machine.renumber()
        await told.until_down()
        await machine.power_on()
        await told.until(lambda: len(told.links) == 3)
        assert told.ups == [True, False, False] and told.values["batches"] is None
        assert "another than the one that was trusted" in told.links[2].detail
        assert pki.fingerprint(second.certificate) in told.links[2].detail
        assert "lineside opcua trust oven1" in told.links[2].hint
        assert told.links[2].at == told.links[1].at
        pki.trust(tmp_path, "oven1", second.certificate)
        await told.until_up(times=2)
        await machine.batch()
        await told.until(lambda: told.values["batches"] == 1)


async def test_keys_are_renewed_while_the_server_has_nothing_to_say(
    tmp_path: Path, identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_CHANNEL_S", 2.0)
    pki.trust(tmp_path, "oven1", identity.certificate)
    machine = Oven(identity=identity, security="sign-and-encrypt")
    async with served(machine, tmp_path, keep_alive_s=60) as told:
        await told.until(lambda: told.values.get("batches") == 0)
        first = machine.keys
        await eventually(lambda: machine.keys >= first + 3)
        await machine.batch()
        await told.until(lambda: told.values["batches"] == 1)
    assert told.ups == [True]


async def test_a_certificate_that_has_run_out_counts_only_where_that_is_accepted(tmp_path: Path) -> None:
    old = Identity(valid=timedelta(days=-1))
    pki.trust(tmp_path, "oven1", old.certificate)
    async with served(Oven(identity=old, security="sign-and-encrypt"), tmp_path) as told:
        await told.until_down()
    assert "valid from" in told.links[0].detail and "accept_expired" in told.links[0].hint
    async with served(Oven(identity=old, security="sign-and-encrypt"), tmp_path, accept_expired=True) as told:
        await told.until_up()


async def test_a_security_that_the_server_does_not_offer_is_told_with_what_it_offers(
    tmp_path: Path, identity: Identity
) -> None:
    machine = Oven(identity=identity, security="sign")
    async with served(machine, tmp_path, security="sign-and-encrypt") as told:
        await told.until_down()
    assert "offers no sign-and-encrypt with Basic256Sha256, but" in told.links[0].detail
    assert "sign with Basic256Sha256" in told.links[0].detail


async def test_user_and_password_let_in_and_a_wrong_password_does_not_until_it_is_right(
    tmp_path: Path, identity: Identity
) -> None:
    secret = tmp_path / "password"
    secret.write_text("wrong\n")
    pki.trust(tmp_path, "oven1", identity.certificate)
    machine = Oven(identity=identity, security="sign-and-encrypt", users={"lineside": "回火 180"})
    async with served(machine, tmp_path, user="lineside", password_file=str(secret)) as told:
        await told.until_down()
        assert "password_file" in told.links[0].hint and "回火" not in told.links[0].detail
        secret.write_text("回火 180\n", encoding="utf-8")
        await told.until_up()
    assert told.ups == [False, True]


async def test_a_password_that_cannot_be_read_is_told_with_its_file(
    tmp_path: Path, identity: Identity
) -> None:
    pki.trust(tmp_path, "oven1", identity.certificate)
    machine = Oven(identity=identity, security="sign", users={"lineside": "x"})
    missing = str(tmp_path / "nothing")
    async with served(machine, tmp_path, user="lineside", password_file=missing) as told:
        await told.until_down()
    assert missing in told.links[0].detail


@pytest.mark.parametrize("form", ["der", "pem"])
async def test_a_users_certificate_lets_in_and_another_does_not_until_it_is_right(
    tmp_path: Path, identity: Identity, form: str
) -> None:
    user, stranger = Identity(), Identity()
    certificate, key = tmp_path / "user.crt", tmp_path / "user.key"
    certificate.write_bytes(stranger.certificate)
    key.write_bytes(stranger.key)
    pki.trust(tmp_path, "oven1", identity.certificate)
    machine = Oven(identity=identity, security="sign-and-encrypt", user_certificates=[user.certificate])
    files = {"user_certificate_file": str(certificate), "user_key_file": str(key)}
    async with served(machine, tmp_path, **files) as told:
        await told.until_down()
        assert told.values == {"batches": None}
        key.write_bytes(user.key)
        if form == "pem":
            read = x509.load_der_x509_certificate(user.certificate)
            certificate.write_bytes(read.public_bytes(serialization.Encoding.PEM))
        else:
            certificate.write_bytes(user.certificate)
        await told.until_up()
        await told.until(lambda: told.values["batches"] == 0)
    assert told.ups == [False, True]


async def test_the_own_certificate_is_made_once_however_many_ask_and_only_we_may_read_its_key(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "pki"
    found = await asyncio.gather(*[asyncio.to_thread(pki.own, folder) for _ in range(4)])
    assert len(set(found)) == 1
    assert stat.S_IMODE((folder / "own.pem").stat().st_mode) == 0o600
    assert sorted(path.name for path in folder.iterdir()) == ["own.der", "own.pem"]
    assert (folder / "own.der").read_bytes() == found[0].certificate
    assert found[0].uri.startswith("urn:") and pki.own(folder) == found[0]
