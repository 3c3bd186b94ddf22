"""Certificates: lineside's own, made at the first use, and those of servers that a person has trusted.

A server's certificate is trusted by itself, whoever signed it: the file `trusted/<device>.der` is what a
person compared and accepted. In `pki_dir` lie `own.pem` (key and certificate, for this user only) and
`own.der`, the certificate alone, to be trusted by servers.
"""

import os
import socket
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge.faults import DeviceFault

_YEARS = 20  # nobody renews the certificate of a box beside a line


class Untrusted(DeviceFault):
    """A server shows a certificate that nobody has trusted, or that is not valid now: a person has to act."""


@dataclass(frozen=True)
class Own:
    """lineside's certificate and key, both as DER, and the name that it carries."""

    certificate: bytes
    key: bytes
    uri: str


def own(pki_dir: Path) -> Own:
    """The own certificate, made where there is none. Takes a while then. Raises DeviceFault."""
    pem = pki_dir / "own.pem"
    try:
        if not pem.exists():
            pki_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
            _place(pem, _made())
        content = pem.read_bytes()
        certificate = x509.load_pem_x509_certificate(content)
        key = serialization.load_pem_private_key(content, password=None)
        der = certificate.public_bytes(serialization.Encoding.DER)
        beside = pki_dir / "own.der"
        if not beside.exists():
            beside.write_bytes(der)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except OSError as error:
        raise DeviceFault(
            f"the certificate {pem} could not be read or made: {error.strerror}",
            hint=f"Give this user the right to write to {pki_dir}",
        ) from error
    except (ValueError, x509.ExtensionNotFound) as error:
        raise DeviceFault(
            f"{pem} is no key with its certificate: {error}",
            hint="Put the right file back, or move it away: a new one is made, which servers must trust anew",
        ) from error
    plain = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Own(der, plain, uris[0] if uris else "urn:lineside")


def _made() -> bytes:
    """A key and its certificate as PEM, as Part 6, 6.2.2 wants an application's."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    host = socket.gethostname()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"lineside@{host}"[:64])])
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    names = x509.SubjectAlternativeName(
        [x509.UniformResourceIdentifier(f"urn:{host}:lineside"), x509.DNSName(host)]
    )
    public = key.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        # A PC whose clock starts in the past would hold its own certificate for one of the future.
        .not_valid_before(now - timedelta(days=365))
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(names, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret + certificate.public_bytes(serialization.Encoding.PEM)


def _place(path: Path, content: bytes) -> None:
    """Write a whole file that only this user may read, unless another driver was first."""
    handle, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(name, path)
    except FileExistsError:
        pass
    finally:
        Path(name).unlink()


def trusted(pki_dir: Path, device: str) -> bytes | None:
    """The certificate that a person has trusted for this device, as DER."""
    try:
        return _trusted_path(pki_dir, device).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DeviceFault(
            f"the trusted certificate of {device} could not be read: {error.strerror}",
            hint=f"Give this user the right to read {_trusted_path(pki_dir, device)}",
        ) from error


def trust(pki_dir: Path, device: str, certificate: bytes) -> Path:
    """Trust this certificate for the device from now on, instead of any other. Raises DeviceFault."""
    path = _trusted_path(pki_dir, device)
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_bytes(certificate)
        fresh.replace(path)
    except OSError as error:
        raise DeviceFault(
            f"{path} could not be written: {error.strerror}",
            hint="Run the command as the user that lineside runs as",
        ) from error
    return path


def _trusted_path(pki_dir: Path, device: str) -> Path:
    return pki_dir / "trusted" / f"{device}.der"


def parsed(certificate: bytes) -> x509.Certificate:
    """A certificate from its DER form. Raises DeviceFault."""
    try:
        return x509.load_der_x509_certificate(certificate)
    except ValueError as error:
        raise DeviceFault(
            f"the server's certificate cannot be read: {error}", hint="Make a new certificate on the server"
        ) from error


def fingerprint(certificate: bytes) -> str:
    """The SHA-256 fingerprint as servers show it: upper-case pairs."""
    return parsed(certificate).fingerprint(hashes.SHA256()).hex(":").upper()


def check(device: str, shown: bytes, known: bytes | None, *, accept_expired: bool) -> None:
    """Whether the certificate that a server shows is the one that is trusted. Raises Untrusted."""
    if shown != known:
        what = "is not trusted" if known is None else "is another than the one that was trusted"
        raise Untrusted(
            f"the certificate that {device} shows {what} (SHA-256 {fingerprint(shown)})",
            hint=f"Compare the fingerprint with the device's, then run `lineside opcua trust {device}`",
        )
    found = parsed(shown)
    now = datetime.now(UTC)
    if accept_expired or found.not_valid_before_utc <= now <= found.not_valid_after_utc:
        return
    raise Untrusted(
        f"the certificate of {device} is valid from {found.not_valid_before_utc:%Y-%m-%d} "
        f"to {found.not_valid_after_utc:%Y-%m-%d}, and here it is {now:%Y-%m-%d}",
        hint=f"Renew it on the device and run `lineside opcua trust {device}`, "
        "or set accept_expired = true; check this machine's clock",
    )
