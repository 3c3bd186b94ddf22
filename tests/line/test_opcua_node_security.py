"""Certificates, users and passwords against a server of another maker: node-opcua, run by Node.js."""

from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

from drivers.opcua import pki
from drivers.opcua.driver import OpcUaDriver
from drivers.opcua.session import Session
from drivers.opcua.settings import OpcUaSettings
from drivers.opcua.simulator import Identity
from tests.contract.observing import TestClock, serving
from tests.line.nodeoven import NodeOven, served, settings

POLICIES = ("Basic256Sha256", "Aes256Sha256RsaPss")


async def trusting(oven: NodeOven, folder: Path, **more: Any) -> OpcUaSettings:
    """Settings for sign and encrypt, with the certificate that the oven shows now trusted."""
    wanted = settings(oven.endpoint, **({"security": "sign-and-encrypt", "pki_dir": folder / "own"} | more))
    pki.trust(folder / "own", "oven1", await Session("oven1", wanted).shown())
    return wanted


def written(folder: Path, user: Identity, key: Identity | None = None) -> dict[str, str]:
    """The files of a user's certificate, as the settings name them."""
    certificate, secret = folder / "user.crt", folder / "user.key"
    certificate.write_bytes(user.certificate)
    secret.write_bytes((key or user).key)
    return {"user_certificate_file": str(certificate), "user_key_file": str(secret)}


async def reads(wanted: OpcUaSettings, oven: NodeOven, value: int) -> None:
    async with served(wanted) as (_, told):
        await oven.set("Batches", value)
        await told.until(lambda: told.values["batches"] == value)


async def test_another_servers_security_and_passwords_are_understood(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    user = {"user": "lineside", "password_file": str(secret)}
    async with NodeOven(tmp_path / "server", usersOnly=True) as oven:
        secret.write_text("oven-180\n")
        for number, (policy, security) in enumerate(product(POLICIES, ("sign", "sign-and-encrypt")), start=1):
            wanted = await trusting(oven, tmp_path, security=security, policy=policy, **user)
            await reads(wanted, oven, number)
        secret.write_text("oven-181\n")
        async with serving(OpcUaDriver("oven1", wanted, TestClock())) as told:
            await told.until_down()
            assert "logging in" in told.links[0].detail and "BadUserAccessDenied" in told.links[0].detail
            assert "password_file" in told.links[0].hint and "181" not in str(told.links[0])
            secret.write_text("oven-180\n")
            await told.until_up()


async def test_another_server_lets_a_users_certificate_in(tmp_path: Path) -> None:
    user, oven = Identity(), NodeOven(tmp_path / "server", usersOnly=True)
    oven.lets_in("user", user.certificate)
    async with oven:
        for number, policy in enumerate(POLICIES, start=1):
            wanted = await trusting(oven, tmp_path, policy=policy, **written(tmp_path, user))
            await reads(wanted, oven, number)
        nobody = await trusting(oven, tmp_path)
        async with serving(OpcUaDriver("oven1", nobody, TestClock())) as told:
            await told.until_down()
        assert "logging in" in told.links[0].detail and "user_certificate_file" in told.links[0].hint


async def test_a_foreign_and_an_expired_certificate_of_a_user_are_refused_with_what_to_do(
    tmp_path: Path,
) -> None:
    user, old, stranger = Identity(), Identity(valid=timedelta(days=-1)), Identity()
    oven = NodeOven(tmp_path / "server", usersOnly=True)
    oven.lets_in("user", user.certificate)
    oven.lets_in("old", old.certificate)
    async with oven:
        wanted = await trusting(oven, tmp_path, **written(tmp_path, stranger))
        async with serving(OpcUaDriver("oven1", wanted, TestClock())) as told:
            await told.until_down()
            assert "logging in" in told.links[0].detail
            assert "BadIdentityTokenRejected" in told.links[0].detail
            assert pki.fingerprint(stranger.certificate) in told.links[0].hint
            assert "on the server" in told.links[0].hint
            written(tmp_path, old)
            await told.until(lambda: len(told.links) == 2)
            assert "user_certificate_file is valid from" in told.links[1].hint
            assert "renew it" in told.links[1].hint
            written(tmp_path, user)
            await told.until_up()
            await told.until(lambda: told.values["batches"] is not None)
        assert [link.at for link in told.links[:2]] == [told.links[0].at] * 2  # one loss, two reasons
        wanted = await trusting(oven, tmp_path, **written(tmp_path, user, key=stranger))
        async with serving(OpcUaDriver("oven1", wanted, TestClock())) as told:
            await told.until_down()
            assert "user.key is not the RSA key of" in told.links[0].detail


async def test_a_server_that_comes_back_with_another_certificate_is_not_read_until_it_is_trusted(
    tmp_path: Path,
) -> None:
    first, second = Identity(), Identity()
    oven = NodeOven(tmp_path / "server")
    oven.shows(first)
    async with oven, served(await trusting(oven, tmp_path)) as (_, told):
        await oven.kill()
        await told.until_down()
        oven.shows(second)
        await oven.start()
        await told.until(lambda: len(told.links) == 3)
        assert told.ups == [True, False, False] and told.values["batches"] is None
        assert "another than the one that was trusted" in told.links[2].detail
        assert pki.fingerprint(second.certificate) in told.links[2].detail
        assert "lineside opcua trust oven1" in told.links[2].hint
        pki.trust(tmp_path / "own", "oven1", second.certificate)
        await told.until_up(times=2)
        await oven.set("Batches", 5)
        await told.until(lambda: told.values["batches"] == 5)


async def test_an_expired_certificate_of_another_server_counts_only_where_that_is_accepted(
    tmp_path: Path,
) -> None:
    oven = NodeOven(tmp_path / "server")
    oven.shows(Identity(valid=timedelta(days=-1)))
    async with oven:
        driver = OpcUaDriver("oven1", await trusting(oven, tmp_path), TestClock())
        async with serving(driver) as told:
            await told.until_down()
        assert "valid from" in told.links[0].detail and "lineside opcua trust oven1" in told.links[0].hint
        await reads(await trusting(oven, tmp_path, accept_expired=True), oven, 4)
