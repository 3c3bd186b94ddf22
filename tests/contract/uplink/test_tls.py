"""TLS is verified, 1.2 or newer: against the system's authorities, or the one that the settings name.

The edge shows its own certificate where it has one.
"""

import shutil
import ssl
import subprocess
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import ValidationError

from sync import tls
from sync.batch import pack
from sync.http import HttpUplink
from sync.outcome import Again, Settled
from sync.settings import HttpSettings
from tests.contract.uplink.receiver import Receiver
from tests.contract.uplink.rig import Time
from tests.unit.sync.making import EPOCH, SOURCE, paused, stored

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")

BATCH = pack(EPOCH, SOURCE, stored(paused(1)))


def self_signed(folder: Path, name: str, subject: str) -> None:
    """A certificate that vouches for itself, and its key."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", folder / f"{name}-key.pem", "-out", folder / f"{name}.pem", "-days", "2",
         "-subj", f"/CN={subject}", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A folder with ca.pem and ca-key.pem."""
    self_signed(tmp_path, "ca", "receiver")
    return tmp_path


@asynccontextmanager
async def served(context: ssl.SSLContext) -> AsyncIterator[Receiver]:
    found = Receiver()
    runner = web.AppRunner(found.app(), access_log=None, auto_decompress=False, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    found.url = f"https://127.0.0.1:{runner.addresses[0][1]}/events"
    try:
        yield found
    finally:
        await runner.cleanup()


def context(folder: Path, clients: str | None = None) -> ssl.SSLContext:
    """The receiver's; where `clients` is given only their certificates are let in."""
    found = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    found.load_cert_chain(folder / "ca.pem", folder / "ca-key.pem")
    if clients is not None:
        found.load_verify_locations(folder / clients)
        found.verify_mode = ssl.CERT_REQUIRED
    return found


@pytest.fixture
async def receiver(certificate: Path) -> AsyncIterator[Receiver]:
    async with served(context(certificate)) as found:
        yield found


async def shipped(url: str, ca_file: str | None, **more: str) -> object:
    uplink = made(url, ca_file, **more)
    try:
        return await uplink.ship(BATCH)
    finally:
        await uplink.close()


def made(url: str, ca_file: str | None, **more: str) -> HttpUplink:
    settings = HttpSettings.model_validate({"kind": "http", "url": url, "ca_file": ca_file, **more})
    return HttpUplink("erp", settings, Time())


async def test_a_certificate_that_nobody_vouches_for_is_refused(receiver: Receiver) -> None:
    found = await shipped(receiver.url, None)
    assert isinstance(found, Again) and "ca_file" in found.hint and receiver.calls == []


async def test_a_private_authority_is_trusted(receiver: Receiver, tmp_path: Path) -> None:
    assert isinstance(await shipped(receiver.url, str(tmp_path / "ca.pem")), Settled)


async def test_the_name_must_be_in_the_certificate(receiver: Receiver, tmp_path: Path) -> None:
    found = await shipped(receiver.url.replace("127.0.0.1", "localhost"), str(tmp_path / "ca.pem"))
    assert isinstance(found, Again) and "not trusted" in found.detail


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_ca_file_that_cannot_be_used_is_named(
    content: str | None, receiver: Receiver, tmp_path: Path
) -> None:
    path = tmp_path / "other.pem"
    if content is not None:
        path.write_text(content)
    found = await shipped(receiver.url, str(path))
    assert isinstance(found, Again) and str(path) in found.detail


def test_nothing_older_than_tls_1_2_and_nothing_unverified() -> None:
    found = tls.context(made("https://erp.example/events", None).settings)
    assert found.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert found.verify_mode is ssl.CERT_REQUIRED and found.check_hostname


def test_no_setting_turns_verification_off() -> None:
    for name in ("verify", "insecure", "tls", "check_hostname", "ssl"):
        with pytest.raises(ValidationError):
            made("https://erp.example/events", None, **{name: "no"})


async def test_a_receiver_of_tls_1_1_is_refused(certificate: Path) -> None:
    old = context(certificate)
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    async with served(old) as receiver:
        found = await shipped(receiver.url, str(certificate / "ca.pem"))
        assert isinstance(found, Again) and "TLS 1.2" in found.hint and receiver.calls == []


async def test_a_certificate_of_our_own_lets_us_in(certificate: Path) -> None:
    self_signed(certificate, "edge", "L3-IPC1")
    ours = {"cert_file": str(certificate / "edge.pem"), "key_file": str(certificate / "edge-key.pem")}
    async with served(context(certificate, clients="edge.pem")) as receiver:
        found = await shipped(receiver.url, str(certificate / "ca.pem"))
        assert isinstance(found, Again) and "cert_file" in found.hint and receiver.calls == []
        assert isinstance(await shipped(receiver.url, str(certificate / "ca.pem"), **ours), Settled)


async def test_a_renewed_certificate_is_taken_without_a_restart(certificate: Path) -> None:
    self_signed(certificate, "edge", "expired")
    self_signed(certificate, "renewed", "L3-IPC1")
    ours = {"cert_file": str(certificate / "edge.pem"), "key_file": str(certificate / "edge-key.pem")}
    async with served(context(certificate, clients="renewed.pem")) as receiver:
        uplink = made(receiver.url, str(certificate / "ca.pem"), **ours)
        try:
            assert isinstance(await uplink.ship(BATCH), Again)
            for end in (".pem", "-key.pem"):
                (certificate / f"renewed{end}").replace(certificate / f"edge{end}")
            assert isinstance(await uplink.ship(BATCH), Settled)
        finally:
            await uplink.close()


async def test_a_certificate_without_its_key_is_named(receiver: Receiver, certificate: Path) -> None:
    self_signed(certificate, "edge", "L3-IPC1")
    ours = {"cert_file": str(certificate / "edge.pem"), "key_file": str(certificate / "ca-key.pem")}
    found = await shipped(receiver.url, str(certificate / "ca.pem"), **ours)
    assert isinstance(found, Again) and "edge.pem" in found.detail and receiver.calls == []
