"""TLS is verified: against the system's authorities, or the one that the settings name."""

import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from sync.batch import pack
from sync.http import HttpUplink
from sync.outcome import Again, Settled
from sync.settings import HttpSettings
from tests.contract.uplink.receiver import Receiver
from tests.contract.uplink.rig import Time
from tests.unit.sync.making import EPOCH, SOURCE, paused, stored

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A folder with ca.pem, which vouches for itself, and key.pem."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", tmp_path / "key.pem", "-out", tmp_path / "ca.pem", "-days", "2",
         "-subj", "/CN=receiver", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return tmp_path


@pytest.fixture
async def receiver(certificate: Path) -> AsyncIterator[Receiver]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "ca.pem", certificate / "key.pem")
    found = Receiver()
    runner = web.AppRunner(found.app(), access_log=None, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    found.url = f"https://127.0.0.1:{runner.addresses[0][1]}/events"
    yield found
    await runner.cleanup()


async def shipped(url: str, ca_file: str | None) -> object:
    settings = HttpSettings.model_validate({"kind": "http", "url": url, "ca_file": ca_file})
    uplink = HttpUplink("erp", settings, Time())
    try:
        return await uplink.ship(pack(EPOCH, SOURCE, stored(paused(1))))
    finally:
        await uplink.close()


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
